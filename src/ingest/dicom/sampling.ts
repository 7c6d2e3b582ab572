/** Which frames of a DICOM clip to decode. Pure arithmetic, by the same rule as for videos. */

/** A thousandth of a step forgives rounded times. */
const FORGIVEN = 0.001;

/**
 * Indices of the first frame at or after every multiple of 1/fps seconds from the first frame on: uniform in time also
 * where the rate varies, and never a frame twice. `seconds` are the frames' times, in order; null: not known, then
 * every frame is taken.
 */
export function sampledFrames(
  count: number,
  seconds: ArrayLike<number> | null,
  fps: number | 'all',
): readonly number[] {
  const all = Array.from({ length: count }, (_, index) => index);
  if (fps === 'all' || seconds === null || seconds.length < count) return all;
  const start = seconds[0] ?? 0;
  let last = -1;
  return all.filter((index) => {
    const step = Math.floor((seconds[index]! - start) * fps + FORGIVEN);
    if (step <= last) return false;
    last = step;
    return true;
  });
}

/** A rate as it may be written: exact frame times are nearly unique to an examination. */
export function roundedRate(fps: number | null): number | null {
  return fps === null ? null : Math.max(0.1, Math.round(fps * 10) / 10);
}
