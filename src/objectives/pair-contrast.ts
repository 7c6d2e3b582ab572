/**
 * What contrastive losses over a batch of pairs of views have in common (NT-Xent, supervised contrastive, debiased): rows on
 * the unit sphere, their similarities, the mean over rows of a term of each row's similarities, the way back to the
 * embeddings, and measurements of the pairs. With unit rows u_i, N pairs, s_ik = u_i·u_k / τ:
 *
 *     L = 1/(2N) Σ_i w_i ℓ_i(s_i1, …, s_i,2N)
 *
 * A loss gives ℓ_i and ∂ℓ_i/∂s_ik / 2N; w_i is 1, or the weight of the pair. Rows with no direction, non-finite rows: see `cosine.ts`.
 */
import { requireCount, requireLength, requireTemperature, requireWeights } from './arguments.ts';
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
  /**
   * Share of views whose other view is strictly the most similar of all others, but those left out; 0 when all is one
   * point.
   */
  readonly accuracy: number;
}

/** A batch of pairs: view 0 of all clips, then view 1 in the same order. */
export interface PairBatch {
  /** z, [2·pairs, dim], not normalised. */
  readonly embeddings: Float32Array;
  readonly pairs: number;
  readonly dim: number;
  /** τ > 0. */
  readonly temperature: number;
  /** [2·pairs, dim], overwritten with ∂L/∂z. */
  readonly gradient: Float32Array;
  /** [pairs], a number of the group of each clip: views of other clips of a row's group are left out of its term. Default: none. */
  readonly groups?: ArrayLike<number>;
  /** [pairs], what the terms of both views of a clip are multiplied by. Default: 1. */
  readonly weights?: ArrayLike<number>;
}

/** One row among all views: view k has the similarity s_k = cosines[k] / temperature. */
export interface ContrastedRow {
  readonly row: number;
  /** Views: 2·pairs. */
  readonly rows: number;
  /** Row of the other view of its clip. */
  readonly partner: number;
  readonly temperature: number;
  /** [rows], of this row with each. A term passes over its own, `row`, which no mark leaves out. */
  readonly cosines: Float64Array;
  /** [rows], 1 for views that are neither its partner nor negatives, 0 for all others. */
  readonly leftOut: Uint8Array;
  /** The largest cosine but for the row's own and those that are left out; the partner's counts. */
  readonly largest: number;
  /** [rows] zeros, to be filled with ∂ℓ/∂s_k / rows, ℓ being the term; `row` and those left out stay 0. */
  readonly gradient: Float64Array;
}

/**
 * The mean of `term` over all rows, each of which returns ℓ_i (0 where nothing is to be compared) and fills its gradient;
 * writes ∂L/∂embeddings.
 * @param usual ends the message of a temperature that is none: a clause, as in `USCL uses 0.5`.
 * @throws UsclError `OBJECTIVE_INVALID` for sizes that do not fit or a temperature that is not positive.
 */
export function contrastPairs(
  { embeddings, pairs, dim, temperature, gradient, groups, weights }: PairBatch,
  usual: string,
  term: (given: ContrastedRow) => number,
): PairSpread & { readonly loss: number } {
  requireCount('pairs', pairs, 'Give at least one pair of views.');
  requireCount('dim', dim, 'Give the width of the projection, at least 1.');
  requireTemperature(temperature, usual);
  const needed = `2 × ${pairs} × ${dim} are needed`;
  requireLength({ embeddings, gradient }, 2 * pairs * dim, needed, 'Pass one row a view: [2·pairs, dim].');
  if (groups !== undefined)
    requireLength({ groups }, pairs, `there are ${pairs} pairs`, 'Give one number a pair.');
  if (weights !== undefined) requireWeights(weights, pairs);
  const rows = 2 * pairs;
  const leftOut = new Uint8Array(rows);
  const unit = unitRows(embeddings, rows, dim);
  const toSimilarities = new Float64Array(rows * rows);
  let loss = 0;
  let correct = 0;
  for (let row = 0; row < rows; row++) {
    const partner = row < pairs ? row + pairs : row - pairs;
    const own = (matrix: Float64Array): Float64Array => matrix.subarray(row * rows, (row + 1) * rows);
    const cosines = own(unit.cosines);
    if (groups !== undefined)
      for (let k = 0; k < rows; k++)
        leftOut[k] = k % pairs !== row % pairs && groups[k % pairs] === groups[row % pairs] ? 1 : 0;
    let largestNegative = -Infinity;
    for (let k = 0; k < rows; k++)
      if (k !== row && k !== partner && leftOut[k] === 0)
        largestNegative = Math.max(largestNegative, cosines[k]!);
    const largest = Math.max(largestNegative, cosines[partner]!);
    const toOwn = own(toSimilarities);
    const cost = term({ row, rows, partner, temperature, cosines, leftOut, largest, gradient: toOwn });
    if (weights === undefined) loss += cost;
    else {
      const weight = weights[row % pairs]!;
      loss += weight * cost;
      for (let k = 0; k < rows; k++) toOwn[k]! *= weight;
    }
    if (cosines[partner]! > largestNegative) correct++;
  }
  backThroughCosines(unit, symmetrised(toSimilarities, rows, 1 / temperature), gradient);
  return { loss: loss / rows, accuracy: correct / rows, ...spreadOf(unit, pairs) };
}

/**
 * ℓ_i = −1/|P| Σ_{k ∈ P} log softmax_{k ≠ i}(s_i)_k, the term of NT-Xent and of the supervised contrastive loss; with
 * p the softmax, ∂ℓ_i/∂s_ik = p_ik − 1[k ∈ P] / |P|. What is left out is no part of the softmax.
 * @param positives P, rows that are positives of this one, at least one.
 */
export function softmaxTerm(
  { row, rows, temperature, cosines, leftOut, largest, gradient }: ContrastedRow,
  positives: readonly number[],
): number {
  let sum = 0;
  for (let k = 0; k < rows; k++) {
    if (k === row || leftOut[k] === 1) continue;
    const term = Math.exp((cosines[k]! - largest) / temperature);
    gradient[k] = term;
    sum += term;
  }
  for (let k = 0; k < rows; k++) gradient[k]! /= sum * rows;
  let mean = 0;
  for (const k of positives) {
    gradient[k]! -= 1 / (positives.length * rows);
    mean += (cosines[k]! - largest) / temperature / positives.length;
  }
  return Math.log(sum) - mean;
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
function spreadOf({ rows, cosines }: UnitRows, pairs: number): Omit<PairSpread, 'accuracy'> {
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
