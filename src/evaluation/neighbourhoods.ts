/**
 * What clips that the network finds alike have in common: how often a near clip shares the class, the group or the
 * source, beside how often a clip drawn at random would. Says in numbers what a coloured map only suggests.
 */
import { nearestClips } from './retrieval.ts';

export interface Agreement {
  /** Mean share of the nearest clips that have the same value. */
  readonly nearest: number;
  /** Mean share of all clips that could have been answered and have the same value. */
  readonly chance: number;
  /** Clips that were asked about. */
  readonly clips: number;
}

/**
 * Agreement of `values` (null: left out) among the `count` nearest clips of each clip. `groups`: clips of the query's own
 * group are not answered, because one patient's clips share everything; null to answer all. Null where nobody has
 * anybody to be compared with. `rows` as from `comparableRows`.
 */
export function neighbourAgreement(
  rows: Float32Array,
  dim: number,
  values: readonly (string | null)[],
  groups: readonly string[] | null,
  count = 5,
): Agreement | null {
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
