/**
 * Two numbers that say how an embedding is spread on the sphere (Wang & Isola, ICML 2020, "Understanding Contrastive
 * Representation Learning through Alignment and Uniformity on the Hypersphere"). Watched during training, not trained
 * on: a collapse shows as alignment near 0 together with uniformity near 0.
 */
import { objectiveError, unitRows, type UnitRows } from './cosine.ts';

export interface AlignmentUniformity {
  /** Mean ‖u − u⁺‖² over positive pairs (their α = 2): 0 when views agree, 2 when they are unrelated, at most 4. */
  readonly alignment: number;
  /**
   * log mean exp(−2‖u − v‖²) over pairs of different clips within a view, averaged over both views (their t = 2):
   * 0 when all is one point, about −4 when evenly spread, never below −8. With one pair there is nothing to spread: 0.
   */
  readonly uniformity: number;
}

/**
 * @param embeddings [2·pairs, dim]: view 0 of all clips, then view 1 in the same order; any length, they are
 *   normalised here.
 */
export function alignmentUniformity(
  embeddings: Float32Array,
  pairs: number,
  dim: number,
): AlignmentUniformity {
  if (!Number.isInteger(pairs) || pairs < 1)
    throw objectiveError('pairs', `is ${pairs}`, 'Give at least one pair of views.');
  if (embeddings.length !== 2 * pairs * dim)
    throw objectiveError(
      'embeddings',
      `has ${embeddings.length} numbers where 2 × ${pairs} × ${dim} are needed`,
      'Pass one row a view: [2·pairs, dim].',
    );
  return spreadOf(unitRows(embeddings, 2 * pairs, dim), pairs);
}

/** The same from rows that are normalised and compared already. */
export function spreadOf({ rows, cosines }: UnitRows, pairs: number): AlignmentUniformity {
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
