/** Rows of a batch that are a rank's, the way to those of all and back, and what is summed after a step: without any MPI. */
import { describe, expect, test } from 'vitest';
import { HostVector } from '../../src/engine/core/host-vector.ts';
import { ALONE, type Ranks } from '../../src/engine/ranks/communicator.ts';
import type { ViewRows } from '../../src/methods/method.ts';
import { RankBatch, sumStep } from '../../src/trainer/methods/rank-batch.ts';
import {
  ofAllRanks,
  ownOfAll,
  partOf,
  partsOfRank,
  viewsOfRank,
} from '../../src/trainer/methods/rank-rows.ts';
import { inTurns, type TurnRanks } from '../engine/turns.ts';

/** Sums by gathering: what a library does in one call. */
function ranksOf(turn: TurnRanks): Ranks {
  return {
    ...ALONE,
    ...turn,
    sum: (vector) => {
      const all = turn.gather(vector.read());
      vector.write(
        vector
          .read()
          .map((_, i) =>
            Array.from({ length: turn.size }, (__, rank) => all[rank * vector.length + i]!).reduce(
              (sum, value) => sum + value,
            ),
          ),
      );
    },
  };
}

const together = <Result>(size: number, body: (ranks: Ranks) => Result): readonly Result[] =>
  inTurns(size, (turn) => body(ranksOf(turn))).results;

/** A view of six clips, in which every number says where it stands. */
function viewOf(view: number, count = 6): ViewRows {
  const row = (field: number) => Array.from({ length: count }, (_, i) => 100 * field + 10 * view + i);
  return {
    clips: row(1),
    labels: Int32Array.from(row(2)),
    groups: Int32Array.from(row(3)),
    sources: Int32Array.from(row(4)),
    times: Float64Array.from(row(5)),
  };
}

describe('a rank’s rows', () => {
  test('are the rank-th of equal consecutive parts', () => {
    expect([0, 1, 2].map((rank) => partOf(6, { rank, size: 3 }))).toEqual([
      [0, 2],
      [2, 4],
      [4, 6],
    ]);
    expect(() => partOf(7, { rank: 0, size: 3 })).toThrow('3 ranks do not divide 7 rows');
  });

  test('have all that is known of them, in every view', () => {
    const [, second] = viewsOfRank([viewOf(0), viewOf(1)], { rank: 2, size: 3 });
    expect(second).toEqual({
      clips: [114, 115],
      labels: Int32Array.of(214, 215),
      groups: Int32Array.of(314, 315),
      sources: Int32Array.of(414, 415),
      times: Float64Array.of(514, 515),
    });
    const views = [viewOf(0)];
    expect(viewsOfRank(views, { rank: 0, size: 1 })).toBe(views);
  });

  test('are those of each stream, with their partners where there are some', () => {
    const parts = [
      { epoch: 3, clips: [1, 2, 3, 4] },
      { epoch: 5, clips: [5, 6], partners: [7, 8] },
    ];
    expect(partsOfRank(parts, { rank: 1, size: 2 })).toEqual([
      { epoch: 3, clips: [3, 4] },
      { epoch: 5, clips: [6], partners: [8] },
    ]);
    expect(partsOfRank(parts, { rank: 0, size: 1 })).toBe(parts);
  });
});

describe('numbers of all ranks', () => {
  // Two views: two numbers of each rank in the first, one in the second.
  const own = (rank: number): Float32Array => Float32Array.of(10 * rank, 10 * rank + 1, 100 + rank);

  test('stand view by view, and in a view rank by rank', () => {
    for (const all of together(3, (ranks) => ofAllRanks(ranks, own(ranks.rank), [2, 1])))
      expect([...all]).toEqual([0, 1, 10, 11, 20, 21, 100, 101, 102]);
    const mine = own(0);
    expect(ofAllRanks(ALONE, mine, [2, 1])).toBe(mine);
  });

  test('come back to the rank that they are of', () => {
    const all = Float32Array.of(0, 1, 10, 11, 20, 21, 100, 101, 102);
    for (let rank = 0; rank < 3; rank++) {
      const target = new Float32Array(3);
      ownOfAll({ rank, size: 3 }, all, target, [2, 1]);
      expect(target).toEqual(own(rank));
    }
    const untouched = Float32Array.of(1, 2, 3);
    ownOfAll({ rank: 0, size: 1 }, untouched, untouched, [2, 1]);
    expect([...untouched]).toEqual([1, 2, 3]);
  });
});

describe('a batch of two ranks', () => {
  const use = { views: [0, 1] };
  const views = [viewOf(0, 4), viewOf(1, 2)];
  // Two numbers a row: a rank has two rows of the first view, one of the second.
  const rows = (rank: number): Float32Array => Float32Array.from({ length: 6 }, (_, i) => 10 * rank + i);

  test('shows the outputs of both, each gathered once', () => {
    const found = together(2, (ranks) => {
      let reads = 0;
      const batch = new RankBatch(ranks, views);
      const outputs = batch.ofAll(use, () => {
        reads++;
        return rows(ranks.rank);
      });
      const [first, again] = [outputs('features'), outputs('features')];
      expect(again).toBe(first);
      return { all: [...first], reads };
    });
    for (const one of found)
      expect(one).toEqual({ all: [0, 1, 2, 3, 10, 11, 12, 13, 4, 5, 14, 15], reads: 1 });
  });

  test('gives each the gradients of its own rows, of what was asked for', () => {
    const found = together(2, (ranks) => {
      const mine = new Float32Array(6);
      const gradients = new RankBatch(ranks, views).gradients(use, () => mine);
      const all = gradients.ofAll('features');
      expect(gradients.ofAll('features')).toBe(all);
      all.set(all.map((_, i) => i));
      expect(gradients.own('features')).toBe(mine);
      return { own: [...mine], names: [...gradients.written.keys()] };
    });
    expect(found).toEqual([
      { own: [0, 1, 2, 3, 8, 9], names: ['features'] },
      { own: [4, 5, 6, 7, 10, 11], names: ['features'] },
    ]);
    const mine = new Float32Array(12);
    expect(new RankBatch(ALONE, views).gradients(use, () => mine).ofAll('features')).toBe(mine);
  });

  test('lets images of all be changed, of views of several sizes', () => {
    // A rank has two images of four numbers, and one of one.
    const found = together(2, (ranks) => {
      const images = Float32Array.from({ length: 9 }, (_, i) => 100 * ranks.rank + i);
      let seen: readonly number[] = [];
      new RankBatch(ranks, views).changeImages(images, [2, 1], (all) => {
        seen = [...all];
        all.reverse();
      });
      return { seen, images: [...images] };
    });
    const all = [...[0, 1, 2, 3, 4, 5, 6, 7], ...[100, 101, 102, 103, 104, 105, 106, 107], 8, 108];
    const reversed = [...all].reverse();
    expect(found.map(({ seen }) => seen)).toEqual([all, all]);
    expect(found.map(({ images }) => images)).toEqual([
      [...reversed.slice(0, 8), reversed[16]],
      [...reversed.slice(8, 16), reversed[17]],
    ]);
  });
});

test('after a step gradients are summed over ranks, and running statistics become their mean', () => {
  const vectors = (rank: number) => [
    new HostVector(Float32Array.of(1 + rank, 2)),
    new HostVector(Float32Array.of(4 * rank)),
    new HostVector(Float32Array.of(8 - 2 * rank)),
  ];
  const after = together(2, (ranks) => {
    const [gradients, ...statistics] = vectors(ranks.rank);
    sumStep(ranks, gradients!, statistics);
    return [gradients!, ...statistics].map((vector) => [...vector.read()]);
  });
  expect(after).toEqual([
    [[3, 4], [2], [7]],
    [[3, 4], [2], [7]],
  ]);
  const [gradients, ...statistics] = vectors(1);
  sumStep({ ...ALONE, sum: () => expect.unreachable() }, gradients!, statistics);
  expect([...gradients!.read()]).toEqual([2, 2]);
});
