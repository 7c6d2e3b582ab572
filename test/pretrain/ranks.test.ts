/** What several processes agree on before they train: shares of processors, even batches, the same run. Without any MPI. */
import { availableParallelism } from 'node:os';
import { describe, expect, test } from 'vitest';
import { UsclError } from '../../src/base/errors.ts';
import { ALONE, type Ranks } from '../../src/engine/ranks/communicator.ts';
import { requireDivisible } from '../../src/pretrain/ranks.ts';
import { type Config, resolveConfig } from '../../src/runs/config.ts';
import { fairThreads, requireSame, requireSameStart } from '../../src/runs/ranks/agreement.ts';
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
  const config = (set: readonly string[] = []): Config => resolveConfig({ set, channels: 1 });

  test('is asked of nobody who is alone', () => {
    const nobody = { ...ALONE, gather: (): never => expect.unreachable() };
    requireSameStart(nobody, 'new', config(), 'hash');
  });

  test('is found where all hold the same', () => {
    const start = (ranks: Ranks): void => {
      requireSameStart(ranks, 'new', config(), 'hash');
    };
    expect(refusals(3, start)).toEqual(['none', 'none', 'none']);
  });

  test.each<readonly [string, (ranks: Ranks, isOther: boolean) => void, string]>([
    [
      'another key',
      (ranks, isOther) => {
        requireSameStart(ranks, 'new', config(isOther ? ['optimizer.learningRate=0.5'] : []), 'hash');
      },
      'value of optimizer.learningRate',
    ],
    [
      'norms of its own',
      (ranks, isOther) => {
        requireSameStart(ranks, 'new', config(isOther ? ['model.norms=synchronised'] : []), 'hash');
      },
      'value of model.norms',
    ],
    [
      'options of another method',
      (ranks, isOther) => {
        requireSameStart(ranks, 'new', config(isOther ? ['method.name=simclr'] : []), 'hash');
      },
      'keys of the configuration',
    ],
    [
      'another dataset',
      (ranks, isOther) => {
        requireSameStart(ranks, 'new', config(), isOther ? 'other' : 'hash');
      },
      'dataset',
    ],
    [
      'a run that goes on',
      (ranks, isOther) => {
        requireSameStart(ranks, isOther ? 'resumed' : 'new', config(), 'hash');
      },
      'run in the output folder (is the folder shared by all machines?)',
    ],
    [
      'other weights',
      (ranks, isOther) => {
        requireSame(ranks, 'weights', Uint8Array.of(1, isOther ? 3 : 2));
      },
      'weights',
    ],
  ])('is refused by all where one has %s', (_, start, what) => {
    const found = refusals(3, (ranks) => {
      start(ranks, ranks.rank === 2);
    });
    const message = `RANKS_DIFFER usage rank 2 Rank 2 of 3 has another ${what} than rank 0.`;
    expect(found).toEqual([message, message, message]);
  });
});
