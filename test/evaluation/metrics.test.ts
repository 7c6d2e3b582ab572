import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import {
  balancedAccuracyByChance,
  confusionMatrix,
  scoresOfConfusion,
  type Scores,
} from '../../src/evaluation/scores/metrics.ts';
import { codeOf, golden } from './support.ts';

function scoresOf(truth: readonly number[], predicted: readonly number[], classes: number): Scores {
  return scoresOfConfusion(confusionMatrix(truth, predicted, classes), classes);
}

const cases = golden(
  'metrics',
  z.object({
    classes: z.int(),
    truth: z.array(z.int()),
    predicted: z.array(z.int()),
    accuracy: z.number(),
    balancedAccuracy: z.number(),
    macroF1: z.number(),
    confusion: z.array(z.array(z.int())),
  }),
);

describe('chance', () => {
  it('is the balanced accuracy of any constant answer out of the classes that occur', () => {
    const supports = fc
      .array(fc.nat(4), { minLength: 2, maxLength: 6 })
      .filter((counts) => counts.some((count) => count > 0));
    fc.assert(
      fc.property(supports, (counts) => {
        const truth = counts.flatMap((count, c) => new Array<number>(count).fill(c));
        counts.forEach((count, answer) => {
          const constant = truth.map(() => answer);
          const expected = count > 0 ? balancedAccuracyByChance(counts) : 0;
          expect(scoresOf(truth, constant, counts.length).balancedAccuracy).toBeCloseTo(expected, 14);
        });
      }),
    );
  });

  it('does not count a class that nothing has', () => {
    expect(balancedAccuracyByChance([24, 24, 0])).toBe(1 / 2);
    expect(balancedAccuracyByChance([24, 24, 1])).toBe(1 / 3);
    expect(balancedAccuracyByChance([0, 7])).toBe(1);
    expect(codeOf(() => balancedAccuracyByChance([0, 0]))).toBe('METRIC_INPUT');
  });
});

describe('scores', () => {
  it.each(cases)('equal scikit-learn for $classes classes ($truth.length rows)', (one) => {
    const { truth, predicted, classes } = one;
    expect([...confusionMatrix(truth, predicted, classes)]).toEqual(one.confusion.flat());
    const { accuracy, balancedAccuracy, macroF1 } = scoresOf(truth, predicted, classes);
    expect(accuracy).toBeCloseTo(one.accuracy, 12);
    expect(balancedAccuracy).toBeCloseTo(one.balancedAccuracy, 12);
    expect(macroF1).toBeCloseTo(one.macroF1, 12);
  });

  it('equal the definitions, written class by class, on any labels', () => {
    const labels = fc.integer({ min: 2, max: 6 }).chain((classes) =>
      fc.record({
        classes: fc.constant(classes),
        rows: fc.array(fc.tuple(fc.nat(classes - 1), fc.nat(classes - 1)), { minLength: 1, maxLength: 40 }),
      }),
    );
    fc.assert(
      fc.property(labels, ({ classes, rows }) => {
        const recalls: number[] = [];
        const f1s: number[] = [];
        for (let c = 0; c < classes; c++) {
          const hits = rows.filter(([t, p]) => t === c && p === c).length;
          const trueRows = rows.filter(([t]) => t === c).length;
          const called = rows.filter(([, p]) => p === c).length;
          if (trueRows > 0) recalls.push(hits / trueRows);
          const precision = called === 0 ? 0 : hits / called;
          const recall = trueRows === 0 ? 0 : hits / trueRows;
          if (trueRows + called > 0)
            f1s.push(hits === 0 ? 0 : (2 * precision * recall) / (precision + recall));
        }
        const mean = (values: number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
        const scores = scoresOf(
          rows.map(([t]) => t),
          rows.map(([, p]) => p),
          classes,
        );
        expect(scores.accuracy).toBeCloseTo(rows.filter(([t, p]) => t === p).length / rows.length, 12);
        expect(scores.balancedAccuracy).toBeCloseTo(mean(recalls), 12);
        expect(scores.macroF1).toBeCloseTo(mean(f1s), 12);
      }),
      { seed: 1 },
    );
  });

  it('refuse no rows', () => {
    expect(codeOf(() => scoresOf([], [], 2))).toBe('METRIC_INPUT');
  });
});
