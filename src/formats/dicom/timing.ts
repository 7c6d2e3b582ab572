/**
 * When the frames of a cine loop were taken. Objects tell it in up to five ways (PS3.3 C.7.6.5, C.8.5.6); the one that
 * the Frame Increment Pointer names goes first, then from the most to the least exact. Rates that no scanner has
 * (negative, zero, a thousand frames a second and more, five seconds a frame and longer) come from seconds or
 * microseconds where milliseconds belong, and count as absent.
 */
import { tagOf, type Keyword } from './dictionary.ts';
import type { DicomElements } from './elements.ts';
import { hasValue, numberOf, numbersOf } from './values.ts';

export interface FrameTiming {
  /** Mean frames a second; null for one frame and where the object does not tell. */
  readonly fps: number | null;
  /** Seconds from the first frame to each frame, where frames are not evenly spaced (Frame Time Vector); otherwise null. */
  readonly times: Float64Array | null;
  /** Something was told that no scanner has, and did not count. */
  readonly isDoubted: boolean;
}

/** The rates that are believed lie between these; a unit that slipped makes others. */
const SLOWEST = 0.2;
const FASTEST = 1000;
const LONGEST_STEP_MS = 60_000;
/** Nine hours at 30 frames a second; a longer vector would cost more memory than its text. */
const MAX_FRAMES = 1_000_000;

type Told = Omit<FrameTiming, 'isDoubted'>;

const UNKNOWN: Told = { fps: null, times: null };

export function timingOf(set: DicomElements, frames: number): FrameTiming {
  if (frames < 2) return { ...UNKNOWN, isDoubted: false };
  const rate = (keyword: Keyword): Told => ({ fps: numberOf(set, keyword) ?? null, times: null });
  const step = (keyword: Keyword): Told => ({ fps: 1000 / (numberOf(set, keyword) ?? NaN), times: null });
  const ways: readonly (readonly [Keyword, (keyword: Keyword) => Told])[] = [
    ['FrameTimeVector', () => fromVector(set, frames)],
    ['FrameTime', step],
    ['CineRate', rate],
    ['RecommendedDisplayFrameRate', rate],
    ['ActualFrameDuration', step],
  ];
  const pointed = numberOf(set, 'FrameIncrementPointer');
  const first = ways.filter(([keyword]) => tagOf(keyword) === pointed);
  let isDoubted = false;
  for (const [keyword, tell] of new Set([...first, ...ways])) {
    if (!hasValue(set, keyword)) continue;
    const told = tell(keyword);
    if (told.fps !== null && told.fps > SLOWEST && told.fps < FASTEST) return { ...told, isDoubted };
    isDoubted = true;
  }
  return { ...UNKNOWN, isDoubted };
}

/** The vector holds the milliseconds from the frame before; its first value is 0 by the standard and not used. */
function fromVector(set: DicomElements, frames: number): Told {
  const steps = frames > MAX_FRAMES ? [] : numbersOf(set, 'FrameTimeVector', frames).slice(1);
  if (steps.length < frames - 1 || !steps.every((step) => step >= 0 && step <= LONGEST_STEP_MS))
    return UNKNOWN;
  const times = new Float64Array(frames);
  for (const [i, step] of steps.entries()) times[i + 1] = times[i]! + step / 1000;
  return { fps: (frames - 1) / times[frames - 1]!, times };
}
