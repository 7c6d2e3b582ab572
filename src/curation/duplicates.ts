/**
 * Duplicates are clips that show the same pictures: equal bytes, or a frame of one whose perceptual hash is near one
 * of the other. The search is multi-index hashing (Norouzi et al. 2012, https://arxiv.org/abs/1307.2982): of two
 * hashes that differ in at most r bits, one of four 16-bit quarters differs in at most ⌊r / 4⌋, so few buckets need
 * a look. Memory is some 30 bytes a hash. Pairs are handed on as they are found and not kept.
 */
import { groupBy } from '../base/collect.ts';
import { usageError } from '../base/errors.ts';
import { FLAT_HASH } from '../dataset/perceptual-hash.ts';
import type { ClipRecord } from '../dataset/types.ts';

/**
 * Bits up to which two frames count as the same picture. Measured in docs/audit.md: copies that were encoded again,
 * scaled or made brighter stay within it, frames of different patients do not come near it.
 */
export const DUPLICATE_DISTANCE = 6;

/** Beyond this a quarter of the hash may differ so much that the search is no better than comparing all with all. */
export const MAX_DISTANCE = 15;

/**
 * A lone pair of frames has to be nearer by this: in 10,000 clips there are so many pairs of frames that some come as
 * near by chance (docs/audit.md). Two frames of a clip do not. Stills have but one frame, so for them one is enough.
 */
const ALONE = 2;

/** The fields of a clip that are compared. */
export type ComparedClip = Pick<ClipRecord, 'sourceSha256' | 'hashes'>;

/** Two clips that show the same. */
export interface DuplicatePair {
  /** Index into the first and into the second list. */
  readonly a: number;
  readonly b: number;
  /** The same bytes. */
  readonly sameContent: boolean;
  /** Bits between their nearest hashes; null where none are near (equal bytes without hashes). */
  readonly distance: number | null;
  /** Which of their hashes those are. */
  readonly at: readonly [a: number, b: number] | null;
  /** Hashes of the first that are near one of the second. */
  readonly matches: number;
}

/**
 * Calls `visit` for every pair of a clip of `first` and a clip of `second` that show the same, by clip of `first`,
 * then of `second`. With `second` null pairs within `first`, a < b. Errors: `DISTANCE_INVALID`.
 */
export function findDuplicates(
  first: readonly ComparedClip[],
  second: readonly ComparedClip[] | null,
  distance: number,
  visit: (pair: DuplicatePair) => void,
): void {
  if (!Number.isInteger(distance) || distance < 0 || distance > MAX_DISTANCE)
    throw usageError(
      'DISTANCE_INVALID',
      `The distance of hashes must be a whole number from 0 to ${MAX_DISTANCE}, not ${distance}.`,
      `Use ${DUPLICATE_DISTANCE}; docs/audit.md says what it finds.`,
    );
  const others = second ?? first;
  const near = hashIndex(others, distance);
  const sameBytes = groupBy([...others.keys()], (i) => others[i]!.sourceSha256);
  for (const [a, clip] of first.entries()) {
    const from = second === null ? a + 1 : 0;
    const found = new Map<
      number,
      { distance: number; at: readonly [number, number]; matches: number; last: number }
    >();
    for (const [i, hash] of clip.hashes.entries()) {
      near(hash, from, (b, j, bits) => {
        const known = found.get(b);
        if (known === undefined) found.set(b, { distance: bits, at: [i, j], matches: 1, last: i });
        else {
          if (known.last !== i) known.matches += 1;
          known.last = i;
          if (bits < known.distance) [known.distance, known.at] = [bits, [i, j]];
        }
      });
    }
    const twins = new Set(
      clip.sourceSha256 === null ? [] : sameBytes.get(clip.sourceSha256)?.filter((b) => b >= from),
    );
    for (const b of [...new Set([...twins, ...found.keys()])].sort((x, y) => x - y)) {
      const { distance: bits = null, at = null, matches = 0 } = found.get(b) ?? {};
      const lone = matches === 1 && Math.min(clip.hashes.length, others[b]!.hashes.length) > 1;
      if (!twins.has(b) && lone && bits !== null && bits > Math.max(0, distance - ALONE)) continue;
      visit({ a, b, sameContent: twins.has(b), distance: bits, at, matches });
    }
  }
}

/** Leak-free units: sets of clips that must stay on one side of a split. */
export interface LeakFreeUnits {
  /** Name of each clip's leak-free unit: its group, or the first (by name) of the groups that were joined with it. */
  readonly unitOf: readonly string[];
  /** Groups that were joined because they share pictures, in order of names. */
  readonly joined: readonly (readonly string[])[];
  /** Pairs of clips across two groups that made this necessary. */
  readonly pairs: number;
}

/** Finds the leak-free units of clips: groups that share pictures are joined into one. Errors: `DISTANCE_INVALID`. */
export function leakFreeUnits(
  clips: readonly (ComparedClip & Pick<ClipRecord, 'group'>)[],
  distance = DUPLICATE_DISTANCE,
): LeakFreeUnits {
  const parent = new Map(clips.map(({ group }) => [group, group]));
  const root = (name: string): string => {
    let at = name;
    while (parent.get(at) !== at) {
      const above = parent.get(parent.get(at)!)!;
      parent.set(at, above);
      at = above;
    }
    return at;
  };
  let pairs = 0;
  findDuplicates(clips, null, distance, ({ a, b }) => {
    if (clips[a]!.group === clips[b]!.group) return;
    pairs += 1;
    const [x, y] = [root(clips[a]!.group), root(clips[b]!.group)];
    if (x !== y) parent.set(x < y ? y : x, x < y ? x : y);
  });
  const members = groupBy([...parent.keys()].sort(), root);
  return {
    unitOf: clips.map(({ group }) => root(group)),
    joined: [...members.values()].filter((groups) => groups.length > 1),
    pairs,
  };
}

/**
 * Makes all hashes of a list of clips findable by any of their quarters. What it returns visits every hash of a clip
 * ≥ `from` within `distance` bits once.
 */
function hashIndex(clips: readonly ComparedClip[], distance: number) {
  const total = clips.flatMap(({ hashes }) => hashes.filter((hash) => hash !== FLAT_HASH)).length;
  /** Halves of each hash, its clip, and its place among the hashes of that. */
  const [highs, lows, clipOf, placeOf] = [
    new Uint32Array(total),
    new Uint32Array(total),
    new Uint32Array(total),
    new Uint32Array(total),
  ];
  let at = 0;
  for (const [clip, { hashes }] of clips.entries()) {
    for (const [i, hash] of hashes.entries()) {
      if (hash === FLAT_HASH) continue;
      [highs[at], lows[at], clipOf[at], placeOf[at]] = [...halves(hash), clip, i];
      at += 1;
    }
  }
  /** Of each quarter: where each value's hashes start in `items`. */
  const quarters = [0, 1, 2, 3].map((quarter) => {
    const [starts, items] = [new Uint32Array(0x1_0001), new Uint32Array(total)];
    const valueOf = (i: number): number => quarterOf(highs[i]!, lows[i]!, quarter);
    for (let i = 0; i < total; i++) starts[valueOf(i) + 1]! += 1;
    for (let value = 0; value < 0x1_0000; value++) starts[value + 1]! += starts[value]!;
    const next = starts.slice();
    for (let i = 0; i < total; i++) items[next[valueOf(i)]!++] = i;
    return { starts, items };
  });
  const reach = Math.floor(distance / 4);
  const flips = flipsUpTo(reach);
  return (hash: string, from: number, visit: (clip: number, place: number, bits: number) => void): void => {
    if (hash === FLAT_HASH) return;
    const [high, low] = halves(hash);
    for (const [quarter, { starts, items }] of quarters.entries()) {
      const value = quarterOf(high, low, quarter);
      for (const flip of flips) {
        const bucket = value ^ flip;
        for (let k = starts[bucket]!; k < starts[bucket + 1]!; k++) {
          const item = items[k]!;
          if (clipOf[item]! < from) continue;
          const [otherHigh, otherLow] = [highs[item]!, lows[item]!];
          const bits = popcount(high ^ otherHigh) + popcount(low ^ otherLow);
          if (bits > distance) continue;
          // An earlier quarter that is as near has shown it already.
          let seen = false;
          for (let q = 0; q < quarter; q++)
            seen ||= popcount(quarterOf(high, low, q) ^ quarterOf(otherHigh, otherLow, q)) <= reach;
          if (!seen) visit(clipOf[item]!, placeOf[item]!, bits);
        }
      }
    }
  };
}

/** Bits in which two hashes (16 hex digits) differ. */
export function hashDistance(a: string, b: string): number {
  const [high, low] = halves(a);
  const [otherHigh, otherLow] = halves(b);
  return popcount(high ^ otherHigh) + popcount(low ^ otherLow);
}

function halves(hash: string): readonly [high: number, low: number] {
  return [Number.parseInt(hash.slice(0, 8), 16), Number.parseInt(hash.slice(8), 16)];
}

function quarterOf(high: number, low: number, quarter: number): number {
  const half = quarter < 2 ? high : low;
  return quarter % 2 === 0 ? half >>> 16 : half & 0xffff;
}

/** Set bits of a 32-bit word. */
function popcount(word: number): number {
  let n = word - ((word >>> 1) & 0x55555555);
  n = (n & 0x33333333) + ((n >>> 2) & 0x33333333);
  return Math.imul((n + (n >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

/** All 16-bit words with at most `bits` set bits. */
function flipsUpTo(bits: number): readonly number[] {
  return Array.from({ length: 0x1_0000 }, (_, word) => word).filter((word) => popcount(word) <= bits);
}
