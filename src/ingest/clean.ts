/**
 * Frames that carry nothing are dropped on the way in and counted: black ones (devices and editors put them at the
 * start of a clip), ones of a single shade, and ones equal to the frame kept before them (a clip paused, or re-timed by repeating frames).
 * They would otherwise become positive pairs that teach that all clips look alike.
 */

/** A pixel counts as lit above this; video black with its compression noise stays below. */
const LIT = 24;

/** A frame with a smaller share of lit pixels is black. The darkest true frames seen have 2 %, black ones 0. */
const MIN_LIT_SHARE = 0.005;

/**
 * Mean absolute difference, in grey levels, up to which two frames are the same. Repeated frames give 0 after most
 * codecs and a few hundredths after a second compression; the stillest true neighbours at 25 frames a second, 0.08.
 */
const SAME = 0.05;

/** Frames of a clip that were left out, by cause. */
export interface DropCounts {
  black: number;
  /** Of one shade, not black. */
  blank: number;
  duplicate: number;
}

/** A pixel is of the frame's one shade up to this many grey levels from the mean. */
const SHADE = 12;

export interface CleanOptions {
  readonly channels: 1 | 3;
  /** Whether everything outside of a field was set to 0; then only lit pixels tell whether there is one shade. */
  readonly isMasked: boolean;
}

/** Passes on the frames worth keeping and counts the others in `dropped`. Frames are not copied. */
export async function* withoutEmptyFrames(
  frames: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  dropped: DropCounts,
  options: () => CleanOptions = () => ({ channels: 1, isMasked: false }),
): AsyncGenerator<Uint8Array, void, undefined> {
  let kept: Uint8Array | undefined;
  for await (const frame of frames) {
    if (isBlack(frame)) dropped.black++;
    else if (isBlank(frame, options())) dropped.blank++;
    else if (kept !== undefined && isSame(frame, kept)) dropped.duplicate++;
    else {
      kept = frame;
      yield frame;
    }
  }
}

export function isBlack(frame: Uint8Array): boolean {
  const enough = frame.length * MIN_LIT_SHARE;
  let lit = 0;
  for (const value of frame) if (value > LIT && ++lit >= enough) return false;
  return true;
}

/** Whether nearly all pixels have one shade (or colour). */
export function isBlank(frame: Uint8Array, { channels, isMasked }: CleanOptions): boolean {
  if (channels === 1 && hasTwoShades(frame, isMasked ? LIT : -1)) return false;
  const counts = (at: number): boolean =>
    !isMasked || frame[at]! > LIT || (channels === 3 && (frame[at + 1]! > LIT || frame[at + 2]! > LIT));
  const sums = [0, 0, 0];
  let pixels = 0;
  for (let at = 0; at < frame.length; at += channels) {
    if (!counts(at)) continue;
    pixels++;
    for (let c = 0; c < channels; c++) sums[c]! += frame[at + c]!;
  }
  const means = sums.map((sum) => sum / pixels);
  const enough = pixels * MIN_LIT_SHARE;
  let others = 0;
  for (let at = 0; at < frame.length; at += channels) {
    if (!counts(at)) continue;
    for (let c = 0; c < channels; c++) {
      if (Math.abs(frame[at + c]! - means[c]!) <= SHADE) continue;
      if (++others >= enough) return false;
      break;
    }
  }
  return true;
}

/**
 * Whether enough pixels above `least` are so dark, and enough so bright, that one of the two groups is off the mean,
 * whatever the mean is. Most frames show it within a few rows, and then no mean is needed. Says nothing when false.
 */
function hasTwoShades(frame: Uint8Array, least: number): boolean {
  const enough = frame.length * MIN_LIT_SHARE;
  const dark = least + 1 + SHADE;
  const bright = dark + 2 * SHADE + 1;
  let darkOnes = 0;
  let brightOnes = 0;
  for (const value of frame) {
    if (value <= dark) {
      if (value > least) darkOnes++;
    } else if (value >= bright) brightOnes++;
    else continue;
    if (darkOnes >= enough && brightOnes >= enough) return true;
  }
  return false;
}

/** Whether two frames of one size show the same. */
export function isSame(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  const limit = a.length * SAME;
  let difference = 0;
  for (let i = 0; i < a.length; i++) {
    difference += Math.abs(a[i]! - b[i]!);
    if (difference > limit) return false;
  }
  return true;
}
