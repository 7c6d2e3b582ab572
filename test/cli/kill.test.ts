/**
 * kill -9 at any moment leaves a run that goes on to the very bits of one left alone. Each round starts the real
 * program on the vendor's kernels, kills it at a random moment, and lets `--resume` finish.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { randomAt } from '../../src/base/random.ts';
import { scratchFolder, TINY_ONEDNN, tinyDataset } from '../pretrain/support.ts';
import { entriesOf, killMoco, outcomeOf, pretrainUntil } from './kills.ts';
import { compileProgram } from './run.ts';

const ROUNDS = 20;
const scratch = scratchFolder();
const dataset = join(scratch, 'dataset');
const whole = join(scratch, 'whole');
const SETTINGS = [...TINY_ONEDNN, 'training.epochs=8', 'checkpoint.keep=3'];
const CHECKPOINTS = ['last', 'best', 'epoch-00003', 'epoch-00006'];

beforeAll(async () => {
  compileProgram();
  await tinyDataset(dataset, { size: 32 });
  expect(await pretrainUntil(dataset, whole, SETTINGS, null)).toBe(0);
});

test(`${ROUNDS} random kills: each time --resume ends in the same bits`, { timeout: 600_000 }, async () => {
  let killed = 0;
  const expected = outcomeOf(whole, CHECKPOINTS);
  for (let round = 0; round < ROUNDS; round++) {
    const out = join(scratch, `round${round}`);
    const random = randomAt(1, 'kill', round);
    // Every fifth one dies while it starts, the others anywhere in the run: in a step, a score, a save.
    const moment =
      round % 5 === 0
        ? { entries: 0, delay: random.between(0, 600) }
        : { entries: random.integer(entriesOf(whole)), delay: random.between(0, 40) };
    const isDue = (): boolean => entriesOf(out) >= moment.entries;
    const exit = await pretrainUntil(dataset, out, SETTINGS, { isDue, delay: moment.delay });
    if (exit === 'SIGKILL') killed += 1;
    expect(await pretrainUntil(dataset, out, SETTINGS, null)).toBe(0);
    expect(outcomeOf(out, CHECKPOINTS)).toEqual(expected);
    await rm(out, { recursive: true });
  }
  expect(killed).toBeGreaterThan(ROUNDS / 2);
});

test('two kills of one run of MoCo: it ends in the same bits, following network and queue included', async () => {
  await killMoco(scratch, 2, 10);
});
