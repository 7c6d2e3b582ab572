/** Sources that lie or are hostile, each case by name: named in the report, and the rest goes on. */
import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32, deflateSync } from 'node:zlib';
import sharp from 'sharp';
import { beforeAll, describe, expect, test } from 'vitest';
import { openDataset } from '../../src/dataset/reader.ts';
import type { ClipRecord } from '../../src/dataset/types.ts';
import type { IngestOptions } from '../../src/ingest/options.ts';
import type { IngestSummary } from '../../src/ingest/summary.ts';
import { ingest } from '../../src/ingest/ingest.ts';
import { scratchFolder } from '../dataset/helpers.ts';
import { element, TAG, writeUltrasound } from '../dicom-writer.ts';
import { makePicture, makeVideo, makeWith } from './media.ts';

const scratch = scratchFolder();
let count = 0;

/** Ten frames in a second, 64×48. */
const good = { mp4: join(scratch, 'good.mp4'), avi: join(scratch, 'good.avi') };

beforeAll(() => {
  makeVideo(good.mp4);
  makeVideo(good.avi, { options: ['-c:v', 'ffv1', '-pix_fmt', 'yuv420p'] });
});

interface Result extends IngestSummary {
  readonly records: ReadonlyMap<string, ClipRecord>;
  readonly reasons: Readonly<Record<string, string>>;
}

/** Ingests a folder of these files and a good video. */
async function run(
  files: Readonly<Record<string, Uint8Array>>,
  options: Partial<IngestOptions> = {},
): Promise<Result> {
  const source = join(scratch, `source-${++count}`);
  mkdirSync(source);
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(source, name), bytes);
  copyFileSync(good.mp4, join(source, 'zz good.mp4'));
  const out = join(scratch, `out-${count}`);
  const summary = await ingest({ source, out, crop: 'none', ...options });
  using dataset = openDataset(out);
  const records = new Map(dataset.clips.map((clip) => [clip.id, clip]));
  expect(records.get('zz good.mp4')).toMatchObject({ frames: 5 });
  const reasons = Object.fromEntries(summary.rejected.map(({ source: path, reason }) => [path, reason]));
  return { ...summary, records, reasons };
}

/** The bytes with numbers written over what lies behind `mark`. */
function patched(
  bytes: Buffer,
  mark: string,
  numbers: readonly (readonly [offset: number, value: number])[],
  endian: 'big' | 'little',
): Buffer {
  const result = Buffer.from(bytes);
  const at = result.indexOf(mark, 0, 'latin1');
  expect(at, mark).toBeGreaterThan(0);
  for (const [offset, value] of numbers) {
    if (endian === 'big') result.writeUInt32BE(value, at + mark.length + offset);
    else result.writeUInt32LE(value, at + mark.length + offset);
  }
  return result;
}

describe('a video whose header lies', () => {
  test('about its length in AVI: what is there counts', async () => {
    const bytes = readFileSync(good.avi);
    // Behind the chunk's length: total frames at 16 of avih; length at 32 of strh.
    const many = patched(patched(bytes, 'avih', [[20, 1e9]], 'little'), 'strh', [[36, 1e9]], 'little');
    const none = patched(patched(bytes, 'avih', [[20, 0]], 'little'), 'strh', [[36, 0]], 'little');
    const { records } = await run({ 'many.avi': many, 'none.avi': none });
    for (const name of ['many.avi', 'none.avi'])
      expect(records.get(name)).toMatchObject({ frames: 5, original: { frames: 10 } });
  });

  test('about its duration in MP4: no frame is invented and none is lost', async () => {
    const bytes = readFileSync(good.mp4);
    // Version 0: duration behind flags, two dates and a time scale.
    const long = patched(
      patched(bytes, 'mvhd', [[16, 0x7fffffff]], 'big'),
      'mdhd',
      [[16, 0x7fffffff]],
      'big',
    );
    const zero = patched(patched(bytes, 'mvhd', [[16, 0]], 'big'), 'mdhd', [[16, 0]], 'big');
    const { records } = await run({ 'long.mp4': long, 'zero.mp4': zero });
    for (const name of ['long.mp4', 'zero.mp4'])
      expect(records.get(name)).toMatchObject({ frames: 5, fps: 5, original: { frames: 10, fps: 10 } });
  });

  test('about its number of frames in MP4: the frames that are there, flagged, or a reason', async () => {
    const bytes = readFileSync(good.mp4);
    // Number of samples in the table of sizes and in the first run of the table of times.
    const counts = (value: number): Buffer =>
      patched(patched(bytes, 'stsz', [[8, value]], 'big'), 'stts', [[8, value]], 'big');
    const { records, reasons } = await run({
      'billion.mp4': counts(1e9),
      'thousand.mp4': counts(1000),
      'three.mp4': counts(3),
      'none.mp4': counts(0),
    });
    for (const name of ['billion.mp4', 'thousand.mp4', 'three.mp4', 'none.mp4']) {
      expect(records.has(name) !== (reasons[name] !== undefined), name).toBe(true);
      expect(records.get(name)?.frames ?? 0, name).toBeLessThanOrEqual(10);
    }
    expect(reasons['none.mp4']).toMatch(/no pictures|no video stream|not one frame/);
  });
});

describe('a clip without frames is refused', () => {
  test.each([
    ['mp4', ['-frames:v', '0']],
    ['avi', ['-c:v', 'ffv1', '-frames:v', '0']],
    ['mkv', ['-c:v', 'ffv1', '-frames:v', '0']],
  ])('as %s', async (extension, options) => {
    const path = join(scratch, `empty.${extension}`);
    makeWith(path, ['-f', 'lavfi', '-i', 'testsrc=s=64x48:r=10:d=1', ...options]);
    const name = `empty.${extension}`;
    const { reasons } = await run({ [name]: readFileSync(path) });
    expect(reasons[name]).toMatch(/^[^\n]{4,}$/);
    expect(reasons[name]).not.toContain(scratch);
  });

  test('as GIF and as DICOM', async () => {
    const gif = Buffer.from('GIF89a\x40\0\x30\0\0\0\0;', 'latin1');
    const { reasons } = await run({ 'empty.gif': gif });
    expect(reasons['empty.gif']).toBeDefined();
    const dicom = writeUltrasound({
      ...{ rows: 48, columns: 64, frames: [] },
      elements: [element(TAG.NumberOfFrames, 'IS', '0')],
    });
    const source = join(scratch, 'empty-dicom');
    mkdirSync(source);
    writeFileSync(join(source, 'a'), dicom);
    await makePicture(join(source, 'b.png'));
    const out = join(scratch, 'empty-dicom-out');
    const { rejected } = await ingest({ source, out, allowUnmasked: true });
    expect(rejected.map(({ source: path }) => path)).toEqual(['a']);
    expect(rejected[0]?.writtenReason).toMatch(/DICOM_/);
  });
});

describe('a header of 65,535 × 65,535 pixels is refused before anything is decoded', () => {
  const HUGE = 65_535;

  test('of pictures', async () => {
    const raw = { width: 32, height: 32, channels: 1 as const };
    const jpeg = await sharp(Buffer.alloc(1024, 90), { raw }).jpeg().toBuffer();
    const frame = jpeg.indexOf(Buffer.of(0xff, 0xc0));
    jpeg.writeUInt16BE(HUGE, frame + 5);
    jpeg.writeUInt16BE(HUGE, frame + 7);
    const { reasons, records } = await run({ 'a.png': hugePng(HUGE), 'b.jpg': jpeg });
    expect(records.size).toBe(1);
    for (const name of ['a.png', 'b.jpg']) expect(reasons[name]).toMatch(/pixels|exceeds|limit/i);
  });

  test('of videos', async () => {
    const avi = patched(
      patched(
        readFileSync(good.avi),
        'strf',
        [
          [8, HUGE],
          [12, HUGE],
        ],
        'little',
      ),
      'avih',
      [
        [36, HUGE],
        [40, HUGE],
      ],
      'little',
    );
    const path = join(scratch, 'small.gif');
    makeVideo(path, { options: [] });
    const gif = readFileSync(path);
    gif.writeUInt16LE(HUGE, 6);
    gif.writeUInt16LE(HUGE, 8);
    const { reasons, records } = await run({ 'a.avi': avi, 'b.gif': gif });
    expect(records.size).toBe(1);
    expect(Object.keys(reasons)).toEqual(['a.avi', 'b.gif']);
    for (const reason of Object.values(reasons))
      expect(reason).toMatch(/65535|pixels|size|dimensions|Invalid/i);
  });

  test('of DICOM', async () => {
    const source = join(scratch, 'huge-dicom');
    mkdirSync(source);
    const elements = [element(TAG.Rows, 'US', HUGE), element(TAG.Columns, 'US', HUGE)];
    for (const syntax of ['explicit', 'rle'] as const) {
      const bytes = writeUltrasound({
        rows: 48,
        columns: 64,
        frames: [new Uint8Array(3072)],
        syntax,
        elements,
      });
      writeFileSync(join(source, syntax), bytes);
    }
    await makePicture(join(source, 'b.png'));
    const out = join(scratch, 'huge-dicom-out');
    const { rejected, clips } = await ingest({ source, out, allowUnmasked: true });
    expect(clips).toBe(1);
    expect(rejected.map(({ source: path }) => path).sort()).toEqual(['explicit', 'rle']);
    for (const { writtenReason } of rejected) expect(writtenReason).toMatch(/DICOM_/);
  });
});

describe('names of every kind', () => {
  const NAMES = [
    '+ plus',
    'two  blanks ',
    '[a-z]*?',
    '(1) {2}',
    'line\nfeed\ttab',
    'ünïcode 超音波 🫁',
    '\'"`$HOME\\',
    '-v',
    '%03d',
  ];

  test('go through a whole ingest of stills, frame folders and videos, and through a second one', async () => {
    const source = join(scratch, 'names');
    for (const [i, name] of NAMES.entries()) {
      await makePicture(join(source, `${name}.png`), i);
      makeVideo(join(source, 'x', `${name}.mp4`), { fps: 5 });
      for (let frame = 1; frame <= 3; frame++)
        await makePicture(join(source, `of ${name}`, `${name}${frame}.png`), 10 * i + frame);
    }
    const labels = join(scratch, 'names.csv');
    const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`;
    writeFileSync(
      labels,
      ['clip,label,group', ...NAMES.map((name) => `${quoted(`${name}.png`)},a,${quoted(name)}`)].join('\n'),
    );
    const options = {
      source,
      out: join(scratch, 'names-out'),
      labels,
      crop: 'none',
      overwrite: true,
    } as const;
    const first = await ingest(options);
    expect([first.clips, first.rejected, first.unmatchedLabels]).toEqual([3 * NAMES.length, [], []]);
    const second = await ingest(options);
    expect([second.reused, second.rejected]).toEqual([3 * NAMES.length, []]);
    using dataset = openDataset(options.out);
    const ids = NAMES.flatMap((name) => [`${name}.png`, `of ${name}`, `x/${name}.mp4`]);
    expect(dataset.clips.map(({ id }) => id)).toEqual(ids.sort());
    for (const name of NAMES) {
      const clip = dataset.clips.find(({ id }) => id === `${name}.png`);
      expect([clip?.label, clip?.group]).toEqual(['a', name.trim()]);
    }
  });
});

test('links out of the source are refused for pictures, frames of a clip, and DICOM; nothing of them is read', async () => {
  const outside = join(scratch, 'outside');
  await makePicture(join(outside, 'secret.png'), 9);
  writeFileSync(
    join(outside, 'secret'),
    writeUltrasound({ rows: 48, columns: 64, frames: [new Uint8Array(3072).fill(90)] }),
  );
  const source = join(scratch, 'links');
  for (const frame of [1, 2, 4]) await makePicture(join(source, 'clip', `f${frame}.png`), frame);
  symlinkSync(join(outside, 'secret.png'), join(source, 'clip', 'f3.png'));
  symlinkSync(join('..', 'outside', 'secret.png'), join(source, 'still.png'));
  symlinkSync(join(outside, 'secret'), join(source, 'IM0001'));
  symlinkSync(outside, join(source, 'folder'));
  const out = join(scratch, 'links-out');
  const { rejected } = await ingest({ source, out, crop: 'none' });
  const leads = 'it is a link that leads out of the source folder';
  expect(rejected).toEqual([
    { source: 'IM0001', reason: leads },
    { source: 'clip/f3.png', reason: leads },
    { source: 'folder', reason: 'it is a link to a folder' },
    { source: 'still.png', reason: leads },
  ]);
  using dataset = openDataset(out);
  expect(dataset.clips.map(({ id, frames }) => [id, frames])).toEqual([['clip', 3]]);
});

/** A PNG whose header is valid and whose pixels are not there. */
function hugePng(side: number): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(side, 0);
  header.writeUInt32BE(side, 4);
  header[8] = 8;
  const chunk = (name: string, content: Uint8Array): Buffer => {
    const body = Buffer.concat([Buffer.from(name), content]);
    const result = Buffer.alloc(body.length + 8);
    result.writeUInt32BE(content.length, 0);
    result.set(body, 4);
    result.writeUInt32BE(crc32(body), body.length + 4);
    return result;
  };
  const signature = Buffer.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(Buffer.alloc(64))),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}
