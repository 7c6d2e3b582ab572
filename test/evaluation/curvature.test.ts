/** The start that shortens a linear probe's way: its moments add up, it is the formula's inverse, and it moves no minimum. */
import { describe, expect, it } from 'vitest';
import { randomAt } from '../../src/base/random.ts';
import {
  inverseCurvature,
  joinMoments,
  momentsOf,
  sampleRows,
  type Moments,
} from '../../src/evaluation/probes/curvature.ts';
import { fitLogisticRegression } from '../../src/evaluation/probes/logistic.ts';
import { columnStatistics } from '../../src/evaluation/features/matrix.ts';

const DIM = 7;

/** Columns far from zero, of different spread, that lean on each other. */
function features(rows: number, dim = DIM): Float32Array {
  const random = randomAt(4, 'curvature', rows, dim);
  const common = Float64Array.from({ length: rows }, () => random.normal());
  return Float32Array.from({ length: rows * dim }, (_, i) => {
    const column = i % dim;
    return 20 * column + (1 + column) * (common[Math.floor(i / dim)]! + 0.4 * random.normal());
  });
}

const numbersOf = (from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, i) => from + i);

function lower({ products, mean }: Moments): number[] {
  const dim = mean.length;
  return numbersOf(0, dim).flatMap((i) => [...products.subarray(i * dim, i * dim + i + 1)]);
}

describe('moments', () => {
  const x = features(90);
  const whole = momentsOf(x, DIM, numbersOf(0, 90));

  it('are sums of products about the mean', () => {
    for (const [i, j] of [
      [0, 0],
      [3, 1],
      [6, 5],
    ] as const) {
      const column = (d: number): number[] => numbersOf(0, 90).map((row) => x[row * DIM + d]!);
      const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / 90;
      const [a, b] = [column(i), column(j)];
      const truth = a.reduce((sum, value, row) => sum + (value - mean(a)) * (b[row]! - mean(b)), 0);
      expect(whole.mean[i]).toBeCloseTo(mean(a), 10);
      expect(whole.products[i * DIM + j]! / truth).toBeCloseTo(1, 5);
    }
  });

  it('of blocks of any size add up to those of all rows', () => {
    const blocks = [momentsOf(x, DIM, numbersOf(0, 1)), momentsOf(x, DIM, numbersOf(1, 31))];
    const joined = joinMoments([...blocks, momentsOf(x, DIM, numbersOf(31, 90))], DIM);
    expect(joined.rows).toBe(90);
    joined.mean.forEach((value, d) => {
      expect(value).toBeCloseTo(whole.mean[d]!, 10);
    });
    const truth = lower(whole);
    lower(joined).forEach((value, i) => {
      expect(value / truth[i]!).toBeCloseTo(1, 5);
    });
  });

  it('stand for all rows by some, evenly spaced', () => {
    expect(sampleRows(10, 5, 1)).toEqual([0, 2, 4, 6, 8]);
    expect(sampleRows(4, 5, 1)).toEqual([0, 1, 2, 3]);
  });
});

describe('the curvature', () => {
  it.each([1, 3])('multiplied by its inverse is what came (%i outputs)', (outputs) => {
    const rows = 60;
    const x = features(rows);
    const columns = columnStatistics(features(200), DIM);
    const penalty = 0.02;
    const p = outputs === 1 ? 1 / 2 : 1 / 3;
    const vector = Float64Array.from({ length: outputs * (DIM + 1) }, (_, i) => Math.sin(i + 1));
    const inverse = vector.slice();
    inverseCurvature(momentsOf(x, DIM, numbersOf(0, rows)), columns, outputs, penalty)(inverse);
    const standard = (row: number, d: number): number =>
      (x[row * DIM + d]! - columns.mean[d]!) / columns.scale[d]!;
    for (let c = 0; c < outputs; c++) {
      for (let i = 0; i < DIM; i++) {
        let back = penalty * inverse[c * DIM + i]!;
        for (let j = 0; j < DIM; j++) {
          let product = 0;
          for (let row = 0; row < rows; row++) product += standard(row, i) * standard(row, j);
          back += ((p * (1 - p) * product) / rows) * inverse[c * DIM + j]!;
        }
        expect(back).toBeCloseTo(vector[c * DIM + i]!, 4);
      }
      const intercept = outputs * DIM + c;
      expect(inverse[intercept]! * p * (1 - p)).toBeCloseTo(vector[intercept]!, 12);
    }
  });

  it.each([2, 3])('of more rows leads to the same minimum sooner (%i classes)', (classes) => {
    const [rows, dim] = [1200, 40];
    const x = features(rows, dim);
    const random = randomAt(9, 'labels', classes);
    const labels = Int32Array.from({ length: rows }, (_, row) =>
      Math.max(0, Math.min(classes - 1, Math.floor(x[row * dim]! + random.normal() + classes / 2))),
    );
    const fit = (moments?: Moments): ReturnType<typeof fitLogisticRegression> =>
      fitLogisticRegression(x, labels, dim, classes, {
        tolerance: 1e-8,
        ...(moments === undefined ? {} : { moments }),
      });
    const [alone, helped] = [fit(), fit(momentsOf(x, dim, numbersOf(0, rows)))];
    expect([alone.converged, helped.converged]).toEqual([true, true]);
    expect(helped.iterations).toBeLessThan(alone.iterations);
    const scale = Math.max(...alone.weights.map(Math.abs));
    alone.weights.forEach((weight, i) => {
      expect(Math.abs(helped.weights[i]! - weight) / scale).toBeLessThan(1e-4);
    });
    // Of fewer rows than two a column they would mislead, and are made anew.
    expect(fit(momentsOf(x, dim, numbersOf(0, 2 * dim - 1)))).toEqual(alone);
  });
});
