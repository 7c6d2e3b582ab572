/** Synthetic pictures in every coding and colour come out as what went in. */
import { describe, expect, test } from 'vitest';
import { decodeFrame, type DecodedFrame } from '../../../src/formats/dicom/decode.ts';
import { imageOf, videoParts, type DicomFrames } from '../../../src/formats/dicom/image.ts';
import { readDicom } from '../../../src/formats/dicom/read.ts';
import { element, TAG, writeUltrasound, type UltrasoundFile } from '../../dicom-writer.ts';
import { failureOf } from '../../ingest/media.ts';
import { COLUMNS, jpegOf, palette, picture, ROWS } from './corpus.ts';
import { encodeJpeg2000, encodeJpegLossless, encodeJpegLs } from './encoders.ts';

type Part = Partial<UltrasoundFile> & Pick<UltrasoundFile, 'frames'>;

function imageFrom(part: Part): DicomFrames {
  const image = imageOf(readDicom(writeUltrasound({ rows: ROWS, columns: COLUMNS, ...part })));
  if (image.kind !== 'frames') throw new Error('expected frames');
  return image;
}

async function decoded(part: Part, index = 0): Promise<DecodedFrame> {
  return decodeFrame(imageFrom(part), index);
}

const grey = picture(1);
const colour = picture(3);
const deep = picture(1, 12);
const TWELVE = { bits: 16, elements: [element(TAG.BitsStored, 'US', 12), element(TAG.HighBit, 'US', 11)] };

/** Patterns of a 16-bit picture. */
const words = (data: Uint8Array): number[] =>
  Array.from({ length: data.length / 2 }, (_, i) => data[2 * i]! | (data[2 * i + 1]! << 8));
const planes = (data: Uint8Array): Uint8Array =>
  Uint8Array.from(data, (_, i) => data[(i % (data.length / 3)) * 3 + Math.floor(i / (data.length / 3))]!);
const largest = (a: Uint8Array, b: Uint8Array): number =>
  a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);
/** Full-range BT.601, from its definition. */
function toRgb(data: Uint8Array): Uint8Array {
  const result = new Uint8ClampedArray(data.length);
  for (let i = 0; i < data.length; i += 3) {
    const [y, cb, cr] = [data[i]!, data[i + 1]! - 128, data[i + 2]! - 128];
    result[i] = y + 1.402 * cr;
    result[i + 1] = y - 0.344136 * cb - 0.714136 * cr;
    result[i + 2] = y + 1.772 * cb;
  }
  return new Uint8Array(result);
}
const full = (data: Uint8Array, bits: number): Uint8Array =>
  Uint8Array.from(words(data), (value) => Math.round((255 * value) / (2 ** bits - 1)));

describe('native and run-length coded frames', () => {
  test.each(['implicit', 'explicit', 'big-endian', 'deflated', 'rle'] as const)('%s', async (syntax) => {
    const second = picture(3, 8, 2);
    const part = { syntax, frames: [colour.data, second.data], samples: 3 } as const;
    expect(await decoded(part)).toEqual({ width: COLUMNS, height: ROWS, channels: 3, data: colour.data });
    expect((await decoded(part, 1)).data).toEqual(second.data);
    expect((await decoded({ syntax, frames: [grey.data] })).data).toEqual(grey.data);
    expect((await decoded({ syntax, frames: [deep.data], ...TWELVE })).data).toEqual(full(deep.data, 12));
  });

  test('planes are put together, and planes of a big-endian file in words too', async () => {
    const frames = [planes(colour.data)];
    expect((await decoded({ frames, samples: 3, planar: 1 })).data).toEqual(colour.data);
    const swapped = Buffer.from(frames[0]!).swap16();
    const elements = [element(TAG.PixelData, 'OW', swapped)];
    const part = { syntax: 'big-endian', frames, samples: 3, planar: 1, elements } as const;
    expect((await decoded(part)).data).toEqual(colour.data);
  });

  test('frames of an odd number of bytes keep their places in the words of a big-endian file', async () => {
    const frames = [Uint8Array.of(1, 2, 3), Uint8Array.of(4, 5, 6)];
    const elements = [element(TAG.PixelData, 'OW', Uint8Array.of(2, 1, 4, 3, 6, 5))];
    const part = { syntax: 'big-endian', rows: 1, columns: 3, frames, elements } as const;
    expect((await decoded(part, 0)).data).toEqual(frames[0]);
    expect((await decoded(part, 1)).data).toEqual(frames[1]);
  });

  test('a decoded frame is never the memory of the file', async () => {
    const image = imageFrom({ frames: [colour.data], samples: 3 });
    (await decodeFrame(image, 0)).data.fill(0);
    expect((await decodeFrame(image, 0)).data).toEqual(colour.data);
  });
});

describe('grey', () => {
  const ramp = (count: number): Uint8Array => Uint8Array.from({ length: count }, (_, i) => i);
  const row = (elements: UltrasoundFile['elements'], photometric = 'MONOCHROME2'): Promise<DecodedFrame> =>
    decoded({ rows: 1, columns: 256, frames: [ramp(256)], photometric, elements: elements ?? [] });

  test('MONOCHROME1 is shown inverted', async () => {
    expect((await row([], 'MONOCHROME1')).data).toEqual(ramp(256).reverse());
  });

  test('a window of the full width changes nothing; a narrower one is applied by its equation', async () => {
    const window = (centre: string, width: string): ReturnType<typeof row> =>
      row([element(TAG.WindowCenter, 'DS', centre), element(TAG.WindowWidth, 'DS', width)]);
    expect((await window('128', '256')).data).toEqual(ramp(256));
    const { data } = await window('100\\50', '51\\9');
    // PS3.3 C.11.2.1.2: from centre − 0.5 − (width − 1) / 2 to centre − 0.5 + (width − 1) / 2.
    expect([data[74], data[75], data[99], data[100], data[124], data[125]]).toEqual([
      0, 3, 125, 130, 252, 255,
    ]);
  });

  test('signed samples with a rescale are shown over their full range', async () => {
    const frame = Buffer.alloc(6);
    [-2048, 0, 2047].forEach((value, i) => frame.writeUInt16LE(value & 0xfff, 2 * i));
    const elements = [
      ...TWELVE.elements,
      element(TAG.PixelRepresentation, 'US', 1),
      element(TAG.RescaleSlope, 'DS', '2'),
      element(TAG.RescaleIntercept, 'DS', '-7'),
    ];
    const { data } = await decoded({ rows: 1, columns: 3, frames: [frame], bits: 16, elements });
    expect([...data]).toEqual([0, 128, 255]);
  });

  test('what other data hide in the bits above and below the stored ones is not shown', async () => {
    const frame = Buffer.alloc(4);
    frame.writeUInt16LE(0xf00f, 0);
    frame.writeUInt16LE(0xfff7, 2);
    const elements = [element(TAG.BitsStored, 'US', 8), element(TAG.HighBit, 'US', 11)];
    const { data } = await decoded({ rows: 1, columns: 2, frames: [frame], bits: 16, elements });
    expect([...data]).toEqual([0, 255]);
  });
});

describe('palettes', () => {
  const levels = (index: number, channel: number): number => ((index * (channel + 2)) & 0xff) * 0x101;
  const expected = Uint8Array.from(
    { length: 3 * grey.data.length },
    (_, i) => levels(grey.data[Math.floor(i / 3)]!, i % 3) >> 8,
  );
  const shown = async (elements: UltrasoundFile['elements'], syntax = 'explicit'): Promise<Uint8Array> =>
    (await decoded({ syntax, frames: [grey.data], photometric: 'PALETTE COLOR', elements: elements ?? [] }))
      .data;

  test('of 16 bits, of 8 bits packed and in words, and of 8-bit values that declare 16', async () => {
    const low = (index: number, channel: number): number => levels(index, channel) & 0xff;
    expect(await shown(palette(levels))).toEqual(expected);
    expect(await shown(palette(levels), 'rle')).toEqual(expected);
    expect(await shown(palette(low, 8))).toEqual(expected);
    expect(await shown(palette(low, 16))).toEqual(expected);
    const declared8 = palette(low, 16).map((one) => (one.vr === 'US' ? { ...one, value: [256, 0, 8] } : one));
    expect(await shown(declared8)).toEqual(expected);
  });

  test('in segments: discrete, linear, and by reference', async () => {
    const segments = (...values: number[]): Buffer => {
      const bytes = Buffer.alloc(2 * values.length);
      values.forEach((value, i) => bytes.writeUInt16LE(value, 2 * i));
      return bytes;
    };
    // 0, then a rise to 0xff00 in 127 steps, then both again.
    const data = segments(0, 1, 0, 1, 127, 0xff00, 2, 2, 0, 0);
    const elements = [0, 1, 2].flatMap((channel) => [
      element(0x00281101 + channel, 'US', [256, 0, 16]),
      element(0x00281221 + channel, 'OW', data),
    ]);
    const at = (value: number): number => Math.round((0xff00 * (value % 128)) / 127) >> 8;
    expect(await shown(elements)).toEqual(
      Uint8Array.from(expected, (_, i) => at(grey.data[Math.floor(i / 3)]!)),
    );
  });

  test('that are missing, empty or endless are refused', () => {
    const refusal = (elements: UltrasoundFile['elements']): unknown => {
      try {
        return imageFrom({ frames: [grey.data], photometric: 'PALETTE COLOR', elements: elements ?? [] });
      } catch (thrown) {
        return thrown;
      }
    };
    const bad = { code: 'DICOM_PALETTE', kind: 'data' };
    expect(refusal([])).toMatchObject(bad);
    expect(refusal(palette(levels).slice(0, 4))).toMatchObject(bad);
    expect(refusal([...palette(levels), element(0x00281202, 'OW', Buffer.alloc(0))])).toMatchObject(bad);
    const loop = Buffer.from('0200ffff00000000', 'hex');
    expect(refusal([...palette(levels), element(0x00281221, 'OW', loop)])).toMatchObject(bad);
  });
});

describe('luminance and colour differences', () => {
  test('YBR_FULL', async () => {
    const { data } = await decoded({ frames: [colour.data], samples: 3, photometric: 'YBR_FULL' });
    expect(data).toEqual(toRgb(colour.data));
  });

  test('YBR_FULL_422 with halved colours, and with whole ones as some writers have it', async () => {
    const photometric = 'YBR_FULL_422';
    const pairs = Uint8Array.of(10, 60, 100, 200, 110, 160, 50, 128);
    const whole = Uint8Array.of(10, 100, 200, 60, 100, 200, 110, 50, 128, 160, 50, 128);
    const part = { rows: 1, columns: 4, samples: 3, photometric } as const;
    expect((await decoded({ ...part, frames: [pairs, pairs] }, 1)).data).toEqual(toRgb(whole));
    expect((await decoded({ ...part, frames: [whole, whole] }, 1)).data).toEqual(toRgb(whole));
  });

  test('YBR_PARTIAL_422 has headroom', async () => {
    const frames = [Uint8Array.of(16, 235, 128, 128)];
    const part = { rows: 1, columns: 2, samples: 3, photometric: 'YBR_PARTIAL_422', frames } as const;
    expect([...(await decoded(part)).data]).toEqual([0, 0, 0, 255, 255, 255]);
  });
});

describe('JPEG', () => {
  const syntax = 'jpeg-baseline';
  const near = async (part: Part, wanted: Uint8Array): Promise<void> => {
    expect(largest((await decoded({ syntax, samples: 3, ...part })).data, wanted)).toBeLessThan(12);
  };
  const fine = { quality: 100, chromaSubsampling: '4:4:4' } as const;
  /** Blocks of 8 × 8, so that little is lost. */
  const smooth = {
    ...colour,
    data: Uint8Array.from(colour.data, (_, i) => [70, 120, 200][i % 3]! + (Math.floor(i / 3) % COLUMNS)),
  };
  const withSegment = (coded: Uint8Array, segment: string): Uint8Array =>
    Buffer.concat([coded.subarray(0, 2), Buffer.from(segment, 'hex'), coded.subarray(2)]);
  const jfif = (coded: Uint8Array): Uint8Array => withSegment(coded, 'ffe000104a46494600010100000100010000');
  const adobe = (coded: Uint8Array, transform: 0 | 1): Uint8Array =>
    withSegment(coded, `ffee000e41646f6265006400000000${transform === 0 ? '00' : '01'}`);

  test('is YCbCr where a JFIF marker says so, whatever the object declares', async () => {
    const frames = [jfif(await jpegOf(smooth, fine))];
    for (const photometric of ['YBR_FULL_422', 'YBR_FULL', 'RGB'])
      await near({ frames, photometric }, smooth.data);
  });

  test('in two fragments, progressive, and with its end mark missing', async () => {
    const coded = await jpegOf(smooth, { ...fine, progressive: true });
    await near({ frames: [coded], fragmentsPerFrame: 2 }, smooth.data);
    await near({ frames: [(await jpegOf(smooth, fine)).subarray(0, -2)] }, smooth.data);
  });

  test('is what an Adobe marker says, whatever the object declares', async () => {
    const coded = await jpegOf(smooth, fine);
    await near({ frames: [adobe(coded, 1)], photometric: 'RGB' }, smooth.data);
    // The same samples, called RGB: luminance as red, and so on.
    const { data } = await decoded({
      syntax,
      samples: 3,
      frames: [adobe(coded, 0)],
      photometric: 'YBR_FULL',
    });
    expect(largest(toRgb(data), smooth.data)).toBeLessThan(12);
  });

  test('without marks that declares RGB is what its samples look like', async () => {
    const shade = (i: number): number => 3 * (Math.floor(i / 3) % COLUMNS);
    const greyish = { ...smooth, data: Uint8Array.from(smooth.data, (_, i) => shade(i)) };
    const frames = [await jpegOf(greyish, fine)];
    await near({ frames, photometric: 'RGB' }, greyish.data);
    await near({ frames, photometric: 'YBR_FULL_422' }, greyish.data);
    // A picture whose YCbCr samples are equal: taken by their looks they are RGB, and grey.
    const equal = Uint8Array.from(smooth.data, (_, i) => 100 + shade(i) / 3);
    const held = { ...smooth, data: toRgb(equal) };
    const { data } = await decoded({
      syntax,
      samples: 3,
      frames: [await jpegOf(held, fine)],
      photometric: 'RGB',
    });
    expect(largest(data, equal)).toBeLessThan(12);
  });

  test('grey', async () => {
    const level = { ...grey, data: Uint8Array.from(grey.data, (_, i) => 5 * (i % COLUMNS)) };
    const frames = [await jpegOf(level, fine)];
    expect(largest((await decoded({ syntax, frames })).data, level.data)).toBeLessThan(4);
  });

  test('lossless: every predictor, restarts, scans of their own, 12 and 16 bits, bit for bit', async () => {
    for (const predictor of [1, 2, 3, 4, 5, 6, 7])
      for (const options of [{}, { restartRows: 4 }, { separate: true }]) {
        const frames = [encodeJpegLossless(colour, { predictor, ...options })];
        expect((await decoded({ syntax: 'jpeg-lossless', frames, samples: 3 })).data).toEqual(colour.data);
      }
    const frames = [encodeJpegLossless(deep, { predictor: 7 })];
    expect((await decoded({ syntax: 'jpeg-lossless-sv1', frames, ...TWELVE })).data).toEqual(
      full(deep.data, 12),
    );
    const sixteen = picture(1, 16);
    const wide = [encodeJpegLossless(sixteen, { predictor: 4 })];
    expect((await decoded({ syntax: 'jpeg-lossless', frames: wide, bits: 16 })).data).toEqual(
      full(sixteen.data, 16),
    );
  });

  test('lossless with a point transform loses those bits and no others', async () => {
    const frames = [encodeJpegLossless(grey, { pointTransform: 2 })];
    const wanted = grey.data.map((value) => value & 0xfc);
    expect((await decoded({ syntax: 'jpeg-lossless', frames })).data).toEqual(wanted);
  });

  test('JPEG-LS: samples, lines and planes, 12 bits, near-lossless', async () => {
    for (const mode of [0, 1, 2] as const) {
      const source = mode === 0 ? { ...colour, data: planes(colour.data) } : colour;
      const frames = [await encodeJpegLs(source, mode)];
      expect((await decoded({ syntax: 'jpeg-ls', frames, samples: 3 })).data).toEqual(colour.data);
    }
    const frames = [await encodeJpegLs(deep)];
    expect((await decoded({ syntax: 'jpeg-ls', frames, ...TWELVE })).data).toEqual(full(deep.data, 12));
    const lossy = [await encodeJpegLs(grey, 2, 3)];
    expect(largest((await decoded({ syntax: 'jpeg-ls-near', frames: lossy })).data, grey.data)).toBe(3);
  });
});

describe('JPEG 2000', () => {
  test('colour through its own transformation, whatever the object calls it; 12 bits', async () => {
    const coloured = [await encodeJpeg2000(colour)];
    for (const photometric of ['RGB', 'YBR_RCT', 'YBR_FULL']) {
      const part = { syntax: 'jpeg-2000-lossless', frames: coloured, samples: 3, photometric } as const;
      expect((await decoded(part)).data).toEqual(colour.data);
    }
    const frames = [await encodeJpeg2000(deep)];
    expect((await decoded({ syntax: 'jpeg-2000', frames, ...TWELVE })).data).toEqual(full(deep.data, 12));
  });

  test('without a transformation of its own is what the object calls it', async () => {
    const coded = Buffer.from(await encodeJpeg2000(colour));
    // Byte 8 of the segment with the coding parameters switches the transformation.
    const switchAt = coded.indexOf(Buffer.from('ff52', 'hex')) + 8;
    expect(coded[switchAt]).toBe(1);
    coded[switchAt] = 0;
    const clamp = (value: number): number => Math.min(255, Math.max(0, value));
    // Of the reversible transformation, T.800 annex G.2: luminance, and differences around 128.
    const raw = Uint8Array.from(colour.data, (_, i) => {
      const [r, g, b] = [0, 1, 2].map((channel) => colour.data[i - (i % 3) + channel]!) as [
        number,
        number,
        number,
      ];
      return [(r + 2 * g + b) >> 2, clamp(b - g + 128), clamp(r - g + 128)][i % 3]!;
    });
    const part = { syntax: 'jpeg-2000', frames: [coded], samples: 3 } as const;
    expect((await decoded({ ...part, photometric: 'RGB' })).data).toEqual(raw);
    expect((await decoded({ ...part, photometric: 'YBR_FULL' })).data).toEqual(toRgb(raw));
  });
});

describe('fragments', () => {
  const one = encodeJpegLossless(grey);
  const other = encodeJpegLossless(picture(1, 8, 2));

  test.each([
    ['by the offset table', { offsetTable: true }],
    ['by the marks of codestreams', {}],
  ])('several a frame are put together %s', async (_, options) => {
    const part = { syntax: 'jpeg-lossless', frames: [one, other], fragmentsPerFrame: 3, ...options };
    expect((await decoded(part, 0)).data).toEqual(grey.data);
    expect((await decoded(part, 1)).data).toEqual(picture(1, 8, 2).data);
  });

  test('video is handed on as it is', () => {
    const stream = Uint8Array.from({ length: 1000 }, (_, i) => i & 255);
    const file = { syntax: 'h264', frames: [stream], samples: 3, fragmentsPerFrame: 3 } as const;
    const elements = [
      element(TAG.NumberOfFrames, 'IS', '25'),
      element(TAG.CineRate, 'IS', '50'),
      element(TAG.PhotometricInterpretation, 'CS', 'YBR_PARTIAL_420'),
    ];
    const image = imageOf(readDicom(writeUltrasound({ rows: ROWS, columns: COLUMNS, ...file, elements })));
    if (image.kind !== 'video') throw new Error('expected a video');
    expect(image).toMatchObject({ codec: 'h264', frames: 25, timing: { fps: 50 } });
    expect(Uint8Array.from(Buffer.concat([...videoParts(image)]))).toEqual(stream);
  });
});

describe('frames that are not what the object declares', () => {
  const failure = async (part: Part): Promise<unknown> =>
    failureOf(Promise.resolve().then(() => decoded(part)));

  test.each([
    ['jpeg-baseline', async () => jpegOf(grey)],
    ['jpeg-lossless', async () => Promise.resolve(encodeJpegLossless(grey))],
    ['jpeg-ls', async () => encodeJpegLs(grey)],
    ['jpeg-2000', async () => encodeJpeg2000(grey)],
  ] as const)('%s: another size, cut short, or noise', async (syntax, encode) => {
    const coded = await encode();
    const damaged = { code: 'DICOM_CODESTREAM', kind: 'data', where: 'frame 1 of 1' };
    expect(await failure({ syntax, frames: [coded], columns: COLUMNS + 1 })).toMatchObject(damaged);
    expect(await failure({ syntax, frames: [coded], samples: 3 })).toMatchObject(damaged);
    expect(await failure({ syntax, frames: [coded.subarray(0, coded.length >> 1)] })).toMatchObject(damaged);
    expect(await failure({ syntax, frames: [coded.map((byte) => byte ^ 0x5a)] })).toMatchObject(damaged);
    // The codec is sound afterwards.
    expect((await decoded({ syntax, frames: [coded] })).data).toHaveLength(ROWS * COLUMNS);
  });

  test('run-length coded: too few segments, or runs that end early', async () => {
    const damaged = { code: 'DICOM_CODESTREAM' };
    const segments = (count: number): Uint8Array => {
      const coded = Buffer.alloc(80);
      coded.writeUInt32LE(count);
      coded.writeUInt32LE(64, 4);
      return coded;
    };
    for (const frame of [segments(1), segments(3), segments(0), segments(1).subarray(0, 40)])
      expect(await failure({ syntax: '1.2.840.10008.1.2.5', frames: [frame] })).toMatchObject(damaged);
  });

  test('JPEG of 12 bits with loss, hierarchical and arithmetic JPEG are named as not read', async () => {
    const unsupported = { code: 'DICOM_UNSUPPORTED' };
    const coded = Buffer.from(await jpegOf(grey));
    const frameAt = coded.indexOf(Buffer.of(0xff, 0xc0));
    const twelve = Buffer.from(coded);
    twelve[frameAt + 4] = 12;
    expect(await failure({ syntax: 'jpeg-extended', frames: [twelve], bits: 16 })).toMatchObject(unsupported);
    const arithmetic = Buffer.from(coded);
    arithmetic[frameAt + 1] = 0xc9;
    expect(await failure({ syntax: 'jpeg-extended', frames: [arithmetic] })).toMatchObject(unsupported);
  });
});
