/**
 * Temporal coherence (Mobahi, Collobert & Weston, ICML 2009): frames near in time are alike, others apart by a margin. With N pairs
 * of frames of a clip, of which those in T are near, d features, and b_n(i) a frame of the next clip of the batch:
 *
 *     D(a, b) = 1/d Σ_j |a_j − b_j|
 *     L = 1/N [ Σ_{i ∈ T} D(a_i, b_i) + Σ_{i ∉ T} max(0, δ − D(a_i, b_i)) + Σ_i max(0, δ − D(a_i, b_n(i))) ]
 *
 *     ∂D/∂a_j = sign(a_j − b_j) / d = −∂D/∂b_j
 *
 * D is divided by d, so that a margin fits embeddings of any width. A collapse costs δ for each clip that is far from another.
 * With one pair there is no other clip. Accumulated in float64. A non-finite number makes the loss NaN, which is never hidden.
 */
import { objectiveError, requireCount, requireLength } from './arguments.ts';

/** Loss, and what it is made of. */
export interface TemporalCoherenceResult {
  readonly loss: number;
  /** Mean distance of near frames; 0 where there are none. */
  readonly nearDistance: number;
  /** Of frames that are to be apart, the share that is by the margin; 1 where there are none. */
  readonly apart: number;
}

/**
 * @param embeddings z, [2·pairs, dim]: frame 0 of all clips, then frame 1 in the same order.
 * @param isNear whether the frames of a pair are near in time.
 * @param margin δ > 0.
 * @param gradient [2·pairs, dim], overwritten with ∂L/∂z.
 * @throws UsclError `OBJECTIVE_INVALID` for sizes that do not fit or a margin that is not positive.
 */
export function temporalCoherence(
  embeddings: Float32Array,
  pairs: number,
  dim: number,
  isNear: (pair: number) => boolean,
  margin: number,
  gradient: Float32Array,
): TemporalCoherenceResult {
  requireCount('pairs', pairs, 'Give at least one pair of views.');
  requireCount('dim', dim, 'Give the width of the projection, at least 1.');
  if (!(margin > 0 && margin < Infinity))
    throw objectiveError('margin', `is ${margin}`, 'Give a distance above 0; 1 is usual.');
  const needed = `2 × ${pairs} × ${dim} are needed`;
  requireLength({ embeddings, gradient }, 2 * pairs * dim, needed, 'Pass one row a view: [2·pairs, dim].');
  const toRows = new Float64Array(gradient.length);
  const found = { loss: 0, near: 0, nearDistance: 0, far: 0, apart: 0 };
  /** Adds the term of two rows. */
  const compare = (a: number, b: number, near: boolean): void => {
    let distance = 0;
    for (let j = 0; j < dim; j++)
      distance += Math.abs(embeddings[a * dim + j]! - embeddings[b * dim + j]!) / dim;
    found.loss += (near ? distance : Math.max(0, margin - distance)) / pairs;
    if (near) {
      found.near++;
      found.nearDistance += distance;
    } else {
      found.far++;
      if (distance >= margin) found.apart++;
    }
    if (!near && distance >= margin) return;
    const pull = (near ? 1 : -1) / (pairs * dim);
    for (let j = 0; j < dim; j++) {
      const side = pull * Math.sign(embeddings[a * dim + j]! - embeddings[b * dim + j]!);
      toRows[a * dim + j]! += side;
      toRows[b * dim + j]! -= side;
    }
  };
  for (let i = 0; i < pairs; i++) {
    compare(i, pairs + i, isNear(i));
    if (pairs > 1) compare(i, pairs + ((i + 1) % pairs), false);
  }
  gradient.set(toRows);
  return {
    loss: found.loss,
    nearDistance: found.near === 0 ? 0 : found.nearDistance / found.near,
    apart: found.far === 0 ? 1 : found.apart / found.far,
  };
}
