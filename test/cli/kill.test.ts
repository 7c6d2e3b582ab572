/**
 * kill -9 at any moment leaves a run that goes on to the very bits of one left alone. Each round starts the real
 * program on the vendor's kernels, kills it at a random moment, and lets `--resume` finish.
 */
import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { randomAt } from '../../src/base/random.ts';
import { readLog } from '../../src/runs/log.ts';
import { scratchFolder, TINY_ONEDNN, tinyDataset } from '../pretrain/support.ts';
import { compileProgram, linesIn, runUntil, type Moment } from './run.ts';

const ROUNDS = 20;
const scratch = scratchFolder();
const dataset = join(scratch, 'dataset');
const whole = join(scratch, 'whole');
const SETTINGS = [...TINY_ONEDNN, 'training.epochs=8', 'checkpoint.keep=3'];

/** Runs `uscl pretrain` into `out`, killed at a moment or left alone. */
function pretrainUntil(out: string, moment: Moment | null): Promise<number | NodeJS.Signals | null> {
  const settings = SETTINGS.flatMap((set) => ['--set', set]);
  return runUntil(['pretrain', dataset, '--out', out, '--resume', ...settings], moment);
}

const entriesOf = (run: string): number => linesIn(join(run, 'log.jsonl'));

const bitsOf = (run: string): string[] =>
  ['last', 'best', 'epoch-00003', 'epoch-00006'].map((name) =>
    readFileSync(join(run, 'checkpoints', `${name}.safetensors`)).toString('base64'),
  );
const lossesOf = (run: string): unknown[] =>
  readLog(run).map((entry) => [entry.kind, entry.step, 'loss' in entry ? entry.loss : null]);

beforeAll(async () => {
  compileProgram();
  await tinyDataset(dataset, { size: 32 });
  expect(await pretrainUntil(whole, null)).toBe(0);
});

test(`${ROUNDS} random kills: each time --resume ends in the same bits`, { timeout: 600_000 }, async () => {
  let killed = 0;
  const expected = { bits: bitsOf(whole), losses: lossesOf(whole) };
  for (let round = 0; round < ROUNDS; round++) {
    const out = join(scratch, `round${round}`);
    const random = randomAt(1, 'kill', round);
    // Every fifth one dies while it starts, the others anywhere in the run: in a step, a score, a save.
    const moment =
      round % 5 === 0
        ? { entries: 0, delay: random.between(0, 600) }
        : { entries: random.integer(entriesOf(whole)), delay: random.between(0, 40) };
    const isDue = (): boolean => entriesOf(out) >= moment.entries;
    const exit = await pretrainUntil(out, { isDue, delay: moment.delay });
    if (exit === 'SIGKILL') killed += 1;
    expect(await pretrainUntil(out, null)).toBe(0);
    expect(bitsOf(out)).toEqual(expected.bits);
    expect(lossesOf(out)).toEqual(expected.losses);
    await rm(out, { recursive: true });
  }
  expect(killed).toBeGreaterThan(ROUNDS / 2);
});
