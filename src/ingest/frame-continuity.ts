/**
 * Whether the pictures of a folder look like the frames of one clip. Neighbours in a clip are alike by their perceptual
 * hashes, separate pictures are not. Measured medians over neighbours, of 64 bits: 163 clips and sweeps of patients at 5
 * frames a second 2 to 22 (one sweep over several organs 27); folders of separate stills of the breast, the head of a
 * fetus, nerves and gallbladders 29 to 32.
 */
import { hashDistance } from '../curation/duplicates.ts';
import { FLAT_HASH, perceptualHash } from '../dataset/perceptual-hash.ts';
import type { Size } from '../video/geometry.ts';

/** The flag of a clip whose frames are more likely separate pictures. */
export const UNLIKE_FRAMES = 'unlike-frames';

/** Median distance of neighbours above which they are. */
const UNLIKE_DISTANCE = 24;

/** Frames that are looked at, from the first on. */
const LOOKED_AT = 48;

/** Looks at frames as they stream by. */
export class FrameContinuity {
  readonly #distances: number[] = [];
  #before: string | undefined;
  #count = 0;

  /** Takes the next [height, width, channels] u8 frame; keeps nothing of it but its hash. */
  add(frame: Uint8Array, { width, height }: Size, channels: 1 | 3): void {
    if (this.#count++ >= LOOKED_AT) return;
    const hash = perceptualHash(frame, width, height, channels);
    if (hash === FLAT_HASH) return;
    if (this.#before !== undefined) this.#distances.push(hashDistance(hash, this.#before));
    this.#before = hash;
  }

  isUnlike(): boolean {
    const sorted = this.#distances.toSorted((a, b) => a - b);
    return (sorted[sorted.length >> 1] ?? 0) > UNLIKE_DISTANCE;
  }
}
