/**
 * The training loop: learning rate, next batches (already being painted), step, log, score, save. Everything random is
 * addressed by seed, epoch and clip, so a loop that begins at a later step does what the earlier one would have done.
 */
import { setImmediate } from 'node:timers/promises';
import { Pace } from '../base/pace.ts';
import { UsclError } from '../base/errors.ts';
import type { Config } from './config.ts';
import type { PretrainEvent } from './events.ts';
import type { Feed } from './feed.ts';
import type { Itinerary } from './itinerary.ts';
import type { Learner, StepBatch, StepResult } from './learner.ts';
import type { RunLog, StepEntry } from './log.ts';
import type { Saver } from './saver.ts';
import { learningRateAt } from './schedules.ts';
import type { Scorer } from './scorer.ts';

/** Everything a loop works with, open. */
export interface OpenRun {
  readonly config: Config;
  readonly itinerary: Itinerary;
  readonly learner: Learner;
  readonly feed: Feed;
  readonly scorer: Scorer;
  readonly saver: Saver;
  readonly log: RunLog;
  readonly tell: (event: PretrainEvent) => void;
}

/** Where a loop ended. */
export interface LoopEnd {
  /** Completed steps. */
  readonly step: number;
  /** Loss of the last step made; null when none was. */
  readonly loss: number | null;
}

/**
 * Trains from `firstStep` to the end of the itinerary, or until the signal, which is heard between steps and leaves a
 * checkpoint. Errors: `NON_FINITE` naming step and clips, after the last good state was saved; `DISK_FULL`,
 * `WRITE_FAILED`.
 */
export async function train(run: OpenRun, firstStep: number, signal?: AbortSignal): Promise<LoopEnd> {
  const { config, itinerary, log, saver, tell } = run;
  const pace = new Pace(itinerary.steps - firstStep);
  let loss: number | null = null;
  let step = firstStep;
  while (step < itinerary.steps) {
    const epoch = itinerary.epochOf(step);
    const learningRate = rateOf(step, config, itinerary);
    const result = await makeStep(run, step, epoch, learningRate);
    step += 1;
    loss = result.losses.loss;
    const entry = stepEntry(result, { step, epoch, learningRate, seconds: pace.lap() });
    log.append(entry);
    tell({ kind: 'step', entry, steps: itinerary.steps, secondsLeft: pace.secondsLeft() });

    let saved = false;
    if (itinerary.ends(step - 1)) {
      saved = await endEpoch(run, step, epoch);
      pace.skip();
    }
    await setImmediate();
    if (signal?.aborted === true && step < itinerary.steps) {
      if (!saved) saver.last(step, epoch);
      break;
    }
  }
  return { step, loss };
}

function rateOf(step: number, config: Config, itinerary: Itinerary): number {
  return learningRateAt(
    { epoch: itinerary.epochOf(step), step },
    { epoch: itinerary.epochs, step: itinerary.steps },
    config.schedule,
    config.optimizer.learningRate,
  );
}

async function makeStep(
  { config, itinerary, learner, feed, saver }: OpenRun,
  step: number,
  epoch: number,
  learningRate: number,
): Promise<StepResult> {
  const next = (): Promise<StepBatch> => feed.next();
  try {
    return await learner.step(next, itinerary.batchesIn(step), learningRate, config.training.clipNorm);
  } catch (thrown) {
    if (!(thrown instanceof UsclError) || thrown.kind !== 'numeric') throw thrown;
    // A finite gradient can still have thrown the weights out of range; then the checkpoint before is the last good one.
    const sound = learner.parameters.values.every((value) => Number.isFinite(value));
    if (sound) saver.last(step, epoch);
    throw atStep(thrown, step, epoch, sound);
  }
}

/** Scores and saves what is due. Whether `last` was saved. */
async function endEpoch(
  { config, itinerary, log, scorer, saver, tell }: OpenRun,
  step: number,
  epoch: number,
): Promise<boolean> {
  const final = step === itinerary.steps;
  for (const { entry, best } of await scorer.scoreEpoch(epoch, step, final)) {
    log.append(entry);
    tell({ kind: 'score', entry, best });
    if (best) saver.best(step, epoch);
  }
  const { every, keep } = config.checkpoint;
  if (keep > 0 && (epoch + 1) % keep === 0) saver.keep(step, epoch);
  if ((epoch + 1) % every !== 0 && !final) return false;
  saver.last(step, epoch);
  return true;
}

function stepEntry(
  result: StepResult,
  at: {
    readonly step: number;
    readonly epoch: number;
    readonly learningRate: number;
    readonly seconds: number;
  },
): StepEntry {
  const { losses, gradientNorm, pairs } = result;
  const { seconds } = at;
  return {
    kind: 'step',
    step: at.step,
    epoch: at.epoch,
    time: Date.now() / 1000,
    loss: losses.loss,
    contrastive: losses.contrastive,
    supervised: losses.supervised,
    labelled: losses.labelled,
    correct: losses.correct,
    alignment: losses.alignment,
    uniformity: losses.uniformity,
    pairAccuracy: losses.accuracy,
    learningRate: at.learningRate,
    gradientNorm,
    pairs,
    seconds,
    pairsPerSecond: pairs / seconds,
    dataWaitShare: Math.min(1, result.seconds.data / seconds),
    memory: process.memoryUsage.rss(),
  };
}

function atStep(error: UsclError, step: number, epoch: number, saved: boolean): UsclError {
  return new UsclError({
    kind: error.kind,
    code: error.code,
    message: error.message,
    where: `step ${step + 1}, epoch ${epoch}, ${error.where ?? ''}`,
    remedy:
      error.remedy +
      (saved
        ? ' The state before that step is saved; --resume would meet the same batch again.'
        : ' The weights had left the range of numbers before; the checkpoints of earlier epochs are untouched.'),
    cause: error,
  });
}
