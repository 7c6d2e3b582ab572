/**
 * Features as columns of a batch, in float64: centred over its rows, multiplied with each other. The part that Barlow Twins
 * and VICReg share, whose losses are over matrices [dim, dim] of features; these are never made. A non-finite number makes
 * its column NaN.
 */
import { objectiveError, requireCount, requireLength } from './arguments.ts';

/** One view of a batch. */
export interface Columns {
  /** [rows, dim], each column minus its mean. */
  readonly centred: Float64Array;
  /** [dim], mean squares of `centred` over the rows. */
  readonly variances: Float64Array;
}

/**
 * Both views of a batch of pairs, [2·pairs, dim], column by column, each view by itself.
 * @throws UsclError `OBJECTIVE_INVALID` for fewer than two pairs, of which nothing varies, and for sizes that do not fit.
 */
export function viewColumns(
  embeddings: Float32Array,
  pairs: number,
  dim: number,
  gradient: Float32Array,
): readonly [Columns, Columns] {
  requireCount('dim', dim, 'Give the width of the projection, at least 1.');
  if (!Number.isInteger(pairs) || pairs < 2)
    throw objectiveError(
      'pairs',
      `is ${pairs}`,
      'Give at least two pairs of views: a single one has no variance.',
    );
  const length = pairs * dim;
  const needed = `2 × ${pairs} × ${dim} are needed`;
  requireLength({ embeddings, gradient }, 2 * length, needed, 'Pass one row a view: [2·pairs, dim].');
  const view = (from: number): Columns => columnsOf(embeddings.subarray(from, from + length), pairs, dim);
  return [view(0), view(length)];
}

function columnsOf(values: Float32Array, rows: number, dim: number): Columns {
  const centred = new Float64Array(values.length);
  const variances = new Float64Array(dim);
  for (let d = 0; d < dim; d++) {
    let mean = 0;
    for (let i = d; i < values.length; i += dim) mean += values[i]! / rows;
    for (let i = d; i < values.length; i += dim) {
      centred[i] = values[i]! - mean;
      variances[d]! += centred[i]! ** 2 / rows;
    }
  }
  return { centred, variances };
}

/**
 * A·Aᵀ [rows, rows] of A [rows, dim]. With it sums over matrices of features cost rows² · dim and not rows · dim², which
 * is less where a batch has fewer rows than features: ‖AᵀB‖² = Σ (A·Aᵀ)(B·Bᵀ), B·(AᵀB)ᵀ = (B·Bᵀ)·A.
 */
export function rowProducts(a: Float64Array, dim: number): Float64Array {
  const rows = a.length / dim;
  const products = new Float64Array(rows * rows);
  for (let n = 0; n < rows; n++)
    for (let m = 0; m <= n; m++) {
      let sum = 0;
      for (let d = 0; d < dim; d++) sum += a[n * dim + d]! * a[m * dim + d]!;
      products[n * rows + m] = sum;
      products[m * rows + n] = sum;
    }
  return products;
}

/** K·A [rows, dim] of K [rows, rows] and A [rows, dim]. */
export function rowMixtures(k: Float64Array, a: Float64Array, dim: number): Float64Array {
  const rows = a.length / dim;
  const mixtures = new Float64Array(a.length);
  for (let n = 0; n < rows; n++) {
    const mixture = mixtures.subarray(n * dim, (n + 1) * dim);
    for (let m = 0; m < rows; m++) {
      const share = k[n * rows + m]!;
      const start = m * dim;
      for (let d = 0; d < dim; d++) mixture[d]! += share * a[start + d]!;
    }
  }
  return mixtures;
}

/** Σ aᵢ bᵢ. */
export function inner(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
