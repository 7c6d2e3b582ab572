/** Videos decoded in one process: nothing of the outcome may tell. */
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { ingest } from '../../src/ingest/ingest.ts';
import type { VideoTools } from '../../src/video/ffmpeg.ts';
import { findVideoTools } from '../../src/video/ffmpeg.ts';
import type { DecodeOptions, VideoJob } from '../../src/ingest/video/decode.ts';
import { decodeTogether, decodeVideo } from '../../src/ingest/video/decode.ts';
import { runsOf } from '../../src/ingest/video/group.ts';
import { probeVideo } from '../../src/video/probe.ts';
import { scratchFolder } from '../dataset/helpers.ts';
import { failureOf, makePicture, makeVideo } from './media.ts';

const scratch = scratchFolder();
const plain = ['-pix_fmt', 'yuv420p', '-movflags', '+faststart'];
let tools: VideoTools;

beforeAll(async () => {
  tools = await findVideoTools();
  makeVideo(join(scratch, 'a.mp4'), { fps: 25, seconds: 2, size: '160x120', options: plain });
  makeVideo(join(scratch, 'b.avi'), { fps: 10, seconds: 1, options: ['-c:v', 'mpeg4'] });
  makeVideo(join(scratch, 'c.mkv'), { fps: 30, seconds: 3, size: '96x128', options: ['-c:v', 'ffv1'] });
  const half = join(scratch, 'half.mp4');
  copyFileSync(join(scratch, 'a.mp4'), half);
  truncateSync(half, Math.floor(readFileSync(half).length * 0.6));
});

/** Comparing megabytes element by element would take minutes. */
function digest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

async function jobOf(name: string, options: Partial<DecodeOptions> = {}): Promise<VideoJob> {
  const path = join(scratch, name);
  const info = await probeVideo(path);
  const { width, height } = info;
  const size = { width: Math.round(width / 2), height: Math.round(height / 2) };
  return { path, info, maxFrames: 100, options: { size, channels: 1, fps: 5, tools, ...options } };
}

async function alone({ path, info, options }: VideoJob): Promise<Uint8Array[]> {
  const frames: Uint8Array[] = [];
  for await (const frame of decodeVideo(path, info, options)) frames.push(frame);
  return frames;
}

describe('videos decoded in one process', () => {
  test('give the frames that each gives alone', async () => {
    const jobs = [
      await jobOf('a.mp4'),
      await jobOf('b.avi', { channels: 3 }),
      await jobOf('c.mkv', { fps: 'all' }),
    ];
    const together = await decodeTogether(jobs);
    expect(together?.map((frames) => frames.length)).toEqual([10, 5, 90]);
    expect(together?.map((frames) => frames.map(digest))).toEqual(
      (await Promise.all(jobs.map(alone))).map((frames) => frames.map(digest)),
    );
  });

  test('are none of them taken where one is damaged or gives more than it declared', async () => {
    const good = await jobOf('a.mp4');
    expect(await decodeTogether([good, await jobOf('half.mp4', { fps: 'all' })])).toBeNull();
    expect(await decodeTogether([good, { ...(await jobOf('b.avi')), maxFrames: 4 }])).toBeNull();
    expect(
      await decodeTogether([good, { ...(await jobOf('b.avi')), path: join(scratch, 'gone.avi') }]),
    ).toBeNull();
  });

  test('end with an abort, by its reason', async () => {
    const stop = new AbortController();
    const jobs = [
      await jobOf('a.mp4', { signal: stop.signal }),
      await jobOf('c.mkv', { signal: stop.signal }),
    ];
    const decoding = decodeTogether(jobs);
    stop.abort(new Error('enough'));
    await expect(decoding).rejects.toThrow('enough');
  });
});

describe('an ingest', () => {
  const source = join(scratch, 'source');
  beforeAll(async () => {
    mkdirSync(source);
    for (let i = 0; i < 6; i++) copyFileSync(join(scratch, 'a.mp4'), join(source, `a${i}.mp4`));
    copyFileSync(join(scratch, 'half.mp4'), join(source, 'a2-half.mp4'));
    copyFileSync(join(scratch, 'b.avi'), join(source, 'a3-b.avi'));
    copyFileSync(join(scratch, 'c.mkv'), join(source, 'b0-c.mkv'));
    copyFileSync(join(scratch, 'b.avi'), join(source, 'b1.avi'));
    writeFileSync(join(source, 'a1-text.mp4'), 'hello');
    await makePicture(join(source, 'b2.png'));
    copyFileSync(join(scratch, 'half.mp4'), join(source, 'b3-half.mp4'));
    // More frames, at their own size, than wait in memory.
    makeVideo(join(source, 'a4-long.mp4'), { fps: 10, seconds: 6, size: '640x480', options: plain });
  });

  async function run(parallel: number, fps: number | 'all', crop: 'auto' | 'none') {
    const out = join(scratch, `out-${parallel}-${fps}-${crop}`);
    const { rejected, damaged } = await ingest({ source, out, parallel, fps, crop });
    const files = ['frames.bin', 'clips.jsonl', 'dataset.json'].map((file) =>
      digest(readFileSync(join(out, file))),
    );
    return { rejected, damaged, files };
  }

  test('gives the same whether videos are decoded together or not', async () => {
    for (const crop of ['auto', 'none'] as const) {
      // With so many decoders there are no groups.
      const single = await run(16, 10, crop);
      expect(single.rejected.map(({ source: path }) => path)).toEqual(['a1-text.mp4']);
      expect(single.damaged.length).toBe(2);
      expect(await run(crop === 'auto' ? 1 : 2, 10, crop)).toEqual(single);
    }
  });

  test('of groups stops at the first thing that is wrong when it is strict', async () => {
    const out = join(scratch, 'strict');
    expect(await failureOf(ingest({ source, out, parallel: 1, strict: true }))).toMatchObject({
      code: 'INGEST_STRICT',
      where: 'a1-text.mp4',
    });
  });
});

test('groups are of videos in a row, and several for each decoder', () => {
  const video = Array.from({ length: 48 }, () => true);
  expect([0, 8, 45].map(runsOf(video, 2))).toEqual([8, 8, 3]);
  expect([0, 5].map(runsOf(video, 4))).toEqual([4, 4]);
  expect([0, 40].map(runsOf(video, 32))).toEqual([1, 1]);
  const mixed = video.map((_, i) => i !== 3 && i !== 4);
  expect([0, 3, 4, 5].map(runsOf(mixed, 2))).toEqual([3, 1, 1, 8]);
});
