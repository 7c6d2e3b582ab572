/** What several processes agree on before they train: shares of processors, even batches, the same run. Without any MPI. */
import { availableParallelism } from 'node:os';
import { describe, expect, test } from 'vitest';
import { UsclError } from '../../src/base/errors.ts';
import { textsOf } from '../../src/engine/ranks/agreement.ts';
import { ALONE, type Ranks } from '../../src/engine/ranks/communicator.ts';
import { requireDivisible } from '../../src/pretrain/ranks.ts';
import { type Config, resolveConfig } from '../../src/runs/config.ts';
import {
  fairThreads,
  type Program,
  requireSame,
  requireSameProgram,
  requireSameStart,
} from '../../src/runs/ranks/agreement.ts';
import type { RunStart } from '../../src/runs/run-folder.ts';
import { inTurns } from '../engine/turns.ts';

const together = <Result>(size: number, body: (ranks: Ranks) => Result): readonly Result[] =>
  inTurns(size, (turn) => body({ ...ALONE, ...turn })).results;

/** The error of each rank as text, which none leaves out. */
function refusals(size: number, body: (ranks: Ranks) => void): readonly string[] {
  return together(size, (ranks) => {
    try {
      body(ranks);
    } catch (thrown) {
      if (thrown instanceof UsclError)
        return `${thrown.code} ${thrown.kind} ${thrown.where} ${thrown.message}`;
      throw thrown;
    }
    return 'none';
  });
}

describe('threads', () => {
  const share = (size: number): number => Math.max(1, Math.floor(availableParallelism() / size));

  test('are what is asked for where there is one process', () => {
    expect(fairThreads(ALONE, null, null)).toBe(null);
    expect(fairThreads(ALONE, 700, { threads: 700 })).toBe(700);
  });

  test('are an equal share of the machine’s processors where nothing is asked for, at least one', () => {
    expect(together(2, (ranks) => fairThreads(ranks, null, null))).toEqual([share(2), share(2)]);
    const many = 4 * availableParallelism();
    expect(together(many, (ranks) => fairThreads(ranks, null, null))).toEqual(Array(many).fill(1));
  });

  test('of a run that goes on are no more than that share, and what a person asks for now is taken', () => {
    expect(together(2, (ranks) => fairThreads(ranks, 700, { threads: 700 }))).toEqual([share(2), share(2)]);
    expect(together(2, (ranks) => fairThreads(ranks, 700, { threads: 1 }))).toEqual([700, 700]);
    expect(together(2, (ranks) => fairThreads(ranks, 1, { threads: 1 }))).toEqual([1, 1]);
  });
});

describe('a batch', () => {
  const refusal = (size: number, sizes: readonly number[], more: readonly number[] = []): unknown => {
    const streams = [sizes[0]!, ...more].map((count) => ({ count })) as never;
    try {
      requireDivisible({ ranks: { size }, batchSchedule: { sizes }, opened: { open: { streams } } });
    } catch (thrown) {
      if (thrown instanceof UsclError) return [thrown.code, thrown.where, thrown.message];
      throw thrown;
    }
    return null;
  };

  test('that divides is taken, whatever its streams', () => {
    expect(refusal(1, [5, 3])).toBe(null);
    expect(refusal(3, [6, 3], [9, 12])).toBe(null);
  });

  test.each([
    ['too uneven', [5], [], 'key batch.size', 'A batch of 5 clips'],
    ['of which another stream is uneven', [4], [4, 7], 'key batch.size', 'A batch of 7 clips'],
    [
      'whose last one is uneven',
      [4, 3],
      [],
      'key batch.lastBatch',
      'The last batches of an epoch have 3 clips',
    ],
    ['both of whose sizes are uneven', [5, 3], [], 'key batch.size', 'A batch of 5 clips'],
  ])('%s is refused, with the key that mends it', (_, sizes, more, where, message) => {
    expect(refusal(2, sizes, more)).toEqual(['RANKS_BATCH', where, expect.stringContaining(message)]);
  });
});

describe('the same run', () => {
  // Each process begins anew at every meeting.
  const configs = new Map<string, Config>();
  const config = (set: readonly string[] = []): Config => {
    const known = configs.get(set.join()) ?? resolveConfig({ set, channels: 1 });
    configs.set(set.join(), known);
    return known;
  };
  const at = (start: RunStart, folder = '/runs/a'): { folder: string; start: RunStart } => ({
    folder,
    start,
  });

  test('is asked of nobody who is alone', () => {
    const nobody = { ...ALONE, gather: (): never => expect.unreachable() };
    requireSameStart(nobody, at('new'), config(), 'hash');
  });

  test('is found where all hold the same', () => {
    const start = (ranks: Ranks): void => {
      requireSameStart(ranks, at('new'), config(), 'hash');
    };
    expect(refusals(3, start)).toEqual(['none', 'none', 'none']);
  });

  test.each<readonly [string, (ranks: Ranks, isOther: boolean) => void, string]>([
    [
      'another key',
      (ranks, isOther) => {
        requireSameStart(ranks, at('new'), config(isOther ? ['optimizer.learningRate=0.5'] : []), 'hash');
      },
      'value of optimizer.learningRate than rank 0: 0.5 in place of 0.0003.',
    ],
    [
      'norms of its own',
      (ranks, isOther) => {
        requireSameStart(ranks, at('new'), config(isOther ? ['model.norms=synchronised'] : []), 'hash');
      },
      'value of model.norms than rank 0: "synchronised" in place of "rank".',
    ],
    [
      'options of another method',
      (ranks, isOther) => {
        requireSameStart(ranks, at('new'), config(isOther ? ['method.name=simclr'] : []), 'hash');
      },
      'keys of the configuration than rank 0.',
    ],
    [
      'another folder to write to',
      (ranks, isOther) => {
        requireSameStart(ranks, at('new', isOther ? '/runs/b/../c' : '/runs/a'), config(), 'hash');
      },
      'output folder than rank 0: /runs/c in place of /runs/a.',
    ],
    [
      'another dataset',
      (ranks, isOther) => {
        requireSameStart(ranks, at('new'), config(), isOther ? 'other' : 'hash');
      },
      'dataset than rank 0.',
    ],
    [
      'a run that goes on',
      (ranks, isOther) => {
        requireSameStart(ranks, at(isOther ? 'resumed' : 'new'), config(), 'hash');
      },
      'run in the output folder (is the folder shared by all machines?) than rank 0.',
    ],
    [
      'other weights',
      (ranks, isOther) => {
        requireSame(ranks, 'weights', Uint8Array.of(1, isOther ? 3 : 2));
      },
      'weights than rank 0.',
    ],
  ])('is refused by all where one has %s', (_, start, what) => {
    const found = refusals(3, (ranks) => {
      start(ranks, ranks.rank === 2);
    });
    const message = `RANKS_DIFFER usage rank 2 Rank 2 of 3 has another ${what}`;
    expect(found).toEqual([message, message, message]);
  });
});

describe('the same program', () => {
  const program = { version: '1.2.3', commit: 'abc+' };
  const found = (other: Partial<Program>, work = 'pretraining'): readonly string[] =>
    refusals(3, (ranks) => {
      const isOther = ranks.rank === 1;
      const own = isOther ? { ...program, ...other } : program;
      requireSameProgram(ranks, own, isOther ? work : 'pretraining');
    });
  const refused = (what: string): readonly string[] =>
    Array<string>(3).fill(`RANKS_DIFFER usage rank 1 Rank 1 of 3 has another ${what}.`);

  test('is found where versions, commits and work are the same, or a checkout does not know its commit', () => {
    expect(found({})).toEqual(['none', 'none', 'none']);
    expect(found({ commit: null })).toEqual(['none', 'none', 'none']);
    const first = (ranks: Ranks): void => {
      requireSameProgram(ranks, ranks.rank === 0 ? { ...program, commit: null } : program, 'study');
    };
    expect(refusals(2, first)).toEqual(['none', 'none']);
  });

  test('is what all refuse to be without, and what each holds is told', () => {
    expect(found({ version: '1.10.0' })).toEqual(
      refused('version of the program than rank 0: 1.10.0 in place of 1.2.3'),
    );
    expect(found({ commit: 'def' })).toEqual(
      refused('commit of the program than rank 0: def in place of abc+'),
    );
    expect(found({}, 'study')).toEqual(refused('kind of work than rank 0: study in place of pretraining'));
  });

  test('is not asked for by one process', () => {
    requireSameProgram({ ...ALONE, gather: (): never => expect.unreachable() }, program, 'study');
  });
});

test('texts of all ranks are told to all, whatever their lengths', () => {
  const texts = ['Rechner-ä~12', '', 'x'.repeat(2000)];
  const told = (own: readonly string[]): readonly (readonly string[])[] =>
    together(own.length, (ranks) => textsOf(ranks, own[ranks.rank]!));
  expect(told(texts)).toEqual([texts, texts, texts]);
  expect(told(['', ''])).toEqual([
    ['', ''],
    ['', ''],
  ]);
  expect(textsOf(ALONE, 'ü')).toEqual(['ü']);
});
