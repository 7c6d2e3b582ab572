/**
 * PyTorch checkpoints: those in `fixtures/torch`, which PyTorch wrote, hold numbers that are formulas of their place. Hostile
 * ones end in an error of this program, call nothing and take little memory.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fromBufferPromise } from 'yauzl';
import { z } from 'zod';
import { UsclError } from '../../src/base/errors.ts';
import { randomAt, type Random } from '../../src/base/random.ts';
import { floatsOf } from '../../src/formats/floats.ts';
import type { Tensor } from '../../src/formats/safetensors.ts';
import { readTorch, torchTensors } from '../../src/formats/torch/read.ts';
import { storedZip } from '../../src/formats/torch/stored-zip.ts';
import { writeTorch } from '../../src/formats/torch/write.ts';
import { failure, failureOf } from '../failures.ts';
import { archive, dict, op, tensor, word } from './hostile.ts';

const scratch = mkdtempSync(join(tmpdir(), 'uscl-torch-'));
afterAll(() => {
  rmSync(scratch, { recursive: true });
});

/** What PyTorch wrote, by name, in base64. */
const { files } = z
  .object({ files: z.record(z.string(), z.base64()) })
  .parse(
    JSON.parse(
      readFileSync(join(import.meta.dirname, '..', 'fixtures', 'torch', 'checkpoints.json'), 'utf8'),
    ),
  );
const fixture = (name: string): Buffer => Buffer.from(files[name]!, 'base64');
beforeAll(() => {
  for (const name of Object.keys(files)) writeFileSync(join(scratch, name), fixture(name));
});
const counted = (count: number): number[] => Array.from({ length: count }, (_, i) => i / 4 - 2);

function numbersOf(tensor: Tensor | undefined): readonly number[] {
  if (tensor === undefined) throw new Error('there is no such tensor');
  return [...(floatsOf(tensor) ?? Array.from(tensor.data, Number))];
}

describe.each([['kinds.pth'], ['kinds-before-1.6.pth']])('%s', (file) => {
  const read = async () => (await readTorch(join(scratch, file))).tensors;

  test.each(['float64', 'float32', 'float16', 'bfloat16'])('holds %s', async (kind) => {
    expect(numbersOf((await read()).get(`state_dict.${kind}`))).toEqual(counted(12));
  });

  test.each(['int64', 'int32', 'int16', 'int8'])('holds %s, cut towards 0', async (kind) => {
    const found = numbersOf((await read()).get(`state_dict.${kind}`));
    expect(found).toEqual(counted(12).map((value) => Math.trunc(value) + 0));
  });

  test('holds bytes and booleans', async () => {
    const tensors = await read();
    expect(numbersOf(tensors.get('state_dict.uint8'))).toEqual([...Array(12).keys()]);
    expect(numbersOf(tensors.get('state_dict.bool'))).toEqual([...Array(12).keys()].map((i) => i % 2));
  });

  test('holds tensors as they are seen, whatever lies in memory', async () => {
    const tensors = await read();
    const at = (a: number, b: number, c: number): number => (a * 12 + b * 4 + c) / 4 - 2;
    const turned = [0, 1, 2, 3].flatMap((c) => [0, 1].flatMap((a) => [0, 1, 2].map((b) => at(a, b, c))));
    expect(tensors.get('state_dict.turned')?.shape).toEqual([4, 2, 3]);
    expect(numbersOf(tensors.get('state_dict.turned'))).toEqual(turned);
    expect(numbersOf(tensors.get('state_dict.part'))).toEqual([
      at(1, 1, 2),
      at(1, 1, 3),
      at(1, 2, 2),
      at(1, 2, 3),
    ]);
    expect(numbersOf(tensors.get('state_dict.row'))).toEqual([0, 1, 2, 3].map((c) => at(1, 2, c)));
    expect(tensors.get('state_dict.scalar')).toMatchObject({ shape: [], dtype: 'F32' });
    expect(numbersOf(tensors.get('state_dict.scalar'))).toEqual([7.5]);
    expect(tensors.get('state_dict.empty')).toMatchObject({ shape: [0, 3] });
    expect(numbersOf(tensors.get('state_dict.parameter'))).toEqual(counted(6));
  });

  test('holds what lies deeper, and nothing else', async () => {
    const tensors = await read();
    expect(numbersOf(tensors.get('optimizer.state.0.momentum_buffer'))).toEqual(counted(4));
    expect(tensors.size).toBe(18);
  });
});

test('tensors of complex numbers are named and left out', async () => {
  expect((await readTorch(join(scratch, 'kinds.pth'))).unread).toEqual(['complex']);
});

test('a whole model is read by the names of its parts, and no class of it is looked for', async () => {
  const { tensors } = await readTorch(join(scratch, 'model.pth'));
  expect([...tensors.keys()]).toEqual([
    'block.linear.weight',
    ...['weight', 'bias', 'running_mean', 'running_var', 'num_batches_tracked'].map(
      (name) => `block.norm.${name}`,
    ),
  ]);
  expect(numbersOf(tensors.get('block.linear.weight'))).toEqual(counted(6));
  expect(numbersOf(tensors.get('block.norm.running_mean'))).toEqual(counted(2));
});

test('half precision is read to its last bit: every finite value, the smallest ones and infinity', () => {
  const of = (bits: number): number =>
    floatsOf({ dtype: 'F16', shape: [1], data: Uint16Array.of(bits) })![0]!;
  // Values of IEEE 754 binary16 by its definition.
  expect([0x3c00, 0xc000, 0x7bff, 0x0400, 0x0001, 0x03ff, 0x7c00, 0xfc00, 0x3555].map(of)).toEqual([
    ...[1, -2, 65504, 2 ** -14, 2 ** -24, 1023 * 2 ** -24, Infinity, -Infinity, Math.fround(1365 / 4096)],
  ]);
  expect(of(0x7e00)).toBeNaN();
  expect(Object.is(of(0x8000), -0)).toBe(true);
});

test('what is written is read again, bit by bit', async () => {
  const path = join(scratch, 'written.pth');
  const data = Float32Array.of(1, NaN, -0, 1e-45, 3.4e38, -2);
  writeTorch(path, [
    { name: 'a.weight', shape: [2, 3], data },
    { name: 'é', shape: [], data: BigInt64Array.of(2n ** 62n) },
    { name: 'none', shape: [0, 2], data: new Float32Array(0) },
  ]);
  const { tensors } = await readTorch(path);
  expect([...tensors.keys()]).toEqual(['a.weight', 'é', 'none']);
  expect(tensors.get('a.weight')!.shape).toEqual([2, 3]);
  expect(Buffer.from(Float32Array.from(tensors.get('a.weight')!.data as Float32Array).buffer)).toEqual(
    Buffer.from(data.buffer),
  );
  expect(tensors.get('é')!.data[0]).toBe(2n ** 62n);
  writeTorch(join(scratch, 'again.pth'), [{ name: 'a.weight', shape: [2, 3], data }]);
  writeTorch(join(scratch, 'once-more.pth'), [{ name: 'a.weight', shape: [2, 3], data }]);
  expect(readFileSync(join(scratch, 'again.pth'))).toEqual(readFileSync(join(scratch, 'once-more.pth')));
});

test('what is written is an archive that other programs read, its numbers where memory wants them', async () => {
  const names = ['x/data.pkl', 'x/é', 'x/none', 'x/last'];
  const contents = ['a', 'bc'.repeat(100), '', 'end'].map((text) => Buffer.from(text));
  const pieces = storedZip(names.map((name, i) => ({ name, bytes: contents[i]! })));
  const bytes = Buffer.concat(pieces);
  expect(pieces).toEqual(expect.arrayContaining(contents));
  const archive = await fromBufferPromise(bytes, { lazyEntries: true, strictFileNames: true });
  const found: [string, Buffer][] = [];
  for await (const entry of archive.eachEntry()) {
    const { fileDataStart } = await archive.readLocalFileHeaderPromise(entry, { minimal: true });
    expect(fileDataStart % 64, entry.fileName).toBe(0);
    expect(entry.crc32).toBe(crc32(contents[found.length]!));
    expect(entry.uncompressedSize).toBe(entry.compressedSize);
    expect(entry.getLastModDate({ timezone: 'UTC' })).toEqual(new Date(Date.UTC(1980, 0, 1)));
    // Bit 11 of the flags: the name is UTF-8.
    expect(entry.generalPurposeBitFlag).toBe(0x800);
    const stream = await archive.openReadStreamPromise(entry);
    const parts: Buffer[] = [];
    for await (const part of stream) parts.push(part as Buffer);
    found.push([entry.fileName, Buffer.concat(parts)]);
  }
  expect(found).toEqual(names.map((name, i) => [name, contents[i]]));
  // What stands twice says the same: the header before an entry and its line in the directory.
  for (let at = bytes.indexOf('PK\x01\x02'); at >= 0; at = bytes.indexOf('PK\x01\x02', at + 4)) {
    const local = bytes.readUInt32LE(at + 42);
    expect(bytes.readUInt32LE(local)).toBe(0x04034b50);
    expect(bytes.subarray(local + 4, local + 28)).toEqual(bytes.subarray(at + 6, at + 30));
  }
});

test('what would not be read again is not written', () => {
  const many = Array.from({ length: 2 ** 16 }, (_, i) => ({
    name: String(i),
    shape: [0],
    data: new Float32Array(0),
  }));
  const error = failure(() => {
    writeTorch(join(scratch, 'many.pth'), many);
  });
  expect(error).toMatchObject({
    code: 'TORCH_TOO_LARGE',
    message: expect.stringContaining('65536 tensors') as string,
  });
  // Counted, not stored: all of them are the same memory.
  const data = new Float32Array(2 ** 27);
  const large = ['a', 'b', 'c', 'd'].map((name) => ({ name, shape: [2 ** 27], data }));
  expect(
    failure(() => {
      writeTorch(join(scratch, 'large.pth'), large);
    }).code,
  ).toBe('TORCH_TOO_LARGE');
  expect(existsSync(join(scratch, 'large.pth'))).toBe(false);
});

const FOUR = Buffer.from(Float32Array.of(1, 2, 3, 4).buffer);

describe('hostile checkpoints', () => {
  test('that would call something call nothing', async () => {
    const marker = join(scratch, 'called');
    const pickle = op(`\x80\x02cos\nsystem\n(${word(`touch ${marker}`)}tR.`);
    expect((await torchTensors(await archive(pickle), 'x')).tensors.size).toBe(0);
    expect(() => readFileSync(marker)).toThrow();
  });

  test.each<[string, () => Promise<Buffer> | Buffer, string]>([
    ['an opcode of no checkpoint', () => archive(op('\x80\x02\x82\x01.')), 'opcode 0x82'],
    ['a pickle that ends early', () => archive(op('\x80\x02}')), 'ends within a value'],
    ['an empty stack', () => archive(op('\x80\x02.')), 'empty stack'],
    ['a value that was never kept', () => archive(op('\x80\x02h\x05.')), 'recalls value 5'],
    ['a text longer than the file', () => archive(op('\x80\x02X\xff\xff\xff\x7f.')), 'ends within a value'],
    ['a length of 2^63', () => archive(op('\x80\x02\x8d\0\0\0\0\0\0\0\x80.')), 'ends within a value'],
    ['a tuple that was never opened', () => archive(op('\x80\x02t.')), 'never opened'],
    [
      'an integer of 255 bytes',
      () => archive(op(`\x80\x02\x8a\xff${'\x01'.repeat(255)}.`)),
      'integer of 255',
    ],
    ['a million objects', () => archive(op(`\x80\x02${'}'.repeat(1_000_000)}.`)), 'more than'],
    ['a million marks', () => archive(op(`\x80\x02${'('.repeat(1_000_000)}.`)), 'more than'],
    [
      'dictionaries in dictionaries',
      () => archive(op(`\x80\x02${'}K\x01'.repeat(90)}N${'s'.repeat(90)}.`)),
      'nests more than',
    ],
    [
      'a tensor beyond its storage',
      () => archive(dict(['a', tensor(4, 1, [4], [1])]), [FOUR]),
      'ends after its storage',
    ],
    [
      'strides beyond it',
      () => archive(dict(['a', tensor(4, 0, [2, 2], [3, 1])]), [FOUR]),
      'ends after its storage',
    ],
    [
      'one number shown a billion times',
      () => archive(dict(['a', tensor(4, 0, [1e9], [0])]), [FOUR]),
      'more numbers',
    ],
    [
      'overlapping tensors, many times the file',
      () =>
        archive(
          dict(
            ...Array.from({ length: 64 }, (_, i) => [`a${i}`, tensor(256, 0, [16, 16], [1, 16])] as const),
          ),
          [Buffer.alloc(1024)],
        ),
      'more numbers',
    ],
    [
      'a storage of another length',
      () => archive(dict(['a', tensor(5, 0, [5], [1])]), [FOUR]),
      'has 16 bytes for 5',
    ],
    ['a storage that is not there', () => archive(dict(['a', tensor(4, 0, [4], [1])])), 'no entry data/0'],
    ['a tensor without a shape', () => archive(dict(['a', tensor(4, 0, [-1], [1])]), [FOUR]), 'no shape'],
    [
      'no pickle at all',
      () =>
        archive(op(''), []).then((bytes) =>
          Buffer.from(bytes.toString('latin1').replaceAll('data.pkl', 'data.pk_'), 'latin1'),
        ),
      'without a pickle',
    ],
    ['compressed entries', () => archive(op(`\x80\x02${'N0'.repeat(500)}N.`), [], true), 'compressed'],
    [
      'a tar archive',
      () => Buffer.concat([Buffer.alloc(257), Buffer.from('ustar'), Buffer.alloc(300)]),
      'tar archive',
    ],
    ['another pickle', () => op('\x80\x02}.'), 'not of PyTorch'],
    ['text', () => op('hello'), 'begins neither'],
    ['nothing', () => Buffer.alloc(0), 'begins neither'],
  ])('with %s are refused', async (_, make, complaint) => {
    const error = await failureOf(torchTensors(await make(), 'file.pth'));
    expect(error.code).toMatch(/^TORCH_(INVALID|UNSUPPORTED)$/);
    expect(error.message).toContain('file.pth');
    expect(error.message).toContain(complaint);
  });

  test('a list that holds itself ends', async () => {
    const pickle = op(`\x80\x02]q\0(h\0${tensor(4, 0, [4], [1])}e.`);
    const { tensors } = await torchTensors(await archive(pickle, [FOUR]), 'x');
    expect(numbersOf(tensors.get('1'))).toEqual([1, 2, 3, 4]);
  });

  test('damage in a storage is found', async () => {
    const bytes = fixture('kinds.pth');
    const place = bytes.indexOf(Buffer.from(Float32Array.from(counted(12)).buffer));
    expect(place).toBeGreaterThan(0);
    bytes[place + 5]! ^= 1;
    expect((await failureOf(torchTensors(bytes, 'x'))).message).toContain('CRC-32');
  });

  test('a TorchScript program and a file that is not there are told as what they are', async () => {
    expect(await failureOf(readTorch(join(scratch, 'script.pt')))).toMatchObject({
      code: 'TORCH_UNSUPPORTED',
    });
    expect(await failureOf(readTorch(join(scratch, 'nowhere.pth')))).toMatchObject({
      code: 'FILE_UNREADABLE',
    });
    expect(await failureOf(readTorch(scratch))).toMatchObject({ code: 'FILE_UNREADABLE' });
  });
});

const MUTANTS = 10_000;

test.each([['kinds.pth'], ['kinds-before-1.6.pth']])(
  `${MUTANTS} mutants of %s end in tensors or in an error of this program`,
  async (file) => {
    const original = fixture(file);
    const { pickle, storages } = partsOf(fixture('kinds.pth'));
    const outcomes = { read: 0, refused: 0 };
    const before = process.memoryUsage.rss();
    for (let i = 0; i < MUTANTS; i++) {
      const random = randomAt(7, file, i);
      // A change in a zip archive is found by its sums: half of the mutants have a changed pickle in a sound archive.
      const inside = file === 'kinds.pth' && random.uniform() < 0.5;
      const mutant = inside ? await archive(mutated(pickle, random), storages) : mutated(original, random);
      try {
        const { tensors } = await torchTensors(mutant, 'mutant');
        let bytes = 0;
        for (const { data, shape } of tensors.values()) {
          expect(data.length).toBe(shape.reduce((product, side) => product * side, 1));
          bytes += data.byteLength;
        }
        expect(bytes).toBeLessThan(4 * mutant.length + 2 ** 26);
        outcomes.read++;
      } catch (thrown) {
        if (!(thrown instanceof UsclError)) throw thrown;
        outcomes.refused++;
      }
    }
    expect(Math.min(outcomes.read, outcomes.refused)).toBeGreaterThan(MUTANTS / 100);
    // Files of some thousand bytes each; what the whole of them leaves in memory is garbage that is soon taken away.
    expect(process.resourceUsage().maxRSS * 1024 - before).toBeLessThan(2 ** 28);
  },
  120_000,
);

/** The pickle and the storages of a zip archive of few entries, whose names are in the order of storages. */
function partsOf(bytes: Buffer): { readonly pickle: Buffer; readonly storages: readonly Buffer[] } {
  const entries = new Map<string, Buffer>();
  for (let at = bytes.indexOf('PK\x01\x02'); at >= 0; at = bytes.indexOf('PK\x01\x02', at + 4)) {
    const name = bytes.subarray(at + 46, at + 46 + bytes.readUInt16LE(at + 28)).toString();
    const local = bytes.readUInt32LE(at + 42);
    const start = local + 30 + bytes.readUInt16LE(local + 26) + bytes.readUInt16LE(local + 28);
    entries.set(
      name.slice(name.indexOf('/') + 1),
      bytes.subarray(start, start + bytes.readUInt32LE(at + 24)),
    );
  }
  const keys = [...entries.keys()].filter((name) => name.startsWith('data/'));
  return {
    pickle: entries.get('data.pkl')!,
    storages: keys.map((_, i) => entries.get(`data/${i}`)!),
  };
}

/**
 * Half of the changes where the rules are: early in the file (opcodes, headers) or at its end (the directory of a zip archive); the
 * others anywhere.
 */
function mutated(original: Buffer, random: Random): Buffer {
  let bytes: Buffer = Buffer.from(original);
  for (let change = 1 + random.integer(3); change > 0; change--) {
    const place = placeIn(bytes, random);
    const kind = random.integer(5);
    if (kind === 0) bytes[place]! ^= 1 << random.integer(8);
    else if (kind === 1) bytes[place] = random.integer(256);
    else if (kind === 2) bytes.writeUInt8(OPCODES[random.integer(OPCODES.length)]!, place);
    else if (kind === 3 && random.uniform() < 0.3)
      bytes = bytes.subarray(0, 1 + random.integer(bytes.length));
    else {
      const from = random.integer(bytes.length);
      bytes.copy(bytes, place, from, from + random.integer(40));
    }
  }
  return bytes;
}

function placeIn(bytes: Buffer, random: Random): number {
  const directory = bytes.indexOf('PK\x01\x02');
  const where = random.uniform();
  if (where < 0.25 && directory >= 0) return directory + random.integer(bytes.length - directory);
  return random.integer(where < 0.5 ? Math.min(1200, bytes.length) : bytes.length);
}
const OPCODES = Buffer.from('(.RQtu]}cbhqX\x89\x85\x86\x87', 'latin1');
