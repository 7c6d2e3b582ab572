/**
 * How the objective of a linear probe bends, roughly: the Hessian that it would have if every row were undecided, per output
 * p(1 − p)·XᵀX / rows + penalty with p = 1 / classes, X standardised. L-BFGS starts from its inverse: that shortens the way
 * to the minimum and does not move it. It is made from second moments of some rows, and those of several blocks add up: the
 * folds of a probe share the work, and none needs a row that it tests.
 */
import { factorise, gram, solve, takeRows } from '../features/matrix.ts';
import type { ColumnStatistics } from '../features/matrix.ts';

/** Of some rows [rows, dim], about their own mean. */
export interface Moments {
  readonly rows: number;
  readonly mean: Float64Array;
  /** Σ (x − mean)(x − mean)ᵀ [dim, dim], lower triangle. */
  readonly products: Float64Array;
}

/** Rows a column from which one factorisation costs less than the hundreds of iterations it saves. */
const WORTH = 2;

export function isWorthCurvature(rows: number, dim: number): boolean {
  return rows >= WORTH * dim;
}

/** Numbers of at most `perColumn`·dim of `count` rows, evenly spaced: they stand for all. */
export function sampleRows(count: number, dim: number, perColumn: number): number[] {
  const taken = Math.min(count, perColumn * dim);
  return Array.from({ length: taken }, (_, i) => Math.floor((i * count) / taken));
}

/** Moments of the rows with these numbers. */
export function momentsOf(features: Float32Array, dim: number, numbers: readonly number[]): Moments {
  const x = takeRows(features, dim, numbers);
  const rows = numbers.length;
  const mean = new Float64Array(dim);
  for (let start = 0; start < x.length; start += dim)
    for (let d = 0; d < dim; d++) mean[d]! += x[start + d]! / rows;
  for (let start = 0; start < x.length; start += dim) for (let d = 0; d < dim; d++) x[start + d]! -= mean[d]!;
  return { rows, mean, products: gram(x, dim) };
}

/** Moments of all rows of several blocks (Chan, Golub and LeVeque, The American Statistician 37, 1983). */
export function joinMoments(blocks: readonly Moments[], dim: number): Moments {
  const rows = blocks.reduce((sum, block) => sum + block.rows, 0);
  const mean = new Float64Array(dim);
  for (const block of blocks) for (let d = 0; d < dim; d++) mean[d]! += (block.rows / rows) * block.mean[d]!;
  const products = new Float64Array(dim * dim);
  for (const block of blocks) addAbout(products, block, mean);
  return { rows, mean, products };
}

/** Adds Σ (x − centre)(x − centre)ᵀ of a block to `target`. */
function addAbout(target: Float64Array, { rows, mean, products }: Moments, centre: Float64Array): void {
  const dim = centre.length;
  const shift = mean.map((value, d) => value - centre[d]!);
  for (let i = 0; i < dim; i++)
    for (let j = 0; j <= i; j++)
      target[i * dim + j]! += products[i * dim + j]! + rows * shift[i]! * shift[j]!;
}

/**
 * Multiplication by the inverse of the curvature, in place, of weights [outputs, dim] and the intercepts after them. `columns`
 * standardise the features, null where they stay as they are.
 */
export function inverseCurvature(
  moments: Moments,
  columns: ColumnStatistics | null,
  outputs: number,
  penalty: number,
): (vector: Float64Array) => void {
  const dim = moments.mean.length;
  const p = 1 / Math.max(2, outputs);
  const spread = p * (1 - p);
  const curvature = new Float64Array(dim * dim);
  addAbout(curvature, moments, columns?.mean ?? new Float64Array(dim));
  for (let i = 0; i < dim; i++) {
    const scale = (spread / moments.rows) * (1 / (columns?.scale[i] ?? 1));
    for (let j = 0; j <= i; j++) curvature[i * dim + j]! *= scale / (columns?.scale[j] ?? 1);
    curvature[i * (dim + 1)]! += penalty;
  }
  factorise(curvature, dim);
  return (vector) => {
    for (let c = 0; c < outputs; c++) solve(curvature, dim, vector.subarray(c * dim, (c + 1) * dim));
    for (let c = outputs * dim; c < vector.length; c++) vector[c]! /= spread;
  };
}
