/**
 * Whatever the bytes, the reader either returns tensors that obey the format or throws the project's own error: seeded
 * mutants of valid files, so that a failure can be repeated.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UsclError } from '../../src/base/errors.ts';
import { randomAt, type Random } from '../../src/base/random.ts';
import { readSafetensors, writeSafetensors, type Safetensors } from '../../src/formats/safetensors.ts';

/** Pieces of JSON and numbers that break rules one at a time more often than random bytes do. */
const WORDS = [
  ...Array.from('{}[]",:\\ 0123456789-.eE+'),
  'null',
  'true',
  '"dtype"',
  '"shape"',
  '"data_offsets"',
  '"F32"',
  '"F64"',
  '"__metadata__"',
  '\\u0061',
  '\\ud800',
  '4294967296',
  '9007199254740993',
  '18446744073709551616',
  '\u0000',
  '\u00ff',
].map((word) => Buffer.from(word));

function mutate(original: Uint8Array, random: Random): Buffer {
  let bytes = Buffer.from(original);
  const headerEnd = 8 + Number(bytes.readBigUInt64LE());
  for (let change = 1 + random.integer(3); change > 0; change--) {
    // Mostly in the header, where the rules are.
    const place = random.integer(random.uniform() < 0.8 ? Math.min(headerEnd, bytes.length) : bytes.length);
    const word = WORDS[random.integer(WORDS.length)]!;
    switch (random.integer(7)) {
      case 0:
        bytes[place]! ^= 1 << random.integer(8);
        break;
      case 1:
        bytes[place] = random.integer(256);
        break;
      case 2:
        bytes = Buffer.concat([bytes.subarray(0, place), word, bytes.subarray(place)]);
        break;
      case 3:
        bytes = Buffer.concat([bytes.subarray(0, place), word, bytes.subarray(place + word.length)]);
        break;
      case 4:
        bytes = Buffer.concat([bytes.subarray(0, place), bytes.subarray(place + 1 + random.integer(8))]);
        break;
      case 5: {
        const from = random.integer(bytes.length);
        const piece = bytes.subarray(from, from + random.integer(40));
        bytes = Buffer.concat([bytes.subarray(0, place), piece, bytes.subarray(place)]);
        break;
      }
      default:
        bytes = bytes.subarray(0, random.integer(bytes.length + 1));
    }
    if (bytes.length === 0) return bytes;
  }
  // Half of the mutants get a header length that fits again, or the length alone would reject most of them.
  if (bytes.length >= 8 && random.uniform() < 0.5) {
    const dataBytes = original.length - headerEnd;
    bytes.writeBigUInt64LE(BigInt(Math.max(0, bytes.length - 8 - dataBytes)));
  }
  return bytes;
}

function outcome(source: string | Uint8Array): Safetensors | UsclError {
  try {
    return readSafetensors(source);
  } catch (thrown) {
    if (thrown instanceof UsclError) return thrown;
    throw thrown;
  }
}

describe('readSafetensors under mutation', () => {
  let folder = '';
  const seeds: Buffer[] = [];
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'uscl-fuzz-'));
    const path = join(folder, 'seed.safetensors');
    writeSafetensors(
      path,
      [
        { name: 'conv1.weight', shape: [2, 1, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) },
        { name: 'step', shape: [], data: BigInt64Array.of(12n) },
        { name: 'bits', shape: [3], data: Uint16Array.of(1, 2, 3), dtype: 'BF16' },
        { name: 'none', shape: [0], data: new Float32Array(0) },
      ],
      { config: '{"depth":18}', note: 'ä' },
    );
    seeds.push(readFileSync(path));
    writeSafetensors(path, [{ name: 'w', shape: [1], data: Uint8Array.of(1) }]);
    seeds.push(readFileSync(path));
  });
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it('keeps its promise over 20,000 mutants', () => {
    const codes = new Map<string, number>();
    for (let index = 0; index < 20_000; index++) {
      const random = randomAt(1, 'fuzz', index);
      const mutant = mutate(seeds[index % seeds.length]!, random);
      const result = outcome(mutant);
      const code = result instanceof UsclError ? result.code : 'read';
      codes.set(code, (codes.get(code) ?? 0) + 1);
      if (result instanceof UsclError) {
        if (result.kind !== 'data') throw new Error(`mutant ${index}: kind ${result.kind}`);
        continue;
      }
      let total = 0;
      for (const [name, { shape, data }] of result.tensors) {
        total += data.byteLength;
        if (shape.reduce((product, side) => product * side, 1) !== data.length)
          throw new Error(
            `mutant ${index}: tensor ${name} has ${data.length} elements for [${shape.join()}]`,
          );
      }
      if (total !== mutant.length - 8 - Number(mutant.readBigUInt64LE()))
        throw new Error(`mutant ${index}: tensors cover ${total} bytes`);
    }
    // The mutator reaches every verdict, or it proves little.
    expect([...codes.keys()].sort()).toEqual([
      'SAFETENSORS_DTYPE',
      'SAFETENSORS_INVALID',
      'SAFETENSORS_TRUNCATED',
      'read',
    ]);
    for (const [code, count] of codes) expect(count, code).toBeGreaterThan(50);
  });

  it('says the same of a file as of its bytes', () => {
    const path = join(folder, 'mutant.safetensors');
    for (let index = 0; index < 300; index++) {
      const mutant = mutate(seeds[0]!, randomAt(2, 'fuzz', index));
      writeFileSync(path, mutant);
      const fromBytes = outcome(mutant);
      const fromFile = outcome(path);
      if (fromBytes instanceof UsclError || fromFile instanceof UsclError) {
        expect(fromFile).toBeInstanceOf(UsclError);
        expect(fromBytes).toMatchObject({ code: fromFile instanceof UsclError ? fromFile.code : 'none' });
      } else expect(fromFile).toEqual(fromBytes);
    }
  });
});
