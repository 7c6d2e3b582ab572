/**
 * Still pictures (JPEG, PNG, TIFF, WebP) to stored frames, upright (EXIF) and without alpha. Damaged files are
 * errors, not grey areas. Grey of colour is BT.601 luma, as of videos and DICOM. What has more than 8 bits a value is
 * brought to 8 by the smallest number of bits that holds the brightest value (`scaleFor`).
 */
import type { Metadata } from 'sharp';
import sharp from 'sharp';
import { dataError, messageOf, type UsclError } from '../../base/errors.ts';
import { withChannels } from '../../dataset/channels.ts';
import { holdsAnimatedPng } from '../../video/apng.ts';
import { MAX_PIXELS, type Size, sizeComplaint } from '../../video/geometry.ts';
import { readStart } from '../common/paths.ts';

const MAX_BYTES = 256 * 2 ** 20;
const FORMATS: readonly string[] = ['jpeg', 'png', 'tiff', 'webp'];
const READING = { failOn: 'warning', limitInputPixels: MAX_PIXELS } as const;

/** How a value is stored. */
type Depth = 'uchar' | 'ushort' | 'float';
const DEPTHS: Record<string, Depth> = { uchar: 'uchar', ushort: 'ushort', float: 'float', double: 'float' };

export interface Still extends Size {
  readonly bytes: Buffer;
  readonly depth: Depth;
  readonly isColoured: boolean;
  readonly hasAlpha: boolean;
  /** Colour space by the name that the picture library has for it. */
  readonly space: string;
}

/** How values of more than 8 bits become 0 to 255. */
export interface Scale {
  /** 8-bit value of a stored one. */
  readonly factor: number;
  /** For a person; null where the values use all of their 16 bits. */
  readonly remark: string | null;
}

/** Reads a picture file whole and its size as displayed. Errors: `STILL_UNREADABLE`. */
export async function openStill(path: string): Promise<Still> {
  const { size, bytes: read } = await readStart(path, Infinity, MAX_BYTES);
  if (size > MAX_BYTES) throw unreadable(`it has ${size} bytes; pictures up to ${MAX_BYTES} are read`);
  if (size === 0) throw unreadable('it is empty');
  const bytes = Buffer.from(read.buffer, 0, read.length);
  let metadata: Metadata;
  try {
    metadata = await sharp(bytes, READING).metadata();
  } catch (thrown) {
    throw unreadable(messageOf(thrown), thrown);
  }
  const { format, pages = 1, autoOrient, depth, channels, hasAlpha, space } = metadata;
  if (!FORMATS.includes(format)) throw unreadable(`it is a picture in the format ${format}`);
  if (pages > 1 || holdsAnimatedPng(bytes))
    throw unreadable('it holds several pictures; save them as separate files or as a video');
  const { width, height } = autoOrient;
  const complaint = sizeComplaint({ width, height });
  if (complaint !== undefined) throw unreadable(complaint);
  const known = DEPTHS[depth];
  if (known === undefined)
    throw unreadable(`its values are of the kind ${depth}; 8 bits, 16 bits and fractions are read`);
  const isColoured = channels - (hasAlpha ? 1 : 0) > 1;
  return { bytes, width, height, depth: known, isColoured, hasAlpha, space };
}

/** Formats say their size early; what stands before it (colour profiles, previews) seldom has more. */
const SIZE_BYTES = 64 * 1024;

/** Width and height as displayed, from the start of the file; undefined for a picture that cannot be read. */
export async function stillSize(path: string): Promise<Size | undefined> {
  try {
    const { autoOrient } = await sharp((await readStart(path, SIZE_BYTES)).bytes).metadata();
    return autoOrient;
  } catch {
    // Cut off too early for its format, or broken: the whole file tells.
    return openStill(path).catch(() => undefined);
  }
}

/** The brightest value stored in a picture of more than 8 bits, without its alpha. Errors: `STILL_UNREADABLE`. */
export async function brightestOf({ bytes, hasAlpha }: Still): Promise<number> {
  try {
    const { channels } = await sharp(bytes, READING).stats();
    return Math.max(...channels.slice(0, hasAlpha ? -1 : undefined).map(({ max }) => max));
  } catch (thrown) {
    throw unreadable(messageOf(thrown), thrown);
  }
}

/**
 * The scale of pictures whose brightest value is this: that of the fewest bits, 8 to 16, that hold it, because 12-bit
 * devices write their values into 16 bits as they are. Fractions up to 1 are scaled by 255. All pictures of a clip have
 * one scale. Errors: `STILL_UNREADABLE` where values are beyond 16 bits.
 */
export function scaleFor(brightest: number, depth: Depth): Scale {
  if (depth === 'float' && brightest <= 1) {
    const remark = `its values are fractions, the brightest ${brightest}; 0 to 1 became 0 to 255`;
    return { factor: 255, remark };
  }
  const bits = Math.max(8, Math.ceil(Math.log2(Math.floor(brightest) + 1)));
  if (!(bits <= 16)) throw unreadable(`its brightest value is ${brightest}; values up to 65535 are read`);
  const stored = depth === 'float' ? 'its values are fractions' : 'it has 16 bits a value';
  const remark =
    bits === 16 && depth === 'ushort'
      ? null
      : `${stored}, the brightest ${brightest}; it was read as of ${bits} bits: 0 to ${2 ** bits - 1} became 0 to 255`;
  return { factor: 2 ** (8 - bits), remark };
}

/** [height, width, channels] u8; of more than 8 bits by `scale`, which is its own where none is given. Errors: `STILL_UNREADABLE`. */
export async function decodeStill(
  still: Still,
  size: Size,
  channels: 1 | 3,
  scale?: Scale,
): Promise<Uint8Array> {
  const { depth, isColoured, space } = still;
  const decoded = isColoured ? 3 : 1;
  const spaces = depth === 'uchar' ? (['b-w', 'srgb'] as const) : (['grey16', 'rgb16'] as const);
  let data: Buffer;
  try {
    const { data: pixels, info } = await sharp(still.bytes, READING)
      .autoOrient()
      .flatten({ background: 'black' })
      .resize(size.width, size.height, { fit: 'fill' })
      // Any other space would cut fractions down to integers.
      .toColourspace(depth === 'float' ? space : spaces[isColoured ? 1 : 0])
      .raw({ depth })
      .toBuffer({ resolveWithObject: true });
    if (info.channels !== decoded || info.width !== size.width || info.height !== size.height) {
      throw new Error(`decoded to ${info.width}×${info.height} with ${info.channels} channels`);
    }
    data = pixels;
  } catch (thrown) {
    throw unreadable(messageOf(thrown), thrown);
  }
  const values =
    depth === 'uchar' ? data : toBytes(data, depth, scale ?? scaleFor(await brightestOf(still), depth));
  return withChannels(values, decoded, channels);
}

/** Fractions are rounded; integers lose their lowest bits, as full 16 bits always did. */
function toBytes(data: Buffer, depth: Depth, { factor }: Scale): Uint8Array {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  if (depth === 'ushort')
    return Uint8Array.from({ length: data.length / 2 }, (_, i) =>
      Math.min(255, Math.floor(view.getUint16(2 * i, true) * factor)),
    );
  return Uint8Array.from({ length: data.length / 4 }, (_, i) =>
    Math.min(255, Math.max(0, Math.round(view.getFloat32(4 * i, true) * factor))),
  );
}

function unreadable(reason: string, cause?: unknown): UsclError {
  const message = reason.replaceAll(/\s*\n\s*/g, '; ');
  return dataError('STILL_UNREADABLE', message, 'Save the picture again as PNG, or leave it out.', { cause });
}
