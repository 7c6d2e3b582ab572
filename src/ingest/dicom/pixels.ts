/** Decoded pictures of a DICOM object to the frames that ingest works on: grey or colour, square pixels, wanted size. */
import sharp from 'sharp';
import { withChannels } from '../../dataset/channels.ts';
import type { Size } from '../geometry.ts';

/** An 8-bit picture, row-major, channels interleaved. */
export interface Picture extends Size {
  readonly channels: 1 | 3;
  readonly data: Uint8Array;
}

/** [height, width, channels] of the size asked for. */
export async function frameOf(picture: Picture, size: Size, channels: 1 | 3): Promise<Uint8Array> {
  // An array of its own, also where nothing is to be done.
  const data =
    picture.channels === channels
      ? Uint8Array.from(picture.data)
      : withChannels(picture.data, picture.channels, channels);
  const { width, height } = picture;
  if (width === size.width && height === size.height) return data;
  const scaled = await sharp(data, { raw: { width, height, channels } })
    // Bilinear: its reach is one stored pixel, which is what the margin of a declared field is made for.
    .resize(size.width, size.height, { fit: 'fill', kernel: 'linear' })
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  if (scaled.info.channels === channels) return scaled.data;
  return withChannels(scaled.data, scaled.info.channels === 1 ? 1 : 3, channels);
}
