/** What the readers of video headers have in common: what they tell, what they read from, and how they give up. */

/** What ffprobe would say of a file's one video stream after reading all packets. */
export interface VideoHeader {
  /** Coded picture after cropping. */
  readonly width: number;
  readonly height: number;
  /** Width of a pixel beside its height, or null when the file does not tell. */
  readonly pixelAspect: number | null;
  /** Mean pictures a second. */
  readonly fps: number;
  readonly frames: number;
}

/** Reads `length` bytes at an offset; fewer where the file ends. */
export type ReadAt = (offset: number, length: number) => Promise<Uint8Array>;

/** Not a plain file, or not a whole one. */
class Unusual extends Error {}

/** Gives up on the file unless the condition holds. */
export function must(condition: boolean): asserts condition {
  if (!condition) throw new Unusual();
}

/** What `read` tells, or null where it gave up. Rejects where it failed in another way. */
export async function unlessUnusual<T>(read: () => Promise<T>): Promise<T | null> {
  try {
    return await read();
  } catch (thrown) {
    if (thrown instanceof Unusual) return null;
    throw thrown;
  }
}
