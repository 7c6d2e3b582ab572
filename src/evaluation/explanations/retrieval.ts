/**
 * "Clips most like this one": nearest clips by cosine of mean features. Likeness is in the eyes of the network: it may
 * be the organ, the probe, the hospital or a burned-in ruler; the pictures tell.
 */
import { dataError } from '../../base/errors.ts';
import type { MapExplanation } from './explanation.ts';
import { columnStatistics, normaliseRows, standardise, timesTransposed } from '../features/matrix.ts';

/** A clip that is like the one asked about, and how much. */
export interface Neighbour {
  /** Index of the clip. */
  readonly clip: number;
  /** Cosine of its mean features to the query's, −1 to 1. */
  readonly similarity: number;
}

/** Which clips may answer, and how many do. */
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
    throw dataError(
      'NEIGHBOURS_NONE',
      'There is no other clip to compare with.',
      'Use a dataset with more clips, or let clips of the same group be answered too (--same-group).',
    );
  return candidates
    .sort((a, b) => similarities[b]! - similarities[a]! || a - b)
    .slice(0, count)
    .map((clip) => ({ clip, similarity: similarities[clip]! }));
}

/**
 * What clips that the network finds alike have in common: the mean share of nearest clips with the same value beside the
 * mean share of all that could have been answered. Says in numbers what a coloured map only suggests. Agreement of
 * `values` (null: left out) among the `count` nearest clips of each clip. `groups`: clips of the query's own
 * group are not answered, because one patient's clips share everything; null to answer all. Null where nobody has
 * anybody to be compared with. `rows` as from `comparableRows`.
 */
export function neighbourAgreement(
  rows: Float32Array,
  dim: number,
  values: readonly (string | null)[],
  groups: readonly string[] | null,
  count = 5,
): MapExplanation['agreement']['class'] {
  let nearest = 0;
  let chance = 0;
  let clips = 0;
  for (const [query, value] of values.entries()) {
    if (value === null) continue;
    const isExcluded = (clip: number): boolean =>
      values[clip] === null || (groups !== null && groups[clip] === groups[query]);
    const others = [...values.keys()].filter((clip) => clip !== query && !isExcluded(clip));
    if (others.length === 0) continue;
    const near = nearestClips(rows, dim, query, { count, isExcluded });
    nearest += near.filter(({ clip }) => values[clip] === value).length / near.length;
    chance += others.filter((clip) => values[clip] === value).length / others.length;
    clips += 1;
  }
  return clips === 0 ? null : { nearest: nearest / clips, chance: chance / clips, clips };
}
