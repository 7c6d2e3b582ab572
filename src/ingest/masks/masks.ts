/**
 * Segmentation masks that lie beside a still, pictures of its size, as one map of structures. Outlines that were drawn in
 * place of the area they go round become that area.
 */
import { join } from 'node:path';
import { dataError } from '../../base/errors.ts';
import { partsOf } from '../field/morphology.ts';
import { areaOf } from '../field/raster.ts';
import type { Size } from '../../video/geometry.ts';
import { readMaskCodes } from './codes.ts';
import { fileNameOf } from '../common/paths.ts';
import type { MaskReading } from '../common/ingest-plan.ts';
import { decodeStill, openStill } from '../pictures/still.ts';

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

/** An area this many times as large as its line is what the line was drawn for; a thick ring is not. */
const FILLS = 3;

/**
 * The area inside of a line, the line with it, [height, width] of 0 and 1. Outside is what has most of the border, so a
 * line that the border cuts off still has an inside. Pixels that touch at corners close a line. Null where nothing is
 * inside: the line is open.
 */
export function fillOutline(line: Uint8Array, { width, height }: Size): Uint8Array | null {
  const { parts, labels } = partsOf({ columns: width, rows: height, data: line }, 0);
  if (parts.length < 2) return null;
  const border = new Uint32Array(parts.length + 1);
  labels.forEach((label, i) => {
    const [x, y] = [i % width, Math.floor(i / width)];
    if (label > 0 && (x === 0 || y === 0 || x === width - 1 || y === height - 1)) border[label]!++;
  });
  const outside = border.indexOf(Math.max(...border), 1);
  return Uint8Array.from(labels, (label) => (label === outside ? 0 : 1));
}

/** Whether a mask [height, width] of 0 and 1 is a line round an area. */
export function isOutline(mask: Uint8Array, size: Size): boolean {
  const drawn = areaOf(mask);
  const filled = drawn === 0 ? null : fillOutline(mask, size);
  return filled !== null && areaOf(filled) >= FILLS * drawn;
}
