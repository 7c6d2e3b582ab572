/** Decoded pictures of a DICOM object to the frames that ingest works on: grey or colour, square pixels, wanted size. */
import sharp from 'sharp';
import type { Size } from '../geometry.ts';

/** An 8-bit picture, row-major, channels interleaved. */
export interface Picture extends Size {
  readonly channels: 1 | 3;
  readonly data: Uint8Array;
}

/** [height, width, channels] of the size asked for. */
export async function frameOf(picture: Picture, size: Size, channels: 1 | 3): Promise<Uint8Array> {
  const data = withChannels(picture, channels);
  const { width, height } = picture;
  if (width === size.width && height === size.height) return data;
  const scaled = await sharp(data, { raw: { width, height, channels } })
    // Bilinear: its reach is one stored pixel, which is what the margin of a declared field is made for.
    .resize(size.width, size.height, { fit: 'fill', kernel: 'linear' })
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  if (scaled.info.channels === channels) return scaled.data;
  return withChannels({ ...size, channels: scaled.info.channels === 1 ? 1 : 3, data: scaled.data }, channels);
}

/** Grey by the weights of ITU-R BT.601, as video decoders do; its own array, also where nothing is to be done. */
function withChannels({ width, height, channels: from, data }: Picture, to: 1 | 3): Uint8Array {
  if (from === to) return Uint8Array.from(data);
  const pixels = width * height;
  const result = new Uint8Array(pixels * to);
  for (let i = 0; i < pixels; i++) {
    if (to === 3) result.fill(data[i]!, 3 * i, 3 * i + 3);
    else result[i] = (77 * data[3 * i]! + 150 * data[3 * i + 1]! + 29 * data[3 * i + 2]! + 128) >> 8;
  }
  return result;
}
