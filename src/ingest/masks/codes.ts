/**
 * The values that a mask holds, as they are stored: indices of a palette, grey levels of 8 or 16 bits, or colours. A
 * library that shows pictures turns palettes into colours, so a palette is replaced by one whose colours are its
 * indices before the picture is decoded.
 */
import { crc32 } from 'node:zlib';
import sharp from 'sharp';
import { MAX_PIXELS } from '../../video/geometry.ts';
import { openStill } from '../pictures/still.ts';

export interface MaskCodes {
  readonly width: number;
  readonly height: number;
  readonly kind: 'palette' | 'grey' | 'colour';
  /** [height, width]: the index, the level, or red · 65536 + green · 256 + blue. */
  readonly codes: Uint32Array;
  /** Colours of a palette, 6 hex digits an index; '' without one. */
  readonly palette: string;
}

/** Errors: `STILL_UNREADABLE`. */
export async function readMaskCodes(path: string): Promise<MaskCodes> {
  const { bytes, width, height } = await openStill(path);
  const indexed = withIndicesAsColours(bytes);
  const { depth } = await sharp(bytes, { limitInputPixels: MAX_PIXELS }).metadata();
  const isDeep = indexed === null && depth === 'ushort';
  const picture = sharp(indexed?.bytes ?? bytes, {
    failOn: 'warning',
    limitInputPixels: MAX_PIXELS,
  }).autoOrient();
  if (isDeep) picture.toColourspace('grey16');
  const { data, info } = await picture
    .removeAlpha()
    .raw({ depth: isDeep ? 'ushort' : 'uchar' })
    .toBuffer({ resolveWithObject: true });
  const values = isDeep ? new Uint16Array(data.buffer, data.byteOffset, data.length / 2) : data;
  const { channels } = info;
  const codes = new Uint32Array(width * height);
  let kind: MaskCodes['kind'] = indexed === null ? 'grey' : 'palette';
  for (let i = 0; i < codes.length; i++) {
    const [red, green, blue] = [values[i * channels]!, values[i * channels + 1]!, values[i * channels + 2]!];
    if (indexed === null && channels === 3 && (red !== green || red !== blue)) kind = 'colour';
    codes[i] = red;
  }
  if (kind === 'colour')
    for (let i = 0; i < codes.length; i++)
      codes[i] = values[i * 3]! * 65536 + values[i * 3 + 1]! * 256 + values[i * 3 + 2]!;
  return { width, height, kind, codes, palette: indexed?.palette ?? '' };
}

/** A palette PNG with (k, k, k) for colour k, and its palette, 6 hex digits a colour; null for any other picture. */
function withIndicesAsColours(png: Buffer): { readonly bytes: Buffer; readonly palette: string } | null {
  if (png.subarray(0, 8).toString('hex') !== '89504e470d0a1a0a' || png[25] !== 3) return null;
  const parts = [png.subarray(0, 8)];
  let palette = '';
  for (let at = 8; at + 12 <= png.length;) {
    const end = at + 12 + png.readUInt32BE(at);
    const type = png.toString('latin1', at + 4, at + 8);
    if (type === 'PLTE') {
      palette = png.toString('hex', at + 8, end - 4);
      parts.push(
        chunk(type, Buffer.from(Array.from({ length: 3 * 2 ** png[24]! }, (_, i) => Math.floor(i / 3)))),
      );
    }
    // Transparent colours would become black, colour profiles other colours.
    else if (!['tRNS', 'iCCP', 'gAMA', 'cHRM', 'sRGB', 'sBIT', 'hIST', 'bKGD'].includes(type))
      parts.push(png.subarray(at, end));
    at = end;
  }
  return { bytes: Buffer.concat(parts), palette };
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  check.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, check]);
}
