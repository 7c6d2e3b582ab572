/** Synthetic objects of every kind that is read, small enough to be decoded by the thousand; and the real ones. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import sharp, { type JpegOptions } from 'sharp';
import { randomAt } from '../../../src/base/random.ts';
import {
  element,
  TAG,
  writeUltrasound,
  type UltrasoundFile,
  type WriterElement,
} from '../../dicom-writer.ts';
import { encodeJpeg2000, encodeJpegLossless, encodeJpegLs, type Picture } from './encoders.ts';

export const DATA = resolve(process.env['USCL_TEST_DATA'] ?? '../shared/data', 'dicom');

/** The real files, by their names; none where the folder is missing. */
export function realFiles(): { readonly name: string; readonly path: string }[] {
  if (!existsSync(DATA)) return [];
  return readdirSync(DATA, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.dcm'))
    .sort()
    .map((name) => ({ name, path: join(DATA, name) }));
}

export const COLUMNS = 24;
export const ROWS = 18;

/** A smooth picture with noise. */
export function picture(components: 1 | 3, bits = 8, seed = 1): Picture {
  const random = randomAt(seed, 'dicom-corpus', components, bits);
  const count = COLUMNS * ROWS * components;
  const largest = 2 ** bits - 1;
  const data = Buffer.alloc(count * (bits > 8 ? 2 : 1));
  for (let i = 0; i < count; i++) {
    const x = Math.floor(i / components) % COLUMNS;
    const value = Math.round(Math.min(largest, largest * ((x / COLUMNS) * 0.8 + 0.2 * random.uniform())));
    if (bits > 8) data.writeUInt16LE(value, 2 * i);
    else data[i] = value;
  }
  return { width: COLUMNS, height: ROWS, components, bits, data: Uint8Array.from(data) };
}

/** Descriptor and data of three palette tables: 256 entries of 16 bits. */
export function palette(
  levels: (index: number, channel: number) => number,
  bits: 8 | 16 = 16,
): WriterElement[] {
  return [0, 1, 2].flatMap((channel) => {
    const words = Buffer.alloc(512);
    for (let i = 0; i < 256; i++) words.writeUInt16LE(levels(i, channel), 2 * i);
    return [
      element(0x00281101 + channel, 'US', [256, 0, bits]),
      element(0x00281201 + channel, 'OW', bits === 16 ? words : words.filter((_, i) => i % 2 === 0)),
    ];
  });
}

export async function jpegOf(source: Picture, options: JpegOptions = {}): Promise<Uint8Array> {
  const raw = { width: source.width, height: source.height, channels: source.components };
  return sharp(source.data, { raw })
    .toColourspace(source.components === 1 ? 'b-w' : 'srgb')
    .jpeg({ quality: 95, ...options })
    .toBuffer();
}

export async function syntheticFiles(): Promise<{ readonly name: string; readonly bytes: Uint8Array }[]> {
  const grey = picture(1);
  const colour = picture(3);
  const deep = picture(1, 12);
  const regions = [{ x0: 1, y0: 2, x1: 20, y1: 15 }];
  const make = (name: string, file: Partial<UltrasoundFile> & Pick<UltrasoundFile, 'frames'>) => ({
    name,
    bytes: writeUltrasound({ rows: ROWS, columns: COLUMNS, regions, frameTime: 33.3, ...file }),
  });
  const rgb = { samples: 3 } as const;
  const twelve = { bits: 16, elements: [element(TAG.BitsStored, 'US', 12), element(TAG.HighBit, 'US', 11)] };
  const shades = palette((index, channel) => (index * (channel + 1) * 100) & 0xffff);
  return [
    make('implicit', { syntax: 'implicit', frames: [grey.data, picture(1, 8, 2).data] }),
    make('explicit', { frames: [colour.data, picture(3, 8, 2).data], ...rgb, planar: 1 }),
    make('big-endian', { syntax: 'big-endian', frames: [deep.data], ...twelve }),
    make('deflated', { syntax: 'deflated', frames: [colour.data], ...rgb }),
    make('bare', { preamble: null, syntax: 'implicit', frames: [grey.data] }),
    make('palette', { frames: [grey.data], photometric: 'PALETTE COLOR', elements: shades }),
    make('halved', {
      ...rgb,
      frames: [grey.data, grey.data].map((frame) => Buffer.concat([frame, frame])),
      photometric: 'YBR_FULL_422',
    }),
    make('rle', { syntax: 'rle', frames: [colour.data, picture(3, 8, 2).data], ...rgb, offsetTable: true }),
    make('rle-deep', { syntax: 'rle', frames: [deep.data], ...twelve }),
    make('jpeg', { syntax: 'jpeg-baseline', frames: [await jpegOf(colour)], ...rgb, fragmentsPerFrame: 2 }),
    make('jpeg-grey', { syntax: 'jpeg-baseline', frames: [await jpegOf(grey), await jpegOf(grey)] }),
    make('jpeg-progressive', {
      syntax: 'jpeg-baseline',
      frames: [await jpegOf(colour, { progressive: true })],
      ...rgb,
      photometric: 'YBR_FULL_422',
    }),
    make('jpeg-lossless', {
      syntax: 'jpeg-lossless',
      frames: [encodeJpegLossless(colour, { predictor: 6 })],
      ...rgb,
    }),
    make('jpeg-lossless-deep', {
      syntax: 'jpeg-lossless-sv1',
      frames: [encodeJpegLossless(deep, { restartRows: 3 })],
      ...twelve,
    }),
    make('jpeg-ls', { syntax: 'jpeg-ls', frames: [await encodeJpegLs(colour)], ...rgb }),
    make('jpeg-ls-deep', { syntax: 'jpeg-ls', frames: [await encodeJpegLs(deep)], ...twelve }),
    make('jpeg-2000', { syntax: 'jpeg-2000-lossless', frames: [await encodeJpeg2000(colour)], ...rgb }),
    make('jpeg-2000-deep', { syntax: 'jpeg-2000', frames: [await encodeJpeg2000(deep)], ...twelve }),
    make('video', { syntax: 'h264', frames: [Buffer.alloc(400, 7)], ...rgb, photometric: 'YBR_PARTIAL_420' }),
  ];
}

export function bytesOf(path: string): Uint8Array {
  return Uint8Array.from(readFileSync(path));
}
