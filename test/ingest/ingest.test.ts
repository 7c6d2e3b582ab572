/** From files on disk to a dataset, with videos made on the spot. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { beforeAll, describe, expect, test } from 'vitest';
import { randomAt } from '../../src/base/random.ts';
import { openDataset } from '../../src/dataset/reader.ts';
import type { ClipRecord } from '../../src/dataset/types.ts';
import type { IngestOptions } from '../../src/ingest/options.ts';
import type { IngestSummary } from '../../src/ingest/summary.ts';
import { ingest } from '../../src/ingest/ingest.ts';
import { findVideoTools } from '../../src/video/ffmpeg.ts';
import { scratchFolder, writeSmallDataset } from '../dataset/helpers.ts';
import { failureOf, gradient, makePicture, makeVideo, makeWith } from './media.ts';

const scratch = scratchFolder();
let count = 0;
const fresh = (name: string): string => join(scratch, `${++count}-${name}`);

interface Result extends IngestSummary {
  readonly records: readonly ClipRecord[];
  readonly record: (id: string) => ClipRecord;
}

async function run(source: string, options: Partial<IngestOptions> = {}): Promise<Result> {
  const out = fresh('out');
  const summary = await ingest({ source, out, ...options });
  using dataset = openDataset(out);
  const records = dataset.clips;
  const record = (id: string): ClipRecord => {
    const found = records.find((clip) => clip.id === id);
    if (found === undefined)
      throw new Error(`no clip ${id} among ${records.map((clip) => clip.id).join(', ')}`);
    return found;
  };
  return { ...summary, records, record };
}

/** A folder of source files; `make` fills it. */
function source(...make: readonly ((folder: string) => void)[]): string {
  const folder = fresh('source');
  mkdirSync(folder);
  for (const step of make) step(folder);
  return folder;
}

/** One second at 10 frames a second, 64×48, made once and copied. */
const clip = join(scratch, 'clip.mp4');
const put =
  (name: string, from = clip) =>
  (folder: string): void => {
    mkdirSync(join(folder, name, '..'), { recursive: true });
    copyFileSync(from, join(folder, name));
  };

beforeAll(() => {
  makeVideo(clip);
});

describe('videos', () => {
  test('of many containers become clips, sampled uniformly in time', async () => {
    const folder = source(put('a.mp4'));
    makeVideo(join(folder, 'b.avi'), { fps: 25, seconds: 2, options: ['-c:v', 'mpeg4'] });
    makeVideo(join(folder, 'c.mpeg'), { fps: 25, seconds: 2, options: [] });
    makeVideo(join(folder, 'd.mov'), { fps: 30, seconds: 1 });
    makeVideo(join(folder, 'e.gif'), { fps: 10, options: [] });
    makeVideo(join(folder, 'sub', 'f.mkv'), { fps: 4, seconds: 2 });
    const { records, summary, frames } = await run(folder).then((result) => ({ ...result, summary: result }));
    expect(records.map(({ id, frames: kept, fps, original }) => [id, kept, fps, original.frames])).toEqual([
      ['a.mp4', 5, 5, 10],
      ['b.avi', 10, 5, 50],
      ['c.mpeg', 10, 5, 50],
      ['d.mov', 5, 5, 30],
      ['e.gif', 5, 5, 10],
      // Slower than the sampling: every frame, none twice.
      ['sub/f.mkv', 8, 4, 8],
    ]);
    for (const record of records) expect(record.original).toMatchObject({ width: 64, height: 48 });
    expect(summary).toMatchObject({
      clips: 6,
      frames: 43,
      unlabelled: 6,
      groups: 6,
      rejected: [],
      damaged: [],
    });
    expect(frames).toBe(43);
    expect(new Set(records.map((record) => record.sourceSha256)).size).toBe(6);
  });

  test("the kept frames are those of the sampling times, and 'all' keeps every frame", async () => {
    const folder = source(put('a.mp4'));
    const outs = [fresh('all'), fresh('some')];
    await ingest({ source: folder, out: outs[0]!, fps: 'all' });
    await ingest({ source: folder, out: outs[1]!, fps: 3 });
    using all = openDataset(outs[0]!);
    using some = openDataset(outs[1]!);
    const [every, kept] = [all.clips[0]!, some.clips[0]!];
    expect([every.frames, every.fps, kept.frames, kept.fps]).toEqual([10, 10, 3, 3]);
    // 0 s, 1/3 s and 2/3 s at 10 frames a second: the first frame at or after each.
    for (const [index, original] of [0, 4, 7].entries()) {
      expect(some.readFrame(kept, index)).toEqual(all.readFrame(every, original));
    }
  });

  test('a clip of a fraction of a second still gives three frames where it has them', async () => {
    const folder = source();
    makeVideo(join(folder, 'short.mp4'), { fps: 25, seconds: 0.32 });
    makeVideo(join(folder, 'two.mp4'), { fps: 25, seconds: 0.08 });
    const { record } = await run(folder);
    expect(record('short.mp4')).toMatchObject({ frames: 3, fps: 9.375, flags: ['small'] });
    expect(record('two.mp4')).toMatchObject({ frames: 2, fps: 25, flags: ['few-frames', 'small'] });
  });

  test('the shorter side is scaled down to the size, never up; oblong pixels and turned videos come upright', async () => {
    const folder = source();
    makeVideo(join(folder, 'big.mp4'), { size: '128x96', fps: 5 });
    makeVideo(join(folder, 'tiny.mp4'), { size: '40x32', fps: 5 });
    makeVideo(join(folder, 'oblong.mp4'), {
      size: '128x96',
      fps: 5,
      options: ['-pix_fmt', 'yuv420p', '-vf', 'setsar=3/2'],
    });
    // A bright upper half, marked to be shown turned by a quarter.
    const upright = join(scratch, 'upright.mp4');
    makeVideo(upright, {
      source: 'color=black',
      size: '128x96',
      fps: 5,
      options: ['-vf', 'drawbox=h=48:c=white:t=fill', '-pix_fmt', 'yuv420p'],
    });
    const modern = Number.parseInt((await findVideoTools()).version) >= 6;
    makeWith(
      join(folder, 'turned.mp4'),
      modern
        ? ['-display_rotation', '90', '-i', upright, '-c', 'copy']
        : ['-i', upright, '-c', 'copy', '-metadata:s:v:0', 'rotate=90'],
    );
    const out = fresh('out');
    await ingest({ source: folder, out, size: 48 });
    using dataset = openDataset(out);
    expect(
      dataset.clips.map(({ id, width, height, original, flags }) => [
        id,
        width,
        height,
        original.width,
        original.height,
        flags.includes('small'),
      ]),
    ).toEqual([
      ['big.mp4', 64, 48, 128, 96, false],
      ['oblong.mp4', 96, 48, 192, 96, false],
      ['tiny.mp4', 40, 32, 40, 32, true],
      ['turned.mp4', 48, 64, 96, 128, false],
    ]);
    const frame = dataset.readFrame(dataset.clips[3]!, 0);
    // Turned against the clock, the upper half is now the left one.
    const row = frame.subarray(30 * 48, 31 * 48);
    expect([row[4]! > 245, row[43]! < 10]).toEqual([true, true]);
  });

  test('grey is the full range from 0 to 255, and colours stay colours', async () => {
    const folder = source();
    // The right half is dark grey, because a picture of one shade is dropped.
    const options = ['-vf', 'drawbox=x=32:w=32:c=0x101010:t=fill', '-c:v', 'ffv1', '-pix_fmt', 'yuv444p'];
    for (const colour of ['white', 'red']) {
      makeVideo(join(folder, `${colour}.mkv`), { source: `color=${colour}`, fps: 5, options });
    }
    const out = fresh('out');
    const grey = await run(folder, { crop: 'none' });
    expect(grey.dropped.duplicate).toBe(8);
    await ingest({ source: folder, out, channels: 3, crop: 'none' });
    using dataset = openDataset(out);
    expect(dataset.manifest.channels).toBe(3);
    const [red, white] = dataset.clips;
    const [r, g, b] = dataset.readFrame(red!, 0);
    expect([r! > 240, g! < 15, b! < 15]).toEqual([true, true, true]);
    expect([...dataset.readFrame(white!, 0).subarray(0, 3)]).toEqual([255, 255, 255]);
    using one = openDataset(grey.folder);
    expect(one.readFrame(one.clips[1]!, 0)[0]).toBe(255);
  });

  test('black beginnings and repeated frames are dropped and counted; a black clip is rejected with its reason', async () => {
    const folder = source(put('good.mp4'));
    const join2 = [
      '-filter_complex',
      'color=black:s=64x48:r=10:d=0.4[b];testsrc2=s=64x48:r=10:d=0.5,noise=alls=60:allf=t,tpad=stop_mode=clone:stop_duration=0.3[c];[b][c]concat=n=2:v=1:a=0',
      '-c:v',
      'ffv1',
    ];
    makeWith(join(folder, 'late.mkv'), join2);
    makeVideo(join(folder, 'night.mp4'), { source: 'color=black' });
    const { record, rejected, dropped } = await run(folder, { fps: 'all' });
    expect(record('late.mkv')).toMatchObject({
      frames: 5,
      dropped: { black: 4, blank: 0, duplicate: 3 },
      original: { frames: 12 },
    });
    expect(rejected).toEqual([{ source: 'night.mp4', reason: 'all of its 10 sampled frames are black' }]);
    expect(dropped).toEqual({ black: 14, blank: 0, duplicate: 3 });
  });

  test('file names may hold anything a file name may', async () => {
    const names = [
      '+ plus & [brackets] (1).mp4',
      '-leading -i dash.mp4',
      'new\nline.mp4',
      'ünïcode 超音波 🫁.mp4',
      'colon: per%03dcent.mp4',
      `quotes"'\`$HOME\\.mp4`,
      'no extension',
      'UPPER.MP4',
    ];
    const folder = source(...names.map((name) => put(name)));
    const { records, rejected } = await run(folder);
    expect(rejected).toEqual([]);
    expect(records.map(({ id }) => id)).toEqual([...names].sort());
    expect(new Set(records.map(({ frames }) => frames))).toEqual(new Set([5]));
  });

  test('one file alone is a source too', async () => {
    const { records } = await run(clip);
    expect(records.map(({ id, frames }) => [id, frames])).toEqual([['clip.mp4', 5]]);
  });

  test('two ingests are equal byte for byte, however many decoders run', async () => {
    const folder = source(put('a.mp4'), put('z.mp4'));
    makeVideo(join(folder, 'b.avi'), { fps: 25, seconds: 2, options: ['-c:v', 'mpeg4'] });
    makeVideo(join(folder, 'c.gif'), { options: [] });
    writeFileSync(join(folder, 'd.mp4'), 'broken');
    await makePicture(join(folder, 'e.png'));
    const [one, many] = [fresh('one'), fresh('many')];
    await ingest({ source: folder, out: one, parallel: 1 });
    await ingest({ source: folder, out: many, parallel: 4 });
    for (const name of ['frames.bin', 'clips.jsonl', 'dataset.json']) {
      expect(readFileSync(join(one, name)).equals(readFileSync(join(many, name)))).toBe(true);
    }
  });
});

describe('pictures', () => {
  test('single pictures are clips of one frame, upright and without alpha', async () => {
    const folder = source();
    await makePicture(join(folder, 'grey.png'), 1);
    await makePicture(join(folder, 'photo.JPG'), 2);
    const raw = { width: 40, height: 32, channels: 1 as const };
    writeFileSync(
      join(folder, 'turned.jpg'),
      await sharp(gradient(40, 32, 3), { raw })
        .jpeg()
        .withMetadata({ orientation: 6 })
        .toBuffer(),
    );
    const clear = { width: 40, height: 32, channels: 4 as const };
    writeFileSync(
      join(folder, 'clear.png'),
      await sharp(
        Buffer.alloc(40 * 32 * 4, 120).map((value, i) => (i % 4 === 3 ? (i > 2560 ? 255 : 0) : value)),
        { raw: clear },
      )
        .png()
        .toBuffer(),
    );
    const deep = new Uint16Array(40 * 32).map((_, i) => (i % 40) * 1638);
    writeFileSync(
      join(folder, 'deep.png'),
      await sharp(deep, { raw }).toColourspace('grey16').png().toBuffer(),
    );
    const out = fresh('out');
    await ingest({ source: folder, out });
    using dataset = openDataset(out);
    const byId = new Map(dataset.clips.map((record) => [record.id, record]));
    expect([...byId].map(([id, { width, height, frames, fps }]) => [id, width, height, frames, fps])).toEqual(
      [
        ['clear.png', 40, 32, 1, null],
        ['deep.png', 40, 32, 1, null],
        ['grey.png', 40, 32, 1, null],
        ['photo.JPG', 40, 32, 1, null],
        ['turned.jpg', 32, 40, 1, null],
      ],
    );
    for (const record of dataset.clips) expect(record.flags).toContain('still');
    expect(dataset.readFrame(byId.get('grey.png')!, 0)).toEqual(new Uint8Array(gradient(40, 32, 1)));
    const transparent = dataset.readFrame(byId.get('clear.png')!, 0);
    expect([transparent[0], transparent.at(-1)]).toEqual([0, 120]);
    const ramp = dataset.readFrame(byId.get('deep.png')!, 0);
    expect(ramp[0]).toBe(0);
    expect(ramp[39]).toBeGreaterThan(245);
    expect(ramp[20]).toBeGreaterThan(110);
    expect(ramp[20]).toBeLessThan(145);
  });

  test("folders of frames in USCL's layout are one clip each, frames in the order of their numbers, classes from folders", async () => {
    const folder = source();
    for (const [path, frames] of [
      ['covid/v1', 12],
      ['covid/v2', 3],
      ['regular/v1', 2],
    ] as const) {
      for (let i = 1; i <= frames; i++) await makePicture(join(folder, path, `frame${i}.png`), i);
    }
    writeFileSync(join(folder, 'README.txt'), 'about');
    const out = fresh('out');
    const { notes, classes, labelsFrom, ignored } = await ingest({ source: folder, out });
    expect(labelsFrom).toBe('folders');
    using dataset = openDataset(out);
    expect(dataset.clips.map(({ id, label, frames, fps }) => [id, label, frames, fps])).toEqual([
      ['covid/v1', 'covid', 12, null],
      ['covid/v2', 'covid', 3, null],
      ['regular/v1', 'regular', 2, null],
    ]);
    for (let i = 0; i < 12; i++) {
      expect(dataset.readFrame(dataset.clips[0]!, i)).toEqual(new Uint8Array(gradient(40, 32, i + 1)));
    }
    expect(classes).toEqual({ covid: 2, regular: 1 });
    expect(notes).toEqual([
      '3 folders of pictures were read as the frames of one clip each.',
      'Labels are the names of the class folders: covid, regular.',
    ]);
    expect(ignored).toBe(1);
    const lone = source();
    for (let i = 1; i <= 2; i++) await makePicture(join(lone, 'v1', `frame${i}.png`), i);
    const one = await ingest({ source: lone, out: fresh('one') });
    expect(one.notes).toEqual(['1 folder of pictures was read as the frames of one clip.']);
  });

  test('numbered pictures of different sizes are separate pictures, as are those in the source folder itself', async () => {
    const folder = source();
    for (let i = 1; i <= 3; i++) {
      await makePicture(join(folder, 'benign', `benign (${i}).png`), i, 40 + i, 32);
      await makePicture(join(folder, `scan${i}.png`), i);
    }
    const { records } = await run(folder);
    expect(records.map(({ id }) => id)).toEqual([
      ...['benign/benign (1).png', 'benign/benign (2).png', 'benign/benign (3).png'],
      ...['scan1.png', 'scan2.png', 'scan3.png'],
    ]);
  });

  test('the layout can be said', async () => {
    const folder = source();
    for (let i = 1; i <= 3; i++) await makePicture(join(folder, 'clip', `f${i}.png`), i);
    expect((await run(folder, { pictures: 'stills' })).clips).toBe(3);
    const whole = await run(join(folder, 'clip'), { pictures: 'frames' });
    expect(whole.records.map(({ id, frames }) => [id, frames])).toEqual([['clip', 3]]);
  });

  test('a frame that cannot be read is left out and the clip flagged; a clip with none is rejected', async () => {
    const folder = source();
    for (let i = 1; i <= 4; i++) {
      await makePicture(join(folder, 'v1', `f${i}.png`), i);
      await makePicture(join(folder, 'v2', `f${i}.png`), i);
    }
    truncateSync(join(folder, 'v1', 'f2.png'), 200);
    for (let i = 1; i <= 4; i++) writeFileSync(join(folder, 'v2', `f${i}.png`), i === 1 ? '' : 'no picture');
    const { record, damaged, rejected } = await run(folder);
    expect(record('v1')).toMatchObject({ frames: 3, flags: ['unlike-frames', 'damaged', 'small'] });
    expect(damaged).toEqual([{ source: 'v1', reason: expect.stringMatching(/^f2\.png: /) as string }]);
    expect(rejected).toEqual([
      {
        source: 'v2',
        reason: expect.stringMatching(/^none of its 4 pictures can be read; f1\.png: it is empty/) as string,
      },
    ]);
  });

  test('no ffmpeg is needed where there is no video, and its absence is said where there is', async () => {
    const folder = source();
    await makePicture(join(folder, 'a.png'));
    const path = process.env['PATH'];
    process.env['PATH'] = scratch;
    try {
      expect((await run(folder)).clips).toBe(1);
      put('b.mp4')(folder);
      const error = await failureOf(ingest({ source: folder, out: fresh('out') }));
      expect(error).toMatchObject({ code: 'TOOL_MISSING', exitCode: 5 });
      expect(error.remedy).toMatch(/apt-get install ffmpeg/);
    } finally {
      process.env['PATH'] = path;
    }
  });
});

describe('bad sources', () => {
  test('what cannot be read is listed with its reason and the rest goes on', async () => {
    const folder = source(put('good.mp4'), put('also good.avi'));
    writeFileSync(join(folder, 'empty.mp4'), '');
    writeFileSync(join(folder, 'text.mp4'), 'not a video at all\n'.repeat(100));
    writeFileSync(
      join(folder, 'noise.mov'),
      Uint8Array.from({ length: 20000 }, (_, i) => (i * 7919) % 251),
    );
    writeFileSync(join(folder, 'data.xyz'), 'hello');
    writeFileSync(join(folder, 'list.m3u8'), `#EXTM3U\n#EXTINF:1,\n${clip}\n`);
    writeFileSync(join(folder, 'pair.ffconcat'), 'ffconcat version 1.0\nfile good.mp4\n');
    copyFileSync(clip, join(folder, 'cut.mp4'));
    truncateSync(join(folder, 'cut.mp4'), 2000);
    makeWith(join(folder, 'sound.wav'), ['-f', 'lavfi', '-i', 'sine=d=0.1']);
    makeVideo(join(folder, 'thin.mkv'), { size: '64x8', options: ['-c:v', 'ffv1'] });
    const { records, rejected } = await run(folder);
    expect(records.map(({ id }) => id)).toEqual(['also good.avi', 'good.mp4']);
    const reasons = new Map(rejected.map(({ source: path, reason }) => [path, reason]));
    expect([...reasons.keys()].sort()).toEqual([
      'cut.mp4',
      'data.xyz',
      'empty.mp4',
      'list.m3u8',
      'noise.mov',
      'pair.ffconcat',
      'sound.wav',
      'text.mp4',
      'thin.mkv',
    ]);
    expect(reasons.get('cut.mp4')).toMatch(/moov atom not found/);
    expect(reasons.get('list.m3u8')).toMatch(/playlists are not followed|Invalid|whitelist/);
    expect(reasons.get('pair.ffconcat')).toMatch(/playlists are not followed/);
    expect(reasons.get('sound.wav')).toMatch(/no video stream/);
    expect(reasons.get('thin.mkv')).toMatch(/only 64×8 pixels/);
    for (const reason of reasons.values()) {
      expect(reason).not.toMatch(/\n|0x[0-9a-f]+/);
      expect(reason).not.toContain(folder);
    }
  });

  test('a video cut off in the middle gives the frames it has, flagged and reported', async () => {
    const folder = source();
    const path = join(folder, 'half.mp4');
    makeVideo(path, {
      fps: 25,
      seconds: 2,
      size: '160x120',
      options: ['-pix_fmt', 'yuv420p', '-movflags', '+faststart'],
    });
    truncateSync(path, Math.floor(readFileSync(path).length * 0.6));
    const { record, damaged } = await run(folder, { fps: 'all' });
    expect(record('half.mp4').flags).toContain('damaged');
    expect(record('half.mp4').frames).toBeGreaterThan(5);
    expect(record('half.mp4').frames).toBeLessThan(45);
    expect(damaged.map(({ source: id }) => id)).toEqual(['half.mp4']);
  });

  test('random damage to a video never ends more than that video', async () => {
    const original = join(scratch, 'fuzz.mp4');
    makeVideo(original, { options: ['-pix_fmt', 'yuv420p', '-movflags', '+faststart'] });
    const bytes = readFileSync(original);
    const folder = source(put('good.mp4'));
    for (let seed = 0; seed < 6; seed++) {
      const random = randomAt(seed, 'damage');
      const damagedBytes = Buffer.from(bytes);
      for (let i = 0; i < 1 + seed * 5; i++) damagedBytes[random.integer(bytes.length)] = random.integer(256);
      writeFileSync(join(folder, `damaged${seed}.mp4`), damagedBytes);
    }
    const { records, rejected } = await run(folder);
    expect(records.length + rejected.length).toBe(7);
    expect(records.some(({ id }) => id === 'good.mp4')).toBe(true);
  });

  test('strict stops at the first thing that is wrong, and leaves nothing', async () => {
    const broken = source(put('a.mp4'), put('b.mp4'));
    writeFileSync(join(broken, 'a2.mp4'), 'broken');
    const out = fresh('out');
    const error = await failureOf(ingest({ source: broken, out, strict: true }));
    expect(error).toMatchObject({ code: 'INGEST_STRICT', exitCode: 3, where: 'a2.mp4' });
    expect(existsSync(out)).toBe(false);

    const labels = fresh('labels.csv');
    writeFileSync(labels, 'clip,label\na,x\nc,y\n');
    const good = source(put('a.mp4'));
    expect((await failureOf(ingest({ source: good, out, labels, strict: true }))).message).toMatch(
      /"c" fits no clip/,
    );
    expect((await run(good, { strict: true })).clips).toBe(1);
    expect(readdirSync(scratch).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  test('links out of the source, pipes and links to folders are not followed; links inside are', async () => {
    const folder = source(put('real.mp4'));
    symlinkSync('real.mp4', join(folder, 'alias.mp4'));
    symlinkSync(clip, join(folder, 'outside.mp4'));
    symlinkSync('.', join(folder, 'loop'));
    execFileSync('mkfifo', [join(folder, 'pipe.mp4')]);
    const { records, rejected } = await run(folder);
    expect(records.map(({ id }) => id)).toEqual(['alias.mp4', 'real.mp4']);
    expect(rejected).toEqual([
      { source: 'loop', reason: 'it is a link to a folder' },
      { source: 'outside.mp4', reason: 'it is a link that leads out of the source folder' },
      { source: 'pipe.mp4', reason: 'it is a pipe' },
    ]);
  });

  test('no source, an empty one, one with nothing to read', async () => {
    const out = fresh('out');
    expect(await failureOf(ingest({ source: join(scratch, 'nowhere'), out }))).toMatchObject({
      code: 'SOURCE_MISSING',
      exitCode: 3,
    });
    expect(await failureOf(ingest({ source: source(), out }))).toMatchObject({
      code: 'SOURCE_EMPTY',
      exitCode: 3,
    });
    const texts = source((folder) => {
      writeFileSync(join(folder, 'notes.txt'), '');
    });
    expect((await failureOf(ingest({ source: texts, out }))).message).toMatch(/1 files were passed over/);
    const broken = source((folder) => {
      writeFileSync(join(folder, 'a.mp4'), 'x');
    });
    const error = await failureOf(ingest({ source: broken, out }));
    expect(error.code).toBe('DATASET_EMPTY');
    expect(error.message).toMatch(/a\.mp4/);
    expect(existsSync(out)).toBe(false);
  });

  test('a folder without permission is listed where it lies inside, and an error where it is the source', async () => {
    const folder = source();
    await makePicture(join(folder, 'a.png'));
    mkdirSync(join(folder, 'locked'));
    for (const path of [scratch, folder]) chmodSync(path, 0o777);
    chmodSync(join(folder, 'locked'), 0o000);
    await asOrdinaryUser(async () => {
      const { rejected, clips } = await run(folder);
      expect(clips).toBe(1);
      expect(rejected).toEqual([
        { source: 'locked', reason: expect.stringMatching(/may not read it/) as string },
      ]);
      const error = await failureOf(ingest({ source: join(folder, 'locked'), out: fresh('out') }));
      expect(error).toMatchObject({ code: 'SOURCE_UNREADABLE', exitCode: 3 });
    });
    chmodSync(join(folder, 'locked'), 0o755);
  });

  test('a dataset inside the source is no source, nor is the output itself', async () => {
    const folder = source(put('a.mp4'));
    await writeSmallDataset(join(folder, 'older'));
    const out = join(folder, 'out');
    await ingest({ source: folder, out });
    const again = await ingest({ source: folder, out, overwrite: true });
    expect([again.clips, again.rejected]).toEqual([1, []]);
  });

  test('a label table of something else ends the ingest before anything is decoded', async () => {
    const labels = fresh('labels.csv');
    writeFileSync(labels, 'clip,label\nzebra,x\n');
    const seen: number[] = [];
    const error = await failureOf(
      ingest({
        source: source(put('a.mp4')),
        out: fresh('out'),
        labels,
        onProgress: (done) => seen.push(done),
      }),
    );
    expect(error).toMatchObject({ code: 'LABELS_NO_MATCH', exitCode: 3 });
    expect(seen).toEqual([]);
  });

  test('impossible options are usage errors that name the option', async () => {
    const folder = source(put('a.mp4'));
    for (const [option, value] of [
      ['size', 8],
      ['size', 100.5],
      ['size', NaN],
      ['fps', 0],
      ['fps', -1],
      ['fps', NaN],
      ['fps', Infinity],
      ['parallel', 0],
      ['recipeOptions', { label: 'x' }],
    ] as const) {
      const error = await failureOf(ingest({ source: folder, out: fresh('out'), [option]: value }));
      expect(error).toMatchObject({ code: 'INGEST_OPTION', exitCode: 2, where: option });
    }
  });
});

describe('frames worth having', () => {
  test('blank frames are dropped and counted, in colour too', async () => {
    const folder = source();
    makeWith(join(folder, 'late.mkv'), [
      '-filter_complex',
      'color=gray:s=64x48:r=10:d=0.3[a];color=0x2040a0:s=64x48:r=10:d=0.2[b];testsrc2=s=64x48:r=10:d=0.5,noise=alls=60:allf=t[c];[a][b][c]concat=n=3:v=1:a=0',
      ...['-c:v', 'ffv1'],
    ]);
    for (const channels of [1, 3] as const) {
      const { record } = await run(folder, { fps: 'all', channels });
      expect(record('late.mkv')).toMatchObject({ frames: 5, dropped: { black: 0, blank: 5, duplicate: 0 } });
    }
  });

  test('by motion, as many frames as in time come from where the picture moves', async () => {
    const folder = source();
    // Two seconds still, two in which a disc crosses the picture.
    makeWith(join(folder, 'rest.mkv'), [
      ...['-f', 'lavfi', '-i', 'testsrc=s=96x64:r=10:d=4,format=gray'],
      ...['-vf', "geq=lum='if(lt(hypot(X-20-max(0\\,T-2)*28\\,Y-32)\\,14)\\,220\\,60+mod(X*3+Y\\,40))'"],
      ...['-c:v', 'ffv1'],
    ]);
    const inTime = await run(folder, { crop: 'none' });
    const byMotion = await run(folder, { crop: 'none', sampling: 'motion' });
    // In time, half of the twenty samples are of the picture at rest, and all but one of those repeat it.
    expect(inTime.frames).toBeLessThan(13);
    expect(inTime.records[0]?.flags).toEqual(['small']);
    expect(byMotion.records[0]?.flags).toContain('by-motion');
    expect(byMotion.frames).toBeGreaterThan(15);
    expect(byMotion.records[0]?.original.frames).toBe(40);
    expect(byMotion.manifest.made).toMatchObject({ sampling: 'motion' });
  });

  test('a clip that mostly repeats itself is flagged as frozen', async () => {
    const folder = source();
    makeWith(join(folder, 'freeze.mkv'), [
      '-filter_complex',
      'testsrc2=s=64x48:r=10:d=0.4,noise=alls=60:allf=t,tpad=stop_mode=clone:stop_duration=1.6',
      ...['-c:v', 'ffv1'],
    ]);
    const { record, flags } = await run(folder, { fps: 'all' });
    expect(record('freeze.mkv').flags).toContain('frozen');
    expect(flags['frozen']).toBe(1);
  });
});

describe('output', () => {
  test('a place that cannot be written is said before anything is decoded', async () => {
    const file = fresh('file');
    writeFileSync(file, '');
    const seen: number[] = [];
    const options = { source: source(put('a.mp4')), onProgress: (done: number) => seen.push(done) };
    expect(await failureOf(ingest({ ...options, out: join(file, 'set') }))).toMatchObject({
      code: 'WRITE_FAILED',
      exitCode: 5,
    });
    expect(await failureOf(ingest({ ...options, out: file }))).toMatchObject({
      code: 'OUTPUT_NOT_OURS',
      exitCode: 2,
    });
    expect(seen).toEqual([]);
  });

  test('labels, groups, progress and the manifest tell what was done', async () => {
    const folder = source(put('p1/a.mp4'), put('p1/b.mp4'), put('p2/c.mp4'));
    const labels = fresh('labels.csv');
    writeFileSync(labels, 'clip,label,group\na,sick,p1\nb,,p1\nghost,well,p9\n');
    const steps: [number, number, string?][] = [];
    const onProgress = (done: number, total: number, note?: string): void => {
      steps.push(note === undefined ? [done, total] : [done, total, note]);
    };
    const result = await run(folder, { labels, onProgress, name: 'mine', fps: 'all' });
    expect(result).toMatchObject({
      classes: { sick: 1 },
      unlabelled: 2,
      groups: 2,
      unmatchedLabels: ['ghost'],
      withoutRow: ['p2/c.mp4'],
    });
    expect(result.records.map(({ label, group }) => [label, group])).toEqual([
      ['sick', 'p1'],
      [null, 'p1'],
      [null, 'p2/c.mp4'],
    ]);
    expect(steps).toEqual([
      [0, 3],
      [1, 3, 'p1/a.mp4'],
      [2, 3, 'p1/b.mp4'],
      [3, 3, 'p2/c.mp4'],
    ]);
    expect(result.manifest).toMatchObject({
      name: 'mine',
      classes: ['sick'],
      made: { command: 'ingest', fps: 'all', recipe: null },
    });
    // Nothing of the machine it was made on.
    expect(JSON.stringify(result.manifest)).not.toContain(scratch);
  });

  test('an abort ends it at once and keeps the older dataset; the next ingest goes on and leaves nothing else', async () => {
    const folder = source(...Array.from({ length: 4 }, (_, i) => put(`${i}.mp4`)));
    const parent = fresh('parent');
    const out = join(parent, 'set');
    await ingest({ source: source(put('old.mp4')), out });
    const abort = new AbortController();
    const onProgress = (done: number): void => {
      if (done === 2) abort.abort(new Error('stopped by hand'));
    };
    await expect(
      ingest({ source: folder, out, overwrite: true, signal: abort.signal, onProgress }),
    ).rejects.toThrow('stopped by hand');
    expect(readdirSync(parent)).toEqual([expect.stringMatching(/^\.set\..*\.tmp$/), 'set']);
    using dataset = openDataset(out);
    expect(dataset.clips.map(({ id }) => id)).toEqual(['old.mp4']);
    const { reused, clips } = await ingest({ source: folder, out, overwrite: true });
    expect([reused, clips]).toEqual([2, 4]);
    expect(readdirSync(parent)).toEqual(['set']);
    const early = ingest({
      source: folder,
      out: fresh('out'),
      signal: AbortSignal.abort(new Error('never began')),
    });
    await expect(early).rejects.toThrow('never began');
  });
});

/** Runs `action` without root's right to read everything. */
async function asOrdinaryUser(action: () => Promise<void>): Promise<void> {
  if (process.getuid?.() !== 0) return action();
  process.seteuid?.(65534);
  try {
    await action();
  } finally {
    process.seteuid?.(0);
  }
}
