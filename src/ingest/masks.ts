/** Segmentation masks that lie beside a still, pictures of its size, as one map of structures. */
import { join } from 'node:path';
import { dataError } from '../base/errors.ts';
import type { Size } from './geometry.ts';
import { readMaskCodes } from './mask-codes.ts';
import { fillOutline } from './mask-outlines.ts';
import { fileNameOf } from './paths.ts';
import type { MaskReading } from './plan.ts';
import { decodeStill, openStill } from './still.ts';

/** Masks are black and white, but some were compressed with loss. */
const INSIDE = 127;

/**
 * [height, width]: 0 outside, else the number of the structure, from 1. Several masks of a picture are united. Errors:
 * `STILL_UNREADABLE`, `MASK_SIZE`, `MASK_OPEN` (an outline that goes round nothing), `MASK_OVERLAP`.
 */
export async function readMasks(
  root: string,
  paths: readonly string[],
  size: Size,
  reading?: MaskReading,
): Promise<Uint8Array> {
  const united = new Uint8Array(size.width * size.height);
  for (const path of paths) {
    const mask = await readMask(join(root, path), fileNameOf(path), size, reading?.codes ?? null);
    const whole = reading?.isOutline === true && mask.includes(1) ? fillOutline(mask, size) : mask;
    if (whole === null)
      throw dataError('MASK_OPEN', `the outline in its mask ${fileNameOf(path)} is not closed`, 'Close it.');
    whole.forEach((value, i) => {
      if (value === 0) return;
      if (united[i] !== 0 && united[i] !== value)
        throw dataError(
          'MASK_OVERLAP',
          'its masks give a pixel to two structures',
          'Give each pixel one structure.',
        );
      united[i] = value;
    });
  }
  return united;
}

async function readMask(
  path: string,
  name: string,
  size: Size,
  codes: readonly number[] | null,
): Promise<Uint8Array> {
  if (codes === null) {
    const still = await openStill(path);
    requireSize(name, still, size);
    return (await decodeStill(still, size, 1)).map((value) => (value > INSIDE ? 1 : 0));
  }
  const picture = await readMaskCodes(path);
  requireSize(name, picture, size);
  const numbers = new Map(codes.map((code, i) => [code, i + 1]));
  return Uint8Array.from(picture.codes, (code) => numbers.get(code) ?? 0);
}

function requireSize(name: string, mask: Size, size: Size): void {
  if (mask.width === size.width && mask.height === size.height) return;
  throw dataError(
    'MASK_SIZE',
    `its mask ${name} has ${mask.width}×${mask.height} pixels, the picture ${size.width}×${size.height}`,
    'Give masks of the size of their picture.',
  );
}
