/**
 * The leak audit: which clips of two datasets, or within one, are suspected to be the same. By content (digest of the
 * source file), by picture (perceptual hashes, which also find a piece of a clip in a longer one; pixels, for copies that
 * were cut, written on or mirrored), and by name of the
 * source file. It suspects; a person judges, by the frames that `auditSheet` puts side by side.
 */
import { groupBy, told } from '../base/collect.ts';
import { CUTS, findAligned } from './audit-alignment.ts';
import { DUPLICATE_DISTANCE, type ComparedClip, findDuplicates } from './duplicates.ts';
import { hashPositions, perceptualHash } from '../dataset/perceptual-hash.ts';
import { matchPicture } from './picture-match.ts';
import type { Dataset } from '../dataset/reader.ts';
import type { ClipRecord } from '../dataset/types.ts';

/** Why two clips are suspected, the surest first. */
export type AuditReason = 'same content' | 'same picture' | 'changed picture' | 'same name';

/** Two clips suspected to be the same. */
export interface SuspectedPair {
  readonly a: AuditedClip;
  readonly b: AuditedClip;
  /** At least one, strongest first. */
  readonly reasons: readonly AuditReason[];
  /** Bits in which the nearest hashes differ (0 to 15), or null where no pictures are alike. */
  readonly distance: number | null;
  /** Hashed frames of `a` that are like one of `b`. */
  readonly matches: number;
  /** Correlation of the frames laid over each other, of a changed picture; else null. */
  readonly correlation: number | null;
  /** The changed picture is mirrored. */
  readonly mirrored: boolean;
  /** Within one dataset: both are of one group, so no split can part them. */
  readonly sameGroup: boolean;
}

/** A clip that an audit names. */
export interface AuditedClip {
  /** Index in its dataset. */
  readonly index: number;
  readonly id: string;
  readonly group: string;
  readonly label: string | null;
  readonly source: string;
  /** The frame that is like one of the other, or the middle one. */
  readonly frame: number;
}

/** What an audit found: suspected pairs within and between datasets. */
export interface AuditResult {
  readonly format: 'uscl-audit';
  readonly version: 1;
  readonly first: { readonly folder: string; readonly name: string; readonly clips: number };
  /** Null for an audit within one dataset. */
  readonly second: { readonly folder: string; readonly name: string; readonly clips: number } | null;
  readonly distance: number;
  /** Pairs by reason; a pair with two reasons counts in both. */
  readonly counts: Readonly<Record<AuditReason, number>>;
  /**
   * Pairs that leak: equal by content or picture, and not of one group of one dataset. A name alone is a hint: it does
   * not count.
   */
  readonly leaks: number;
  /** Suspected pairs in all; `pairs` holds the first `limit` of them, leaks first. */
  readonly suspected: number;
  readonly pairs: readonly SuspectedPair[];
  /** Pairs that might be changed copies and were not looked at, because a clip had too many. */
  readonly skipped: number;
  /** Clips without hashes, which only bytes and names can tell. */
  readonly unhashed: number;
}

/** How suspicious an audit is. */
export interface AuditOptions {
  /** Default `DUPLICATE_DISTANCE`. */
  readonly distance?: number;
  /** Compare every stored frame and not up to 16 a clip: finds short pieces of long clips. */
  readonly everyFrame?: boolean;
  /** Look at the pixels of pairs whose hashes are not near enough, for changed and mirrored copies. Default true. */
  readonly changed?: boolean;
  /** Pairs kept, default 1000. All are counted. */
  readonly limit?: number;
  readonly onProgress?: (done: number, total: number, note?: string) => void;
  readonly signal?: AbortSignal;
}

/** Audits two datasets against each other, or one within (`second` null). Errors: `DISTANCE_INVALID`, of `readFrame`. */
export function auditDatasets(
  first: Dataset,
  second: Dataset | null,
  options: AuditOptions = {},
): AuditResult {
  const { distance = DUPLICATE_DISTANCE, limit = 1000, everyFrame = false, changed = true } = options;
  const other = second ?? first;
  const total = first.manifest.frames + (second?.manifest.frames ?? 0);
  let done = 0;
  const compared = (dataset: Dataset): readonly ComparedClip[] =>
    everyFrame
      ? dataset.clips.map((clip) => {
          options.signal?.throwIfAborted();
          const hashed = hashEveryFrame(dataset, clip);
          done += clip.frames;
          options.onProgress?.(done, total, 'hashing');
          return hashed;
        })
      : dataset.clips;
  const left = compared(first);
  const right = second === null ? null : compared(second);

  const named = new Set(second === null ? [] : sameNames(first.clips, second.clips));
  const counts: Record<AuditReason, number> = {
    'same content': 0,
    'same picture': 0,
    'changed picture': 0,
    'same name': 0,
  };
  const leaking: SuspectedPair[] = [];
  const hints: SuspectedPair[] = [];
  let leaks = 0;
  let suspected = 0;
  /** A pair of clips for the reasons given, and for its name where that is the same. */
  const add = (
    a: number,
    b: number,
    given: readonly AuditReason[],
    found: Partial<SuspectedPair> = {},
    at: readonly [number, number] | null = null,
  ): void => {
    const reasons = told([...given, named.delete(`${a} ${b}`) && 'same name']);
    const pair: SuspectedPair = {
      a: audited(first.clips[a]!, a, at?.[0], everyFrame),
      b: audited(other.clips[b]!, b, at?.[1], everyFrame),
      reasons,
      ...{ distance: null, matches: 0, correlation: null, mirrored: false },
      ...found,
      sameGroup: second === null && first.clips[a]!.group === first.clips[b]!.group,
    };
    suspected += 1;
    for (const reason of pair.reasons) counts[reason] += 1;
    const leak = !pair.sameGroup && pair.reasons[0] !== 'same name';
    if (leak) leaks += 1;
    const kept = leak ? leaking : hints;
    if (kept.length < limit) kept.push(pair);
  };
  const seen = new Set<string>();
  findDuplicates(left, right, distance, ({ a, b, sameContent, distance: bits, at, matches }) => {
    seen.add(`${a} ${b}`);
    const reasons: AuditReason[] = told([sameContent && 'same content', bits !== null && 'same picture']);
    add(a, b, reasons, { distance: bits, matches }, at);
  });
  let skipped = 0;
  if (changed) {
    const frameOf = (clip: ClipRecord, at: number): number => audited(clip, 0, at, everyFrame).frame;
    const aligned = findAligned({
      first: left,
      second: right,
      cut: CUTS.map((share) => ({
        first: withoutMargins(first, left, share, frameOf, options.signal),
        second: right === null ? null : withoutMargins(other, right, share, frameOf, options.signal),
      })),
      known: (a, b) => seen.has(`${a} ${b}`),
      picture: (side, index, hash, mirrored) => {
        const dataset = side === 0 ? first : other;
        const clip = dataset.clips[index]!;
        const frame = dataset.readFrame(clip, frameOf(clip, hash));
        return matchPicture(frame, clip.width, clip.height, dataset.manifest.channels, mirrored);
      },
      onProgress: (at, of) => options.onProgress?.(at, of, 'comparing pixels'),
      signal: options.signal,
    });
    skipped = aligned.skipped;
    for (const { a, b, at, ...found } of aligned.pairs) add(a, b, ['changed picture'], found, at);
  }
  for (const key of [...named]) {
    const [a = 0, b = 0] = key.split(' ').map(Number);
    add(a, b, []);
  }
  const head = ({ folder, manifest, clips }: Dataset): AuditResult['first'] => ({
    folder,
    name: manifest.name,
    clips: clips.length,
  });
  return {
    format: 'uscl-audit',
    version: 1,
    first: head(first),
    second: second === null ? null : head(second),
    distance,
    counts,
    leaks,
    suspected,
    pairs: [...leaking, ...hints].slice(0, limit),
    skipped,
    unhashed: [...left, ...(right ?? [])].filter(({ hashes }) => hashes.length === 0).length,
  };
}

function hashEveryFrame(dataset: Dataset, clip: ClipRecord): ComparedClip {
  const { channels } = dataset.manifest;
  const frame = new Uint8Array(clip.width * clip.height * channels);
  const hashes = Array.from({ length: clip.frames }, (_, i) =>
    perceptualHash(dataset.readFrame(clip, i, frame), clip.width, clip.height, channels),
  );
  return { sourceSha256: clip.sourceSha256, hashes };
}

/** Hashes of the frames that `compared` has hashes of, cut by a share on each side. */
function withoutMargins(
  dataset: Dataset,
  compared: readonly ComparedClip[],
  share: number,
  frameOf: (clip: ClipRecord, hash: number) => number,
  signal: AbortSignal | undefined,
): readonly ComparedClip[] {
  const { channels } = dataset.manifest;
  return dataset.clips.map((clip, index) => {
    signal?.throwIfAborted();
    const { width, height } = clip;
    const frame = new Uint8Array(width * height * channels);
    const [left, top] = [Math.round(share * width), Math.round(share * height)];
    const [wide, high] = [width - 2 * left, height - 2 * top];
    const inner = new Uint8Array(wide * high * channels);
    const hashes = compared[index]!.hashes.map((_, i) => {
      dataset.readFrame(clip, frameOf(clip, i), frame);
      for (let y = 0; y < high; y++) {
        const from = ((y + top) * width + left) * channels;
        inner.set(frame.subarray(from, from + wide * channels), y * wide * channels);
      }
      return perceptualHash(inner, wide, high, channels);
    });
    return { sourceSha256: null, hashes };
  });
}

function audited(clip: ClipRecord, index: number, at: number | undefined, everyFrame: boolean): AuditedClip {
  const { id, group, label, source, frames } = clip;
  const middle = Math.floor(frames / 2);
  const frame = at === undefined ? middle : everyFrame ? at : (hashPositions(frames)[at] ?? middle);
  return { index, id, group, label, source, frame };
}

/**
 * Pairs, as "a b", whose source files have one name, whatever folder and extension. A name that several clips of a
 * side have (1.png in every class) says nothing; then folders must agree too.
 */
function sameNames(first: readonly ClipRecord[], second: readonly ClipRecord[]): readonly string[] {
  const path = ({ source }: ClipRecord): string =>
    source
      .normalize('NFC')
      .toLowerCase()
      .replace(/\.[^./]*$/, '');
  const name = (clip: ClipRecord): string => path(clip).split('/').at(-1) ?? '';
  const pairs = new Set<string>();
  for (const [keyOf, once] of [
    [name, true],
    [path, false],
  ] as const) {
    const left = groupBy([...first.keys()], (i) => keyOf(first[i]!));
    const right = groupBy([...second.keys()], (i) => keyOf(second[i]!));
    for (const [key, mine] of left) {
      const theirs = right.get(key) ?? [];
      if (key === '' || mine.length > 1 || theirs.length !== 1) {
        if (once || mine.length !== theirs.length) continue;
      }
      for (const [i, a] of mine.entries()) if (theirs[i] !== undefined) pairs.add(`${a} ${theirs[i]}`);
    }
  }
  return [...pairs];
}
