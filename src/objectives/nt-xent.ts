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
 * Where clips have groups (patients), k goes over the views of clips of other groups and the other view of i alone: views of
 * its group are no negatives. With a single group there are none.
 *
 * A pair may have a weight w, by which the terms of both its views are multiplied; the mean stays one over 2N.
 *
 * Accumulated in float64. Rows with no direction, non-finite rows: see `cosine.ts`.
 */
import { contrastPairs, type PairBatch, type PairSpread, softmaxTerm } from './pair-contrast.ts';

/** Loss, and how well views find each other. */
export interface NtXentResult extends PairSpread {
  readonly loss: number;
}

/**
 * @param embeddings z, [2·pairs, dim]: view 0 of all clips, then view 1 in the same order; not normalised.
 * @param temperature τ > 0; USCL: 0.5.
 * @param gradient [2·pairs, dim], overwritten with ∂L/∂z.
 * @param of what is known of the pairs: `groups` [pairs], a number of the group of each clip, by default of its own;
 *   `weights` [pairs], finite and not negative, by default 1.
 * @throws UsclError `OBJECTIVE_INVALID` for sizes that do not fit or a temperature that is not positive.
 */
export function ntXent(
  embeddings: Float32Array,
  pairs: number,
  dim: number,
  temperature: number,
  gradient: Float32Array,
  of: Pick<PairBatch, 'groups' | 'weights'> = {},
): NtXentResult {
  return contrastPairs({ embeddings, pairs, dim, temperature, gradient, ...of }, 'USCL uses 0.5', (given) =>
    softmaxTerm(given, [given.partner]),
  );
}
