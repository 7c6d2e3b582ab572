import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { rankRows, rocPoints, scoresOfRanking, type Ranking } from '../../src/evaluation/scores/ranking.ts';
import { codeOf } from './support.ts';

/** Rows with few different scores, so that ties are common. */
const rows = fc.array(
  fc.record({ positive: fc.boolean(), score: fc.nat(8).map((n) => n / 8), group: fc.nat(4) }),
  { minLength: 1, maxLength: 40 },
);
type Rows = readonly { readonly positive: boolean; readonly score: number; readonly group: number }[];

function ranked(made: Rows): Ranking {
  return rankRows(
    made.map(({ score }) => score),
    (row) => made[row]!.positive,
    (row) => made[row]!.group,
  );
}
const once = [1, 1, 1, 1, 1];

/** Share of pairs put in the right order, pair by pair. */
function byPairs(made: Rows): number {
  let right = 0;
  let pairs = 0;
  for (const one of made) {
    for (const other of made) {
      if (!one.positive || other.positive) continue;
      pairs++;
      right += one.score > other.score ? 1 : one.score === other.score ? 0.5 : 0;
    }
  }
  return right / pairs;
}

/** Σ (recall − recall before) · precision, threshold by threshold. */
function byThresholds(made: Rows): number {
  const positives = made.filter(({ positive }) => positive).length;
  let before = 0;
  let sum = 0;
  for (const threshold of [...new Set(made.map(({ score }) => score))].sort((a, b) => b - a)) {
    const called = made.filter(({ score }) => score >= threshold);
    const recall = called.filter(({ positive }) => positive).length / positives;
    sum += (recall - before) * (called.filter(({ positive }) => positive).length / called.length);
    before = recall;
  }
  return sum;
}

describe('scores of a ranking', () => {
  it('are the definitions, counted pair by pair and threshold by threshold', () => {
    fc.assert(
      fc.property(rows, (made) => {
        const { auroc: area, averagePrecision: precision } = scoresOfRanking(ranked(made), once);
        if (Number.isNaN(byPairs(made))) expect(area).toBeNaN();
        else expect(area).toBeCloseTo(byPairs(made), 12);
        if (made.some(({ positive }) => positive)) expect(precision).toBeCloseTo(byThresholds(made), 12);
        else expect(precision).toBeNaN();
      }),
      { seed: 1 },
    );
  });

  it('with a group drawn several times are those of its rows written down as often', () => {
    const times = fc.array(fc.nat(3), { minLength: 5, maxLength: 5 });
    fc.assert(
      fc.property(rows, times, (made, drawn) => {
        const copies = made.flatMap((row) => Array.from({ length: drawn[row.group]! }, () => row));
        const weighted = scoresOfRanking(ranked(made), drawn);
        const written = scoresOfRanking(ranked(copies), once);
        for (const name of ['auroc', 'averagePrecision'] as const) {
          if (Number.isNaN(written[name])) expect(weighted[name]).toBeNaN();
          else expect(weighted[name]).toBeCloseTo(written[name], 12);
        }
      }),
      { seed: 2 },
    );
  });

  it('do not depend on the order of rows, nor on more than the order of scores', () => {
    fc.assert(
      fc.property(rows, (made) => {
        const there = scoresOfRanking(ranked(made), once);
        const back = scoresOfRanking(ranked([...made].reverse()), once);
        const stretched = made.map((row) => ({ ...row, score: Math.exp(3 * row.score) - 100 }));
        expect(back).toEqual(there);
        expect(scoresOfRanking(ranked(stretched), once)).toEqual(there);
      }),
      { seed: 3 },
    );
  });

  it('turn round when the classes do: AUROC becomes 1 − AUROC', () => {
    fc.assert(
      fc.property(rows, (made) => {
        const other = made.map((row) => ({ ...row, positive: !row.positive }));
        const sum = scoresOfRanking(ranked(made), once).auroc + scoresOfRanking(ranked(other), once).auroc;
        if (!Number.isNaN(sum)) expect(sum).toBeCloseTo(1, 12);
      }),
      { seed: 4 },
    );
  });
});

describe('the ROC curve', () => {
  it('rises from (0, 0) to (1, 1), holds the AUROC below it, and has no point it does not need', () => {
    fc.assert(
      fc.property(rows, (made) => {
        const points = rocPoints(ranked(made));
        const area = scoresOfRanking(ranked(made), once).auroc;
        expect(points === null).toBe(Number.isNaN(area));
        if (points === null) return;
        expect(points[0]).toEqual([0, 0]);
        expect(points.at(-1)).toEqual([1, 1]);
        let sum = 0;
        points.slice(1).forEach(([x, y], i) => {
          const [x0, y0] = points[i]!;
          expect(x).toBeGreaterThanOrEqual(x0);
          expect(y).toBeGreaterThanOrEqual(y0);
          expect(x + y).toBeGreaterThan(x0 + y0);
          sum += ((x - x0) * (y + y0)) / 2;
        });
        expect(sum).toBeCloseTo(area, 12);
        points.slice(2).forEach(([x, y], i) => {
          const [[x0, y0], [x1, y1]] = [points[i]!, points[i + 1]!];
          expect(Math.abs((x1 - x0) * (y - y1) - (y1 - y0) * (x - x1))).toBeGreaterThan(1e-9);
        });
      }),
      { seed: 5 },
    );
  });

  it('is thinned to the number of steps asked for, keeping its ends', () => {
    const made = Array.from({ length: 500 }, (_, i) => ({ positive: i % 2 === 0, score: -i, group: 0 }));
    const points = rocPoints(ranked(made), 20)!;
    expect(points).toHaveLength(21);
    expect([points[0], points.at(-1)]).toEqual([
      [0, 0],
      [1, 1],
    ]);
  });
});

describe('scores of a few rows', () => {
  const scoresOf = (made: readonly (readonly [positive: boolean, score: number])[]) =>
    scoresOfRanking(ranked(made.map(([positive, score]) => ({ positive, score, group: 0 }))), once);

  it('are no number where they are not defined', () => {
    expect(scoresOf([]).auroc).toBeNaN();
    expect(
      scoresOf([
        [false, 0.2],
        [false, 0.9],
      ]),
    ).toEqual({ auroc: NaN, averagePrecision: NaN });
    // Every row is of the class: whatever the order, precision is 1.
    expect(
      scoresOf([
        [true, 0.2],
        [true, 0.9],
      ]),
    ).toEqual({ auroc: NaN, averagePrecision: 1 });
  });

  it('are known for a small case', () => {
    const found = scoresOf([
      [true, 0.9],
      [false, 0.8],
      [true, 0.7],
      [false, 0.7],
      [false, 0.1],
    ]);
    expect(found.auroc).toBeCloseTo((3 + 1.5) / 6, 12);
    expect(found.averagePrecision).toBeCloseTo(1 / 2 + (1 / 2) * (2 / 4), 12);
  });

  it('are refused for scores that are no numbers', () => {
    for (const score of [NaN, Infinity]) expect(codeOf(() => scoresOf([[true, score]]))).toBe('METRIC_INPUT');
  });
});
