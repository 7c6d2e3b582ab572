import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { randomAt } from '../../src/base/random.ts';
import { binOf, reliabilityBins } from '../../src/evaluation/scores/calibration.ts';
import type { OverallScore } from '../../src/evaluation/scores/evaluation-result.ts';
import { levelScorer, overallAt, scoresUnder } from '../../src/evaluation/scores/level-scorer.ts';

/** A score of rows of probabilities [rows][classes]. */
function scoreOf(
  name: OverallScore,
  truth: readonly number[],
  rows: readonly (readonly number[])[],
  predicted: readonly number[] = rows.map((row) => row.indexOf(Math.max(...row))),
  bins = 15,
): number {
  const level = {
    classes: rows[0]!.length,
    truth: Int32Array.from(truth),
    predicted: Int32Array.from(predicted),
    group: new Int32Array(truth.length),
    probabilities: Float64Array.from(rows.flat()),
  };
  return scoresUnder(levelScorer(level, 1, bins), Float64Array.of(1))[overallAt(name)]!;
}

/** Class 0 is always predicted, with these confidences, and is right where `right` says so. */
function expectedCalibrationError(
  confidences: readonly number[],
  right: readonly (boolean | number)[],
  bins?: number,
): number {
  const rows = confidences.map((p) => [p, 1 - p]);
  const truth = right.map((yes) => 1 - Number(yes));
  return scoreOf('ece', truth, rows, new Array<number>(rows.length).fill(0), bins);
}

const outcomes = fc.array(
  fc.record({ confidence: fc.double({ min: 0, max: 1, noNaN: true }), right: fc.boolean() }),
  { minLength: 1, maxLength: 60 },
);

describe('bins', () => {
  it('are open below and closed above, and every confidence is in one', () => {
    expect([0, 0.1, 0.2, 0.2000001, 0.4, 0.99, 1].map((value) => binOf(value, 5))).toEqual([
      0, 0, 0, 1, 1, 4, 4,
    ]);
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.integer({ min: 1, max: 40 }),
        (value, bins) => {
          const bin = binOf(value, bins);
          expect(bin).toBeGreaterThanOrEqual(0);
          expect(bin).toBeLessThan(bins);
          if (bin > 0) expect(value).toBeGreaterThan(bin * (1 / bins));
          if (bin < bins - 1) expect(value).toBeLessThanOrEqual((bin + 1) * (1 / bins));
        },
      ),
      { seed: 1 },
    );
  });

  it('count every row once, and say null for an empty bin', () => {
    fc.assert(
      fc.property(outcomes, (made) => {
        const bins = reliabilityBins(
          made.map(({ confidence }) => confidence),
          made.map(({ right }) => right),
          7,
        );
        expect(bins.reduce((sum, { count }) => sum + count, 0)).toBe(made.length);
        for (const bin of bins) {
          expect(bin.accuracy === null).toBe(bin.count === 0);
          expect(bin.confidence === null).toBe(bin.count === 0);
          if (bin.confidence === null) continue;
          expect(bin.confidence).toBeGreaterThanOrEqual(bin.low - 1e-12);
          expect(bin.confidence).toBeLessThanOrEqual(bin.high + 1e-12);
        }
      }),
      { seed: 2 },
    );
  });
});

describe('expected calibration error', () => {
  it('of one bin is how far accuracy and mean confidence are apart', () => {
    fc.assert(
      fc.property(outcomes, (made) => {
        const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
        const confidences = made.map(({ confidence }) => confidence);
        const right = made.map((one) => one.right);
        expect(expectedCalibrationError(confidences, right, 1)).toBeCloseTo(
          Math.abs(mean(confidences) - mean(right.map(Number))),
          12,
        );
      }),
      { seed: 3 },
    );
  });

  it('does not fall when bins are split', () => {
    fc.assert(
      fc.property(outcomes, fc.integer({ min: 1, max: 10 }), (made, bins) => {
        const confidences = made.map(({ confidence }) => confidence);
        const right = made.map((one) => one.right);
        expect(expectedCalibrationError(confidences, right, 2 * bins)).toBeGreaterThanOrEqual(
          expectedCalibrationError(confidences, right, bins) - 1e-12,
        );
      }),
      { seed: 4 },
    );
  });

  it('is small for honest confidences, and half for answers that are always sure and half wrong', () => {
    const random = randomAt(1, 'calibrated');
    const confidences = Array.from({ length: 20_000 }, () => random.between(0.4, 1));
    const right = confidences.map((p) => random.uniform() < p);
    expect(expectedCalibrationError(confidences, right)).toBeLessThan(0.02);
    expect(expectedCalibrationError([1, 1, 1, 1], [1, 0, 1, 0])).toBe(0.5);
  });
});

describe('Brier score', () => {
  it('is 0 for the truth, 2 for a sure mistake, and 1 − 1/classes for even odds', () => {
    expect(scoreOf('brier', [1], [[0, 1, 0]])).toBe(0);
    expect(scoreOf('brier', [1], [[1, 0, 0]])).toBe(2);
    const even = [0.25, 0.25, 0.25, 0.25];
    expect(scoreOf('brier', [0, 1], [even, even])).toBe(0.75);
  });

  it('of true probabilities is not beaten by others (it is proper)', () => {
    const truth = [0, 0, 0, 1];
    const said = (p: number): number =>
      scoreOf(
        'brier',
        truth,
        truth.map(() => [p, 1 - p]),
      );
    for (const p of [0, 0.3, 0.5, 0.7, 0.8, 1]) expect(said(0.75)).toBeLessThan(said(p));
  });
});
