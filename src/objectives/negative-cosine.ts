/**
 * The objective of SimSiam (Chen & He, CVPR 2021, eq. 2 with the stop-gradient of eq. 4): the prediction p from one view
 * must point where the projection z of the other view points, and z is a constant. With N pairs, s the cosine:
 *
 *     L = −1/(2N) Σ_i [s(p1_i, z2_i) + s(p2_i, z1_i)]
 *     ∂L/∂p = −1/(2N) · (v − s u) / ‖p‖,   u = p / ‖p‖, v = z / ‖z‖
 *
 * L is −1 when all agree, 0 when nothing is alike, 1 at opposite poles. It is −1 at a collapse too, which `spread` shows.
 * Accumulated in float64. Rows with no direction, non-finite rows: see `cosine.ts`.
 */
import { requireCount, requireLength } from './arguments.ts';
import { backThroughNorm, directionsOf, type Directions } from './cosine.ts';

/** Loss, and how far embeddings are spread. */
export interface NegativeCosineResult {
  readonly loss: number;
  /**
   * Mean over dimensions of the standard deviation (divided by the rows) over all rows of the unit targets, SimSiam's
   * figure 2: 1/√dim when they are spread evenly, never more, 0 when all are one point. A row with no direction counts
   * as the zero vector.
   */
  readonly spread: number;
}

/**
 * @param predictions p, [2·pairs, dim]: view 0 of all clips, then view 1 in the same order; not normalised.
 * @param targets z, [2·pairs, dim], in the same order, so that row i of a view is compared with row i of the other.
 * @param gradient [2·pairs, dim], overwritten with ∂L/∂p.
 * @throws UsclError `OBJECTIVE_INVALID` for sizes that do not fit.
 */
export function negativeCosine(
  predictions: Float32Array,
  targets: Float32Array,
  pairs: number,
  dim: number,
  gradient: Float32Array,
): NegativeCosineResult {
  requireCount('pairs', pairs, 'Give at least one pair of views.');
  requireCount('dim', dim, 'Give the width of the projection, at least 1.');
  const rows = 2 * pairs;
  requireLength(
    { predictions, targets, gradient },
    rows * dim,
    `2 × ${pairs} × ${dim} are needed`,
    'Pass one row a view: [2·pairs, dim].',
  );
  const predicted = directionsOf(predictions, rows, dim);
  const target = directionsOf(targets, rows, dim);
  const toUnit = new Float64Array(dim);
  let loss = 0;
  for (let row = 0; row < rows; row++) {
    const own = row * dim;
    const other = (row < pairs ? row + pairs : row - pairs) * dim;
    for (let d = 0; d < dim; d++) {
      loss -= predicted.units[own + d]! * target.units[other + d]!;
      toUnit[d] = -target.units[other + d]! / rows;
    }
    backThroughNorm(predicted.units, predicted.inverseNorms, row, toUnit, gradient);
  }
  return { loss: loss / rows, spread: spreadOf(target) };
}

function spreadOf({ rows, dim, units }: Directions): number {
  let sum = 0;
  for (let d = 0; d < dim; d++) {
    let mean = 0;
    for (let row = 0; row < rows; row++) mean += units[row * dim + d]! / rows;
    let variance = 0;
    for (let row = 0; row < rows; row++) variance += (units[row * dim + d]! - mean) ** 2 / rows;
    sum += Math.sqrt(variance);
  }
  return sum / dim;
}
