/**
 * Frames that carry nothing are dropped on the way in and counted: black ones (devices and editors put them at the
 * start of a clip) and ones equal to the frame kept before them (a clip paused, or re-timed by repeating frames).
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

export interface DropCounts {
  black: number;
  /** Of one shade, not black. */
  blank: number;
  duplicate: number;
}

/** Passes on the frames worth keeping and counts the others in `dropped`. Frames are not copied. */
export async function* withoutEmptyFrames(
  frames: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  dropped: DropCounts,
): AsyncGenerator<Uint8Array, void, undefined> {
  let kept: Uint8Array | undefined;
  for await (const frame of frames) {
    if (isBlack(frame)) dropped.black++;
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

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  const limit = a.length * SAME;
  let difference = 0;
  for (let i = 0; i < a.length; i++) {
    difference += Math.abs(a[i]! - b[i]!);
    if (difference > limit) return false;
  }
  return true;
}
