/**
 * Whatever the bytes: a picture that fits its description, or the project's own error; within a second of work, and
 * within four times the file and 64 MB of memory. 20,000 seeded mutants, lengths and truncations above all, so that a
 * failure can be repeated.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { UsclError } from '../../../src/base/errors.ts';
import { randomAt, type Random } from '../../../src/base/random.ts';
import { decodeFrame } from '../../../src/formats/dicom/decode.ts';
import { imageOf, videoParts } from '../../../src/formats/dicom/image.ts';
import { isDicom, readDicom } from '../../../src/formats/dicom/read.ts';
import { bytesOf, realFiles, syntheticFiles } from './corpus.ts';
import { doubledElements, headerSlips, oddColumns, palettes, wrongNumbers } from './slips.ts';

const MUTANTS = 20_000;
const MEGABYTE = 2 ** 20;

/** Values that lengths, counts and sizes break at. */
const EDGES = [
  0, 1, 2, 7, 8, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xfffe, 0xffff, 0x7fffffff, 0xfffffffe, 0xffffffff,
];

interface Head {
  /** Where the value begins; its length stands before it. */
  readonly start: number;
  /** Bytes of the length. */
  readonly wide: boolean;
}

/** The heads of the file's elements. */
function headsOf(bytes: Uint8Array): Head[] {
  const set = readDicom(bytes);
  if (set.syntax.deflated) return [{ start: 132, wide: false }];
  const wide = (vr: string): boolean => set.coding.implicit || /^(O.|SQ|U[CNRTV]|SV)$/.test(vr);
  const heads = [...set.elements.values()].map(({ start, vr }) => ({ start, wide: wide(vr) }));
  return [...heads, ...[...set.meta.elements.values()].map(({ start }) => ({ start, wide: false }))];
}

function mutate(original: Uint8Array, heads: readonly Head[], random: Random): Buffer {
  let bytes = Buffer.from(original);
  // Half of the damage where pixels begin: offset tables, heads of codestreams, their first data.
  const pixels = Math.max(...heads.map(({ start }) => start));
  const anywhere = (): number => {
    const draw = random.uniform();
    const [low, high] = draw < 0.5 ? [pixels, pixels + 600] : draw < 0.85 ? [0, pixels] : [0, bytes.length];
    return Math.min(bytes.length - 1, low + random.integer(high - low));
  };
  for (let change = random.uniform() < 0.7 ? 1 : 2; change > 0 && bytes.length > 16; change--) {
    const head = heads[random.integer(heads.length)]!;
    const edge = EDGES[random.integer(EDGES.length)]!;
    switch (random.integer(10)) {
      case 0:
      case 1:
        // The length of an element.
        if (head.start > bytes.length) break;
        if (head.wide) bytes.writeUInt32LE(edge >>> 0, head.start - 4);
        else bytes.writeUInt16LE(edge & 0xffff, head.start - 2);
        break;
      case 2:
      case 3:
        // The value: numbers of rows, frames, bits…
        if (head.start + 2 <= bytes.length) bytes.writeUInt16LE(edge & 0xffff, head.start);
        break;
      case 4:
        bytes = bytes.subarray(0, 1 + random.integer(bytes.length));
        break;
      case 5:
        bytes = bytes.subarray(0, 1 + random.integer(Math.min(bytes.length, pixels + 600)));
        break;
      case 6:
        bytes[anywhere()]! ^= 1 << random.integer(8);
        break;
      case 7:
        bytes[anywhere()] = random.integer(256);
        break;
      case 8: {
        const place = anywhere();
        bytes = Buffer.concat([bytes.subarray(0, place), bytes.subarray(place + 1 + random.integer(16))]);
        break;
      }
      default: {
        const place = anywhere();
        const from = anywhere();
        const piece = bytes.subarray(from, from + random.integer(64));
        bytes = Buffer.concat([bytes.subarray(0, place), piece, bytes.subarray(place)]);
      }
    }
  }
  return bytes;
}

type Outcome = 'decoded' | 'described' | 'video' | UsclError;

/** Reads, describes and (if told to) decodes; anything but an error of the family is thrown on. */
async function outcome(bytes: Uint8Array, decodes: (pixels: number) => boolean): Promise<Outcome> {
  try {
    isDicom(bytes.subarray(0, 1024));
    const image = imageOf(readDicom(bytes));
    if (image.kind === 'video') {
      for (const part of videoParts(image)) expect(part.length).toBeLessThanOrEqual(bytes.length);
      return 'video';
    }
    if (!decodes(image.rows * image.columns)) return 'described';
    for (const index of new Set([0, image.frames - 1])) {
      const { width, height, channels, data } = await decodeFrame(image, index);
      expect(data.length).toBe(width * height * channels);
      expect([width, height]).toEqual([image.columns, image.rows]);
    }
    return 'decoded';
  } catch (thrown) {
    if (thrown instanceof UsclError) return thrown;
    throw thrown;
  }
}

setFlagsFromString('--expose-gc');
const collect: unknown = runInNewContext('gc');

/** Frees garbage, so that what is measured is what was needed at once. */
function tidy(): void {
  if (typeof collect === 'function') Reflect.apply(collect, undefined, []);
}

describe('mutants', () => {
  test('end as a picture or as an error of the family, in bounded time and memory', async () => {
    const synthetic = await syntheticFiles();
    const real = realFiles().map(({ name, path }) => ({ name, bytes: bytesOf(path) }));
    // Each kind of slip opens ways of reading that sound files never go.
    const slips = [await wrongNumbers(), doubledElements(), await headerSlips(), palettes(), oddColumns()]
      .flatMap((kind) => kind.filter((_, i) => i % 5 === 0))
      .map(({ name, bytes }) => ({ name, bytes }));
    const corpus = [...synthetic, ...slips, ...real].map((file) => ({ ...file, heads: headsOf(file.bytes) }));
    // The unchanged files first: they must decode, and the codecs be open before memory is measured.
    for (const { name, bytes } of corpus)
      expect(await outcome(bytes, () => true), name).toBe(name === 'video' ? 'video' : 'decoded');
    tidy();
    const start = process.resourceUsage().maxRSS * 1024;
    const tally = new Map<string, number>();
    const slow: string[] = [];
    const large: string[] = [];
    let peak = start;
    let garbage = 0;
    for (let i = 0; i < MUTANTS; i++) {
      const { name, bytes, heads } = corpus[i % corpus.length]!;
      const random = randomAt(3, 'dicom-mutant', i);
      const mutant = mutate(bytes, heads, random);
      const before = process.cpuUsage();
      // Large frames take long: a small share of them stands for all.
      const result = await outcome(mutant, (pixels) => pixels < 20_000 || random.uniform() < 3000 / pixels);
      const { user, system } = process.cpuUsage(before);
      if (user + system > 1e6) slow.push(`${name} ${i}: ${(user + system) / 1e6} s`);
      const now = process.resourceUsage().maxRSS * 1024;
      if (now > peak && now - start > 4 * mutant.length + 64 * MEGABYTE)
        large.push(`${name} ${i}: ${Math.round((now - start) / MEGABYTE)} MB`);
      peak = Math.max(peak, now);
      // Copies of the mutants are the test's own.
      garbage += 3 * mutant.length;
      if (garbage > 48 * MEGABYTE) {
        tidy();
        garbage = 0;
      }
      const key = result instanceof UsclError ? result.code : result;
      tally.set(key, (tally.get(key) ?? 0) + 1);
    }
    expect(slow).toEqual([]);
    expect(large).toEqual([]);
    // The mutator neither breaks everything nor nothing.
    expect(tally.get('decoded')).toBeGreaterThan(MUTANTS / 20);
    for (const code of [
      'DICOM_TRUNCATED',
      'DICOM_INVALID',
      'DICOM_PIXELS',
      'DICOM_CODESTREAM',
      'DICOM_NOT_DICOM',
    ])
      expect(tally.get(code), code).toBeGreaterThan(20);
  });
});
