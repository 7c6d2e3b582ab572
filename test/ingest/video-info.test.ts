/** What a video's own header tells is what ffprobe tells, and decoding by it gives what decoding without it gives. */
import { copyFileSync, existsSync, readdirSync } from 'node:fs';
import { extname, join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { VideoTools } from '../../src/ingest/video.ts';
import { decodeVideo, findVideoTools, probeVideo, readVideoInfo } from '../../src/ingest/video.ts';
import { scratchFolder } from '../dataset/helpers.ts';
import { makeVideo } from './media.ts';

const scratch = scratchFolder();
const dataFolder = process.env['USCL_TEST_DATA'] ?? '../shared/data';
let tools: VideoTools;

beforeAll(async () => {
  tools = await findVideoTools();
  const size = '96x64';
  makeVideo(join(scratch, 'a.mp4'), { fps: 25, seconds: 1, size, options: ['-pix_fmt', 'yuv420p'] });
  makeVideo(join(scratch, 'b.avi'), { fps: 10, seconds: 1, size, options: ['-c:v', 'mpeg4'] });
  makeVideo(join(scratch, 'c.gif'), { fps: 10, seconds: 1, size, options: ['-f', 'gif'] });
  makeVideo(join(scratch, 'd.mpeg'), { fps: 25, seconds: 1, size, options: ['-c:v', 'mpeg2video'] });
  copyFileSync(join(scratch, 'a.mp4'), join(scratch, 'mp4.avi'));
  copyFileSync(join(scratch, 'b.avi'), join(scratch, 'avi.mpg'));
  copyFileSync(join(scratch, 'c.gif'), join(scratch, 'gif.mp4'));
  copyFileSync(join(scratch, 'd.mpeg'), join(scratch, 'MPEG.MPG'));
  copyFileSync(join(scratch, 'd.mpeg'), join(scratch, 'mpeg.gif'));
});

async function framesOf(name: string, isAsked: boolean): Promise<Buffer> {
  const path = join(scratch, name);
  const info = await (isAsked ? probeVideo(path) : readVideoInfo(path));
  const frames: Uint8Array[] = [];
  for await (const frame of decodeVideo(path, info, { size: info, channels: 1, fps: 5, tools }))
    frames.push(frame);
  return Buffer.concat(frames);
}

describe('a video', () => {
  test.each([
    ['a.mp4', 'mov'],
    ['b.avi', 'avi'],
    ['c.gif', 'gif'],
    ['d.mpeg', 'mpeg'],
    ['mp4.avi', 'mov'],
    ['MPEG.MPG', 'mpeg'],
    ['avi.mpg', null],
    ['gif.mp4', null],
    ['mpeg.gif', null],
  ])('%s is told of by its header (%s), or by ffprobe, and decodes to the same', async (name, demuxer) => {
    const told = await readVideoInfo(join(scratch, name));
    expect(told).toEqual({ ...(await probeVideo(join(scratch, name))), demuxer });
    const frames = await framesOf(name, false);
    expect(frames.length).toBeGreaterThan(4 * told.width * told.height);
    expect(frames.equals(await framesOf(name, true))).toBe(true);
  });
});

const pocus = join(dataFolder, 'pocus');
test.skipIf(!existsSync(pocus))(
  'of a real set is hardly ever asked of ffprobe',
  { timeout: 60_000 },
  async () => {
    const videos = readdirSync(pocus, { recursive: true, encoding: 'utf8' }).filter((path) =>
      ['.avi', '.gif', '.mpeg', '.mov', '.mp4'].includes(extname(path).toLowerCase()),
    );
    let asked = 0;
    for (const path of videos) if ((await readVideoInfo(join(pocus, path))).demuxer === null) asked++;
    expect(videos.length).toBeGreaterThan(90);
    expect(asked).toBeLessThan(5);
  },
);
