/**
 * Pretraining and fine-tuning as the real program does them, killed (SIGKILL) at drawn moments and gone on with, and what they leave.
 * The quick tests kill a few times, `test/slow/kill.test.ts` often.
 */
import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { randomAt } from '../../src/base/random.ts';
import { readSafetensorsHeader } from '../../src/formats/safetensors.ts';
import { readLog } from '../../src/runs/log.ts';
import { timeless, TUNE_ONEDNN } from '../finetune/support.ts';
import { TINY_ONEDNN, tinyDataset } from '../pretrain/support.ts';
import { linesIn, runUntil, type Moment } from './run.ts';

type Exit = number | NodeJS.Signals | null;

/** A command that goes on where it stopped, and how to look at what it has made. */
interface Killed {
  /** Names the draws. */
  readonly seed: number;
  /** Every so many kills one comes while the program starts. */
  readonly early: number;
  /** Runs it into `out`, killed at a moment or left alone. */
  readonly until: (out: string, moment: Moment | null) => Promise<Exit>;
  /** Lines that a run has logged. */
  readonly entriesOf: (out: string) => number;
  /** What two runs must share to the bit. */
  readonly outcomeOf: (out: string) => unknown;
}

/** Runs killed once each, while they start or anywhere later: in a step, a score, a save. Each goes on to what `whole` is. */
async function killAnywhere(scratch: string, whole: string, rounds: number, command: Killed): Promise<void> {
  const { seed, early, until, entriesOf: entries, outcomeOf: outcome } = command;
  const expected = outcome(whole);
  let killed = 0;
  for (let round = 0; round < rounds; round++) {
    const out = join(scratch, `round${round}`);
    const random = randomAt(seed, 'kill', round);
    const moment =
      round % early === 0
        ? { entries: 0, delay: random.between(0, 600) }
        : { entries: random.integer(entries(whole)), delay: random.between(0, 40) };
    const isDue = (): boolean => entries(out) >= moment.entries;
    if ((await until(out, { isDue, delay: moment.delay })) === 'SIGKILL') killed += 1;
    expect(await until(out, null)).toBe(0);
    expect(outcome(out)).toEqual(expected);
    await rm(out, { recursive: true });
  }
  expect(killed).toBeGreaterThan(rounds / 2);
}

/** Pretraining, killed in so many runs. */
export async function killPretraining(scratch: string, rounds: number): Promise<void> {
  const dataset = await tinyDataset(join(scratch, 'dataset'), { size: 32 });
  const whole = join(scratch, 'whole');
  const settings = [...TINY_ONEDNN, 'training.epochs=8', 'checkpoint.keep=3'];
  const until = (out: string, moment: Moment | null): Promise<Exit> =>
    pretrainUntil(dataset, out, settings, moment);
  expect(await until(whole, null)).toBe(0);
  await killAnywhere(scratch, whole, rounds, {
    ...{ seed: 1, early: 5, until, entriesOf },
    outcomeOf: (run) => outcomeOf(run, ['last', 'best', 'epoch-00003', 'epoch-00006']),
  });
}

/** Fine-tuning of two seeds, killed in so many runs. */
export async function killFinetuning(scratch: string, rounds: number): Promise<void> {
  const dataset = await tinyDataset(join(scratch, 'dataset'), { size: 32, clips: 20 });
  const whole = join(scratch, 'whole');
  const until = (out: string, moment: Moment | null): Promise<Exit> =>
    runUntil(finetuneArgs(dataset, out, '--resume'), moment);
  expect(await until(whole, null)).toBe(0);
  await killAnywhere(scratch, whole, rounds, {
    ...{ seed: 2, early: 4, until, entriesOf },
    outcomeOf: timeless,
  });
}

/** `uscl finetune`, from random weights, in its quickest form, saving after every epoch. */
export function finetuneArgs(dataset: string, out: string, ...more: readonly string[]): string[] {
  const settings = [...TUNE_ONEDNN, 'saveSeconds=0', 'seeds=2', 'training.epochs=4'];
  return [
    ...['finetune', 'random', dataset, '--out', out, '--layers', 'last-block'],
    ...settings.flatMap((set) => ['--set', set]),
    ...more,
  ];
}

/** Runs `uscl pretrain` into `out`, killed at a moment or left alone. */
export function pretrainUntil(
  dataset: string,
  out: string,
  settings: readonly string[],
  moment: Moment | null,
): Promise<Exit> {
  const set = settings.flatMap((setting) => ['--set', setting]);
  return runUntil(['pretrain', dataset, '--out', out, '--resume', ...set], moment);
}

/** Steps and scores that a run has logged. */
export const entriesOf = (run: string): number => linesIn(join(run, 'log.jsonl'));

export interface Outcome {
  /** Whole files, by name. */
  readonly checkpoints: Readonly<Record<string, string>>;
  readonly losses: readonly unknown[];
}

/** What two runs must share to the bit. */
export function outcomeOf(run: string, checkpoints: readonly string[]): Outcome {
  return {
    checkpoints: Object.fromEntries(
      checkpoints.map((name) => [name, readFileSync(checkpointOf(run, name)).toString('base64')]),
    ),
    losses: readLog(run).map((entry) => [entry.kind, entry.step, 'loss' in entry ? entry.loss : null]),
  };
}

function checkpointOf(run: string, name: string): string {
  return join(run, 'checkpoints', `${name}.safetensors`);
}

/**
 * A run of MoCo, which has a following network and a queue beside its weights, killed so many times, ends in the bits of a run
 * left alone. Every fifth kill comes while it starts, the others anywhere further on: in a step, a score, a save.
 */
export async function killMoco(scratch: string, kills: number, epochs: number): Promise<void> {
  const dataset = await tinyDataset(join(scratch, 'moco-dataset'), { size: 32 });
  const [whole, out] = [join(scratch, 'moco-whole'), join(scratch, 'moco-killed')];
  const settings = [...TINY_ONEDNN, 'method.name=moco', 'method.queue=12', `training.epochs=${epochs}`];
  expect(await pretrainUntil(dataset, whole, settings, null)).toBe(0);
  const names = readSafetensorsHeader(checkpointOf(whole, 'last')).tensors.map(({ name }) => name);
  for (const name of ['target.conv1.weight', 'target.bn1.running_var', 'method.queue', 'method.queueNext'])
    expect(names).toContain(name);

  const random = randomAt(4, 'kill-moco');
  // So near the end that no kill comes too late.
  const entries = Math.floor(0.8 * entriesOf(whole));
  const places = Array.from({ length: kills }, () => random.integer(entries)).sort((a, b) => a - b);
  for (const [kill, place] of places.entries()) {
    const left = entriesOf(out);
    const moment =
      kill % 5 === 4
        ? { isDue: () => true, delay: random.between(0, 600) }
        : { isDue: () => entriesOf(out) > Math.max(place, left), delay: random.between(0, 20) };
    expect(await pretrainUntil(dataset, out, settings, moment), `kill ${kill}`).toBe('SIGKILL');
  }
  expect(await pretrainUntil(dataset, out, settings, null)).toBe(0);
  expect(outcomeOf(out, ['last', 'previous'])).toEqual(outcomeOf(whole, ['last', 'previous']));
}
