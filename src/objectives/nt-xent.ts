/**
 * NT-Xent, the contrastive loss of SimCLR (Chen et al., ICML 2020, eq. 1) and of USCL (Chen et al., MICCAI 2021):
 * every view must find the other view of its clip among all other views of the batch. With unit rows
 * u_i = z_i / ‖z_i‖, N pairs, j(i) the other view of i:
 *
 *     ℓ_i = −log [ exp(u_i·u_j(i) / τ) / Σ_{k ≠ i} exp(u_i·u_k / τ) ],   L = 1/(2N) Σ_i ℓ_i
 *
 * The sum has 2N − 1 terms: one positive and 2(N − 1) negatives. With all similarities equal L = log(2N − 1); with
 * N = 1 there are no negatives and L = 0 with a zero gradient. Gradient, with p_ik = softmax over k ≠ i:
 *
 *     ∂L/∂(u_i·u_k / τ) = (p_ik − 1[k = j(i)]) / 2N
 *
 * Accumulated in float64. Rows with no direction, non-finite rows: see `cosine.ts`.
 */
import { spreadOf, type AlignmentUniformity } from './alignment-uniformity.ts';
import { backThroughCosines, objectiveError, unitRows } from './cosine.ts';

export interface NtXentResult extends AlignmentUniformity {
  readonly loss: number;
  /** Share of views whose other view is strictly the most similar of all others; 0 when all is one point. */
  readonly accuracy: number;
}

/**
 * @param embeddings z, [2·pairs, dim]: view 0 of all clips, then view 1 in the same order; not normalised.
 * @param temperature τ > 0; USCL: 0.5.
 * @param gradient [2·pairs, dim], overwritten with ∂L/∂z.
 * @throws UsclError `OBJECTIVE_INVALID` for sizes that do not fit or a temperature that is not positive.
 */
export function ntXent(
  embeddings: Float32Array,
  pairs: number,
  dim: number,
  temperature: number,
  gradient: Float32Array,
): NtXentResult {
  requireArguments(embeddings, pairs, dim, temperature, gradient);
  const rows = 2 * pairs;
  const unit = unitRows(embeddings, rows, dim);
  const { cosines } = unit;
  const toSimilarities = new Float64Array(rows * rows);
  let loss = 0;
  let correct = 0;
  for (let i = 0; i < rows; i++) {
    const start = i * rows;
    const positive = i < pairs ? i + pairs : i - pairs;
    let largest = -Infinity;
    let largestNegative = -Infinity;
    for (let k = 0; k < rows; k++) {
      if (k === i) continue;
      const cosine = cosines[start + k]!;
      largest = Math.max(largest, cosine);
      if (k !== positive) largestNegative = Math.max(largestNegative, cosine);
    }
    let sum = 0;
    for (let k = 0; k < rows; k++) {
      if (k === i) continue;
      const term = Math.exp((cosines[start + k]! - largest) / temperature);
      toSimilarities[start + k] = term;
      sum += term;
    }
    for (let k = 0; k < rows; k++) toSimilarities[start + k]! /= sum * rows;
    toSimilarities[start + positive]! -= 1 / rows;
    loss += Math.log(sum) - (cosines[start + positive]! - largest) / temperature;
    if (cosines[start + positive]! > largestNegative) correct++;
  }
  backThroughCosines(unit, symmetrised(toSimilarities, rows, 1 / temperature), gradient);
  return { loss: loss / rows, accuracy: correct / rows, ...spreadOf(unit, pairs) };
}

/** factor · (M + Mᵀ), in place: u_i·u_k is an entry of row i and of row k. */
function symmetrised(matrix: Float64Array, rows: number, factor: number): Float64Array {
  for (let i = 0; i < rows; i++)
    for (let k = i; k < rows; k++) {
      const sum = factor * (matrix[i * rows + k]! + matrix[k * rows + i]!);
      matrix[i * rows + k] = sum;
      matrix[k * rows + i] = sum;
    }
  return matrix;
}

function requireArguments(
  embeddings: Float32Array,
  pairs: number,
  dim: number,
  temperature: number,
  gradient: Float32Array,
): void {
  if (!Number.isInteger(pairs) || pairs < 1)
    throw objectiveError('pairs', `is ${pairs}`, 'Give at least one pair of views.');
  if (!Number.isInteger(dim) || dim < 1)
    throw objectiveError('dim', `is ${dim}`, 'Give the width of the projection, at least 1.');
  if (!(temperature > 0 && Number.isFinite(temperature)))
    throw objectiveError('temperature', `is ${temperature}`, 'Give a number above 0; USCL uses 0.5.');
  const length = 2 * pairs * dim;
  for (const [name, array] of [
    ['embeddings', embeddings],
    ['gradient', gradient],
  ] as const)
    if (array.length !== length)
      throw objectiveError(
        name,
        `has ${array.length} numbers where 2 × ${pairs} × ${dim} are needed`,
        'Pass one row a view: [2·pairs, dim].',
      );
}
