import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { randomAt } from '../../src/base/random.ts';
import { readAviVideo } from '../../src/formats/avi.ts';
import type { VideoHeader } from '../../src/formats/video-header.ts';
import { probed } from './probed.ts';

const dataFolder = process.env['USCL_TEST_DATA'] ?? '../shared/data';
const run = promisify(execFile);
let folder = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'uscl-avi-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

interface Clip {
  readonly size?: string;
  readonly rate?: string;
  readonly frames?: number;
  /** Options that come after the input. */
  readonly options: readonly string[];
}

/** Encodes a made-up clip, a new file for each. */
let made = 0;
async function make({ size = '34x26', rate = '25', frames = 8, options }: Clip): Promise<string> {
  const path = join(folder, `${made++}.avi`);
  await run('ffmpeg', [
    ...['-nostdin', '-v', 'error', '-y', '-f', 'lavfi', '-i', `testsrc=s=${size}:r=${rate}`],
    ...['-frames:v', `${frames}`, '-threads', '1', ...options, path],
  ]);
  return path;
}

const mpeg4 = ['-c:v', 'mpeg4'];
const jpeg = ['-c:v', 'mjpeg', '-pix_fmt', 'yuvj420p'];
const raw = ['-c:v', 'rawvideo', '-pix_fmt'];

function readBytes(bytes: Uint8Array): Promise<VideoHeader | null> {
  return readAviVideo(bytes.length, (offset, length) =>
    Promise.resolve(bytes.subarray(offset, offset + length)),
  );
}

async function expectAsProbed(path: string): Promise<void> {
  expect(await readBytes(readFileSync(path))).toEqual(await probed(path, 'avi'));
}

/** The header without what describes the pixels' aspect, so that the pictures must tell. */
function withoutAspect(path: string): void {
  const bytes = readFileSync(path);
  bytes.write('JUNK', bytes.indexOf('vprp'), 'latin1');
  writeFileSync(path, bytes);
}

const chosen = "select='not(eq(mod(n,3),1))'";

describe('the headers of a plain AVI', () => {
  const rates = ['1', '5', '7', '10', '12.5', '15', '22.25', '24000/1001', '25', '29.97', '30000/1001', '30'];
  it.concurrent.each([...rates, '50', '60', '11500/517', '9100/409', '100/7', '120', '2/7'])(
    'tell what ffprobe counts at %s pictures a second',
    async (rate) => {
      await expectAsProbed(await make({ rate, options: mpeg4 }));
    },
  );

  const plain: readonly (readonly [string, Clip])[] = [
    ['one picture', { frames: 1, options: mpeg4 }],
    ['two pictures', { frames: 2, options: mpeg4 }],
    ['50 pictures', { frames: 50, options: mpeg4 }],
    ['50 JPEG pictures', { frames: 50, rate: '11500/517', options: jpeg }],
    ['an odd size', { size: '35x27', options: mpeg4 }],
    ['pictures between pictures', { options: [...mpeg4, '-bf', '2', '-tag:v', 'XVID'] }],
    ['pictures of DivX', { options: [...mpeg4, '-tag:v', 'DX50'] }],
    ['fields', { size: '64x64', options: [...mpeg4, '-flags', '+ildct+ilme'] }],
    ['fine motion', { options: [...mpeg4, '-flags', '+qpel'] }],
    ['slices', { size: '98x66', options: [...mpeg4, '-ps', '200'] }],
    ['wide pixels', { options: [...mpeg4, '-vf', 'setsar=9/8'] }],
    ['odd pixels', { options: [...mpeg4, '-vf', 'setsar=4999/5003'] }],
    ['a title', { options: [...mpeg4, '-metadata', 'title=odd', '-metadata:s:v', 'title=a name'] }],
    ['pictures left out', { options: [...mpeg4, '-vf', chosen, '-fps_mode', 'vfr'] }],
    ['JPEG left out', { options: [...jpeg, '-vf', chosen, '-fps_mode', 'vfr'] }],
    ['finer JPEG', { size: '35x27', options: ['-c:v', 'mjpeg', '-pix_fmt', 'yuvj444p'] }],
    ['wide JPEG', { options: ['-c:v', 'mjpeg', '-pix_fmt', 'yuvj422p', '-vf', 'setsar=10/11'] }],
    ['raw colours', { options: [...raw, 'bgr24'] }],
    ['raw grey', { size: '35x27', options: [...raw, 'gray'] }],
    ['raw palette', { options: [...raw, 'pal8'] }],
    ['raw planes', { size: '35x27', options: [...raw, 'yuv420p'] }],
    ['raw pairs', { options: [...raw, 'yuyv422'] }],
    ['raw Y800', { size: '36x26', options: [...raw, 'gray', '-tag:v', 'Y800'] }],
  ];
  it.concurrent.each(plain)('tell what ffprobe counts with %s', async (_, clip) => {
    await expectAsProbed(await make(clip));
  });

  const told: readonly (readonly [string, readonly string[]])[] = [
    ['square pixels', mpeg4],
    ['MPEG-4 pixels of 12:11', [...mpeg4, '-vf', 'setsar=12/11']],
    ['MPEG-4 pixels of 9:8', [...mpeg4, '-vf', 'setsar=9/8']],
    ['JPEG pixels of 9:8', [...jpeg, '-vf', 'setsar=9/8']],
    ['raw pixels', [...raw, 'bgr24']],
  ];
  it.concurrent.each(told)('leave it to the pictures to tell of %s', async (_, options) => {
    const path = await make({ options });
    withoutAspect(path);
    await expectAsProbed(path);
  });

  const unusual: readonly (readonly [string, Clip])[] = [
    ['H.264', { options: ['-c:v', 'libx264', '-pix_fmt', 'yuv420p'] }],
    ['another MPEG-4', { options: ['-c:v', 'msmpeg4'] }],
    ['MPEG-2', { options: ['-c:v', 'mpeg2video'] }],
    ['partitioned data', { options: [...mpeg4, '-data_partitioning', '1'] }],
    ['another container', { options: [...mpeg4, '-f', 'matroska'] }],
  ];
  it.concurrent.each(unusual)('are left to ffprobe with %s', async (_, clip) => {
    expect(await readBytes(readFileSync(await make(clip)))).toBeNull();
  });

  it.concurrent('are left to ffprobe with sound', async () => {
    const path = await make({ options: mpeg4 });
    const sound = ['-f', 'lavfi', '-i', 'sine=d=0.3'];
    await run('ffmpeg', ['-v', 'error', '-i', path, ...sound, '-c:v', 'copy', `${path}.loud.avi`]);
    expect(await readBytes(readFileSync(`${path}.loud.avi`))).toBeNull();
  });

  it('are not believed where the file is cut off or goes on behind its end', async () => {
    const bytes = readFileSync(await make({ options: mpeg4 }));
    expect(await readBytes(bytes)).not.toBeNull();
    for (let i = 0; i <= 400; i++) {
      expect(await readBytes(bytes.subarray(0, Math.floor((bytes.length * i) / 401)))).toBeNull();
    }
    expect(await readBytes(Buffer.concat([bytes, Buffer.alloc(8)]))).toBeNull();
  });

  it('are not believed where the chunks or the picture are others than they say', async () => {
    const bytes = readFileSync(await make({ options: mpeg4 }));
    const broken = async (at: number, change: number): Promise<VideoHeader | null> => {
      const copy = Buffer.from(bytes);
      copy[at]! ^= change;
      return readBytes(copy);
    };
    const format = bytes.indexOf('strf');
    const list = bytes.indexOf('movi');
    const index = bytes.lastIndexOf('idx1');
    expect(await broken(format + 8 + 4, 2)).toBeNull();
    expect(await broken(format + 8 + 8, 2)).toBeNull();
    expect(await broken(list + 4 + 1, 1)).toBeNull();
    expect(await broken(list + 4 + 4, 1)).toBeNull();
    expect(await broken(bytes.indexOf('00dc', list + 12) + 4, 1)).toBeNull();
    expect(await broken(index + 8 + 16 + 8, 2)).toBeNull();
    expect(await broken(index + 8 + 16 + 12, 2)).toBeNull();
    // How the picture is packed into bits does not matter.
    expect(await broken(list + 4 + 8 + 100, 1)).not.toBeNull();
  });

  it('of 12,000 broken files make no error, and where they are believed ffprobe says the same', async () => {
    const paths = await Promise.all(
      [[...mpeg4, '-bf', '1'], jpeg, [...raw, 'gray']].map((options) => make({ frames: 6, options })),
    );
    const checks: Promise<void>[] = [];
    for (const [kind, path] of paths.entries()) {
      const whole = readFileSync(path);
      const places = placesThatMatter(whole);
      let believed = 0;
      for (let mutant = 0; mutant < 4_000; mutant++) {
        const bytes = Buffer.from(whole);
        const random = randomAt(7, 'avi mutants', kind, mutant);
        for (let i = 0; i <= random.integer(3); i++) {
          const at = places[random.integer(places.length)]!;
          bytes[at] = random.integer(4) === 0 ? 0xff : random.integer(256);
        }
        const answer = await readBytes(bytes);
        if (answer === null || ++believed > 8) continue;
        const copy = `${path}.${mutant}.avi`;
        writeFileSync(copy, bytes);
        checks.push(expect(probed(copy, 'avi')).resolves.toEqual(answer));
      }
      expect(believed).toBeGreaterThan(8);
    }
    await Promise.all(checks);
  }, 60_000);

  it('are read with little, whatever the file claims', async () => {
    const whole = readFileSync(await make({ options: mpeg4 }));
    let read = 0;
    const claimed = async (size: number, bytes: Uint8Array): Promise<VideoHeader | null> => {
      read = 0;
      return readAviVideo(size, (offset, length) => {
        read += length;
        return Promise.resolve(bytes.subarray(offset, offset + length));
      });
    };
    expect(await claimed(2 ** 40, whole)).toBeNull();
    expect(read).toBeLessThan(100);
    const large = Buffer.from(whole);
    large.writeUInt32LE(2 ** 30 - 8, 4);
    expect(await claimed(2 ** 30, large)).toBeNull();
    expect(read).toBeLessThan(100_000);
  });

  it('of many large pictures are read by the heads of their chunks', async () => {
    const whole = readFileSync(await make({ frames: 1, options: [...raw, 'gray'] }));
    const [count, length] = [2000, 20_000];
    const list = whole.indexOf('movi');
    const chunk = Buffer.alloc(8 + length);
    chunk.write('00dc', 'latin1');
    chunk.writeUInt32LE(length, 4);
    const index = Buffer.alloc(8 + 16 * count);
    index.write('idx1', 'latin1');
    index.writeUInt32LE(16 * count, 4);
    for (let i = 0; i < count; i++) {
      index.write('00dc', 8 + 16 * i, 'latin1');
      index.writeUInt32LE(4 + i * chunk.length, 16 + 16 * i);
      index.writeUInt32LE(length, 20 + 16 * i);
    }
    const start = whole.subarray(0, list + 4);
    const size = start.length + count * chunk.length + index.length;
    start.writeUInt32LE(size - 8, 4);
    start.writeUInt32LE(4 + count * chunk.length, list - 4);
    const bytes = Buffer.concat([start, ...Array.from({ length: count }, () => chunk), index]);
    let read = 0;
    const answer = await readAviVideo(bytes.length, (at, wanted) => {
      read += wanted;
      return Promise.resolve(bytes.subarray(at, at + wanted));
    });
    expect(answer).toMatchObject({ frames: count });
    expect(read).toBeLessThan(200_000);
  });
});

/** Bytes of the headers, of the heads of chunks and pictures, and of the index. */
function placesThatMatter(bytes: Buffer): number[] {
  const list = bytes.indexOf('movi');
  const index = bytes.lastIndexOf('idx1');
  return Array.from(bytes.keys()).filter((at) => {
    if (at < list) return bytes.subarray(Math.max(0, at - 4), at + 8).some((value) => value !== 0);
    return at < list + 120 || at >= index || bytes.subarray(at - 8, at + 4).includes('00dc');
  });
}

const real = join(dataFolder, 'pocus');
describe.skipIf(!existsSync(real))('on real clips (skipped where the data are not there)', () => {
  it('the headers tell what ffprobe counts', async () => {
    const paths = readdirSync(real, { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.avi$/i.test(name))
      .map((name) => join(real, name));
    // Some are MP4 files in truth.
    const riffs = paths.filter((path) => readFileSync(path).toString('latin1', 0, 4) === 'RIFF');
    expect(riffs.length).toBeGreaterThan(0);
    await Promise.all(riffs.map(expectAsProbed));
  }, 60_000);
});
