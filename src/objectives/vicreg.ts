/**
 * The objective of VICReg (Bardes, Ponce & LeCun, ICLR 2022, eq. 1 to 6): views of a clip must agree (invariance), every
 * feature must vary over the batch (variance), and features must not vary together (covariance). With N pairs of z, d
 * features, v over both views, variances and covariances divided by N − 1:
 *
 *     s = 1/(N d) Σ w ‖z_a − z_b‖²,   v = Σ_views 1/d Σ_j max(0, 1 − √(Var_j + 10⁻⁴)),   c = Σ_views 1/d Σ_{i ≠ j} Cov_ij²
 *     L = λ s + μ v + ν c
 *
 *     ∂s/∂z_a = 2 w (z_a − z_b) / (N d),   ∂c/∂z = 4 / (d (N − 1)) · (z − mean) Cov off its diagonal
 *     ∂v/∂z_nj = −(z_nj − mean_j) / (d (N − 1) √(Var_j + 10⁻⁴)) where the root is below 1, else 0
 *
 * Cov is never made: with K = (z − mean)(z − mean)ᵀ over rows, Σ Cov_ij² = Σ K² / (N − 1)² and (z − mean) Cov = K (z − mean) / (N − 1),
 * the diagonal being taken away. The weight w of a pair is 1 where none is given. s is divided by d as in the authors' code, which the weights 25, 25, 1 belong to; the paper's eq. 5 is d times that. No z
 * is normalised. A collapse costs 2μ · 0.99, so it is no minimum. Accumulated in float64. A non-finite number makes the
 * loss NaN, which is never hidden.
 */
import { objectiveError, requireWeights } from './arguments.ts';
import { type Columns, inner, rowMixtures, rowProducts, viewColumns } from './columns.ts';

/** Weights of the three parts, each ≥ 0. */
export interface VicregWeights {
  /** λ; the authors: 25. */
  readonly invariance: number;
  /** μ; the authors: 25. */
  readonly variance: number;
  /** ν; the authors: 1. */
  readonly covariance: number;
}

/** Loss, its parts before their weights, and how far features spread. */
export interface VicregResult {
  readonly loss: number;
  /** s: 0 where views agree. */
  readonly invariance: number;
  /** v, over both views: 0 where every standard deviation is 1 or more, 1.98 at a collapse. */
  readonly variance: number;
  /** c, over both views: 0 where no two features vary together. */
  readonly covariance: number;
  /** Mean of √(Var_j + 10⁻⁴) over features and views: 0.01 at a collapse; the variance part drives it to 1. */
  readonly deviation: number;
}

const EPSILON = 1e-4;

/**
 * @param embeddings z, [2·pairs, dim]: view 0 of all clips, then view 1 in the same order.
 * @param pairs N, at least 2.
 * @param gradient [2·pairs, dim], overwritten with ∂L/∂z.
 * @param pairWeights w, [pairs], finite and not negative; by default 1.
 * @throws UsclError `OBJECTIVE_INVALID` for sizes that do not fit or a weight below 0.
 */
export function vicregLoss(
  embeddings: Float32Array,
  pairs: number,
  dim: number,
  weights: VicregWeights,
  gradient: Float32Array,
  pairWeights?: ArrayLike<number>,
): VicregResult {
  for (const [part, weight] of Object.entries(weights))
    if (!(weight >= 0 && weight < Infinity))
      throw objectiveError(
        `weight of the ${part}`,
        `is ${weight}`,
        'Give a number from 0; the authors use 25, 25 and 1.',
      );
  if (pairWeights !== undefined) requireWeights(pairWeights, pairs);
  const views = viewColumns(embeddings, pairs, dim, gradient);
  const [first, second] = [spreadOf(views[0], dim, weights), spreadOf(views[1], dim, weights)];
  const half = pairs * dim;
  let invariance = 0;
  for (let i = 0; i < half; i++) {
    const difference = embeddings[i]! - embeddings[half + i]!;
    const weight = pairWeights?.[Math.floor(i / dim)] ?? 1;
    invariance += (weight * difference ** 2) / half;
    const pull = (weight * weights.invariance * 2 * difference) / half;
    gradient[i] = first.gradient[i]! + pull;
    gradient[half + i] = second.gradient[i]! - pull;
  }
  const variance = first.variance + second.variance;
  const covariance = first.covariance + second.covariance;
  return {
    loss: weights.invariance * invariance + weights.variance * variance + weights.covariance * covariance,
    ...{ invariance, variance, covariance },
    deviation: (first.deviation + second.deviation) / 2,
  };
}

/** What a view costs by itself: its variance and covariance parts, and ∂(μ v + ν c)/∂z [pairs, dim]. */
function spreadOf({ centred, variances }: Columns, dim: number, weights: VicregWeights) {
  const others = centred.length / dim - 1;
  const products = rowProducts(centred, dim);
  const own = variances.map((variance) => (variance * (others + 1)) / others);
  const found = { variance: 0, deviation: 0 };
  const toColumns = new Float64Array(dim);
  const factor = (4 * weights.covariance) / (dim * others);
  for (const [d, variance] of own.entries()) {
    const deviation = Math.sqrt(variance + EPSILON);
    found.deviation += deviation / dim;
    found.variance += Math.max(0, 1 - deviation) / dim;
    if (deviation < 1) toColumns[d] = -weights.variance / (dim * others * deviation);
    toColumns[d]! -= factor * variance;
  }
  // A single feature has no other one; of several the difference is right to rounding.
  const covariance =
    dim === 1 ? 0 : Math.max(0, inner(products, products) / others ** 2 - inner(own, own)) / dim;
  const gradient = rowMixtures(products, centred, dim).map(
    (value, i) => (factor * value) / others + toColumns[i % dim]! * centred[i]!,
  );
  return { ...found, covariance, gradient };
}
