/** Ranks over a transport, agreements, and the choice of an MPI library: without any MPI. */
import { describe, expect, test } from 'vitest';
import { HostVector } from '../../src/engine/core/host-vector.ts';
import { allocateBlock, type Address, floatView } from '../../src/engine/native/memory.ts';
import { openReference } from '../../src/engine/reference/backend.ts';
import { anyOf, firstOther, flagsOf, sharersOf } from '../../src/engine/ranks/agreement.ts';
import { ALONE, type Ranks } from '../../src/engine/ranks/communicator.ts';
import { awaitTurn, isElsewhere, meet, openTogether } from '../../src/engine/ranks/meeting.ts';
import { isCutOff, seatOf } from '../../src/engine/ranks/mpi/launcher.ts';
import { abiOf, candidatesOf, search } from '../../src/engine/ranks/mpi/search.ts';
import { otherWorld } from '../../src/engine/ranks/mpi/world.ts';
import type { Transport } from '../../src/engine/ranks/mpi/transport.ts';
import { TransportRanks } from '../../src/engine/ranks/transport.ts';
import { separateMemory } from '../../src/engine/separate/backend.ts';
import { dataError } from '../../src/base/errors.ts';
import { failureOf } from '../failures.ts';

/** Rank 1 of 3; rank r holds the numbers of this one plus 100 (r − 1). */
function fake(): Transport & { readonly counts: number[]; ended: string } {
  const counts: number[] = [];
  return {
    ...{ rank: 1, size: 3, library: 'fake', counts, ended: 'alone' },
    sum(address: Address, count: number) {
      counts.push(count);
      const view = floatView(address, count);
      view.set(view.map((value) => 3 * value));
    },
    gather(from: Address, to: Address, count: number) {
      counts.push(count);
      const own = floatView(from, count);
      for (let rank = 0; rank < 3; rank++)
        floatView(to, 3 * count).set(
          own.map((value) => value + 100 * (rank - 1)),
          rank * count,
        );
    },
    ends(how) {
      this.ended = how;
    },
  };
}

const ramp = (length: number): Float32Array => Float32Array.from({ length }, (_, i) => i + 1);

describe('a transport of three ranks', () => {
  test.each(['native', 'the runtime’s', 'a device’s'])(
    'sums a vector in %s memory, piece by piece',
    (memory) => {
      const transport = fake();
      const ranks = new TransportRanks(transport, 4);
      using block = allocateBlock(64);
      using device = separateMemory(openReference(false));
      using vector =
        memory === 'native'
          ? new HostVector(floatView(block.address, 11))
          : memory === 'a device’s'
            ? device.allocate(11)
            : new HostVector(new Float32Array(11));
      vector.write(ramp(11));
      ranks.sum(vector);
      expect([...vector.read()]).toEqual([...ramp(11).map((value) => 3 * value)]);
      expect(transport.counts).toEqual([4, 4, 3]);
    },
  );

  test('gathers parts in the order of ranks, piece by piece', () => {
    const transport = fake();
    const part = ramp(5);
    const all = new TransportRanks(transport, 8).gather(part);
    const wanted = [-100, 0, 100].flatMap((more) => [...part.map((value) => value + more)]);
    expect([...all]).toEqual(wanted);
    expect(transport.counts).toEqual([2, 2, 1]);
  });

  test('sends nothing for nothing', () => {
    const transport = fake();
    const ranks = new TransportRanks(transport);
    ranks.sum(new HostVector(new Float32Array(0)));
    expect(ranks.gather(new Float32Array(0)).length).toBe(0);
    expect(transport.counts).toEqual([]);
  });

  test('hands on how it ends, and is alone until told', () => {
    const transport = fake();
    const ranks = new TransportRanks(transport);
    expect(ranks.ending).toBe('alone');
    ranks.ends('together');
    expect([ranks.ending, transport.ended]).toEqual(['together', 'together']);
  });

  test.each([
    [3, 3],
    [-1, 3],
    [0, 0],
  ])('there is no rank %i of %i', (rank, size) => {
    expect(() => new TransportRanks({ ...fake(), rank, size })).toThrow(RangeError);
  });
});

/** Ranks of which this one is `rank`, and the others send what `others` makes of its numbers. */
function among(rank: number, others: (own: Float32Array, other: number) => Float32Array, size = 3): Ranks {
  let ending: Ranks['ending'] = 'alone';
  return {
    ...{ rank, size, library: 'fake', sum: () => undefined },
    gather: (part) =>
      Float32Array.from(
        Array.from({ length: size }, (_, other) => [...(other === rank ? part : others(part, other))]).flat(),
      ),
    get ending() {
      return ending;
    },
    ends: (how) => {
      ending = how;
    },
  };
}

describe('agreements', () => {
  const same = among(1, (own) => own);
  test('a flag of any rank is up on all', () => {
    const raised = among(1, (own, other) => (other === 2 ? Float32Array.of(1) : own));
    expect([anyOf(raised, false), anyOf(same, false), anyOf(same, true), anyOf(ALONE, true)]).toEqual([
      true,
      false,
      true,
      true,
    ]);
    expect(flagsOf(raised, 0)).toEqual([0, 0, 1]);
  });

  test('the first rank that holds something else is named by its number, seen from any rank', () => {
    const changed = (own: Float32Array): Float32Array =>
      own.map((value, i) => (i === 31 ? value + 1 : value));
    expect(firstOther(same, 'text')).toBeNull();
    expect(
      firstOther(
        among(1, (own, other) => (other === 2 ? changed(own) : own)),
        'text',
      ),
    ).toBe(2);
    // This one is the other: rank 0 and rank 2 hold the same.
    expect(firstOther(among(1, changed), 'text')).toBe(1);
  });

  test('ranks of one place are counted', () => {
    expect(sharersOf(same, 'here')).toBe(3);
    expect(
      sharersOf(
        among(1, (own, other) => (other === 2 ? own : own.map((value) => 255 - value))),
        'here',
      ),
    ).toBe(2);
    expect(sharersOf(ALONE, 'here')).toBe(1);
  });
});

describe('opening together', () => {
  const own = dataError('SOURCE_MISSING', 'gone', 'look');
  const failing = (code: number, at: number) => (_: Float32Array, other: number) =>
    Float32Array.of(other === at ? code : 0);

  test('the first that fails tells its own error, the others that it did, with its kind, and all end together', async () => {
    const first = among(1, failing(2, 2));
    const mine = await failureOf(
      openTogether(first, () => {
        throw own;
      }),
    );
    expect(mine).toBe(own);
    expect(first.ending).toBe('together');
    const second = among(1, failing(2, 0));
    const theirs = await failureOf(
      openTogether(second, () => {
        throw own;
      }),
    );
    expect(theirs).toMatchObject({ code: 'RANKS_FAILED', exitCode: 2, where: 'rank 0' });
    expect(second.ending).toBe('together');
  });

  test('a meeting passes where all are well, and names the first that is not', () => {
    meet(among(1, failing(0, 0)));
    meet(ALONE);
    const ranks = among(0, failing(4, 2));
    expect(() => {
      meet(ranks);
    }).toThrow('Rank 2 of 3 has failed');
    expect(ranks.ending).toBe('together');
  });

  test('whoever learnt of a failure at a meeting does not meet again', async () => {
    let meetings = 0;
    const ranks = among(0, (_, other) => {
      meetings += other === 1 ? 1 : 0;
      return Float32Array.of(other === 2 ? 3 : 0);
    });
    const error = await failureOf(
      openTogether(ranks, () => {
        meet(ranks);
      }),
    );
    expect(isElsewhere(error)).toBe(true);
    expect(meetings).toBe(1);
  });

  test('rank 0 tells at once, and so does whoever ends with the others', async () => {
    await awaitTurn({ rank: 0, ending: 'alone' }, own);
    await awaitTurn({ rank: 2, ending: 'together' }, own);
  });
});

describe('the launcher', () => {
  test.each([
    [
      { PMI_RANK: '2', PMI_SIZE: '4' },
      { launcher: 'hydra', rank: 2, size: 4 },
    ],
    [
      { PMI_ID: '1', PMI_PORT: 'here:1' },
      { launcher: 'hydra', rank: 1, size: null },
    ],
    [
      { OMPI_COMM_WORLD_RANK: '0', OMPI_COMM_WORLD_SIZE: '2', PMIX_RANK: '0' },
      { launcher: 'openmpi', rank: 0, size: 2 },
    ],
    [
      { PMIX_RANK: '3', SLURM_PROCID: '3', SLURM_STEP_NUM_TASKS: '8' },
      { launcher: 'pmix', rank: 3, size: 8 },
    ],
    [
      { SLURM_PROCID: '5', SLURM_STEP_NUM_TASKS: '6' },
      { launcher: 'slurm', rank: 5, size: 6 },
    ],
    // A batch script is one process, whatever its job may start.
    [{ SLURM_PROCID: '0', SLURM_NTASKS: '4' }, null],
    [{ PMI_RANK: '0', PMI_SIZE: '1' }, null],
    [{ PMI_RANK: 'x', PMI_SIZE: '2' }, null],
    [{}, null],
  ])('%j is %j', (environment, seat) => {
    expect(seatOf(environment)).toEqual(seat);
  });

  test('a connection that is no socket is cut', () => {
    expect(isCutOff({})).toBe(false);
    expect(isCutOff({ PMI_FD: '999999' })).toBe(true);
  });

  test('another world than the launcher’s is told with both places', () => {
    const error = otherWorld(
      { launcher: 'hydra', rank: 1, size: 4 },
      { rank: 0, size: 1 },
      'Open MPI v4.1.4',
    );
    expect(error.code).toBe('RANKS_LAUNCHER');
    expect(error.message).toContain('process 1 of 4');
    expect(error.message).toContain('Open MPI v4.1.4 sees it as process 0 of 1');
  });
});

describe('the search for a library', () => {
  const files = (launcher: Parameters<typeof candidatesOf>[0], environment = {}): readonly string[] =>
    candidatesOf(launcher, environment).map(({ file }) => file);

  test.runIf(process.platform === 'linux')(
    'begins with the kind of the launcher, in environments of Python first',
    () => {
      expect(files('openmpi')[0]).toBe('libmpi.so.40');
      expect(files('hydra')).toEqual(['libmpi_abi.so.1', 'libmpich.so.12', 'libmpi.so.12']);
      expect(files('hydra', { VIRTUAL_ENV: '/env' }).slice(0, 2)).toEqual([
        '/env/lib/libmpi_abi.so.1',
        'libmpi_abi.so.1',
      ]);
      expect(files('hydra', { USCL_MPI: '/mine.so', VIRTUAL_ENV: '/env' })).toEqual(['/mine.so']);
    },
  );

  test('knows an interface by symbols and name', () => {
    const has =
      (...symbols: readonly string[]) =>
      (symbol: string) =>
        symbols.includes(symbol);
    expect(abiOf('libmpi.so.40', has('MPI_Init_thread', 'ompi_mpi_comm_world'))).toBe('openmpi');
    expect(abiOf('/lib/libmpi_abi.so.1', has('MPI_Init_thread'))).toBe('standard');
    expect(abiOf('libmpi.so.12', has('MPI_Init_thread'))).toBe('mpich');
    expect(abiOf('libm.so.6', has('cos'))).toBeNull();
  });

  test('passes over what is not there and what is of another kind, and says both', () => {
    const { found, failures } = search(
      [
        { file: 'a', abi: 'standard' },
        { file: 'b', abi: 'mpich' },
        { file: 'c', abi: 'mpich' },
      ],
      (file) => (file === 'a' ? { reason: 'not there' } : { abi: file === 'b' ? 'openmpi' : 'mpich' }),
    );
    expect(found).toEqual({ abi: 'mpich', file: 'c' });
    expect(failures).toEqual(['a: not there', 'b: its interface is that of openmpi']);
  });
});
