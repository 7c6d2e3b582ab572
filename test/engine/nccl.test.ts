/** Sums by NCCL: the binding on a library that stands in for it, its agreements, and the real one up to where it looks for a GPU. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import koffi from 'koffi';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Vector } from '../../src/engine/core/backend.ts';
import { HostVector } from '../../src/engine/core/host-vector.ts';
import { allocateBlock, addressOfView, floatView } from '../../src/engine/native/memory.ts';
import { lookForTorch } from '../../src/engine/open.ts';
import { ALONE, type Ranks } from '../../src/engine/ranks/communicator.ts';
import {
  findNccl,
  type FoundNccl,
  gpuOf,
  onDevices,
  placeOnMachine,
  sharedId,
} from '../../src/engine/ranks/gpus.ts';
import { type Functions, ID_BYTES, loadNccl } from '../../src/engine/ranks/nccl/binding.ts';
import { Communicator, newId, versionOf } from '../../src/engine/ranks/nccl/communicator.ts';
import { candidatesOf } from '../../src/engine/ranks/nccl/search.ts';
import { scratchFolder } from '../pretrain/support.ts';

const scratch = scratchFolder();
const file = join(scratch, 'libstandin.so');
const compiled = spawnSync('cc', ['-shared', '-fPIC', '-o', file, join(import.meta.dirname, 'nccl.c')]);
const hasCompiler = compiled.status === 0;

/** Ranks that all say what this one says, but for what `others` makes of it. */
function alike(rank: number, size: number, others = (own: number, _other: number): number => own): Ranks {
  return {
    ...ALONE,
    ...{ rank, size, library: 'fake MPI', sum: () => expect.fail('went by MPI') },
    gather: (part) =>
      Float32Array.from(
        Array.from({ length: size }, (_, other) =>
          [...part].map((value) => (other === rank ? value : others(value, other))),
        ).flat(),
      ),
  };
}

describe.skipIf(!hasCompiler)('NCCL’s binary interface, on a library that stands in for it', () => {
  let functions: Functions;
  let stand: { readonly aborts: () => number; readonly stream: (call: number) => number };

  beforeAll(() => {
    functions = loadNccl(file)!;
    const native = koffi.load(file);
    stand = {
      aborts: native.func('int standInAborts()') as () => number,
      stream: native.func('uintptr_t standInStream(int)') as (call: number) => number,
    };
  });

  test('an id travels by value, numbers are summed in place on the stream', () => {
    const id = newId(functions);
    expect([id[0], id[1], id[127], id.length]).toEqual([200, 199, 73, ID_BYTES]);
    expect(versionOf(functions)).toBe('2.30.7');
    using communicator = new Communicator(functions, { rank: 2, size: 3 }, id);
    using block = allocateBlock(64);
    const numbers = floatView(block.address, 5);
    numbers.set([1, 2, 3, 4, 5]);
    communicator.sum({ address: block.address, length: 4, stream: 0x1234_5678_9abc });
    expect([...numbers]).toEqual([3, 6, 9, 12, 5]);
    expect(stand.stream(0)).toBe(0x1234_5678_9abc);
  });

  test('a wrong id is refused, with the name of the status and the words', () => {
    const id = newId(functions);
    id[100] = 0;
    expect(() => new Communicator(functions, { rank: 0, size: 2 }, id)).toThrow(
      expect.objectContaining({ code: 'NCCL_FAILED', kind: 'resource', where: 'ncclCommInitRank' }),
    );
    expect(() => new Communicator(functions, { rank: 0, size: 2 }, id)).toThrow(
      'ncclInvalidArgument (no such device)',
    );
    expect(() => new Communicator(functions, { rank: 0, size: 2 }, id.subarray(1))).toThrow(RangeError);
  });

  test.each([
    [0xdead, 'ncclUnhandledCudaError', 'at once'],
    [0xbad, 'ncclRemoteError', 'later'],
  ])('a sum that fails (stream %i: %s, %s) gives the communicator up, once', (stream, status) => {
    const before = stand.aborts();
    using block = allocateBlock(64);
    {
      using communicator = new Communicator(functions, { rank: 0, size: 2 }, newId(functions));
      expect(() => {
        communicator.sum({ address: block.address, length: 4, stream });
      }).toThrow(`${status} (the peer is gone)`);
      expect(stand.aborts()).toBe(before + 1);
    }
    expect(stand.aborts()).toBe(before + 1);
  });

  test('nothing is not sent, and no place is no place', () => {
    using communicator = new Communicator(functions, { rank: 0, size: 2 }, newId(functions));
    communicator.sum({ address: 0, length: 0, stream: 0xdead });
    expect(() => {
      communicator.sum({ address: 0, length: 3, stream: 1 });
    }).toThrow(RangeError);
    expect(() => {
      communicator.sum({ address: 64, length: -1, stream: 1 });
    }).toThrow(RangeError);
  });

  describe('ranks on devices', () => {
    const found = (): FoundNccl => ({ file, version: '2.30.7', functions });
    const onCuda = (vector: Vector) => {
      if (!(vector instanceof HostVector)) throw new TypeError('another vector');
      return { address: addressOfView(vector.data), length: vector.length, stream: 7 };
    };
    const notes: string[] = [];
    const note = (text: string): void => {
      notes.push(text);
    };

    test('sum vectors by NCCL and gather by what is below', () => {
      using block = allocateBlock(64);
      const vector = new HostVector(floatView(block.address, 3));
      vector.write(Float32Array.of(1, 2, 3));
      const before = stand.aborts();
      {
        using own = onDevices(alike(0, 4), { onCuda }, note, found);
        const { ranks } = own;
        expect([ranks.rank, ranks.size, ranks.library]).toEqual([0, 4, 'fake MPI, NCCL 2.30.7']);
        ranks.sum(vector);
        expect([...ranks.gather(Float32Array.of(9))]).toEqual([9, 9, 9, 9]);
      }
      expect([...vector.read()]).toEqual([4, 8, 12]);
      expect(stand.aborts()).toBe(before + 1);
      expect(notes).toEqual([]);
    });

    test('stay as they are where no rank has a GPU, or this process is alone', () => {
      const ranks = alike(0, 2);
      using none = onDevices(ranks, {}, note, found);
      using alone = onDevices(ALONE, { onCuda }, note, () => expect.fail('looked for NCCL'));
      expect(none.ranks).toBe(ranks);
      expect(alone.ranks).toBe(ALONE);
      expect(notes).toEqual([]);
    });

    test.each([
      [1, 'rank 2 does not compute on CUDA'],
      [2, 'rank 2 was started with USCL_NCCL=off'],
      [3, 'rank 2 has found no NCCL'],
    ])('stay as they are, and say why, where one is not ready (%i)', (state, words) => {
      const ranks = alike(0, 3, (own, other) => (other === 2 ? state : own));
      using own = onDevices(ranks, { onCuda }, note, found);
      expect(own.ranks).toBe(ranks);
      expect(notes.splice(0).join()).toContain(words);
    });

    test('are all told the id that the first has made', () => {
      const id = sharedId(alike(0, 3), functions);
      expect(id).toEqual(newId(functions));
      // Rank 1 has none of its own; rank 0 sends bytes up to 255.
      const other = sharedId(
        alike(1, 2, () => 255),
        { ...functions, uniqueId: () => expect.fail('made an id of its own') },
      );
      expect([...other]).toEqual(Array.from({ length: ID_BYTES }, () => 255));
    });
  });
});

describe('the GPU of a process', () => {
  test.each([
    [0, 4, undefined, '0'],
    [3, 4, undefined, '3'],
    [5, 4, undefined, '1'],
    [1, 4, '2,3', '3'],
    [1, 0, 'GPU-a, GPU-b', 'GPU-b'],
    // One that a launcher gave to each, and none.
    [1, 4, '2', null],
    [1, 4, '', null],
    [1, 0, undefined, null],
  ])('place %i of a machine with %i, where %s are visible, is %s', (place, count, visible, gpu) => {
    expect(gpuOf(place, count, visible)).toBe(gpu);
  });

  test('is counted on its own machine', () => {
    // Even ranks are on this machine.
    const ranks = alike(4, 6, (own, other) => (other % 2 === 0 ? own : own + 1));
    expect(placeOnMachine(ranks, 'this')).toBe(2);
    expect(placeOnMachine(ALONE, 'this')).toBe(0);
  });
});

describe('the search for NCCL', () => {
  test('takes what a variable names, else the package beside PyTorch, else the system’s', () => {
    const beside = '/env/site-packages/nvidia/nccl/lib/libnccl.so.2';
    const torch = '/env/site-packages/torch/lib';
    expect(candidatesOf(torch, {}, (name) => name === beside)).toEqual([beside, 'libnccl.so.2']);
    expect(candidatesOf(torch, {}, () => false)).toEqual(['libnccl.so.2']);
    expect(candidatesOf(null, {}, () => true)).toEqual(['libnccl.so.2']);
    expect(candidatesOf(torch, { USCL_NCCL: '/mine.so' }, () => true)).toEqual(['/mine.so']);
  });

  test('passes over what is no NCCL', () => {
    expect(loadNccl('libm.so.6')).toBeNull();
    expect(findNccl(null, { USCL_NCCL: join(scratch, 'nowhere.so') })).toBeNull();
  });
});

describe('NCCL itself', () => {
  const real = findNccl(lookForTorch().folder);

  test('tells its version and makes ids, no two alike', ({ skip }) => {
    skip(real === null, 'no NCCL: pip install nvidia-nccl-cu13, and name its file with USCL_NCCL');
    expect(real!.version).toMatch(/^2\.\d+\.\d+$/);
    const [one, other] = [newId(real!.functions), newId(real!.functions)];
    expect(one.some((byte) => byte !== 0)).toBe(true);
    expect(one).not.toEqual(other);
  });

  test('says that there is no GPU, where there is none', ({ skip }) => {
    skip(real === null, 'no NCCL: pip install nvidia-nccl-cu13, and name its file with USCL_NCCL');
    skip(lookForTorch().likely.includes('cuda'), 'there may be a GPU');
    const { functions } = real!;
    const id = newId(functions);
    expect(() => new Communicator(functions, { rank: 0, size: 1 }, id)).toThrow(
      expect.objectContaining({ code: 'NCCL_FAILED', kind: 'resource', where: 'ncclCommInitRank' }),
    );
  });
});
