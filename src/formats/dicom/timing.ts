/**
 * When the frames of a cine loop were taken. Objects tell it in up to five ways (PS3.3 C.7.6.5, C.8.5.6); the one that
 * the Frame Increment Pointer names goes first, then from the most to the least exact. Values that no scanner has
 * (negative, zero, more than a minute a frame) count as absent.
 */
import { tagOf } from './dictionary.ts';
import type { DicomElements } from './elements.ts';
import { numberOf, numbersOf } from './values.ts';

export interface FrameTiming {
  /** Mean frames a second; null for one frame and where the object does not tell. */
  readonly fps: number | null;
  /** Seconds from the first frame to each frame, where frames are not evenly spaced (Frame Time Vector); otherwise null. */
  readonly times: Float64Array | null;
  readonly from:
    | 'FrameTimeVector'
    | 'FrameTime'
    | 'CineRate'
    | 'RecommendedDisplayFrameRate'
    | 'ActualFrameDuration'
    | null;
}

const UNKNOWN: FrameTiming = { fps: null, times: null, from: null };
const LONGEST_FRAME_MS = 60_000;
/** Nine hours at 30 frames a second; a longer vector would cost more memory than its text. */
const MAX_FRAMES = 1_000_000;

export function timingOf(set: DicomElements, frames: number): FrameTiming {
  if (frames < 2) return UNKNOWN;
  const single = (
    from: Exclude<FrameTiming['from'], null>,
    fps: number | undefined,
  ): FrameTiming | undefined =>
    fps === undefined || !(fps * LONGEST_FRAME_MS >= 1000) || !Number.isFinite(fps)
      ? undefined
      : { fps, times: null, from };
  const perFrame = (ms: number | undefined): number | undefined => (ms === undefined ? undefined : 1000 / ms);
  const frameTime = single('FrameTime', perFrame(numberOf(set, 'FrameTime')));
  const vector = fromVector(set, frames);
  const pointed = numberOf(set, 'FrameIncrementPointer');
  if (pointed === tagOf('FrameTime') && frameTime !== undefined) return frameTime;
  return (
    vector ??
    frameTime ??
    single('CineRate', numberOf(set, 'CineRate')) ??
    single('RecommendedDisplayFrameRate', numberOf(set, 'RecommendedDisplayFrameRate')) ??
    single('ActualFrameDuration', perFrame(numberOf(set, 'ActualFrameDuration'))) ??
    UNKNOWN
  );
}

/** The vector holds the milliseconds from the frame before; its first value is 0 by the standard and not used. */
function fromVector(set: DicomElements, frames: number): FrameTiming | undefined {
  if (frames > MAX_FRAMES) return undefined;
  const steps = numbersOf(set, 'FrameTimeVector', frames);
  if (steps.length < frames) return undefined;
  const times = new Float64Array(frames);
  for (let i = 1; i < frames; i++) {
    const step = steps[i]!;
    if (!(step >= 0) || step > LONGEST_FRAME_MS) return undefined;
    times[i] = times[i - 1]! + step / 1000;
  }
  const total = times[frames - 1]!;
  return total > 0 ? { fps: (frames - 1) / total, times, from: 'FrameTimeVector' } : undefined;
}
