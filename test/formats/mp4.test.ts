import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { randomAt } from '../../src/base/random.ts';
import { readSps } from '../../src/formats/h264-sps.ts';
import { readMp4Video } from '../../src/formats/mp4.ts';
import type { VideoHeader } from '../../src/formats/video-header.ts';
import { probeVideo, readVideoInfo } from '../../src/ingest/video.ts';

const dataFolder = process.env['USCL_TEST_DATA'] ?? '../shared/data';
let folder = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'uscl-mp4-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** Encodes a made-up clip; `options` come after the input. */
function make(name: string, options: readonly string[], seconds = 1, size = '98x66'): string {
  const path = join(folder, name);
  const picture = `testsrc=s=${size}:r=25:d=${seconds}`;
  execFileSync('ffmpeg', [
    ...['-nostdin', '-v', 'error', '-y', '-f', 'lavfi', '-i', picture],
    ...['-c:v', 'libx264', '-pix_fmt', 'yuv420p', ...options, path],
  ]);
  return path;
}

function readBytes(bytes: Uint8Array): Promise<VideoHeader | null> {
  return readMp4Video(bytes.length, (offset, length) =>
    Promise.resolve(bytes.subarray(offset, offset + length)),
  );
}

async function expectAsProbed(path: string): Promise<void> {
  const { demuxer, ...told } = await readVideoInfo(path);
  const { demuxer: none, ...probed } = await probeVideo(path);
  expect({ demuxer, none }).toEqual({ demuxer: 'mov', none: null });
  expect(told).toEqual(probed);
}

describe('the header of a plain MP4', () => {
  const plain: readonly (readonly [string, readonly string[]])[] = [
    ['b-frames.mp4', ['-bf', '3']],
    ['baseline.mov', ['-profile:v', 'baseline']],
    ['front.mp4', ['-movflags', '+faststart']],
    ['interlaced.mp4', ['-vf', 'scale=100:68', '-flags', '+ildct+ilme', '-x264opts', 'tff=1']],
    ['wide-pixels.mp4', ['-vf', 'setsar=9/8']],
    ['other-colours.mp4', ['-pix_fmt', 'yuv444p']],
    ['slow.mp4', ['-r', '30000/1001']],
    ['uneven.mp4', ['-vf', "select='not(eq(mod(n,5),3))'", '-fps_mode', 'vfr']],
  ];
  it.each(plain)('of %s tells what ffprobe counts', async (name, options) => {
    await expectAsProbed(make(name, options));
  });

  const unusual: readonly (readonly [string, readonly string[]])[] = [
    ['fragments.mp4', ['-movflags', '+frag_keyframe+empty_moov']],
    ['mpeg4.mp4', ['-c:v', 'mpeg4']],
    ['no-mp4.mkv', []],
  ];
  it.each(unusual)('is left to ffprobe for %s', async (name, options) => {
    const path = make(name, options);
    expect(await readBytes(readFileSync(path))).toBeNull();
    expect(await readVideoInfo(path)).toEqual(await probeVideo(path));
  });

  it('is left to ffprobe for a picture that is turned', async () => {
    const path = make('turned.mp4', []);
    const bytes = readFileSync(path);
    const matrix = bytes.indexOf('tkhd') + 4 + 40;
    [0, 0x10000, 0, -0x10000, 0].forEach((value, i) => bytes.writeInt32BE(value, matrix + 4 * i));
    writeFileSync(path, bytes);
    expect(await readBytes(bytes)).toBeNull();
    expect(await readVideoInfo(path)).toMatchObject({ width: 66, height: 98, demuxer: null });
  });

  it('is not believed where it is cut off or its pictures are not there', async () => {
    const bytes = readFileSync(make('front-cut.mp4', ['-movflags', '+faststart']));
    expect(await readBytes(bytes)).not.toBeNull();
    for (let i = 1; i <= 40; i++) {
      expect(await readBytes(bytes.subarray(0, Math.floor((bytes.length * i) / 41)))).toBeNull();
    }
  });

  it('is not believed where it names another size than the pictures have', async () => {
    const bytes = readFileSync(make('lies.mp4', []));
    const entry = bytes.indexOf('avc1', bytes.indexOf('stsd'));
    bytes.writeUInt16BE(0xffff, entry + 4 + 24);
    bytes.writeUInt16BE(0xffff, entry + 4 + 26);
    expect(await readBytes(bytes)).toBeNull();
  });

  it('of 20,000 broken files makes no error, and where it is believed ffprobe says the same', async () => {
    const whole = readFileSync(make('whole.mp4', ['-bf', '2'], 0.4));
    const start = whole.indexOf('moov') - 4;
    let believed = 0;
    for (let mutant = 0; mutant < 20_000; mutant++) {
      const bytes = Buffer.from(whole);
      const random = randomAt(7, 'mp4 mutants', mutant);
      for (let i = 0; i <= random.integer(3); i++) {
        const at = start + random.integer(bytes.length - start);
        bytes[at] = random.integer(4) === 0 ? 0xff : random.integer(256);
      }
      const told = await readBytes(bytes);
      if (told === null || ++believed > 12) continue;
      const path = join(folder, 'mutant.mp4');
      writeFileSync(path, bytes);
      await expectAsProbed(path);
    }
    expect(believed).toBeGreaterThan(12);
  }, 60_000);

  it('reads little, whatever the file claims', async () => {
    const head = Buffer.from('0000001066747970697336d6000000007fffffff6d6f6f76', 'hex');
    let read = 0;
    const told = await readMp4Video(2 ** 40, (offset, length) => {
      read += length;
      return Promise.resolve(head.subarray(offset, offset + length));
    });
    expect({ told, isLittle: read < 1000 }).toEqual({ told: null, isLittle: true });
  });
});

describe('an H.264 parameter set', () => {
  it('that is no set, is cut off or is only noise gives null or a size', () => {
    expect(readSps(new Uint8Array())).toBeNull();
    expect(readSps(Uint8Array.of(0x68, 1, 2, 3))).toBeNull();
    for (let i = 0; i < 20_000; i++) {
      const random = randomAt(7, 'sps noise', i);
      const noise = Uint8Array.from({ length: 1 + random.integer(30) }, () => random.integer(256));
      noise[0] = 0x67;
      const picture = readSps(noise);
      if (picture !== null) expect(Math.min(picture.width, picture.height)).toBeGreaterThan(0);
    }
  });
});

const real = ['covid_blues', 'pocus'].map((name) => join(dataFolder, name)).filter(existsSync);
describe.skipIf(real.length === 0)('on real clips (skipped where the data are not there)', () => {
  it('the header tells what ffprobe counts', async () => {
    const paths = real.flatMap((root) =>
      readdirSync(root, { recursive: true, encoding: 'utf8' })
        .filter((name) => /\.(mp4|mov)$/i.test(name))
        .map((name) => join(root, name)),
    );
    let told = 0;
    // All of them have been compared once; every 24th keeps this short.
    for (const path of paths.filter((_, i) => i % 24 === 0)) {
      await using file = await open(path);
      const bytes = await file.readFile();
      if ((await readBytes(bytes)) === null) continue;
      told++;
      await expectAsProbed(path);
    }
    expect(told).toBeGreaterThan(paths.length / 30);
  }, 120_000);
});
