/** Which frames of a clip are looked at where not all of them are. Pure arithmetic, for the browser too. */

/**
 * Frame numbers uniform in time: the middles of `count` equal parts of the clip, each once; all frames of a clip
 * that has no more than `count`.
 */
export function uniformFrames(frames: number, count: number): number[] {
  const taken = Math.min(frames, count);
  return Array.from({ length: taken }, (_, i) => Math.floor(((i + 0.5) * frames) / taken));
}
