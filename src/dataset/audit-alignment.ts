/**
 * The second look of an audit: pairs of clips whose hashes are further apart than the same pictures and nearer than
 * chance, mirrored ones too, compared by the pixels of their nearest frames. Needs both frames, and takes some 20 ms a
 * pair; so each clip has a limited number of candidates, nearest first, and what is left out is counted.
 */
import { findAlike, type ComparedClip } from './near-duplicates.ts';
import { mirroredHash } from './perceptual-hash.ts';
import { comparePictures, isSamePicture, type MatchPicture } from './picture-match.ts';

/** Bits up to which hashes make two clips candidates. */
export const CANDIDATE_DISTANCE = 14;

/** Candidates of a clip of the first list, at most. */
export const CANDIDATES_PER_CLIP = 32;

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

function candidatesOf({ first, second, known, signal }: Search): {
  readonly candidates: readonly Candidate[];
  readonly skipped: number;
} {
  const ofClip = new Map<number, Candidate[]>();
  let skipped = 0;
  const cut = (list: Candidate[]): void => {
    list.sort((x, y) => x.distance - y.distance || x.b - y.b);
    skipped += list.splice(CANDIDATES_PER_CLIP).length;
  };
  const others = second ?? first;
  const mirrors = others.map(({ hashes }) => ({ sourceSha256: null, hashes: hashes.map(mirroredHash) }));
  for (const mirrored of [false, true]) {
    findAlike(first, mirrored ? mirrors : second, CANDIDATE_DISTANCE, ({ a, b, distance, at, matches }) => {
      signal?.throwIfAborted();
      if (distance === null || at === null || (second === null && b <= a) || known(a, b)) return;
      const list = ofClip.get(a) ?? [];
      ofClip.set(a, list);
      list.push({ a, b, distance, at, matches, mirrored });
      // Now and then, so that memory is bounded too.
      if (list.length > 8 * CANDIDATES_PER_CLIP) cut(list);
    });
  }
  for (const list of ofClip.values()) cut(list);
  return { candidates: [...ofClip.values()].flat(), skipped };
}
