/** The number that shows whether features have collapsed, without any label. */
import { dataError, type UsclError } from '../../base/errors.ts';
import { symmetricEigenvalues } from './eigen.ts';
import { columnStatistics, timesTransposed } from './matrix.ts';

/**
 * Effective rank exp(−Σ pᵢ·ln pᵢ), pᵢ = σᵢ / Σσ, over the singular values σ of the centred features [rows, dim] (Roy &
 * Vetterli, EUSIPCO 2007, eq. 4), from the eigenvalues of the smaller Gram matrix: between 0 (all rows equal) and
 * min(rows − 1, dim).
 * @throws UsclError `STATISTICS_INPUT` for fewer than two rows, a length that is no multiple of `dim`, or a value that is
 *   not finite.
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
