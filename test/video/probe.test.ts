/**
 * What is told of a video is what ffmpeg makes of it: held to the frames that ffmpeg itself writes, and the same whether
 * files are looked into together or one by one.
 */
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { ingest } from '../../src/ingest/ingest.ts';
import type { VideoTools } from '../../src/video/ffmpeg.ts';
import { findVideoTools } from '../../src/video/ffmpeg.ts';
import { decodeVideo } from '../../src/ingest/video/decode.ts';
import { probeAhead, probeTogether, probeVideo } from '../../src/video/probe.ts';
import { scratchFolder } from '../dataset/helpers.ts';
import { makeVideo, makeWith } from '../ingest/media.ts';

const scratch = scratchFolder();
const dataFolder = process.env['USCL_TEST_DATA'] ?? '../shared/data';
const at = (name: string): string => join(scratch, name);
let tools: VideoTools;

const yuv = ['-pix_fmt', 'yuv420p'];

beforeAll(async () => {
  tools = await findVideoTools();
  const size = '96x64';
  makeVideo(at('a.mp4'), { fps: 25, seconds: 4, size, options: [...yuv, '-g', '50'] });
  makeVideo(at('b.avi'), { fps: 10, seconds: 1, size, options: ['-c:v', 'mpeg4'] });
  makeVideo(at('c.gif'), { fps: 10, seconds: 1, size, options: ['-f', 'gif'] });
  makeVideo(at('d.mpeg'), { fps: 25, seconds: 1, size, options: ['-c:v', 'mpeg2video'] });
  makeVideo(at('e.mkv'), { fps: 25, seconds: 1, size, options: ['-c:v', 'ffv1'] });
  makeVideo(at('e30.mkv'), { fps: 30, seconds: 1, size, options: ['-c:v', 'ffv1'] });
  makeVideo(at('f.avi'), { fps: 10, seconds: 1, size, options: ['-c:v', 'mpeg4', '-vf', 'setsar=4/3'] });
  makeVideo(at('one.mp4'), { fps: 10, seconds: 0.1, size, options: yuv });
  makeVideo(at('g.ts'), { fps: 25, seconds: 1, size, options: yuv });
  copyFileSync(at('a.mp4'), at('mp4.avi'));
  copyFileSync(at('c.gif'), at('gif.mp4'));
  const uneven = `select='not(eq(mod(n,4),1))'`;
  makeVideo(at('uneven.mp4'), {
    fps: 20,
    seconds: 2,
    size,
    options: [...yuv, '-vf', uneven, ...tools.keepTimes],
  });
  const turn = Number.parseInt(tools.version) >= 6;
  makeWith(
    at('turned.mov'),
    turn
      ? ['-display_rotation', '90', '-i', at('a.mp4'), '-c', 'copy']
      : ['-i', at('a.mp4'), '-c', 'copy', '-metadata:s:v:0', 'rotate=90'],
  );
  writeFileSync(at('text.mp4'), 'hello');
});

/** Frames [height, width] u8 as ffmpeg writes them when it is not told which stream, each with its own time. */
function framesOfFfmpeg(name: string): Buffer {
  const args = ['-nostdin', '-v', 'error', '-i', at(name), ...tools.keepTimes];
  return execFileSync('ffmpeg', [...args, '-pix_fmt', 'gray', '-f', 'rawvideo', '-'], { maxBuffer: 2 ** 28 });
}

async function framesOf(name: string): Promise<Buffer> {
  const info = await probeVideo(at(name));
  const frames: Uint8Array[] = [];
  for await (const frame of decodeVideo(at(name), info, { size: info, channels: 1, fps: 'all', tools }))
    frames.push(frame);
  expect(frames.length).toBe(info.frames);
  return Buffer.concat(frames);
}

describe('videos looked into together', () => {
  const plain = ['a.mp4', 'b.avi', 'c.gif', 'd.mpeg', 'e.mkv', 'f.avi', 'mp4.avi', 'gif.mp4'];
  const others = ['g.ts', 'one.mp4', 'uneven.mp4', 'e30.mkv'];

  test('are told of as by ffprobe, plain ones by one process', async () => {
    const infos = await probeTogether(plain.map(at));
    expect(infos).toEqual(await Promise.all(plain.map((name) => probeVideo(at(name)))));
    expect(infos.map((info) => [info?.width, info?.height, info?.fps, info?.frames])).toEqual([
      [96, 64, 25, 100],
      [96, 64, 10, 10],
      [96, 64, 10, 10],
      [96, 64, 25, 25],
      [96, 64, 25, 25],
      [128, 64, 10, 10],
      [96, 64, 25, 100],
      [96, 64, 10, 10],
    ]);
  });

  test('are left to ffprobe where frames are not even, and all of them where one is turned or unreadable', async () => {
    expect(await probeTogether(others.map(at))).toEqual(others.map(() => null));
    expect(await probeVideo(at('g.ts'))).toMatchObject({ width: 96, height: 64, fps: 25, frames: 25 });
    expect(await probeTogether([at('a.mp4'), at('turned.mov')])).toEqual([null, null]);
    expect(await probeTogether([at('a.mp4'), at('text.mp4')])).toEqual([null, null]);
  });

  test('are told of ahead as they are one by one, with the failure of each', async () => {
    const names = [...plain, ...others, 'turned.mov', 'text.mp4', 'gone.mp4', ...plain];
    const paths = [...new Set(names)].map(at);
    const probe = probeAhead(paths);
    const outcome = (asked: Promise<unknown>): Promise<unknown> => asked.catch((thrown: unknown) => thrown);
    const one = await Promise.all(paths.map((path) => outcome(probeVideo(path))));
    expect(await Promise.all(paths.map((path) => outcome(probe(path))))).toEqual(one);
    expect(await probe(at('a.mp4'))).toMatchObject({ frames: 100 });
  });

  test('end with an abort, by its reason', async () => {
    const stop = new AbortController();
    const probe = probeAhead(plain.map(at));
    const asked = Promise.all(plain.map((name) => probe(at(name), stop.signal)));
    stop.abort(new Error('enough'));
    await expect(asked).rejects.toThrow('enough');
  });
});

describe('a video cut by its edit list', () => {
  beforeAll(() => {
    // Without pictures that wait for later ones, so that a cut has no holes at its end.
    const inOrder = [...yuv, '-g', '50', '-bf', '0'];
    makeVideo(at('p.mp4'), { fps: 25, seconds: 4, size: '96x64', options: inOrder });
    const copy = ['-c', 'copy'];
    makeWith(at('trim.mp4'), ['-ss', '2.7', '-i', at('p.mp4'), '-t', '0.4', ...copy]);
    makeWith(at('trim.mov'), ['-ss', '0.9', '-i', at('p.mp4'), '-t', '1', ...copy]);
    makeWith(at('late.mp4'), ['-itsoffset', '0.5', '-i', at('a.mp4'), ...copy]);
    writeFileSync(
      at('delayed.mp4'),
      withEdits(at('a.mp4'), [
        [10, null],
        [5, 20],
      ]),
    );
    writeFileSync(
      at('several.mp4'),
      withEdits(at('a.mp4'), [
        [5, 0],
        [3, 20],
        [2, 50],
      ]),
    );
  });

  test.each([
    ['trim.mp4', 10],
    ['trim.mov', 25],
    ['late.mp4', 100],
    ['delayed.mp4', 5],
    ['several.mp4', 10],
  ])('%s has the frames that ffmpeg shows, and no others', async (name, frames) => {
    const shown = framesOfFfmpeg(name);
    expect(shown.length / (96 * 64)).toBe(frames);
    expect((await framesOf(name)).equals(shown)).toBe(true);
    expect(await probeVideo(at(name))).toMatchObject({ stream: 'V', fps: 25, frames, remarks: [] });
    const [together] = await probeTogether([at(name), at('a.mp4')]);
    if (together !== null) expect(together).toEqual(await probeVideo(at(name)));
  });

  test('is sampled densely enough for three frames, by what is shown of it', async () => {
    mkdirSync(at('trimmed'));
    copyFileSync(at('trim.mp4'), at('trimmed/trim.mp4'));
    makeWith(at('trimmed/anew.mp4'), ['-i', at('trim.mp4'), '-c:v', 'libx264', ...yuv, ...tools.keepTimes]);
    const { manifest } = await ingest({ source: at('trimmed'), out: at('out-trimmed'), crop: 'none' });
    expect(manifest).toMatchObject({ clips: 2, frames: 6 });
    const lines = readFileSync(at('out-trimmed/clips.jsonl'), 'utf8').trim().split('\n');
    const clips = lines.map((line) => JSON.parse(line) as { frames: number; original: { frames: number } });
    expect(clips.map((clip) => [clip.frames, clip.original.frames])).toEqual([
      [3, 10],
      [3, 10],
    ]);
  });
});

/** An MP4 with other edits: each a number of frames (of 40 ms) from a frame on, or of nothing. Boxes that hold it grow with it. */
function withEdits(path: string, edits: readonly (readonly [count: number, from: number | null])[]): Buffer {
  const file = readFileSync(path);
  const start = file.indexOf('elst') - 4;
  const scaleOf = (box: string): number => file.readUInt32BE(file.indexOf(box) + 4 + 12);
  // Where the first picture is shown, in the time of the media.
  const first = file.readUInt32BE(start + 20);
  const [movie, media] = [scaleOf('mvhd'), scaleOf('mdhd')];
  const table = Buffer.alloc(16 + 12 * edits.length);
  table.writeUInt32BE(table.length, 0);
  table.write('elst', 4, 'latin1');
  table.writeUInt32BE(edits.length, 12);
  for (const [i, [count, from]] of edits.entries()) {
    table.writeUInt32BE((count * movie) / 25, 16 + 12 * i);
    table.writeInt32BE(from === null ? -1 : first + (from * media) / 25, 20 + 12 * i);
    table.writeUInt32BE(0x10000, 24 + 12 * i);
  }
  const old = file.readUInt32BE(start);
  for (const box of ['edts', 'trak', 'moov']) {
    const at0 = file.indexOf(box) - 4;
    file.writeUInt32BE(file.readUInt32BE(at0) + table.length - old, at0);
  }
  return Buffer.concat([file.subarray(0, start), table, file.subarray(start + old)]);
}

describe('a file with several video streams', () => {
  beforeAll(() => {
    const preview = ['-f', 'lavfi', '-i', 'testsrc2=s=64x48:r=1:d=1'];
    const small = ['-f', 'lavfi', '-i', 'testsrc=s=48x32:r=10:d=1'];
    const clip = ['-i', at('a.mp4')];
    const coded = ['-c:v:0', 'mjpeg', '-c:v:1', 'copy', '-pix_fmt', 'yuvj420p'];
    const both = ['-map', '0:v', '-map', '1:v', ...coded];
    const flags = (first: string, second: string): string[] => [
      '-disposition:v:0',
      first,
      '-disposition:v:1',
      second,
    ];
    makeWith(at('preview.mp4'), [...preview, ...clip, ...both, ...flags('0', 'default')]);
    makeWith(at('preview.mkv'), [...preview, ...clip, ...both, ...flags('0', 'default')]);
    makeWith(at('preview.mov'), [...preview, ...clip, ...both, ...flags('0', '0')]);
    makeWith(at('small-default.mkv'), [...small, ...clip, ...both, ...flags('default', '0')]);
    makeWith(at('cover.mp4'), [...preview, ...clip, ...both, ...flags('attached_pic', 'default')]);
  });

  test.each([
    ['preview.mp4', '1', 96, 100, '64×48'],
    ['preview.mkv', '1', 96, 100, '64×48'],
    ['preview.mov', '0', 64, 1, '96×64'],
    ['small-default.mkv', '0', 48, 10, '96×64'],
    ['cover.mp4', 'V', 96, 100, null],
  ])(
    '%s gives the frames of the one that ffmpeg takes, and says so',
    async (name, stream, width, frames, other) => {
      const info = await probeVideo(at(name));
      expect(info).toMatchObject({ stream, width, frames });
      expect((await framesOf(name)).equals(framesOfFfmpeg(name))).toBe(true);
      if (other === null) expect(info.remarks).toEqual([]);
      else
        expect(info.remarks).toEqual([expect.stringMatching(`^it holds 2 video streams; .* not .*${other}`)]);
      if (other !== null) expect(await probeTogether([at(name)])).toEqual([null]);
    },
  );

  test('is remarked upon in the summary, also when the clip is taken over from an earlier ingest', async () => {
    mkdirSync(at('streams'));
    copyFileSync(at('preview.mp4'), at('streams/preview.mp4'));
    const options = { source: at('streams'), out: at('out-streams'), crop: 'none' } as const;
    const first = await ingest(options);
    expect(first.remarks).toEqual([
      {
        source: 'preview.mp4',
        reason:
          'it holds 2 video streams; number 1 (96×64, 100 frames) was read, as ffmpeg does, not number 0 (64×48, 1 frame)',
      },
    ]);
    const again = await ingest({ ...options, overwrite: true });
    expect(again).toMatchObject({ reused: 1, remarks: first.remarks });
  });
});

const pocus = join(dataFolder, 'pocus');
test.skipIf(!existsSync(pocus))(
  'videos of a real set are told of without ffprobe',
  { timeout: 60_000 },
  async () => {
    const videos = readdirSync(pocus, { recursive: true, encoding: 'utf8' })
      .filter((path) => ['.avi', '.gif', '.mpeg', '.mov', '.mp4'].includes(extname(path).toLowerCase()))
      .map((path) => join(pocus, path));
    expect(videos.length).toBeGreaterThan(90);
    for (let i = 0; i < videos.length; i += 8)
      expect(await probeTogether(videos.slice(i, i + 8))).not.toContain(null);
  },
);
