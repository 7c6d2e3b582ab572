/**
 * Without cropping, an ingest stores the very bytes that it stored before it could find fields: of stills by digests
 * that were recorded then, of videos against ffmpeg alone with the same filter. Only the grey of the coloured still is
 * younger: its formula is held in `stills.test.ts`.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp, { type Sharp } from 'sharp';
import { beforeAll, expect, test } from 'vitest';
import { ingest } from '../../src/ingest/ingest.ts';
import { scratchFolder } from '../dataset/helpers.ts';
import { gradient, makeVideo } from './media.ts';

const scratch = scratchFolder();
const stills = join(scratch, 'stills');
const videos = join(scratch, 'videos');
let count = 0;

beforeAll(async () => {
  mkdirSync(stills);
  const grey = (width: number, height: number, seed: number) =>
    sharp(gradient(width, height, seed), { raw: { width, height, channels: 1 } });
  const put = async (name: string, picture: Sharp): Promise<void> => {
    writeFileSync(join(stills, name), await picture.toBuffer());
  };
  await put('as-it-is.png', grey(40, 32, 1).png());
  await put('scaled.png', grey(160, 120, 2).png());
  await put('tall.png', grey(61, 200, 3).png());
  await put('turned.png', grey(90, 70, 4).png().withMetadata({ orientation: 6 }));
  const colour = Buffer.from(gradient(80, 60 * 4, 5));
  await put('clear.png', sharp(colour, { raw: { width: 80, height: 60, channels: 4 } }).png());
  makeVideo(join(videos, 'a.mp4'), { size: '160x120', seconds: 2 });
  makeVideo(join(videos, 'b.avi'), { size: '90x160', fps: 25, options: ['-c:v', 'mpeg4'] });
  makeVideo(join(videos, 'c.mkv'), { size: '40x32', options: ['-c:v', 'ffv1'] });
});

async function bytesOf(source: string, options: { channels: 1 | 3; fps?: 'all' }): Promise<Buffer> {
  const out = join(scratch, `out-${++count}`);
  await ingest({ source, out, size: 48, crop: 'none', ...options });
  return readFileSync(join(out, 'frames.bin'));
}

test.each([
  [1, '3f07795fd803630770b69db6a93ff63595b6ba18b13852edb4affbee2e01912b'],
  [3, 'd39bf7b5e0d6be519fa3a3fa5f725794d060ad9e4c180a7c57e8fb5b4ffb5dec'],
] as const)('stills of %i channels give the recorded bytes', async (channels, digest) => {
  const bytes = await bytesOf(stills, { channels });
  expect(createHash('sha256').update(bytes).digest('hex')).toBe(digest);
});

test.each([1, 3] as const)(
  'videos of %i channels give the bytes that ffmpeg alone gives',
  async (channels) => {
    const bytes = await bytesOf(videos, { channels, fps: 'all' });
    const sizes = { 'a.mp4': '64:48', 'b.avi': '48:85', 'c.mkv': '40:32' };
    const expected = Object.entries(sizes).map(([name, size]) =>
      execFileSync('ffmpeg', [
        ...['-nostdin', '-v', 'error', '-i', `file:${join(videos, name)}`],
        ...['-vf', `scale=${size}:flags=area+accurate_rnd+full_chroma_int+bitexact`],
        ...['-f', 'rawvideo', '-pix_fmt', channels === 1 ? 'gray' : 'rgb24', 'pipe:1'],
      ]),
    );
    expect(bytes.equals(Buffer.concat(expected))).toBe(true);
  },
);
