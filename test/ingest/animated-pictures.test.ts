/**
 * Animated pictures: what ffmpeg reads as several frames becomes a clip of those frames at ffmpeg's times, to the byte;
 * what it does not is refused by name; a still stays one.
 */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32, deflateSync } from 'node:zlib';
import sharp from 'sharp';
import { beforeAll, describe, expect, test } from 'vitest';
import { openDataset } from '../../src/dataset/reader.ts';
import { isAnimatedPng } from '../../src/video/apng.ts';
import { findVideoTools } from '../../src/video/ffmpeg.ts';
import type { IngestOptions } from '../../src/ingest/options.ts';
import { ingest } from '../../src/ingest/ingest.ts';
import { openStill } from '../../src/ingest/pictures/still.ts';
import { probeVideo } from '../../src/video/probe.ts';
import { scratchFolder } from '../dataset/helpers.ts';
import { makeVideo, makeWith } from './media.ts';

const scratch = scratchFolder();
const at = (...names: string[]): string => join(scratch, ...names);
const [WIDTH, HEIGHT] = [40, 32];

/** Values of no two pictures are the same, and none is dark. */
function noise(length: number, seed: number): Buffer {
  return Buffer.from(
    Uint8Array.from({ length }, (_, i) => 60 + ((i * 7 + seed * 37 + ((i * i) % 53)) % 150)),
  );
}

interface Picture {
  readonly values: Buffer;
  /** Part of the picture that it fills; default: all. */
  readonly part?: readonly [x: number, y: number, width: number, height: number];
  /** Thousandths of a second that it is shown for; default 100. */
  readonly delay?: number;
  /** 0: left as it is, 1: cleared, 2: what was before comes back. */
  readonly dispose?: 0 | 1 | 2;
  readonly blend?: 0 | 1;
}

interface Animation {
  /** 0 grey, 2 colour, 3 palette, 6 colour with transparency. */
  readonly type: 0 | 2 | 3 | 6;
  readonly pictures: readonly Picture[];
  /** How many it says there are. */
  readonly declared?: number;
  readonly plays?: number;
  /** What a reader of stills shows, where that is no part of the animation. */
  readonly hidden?: Buffer;
  /** Stands before everything else that tells of an animation. */
  readonly comment?: string;
}

const PALETTE = Buffer.concat([Buffer.alloc(3), noise(48, 9)]).subarray(0, 48);

function animatedPng(animation: Animation): Buffer {
  const { type, pictures, declared = pictures.length, plays = 0, hidden, comment } = animation;
  const bytesOf = { 0: 1, 2: 3, 3: 1, 6: 4 }[type];
  const packed = (values: Buffer, width: number): Buffer => {
    const row = width * bytesOf;
    const lines = Array.from({ length: values.length / row }, (_, y) =>
      values.subarray(y * row, (y + 1) * row),
    );
    return deflateSync(Buffer.concat(lines.flatMap((line) => [Buffer.of(0), line])));
  };
  let sequence = 0;
  const shown = pictures.flatMap(({ values, part, delay = 100, dispose = 0, blend = 0 }, i) => {
    const [x, y, width, height] = part ?? [0, 0, WIDTH, HEIGHT];
    const control = Buffer.concat([
      words(sequence++, width, height, x, y),
      Buffer.of(delay >> 8, delay & 255, 1000 >> 8, 1000 & 255, dispose, blend),
    ]);
    const data = packed(values, width);
    const isFirst = i === 0 && hidden === undefined;
    const body = isFirst ? chunk('IDAT', data) : chunk('fdAT', Buffer.concat([words(sequence++), data]));
    return [chunk('fcTL', control), body];
  });
  return Buffer.concat([
    Buffer.from('89504e470d0a1a0a', 'hex'),
    chunk('IHDR', Buffer.concat([words(WIDTH, HEIGHT), Buffer.of(8, type, 0, 0, 0)])),
    ...(comment === undefined ? [] : [chunk('tEXt', Buffer.from(`Comment\0${comment}`))]),
    chunk('acTL', words(declared, plays)),
    ...(type === 3 ? [chunk('PLTE', PALETTE), chunk('tRNS', Buffer.of(0, 128, 255, 0))] : []),
    ...(hidden === undefined ? [] : [chunk('IDAT', packed(hidden, WIDTH))]),
    ...shown,
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function words(...values: number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [i, value] of values.entries()) bytes.writeUInt32BE(value, 4 * i);
  return bytes;
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  return Buffer.concat([words(data.length), body, words(crc32(body))]);
}

const grey = (seed: number): Buffer => noise(WIDTH * HEIGHT, seed);
const greys = (count: number): Picture[] => Array.from({ length: count }, (_, i) => ({ values: grey(i) }));

/** Shown at 0, 0.1, 0.4, 0.45 and 0.85 s. */
const UNEVEN = [100, 300, 50, 400, 100].map((delay, i): Picture => ({ values: grey(i), delay }));

const FORMS: Readonly<Record<string, Animation>> = {
  'grey, uneven.png': { type: 0, pictures: UNEVEN },
  'grey.apng': { type: 0, pictures: greys(3) },
  'played three times.png': { type: 0, pictures: greys(3), plays: 3 },
  'behind a still.png': { type: 0, pictures: greys(3), hidden: grey(77) },
  'behind a still, alone.png': { type: 0, pictures: greys(1), hidden: grey(77) },
  'behind a long text.png': { type: 0, pictures: greys(3), comment: 'a'.repeat(4000) },
  'more than it says.png': { type: 0, pictures: greys(3), declared: 1 },
  'less than it says.png': { type: 0, pictures: greys(3), declared: 9 },
  'without delays.png': { type: 0, pictures: greys(3).map((one) => ({ ...one, delay: 0 })) },
  'colour.png': {
    type: 2,
    pictures: [0, 1, 2].map((seed) => ({ values: noise(WIDTH * HEIGHT * 3, seed), delay: 40 })),
  },
  'palette.png': {
    type: 3,
    pictures: [0, 1, 2].map((seed) => ({ values: grey(seed).map((value) => value % 16) as Buffer })),
  },
  'palette, in parts.png': {
    type: 3,
    pictures: [
      { values: grey(0).map((value) => value % 16) as Buffer, delay: 250 },
      {
        values: noise(300, 1).map((value) => value % 16) as Buffer,
        part: [9, 5, 20, 15],
        blend: 1,
        delay: 30,
      },
      { values: noise(64, 2).map((value) => value % 16) as Buffer, part: [30, 20, 8, 8] },
    ],
  },
  'transparent, in parts.png': {
    type: 6,
    pictures: [
      { values: noise(WIDTH * HEIGHT * 4, 0) },
      { values: noise(20 * 16 * 4, 1), part: [10, 8, 20, 16], dispose: 1, blend: 1 },
      { values: noise(10 * 10 * 4, 2), part: [3, 4, 10, 10], dispose: 2, blend: 1 },
      { values: noise(12 * 9 * 4, 3), part: [5, 6, 12, 9] },
    ],
  },
};

let keepTimes: readonly string[] = [];

beforeAll(async () => {
  ({ keepTimes } = await findVideoTools());
  mkdirSync(at('forms'));
  for (const [name, animation] of Object.entries(FORMS))
    writeFileSync(at('forms', name), animatedPng(animation));
  // ffmpeg stores what changes between pictures only.
  makeWith(at('forms', 'by ffmpeg.png'), [
    ...['-f', 'lavfi', '-i', 'testsrc2=s=48x32:r=5:d=1'],
    ...['-pix_fmt', 'rgb24', '-f', 'apng', '-plays', '0'],
  ]);
});

/** Frames [height, width, channels] u8 as ffmpeg writes them. */
function framesOfFfmpeg(path: string, channels: 1 | 3, options: readonly string[] = []): Buffer {
  const format = ['-pix_fmt', channels === 1 ? 'gray' : 'rgb24', '-f', 'rawvideo', '-'];
  const args = ['-nostdin', '-v', 'quiet', ...options, '-i', path, ...keepTimes, ...format];
  return execFileSync('ffmpeg', args, { maxBuffer: 2 ** 28 });
}

interface Stored {
  readonly frames: Buffer;
  readonly count: number;
  readonly fps: number | null;
  readonly flags: readonly string[];
}

let ingests = 0;
async function stored(
  source: string,
  options: Partial<IngestOptions> = {},
): Promise<{
  readonly clips: ReadonlyMap<string, Stored>;
  readonly rejected: readonly unknown[];
  readonly damaged: readonly unknown[];
}> {
  const out = at(`out-${++ingests}`);
  const { rejected, damaged } = await ingest({ source, out, crop: 'none', fps: 'all', ...options });
  using dataset = openDataset(out);
  const clips = dataset.clips.map((clip): [string, Stored] => {
    const frames = Array.from({ length: clip.frames }, (_, i) => dataset.readFrame(clip, i).slice());
    return [clip.id, { frames: Buffer.concat(frames), count: clip.frames, fps: clip.fps, flags: clip.flags }];
  });
  return { clips: new Map(clips), rejected, damaged };
}

describe('an animated PNG', () => {
  test.each([1, 3] as const)('has the frames that ffmpeg has of it, in %d channels', async (channels) => {
    // With one decoder and this many clips, several are decoded by one process.
    const { clips, rejected, damaged } = await stored(at('forms'), {
      channels,
      parallel: channels === 1 ? 1 : 2,
    });
    expect([rejected, damaged]).toEqual([[], []]);
    for (const [name, { frames }] of clips) {
      // By itself ffmpeg looks for an animation at the start of a file only.
      const reader = name === 'behind a long text.png' ? ['-f', 'apng'] : [];
      expect([name, frames.equals(framesOfFfmpeg(at('forms', name), channels, reader))]).toEqual([
        name,
        true,
      ]);
    }
    expect(
      Object.fromEntries([...clips].map(([name, { count, fps }]) => [name, [count, fps]])),
    ).toMatchObject({
      'behind a long text.png': [3, 10],
      'behind a still, alone.png': [1, null],
      'behind a still.png': [3, 10],
      'by ffmpeg.png': [5, 5],
      'colour.png': [3, 25],
      'grey, uneven.png': [5, expect.any(Number)],
      'grey.apng': [3, 10],
      'less than it says.png': [3, 10],
      'more than it says.png': [3, 10],
      'palette, in parts.png': [3, expect.any(Number)],
      'palette.png': [3, 10],
      'played three times.png': [3, 10],
      'transparent, in parts.png': [4, 10],
      'without delays.png': [3, 15],
    });
    expect(clips.size).toBe(14);
  });

  test('has the values that were written into it', async () => {
    const { clips } = await stored(at('forms', 'grey, uneven.png'));
    const written = Buffer.concat(UNEVEN.map(({ values }) => values));
    expect(clips.get('grey, uneven.png')?.frames.equals(written)).toBe(true);
  });

  test('is sampled by the times of its frames', async () => {
    const { clips } = await stored(at('forms', 'grey, uneven.png'), { fps: 5 });
    // The first at or after each multiple of 0.2 s: those of 0, 0.4 and 0.85 s.
    const kept = Buffer.concat([0, 2, 4].map((i) => UNEVEN[i]!.values));
    expect(clips.get('grey, uneven.png')?.frames.equals(kept)).toBe(true);
  });

  test('of two frames has the rate that their delays make', async () => {
    const pictures = [2000, 3000].map((delay, i) => ({ values: grey(i), delay }));
    writeFileSync(at('two.png'), animatedPng({ type: 0, pictures }));
    expect(await probeVideo(at('two.png'))).toMatchObject({ frames: 2, fps: 0.4 });
  });

  test('is a clip of its own beside others, and beside frames', async () => {
    mkdirSync(at('numbered', 'stills'), { recursive: true });
    for (let i = 0; i < 3; i++) {
      writeFileSync(at('numbered', `f${i}.png`), animatedPng({ type: 0, pictures: greys(3 + i) }));
      const raw = { width: WIDTH, height: HEIGHT, channels: 1 } as const;
      writeFileSync(at('numbered', 'stills', `f${i}.png`), await sharp(grey(i), { raw }).png().toBuffer());
    }
    const { clips } = await stored(at('numbered'));
    expect([...clips].map(([name, { count }]) => [name, count])).toEqual([
      ['f0.png', 3],
      ['f1.png', 4],
      ['f2.png', 5],
      ['stills', 3],
    ]);
  });

  test('that is broken keeps its sound frames and is flagged, and without one is refused by name', async () => {
    const whole = animatedPng({ type: 0, pictures: greys(4) });
    const spoilt = Buffer.from(whole);
    const second = spoilt.indexOf('fdAT');
    spoilt.fill(0xff, second + 20, second + 40);
    mkdirSync(at('broken'));
    writeFileSync(at('broken', 'spoilt.png'), spoilt);
    writeFileSync(at('broken', 'cut.png'), whole.subarray(0, whole.lastIndexOf('fdAT') + 40));
    writeFileSync(at('broken', 'head.png'), whole.subarray(0, whole.indexOf('IDAT') + 20));
    writeFileSync(at('broken', 'nothing.png'), whole.subarray(0, whole.indexOf('acTL') + 16));
    const { clips, rejected, damaged } = await stored(at('broken'));
    const kept = (...indices: number[]): Buffer => Buffer.concat(indices.map(grey));
    expect(clips.get('cut.png')?.frames.equals(kept(0, 1, 2))).toBe(true);
    expect(clips.get('spoilt.png')?.frames.equals(kept(0, 2, 3))).toBe(true);
    for (const { flags } of clips.values()) expect(flags).toContain('damaged');
    expect(damaged).toMatchObject([{ source: 'cut.png' }, { source: 'spoilt.png' }]);
    expect(rejected).toMatchObject([{ source: 'head.png' }, { source: 'nothing.png' }]);
  });

  test('is refused where a still is expected', async () => {
    await expect(openStill(at('forms', 'colour.png'))).rejects.toThrow('it holds several pictures');
  });
});

describe('a still PNG stays a still', () => {
  const raw = { width: WIDTH, height: HEIGHT, channels: 3 } as const;
  const colours = noise(WIDTH * HEIGHT * 3, 1);

  test('though it is an animation of one picture, with the values that ffmpeg has', async () => {
    writeFileSync(at('one.png'), animatedPng({ type: 2, pictures: [{ values: colours }] }));
    expect(isAnimatedPng(at('one.png'))).toBe(false);
    const clip = (await stored(at('one.png'), { channels: 3 })).clips.get('one.png');
    expect(clip).toMatchObject({ count: 1, fps: null, flags: ['still', 'small'] });
    expect(clip?.frames.equals(colours)).toBe(true);
    expect(clip?.frames.equals(framesOfFfmpeg(at('one.png'), 3))).toBe(true);
  });

  test('though it speaks of an animation in a text, behind its pixels or with no pictures', async () => {
    const png = await sharp(colours, { raw }).png().toBuffer();
    const end = png.lastIndexOf('IEND') - 4;
    const header = 8 + 25;
    const between = (where: number, ...chunks: Buffer[]): Buffer =>
      Buffer.concat([png.subarray(0, where), ...chunks, png.subarray(where)]);
    const controls = [chunk('acTL', words(2, 0)), chunk('fcTL', Buffer.alloc(26))];
    const stills = {
      'text.png': between(header, chunk('tEXt', Buffer.from('acTL\0acTL'))),
      'behind.png': between(end, ...controls),
      'none.png': between(header, chunk('acTL', words(0, 0))),
      'plain.png': png,
    };
    mkdirSync(at('stills'));
    for (const [name, bytes] of Object.entries(stills)) writeFileSync(at('stills', name), bytes);
    const { clips, rejected } = await stored(at('stills'), { channels: 3 });
    expect(rejected).toEqual([]);
    for (const name of Object.keys(stills)) {
      expect([name, isAnimatedPng(at('stills', name))]).toEqual([name, false]);
      expect([name, clips.get(name)?.frames.equals(colours), clips.get(name)?.count]).toEqual([
        name,
        true,
        1,
      ]);
    }
  });
});

test('whether a PNG is animated is told by its head, whatever comes after it', () => {
  const whole = animatedPng({ type: 0, pictures: greys(4) });
  const head = whole.subarray(0, whole.indexOf('acTL') + 12);
  writeFileSync(at('head.png'), head);
  expect(isAnimatedPng(at('head.png'))).toBe(true);
  writeFileSync(at('head.png'), head.subarray(0, -10));
  expect(isAnimatedPng(at('head.png'))).toBe(false);
  expect(isAnimatedPng(at('forms'))).toBe(false);
  expect(isAnimatedPng(at('not there.png'))).toBe(false);
});

describe('of other animated pictures', () => {
  test('sequences of AVIF have the frames that ffmpeg has of them', async () => {
    const options = ['-c:v', 'libaom-av1', '-cpu-used', '8', '-pix_fmt', 'yuv420p', '-brand', 'avis'];
    makeVideo(at('sequence.mp4'), { seconds: 0.5, size: '40x32', options });
    mkdirSync(at('avif'));
    copyFileSync(at('sequence.mp4'), at('avif', 'sequence.avif'));
    const clip = (await stored(at('avif'))).clips.get('sequence.avif');
    expect(clip).toMatchObject({ count: 5, fps: 10 });
    expect(clip?.frames.equals(framesOfFfmpeg(at('avif', 'sequence.avif'), 1))).toBe(true);
  });

  test('WebP and TIFF are refused by name, with the cause and the way out', async () => {
    mkdirSync(at('several'));
    const raw = { width: WIDTH, height: 3 * HEIGHT, channels: 3, pageHeight: HEIGHT } as const;
    const pictures = sharp(noise(WIDTH * 3 * HEIGHT * 3, 5), { raw });
    writeFileSync(
      at('several', 'loop.webp'),
      await pictures
        .clone()
        .webp({ delay: [100, 50, 200] })
        .toBuffer(),
    );
    writeFileSync(at('several', 'pages.tif'), await pictures.clone().tiff().toBuffer());
    writeFileSync(at('several', 'good.png'), readFileSync(at('forms', 'colour.png')));
    const reason = 'it holds several pictures; save them as separate files or as a video';
    const { clips, rejected } = await stored(at('several'));
    expect([...clips.keys()]).toEqual(['good.png']);
    expect(rejected).toEqual([
      { source: 'loop.webp', reason },
      { source: 'pages.tif', reason },
    ]);
  });
});
