/** `uscl export` and `uscl embed` as they are typed: the end of a file's name says its form, and options arrive. */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { looksLikeOnnx, readOnnx } from '../../src/formats/onnx/read.ts';
import { readSafetensors } from '../../src/formats/safetensors.ts';
import { looksLikeTorch } from '../../src/formats/torch/read.ts';
import { writeModel } from '../finetune/finetuned.ts';
import { scratchFolder, tinyDataset } from '../pretrain/support.ts';
import { compileProgram, uscl } from './run.ts';

const scratch = scratchFolder();
const at = (...parts: string[]): string => join(scratch, ...parts);
let model = '';

beforeAll(async () => {
  compileProgram();
  await tinyDataset(at('clips'));
  model = writeModel(scratch, { view: { size: 16 } });
}, 300_000);

async function told(...args: readonly string[]): Promise<unknown> {
  const { code, stdout, stderr } = await uscl([...args, '--json'], {}, scratch);
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout);
}

test('the end of a name says what is exported', async () => {
  expect(await told('export', model, '--out', 'a.pth')).toMatchObject({ format: 'torch', part: null });
  expect(looksLikeTorch(readFileSync(at('a.pth')))).toBe(true);
  expect(await told('export', model, '--out', 'a.safetensors')).toMatchObject({ format: 'safetensors' });
  expect(readSafetensors(at('a.safetensors')).tensors.size).toBeGreaterThan(90);
  expect(await told('export', model, '--out', 'a.onnx')).toMatchObject({
    format: 'onnx',
    part: 'classifier',
  });
  expect(looksLikeOnnx(readFileSync(at('a.onnx')))).toBe(true);
});

test('a folder for timm is written, told of and imported', async () => {
  mkdirSync(at('wide'));
  const wide = writeModel(at('wide'), { view: { size: 16 }, width: 64 });
  expect(await told('export', wide, '--format', 'hf', '--out', 'hf')).toMatchObject({
    format: 'hf',
    out: 'hf',
  });
  expect(readFileSync(at('hf', 'README.md'), 'utf8')).toContain('local-dir:FOLDER');
  expect(await told('import', 'hf', '--out', 'back.safetensors')).toMatchObject({ used: 100, width: 64 });
  const again = await uscl(['export', wide, '--format', 'hf', '--out', 'hf'], {}, scratch);
  expect(again.code).toBe(2);
  expect(again.stderr).toContain('There is already a model in hf');
});

test('part and folding arrive', async () => {
  const args = ['export', model, '--out', 'b.onnx', '--part', 'backbone', '--fold'];
  expect(await told(...args)).toMatchObject({ part: 'backbone' });
  const names = [...readOnnx(at('b.onnx')).tensors.keys()];
  expect(names).toContain('bn1.folded');
  expect(names.filter((name) => name.startsWith('classifier'))).toEqual([]);
});

test('embed says what it wrote, one JSON object, and takes its options', async () => {
  const wanted = z.looseObject({ rows: z.int(), per: z.string(), use: z.string() });
  const args = ['embed', model, 'clips', '--backend', 'reference', '--frames', '2'];
  expect(wanted.parse(await told(...args, '--out', 'f.csv'))).toMatchObject({ rows: 20, per: 'frame' });
  expect(readFileSync(at('f.csv'), 'utf8').split('\n')[0]).toMatch(/^clip,frame,group,label,source,f0,f1,/);
  const clips = wanted.parse(await told(...args, '--out', 'f.npy', '--per', 'clip'));
  expect(clips).toMatchObject({ rows: 10, per: 'clip', rowsFile: 'f.rows.csv' });
  expect(clips.use).toMatch(/^Research use only/);
  const again = await uscl([...args, '--out', 'f.csv'], {}, scratch);
  expect(again.code).toBe(2);
  expect(again.stderr).toContain('There is already a file at f.csv.');
});
