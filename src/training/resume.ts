/**
 * Going on with a run: which checkpoint is taken, and what may have changed since. The order is: configuration saved
 * with the run, weights and optimizer state from `last`, logs cut at its step, first batch of that step.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { usageError, UsclError } from '../base/errors.ts';
import type { Dataset } from '../dataset/reader.ts';
import { type Checkpoint, CHECKPOINTS, readCheckpoint, restoreAll } from './checkpoint.ts';
import { isTree, type Tree } from './config-errors.ts';
import type { Config } from './config.ts';
import { Itinerary } from './itinerary.ts';
import type { Learner } from './learner.ts';
import { RUN_FILES } from './run-folder.ts';
import { learningRateAt } from './loop.ts';
import type { Split } from './splits.ts';

/**
 * Loads the run's latest sound checkpoint into `learner`: `last`, or with a note `previous` when `last` is damaged.
 * Null where the run has not saved any yet. Errors: `CHECKPOINT_DAMAGED` when none is sound, `CHECKPOINT_MISMATCH`,
 * `RESUME_CHANGED` for another dataset.
 */
export function restoreRun(
  run: string,
  learner: Learner,
  datasetHash: string,
  note: (text: string) => void,
): Checkpoint | null {
  const found = latestCheckpoint(run, note);
  if (found === null) return null;
  const { checkpoint, path } = found;
  if (checkpoint.datasetHash !== datasetHash)
    throw resumeChanged(path, 'The dataset is not the one the run was started with.');
  restoreAll(checkpoint, learner.parameters, learner.optimizer, path);
  return checkpoint;
}

function latestCheckpoint(
  run: string,
  note: (text: string) => void,
): { readonly checkpoint: Checkpoint; readonly path: string } | null {
  const folder = join(run, RUN_FILES.checkpoints);
  const last = join(folder, CHECKPOINTS.last);
  const previous = join(folder, CHECKPOINTS.previous);
  if (!existsSync(last) && !existsSync(previous)) return null;
  try {
    return { checkpoint: readCheckpoint(last), path: last };
  } catch (thrown) {
    if (!(thrown instanceof UsclError) || !existsSync(previous)) throw thrown;
    note(`${thrown.message} Going on from the one before it.`);
    return { checkpoint: readCheckpoint(previous), path: previous };
  }
}

/** Keys that never change the weights of a run. */
const FREE = ['loader', 'checkpoint', 'evaluation.every'];
/** Keys that may change as long as the learning rates of the steps already made stay what they were. */
const LENGTH = ['training.epochs', 'training.steps'];

/** The part of a configuration that decides the weights; what a checkpoint's hash is taken of. */
export function resultConfig({ loader: _loader, checkpoint: _checkpoint, ...rest }: Config): unknown {
  return rest;
}

/** Refuses a configuration that would not have led to the saved state. Error: `RESUME_CHANGED` naming the key. */
export function requireSameConfig(
  saved: Config,
  config: Config,
  at: {
    readonly step: number;
    readonly itinerary: Itinerary;
    readonly dataset: Dataset;
    readonly split: Split;
  },
): void {
  requireSameKeys(saved, config, [...FREE, ...LENGTH]);
  const [length] = differences(saved, config, FREE);
  if (length === undefined) return;
  const before = new Itinerary(at.dataset.clips, at.split, saved);
  const rate = (config_: Config, itinerary: Itinerary, step: number): number =>
    learningRateAt({ epoch: itinerary.epochOf(step), step }, itinerary, config_);
  for (let step = 0; step < Math.min(at.step, at.itinerary.steps); step++)
    if (rate(saved, before, step) !== rate(config, at.itinerary, step))
      throw changedKey(
        length,
        'The learning rate of steps already made depends on it (schedule.kind=constant or a fixed schedule.horizon ' +
          'would not). Leave it as it was, or start a new run in another folder.',
      );
}

/** Refuses configurations that differ in a key that is not `free` to change. Error: `RESUME_CHANGED` naming the key. */
export function requireSameKeys(saved: Tree, config: Tree, free: readonly string[]): void {
  const [changed] = differences(saved, config, free);
  if (changed !== undefined)
    throw changedKey(changed, 'Leave it as it was, or start a new run in another folder.');
}

interface Difference {
  readonly key: string;
  readonly before: unknown;
  readonly after: unknown;
}

/** The keys, inner ones included, that are not the same and not free to change. */
function differences(before: Tree, after: Tree, free: readonly string[], prefix = ''): Difference[] {
  return [...new Set([...Object.keys(before), ...Object.keys(after)])].flatMap((name) => {
    const key = prefix + name;
    const [one, other] = [before[name], after[name]];
    if (free.includes(key)) return [];
    if (isTree(one) && isTree(other)) return differences(one, other, free, `${key}.`);
    return JSON.stringify(one) === JSON.stringify(other) ? [] : [{ key, before: one, after: other }];
  });
}

function changedKey({ key, before, after }: Difference, remedy: string): UsclError {
  const [was, is] = [before, after].map((value) => JSON.stringify(value) as string | undefined);
  const message = `The run was started with ${key}=${was ?? 'nothing'}, not ${is ?? 'nothing'}.`;
  return resumeChanged(`key ${key}`, message, remedy);
}

/** `RESUME_CHANGED`: what a run is to go on with is not what it was started with. */
export function resumeChanged(
  where: string,
  message: string,
  remedy = 'Resume with what the run was started with, or start a new run in another folder.',
): UsclError {
  return usageError('RESUME_CHANGED', message, remedy, { where });
}
