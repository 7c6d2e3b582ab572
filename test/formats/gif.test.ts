import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { randomAt } from '../../src/base/random.ts';
import { readGifVideo } from '../../src/formats/gif.ts';
import type { VideoHeader } from '../../src/formats/video-header.ts';
import { probed } from './probed.ts';

const dataFolder = process.env['USCL_TEST_DATA'] ?? '../shared/data';
let folder = '';
let ten: Buffer;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'uscl-gif-'));
  ten = make('ten.gif', 10);
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** Encodes a made-up clip; `options` come after the input. */
function make(name: string, frames: number, options: readonly string[] = [], source = 'testsrc'): Buffer {
  const path = join(folder, name);
  const picture = `${source}=s=34x26:r=10:d=${frames / 10}`;
  execFileSync('ffmpeg', [
    ...['-nostdin', '-v', 'error', '-y', '-f', 'lavfi', '-i', picture, '-threads', '1'],
    ...[...options, path],
  ]);
  return readFileSync(path);
}

function readBytes(bytes: Uint8Array): Promise<VideoHeader | null> {
  return readGifVideo(bytes.length, (offset, length) =>
    Promise.resolve(bytes.subarray(offset, offset + length)),
  );
}

/** Whether the reader answered; where it did, ffprobe must say the same. */
async function isAsProbed(name: string, bytes: Uint8Array): Promise<boolean> {
  const told = await readBytes(bytes);
  if (told === null) return false;
  const path = join(folder, name);
  writeFileSync(path, bytes);
  expect({ name, ...told }).toEqual({ name, ...(await probed(path, 'gif')) });
  return true;
}

/** Two at a time; the answers in order. */
async function each<T, R>(items: readonly T[], ask: (item: T, i: number) => Promise<R>): Promise<R[]> {
  const answers: R[] = [];
  const rest = items.entries();
  const worker = async (): Promise<void> => {
    for (const [i, item] of rest) answers[i] = await ask(item, i);
  };
  await Promise.all([worker(), worker()]);
  return answers;
}

/** Where the control extensions begin. All of them have four bytes, and ffmpeg's data never look like this. */
function controlsOf(bytes: Buffer): number[] {
  const found: number[] = [];
  const head = Buffer.from('21f904', 'hex');
  for (let at = bytes.indexOf(head); at >= 0; at = bytes.indexOf(head, at + 8)) found.push(at);
  return found;
}

function withDelays(bytes: Buffer, delayOf: (i: number) => number): Buffer {
  const copy = Buffer.from(bytes);
  controlsOf(copy).forEach((at, i) => copy.writeUInt16LE(delayOf(i), at + 4));
  return copy;
}

describe('the blocks of a plain GIF', () => {
  const plain: readonly (readonly [string, number, readonly string[], string?])[] = [
    ['once.gif', 3, ['-loop', '-1']],
    ['for-ever.gif', 4, ['-loop', '0']],
    ['open-aspect.gif', 5, ['-vf', 'setsar=0']],
    ['whole-images.gif', 30, ['-gifflags', '-offsetting-transdiff']],
    ['offsets.gif', 12, ['-gifflags', '+offsetting']],
    ['see-through.gif', 11, ['-vf', 'format=rgba,colorkey=black:0.4']],
    ['fast.gif', 30, ['-vf', 'settb=1/25,setpts=N', '-r', '25', '-final_delay', '4']],
    ['noise.gif', 30, ['-vf', 'scale=200:160,setsar=1,noise=alls=100:allf=t'], 'testsrc2'],
    ['own-colours.gif', 8, ['-vf', 'split[a][b];[a]palettegen=stats_mode=single[p];[b][p]paletteuse=new=1']],
  ];
  it('tell what ffprobe counts', async () => {
    const answered = await each(plain, async ([name, frames, options, source]) =>
      isAsProbed(name, make(name, frames, options, source)),
    );
    expect(answered).toEqual(plain.map(() => true));
  });

  it('tell it for delays whose rate ffprobe does not move, and for no others', async () => {
    const delays = Array.from({ length: 121 }, (_, delay) => delay);
    const answered = await each(delays, (delay) =>
      isAsProbed(
        `delay-${delay}.gif`,
        withDelays(ten, () => delay),
      ),
    );
    expect(delays.filter((delay) => answered[delay])).toEqual([
      ...[2, 3, 4, 5, 6, 8, 10, 12, 15, 16, 20, 24, 25, 30, 40, 48, 50, 60, 75, 80, 100],
    ]);
  });

  it('are left to ffprobe where a delay differs, or is too long or short', async () => {
    for (let odd = 0; odd < 10; odd++) {
      for (const delay of [0, 1, 5, 11, 255, 65_535]) {
        expect(await readBytes(withDelays(ten, (i) => (i === odd ? delay : 10)))).toBeNull();
      }
    }
  });

  it('tell it from three pictures on', async () => {
    const clips = [1, 2, 3, 4, 5, 9];
    const answered = await each(clips, (frames) =>
      isAsProbed(`frames-${frames}.gif`, make(`made-${frames}.gif`, frames)),
    );
    expect(answered).toEqual(clips.map((frames) => frames >= 3));
  });

  it('are believed where comments and applications come first, and only there', async () => {
    const [first, second] = controlsOf(ten);
    const extra = Buffer.from('21fe0568656c6c6f0021ff0b4e45545343415045322e300301000000', 'hex');
    const put = (at: number): Buffer => Buffer.concat([ten.subarray(0, at), extra, ten.subarray(at)]);
    expect(await isAsProbed('comment.gif', put(first!))).toBe(true);
    expect(await readBytes(put(second!))).toBeNull();
    expect(await readBytes(put(ten.length - 1))).toBeNull();
  });

  it('are left to ffprobe where something is missing, behind the end, outside the screen or not square', async () => {
    const [first] = controlsOf(ten);
    const at = (offset: number, value: number): Buffer => {
      const copy = Buffer.from(ten);
      copy[offset] = value;
      return copy;
    };
    expect(await readBytes(ten)).not.toBeNull();
    const unusual = [
      at(4, 0x37),
      at(6, 0),
      at(6, 33),
      at(12, 48),
      at(12, 50),
      at(first! + 9, 1),
      at(first! + 1, 0xfe),
      ten.subarray(0, -1),
      Buffer.concat([ten, Buffer.of(0)]),
      Buffer.concat([ten, ten]),
      Buffer.concat([ten.subarray(0, first), ten.subarray(first! + 8)]),
    ];
    for (const bytes of unusual) expect(await readBytes(bytes)).toBeNull();
    for (let i = 0; i < ten.length; i += 7) expect(await readBytes(ten.subarray(0, i))).toBeNull();
  });

  it('are left to ffprobe where the first pictures are so large that it may see too few of them', async () => {
    const filler = Buffer.alloc(256, 0xff);
    const last = ten.lastIndexOf(0x3b);
    const [first, second] = controlsOf(ten);
    const grow = (end: number): Buffer =>
      Buffer.concat([ten.subarray(0, end - 1), ...Array<Buffer>(4200).fill(filler), ten.subarray(end - 1)]);
    expect(await readBytes(grow(second!))).toBeNull();
    expect(await isAsProbed('large-last.gif', grow(last))).toBe(true);
    expect(first).toBeLessThan(second ?? 0);
  });

  it('of 10,000 broken files makes no error, and where it is believed ffprobe says the same', async () => {
    const heads = controlsOf(ten);
    const believed: Uint8Array[] = [];
    for (let mutant = 0; mutant < 10_000; mutant++) {
      const random = randomAt(7, 'gif mutants', mutant);
      let bytes = Buffer.from(ten);
      for (let i = 0; i <= random.integer(3); i++) {
        const head = heads[random.integer(heads.length)]!;
        const at = random.integer(2) === 0 ? random.integer(bytes.length) : head + random.integer(20);
        if (random.integer(8) === 0) {
          const rest = bytes.subarray(at + random.integer(3));
          bytes = Buffer.concat([bytes.subarray(0, at), Buffer.alloc(random.integer(3), 0x21), rest]);
        } else if (at < bytes.length) {
          bytes[at] = [random.integer(256), 0, 0xff, 0x2c, 0x3b][random.integer(5)]!;
        }
      }
      const told = await readBytes(bytes);
      if (told === null) continue;
      expect(told.frames).toBeGreaterThanOrEqual(3);
      believed.push(bytes);
    }
    expect(believed.length).toBeGreaterThan(100);
    const some = believed.filter((_, i) => i % Math.floor(believed.length / 24) === 0);
    await each(some, (bytes, i) => isAsProbed(`mutant-${i}.gif`, bytes));
  });

  it('reads a file once, in small pieces, and nothing of one that is too large', async () => {
    const noise = readFileSync(join(folder, 'noise.gif'));
    const open = Buffer.concat([noise.subarray(0, -1), Buffer.of(0x21)]);
    for (const [bytes, size] of [
      [noise, noise.length],
      [open, open.length],
      [noise, 2 ** 25],
      [noise, 2 ** 40],
    ] as const) {
      let read = 0;
      let most = 0;
      await readGifVideo(size, (offset, length) => {
        read += length;
        most = Math.max(most, length);
        return Promise.resolve(bytes.subarray(offset, offset + length));
      });
      expect(read).toBeLessThanOrEqual(size > 2 ** 26 ? 0 : 1.2 * bytes.length + 2 ** 16);
      expect(most).toBeLessThanOrEqual(2 ** 16);
    }
  });

  it("passes on the disk's own errors", async () => {
    const gone = (): Promise<Uint8Array> => Promise.reject(new Error('gone'));
    await expect(readGifVideo(1000, gone)).rejects.toThrow('gone');
  });
});

const real = ['covid_blues', 'pocus'].map((name) => join(dataFolder, name)).filter(existsSync);
describe.skipIf(real.length === 0)('on real clips (skipped where the data are not there)', () => {
  it('the blocks tell what ffprobe counts', async () => {
    const paths = real.flatMap((root) =>
      readdirSync(root, { recursive: true, encoding: 'utf8' })
        .filter((name) => /\.gif$/i.test(name))
        .map((name) => join(root, name)),
    );
    const told = await each(paths, async (path) => {
      const video = await readBytes(readFileSync(path));
      if (video !== null) expect({ path, ...video }).toEqual({ path, ...(await probed(path, 'gif')) });
      return video !== null;
    });
    expect(told).toEqual(paths.map(() => true));
  });
});
