/**
 * Resumes a pretraining run: chooses the checkpoint, and checks what has changed since. The order is: configuration
 * saved with the run, weights and optimizer state from `last`, logs cut at its step, first batch of that step.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { UsclError } from '../base/errors.ts';
import { type Checkpoint, CHECKPOINTS, readCheckpoint, restoreAll } from '../runs/checkpoint.ts';
import type { Config } from '../runs/config.ts';
import { BatchSchedule, type ScheduleOptions } from '../trainer/methods/batch-schedule.ts';
import type { MethodNetwork } from '../trainer/methods/method-network.ts';
import { changedKey, differences, requireSameKeys, resumeChanged } from '../runs/resume.ts';
import { RUN_FILES } from '../runs/run-folder.ts';
import { learningRateAt } from '../trainer/loop.ts';

/**
 * Loads the run's latest sound checkpoint into the network: `last`, or with a note `previous` when `last` is damaged.
 * Null where the run has not saved any yet. Errors: `CHECKPOINT_DAMAGED` when none is sound, `CHECKPOINT_MISMATCH`,
 * `RESUME_CHANGED` for another dataset.
 */
export function restoreRun(
  run: string,
  network: MethodNetwork,
  datasetHash: string,
  note: (text: string) => void,
): Checkpoint | null {
  const found = latestCheckpoint(run, note);
  if (found === null) return null;
  const { checkpoint, path } = found;
  if (checkpoint.datasetHash !== datasetHash)
    throw resumeChanged(path, 'The dataset is not the one the run was started with.');
  restoreAll(checkpoint, network.left, network.state, path);
  return checkpoint;
}

/** Whether the run has saved a checkpoint. */
export function hasCheckpoint(run: string): boolean {
  return [CHECKPOINTS.last, CHECKPOINTS.previous].some((name) =>
    existsSync(join(run, RUN_FILES.checkpoints, name)),
  );
}

function latestCheckpoint(
  run: string,
  note: (text: string) => void,
): { readonly checkpoint: Checkpoint; readonly path: string } | null {
  const folder = join(run, RUN_FILES.checkpoints);
  const last = join(folder, CHECKPOINTS.last);
  const previous = join(folder, CHECKPOINTS.previous);
  if (!hasCheckpoint(run)) return null;
  try {
    return { checkpoint: readCheckpoint(last), path: last };
  } catch (thrown) {
    if (!(thrown instanceof UsclError) || !existsSync(previous)) throw thrown;
    note(`${thrown.message} Going on from the one before it.`);
    return { checkpoint: readCheckpoint(previous), path: previous };
  }
}

/** Keys that never change the weights of a run: of `init` it is the content that counts (`start.ts`). */
const FREE = ['loader', 'checkpoint', 'evaluation.every', 'init'];
/** Keys that may change as long as the learning rates of the steps already made stay what they were. */
const LENGTH = ['training.epochs', 'training.steps'];

/**
 * The part of a configuration that decides the weights; what a checkpoint's hash is taken of. The weights that a run starts
 * from stand in its `source.json`.
 */
export function resultConfig({
  loader: _loader,
  checkpoint: _checkpoint,
  init: _init,
  device,
  ...rest
}: Config): unknown {
  // What runs did that were started before there were devices and norms of several processes hashes as it did.
  const { norms, ...model } = rest.model;
  return {
    ...rest,
    model: norms === 'rank' ? model : rest.model,
    ...(rest.backend === 'torch' ? { device } : {}),
  };
}

/**
 * Refuses a configuration that would not have led to the saved state after `steps` steps. Error: `RESUME_CHANGED` naming
 * the key.
 */
export function requireSameConfig(
  saved: Config,
  run: ScheduleOptions & { readonly config: Config; readonly batchSchedule: BatchSchedule },
  steps: number,
): void {
  const { config, batchSchedule } = run;
  // Several ranks have each their share of the processors, and the run has no number of its own.
  const free = saved.threads === null ? [...FREE, 'threads'] : FREE;
  requireSameKeys(saved, config, [...free, ...LENGTH]);
  const [length] = differences(saved, config, free);
  if (length === undefined) return;
  const before = new BatchSchedule({ ...run, config: saved });
  const rate = (of: Config, schedule: BatchSchedule, step: number): number =>
    learningRateAt({ epoch: schedule.epochOf(step), step }, schedule, of);
  for (let step = 0; step < Math.min(steps, batchSchedule.steps); step++)
    if (rate(saved, before, step) !== rate(config, batchSchedule, step))
      throw changedKey(
        length,
        'The learning rate of steps already made depends on it (schedule.kind=constant or a fixed schedule.horizon ' +
          'would not). Leave it as it was, or start a new run in another folder.',
      );
}
