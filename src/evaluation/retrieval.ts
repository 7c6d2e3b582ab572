/**
 * "Clips most like this one": nearest clips by cosine of mean features. Likeness is in the eyes of the network: it may
 * be the organ, the probe, the hospital or a burned-in ruler; the pictures tell.
 */
import { UsclError } from '../base/errors.ts';
import { columnStatistics, normaliseRows, standardise, timesTransposed } from './matrix.ts';

export interface Neighbour {
  /** Index of the clip. */
  readonly clip: number;
  /** Cosine of its mean features to the query's, −1 to 1. */
  readonly similarity: number;
}

export interface NeighbourOptions {
  /** How many, fewer where there are not so many. Default 8. */
  readonly count?: number;
  /** Clips that may not be answered, such as others of the same patient. Default: none but the query itself. */
  readonly isExcluded?: (clip: number) => boolean;
}

/**
 * Unit rows [clips, dim] whose inner products are the cosines that retrieval and map use: mean features of each clip,
 * centred and scaled over all clips, because features after a ReLU share one large direction that hides differences.
 */
export function comparableRows(means: Float32Array, dim: number): Float32Array {
  return normaliseRows(standardise(means, dim, columnStatistics(means, dim)), dim);
}

/**
 * The clips nearest to `query`, most alike first; of equals the one that comes first. `rows` as from `comparableRows`.
 * Errors: `NEIGHBOURS_NONE` where nothing is left to compare with.
 */
export function nearestClips(
  rows: Float32Array,
  dim: number,
  query: number,
  options: NeighbourOptions = {},
): Neighbour[] {
  const { count = 8, isExcluded = () => false } = options;
  const clips = rows.length / dim;
  const similarities = new Float64Array(clips);
  timesTransposed(rows, rows, dim, query, query + 1, similarities);
  const candidates = [...similarities.keys()].filter((clip) => clip !== query && !isExcluded(clip));
  if (candidates.length === 0)
    throw new UsclError({
      kind: 'data',
      code: 'NEIGHBOURS_NONE',
      message: 'There is no other clip to compare with.',
      remedy: 'Use a dataset with more clips, or let clips of the same group be answered too (--same-group).',
    });
  return candidates
    .sort((a, b) => similarities[b]! - similarities[a]! || a - b)
    .slice(0, count)
    .map((clip) => ({ clip, similarity: similarities[clip]! }));
}
