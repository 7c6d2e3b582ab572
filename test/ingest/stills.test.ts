/** Still pictures give the values that a peer's arithmetic gives: one luma for colour, one scale for more than 8 bits. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { openDataset } from '../../src/dataset/reader.ts';
import { ingest } from '../../src/ingest/ingest.ts';
import { decodeStill, openStill } from '../../src/ingest/pictures/still.ts';
import { scratchFolder } from '../dataset/helpers.ts';

const scratch = scratchFolder();
const at = (name: string): string => join(scratch, name);
const size = { width: 48, height: 16 };

/** Bars of 8 columns: red, green, blue, yellow, (200, 60, 40), grey 128. */
const BARS = [
  [255, 0, 0],
  [0, 255, 0],
  [0, 0, 255],
  [255, 255, 0],
  [200, 60, 40],
  [128, 128, 128],
] as const;
const LUMA = [76, 150, 29, 226, 100, 128];
const bars = Buffer.from(
  Uint8Array.from({ length: 48 * 16 * 3 }, (_, i) => BARS[Math.floor(((i / 3) % 48) / 8)]![i % 3]!),
);
const picture = () => sharp(bars, { raw: { ...size, channels: 3 } });

async function greyOf(path: string): Promise<number[]> {
  const grey = await decodeStill(await openStill(path), size, 1);
  expect(grey.length).toBe(48 * 16);
  return BARS.map((_, i) => grey[8 * 48 + 8 * i + 4]!);
}

describe('grey of a coloured picture', () => {
  test('is the luma of BT.601, whatever the format', async () => {
    const raw = await picture().png().toBuffer();
    writeFileSync(at('bars.png'), raw);
    writeFileSync(at('palette.png'), await sharp(raw).png({ palette: true }).toBuffer());
    writeFileSync(at('alpha.png'), await sharp(raw).ensureAlpha().png().toBuffer());
    writeFileSync(at('bars.tif'), await picture().tiff({ compression: 'lzw' }).toBuffer());
    writeFileSync(at('bars.webp'), await picture().webp({ lossless: true }).toBuffer());
    for (const name of ['bars.png', 'palette.png', 'alpha.png', 'bars.tif', 'bars.webp'])
      expect([name, await greyOf(at(name))]).toEqual([name, LUMA]);
  });

  test('of a JPEG is that of ffmpeg within what rounding of its colours leaves', async () => {
    writeFileSync(
      at('bars.jpg'),
      await picture().jpeg({ quality: 100, chromaSubsampling: '4:4:4' }).toBuffer(),
    );
    const args = ['-v', 'error', '-i', at('bars.jpg'), '-pix_fmt', 'gray', '-f', 'rawvideo', '-'];
    const peer = execFileSync('ffmpeg', args);
    const ours = await decodeStill(await openStill(at('bars.jpg')), size, 1);
    expect(Math.max(...ours.map((value, i) => Math.abs(value - peer[i]!)))).toBeLessThanOrEqual(2);
  });
});

/** A 16-bit picture whose values run from 0 to `brightest`. */
function ramp(brightest: number): Uint16Array {
  return Uint16Array.from({ length: 48 * 16 }, (_, i) => Math.round((i * brightest) / (48 * 16 - 1)));
}

async function writeGrey(path: string, values: Uint16Array): Promise<void> {
  const pixels = sharp(values, { raw: { ...size, channels: 1 } });
  writeFileSync(path, await pixels.toColourspace('grey16').png().toBuffer());
}

/** An uncompressed TIFF of 32-bit floats, one channel, little endian. */
function floatTiff(values: Float32Array): Buffer {
  const entries = [
    [256, 4, 48],
    [257, 4, 16],
    [258, 3, 32],
    [259, 3, 1],
    [262, 3, 1],
    [273, 4, 8],
    [277, 3, 1],
    [278, 4, 16],
    [279, 4, values.byteLength],
    [339, 3, 3],
  ] as const;
  const head = Buffer.alloc(8);
  head.write('II*\0', 'latin1');
  head.writeUInt32LE(8 + values.byteLength, 4);
  const folder = Buffer.alloc(2 + 12 * entries.length + 4);
  folder.writeUInt16LE(entries.length);
  for (const [i, [tag, type, value]] of entries.entries()) {
    folder.writeUInt16LE(tag, 2 + 12 * i);
    folder.writeUInt16LE(type, 4 + 12 * i);
    folder.writeUInt32LE(1, 6 + 12 * i);
    folder.writeUInt32LE(value, 10 + 12 * i);
  }
  return Buffer.concat([head, Buffer.from(values.buffer), folder]);
}

describe('a picture of more than 8 bits', () => {
  test.each([
    [255, 8],
    [4095, 12],
    [4096, 13],
    [16383, 14],
    [32767, 15],
    [65535, 16],
  ])('with values to %d is read as of %d bits', async (brightest, bits) => {
    const values = ramp(brightest);
    await writeGrey(at('deep.png'), values);
    const grey = await decodeStill(await openStill(at('deep.png')), size, 1);
    expect([...grey]).toEqual([...values].map((value) => value >> (bits - 8)));
  });

  test('of fractions up to 1 is scaled by 255', async () => {
    const values = Float32Array.from({ length: 48 * 16 }, (_, i) => i / (48 * 16 - 1));
    writeFileSync(at('float.tif'), floatTiff(values));
    const grey = await decodeStill(await openStill(at('float.tif')), size, 1);
    expect([...grey]).toEqual([...values].map((value) => Math.round(value * 255)));
  });

  test('has the scale of all pictures of its clip, and a remark says which', async () => {
    mkdirSync(at('deep/clip'), { recursive: true });
    await writeGrey(at('deep/clip/f1.png'), ramp(4095));
    await writeGrey(at('deep/clip/f2.png'), ramp(1000));
    const { remarks } = await ingest({ source: at('deep'), out: at('out-deep'), crop: 'none' });
    expect(remarks).toEqual([
      {
        source: 'clip',
        reason:
          'it has 16 bits a value, the brightest 4095; it was read as of 12 bits: 0 to 4095 became 0 to 255',
      },
    ]);
    using dataset = openDataset(at('out-deep'));
    expect(dataset.clips[0]).toMatchObject({ frames: 2 });
    const frames = readFileSync(at('out-deep/frames.bin'));
    expect([...frames]).toEqual([...ramp(4095), ...ramp(1000)].map((value) => value >> 4));
  });
});

test('what systems keep beside pictures is passed over and counted', async () => {
  const thumbs = [
    '@eaDir/f0.png/SYNOPHOTO_THUMB_M.png',
    '.@__thumb/f0.png',
    '#recycle/f0.png',
    '__MACOSX/._f0.png',
  ];
  const others = ['$RECYCLE.BIN/f0.png', 'SYNOPHOTO_THUMB_XL.png', 'Thumbs.db'];
  for (const [i, name] of ['f0.png', 'f1.png', 'f2.png', ...thumbs, ...others].entries()) {
    mkdirSync(join(at('nas/v1'), name, '..'), { recursive: true });
    await writeGrey(join(at('nas/v1'), name.replace(/db$/, 'png')), ramp(20_000 + 5_000 * i));
    if (name.endsWith('db')) writeFileSync(join(at('nas/v1'), name), 'x');
  }
  rmSync(join(at('nas/v1'), 'Thumbs.png'));
  const summary = await ingest({ source: at('nas'), out: at('out-nas'), crop: 'none' });
  expect(summary).toMatchObject({ clips: 1, frames: 3, ignored: 7, rejected: [] });
});
