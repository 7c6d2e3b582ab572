/**
 * Features as columns of a batch, in float64: centred over its rows, multiplied with each other. The part that Barlow Twins
 * and VICReg share, whose losses are over matrices [dim, dim] of features. A non-finite number makes its column NaN.
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

/** Aᵀ·B [dim, dim] of two matrices [rows, dim]. */
export function crossProducts(a: Float64Array, b: Float64Array, dim: number): Float64Array {
  const products = new Float64Array(dim * dim);
  // A row of the product stays near while all rows of B pass.
  for (let i = 0; i < dim; i++) {
    const product = products.subarray(i * dim, (i + 1) * dim);
    for (let start = 0; start < a.length; start += dim) {
      const value = a[start + i]!;
      for (let j = 0; j < dim; j++) product[j]! += value * b[start + j]!;
    }
  }
  return products;
}

/** A·M [rows, dim] of A [rows, dim] and M [dim, dim], or A·Mᵀ. */
export function timesMatrix(
  a: Float64Array,
  matrix: Float64Array,
  dim: number,
  side: 'plain' | 'transposed' = 'plain',
): Float64Array {
  const product = new Float64Array(a.length);
  const [down, along] = side === 'plain' ? [dim, 1] : [1, dim];
  const row = new Float64Array(dim);
  // A row of M stays near while all rows of A pass.
  for (let i = 0; i < dim; i++) {
    for (let j = 0; j < dim; j++) row[j] = matrix[i * down + j * along]!;
    for (let start = 0; start < a.length; start += dim) {
      const value = a[start + i]!;
      for (let j = 0; j < dim; j++) product[start + j]! += value * row[j]!;
    }
  }
  return product;
}
