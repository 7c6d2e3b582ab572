/** The size of a picture from the start of its file, without reading or decoding all of it. */
import { open } from 'node:fs/promises';
import sharp from 'sharp';
import type { Size } from './geometry.ts';
import { openStill } from './still.ts';

/** Formats say their size early; what stands before it (colour profiles, previews) seldom has more. */
const HEAD_BYTES = 64 * 1024;

/** Width and height as displayed, or undefined for a picture that cannot be read. */
export async function stillSize(path: string): Promise<Size | undefined> {
  try {
    const { autoOrient } = await sharp(await headOf(path)).metadata();
    return autoOrient;
  } catch {
    // Cut off too early for its format, or broken: the whole file tells.
    return openStill(path).catch(() => undefined);
  }
}

async function headOf(path: string): Promise<Buffer> {
  const file = await open(path, 'r');
  try {
    const head = Buffer.allocUnsafe(HEAD_BYTES);
    const { bytesRead } = await file.read(head, 0, HEAD_BYTES, 0);
    return head.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
