/**
 * What a hostile file costs: files that are small and ask for much end in an error, or are read, within four times the file and
 * 64 MB, measured by the system in a process of its own each. Within the time of a test: none hangs.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { readTorch } from '../../src/formats/torch/read.ts';
import { networksIn } from '../../src/models/weight-names.ts';
import { archive, dict, op, tensor, withHeader } from './hostile.ts';

const scratch = mkdtempSync(join(tmpdir(), 'uscl-memory-'));
const at = (name: string): string => join(scratch, name);
const ready = { safetensors: at('small.safetensors'), torch: at('small.pth') };
beforeAll(async () => {
  writeFileSync(ready.safetensors, withHeader('{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}'));
  writeFileSync(ready.torch, await archive(dict(['a', tensor(4, 0, [4], [1])]), [Buffer.alloc(16)]));
});
afterAll(() => {
  rmSync(scratch, { recursive: true });
});

const outcomeSchema = z.object({ code: z.string(), peak: z.number() });

async function reading(bytes: Buffer, kind: keyof typeof ready): Promise<z.infer<typeof outcomeSchema>> {
  writeFileSync(at('file'), bytes);
  const child = join(import.meta.dirname, 'peak-child.ts');
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--import',
    'tsx',
    child,
    ready[kind],
    at('file'),
  ]);
  return outcomeSchema.parse(JSON.parse(stdout));
}

const each = (count: number, entry: (key: string) => string): string =>
  Array.from({ length: count }, (_, i) => entry(i.toString(36))).join(',');
const empty = (key: string): string => `"${key}":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}`;
const long = (text: string): Buffer => {
  const bytes = Buffer.from(text);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(bytes.length);
  return Buffer.concat([op('\x80\x02X'), length, bytes, op('.')]);
};

describe.runIf(process.platform === 'linux')('four times the file and 64 MB are enough for', () => {
  test.each<[string, keyof typeof ready, () => Buffer | Promise<Buffer>, string]>([
    [
      'as many tensors as there may be',
      'safetensors',
      () => withHeader(`{${each(50_000, empty)}}`),
      'WEIGHTS_UNKNOWN',
    ],
    ['more tensors', 'safetensors', () => withHeader(`{${each(400_000, empty)}}`), 'SAFETENSORS_INVALID'],
    [
      'two million entries of metadata',
      'safetensors',
      () => withHeader(`{"__metadata__":{${each(2_000_000, (key) => `"${key}":""`)}}}`),
      'SAFETENSORS_INVALID',
    ],
    [
      'ten million sides',
      'safetensors',
      () => withHeader(`{"a":{"dtype":"U8","shape":[${'0,'.repeat(10_000_000)}0],"data_offsets":[0,0]}}`),
      'SAFETENSORS_INVALID',
    ],
    [
      'a text of 30 MB',
      'safetensors',
      () => withHeader(`{"__metadata__":{"a":"€${'a'.repeat(30_000_000)}"}}`),
      'WEIGHTS_UNKNOWN',
    ],
    [
      'one with escapes',
      'safetensors',
      () => withHeader(`{"__metadata__":{"a":"\\n€${'a'.repeat(30_000_000)}"}}`),
      'WEIGHTS_UNKNOWN',
    ],
    [
      'a tensor that is named 290,000 times',
      'torch',
      () =>
        archive(op(`\x80\x02]q\0(${tensor(4, 0, [4], [1])}q\x01${'h\x01'.repeat(290_000)}e.`), [
          Buffer.alloc(16),
        ]),
      'TORCH_INVALID',
    ],
    [
      '59,000 dictionaries',
      'torch',
      () => archive(op(`\x80\x02](${'}'.repeat(59_000)}e.`)),
      'WEIGHTS_UNKNOWN',
    ],
    [
      '19,000 calls',
      'torch',
      () => archive(op(`\x80\x02](${'cab\nc\n)R'.repeat(19_000)}e.`)),
      'WEIGHTS_UNKNOWN',
    ],
    [
      'a memory of 140,000 values',
      'torch',
      () => archive(op(`\x80\x02N${'\x94N'.repeat(140_000)}.`)),
      'WEIGHTS_UNKNOWN',
    ],
    [
      'a text of 30 MB in a pickle',
      'torch',
      () => archive(long(`€${'a'.repeat(30_000_000)}`)),
      'WEIGHTS_UNKNOWN',
    ],
    [
      'a whole network of half precision that is one storage',
      'torch',
      () => {
        const names = ['conv1', ...[1, 2, 3, 4].flatMap((n) => [0, 1, 2].map((b) => `layer${n}.${b}.conv1`))];
        const all = names.map((name) => `${name}.weight`);
        expect(networksIn(all)[0]!.names.size).toBe(13);
        const view = tensor(4_000_000, 0, [4_000_000], [1], 'HalfStorage');
        return archive(dict(...all.map((name) => [name, view] as const)), [Buffer.alloc(8_000_000)]);
      },
      'WEIGHTS_UNKNOWN',
    ],
  ])('%s', async (_, kind, make, code) => {
    const bytes = await make();
    const outcome = await reading(bytes, kind);
    expect(outcome.code).toBe(code);
    expect(outcome.peak).toBeLessThanOrEqual(4 * bytes.length + 2 ** 26);
  });
});

test('entries of the same bytes are refused before they are summed again and again', async () => {
  const bytes = await archive(op('\x80\x02}.'), [Buffer.alloc(5_000_000)]);
  // The line of the directory of the storage, 50,000 times: 250 GB to be summed.
  const start = bytes.lastIndexOf('PK\x01\x02');
  const end = bytes.lastIndexOf('PK\x05\x06');
  const [before, line, tail] = [
    bytes.subarray(0, start),
    bytes.subarray(start, end),
    Buffer.from(bytes.subarray(end)),
  ];
  const lines = 50_000;
  const first = bytes.indexOf('PK\x01\x02');
  tail.writeUInt16LE(lines + 1, 8);
  tail.writeUInt16LE(lines + 1, 10);
  tail.writeUInt32LE(start - first + lines * line.length, 12);
  writeFileSync(at('again'), Buffer.concat([before, ...Array.from({ length: lines }, () => line), tail]));
  await expect(readTorch(at('again'))).rejects.toMatchObject({
    code: 'TORCH_INVALID',
    message: expect.stringContaining('overlap') as string,
  });
});
