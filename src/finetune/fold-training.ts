/**
 * Trains one fold run, with one label rate, one seed and one fold. Each epoch ends with a score, and the weights of the
 * best epoch are kept. At the end those weights predict the test clips.
 */
import type { UsclError } from '../base/errors.ts';
import type { PredictedClip } from '../evaluation/scores/predictions.ts';
import type { Method } from '../methods/method.ts';
import { learningRateAt, type RunTime, train, type Training, type TrainingLength } from '../trainer/loop.ts';
import type { FrameRow } from '../views/frames.ts';
import type { FinetuneConfig } from './config.ts';
import type { EpochEntry, EpochSink } from './epoch-log.ts';
import type { EpochScore } from './fold-runs.ts';
import { scoredRows } from './frame-schedule.ts';
import { type FoldRun, type Lessons, restoreSnapshot, snapshotOf } from './learner.ts';
import { isBetter, type OpenRun, predictClips, probabilitiesOf, scoreRows } from './scoring.ts';
import { unlabelledMethod } from './method-learner.ts';
import { type BestEpoch, type FoldRunProgress, NO_SUMS, savePartial } from './unfinished-fold-run.ts';

/** A fold run that can train: its network is started, or restored. */
export interface OpenFoldRun extends OpenRun, FoldRun {
  readonly log: EpochSink;
  /** Called after every step with the steps done and the images of one step. */
  readonly onStep: (step: number, images: number) => void;
}

/** The end of a fold run. The network then holds the weights of the chosen epoch. */
export interface FoldRunEnd {
  /** The chosen epoch, from 0. */
  readonly epoch: number;
  /** Epochs trained. */
  readonly epochs: number;
  readonly chosenOn: EpochEntry['chosenOn'];
  readonly score: EpochScore | null;
  readonly rows: readonly PredictedClip[];
}

/**
 * Trains a fold run, beginning at `from`. Returns null when the signal stopped it; its state is then saved. Error:
 * `NON_FINITE`, which names fold, epoch and clips.
 */
export async function trainFoldRun(foldRun: OpenFoldRun, from: FoldRunProgress): Promise<FoldRunEnd | null> {
  const { clips, learner, signal } = foldRun;
  const batchSchedule = learner.lengthOf(foldRun);
  const first = from.epochs * batchSchedule.stepsPerEpoch + from.sums.steps;
  await using lessons = learner.lessons(first);
  const training = new FoldTraining(foldRun, batchSchedule, lessons, from);
  // Earlier versions saved before the score of an epoch.
  const pending = from.sums.steps === batchSchedule.stepsPerEpoch;
  const enough = pending && (await training.endEpoch(from.epochs)) === 'enough';
  if (!enough && (await train(training, first, signal)).stopped) return null;
  const { best, epochs } = training.progress;
  if (best !== null) restoreSnapshot(learner.weights, best.weights);
  return {
    epoch: best?.epoch ?? epochs - 1,
    ...{ epochs, chosenOn: training.chosenOn, score: best?.score ?? null },
    rows: await predictClips(clips.test, foldRun),
  };
}

class FoldTraining implements Training {
  readonly batchSchedule: TrainingLength;
  readonly config: FinetuneConfig;
  readonly chosenOn: EpochEntry['chosenOn'];
  progress: FoldRunProgress;
  readonly #foldRun: OpenFoldRun;
  readonly #lessons: Lessons;
  readonly #method: Method | null;
  readonly #chooseRows: readonly FrameRow[];
  #saved = performance.now();
  /** When this call began the epoch, and how many of its images were read by then. */
  #began: { readonly time: number; readonly images: number };

  constructor(foldRun: OpenFoldRun, batchSchedule: TrainingLength, lessons: Lessons, from: FoldRunProgress) {
    const { clips, config, dataset, key } = foldRun;
    this.batchSchedule = batchSchedule;
    this.config = config;
    this.progress = from;
    this.#foldRun = foldRun;
    this.#lessons = lessons;
    this.#method = unlabelledMethod(config);
    this.#began = { time: performance.now(), images: from.sums.images };
    const onTest = config.protocol === 'legacy' && key.fold !== null;
    const chosen = onTest ? clips.test : clips.inner;
    this.chosenOn = chosen.length === 0 ? 'nothing' : onTest ? 'test' : 'inner';
    this.#chooseRows = scoredRows(dataset.clips, chosen, config.framesPerClip.test);
  }

  async step({ step }: RunTime, learningRate: number): Promise<void> {
    const { images, ...done } = await this.#lessons.step(learningRate);
    const { sums } = this.progress;
    this.progress = {
      ...this.progress,
      sums: {
        steps: sums.steps + 1,
        loss: sums.loss + done.loss,
        correct: done.correct === null || sums.correct === null ? null : sums.correct + done.correct,
        images: sums.images + images,
        gradientNorm: sums.gradientNorm + done.gradientNorm,
        measured: Object.fromEntries(
          Object.entries(done.measured).map(([name, value]) => [name, (sums.measured[name] ?? 0) + value]),
        ),
      },
    };
    this.#foldRun.onStep(step + 1, images);
  }

  failed({ where = '' }: UsclError, { epoch }: RunTime): { where: string; remedy: string } {
    const { seed, fold, labelRate } = this.#foldRun.key;
    return {
      where: `label rate ${labelRate}, seed ${seed}, ${fold === null ? 'final model' : `fold ${fold + 1}`}, epoch ${epoch + 1}, ${where}`,
      remedy:
        'Try a lower optimizer.learningRate, training.clipNorm=1, a longer schedule.warmupLength or precision=f32, in a new run; ' +
        'look at those clips with `uscl inspect`. Folds that are done are kept.',
    };
  }

  async endEpoch(epoch: number): Promise<'not saved' | 'enough'> {
    const { key, log, plan, tell, learner } = this.#foldRun;
    const { batchSchedule, config, chosenOn } = this;
    const { sums } = this.progress;
    const trained = performance.now();
    const rows = this.#chooseRows;
    const score =
      rows.length === 0
        ? null
        : scoreRows(rows, await probabilitiesOf(rows, this.#foldRun), plan.labels, plan.classes.length);
    let { best } = this.progress;
    const isBest = score === null || best === null || isBetter(score, best.score, chosenOn);
    if (score !== null && isBest) best = { epoch, score, weights: snapshotOf(learner.weights) };
    const { images } = sums;
    const trainSeconds = (trained - this.#began.time) / 1000;
    const lastStep = Math.min((epoch + 1) * batchSchedule.stepsPerEpoch, batchSchedule.steps) - 1;
    const entry = log.add({
      ...key,
      epoch,
      trainLoss: sums.loss / sums.steps,
      trainAccuracy: sums.correct === null ? null : sums.correct / images,
      ...(this.#method === null ? {} : { measured: measuredIn(this.#method, sums) }),
      innerLoss: score?.loss ?? null,
      innerAccuracy: score?.frameAccuracy ?? null,
      innerBalancedAccuracy: score?.balancedAccuracy ?? null,
      chosenOn,
      best: isBest,
      learningRate: learningRateAt({ epoch, step: lastStep }, batchSchedule, config),
      gradientNorm: sums.gradientNorm / sums.steps,
      steps: sums.steps,
      images,
      trainSeconds,
      scoreSeconds: (performance.now() - trained) / 1000,
      imagesPerSecond: (images - this.#began.images) / trainSeconds,
      memory: process.memoryUsage.rss(),
    });
    this.progress = { epochs: epoch + 1, best, sums: NO_SUMS };
    tell({ kind: 'epoch', key, entry });
    this.#began = { time: performance.now(), images: 0 };
    return isEnough(best, epoch, config) ? 'enough' : 'not saved';
  }

  isSaveDue(): boolean {
    return performance.now() - this.#saved >= 1000 * this.config.saveSeconds;
  }

  /** Flushes the log first, so that the log is never behind the saved state. */
  save(): void {
    this.#foldRun.log.flush();
    savePartial(this.#foldRun, this.progress);
    this.#saved = performance.now();
  }
}

function isEnough(best: BestEpoch | null, epoch: number, { earlyStopping }: FinetuneConfig): boolean {
  return earlyStopping !== null && best !== null && epoch - best.epoch >= earlyStopping.patience;
}

/** What a method measured in an epoch: means over its steps, and counts. */
function measuredIn({ measurements }: Method, { measured, steps }: typeof NO_SUMS): Record<string, number> {
  return Object.fromEntries(
    measurements.map(({ name, over }) => [name, (measured[name] ?? 0) / (over === 'sum' ? 1 : steps)]),
  );
}
