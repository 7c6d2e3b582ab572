/**
 * The few dense kernels the probes stand on, over row-major typed arrays: row selection, standardisation,
 * row normalisation and the product A·Bᵀ, blocked so that one core does most of what it can from JavaScript.
 */

/** Rows [indices.length, dim] of a matrix [rows, dim], in the order asked for. */
export function takeRows(matrix: Float32Array, dim: number, indices: ArrayLike<number>): Float32Array {
  const result = new Float32Array(indices.length * dim);
  for (let i = 0; i < indices.length; i++) {
    const start = indices[i]! * dim;
    result.set(matrix.subarray(start, start + dim), i * dim);
  }
  return result;
}

/** Mean and scale of each column. */
export interface ColumnStatistics {
  readonly mean: Float64Array;
  /** Population standard deviation; 1 for a column that is constant up to rounding, so that it stays at 0. */
  readonly scale: Float64Array;
}

/** Column statistics of [rows, dim], as scikit-learn's `StandardScaler` takes them. */
export function columnStatistics(matrix: Float32Array, dim: number): ColumnStatistics {
  const rows = matrix.length / dim;
  const mean = new Float64Array(dim);
  const square = new Float64Array(dim);
  for (let start = 0; start < matrix.length; start += dim) {
    for (let j = 0; j < dim; j++) mean[j]! += matrix[start + j]!;
  }
  for (let j = 0; j < dim; j++) mean[j]! /= rows;
  for (let start = 0; start < matrix.length; start += dim) {
    for (let j = 0; j < dim; j++) square[j]! += (matrix[start + j]! - mean[j]!) ** 2;
  }
  const scale = square.map((sum, j) => {
    const variance = sum / rows;
    const rounding = rows * Number.EPSILON * variance + (rows * mean[j]! * Number.EPSILON) ** 2;
    return variance <= rounding ? 1 : Math.sqrt(variance);
  });
  return { mean, scale };
}

/** (x − mean) / scale of each column, as a new matrix. */
export function standardise(matrix: Float32Array, dim: number, statistics: ColumnStatistics): Float32Array {
  const result = new Float32Array(matrix.length);
  const { mean, scale } = statistics;
  for (let start = 0; start < matrix.length; start += dim) {
    for (let j = 0; j < dim; j++) result[start + j] = (matrix[start + j]! - mean[j]!) / scale[j]!;
  }
  return result;
}

/** Divides every row by its Euclidean length, in place; a row of zeros stays zero. Returns the matrix. */
export function normaliseRows(matrix: Float32Array, dim: number): Float32Array {
  for (let start = 0; start < matrix.length; start += dim) {
    let square = 0;
    for (let j = 0; j < dim; j++) square += matrix[start + j]! ** 2;
    if (square === 0) continue;
    const inverse = 1 / Math.sqrt(square);
    for (let j = 0; j < dim; j++) matrix[start + j]! *= inverse;
  }
  return matrix;
}

/**
 * Writes rows [from, to) of A·Bᵀ into `target` [to − from, rowsB]; A and B are [·, dim].
 * Four rows of A against two of B at a time: six loads for eight multiply–adds, all sums in registers.
 */
export function timesTransposed(
  a: Float32Array,
  b: Float32Array,
  dim: number,
  from: number,
  to: number,
  target: Float64Array,
): void {
  const rowsB = b.length / dim;
  let i = from;
  for (; i + 4 <= to; i += 4) {
    const a0 = i * dim;
    const a1 = a0 + dim;
    const a2 = a1 + dim;
    const a3 = a2 + dim;
    const out = (i - from) * rowsB;
    let j = 0;
    for (; j + 2 <= rowsB; j += 2) {
      const b0 = j * dim;
      const b1 = b0 + dim;
      let s00 = 0;
      let s01 = 0;
      let s10 = 0;
      let s11 = 0;
      let s20 = 0;
      let s21 = 0;
      let s30 = 0;
      let s31 = 0;
      for (let d = 0; d < dim; d++) {
        const y0 = b[b0 + d]!;
        const y1 = b[b1 + d]!;
        const x0 = a[a0 + d]!;
        s00 += x0 * y0;
        s01 += x0 * y1;
        const x1 = a[a1 + d]!;
        s10 += x1 * y0;
        s11 += x1 * y1;
        const x2 = a[a2 + d]!;
        s20 += x2 * y0;
        s21 += x2 * y1;
        const x3 = a[a3 + d]!;
        s30 += x3 * y0;
        s31 += x3 * y1;
      }
      target[out + j] = s00;
      target[out + j + 1] = s01;
      target[out + rowsB + j] = s10;
      target[out + rowsB + j + 1] = s11;
      target[out + 2 * rowsB + j] = s20;
      target[out + 2 * rowsB + j + 1] = s21;
      target[out + 3 * rowsB + j] = s30;
      target[out + 3 * rowsB + j + 1] = s31;
    }
    for (; j < rowsB; j++) {
      for (let r = 0; r < 4; r++) target[out + r * rowsB + j] = dot(a, (i + r) * dim, b, j * dim, dim);
    }
  }
  for (; i < to; i++) {
    for (let j = 0; j < rowsB; j++) target[(i - from) * rowsB + j] = dot(a, i * dim, b, j * dim, dim);
  }
}

/** Rows of products held at once. */
const BLOCK = 64;

/** Calls with the products of each row of A with all rows of B, which must not be kept; A and B are [·, dim]. */
export function eachRow(
  a: Float32Array,
  b: Float32Array,
  dim: number,
  use: (row: number, products: Float64Array) => void,
): void {
  const [rows, width] = [a.length / dim, b.length / dim];
  const block = new Float64Array(BLOCK * width);
  for (let from = 0; from < rows; from += BLOCK) {
    const to = Math.min(rows, from + BLOCK);
    timesTransposed(a, b, dim, from, to, block);
    for (let row = from; row < to; row++) use(row, block.subarray((row - from) * width).subarray(0, width));
  }
}

/** XᵀX [dim, dim] of X [rows, dim]; the lower triangle. */
export function gram(x: Float32Array, dim: number): Float64Array {
  const rows = x.length / dim;
  const columns = new Float32Array(x.length);
  for (let i = 0; i < rows; i++) for (let j = 0; j < dim; j++) columns[j * rows + i] = x[i * dim + j]!;
  const result = new Float64Array(dim * dim);
  const some = new Float64Array(BLOCK * dim);
  for (let from = 0; from < dim; from += BLOCK) {
    const to = Math.min(dim, from + BLOCK);
    timesTransposed(columns, columns.subarray(0, to * rows), rows, from, to, some);
    for (let i = from; i < to; i++)
      result.set(some.subarray((i - from) * to, (i - from) * to + i + 1), i * dim);
  }
  return result;
}

/**
 * Cholesky factor L of a symmetric positive definite matrix [dim, dim], L·Lᵀ, over its lower triangle. A pivot that
 * rounding has made no larger than 0 is 1.
 */
export function factorise(matrix: Float64Array, dim: number): void {
  for (let j = 0; j < dim; j++) {
    const own = j * dim;
    let square = matrix[own + j]!;
    for (let k = 0; k < j; k++) square -= matrix[own + k]! ** 2;
    const pivot = square > 0 ? Math.sqrt(square) : 1;
    matrix[own + j] = pivot;
    // Four rows below at a time: their sums do not wait for each other.
    let i = j + 1;
    for (; i + 4 <= dim; i += 4) {
      const r0 = i * dim;
      const [r1, r2, r3] = [r0 + dim, r0 + 2 * dim, r0 + 3 * dim];
      let s0 = matrix[r0 + j]!;
      let s1 = matrix[r1 + j]!;
      let s2 = matrix[r2 + j]!;
      let s3 = matrix[r3 + j]!;
      for (let k = 0; k < j; k++) {
        const value = matrix[own + k]!;
        s0 -= matrix[r0 + k]! * value;
        s1 -= matrix[r1 + k]! * value;
        s2 -= matrix[r2 + k]! * value;
        s3 -= matrix[r3 + k]! * value;
      }
      matrix[r0 + j] = s0 / pivot;
      matrix[r1 + j] = s1 / pivot;
      matrix[r2 + j] = s2 / pivot;
      matrix[r3 + j] = s3 / pivot;
    }
    for (; i < dim; i++) {
      let sum = matrix[i * dim + j]!;
      for (let k = 0; k < j; k++) sum -= matrix[i * dim + k]! * matrix[own + k]!;
      matrix[i * dim + j] = sum / pivot;
    }
  }
}

/** Solves L·Lᵀ·x = vector in place, with a factor of `factorise`. */
export function solve(factor: Float64Array, dim: number, vector: Float64Array): void {
  for (let i = 0; i < dim; i++) {
    let sum = vector[i]!;
    for (let k = 0; k < i; k++) sum -= factor[i * dim + k]! * vector[k]!;
    vector[i] = sum / factor[i * dim + i]!;
  }
  for (let i = dim - 1; i >= 0; i--) {
    const value = vector[i]! / factor[i * dim + i]!;
    vector[i] = value;
    for (let k = 0; k < i; k++) vector[k]! -= factor[i * dim + k]! * value;
  }
}

/** Inner product of two rows given by their start offsets. */
export function dot(a: Float32Array, startA: number, b: Float32Array, startB: number, dim: number): number {
  let sum = 0;
  for (let d = 0; d < dim; d++) sum += a[startA + d]! * b[startB + d]!;
  return sum;
}

/** Index of the largest of `classes` values from `start`; the first of equals, as `numpy.argmax`. */
export function largestAt(values: ArrayLike<number>, start: number, classes: number): number {
  let best = 0;
  for (let c = 1; c < classes; c++) if (values[start + c]! > values[start + best]!) best = c;
  return best;
}
