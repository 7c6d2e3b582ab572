/**
 * `uscl finetune` as the person meets it: what it prints, how it ends, and that a kill at any moment leaves a run that
 * goes on to the very bits of one left alone.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { randomAt } from '../../src/base/random.ts';
import { timeless, TUNE_ONEDNN } from '../finetune/support.ts';
import { scratchFolder, tinyDataset } from '../pretrain/support.ts';
import { compileProgram, finished, linesIn, runUntil, start, uscl } from './run.ts';

const ROUNDS = 8;
const scratch = scratchFolder();
const dataset = join(scratch, 'dataset');
const whole = join(scratch, 'whole');
const SETTINGS = [...TUNE_ONEDNN, 'saveSeconds=0', 'seeds=2', 'training.epochs=4'].flatMap((set) => [
  '--set',
  set,
]);
const command = (out: string, ...more: readonly string[]): string[] => [
  ...['finetune', 'random', dataset, '--out', out, '--layers', 'last-block', ...SETTINGS],
  ...more,
];

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

test(`${ROUNDS} random kills: each time --resume ends in the same bits`, { timeout: 600_000 }, async () => {
  const expected = timeless(whole);
  const entries = linesIn(join(whole, 'log.jsonl'));
  let killed = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const out = join(scratch, `round${round}`);
    const random = randomAt(2, 'kill', round);
    const moment =
      round % 4 === 0
        ? { entries: 0, delay: random.between(0, 600) }
        : { entries: random.integer(entries), delay: random.between(0, 40) };
    const isDue = (): boolean => linesIn(join(out, 'log.jsonl')) >= moment.entries;
    const exit = await runUntil(command(out, '--resume'), { isDue, delay: moment.delay });
    if (exit === 'SIGKILL') killed += 1;
    expect(await runUntil(command(out, '--resume'), null)).toBe(0);
    expect(timeless(out)).toEqual(expected);
    await rm(out, { recursive: true });
  }
  expect(killed).toBeGreaterThan(ROUNDS / 2);
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
