/**
 * The second stage of an audit compares pixels. Its candidates are pairs of clips whose hashes are further apart
 * than the same pictures and nearer than chance, mirrored and cut ones too. The nearest frames of each pair are
 * compared, which takes some 20 ms. So each clip has a limited number of candidates, nearest first, and the rest are
 * counted.
 */
import { type DuplicatePair, type ComparedClip, findDuplicates } from './duplicates.ts';
import { mirroredHash } from '../dataset/perceptual-hash.ts';
import { comparePictures, isSamePicture, type MatchPicture } from './picture-match.ts';

/** Bits up to which hashes make two clips candidates. */
export const CANDIDATE_DISTANCE = 14;

/** The same where one of the frames was cut before it was hashed. */
const CUT_DISTANCE = 10;

/** Candidates of a clip of the first list, at most. */
export const CANDIDATES_PER_CLIP = 32;

/**
 * Shares of a frame cut off on each side before it is hashed once more: a copy that was cut is near one of these. Chosen
 * in docs/audit.md.
 */
export const CUTS = [0.03, 0.055, 0.08];

/** Two clips that hold the same picture, once cut, stretched, written on or mirrored. */
export interface AlignedPair {
  readonly a: number;
  readonly b: number;
  /** Bits between their nearest hashes, of which one is of the mirrored frame if `mirrored`. */
  readonly distance: number;
  /** Which of their hashes those are. */
  readonly at: readonly [a: number, b: number];
  readonly matches: number;
  readonly mirrored: boolean;
  /** Correlation of local contrast where one fits best over the other. */
  readonly correlation: number;
}

interface Search {
  readonly first: readonly ComparedClip[];
  /** Null: pairs within the first. */
  readonly second: readonly ComparedClip[] | null;
  /** Hashes of the clips' frames without their margins, a list for each of `CUTS`; `second` null as above. */
  readonly cut: readonly {
    readonly first: readonly ComparedClip[];
    readonly second: readonly ComparedClip[] | null;
  }[];
  /** Pairs that need no second look. */
  readonly known: (a: number, b: number) => boolean;
  /** The frame of a hash of a clip. */
  readonly picture: (side: 0 | 1, clip: number, hash: number, mirrored: boolean) => MatchPicture;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

type Candidate = Omit<AlignedPair, 'correlation'>;

/** Pairs that are the same by pixels, by clip of the first then of the second; and how many were not looked at. */
export function findAligned(search: Search): {
  readonly pairs: readonly AlignedPair[];
  readonly skipped: number;
} {
  const { candidates, skipped } = candidatesOf(search);
  const pairs: AlignedPair[] = [];
  const found = new Set<string>();
  for (const [done, candidate] of candidates.entries()) {
    search.signal?.throwIfAborted();
    const { a, b, at, mirrored } = candidate;
    const match = found.has(`${a} ${b}`)
      ? null
      : comparePictures(search.picture(0, a, at[0], false), search.picture(1, b, at[1], mirrored));
    if (match !== null && isSamePicture(match)) {
      found.add(`${a} ${b}`);
      pairs.push({ ...candidate, correlation: match.correlation });
    }
    search.onProgress?.(done + 1, candidates.length);
  }
  return { pairs: pairs.sort((x, y) => x.a - y.a || x.b - y.b), skipped };
}

function candidatesOf({ first, second, cut: cuts, known, signal }: Search): {
  readonly candidates: readonly Candidate[];
  readonly skipped: number;
} {
  const ofClip = new Map<number, Candidate[]>();
  let skipped = 0;
  const cut = (list: Candidate[]): void => {
    list.sort((x, y) => x.distance - y.distance || x.b - y.b);
    skipped += list.splice(CANDIDATES_PER_CLIP).length;
  };
  const take =
    (mirrored: boolean, swapped: boolean) =>
    (pair: DuplicatePair): void => {
      signal?.throwIfAborted();
      const { distance, matches } = pair;
      if (distance === null || pair.at === null) return;
      const swap = swapped || (second === null && pair.a > pair.b);
      const [a, b] = swap ? [pair.b, pair.a] : [pair.a, pair.b];
      if ((second === null && a === b) || known(a, b)) return;
      const at = swap ? ([pair.at[1], pair.at[0]] as const) : pair.at;
      const list = ofClip.get(a) ?? [];
      ofClip.set(a, list);
      const held = list.findIndex((other) => other.b === b && other.mirrored === mirrored);
      if (held !== -1 && list[held]!.distance <= distance) return;
      const candidate = { a, b, distance, at, matches, mirrored };
      if (held === -1) list.push(candidate);
      else list[held] = candidate;
      // Now and then, so that memory is bounded too.
      if (list.length > 8 * CANDIDATES_PER_CLIP) cut(list);
    };
  const others = second ?? first;
  const mirrorOf = (clips: readonly ComparedClip[]): readonly ComparedClip[] =>
    clips.map(({ hashes }) => ({ sourceSha256: null, hashes: hashes.map(mirroredHash) }));
  const mirrors = mirrorOf(others);
  findDuplicates(first, second, CANDIDATE_DISTANCE, take(false, false));
  findDuplicates(first, mirrors, CANDIDATE_DISTANCE, take(true, false));
  for (const { first: mine, second: theirs } of cuts) {
    // A cut copy among the second, then one among the first; within one list the first search sees both.
    findDuplicates(mine, others, CUT_DISTANCE, take(false, false));
    findDuplicates(mine, mirrors, CUT_DISTANCE, take(true, false));
    if (theirs === null) continue;
    findDuplicates(theirs, first, CUT_DISTANCE, take(false, true));
    findDuplicates(mirrorOf(theirs), first, CUT_DISTANCE, take(true, true));
  }
  for (const list of ofClip.values()) cut(list);
  return { candidates: [...ofClip.values()].flat(), skipped };
}
