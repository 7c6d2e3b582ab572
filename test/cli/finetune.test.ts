/** `uscl finetune` as the person meets it: what it prints and how it ends. How it goes on after a kill: `kill.test.ts`. */
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { scratchFolder, tinyDataset } from '../pretrain/support.ts';
import { finetuneArgs } from './kills.ts';
import { compileProgram, finished, start, uscl } from './run.ts';

const scratch = scratchFolder();
const dataset = join(scratch, 'dataset');
const whole = join(scratch, 'whole');
const command = (out: string, ...more: readonly string[]): string[] => finetuneArgs(dataset, out, ...more);

beforeAll(async () => {
  compileProgram();
  await tinyDataset(dataset, { size: 32, clips: 20 });
});

test('prints one JSON object, or a table with intervals that says what it is for', async () => {
  const json = await uscl(command(whole, '--json'));
  expect(json.stderr).not.toContain('defect');
  expect(json.code).toBe(0);
  const summary = z
    .object({ complete: z.boolean(), foldRuns: z.int() })
    .loose()
    .parse(JSON.parse(json.stdout));
  expect(summary).toMatchObject({ complete: true, foldRuns: 5, run: whole });
  const again = await uscl(command(whole, '--resume'));
  expect(again.code).toBe(0);
  expect(again.stdout).toMatch(/clip, mean probability +\d\.\d{3} \(\d\.\d{3}–\d\.\d{3}\)/);
  expect(again.stdout).toContain('not a medical device');
  expect(again.stderr).toContain('5 of them done');
});

test('Ctrl-C ends it with 130 and a way on', async () => {
  const out = join(scratch, 'stopped');
  const child = start(command(out, '--set', 'training.epochs=4000', '--set', 'earlyStopping=null'));
  child.stderr.on('data', (chunk: Buffer) => {
    if (chunk.toString().includes('trainings')) setTimeout(() => child.kill('SIGINT'), 300);
  });
  const { code, stderr, stdout } = await finished(child);
  expect(code).toBe(130);
  expect(stderr).toContain('--resume');
  expect(stdout).toBe('');
});

test('refuses what cannot be meant, with its exit code and no stack', async () => {
  for (const [args, code, text] of [
    [command(whole), 2, '--resume'],
    [command(join(scratch, 'x'), '--label-rate', '0.5,2'), 2, '--label-rate'],
    [command(join(scratch, 'x'), '--set', 'epoch=2'), 2, 'epochs'],
    [command(join(scratch, 'x2'), '--set', 'folds=11'), 3, 'folds'],
    [['finetune', join(scratch, 'nowhere'), dataset, '--out', join(scratch, 'x')], 3, 'no run'],
  ] as const) {
    const { code: exit, stderr } = await uscl(args);
    expect([exit, stderr]).toEqual([code, expect.stringContaining(text)]);
    expect(stderr).not.toMatch(/\n {4}at /);
  }
});

test('--help teaches: what happens, examples, the keys worth knowing', async () => {
  const { stdout, code } = await uscl(['finetune', '--help']);
  expect(code).toBe(0);
  for (const word of [
    'random',
    '--label-rate',
    '--resume',
    'last-block',
    'compare-runs',
    'docs/finetuning.md',
  ])
    expect(stdout).toContain(word);
});
