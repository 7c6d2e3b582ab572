/**
 * Going on with a run: which checkpoint is taken, and what may have changed since. The order is: configuration saved
 * with the run, weights and optimizer state from `last`, logs cut at its step, first batch of that step.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { UsclError } from '../base/errors.ts';
import type { Dataset } from '../dataset/reader.ts';
import { type Checkpoint, CHECKPOINTS, readCheckpoint, restoreAll } from './checkpoint.ts';
import { isTree, keyPaths, valueAt } from './config-errors.ts';
import type { Config } from './config.ts';
import { Itinerary } from './itinerary.ts';
import type { Learner } from './learner.ts';
import { RUN_FILES } from './run-folder.ts';
import { learningRateAt } from './loop.ts';
import type { Split } from './splits.ts';

type Tell = (event: { readonly kind: 'note'; readonly text: string }) => void;

/**
 * Loads the run's latest sound checkpoint into `learner`: `last`, or with a note `previous` when `last` is damaged.
 * Null where the run has not saved any yet. Errors: `CHECKPOINT_DAMAGED` when none is sound, `CHECKPOINT_MISMATCH`,
 * `RESUME_CHANGED` for another dataset.
 */
export function restoreRun(
  run: string,
  learner: Learner,
  datasetHash: string,
  tell: Tell,
): Checkpoint | null {
  const found = latestCheckpoint(run, tell);
  if (found === null) return null;
  const { checkpoint, path } = found;
  if (checkpoint.datasetHash !== datasetHash)
    throw new UsclError({
      kind: 'usage',
      code: 'RESUME_CHANGED',
      message: 'The dataset is not the one the run was started with.',
      where: path,
      remedy: 'Give the same dataset, or start a new run in another folder.',
    });
  restoreAll(checkpoint, learner.parameters, learner.optimizer, path);
  return checkpoint;
}

function latestCheckpoint(
  run: string,
  tell: Tell,
): { readonly checkpoint: Checkpoint; readonly path: string } | null {
  const folder = join(run, RUN_FILES.checkpoints);
  const last = join(folder, CHECKPOINTS.last);
  const previous = join(folder, CHECKPOINTS.previous);
  if (!existsSync(last) && !existsSync(previous)) return null;
  try {
    return { checkpoint: readCheckpoint(last), path: last };
  } catch (thrown) {
    if (!(thrown instanceof UsclError) || !existsSync(previous)) throw thrown;
    tell({ kind: 'note', text: `${thrown.message} Going on from the one before it.` });
    return { checkpoint: readCheckpoint(previous), path: previous };
  }
}

/** Keys that never change the weights of a run. */
const FREE = ['loader.', 'checkpoint.', 'evaluation.every'];
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
  const changed = keyPaths({ ...saved }).filter((path) => {
    const [before, after] = [saved, config].map((tree) => valueAt(tree, path.split('.')));
    return !isTree(before) && JSON.stringify(before) !== JSON.stringify(after);
  });
  const refused = changed.find(
    (path) => !LENGTH.includes(path) && !FREE.some((free) => path.startsWith(free)),
  );
  if (refused !== undefined) throw changedKey(refused, saved, config, 'Leave it as it was');
  const length = changed.find((path) => LENGTH.includes(path));
  if (length === undefined) return;
  const before = new Itinerary(at.dataset.clips, at.split, saved);
  const rate = (config_: Config, itinerary: Itinerary, step: number): number =>
    learningRateAt({ epoch: itinerary.epochOf(step), step }, itinerary, config_);
  for (let step = 0; step < Math.min(at.step, at.itinerary.steps); step++)
    if (rate(saved, before, step) !== rate(config, at.itinerary, step))
      throw changedKey(
        length,
        saved,
        config,
        'The learning rate of steps already made depends on it (schedule.kind=constant or a fixed schedule.horizon ' +
          'would not). Leave it as it was',
      );
}

function changedKey(path: string, saved: Config, config: Config, remedy: string): UsclError {
  const [before, after] = [saved, config].map((tree) => JSON.stringify(valueAt(tree, path.split('.'))));
  return new UsclError({
    kind: 'usage',
    code: 'RESUME_CHANGED',
    message: `The run was started with ${path}=${before ?? 'nothing'}, not ${after ?? 'nothing'}.`,
    where: `key ${path}`,
    remedy: `${remedy}, or start a new run in another folder.`,
  });
}
