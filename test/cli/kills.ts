/** Pretraining as the real program does it, killed (SIGKILL) at drawn moments and gone on with, and what it leaves. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { randomAt } from '../../src/base/random.ts';
import { readSafetensorsHeader } from '../../src/formats/safetensors.ts';
import { readLog } from '../../src/runs/log.ts';
import { TINY_ONEDNN, tinyDataset } from '../pretrain/support.ts';
import { linesIn, runUntil, type Moment } from './run.ts';

/** Runs `uscl pretrain` into `out`, killed at a moment or left alone. */
export function pretrainUntil(
  dataset: string,
  out: string,
  settings: readonly string[],
  moment: Moment | null,
): Promise<number | NodeJS.Signals | null> {
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
