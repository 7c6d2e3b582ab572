import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { randomAt } from '../../src/base/random.ts';
import { readMpegVideo } from '../../src/formats/mpeg-ps.ts';
import type { VideoHeader } from '../../src/formats/video-header.ts';
import { probed } from './probed.ts';

const dataFolder = process.env['USCL_TEST_DATA'] ?? '../shared/data';
const run = promisify(execFile);
let folder = '';
let count = 0;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'uscl-mpeg-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

interface Clip {
  readonly codec?: 'mpeg1video' | 'mpeg2video';
  readonly rate?: string;
  readonly size?: string;
  /** Options of the encoder. */
  readonly options?: readonly string[];
  readonly format?: string;
}

/** Encodes a made-up clip. */
async function make(frames: number, clip: Clip = {}, inputs: readonly string[] = []): Promise<Buffer> {
  const path = join(folder, `made-${count++}`);
  const picture = `testsrc=s=${clip.size ?? '64x48'}:r=${clip.rate ?? '25'}`;
  await run('ffmpeg', [
    ...['-nostdin', '-v', 'error', '-y', '-f', 'lavfi', '-i', picture, ...inputs, '-threads', '1'],
    ...['-c:v', clip.codec ?? 'mpeg2video', '-frames:v', String(frames), ...(clip.options ?? [])],
    ...['-f', clip.format ?? 'mpeg', path],
  ]);
  return readFileSync(path);
}

function readBytes(bytes: Uint8Array): Promise<VideoHeader | null> {
  return readMpegVideo(bytes.length, (offset, length) =>
    Promise.resolve(bytes.subarray(offset, offset + length)),
  );
}

/** Whether the reader answered; where it did, ffprobe must say the same. */
async function isAsProbed(name: string, bytes: Uint8Array): Promise<boolean> {
  const told = await readBytes(bytes);
  if (told === null) return false;
  const path = join(folder, name);
  writeFileSync(path, bytes);
  expect({ name, ...told }).toEqual({ name, ...(await probed(path, 'mpeg')) });
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

/** Puts a raw video into a pack, `sizeOf` bytes a packet, the way MPEG-1 or MPEG-2 has it. */
function wrap(video: Uint8Array, sizeOf: () => number, kind: 1 | 2 = 2): Buffer {
  const pack = kind === 1 ? '000001ba2100010001c23367' : '000001ba4400040004010189c3f8';
  const parts = [Buffer.from(pack, 'hex'), Buffer.from('000001bb0009c3336700a1ffe0e0e6', 'hex')];
  for (let at = 0; at < video.length;) {
    const bytes = video.subarray(at, (at += sizeOf()));
    const timed = kind === 1 ? '2100037bb1' : '8080052100037bb1';
    const untimed = kind === 1 ? '0f' : '800000';
    const head = Buffer.from(at >= video.length ? timed : untimed, 'hex');
    const start = Buffer.from('000001e00000', 'hex');
    start.writeUInt16BE(head.length + bytes.length, 4);
    parts.push(start, head, Buffer.from(bytes));
  }
  return Buffer.concat(parts);
}

describe('the start codes of a plain MPEG program stream', () => {
  const codecs = ['mpeg1video', 'mpeg2video'] as const;
  const rates = ['24000/1001', '24', '25', '30000/1001', '30', '50', '60000/1001', '60'];

  it('tell what ffprobe counts, at every rate, with B-frames or without', async () => {
    const clips = codecs.flatMap((codec) =>
      rates.map((rate, i): Clip => ({ codec, rate, options: ['-bf', String((i % 2) * 2)] })),
    );
    const answered = await each(clips, async (clip, i) =>
      isAsProbed(`rate-${i}.mpg`, await make(12 + i, clip)),
    );
    expect(answered).toEqual(clips.map(() => true));
  });

  it('tell it from three pictures on', async () => {
    const lengths = [1, 2, 3, 4, 7, 60];
    const answered = await each(lengths, async (frames, i) =>
      isAsProbed(
        `frames-${frames}.mpg`,
        await make(frames, { codec: codecs[i % 2]!, options: ['-bf', '1'] }),
      ),
    );
    expect(answered).toEqual(lengths.map((frames) => frames >= 3));
  });

  it('tell it of all sorts of clips', async () => {
    const clips: readonly Clip[] = [
      { format: 'vob' },
      { format: 'svcd' },
      { codec: 'mpeg1video', format: 'vob' },
      { codec: 'mpeg1video', format: 'vcd', options: ['-b:v', '200k'] },
      { options: ['-flags', '+ildct+ilme', '-top', '1'] },
      { size: '98x66', options: ['-aspect', '4:3'] },
      { size: '100x62', options: ['-aspect', '16:9'], format: 'vob' },
      { size: '352x288', options: ['-vf', 'noise=alls=100:allf=t', '-q:v', '1'] },
      { options: ['-g', '1'] },
      { options: ['-g', '300', '-sc_threshold', '1000000000'] },
    ];
    const answered = await each(clips, async (clip, i) => isAsProbed(`sort-${i}.mpg`, await make(13, clip)));
    expect(answered).toEqual(clips.map(() => true));
  });

  it('tell it wherever the packets are cut, with an end code or without', async () => {
    const raws = await each(codecs, (codec) => make(9, { codec, format: codec, options: ['-bf', '2'] }));
    const cuts = [1, 2, 5, 11, 100, 1009].flatMap((size) => raws.map((raw, i) => ({ size, raw, i })));
    const answered = await each(cuts, ({ size, raw, i }, at) => {
      const random = randomAt(7, 'packets', at);
      const end = Buffer.from(at % 4 < 2 ? '' : '000001b7', 'hex');
      const video = Buffer.concat([raw, end]);
      const bytes = wrap(video, () => 1 + random.integer(2 * size), i === 0 ? 1 : 2);
      const tail = Buffer.from(at % 3 === 0 ? '000001b9' : '', 'hex');
      return isAsProbed(`cut-${at}.mpg`, Buffer.concat([bytes, tail]));
    });
    expect(answered).toEqual(cuts.map(() => true));
  });

  it('are left to ffprobe beside sound, raw, or where something is missing, strange or behind the end', async () => {
    const whole = await make(8, { options: ['-bf', '2'] });
    expect(await readBytes(whole)).not.toBeNull();
    const sound = ['-f', 'lavfi', '-i', 'sine=d=1', '-c:a', 'mp2'];
    expect(await readBytes(await make(20, {}, sound))).toBeNull();
    for (const codec of codecs) expect(await readBytes(await make(8, { codec, format: codec }))).toBeNull();
    expect(await readBytes(Buffer.concat([whole, Buffer.of(0)]))).toBeNull();
    for (let i = 1; i < whole.length; i += 97) expect(await readBytes(whole.subarray(i))).toBeNull();

    const raw = await make(8, { format: 'mpeg2video', options: ['-bf', '2'] });
    const changed = (code: string, offset: number, value: number): Buffer => {
      const copy = Buffer.from(raw);
      copy[copy.lastIndexOf(code, undefined, 'hex') + offset] = value;
      return wrap(copy, () => 500);
    };
    expect(await readBytes(wrap(raw, () => 500))).not.toBeNull();
    const strange = [
      changed('000001b3', 7, 0x10),
      changed('000001b3', 10, 0),
      changed('000001b3', 11, 0x1a),
      changed('000001b5', 6, 0xf1),
      changed('000001b5', 7, 0x83),
      changed('000001b8', 3, 0xb2),
      changed('000001b8', 3, 0xb7),
      changed('00000101', 3, 0xb6),
    ];
    for (const bytes of strange) expect(await readBytes(bytes)).toBeNull();
    expect(await readBytes(wrap(Buffer.concat([raw, Buffer.of(0, 0, 1, 0xb7), raw]), () => 500))).toBeNull();
    expect(await readBytes(wrap(Buffer.concat([raw, Buffer.of(0, 0, 1, 0)]), () => 500))).toBeNull();
  });

  it('of 8,000 broken files makes no error, and where it is believed ffprobe says the same', async () => {
    const raws = await each(codecs, (codec) => make(4, { codec, format: codec, options: ['-bf', '1'] }));
    const believed: Uint8Array[] = [];
    for (let mutant = 0; mutant < 8_000; mutant++) {
      const random = randomAt(7, 'mpeg mutants', mutant);
      const kind = random.integer(2);
      let bytes = wrap(raws[kind]!, () => 300, kind === 0 ? 1 : 2);
      for (let i = 0; i <= random.integer(3); i++) {
        const part = random.integer(3) === 0 ? 90 : bytes.length;
        const at = random.integer(part);
        if (random.integer(12) === 0) {
          const rest = bytes.subarray(at + random.integer(3));
          bytes = Buffer.concat([bytes.subarray(0, at), Buffer.alloc(random.integer(3), 0xff), rest]);
        } else {
          bytes[at] = [random.integer(256), 0, 1, 0xff, bytes[at]! ^ (1 << random.integer(8))][
            random.integer(5)
          ]!;
        }
      }
      const told = await readBytes(bytes);
      if (told === null) continue;
      expect(told.frames).toBeGreaterThanOrEqual(3);
      expect(Math.min(told.width, told.height, told.fps)).toBeGreaterThan(0);
      believed.push(bytes);
    }
    expect(believed.length).toBeGreaterThan(100);
    const some = believed.filter(
      (_, i) => i % Math.floor(believed.length / Number(process.env['PROBES'] ?? 24)) === 0,
    );
    await each(some, (bytes, i) => isAsProbed(`mutant-${i}.mpg`, bytes));
  });

  it('reads a file once, in small pieces, and nothing of one that is too large', async () => {
    const raw = await make(8, { format: 'mpeg2video' });
    const bytes = wrap(Buffer.concat([raw, Buffer.alloc(2_000_000, 0xff)]), () => 60_000);
    for (const size of [bytes.length, 2 ** 25, 2 ** 40]) {
      let read = 0;
      let most = 0;
      await readMpegVideo(size, (offset, length) => {
        read += length;
        most = Math.max(most, length);
        return Promise.resolve(bytes.subarray(offset, offset + length));
      });
      expect(read).toBeLessThanOrEqual(size > 2 ** 26 ? 0 : 1.5 * bytes.length);
      expect(most).toBeLessThanOrEqual(2 ** 18);
    }
  });

  it("passes on the disk's own errors", async () => {
    const gone = (): Promise<Uint8Array> => Promise.reject(new Error('gone'));
    await expect(readMpegVideo(1000, gone)).rejects.toThrow('gone');
  });
});

const real = ['covid_blues', 'pocus'].map((name) => join(dataFolder, name)).filter(existsSync);
describe.skipIf(real.length === 0)('on real clips (skipped where the data are not there)', () => {
  it('the start codes tell what ffprobe counts', async () => {
    const paths = real.flatMap((root) =>
      readdirSync(root, { recursive: true, encoding: 'utf8' })
        .filter((name) => /\.(mpe?g)$/i.test(name))
        .map((name) => join(root, name)),
    );
    const told = await each(paths, async (path) => {
      const video = await readBytes(readFileSync(path));
      if (video !== null) expect({ path, ...video }).toEqual({ path, ...(await probed(path, 'mpeg')) });
      return video !== null;
    });
    expect(told).toEqual(paths.map(() => true));
  });
});
