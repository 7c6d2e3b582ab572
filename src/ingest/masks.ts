/** Segmentation masks that lie beside a still: pictures of its size, bright where the structure is, united to one. */
import { join } from 'node:path';
import { UsclError } from '../base/errors.ts';
import type { Size } from './geometry.ts';
import { fileNameOf } from './paths.ts';
import { decodeStill, openStill } from './still.ts';

/** Masks are black and white, but some were compressed with loss. */
const INSIDE = 127;

/** [height, width] of 0 and 1. Errors: `STILL_UNREADABLE`, `MASK_SIZE`. */
export async function readMasks(root: string, paths: readonly string[], size: Size): Promise<Uint8Array> {
  const united = new Uint8Array(size.width * size.height);
  for (const path of paths) {
    const still = await openStill(join(root, path));
    if (still.width !== size.width || still.height !== size.height) {
      throw new UsclError({
        kind: 'data',
        code: 'MASK_SIZE',
        message: `its mask ${fileNameOf(path)} has ${still.width}×${still.height} pixels, the picture ${size.width}×${size.height}`,
        remedy: 'Give masks of the size of their picture.',
      });
    }
    const pixels = await decodeStill(still, size, 1);
    pixels.forEach((value, i) => {
      if (value > INSIDE) united[i] = 1;
    });
  }
  return united;
}
