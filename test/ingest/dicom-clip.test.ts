/** DICOM files opened as clips: size, time, colour, field, flags, digest, encapsulated video, damage. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openDicomClip } from '../../src/ingest/dicom/clip.ts';
import type { ClipSource, FrameRequest } from '../../src/ingest/common/source.ts';
import { scratchFolder } from '../dataset/helpers.ts';
import type { UltrasoundFile, WriterElement } from '../dicom-writer.ts';
import { element, TAG, writeUltrasound } from '../dicom-writer.ts';
import { failureOf } from './media.ts';

const scratch = scratchFolder();
let count = 0;
const [WIDTH, HEIGHT] = [64, 48];

const picture = (frame: number): Uint8Array =>
  Uint8Array.from({ length: WIDTH * HEIGHT }, (_, i) => 30 + ((i * 7 + frame * 29) % 200));

function open(
  spec: Partial<UltrasoundFile> = {},
  options: Partial<Parameters<typeof openDicomClip>[1]> = {},
): Promise<ClipSource> {
  const path = join(scratch, String(++count));
  const frames = [0, 1, 2, 3].map(picture);
  writeFileSync(path, writeUltrasound({ rows: HEIGHT, columns: WIDTH, frames, ...spec }));
  return openDicomClip(path, { key: null, ...options });
}

async function read(
  clip: ClipSource,
  request: Partial<FrameRequest> = {},
): Promise<{ readonly frames: readonly Uint8Array[]; readonly damage: string | undefined }> {
  const frames: Uint8Array[] = [];
  const reading = clip.frames({ channels: 1, fps: 'all', ...request });
  for (;;) {
    const { done, value } = await reading.next();
    if (done === true) return { frames, damage: value };
    frames.push(value);
  }
}

describe('pictures', () => {
  test('come out as they are, each in its own array', async () => {
    const clip = await open();
    expect(clip).toMatchObject({ width: 64, height: 48, fps: null, frameCount: 4, mayIdentify: true });
    const { frames, damage } = await read(clip);
    expect(damage).toBeUndefined();
    expect(frames.map((frame) => Buffer.from(frame))).toEqual(
      [0, 1, 2, 3].map((i) => Buffer.from(picture(i))),
    );
    frames[0]!.fill(0);
    expect(frames[1]![0]).toBe(picture(1)[0]);
    expect((await read(clip)).frames[0]).toEqual(picture(0));
  });

  test('become colour or grey as asked, and the size asked for', async () => {
    const grey = await open();
    const [coloured] = (await read(grey, { channels: 3 })).frames;
    expect(coloured).toHaveLength(3 * WIDTH * HEIGHT);
    expect([...coloured!.subarray(3, 6)]).toEqual(Array(3).fill(picture(0)[1]));
    const red = Uint8Array.from({ length: 3 * WIDTH * HEIGHT }, (_, i) => (i % 3 === 0 ? 200 : 0));
    const colour = await open({ samples: 3, frames: [red] });
    const [weighed] = (await read(colour)).frames;
    expect(weighed?.[0]).toBeCloseTo(0.299 * 200, -0.5);
    const [small] = (await read(colour, { channels: 3, size: { width: 32, height: 24 } })).frames;
    expect([...small!.subarray(0, 3)]).toEqual([200, 0, 0]);
    expect(small).toHaveLength(3 * 32 * 24);
    expect((await read(grey, { size: { width: 32, height: 24 } })).frames[0]).toHaveLength(32 * 24);
  });

  test('are sampled by their times', async () => {
    const frames = Array.from({ length: 20 }, (_, i) => picture(i));
    const clip = await open({ frames, frameTime: 40.123 });
    expect(clip.fps).toBe(24.9);
    expect((await read(clip, { fps: 5 })).frames).toHaveLength(4);
    const uneven = await open({
      frames: frames.slice(0, 4),
      elements: [
        element(TAG.FrameTimeVector, 'DS', '0\\10\\10\\1980'),
        element(TAG.FrameIncrementPointer, 'AT', TAG.FrameTimeVector),
      ],
    });
    expect((await read(uneven, { fps: 1 })).frames).toEqual([picture(0), picture(3)]);
  });

  test('of oblong pixels are made square, and the field a little smaller than the region', async () => {
    const elements = [element(TAG.PixelAspectRatio, 'IS', '2\\1')];
    const clip = await open({ elements, regions: [{ x0: 8, y0: 4, x1: 56, y1: 40 }] });
    expect([clip.width, clip.height]).toEqual([32, 48]);
    expect(clip.declaredField?.outlines).toEqual([
      [
        [6, 6],
        [26, 6],
        [26, 38],
        [6, 38],
      ],
    ]);
    expect((await read(clip)).frames[0]).toHaveLength(32 * 48);
    // Measured spacings that differ by rounding are square pixels.
    expect((await open({ elements: [element(0x00280030, 'DS', '0.0301\\0.0300')] })).width).toBe(64);
  });

  test('beyond the declared number are taken and flagged; those that are missing are damage', async () => {
    const declares = (value: string): WriterElement[] => [element(TAG.NumberOfFrames, 'IS', value)];
    for (const syntax of ['explicit', 'rle'] as const) {
      const more = await open({ syntax, elements: declares('2') });
      expect(more.frameCount).toBe(4);
      expect(more.flags).toContain('more-frames-than-declared');
      expect(await read(more)).toEqual({ frames: [0, 1, 2, 3].map(picture), damage: undefined });
      const fewer = await open({ syntax, elements: declares('6') });
      expect(fewer.flags).not.toContain('more-frames-than-declared');
      expect(await read(fewer)).toEqual({
        frames: [0, 1, 2, 3].map(picture),
        damage: 'It declares 6 frames and holds 4.',
      });
      expect((await open({ syntax })).flags).toEqual(['dicom']);
    }
  });

  test('at a rate that no scanner has are sampled by another, or all are taken', async () => {
    const frames = Array.from({ length: 20 }, (_, i) => picture(i));
    const told = async (...elements: WriterElement[]): Promise<[number | null, number, boolean]> => {
      const clip = await open({ frames, elements });
      const doubted = clip.flags.includes('impossible-frame-times');
      return [clip.fps, (await read(clip, { fps: 5 })).frames.length, doubted];
    };
    const [time, rate] = [element(TAG.FrameTime, 'DS', '0.05'), element(TAG.CineRate, 'IS', '20')];
    expect(await told(time)).toEqual([null, 20, true]);
    expect(await told(time, rate)).toEqual([20, 5, true]);
    expect(await told(element(TAG.FrameTime, 'DS', '50'))).toEqual([20, 5, false]);
  });

  test('that are too small, or an abort, are errors', async () => {
    const tiny = { rows: 8, columns: 8, frames: [new Uint8Array(64)] };
    expect(await failureOf(open(tiny))).toMatchObject({ code: 'DICOM_PICTURE_SIZE' });
    const stop = new AbortController();
    const reading = (await open()).frames({ channels: 1, fps: 'all', signal: stop.signal });
    await reading.next();
    stop.abort(new Error('enough'));
    await expect(reading.next()).rejects.toThrow('enough');
  });

  test('of which some are damaged lose those and tell; of which all are, are an error', async () => {
    const rle = await open({ syntax: 'rle' });
    expect((await read(rle)).frames).toHaveLength(4);
    // The second frame's segments lie behind its end.
    const path = join(scratch, String(count));
    const bytes = readFileSync(path);
    const heads: number[] = [];
    const item = Buffer.from([0xfe, 0xff, 0x00, 0xe0]);
    for (let at = bytes.indexOf(item); at >= 0; at = bytes.indexOf(item, at + 4)) heads.push(at);
    expect(heads).toHaveLength(5);
    bytes.writeUInt32LE(0x7fffffff, heads[2]! + 8 + 4);
    writeFileSync(path, bytes);
    const damaged = await read(await openDicomClip(path, { key: null }));
    expect(damaged.frames).toEqual([0, 2, 3].map(picture));
    expect(damaged.damage).toMatch(/^1 of 4 frames cannot be decoded: /);
    for (const head of heads.slice(1)) bytes.writeUInt32LE(0x7fffffff, head + 8 + 4);
    writeFileSync(path, bytes);
    expect(await failureOf(read(await openDicomClip(path, { key: null })))).toMatchObject({ kind: 'data' });
  });
});

describe('what a file says of itself', () => {
  const region = { x0: 8, y0: 8, x1: 56, y1: 40 };

  test('gives a field, or none where it is not to be believed', async () => {
    expect((await open({ regions: [region] })).declaredField?.outlines).toHaveLength(1);
    expect((await open()).declaredField).toBeNull();
    const incomplete = element(TAG.SequenceOfUltrasoundRegions, 'SQ', [
      [element(0x00186012, 'US', 1), element(0x00186014, 'US', 1)],
    ]);
    expect((await open({ elements: [incomplete] })).declaredField).toBeNull();
    const damaged: WriterElement = {
      tag: TAG.SequenceOfUltrasoundRegions,
      vr: 'SQ',
      value: new Uint8Array(9).fill(1),
    };
    expect((await open({ elements: [damaged] })).declaredField).toBeNull();
  });

  test('is flagged in words of ours', async () => {
    const says = (tag: number, value: string): WriterElement => element(tag, 'CS', value);
    expect((await open()).flags).toEqual(['dicom']);
    expect((await open({ elements: [says(0x00280301, 'YES')] })).flags).toEqual([
      'dicom',
      'burned-in-declared',
    ]);
    expect((await open({ elements: [says(0x00280301, 'DOE^JANE')] })).flags).toEqual(['dicom']);
    expect((await open({ elements: [says(0x00280302, 'YES')] })).flags).toContain('features-recognizable');
    expect((await open({ elements: [element(0x60020022, 'LO', 'x')] })).flags).toContain('overlay-left-out');
  });

  test('has no part in the digest; the pixels have, and the key', async () => {
    const digest = async (...args: Parameters<typeof open>): Promise<string> =>
      (await open(...args)).sha256();
    const plain = await digest();
    expect(plain).toMatch(/^[0-9a-f]{64}$/);
    expect(await digest({ patient: 'Jane', uid: '2.25.9', preamble: 'x', frameTime: 10 })).toBe(plain);
    expect(await digest({ frames: [0, 1, 2, 4].map(picture) })).not.toBe(plain);
    const key = Uint8Array.from({ length: 16 }, (_, i) => i);
    expect(await digest({}, { key })).not.toBe(plain);
    // The bytes of a coded clip, whatever the table in front of them.
    const coded = await digest({ syntax: 'rle' });
    expect(await digest({ syntax: 'rle', offsetTable: true })).toBe(coded);
  });
});

describe('encapsulated video', () => {
  const temporary = join(scratch, 'tmp');
  const before = process.env['TMPDIR'];
  beforeAll(() => {
    mkdirSync(temporary);
    process.env['TMPDIR'] = temporary;
  });
  afterAll(() => {
    if (before === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = before;
  });

  function stream(container: 'mp4' | 'mpegts' | 'mpeg', codec: string): Uint8Array {
    const path = join(scratch, `video-${++count}`);
    const input = ['-f', 'lavfi', '-i', 'testsrc2=s=64x48:r=25:d=1,noise=alls=40:allf=t'];
    execFileSync('ffmpeg', [
      ...[
        '-nostdin',
        '-v',
        'error',
        '-y',
        ...input,
        '-c:v',
        codec,
        '-pix_fmt',
        'yuv420p',
        '-f',
        container,
        path,
      ],
    ]);
    return readFileSync(path);
  }
  const video = (frames: Uint8Array, more: Partial<UltrasoundFile> = {}): Partial<UltrasoundFile> => ({
    frames: [frames],
    syntax: 'h264',
    elements: [element(TAG.NumberOfFrames, 'IS', '25')],
    ...more,
  });

  test.each([
    ['H.264 in MP4', 'mp4', 'libx264', 'h264'],
    ['H.264 in a transport stream', 'mpegts', 'libx264', 'h264'],
    ['MPEG-2', 'mpeg', 'mpeg2video', 'mpeg2'],
  ] as const)('%s gives its frames and leaves no file', async (_name, container, codec, syntax) => {
    const clip = await open(
      video(stream(container, codec), { syntax, regions: [{ x0: 8, y0: 8, x1: 56, y1: 40 }] }),
    );
    expect(clip).toMatchObject({ width: 64, height: 48, fps: 25, mayIdentify: true });
    expect(clip.declaredField?.outlines).toHaveLength(1);
    expect((await read(clip)).frames.length).toBeGreaterThanOrEqual(24);
    const sampled = await read(clip, { fps: 5, channels: 3 });
    expect(sampled.frames).toHaveLength(5);
    expect(sampled.frames[0]).toHaveLength(64 * 48 * 3);
    expect(readdirSync(temporary)).toEqual([]);
  });

  test('of another size than declared makes its regions worthless', async () => {
    const clip = await open(
      video(stream('mp4', 'libx264'), {
        rows: 96,
        columns: 128,
        regions: [{ x0: 8, y0: 8, x1: 56, y1: 40 }],
      }),
    );
    expect(clip.declaredField).toBeNull();
  });

  test('that is none, or points at other files, is an error and leaves no file', async () => {
    const secret = join(scratch, 'secret.mp4');
    writeFileSync(secret, stream('mp4', 'libx264'));
    const playlist = `#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:${secret}\n#EXT-X-ENDLIST\n`;
    const concat = `ffconcat version 1.0\nfile ${secret}\n`;
    for (const text of ['DOE^JANE '.repeat(100), playlist, concat]) {
      const thrown = await failureOf(open(video(Buffer.from(text))));
      expect(thrown).toMatchObject({ kind: 'data', code: 'VIDEO_UNREADABLE' });
    }
    expect(readdirSync(temporary)).toEqual([]);
  });

  test('that is let go half-way, or aborted, leaves no file', async () => {
    const clip = await open(video(stream('mp4', 'libx264')));
    const half = clip.frames({ channels: 1, fps: 'all' });
    await half.next();
    await half.return(undefined);
    const stop = new AbortController();
    const aborted = clip.frames({ channels: 1, fps: 'all', signal: stop.signal });
    await aborted.next();
    stop.abort(new Error('enough'));
    await expect(
      (async () => {
        while ((await aborted.next()).done !== true);
      })(),
    ).rejects.toThrow('enough');
    expect(readdirSync(temporary)).toEqual([]);
  });
});

const real = join(process.env['USCL_TEST_DATA'] ?? '../shared/data', 'dicom');

describe.skipIf(!existsSync(real))(`files of real devices in ${real}`, () => {
  const box = (x0: number, y0: number, x1: number, y1: number): string => `${x0},${y0} ${x1},${y1}`;
  test.each([
    ['pydicom-data/OBXXXX1A.dcm', [box(120, 60, 800, 518)]],
    ['pydicom-data/OBXXXX1A_expb.dcm', [box(120, 60, 800, 518)]],
    ['pydicom-data/OBXXXX1A_rle_2frame.dcm', [box(120, 60, 800, 518)]],
    // Two pictures side by side, a grey bar over the first one.
    [
      'pydicom-data/gdcm-US-ALOKA-16.dcm',
      [box(32, 24, 335, 40), box(32, 103, 335, 415), box(63, 40, 335, 103), box(336, 24, 639, 415)],
    ],
    // Regions that cover the whole picture, reach out of it, or are not there.
    ['itkpocus/sonoque_anechoic-3mm-3mm.dcm', undefined],
    ['pydicom/examples_palette.dcm', undefined],
    ['pydicom/examples_ybr_color.dcm', undefined],
    ['pydicom-data/US1_J2KR.dcm', undefined],
    ['pydicom/ExplVR_BigEnd.dcm', undefined],
  ])('%s', async (path, expected) => {
    const { declaredField } = await openDicomClip(join(real, path), { key: null });
    const corners = declaredField?.outlines.map(([from, , to]) => box(from![0], from![1], to![0], to![1]));
    expect(corners).toEqual(expected);
  });
});
