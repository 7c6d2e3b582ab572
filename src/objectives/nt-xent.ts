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
import { requireCount, requireLength, requireTemperature } from './arguments.ts';
import { backThroughCosines, unitRows, type UnitRows } from './cosine.ts';

/**
 * `alignment` and `uniformity` say how the embedding is spread on the sphere (Wang & Isola, ICML 2020, "Understanding
 * Contrastive Representation Learning through Alignment and Uniformity on the Hypersphere"). Watched during training,
 * not trained on: a collapse shows as alignment near 0 together with uniformity near 0.
 */
export interface PairSpread {
  /** Mean ‖u − u⁺‖² over positive pairs (their α = 2): 0 when views agree, 2 when they are unrelated, at most 4. */
  readonly alignment: number;
  /**
   * log mean exp(−2‖u − v‖²) over pairs of different clips within a view, averaged over both views (their t = 2):
   * 0 when all is one point, about −4 when evenly spread, never below −8. With one pair there is nothing to spread: 0.
   */
  readonly uniformity: number;
  /** Share of views whose other view is strictly the most similar of all others; 0 when all is one point. */
  readonly accuracy: number;
}

/** Loss, and how well views find each other. */
export interface NtXentResult extends PairSpread {
  readonly loss: number;
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
  requireCount('pairs', pairs, 'Give at least one pair of views.');
  requireCount('dim', dim, 'Give the width of the projection, at least 1.');
  requireTemperature(temperature, 'USCL uses 0.5');
  const needed = `2 × ${pairs} × ${dim} are needed`;
  requireLength({ embeddings, gradient }, 2 * pairs * dim, needed, 'Pass one row a view: [2·pairs, dim].');
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

/** Alignment and uniformity of rows. */
function spreadOf(
  { rows, cosines }: UnitRows,
  pairs: number,
): Pick<NtXentResult, 'alignment' | 'uniformity'> {
  const squaredDistance = (i: number, j: number): number =>
    // Rounding can leave a cosine a hair above 1. A row without direction has cosine 0 with itself.
    Math.max(0, cosines[i * rows + i]! + cosines[j * rows + j]! - 2 * cosines[i * rows + j]!);

  let alignment = 0;
  for (let i = 0; i < pairs; i++) alignment += squaredDistance(i, i + pairs);
  if (pairs === 1) return { alignment, uniformity: 0 };

  let uniformity = 0;
  for (const first of [0, pairs]) {
    let sum = 0;
    for (let i = first; i < first + pairs; i++)
      for (let j = i + 1; j < first + pairs; j++) sum += Math.exp(-2 * squaredDistance(i, j));
    uniformity += Math.log((2 * sum) / (pairs * (pairs - 1)));
  }
  return { alignment: alignment / pairs, uniformity: uniformity / 2 };
}
