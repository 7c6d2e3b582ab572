/**
 * The objective of Barlow Twins (Zbontar et al., ICML 2021, eq. 1 and 2): a feature must say the same of both views of a
 * clip, and features must say different things. With N pairs and z standardised over the batch, view by view and feature
 * by feature (ẑ = (z − mean) / √(variance + 10⁻⁵), the variance divided by N, as the batch norm of the authors' code does):
 *
 *     C = Ẑ_aᵀ Ẑ_b / N  [dim, dim],   L = Σ_i (1 − C_ii)² + λ Σ_{i ≠ j} C_ij²
 *
 *     G_ii = −2 (1 − C_ii),   G_ij = 2λ C_ij,   ∂L/∂Ẑ_a = Ẑ_b Gᵀ / N,   ∂L/∂Ẑ_b = Ẑ_a G / N
 *     ∂L/∂z = (g − ẑ · mean(g ẑ)) / √(variance + 10⁻⁵),   g = ∂L/∂ẑ, the mean over the batch
 *
 * The mean of g itself is 0, for that of the other view's ẑ is. C is never made: Σ C_ij² = Σ (Ẑ_a Ẑ_aᵀ)(Ẑ_b Ẑ_bᵀ) / N² and
 * Ẑ_b Cᵀ = (Ẑ_b Ẑ_bᵀ) Ẑ_a / N, over pairs of rows. What is left without C_ii² is right to some 10⁻¹⁶ of the whole sum.
 *
 * L is 0 where views agree and features are uncorrelated, dim where views have nothing in common, λ dim (dim − 1) where
 * all features are one. At a collapse L is dim. Accumulated in float64. A non-finite number makes the loss NaN, which is
 * never hidden.
 */
import { objectiveError } from './arguments.ts';
import { type Columns, inner, rowMixtures, rowProducts, viewColumns } from './columns.ts';

/** Loss, its parts, and how features correlate. */
export interface BarlowTwinsResult {
  readonly loss: number;
  /** Σ_i (1 − C_ii)². */
  readonly invariance: number;
  /** Σ_{i ≠ j} C_ij², before λ. */
  readonly redundancy: number;
  /** Mean of C_ii, of a feature between the views: 1 is best. */
  readonly correlation: number;
  /** Root of the mean of C_ij², i ≠ j, of different features: 0 is best. About 1/√N by chance; 0 for a single feature. */
  readonly crossCorrelation: number;
}

/** What a variance is at least: ε of PyTorch's batch norm. */
const EPSILON = 1e-5;

/**
 * @param embeddings z, [2·pairs, dim]: view 0 of all clips, then view 1 in the same order.
 * @param pairs N, at least 2.
 * @param redundancyWeight λ ≥ 0; the authors: 0.005.
 * @param gradient [2·pairs, dim], overwritten with ∂L/∂z.
 * @throws UsclError `OBJECTIVE_INVALID` for sizes that do not fit or a weight below 0.
 */
export function barlowTwinsLoss(
  embeddings: Float32Array,
  pairs: number,
  dim: number,
  redundancyWeight: number,
  gradient: Float32Array,
): BarlowTwinsResult {
  if (!(redundancyWeight >= 0 && redundancyWeight < Infinity))
    throw objectiveError(
      'redundancyWeight',
      `is ${redundancyWeight}`,
      'Give a number from 0; the authors use 0.005.',
    );
  const views = viewColumns(embeddings, pairs, dim, gradient);
  const [first, second] = [standardised(views[0], dim), standardised(views[1], dim)];
  const own = new Float64Array(dim);
  for (let i = 0; i < first.length; i++) own[i % dim]! += (first[i]! * second[i]!) / pairs;
  const [ofFirst, ofSecond] = [rowProducts(first, dim), rowProducts(second, dim)];
  const all = inner(ofFirst, ofSecond) / pairs ** 2;
  const found = { invariance: 0, redundancy: Math.max(0, all - inner(own, own)), correlation: 0 };
  for (const value of own) {
    found.invariance += (1 - value) ** 2;
    found.correlation += value / dim;
  }
  // G = 2λ C but on the diagonal, where the difference to it is added.
  const toOwn = own.map((value) => (-2 * (1 - value) - 2 * redundancyWeight * value) / pairs);
  const factor = (2 * redundancyWeight) / pairs ** 2;
  const pulled = (products: Float64Array, by: Float64Array, other: Float64Array): Float64Array =>
    rowMixtures(products, by, dim).map((value, i) => factor * value + toOwn[i % dim]! * other[i]!);
  const toFirst = pulled(ofSecond, first, second);
  const toSecond = pulled(ofFirst, second, first);
  const half = pairs * dim;
  backThroughStandard(views[0], first, toFirst, gradient.subarray(0, half));
  backThroughStandard(views[1], second, toSecond, gradient.subarray(half));
  return {
    loss: found.invariance + redundancyWeight * found.redundancy,
    ...found,
    crossCorrelation: dim === 1 ? 0 : Math.sqrt(found.redundancy / (dim * (dim - 1))),
  };
}

/** ẑ [rows, dim]. */
function standardised({ centred, variances }: Columns, dim: number): Float64Array {
  const inverse = variances.map((variance) => 1 / Math.sqrt(variance + EPSILON));
  return centred.map((value, i) => value * inverse[i % dim]!);
}

/** ∂L/∂z from ∂L/∂ẑ. */
function backThroughStandard(
  { variances }: Columns,
  standard: Float64Array,
  toStandard: Float64Array,
  gradient: Float32Array,
): void {
  const dim = variances.length;
  const rows = standard.length / dim;
  for (let d = 0; d < dim; d++) {
    let along = 0;
    for (let i = d; i < standard.length; i += dim) along += (toStandard[i]! * standard[i]!) / rows;
    const inverse = 1 / Math.sqrt(variances[d]! + EPSILON);
    for (let i = d; i < standard.length; i += dim)
      gradient[i] = (toStandard[i]! - along * standard[i]!) * inverse;
  }
}
