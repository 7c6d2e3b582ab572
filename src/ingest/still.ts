/**
 * Still pictures (JPEG, PNG, TIFF, WebP) to stored frames, upright (EXIF) and without alpha. Damaged files are
 * errors, not grey areas.
 */
import { open } from 'node:fs/promises';
import type { Metadata } from 'sharp';
import sharp from 'sharp';
import { messageOf, UsclError } from '../base/errors.ts';
import type { Size } from './geometry.ts';
import { MAX_PIXELS, sizeComplaint } from './geometry.ts';

const MAX_BYTES = 256 * 2 ** 20;
const FORMATS: readonly string[] = ['jpeg', 'png', 'tiff', 'webp'];

export interface Still extends Size {
  readonly bytes: Buffer;
}

/** Reads a picture file whole and its size as displayed. Errors: `STILL_UNREADABLE`. */
export async function openStill(path: string): Promise<Still> {
  const bytes = await readBounded(path);
  let metadata: Metadata;
  try {
    metadata = await sharp(bytes, { failOn: 'warning', limitInputPixels: MAX_PIXELS }).metadata();
  } catch (thrown) {
    throw unreadable(messageOf(thrown), thrown);
  }
  if (!FORMATS.includes(metadata.format))
    throw unreadable(`it is a picture in the format ${metadata.format}`);
  if ((metadata.pages ?? 1) > 1)
    throw unreadable('it holds several pictures; save them as separate files or as a video');
  const { width, height } = metadata.autoOrient;
  const complaint = sizeComplaint({ width, height });
  if (complaint !== undefined) throw unreadable(complaint);
  return { bytes, width, height };
}

/** [height, width, channels] u8. Errors: `STILL_UNREADABLE`. */
export async function decodeStill(still: Still, size: Size, channels: 1 | 3): Promise<Uint8Array> {
  try {
    const { data, info } = await sharp(still.bytes, { failOn: 'warning', limitInputPixels: MAX_PIXELS })
      .autoOrient()
      .flatten({ background: 'black' })
      .resize(size.width, size.height, { fit: 'fill' })
      .toColourspace(channels === 1 ? 'b-w' : 'srgb')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    if (info.channels !== channels || info.width !== size.width || info.height !== size.height) {
      throw new Error(`decoded to ${info.width}×${info.height} with ${info.channels} channels`);
    }
    return data;
  } catch (thrown) {
    throw unreadable(messageOf(thrown), thrown);
  }
}

async function readBounded(path: string): Promise<Buffer> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    if (size > MAX_BYTES) throw unreadable(`it has ${size} bytes; pictures up to ${MAX_BYTES} are read`);
    if (size === 0) throw unreadable('it is empty');
    return await file.readFile();
  } finally {
    await file.close();
  }
}

function unreadable(reason: string, cause?: unknown): UsclError {
  return new UsclError({
    kind: 'data',
    code: 'STILL_UNREADABLE',
    message: reason.replaceAll(/\s*\n\s*/g, '; '),
    remedy: 'Save the picture again as PNG, or leave it out.',
    cause,
  });
}
