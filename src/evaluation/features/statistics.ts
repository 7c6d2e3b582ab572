/**
 * Numbers that show whether features have collapsed, without any label: effective rank (Roy & Vetterli, EUSIPCO
 * 2007), mean cosine between rows, dead columns, and uniformity on the unit sphere (Wang & Isola, ICML 2020).
 */
import { dataError, type UsclError } from '../../base/errors.ts';
import { symmetricEigenvalues } from './eigen.ts';
import { columnStatistics, eachRow, normaliseRows, timesTransposed } from './matrix.ts';

export interface FeatureStatistics {
  readonly rows: number;
  readonly dim: number;
  /**
   * exp(−Σ pᵢ·ln pᵢ), pᵢ = σᵢ / Σσ, over the singular values σ of the centred features: between 0 (all rows equal)
   * and min(rows − 1, dim).
   */
  readonly effectiveRank: number;
  /** Mean cosine over all pairs of rows (not centred): 1 when all point the same way. */
  readonly meanCosine: number;
  /** Columns that never change. */
  readonly deadColumns: number;
  /** Mean Euclidean length of a row. */
  readonly meanNorm: number;
  /**
   * ln of the mean over pairs of rows of exp(−2·‖x − y‖²) on unit rows: 0 when all are equal, about −4 when they spread
   * evenly over a sphere of many dimensions (t = 2).
   */
  readonly uniformity: number;
}

/**
 * Statistics of features [rows, dim]; at least two rows. Cost: rows²·dim for the pairs plus min(rows, dim)³.
 * @throws UsclError `STATISTICS_INPUT` for fewer than two rows, a length that is no multiple of `dim`, or a value that
 *   is not finite.
 */
export function featureStatistics(features: Float32Array, dim: number): FeatureStatistics {
  const rows = requireRows(features, dim);
  const unit = normaliseRows(features, dim);
  const pairs = pairSums(unit, dim, rows);
  let norms = 0;
  for (let row = 0; row < rows; row++) {
    let square = 0;
    for (let d = 0; d < dim; d++) square += features[row * dim + d]! ** 2;
    norms += Math.sqrt(square) / rows;
  }
  let deadColumns = 0;
  for (let d = 0; d < dim; d++) {
    let changes = false;
    for (let row = 1; row < rows && !changes; row++) changes = features[row * dim + d] !== features[d];
    if (!changes) deadColumns++;
  }
  return {
    ...{ rows, dim, effectiveRank: effectiveRank(features, dim), deadColumns, meanNorm: norms },
    ...{ meanCosine: pairs.cosine, uniformity: pairs.uniformity },
  };
}

/**
 * exp(−Σ pᵢ·ln pᵢ), pᵢ = σᵢ / Σσ, over the singular values σ of the centred features [rows, dim] (Roy & Vetterli, eq. 4),
 * from the eigenvalues of the smaller Gram matrix. 0 when all rows are equal.
 * @throws UsclError `STATISTICS_INPUT` as `featureStatistics`.
 */
export function effectiveRank(features: Float32Array, dim: number): number {
  const rows = requireRows(features, dim);
  const { mean } = columnStatistics(features, dim);
  const byRows = rows < dim;
  const outer = byRows ? rows : dim;
  const inner = byRows ? dim : rows;
  const x = new Float32Array(features.length);
  for (let row = 0; row < rows; row++) {
    for (let d = 0; d < dim; d++) {
      x[byRows ? row * dim + d : d * rows + row] = features[row * dim + d]! - mean[d]!;
    }
  }
  const gram = new Float64Array(outer * outer);
  timesTransposed(x, x, inner, 0, outer, gram);
  const eigenvalues = symmetricEigenvalues(gram, outer);
  // Below this an eigenvalue of the Gram matrix is rounding of zero.
  const floor = Math.max(0, eigenvalues[0]!) * outer * Number.EPSILON;
  const singular = eigenvalues.filter((value) => value > floor).map(Math.sqrt);
  let total = 0;
  for (const value of singular) total += value;
  let entropy = 0;
  for (const value of singular) entropy -= (value / total) * Math.log(value / total);
  return singular.length === 0 ? 0 : Math.exp(entropy);
}

/** Means over all pairs of unit rows. */
function pairSums(unit: Float32Array, dim: number, rows: number): { cosine: number; uniformity: number } {
  let cosine = 0;
  let potential = 0;
  eachRow(unit, unit, dim, (row, products) => {
    for (const product of products.subarray(row + 1)) {
      cosine += product;
      potential += Math.exp(-4 * Math.max(0, 1 - product));
    }
  });
  const pairs = (rows * (rows - 1)) / 2;
  return { cosine: cosine / pairs, uniformity: Math.log(potential / pairs) };
}

function requireRows(features: Float32Array, dim: number): number {
  const rows = features.length / dim;
  if (!Number.isInteger(rows) || rows < 2) {
    throw inputError(`${features.length} values are not 2 or more rows of ${dim}.`);
  }
  for (const value of features) {
    if (!Number.isFinite(value)) throw inputError(`The features hold the value ${value}.`);
  }
  return rows;
}

function inputError(message: string): UsclError {
  return dataError(
    'STATISTICS_INPUT',
    message,
    'Pass finite features, row after row, of at least two images.',
  );
}
