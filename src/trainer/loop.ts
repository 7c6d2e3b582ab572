/**
 * The loop of every training: learning rate, step, end of an epoch, saving. Everything random is addressed by seed,
 * epoch and clip, so a loop that begins at a later step repeats what an earlier one would have done. The learning
 * rate is a pure function of the step.
 */
import { setImmediate } from 'node:timers/promises';
import { UsclError } from '../base/errors.ts';
import type { Config } from '../runs/config.ts';

/** A point in a run, or the length of it. */
export interface RunTime {
  readonly epoch: number;
  readonly step: number;
}

/** The length of a training. `epochs` are those that begin; `steps` may cut the last one short. */
export interface TrainingLength {
  readonly epochs: number;
  readonly steps: number;
  readonly stepsPerEpoch: number;
}

/** A training: its step, and the work around its steps. */
export interface Training {
  readonly batchSchedule: TrainingLength;
  readonly config: Pick<Config, 'optimizer' | 'schedule'>;
  /** Makes the step `now` (both numbers from 0) and tells of it. */
  step(now: RunTime, learningRate: number): Promise<void>;
  /** Words for the error of a step that left the range of numbers. */
  failed(error: UsclError, now: RunTime): Pick<UsclError, 'remedy'> & { readonly where: string };
  /** Scores and saves what is due when `step` steps are done and the epoch with them. */
  endEpoch(epoch: number, step: number): Promise<'saved' | 'not saved' | 'enough'>;
  /** Whether to stop after this step, where this process has heard a signal or has not: of several, all do the same. */
  stops?(isSignalled: boolean): boolean;
  /** Whether the state should be saved now, within an epoch. */
  isSaveDue(): boolean;
  /** Saves the state after `step` steps, of which the last was of `epoch`. */
  save(step: number, epoch: number): void;
}

/**
 * Trains from `firstStep` to the last step, until an epoch's end says that it is enough, or until the signal,
 * which is heard between steps and leaves a save. Returns the completed steps and whether the signal ended it. Errors:
 * numeric ones with the words of `failed`, and whatever the training throws.
 */
export async function train(
  training: Training,
  firstStep: number,
  signal: AbortSignal | undefined,
): Promise<{ readonly step: number; readonly stopped: boolean }> {
  const { batchSchedule, config } = training;
  let step = firstStep;
  while (step < batchSchedule.steps) {
    const now = { step, epoch: Math.floor(step / batchSchedule.stepsPerEpoch) };
    try {
      await training.step(now, learningRateAt(now, batchSchedule, config));
    } catch (thrown) {
      if (!(thrown instanceof UsclError) || thrown.kind !== 'numeric') throw thrown;
      const { code, message } = thrown;
      const said = training.failed(thrown, now);
      throw new UsclError({ kind: 'numeric', code, message, ...said, cause: thrown });
    }
    step += 1;
    const ends = step % batchSchedule.stepsPerEpoch === 0 || step === batchSchedule.steps;
    const end = ends ? await training.endEpoch(now.epoch, step) : 'not saved';
    if (end === 'enough') break;
    await setImmediate();
    const isSignalled = signal?.aborted === true;
    const stopped = (training.stops?.(isSignalled) ?? isSignalled) && step < batchSchedule.steps;
    if (end !== 'saved' && (stopped || training.isSaveDue())) training.save(step, now.epoch);
    if (stopped) return { step, stopped };
  }
  return { step, stopped: false };
}

/**
 * Learning rate at a step and its epoch (both from 0) of a run of `total` epochs and steps: warm-up, then constant or
 * cosine (closed form of PyTorch's `CosineAnnealingLR` with η_min = 0), changing once an epoch or once a step.
 *
 * With t the epoch (or step), w the warm-up length, H the horizon and η the optimizer's learning rate:
 * - `linear` warm-up: η·(t + 1)/w for t < w; `hold`: η for t < w;
 * - then `constant`: η; `cosine`: η·(1 + cos(π·min(1, (t − w)/H)))/2.
 */
export function learningRateAt(
  now: RunTime,
  total: Pick<TrainingLength, 'epochs' | 'steps'>,
  {
    schedule,
    optimizer,
  }: Pick<Config, 'schedule'> & { readonly optimizer: { readonly learningRate: number } },
): number {
  const { kind, unit, warmup } = schedule;
  const { learningRate: peak } = optimizer;
  const time = now[unit];
  const warm = warmup === 'none' ? 0 : schedule.warmupLength;
  if (time < warm) return warmup === 'linear' ? (peak * (time + 1)) / warm : peak;
  if (kind === 'constant') return peak;
  const length = unit === 'epoch' ? total.epochs : total.steps;
  const horizon = schedule.horizon ?? Math.max(1, length - warm);
  return (peak * (1 + Math.cos(Math.PI * Math.min(1, (time - warm) / horizon)))) / 2;
}
