/**
 * Files that attack whoever reads weights (`attacks/make.py` says what each tries): every one ends in the error that is written
 * beside it, calls nothing and leaves nothing behind, whichever command reads it.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { looksLikeOnnx, ONNX_START } from '../../src/formats/onnx/read.ts';
import { writeSafetensors } from '../../src/formats/safetensors.ts';
import { isForeign, readForeign } from '../../src/trainer/foreign-weights.ts';
import { readBackbone } from '../../src/trainer/backbone.ts';
import { importWeights } from '../../src/weights/import-weights.ts';
import { failureOf } from '../failures.ts';
import { scratchFolder } from '../pretrain/support.ts';

const scratch = scratchFolder();

const { marker, attacks } = z
  .object({
    marker: z.string(),
    attacks: z
      .array(
        z.strictObject({
          name: z.string(),
          tries: z.string(),
          base64: z.base64(),
          code: z.string(),
          message: z.string(),
        }),
      )
      .min(60),
  })
  .parse(JSON.parse(readFileSync(join(import.meta.dirname, 'attacks', 'attacks.json'), 'utf8')));

describe('an attack', () => {
  test.each(attacks)('by $name, which $tries, ends in $code', async ({ name, base64, code, message }) => {
    const folder = join(scratch, name.replaceAll(/\W+/g, '-'));
    mkdirSync(folder);
    const path = join(folder, 'weights');
    writeFileSync(path, Buffer.from(base64, 'base64'));
    for (const read of [() => importWeights(path, join(folder, 'out')), () => readBackbone(path)]) {
      const error = await failureOf(read());
      expect(error.code).toBe(code);
      expect(error.message).toContain(message);
      expect(error.message).toContain(path);
      expect(error.remedy).not.toBe('');
    }
    expect(readdirSync(folder)).toEqual(['weights']);
    expect(readdirSync('.')).not.toContain(marker);
    expect(readdirSync(folder)).not.toContain(marker);
  });
});

describe('a safetensors file whose length reads like the head of an ONNX model', () => {
  /** With a header of exactly so many bytes, a multiple of eight. */
  const written = (name: string, header: number): string => {
    const path = join(scratch, name);
    const tensor = { name: 'w', shape: [1], data: Float32Array.of(7) };
    writeSafetensors(path, [tensor], { x: '' });
    const least = Number(readFileSync(path).readBigUInt64LE());
    writeSafetensors(path, [tensor], { x: 'a'.repeat(header - least) });
    expect(Number(readFileSync(path).readBigUInt64LE())).toBe(header);
    return path;
  };

  test.each([0x120108, 0x123f08, 0x5121008])('is read as what it is: 0x%x', async (header) => {
    const path = written(`header-${header}`, header);
    // Without the brace it would be taken for a model: version, then a name.
    const start = readFileSync(path).subarray(0, ONNX_START);
    expect([start[0], start[2]]).toEqual([0x08, 0x12]);
    expect(looksLikeOnnx(start)).toBe(false);
    expect(isForeign(path)).toBe(false);
    expect(await failureOf(readForeign(path))).toMatchObject({
      code: 'WEIGHTS_UNKNOWN',
      message: expect.stringContaining('called w') as string,
    });
  });

  test('is not mixed up with a model whose name has a brace there', () => {
    const named = (name: string): Buffer =>
      Buffer.concat([Buffer.from([0x08, 0x07, 0x12, name.length]), Buffer.from(name)]);
    expect(looksLikeOnnx(named('abcd{efg'))).toBe(true);
    expect(looksLikeOnnx(named('pytorch'))).toBe(true);
    // A short file says no more than it has.
    expect(looksLikeOnnx(named('a'))).toBe(true);
    expect(looksLikeOnnx(Buffer.from([0x08, 0x07]))).toBe(false);
    expect(looksLikeOnnx(Buffer.from([0x08, 0x40, 0x12, 0x01]))).toBe(false);
    expect(looksLikeOnnx(Buffer.from([0x08, 0x00, 0x12, 0x01]))).toBe(false);
  });
});
