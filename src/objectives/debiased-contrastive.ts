/**
 * The debiased contrastive loss (Chuang et al., NeurIPS 2020, eq. 7 and 8, with one positive): NT-Xent whose negatives are
 * corrected for those that are of the row's own class, without any label. With unit rows u, N pairs, j(i) the other view of
 * i, M = 2N − 2 negatives k of i, and τ⁺ the probability that a negative is of the same class:
 *
 *     a_i = exp(u_i·u_j(i) / τ),   b_ik = exp(u_i·u_k / τ),   g_i = max{ (Σ_k b_ik − τ⁺ M a_i) / (1 − τ⁺),  M e^(−1/τ) }
 *     ℓ_i = −log [ a_i / (a_i + g_i) ],   L = 1/(2N) Σ_i ℓ_i
 *
 * The floor is the least that M negatives can be. With τ⁺ = 0 it is NT-Xent (`nt-xent.ts`). With all similarities equal L =
 * log(2N − 1) for any τ⁺ below 1; with N = 1 there are no negatives and L = 0. Gradient, Z = a_i + g_i:
 *
 *     above the floor:   ∂ℓ_i/∂s_ij = (1 − τ⁺ M / (1 − τ⁺)) a_i / Z − 1,   ∂ℓ_i/∂s_ik = b_ik / ((1 − τ⁺) Z)
 *     at the floor:      ∂ℓ_i/∂s_ij = a_i / Z − 1,                          ∂ℓ_i/∂s_ik = 0            (s = u·u / τ)
 *
 * Accumulated in float64. Rows with no direction, non-finite rows: see `cosine.ts`.
 */
import { objectiveError } from './arguments.ts';
import { type ContrastedRow, contrastPairs, type PairSpread } from './pair-contrast.ts';

/** Loss, and how well views find each other. */
export interface DebiasedContrastiveResult extends PairSpread {
  readonly loss: number;
  /** Share of views whose negatives are at the floor, so that they push nothing away: near 1 τ⁺ is too high. */
  readonly floored: number;
}

/**
 * @param embeddings z, [2·pairs, dim]: view 0 of all clips, then view 1 in the same order; not normalised.
 * @param temperature τ > 0; the authors: 0.5.
 * @param classPrior τ⁺ in [0, 1): the probability that two clips are of one class; the authors: 0.1 for ten classes.
 * @param gradient [2·pairs, dim], overwritten with ∂L/∂z.
 * @throws UsclError `OBJECTIVE_INVALID` for sizes that do not fit, a temperature that is not positive, a τ⁺ that is no
 *   probability below 1.
 */
export function debiasedContrastive(
  embeddings: Float32Array,
  pairs: number,
  dim: number,
  temperature: number,
  classPrior: number,
  gradient: Float32Array,
): DebiasedContrastiveResult {
  if (!(classPrior >= 0 && classPrior < 1))
    throw objectiveError(
      'classPrior',
      `is ${classPrior}`,
      'Give a probability from 0 to below 1; 1 / classes where classes are equally frequent.',
    );
  let floored = 0;
  const found = contrastPairs(
    { embeddings, pairs, dim, temperature, gradient },
    'the authors use 0.5',
    (given) => {
      const term = debiasedTerm(given, classPrior);
      if (term.atFloor) floored++;
      return term.loss;
    },
  );
  return { ...found, floored: floored / (2 * pairs) };
}

/** ℓ_i; fills the row's gradient. All exponentials are relative to the largest similarity. */
function debiasedTerm(
  { row, rows, partner, temperature, cosines, largest, gradient }: ContrastedRow,
  classPrior: number,
): { readonly loss: number; readonly atFloor: boolean } {
  const relative = (cosine: number): number => Math.exp((cosine - largest) / temperature);
  const count = rows - 2;
  const positive = relative(cosines[partner]!);
  let sum = 0;
  for (let k = 0; k < rows; k++) {
    if (k === row || k === partner) continue;
    gradient[k] = relative(cosines[k]!);
    sum += gradient[k]!;
  }
  const estimate = (sum - classPrior * count * positive) / (1 - classPrior);
  const floor = count * relative(-1);
  const atFloor = estimate < floor;
  const total = positive + (atFloor ? floor : estimate);
  const ofNegatives = atFloor ? 0 : 1 / ((1 - classPrior) * total * rows);
  for (let k = 0; k < rows; k++) gradient[k]! *= ofNegatives;
  const corrected = atFloor ? 1 : 1 - (classPrior * count) / (1 - classPrior);
  gradient[partner] = ((corrected * positive) / total - 1) / rows;
  return { loss: Math.log(total) - (cosines[partner]! - largest) / temperature, atFloor };
}
