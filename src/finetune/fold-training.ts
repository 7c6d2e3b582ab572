/**
 * Trains one fold run, with one label rate, one seed and one fold. Each epoch ends with a score, and the weights of the
 * best epoch are kept. At the end those weights predict the test clips.
 */
import type { UsclError } from '../base/errors.ts';
import { INPUT } from '../engine/core/network.ts';
import type { PredictedClip } from '../evaluation/scores/predictions.ts';
import { classWeights, rowWeights, softTargets } from '../objectives/targets.ts';
import { FrameLoader } from '../views/loaders.ts';
import type { FrameRow } from '../views/frames.ts';
import type { Mixing } from '../views/mixup.ts';
import { learningRateAt, type RunTime, train, type Training } from '../trainer/loop.ts';
import { type FinetuneConfig, viewOf } from './config.ts';
import type { EpochEntry, EpochLog } from './epoch-log.ts';
import type { FoldRunKey, EpochScore } from './fold-runs.ts';
import type { FoldRunClips } from './fold-plan.ts';
import { type BestEpoch, type FoldRunProgress, NO_SUMS, savePartial } from './unfinished-fold-run.ts';
import { FrameSchedule, drawOf, scoredRows } from './frame-schedule.ts';
import { isBetter, type OpenRun, predictClips, probabilitiesOf, scoreRows } from './scoring.ts';
import type { FinetuneBatch } from './tuned-network.ts';

/** A fold run that can train: its network is started, or restored. */
export interface OpenFoldRun extends OpenRun {
  readonly key: FoldRunKey;
  readonly clips: FoldRunClips;
  readonly log: EpochLog;
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
  const { config, dataset, clips, tunedNetwork, key, signal } = foldRun;
  const batchSchedule = new FrameSchedule(dataset.clips, clips.training, config, key.seed);
  const first = from.epochs * batchSchedule.stepsPerEpoch + from.sums.steps;
  await using feed = openFeed(foldRun, batchSchedule, first);
  const training = new FoldTraining(foldRun, batchSchedule, feed, from);
  // Earlier versions saved before the score of an epoch.
  const pending = from.sums.steps === batchSchedule.stepsPerEpoch;
  const enough = pending && (await training.endEpoch(from.epochs)) === 'enough';
  if (!enough && (await train(training, first, signal)).stopped) return null;
  const { best, epochs } = training.progress;
  if (best !== null) tunedNetwork.restore(best.weights);
  return {
    epoch: best?.epoch ?? epochs - 1,
    ...{ epochs, chosenOn: training.chosenOn, score: best?.score ?? null },
    rows: await predictClips(clips.test, foldRun),
  };
}

class FoldTraining implements Training {
  readonly batchSchedule: FrameSchedule;
  readonly config: FinetuneConfig;
  readonly chosenOn: EpochEntry['chosenOn'];
  progress: FoldRunProgress;
  readonly #foldRun: OpenFoldRun;
  readonly #feed: Feed;
  readonly #chooseRows: readonly FrameRow[];
  readonly #weights: Float64Array | null;
  #saved = performance.now();
  /** When this call began the epoch, and how many of its steps were done by then. */
  #began: { readonly time: number; readonly steps: number };

  constructor(foldRun: OpenFoldRun, batchSchedule: FrameSchedule, feed: Feed, from: FoldRunProgress) {
    const { clips, config, dataset, key, plan } = foldRun;
    this.batchSchedule = batchSchedule;
    this.config = config;
    this.progress = from;
    this.#foldRun = foldRun;
    this.#feed = feed;
    this.#began = { time: performance.now(), steps: from.sums.steps };
    const onTest = config.protocol === 'legacy' && key.fold !== null;
    const chosen = onTest ? clips.test : clips.inner;
    this.chosenOn = chosen.length === 0 ? 'nothing' : onTest ? 'test' : 'inner';
    this.#chooseRows = scoredRows(dataset.clips, chosen, config.framesPerClip.test);
    const labels = Int32Array.from(clips.training, (clip) => plan.labels[clip]!);
    this.#weights =
      config.classWeights === 'none' ? null : classWeights(labels, plan.classes.length, config.classWeights);
  }

  async step({ step }: RunTime, learningRate: number): Promise<void> {
    const { tunedNetwork, onStep } = this.#foldRun;
    const next = (): Promise<FinetuneBatch> => this.#nextBatch();
    const { losses, gradientNorm } = await tunedNetwork.step(
      next,
      1,
      learningRate,
      this.config.training.clipNorm,
    );
    const { loss, correct } = losses[0]!;
    const { sums } = this.progress;
    this.progress = {
      ...this.progress,
      sums: {
        steps: sums.steps + 1,
        loss: sums.loss + loss,
        correct: sums.correct + correct,
        gradientNorm: sums.gradientNorm + gradientNorm,
      },
    };
    onStep(step + 1, this.batchSchedule.size);
  }

  async #nextBatch(): Promise<FinetuneBatch> {
    const { rows, mixing } = await this.#feed.next();
    const { config, plan, dataset } = this.#foldRun;
    const labels = Int32Array.from(rows, ({ clip }) => plan.labels[clip]!);
    const smoothing = config.labelSmoothing;
    return {
      clipIds: rows.map(({ clip }) => dataset.clips[clip]!.id),
      targets: softTargets(labels, plan.classes.length, { smoothing, mixing }),
      weights: this.#weights === null ? null : rowWeights(labels, this.#weights, mixing),
    };
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
    const { key, log, plan, tell, tunedNetwork } = this.#foldRun;
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
    if (score !== null && isBest) best = { epoch, score, weights: tunedNetwork.snapshot() };
    const images = sums.steps * batchSchedule.size;
    const trainSeconds = (trained - this.#began.time) / 1000;
    const lastStep = Math.min((epoch + 1) * batchSchedule.stepsPerEpoch, batchSchedule.steps) - 1;
    const entry = log.add({
      ...key,
      epoch,
      trainLoss: sums.loss / sums.steps,
      trainAccuracy: sums.correct / images,
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
      imagesPerSecond: ((sums.steps - this.#began.steps) * batchSchedule.size) / trainSeconds,
      memory: process.memoryUsage.rss(),
    });
    this.progress = { epochs: epoch + 1, best, sums: NO_SUMS };
    tell({ kind: 'epoch', key, entry });
    this.#began = { time: performance.now(), steps: 0 };
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

/** Delivers batches. Their values at the cut are then in the training plan's input. */
interface Feed extends AsyncDisposable {
  next(): Promise<{ readonly rows: readonly FrameRow[]; readonly mixing: Mixing | null }>;
}

/**
 * Opens the feed of a fold run. Values at the cut come from the cache where layers below the cut are frozen and images
 * repeat (numbered draws, or no augmentation). Otherwise loader threads render images, which pass through the frozen part.
 */
function openFeed(foldRun: OpenFoldRun, batchSchedule: FrameSchedule, firstStep: number): Feed {
  const { config, dataset, tunedNetwork, frozen, key } = foldRun;
  const { stepsPerEpoch, size } = batchSchedule;
  const { augment, variants } = config.view;
  const place = (step: number): { epoch: number; index: number } => ({
    epoch: Math.floor(step / stepsPerEpoch),
    index: step % stepsPerEpoch,
  });
  const { input } = tunedNetwork.training(size);
  if (tunedNetwork.cut !== INPUT && (augment === null || variants !== null) && config.mixup === 0) {
    let step = firstStep;
    return {
      next() {
        const { epoch, index } = place(step++);
        const rows = batchSchedule.epoch(epoch)[index]!;
        frozen.fill(rows, augment === null ? 'whole' : drawOf(config, key.seed, epoch).number, input);
        return Promise.resolve({ rows, mixing: null });
      },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  }
  const loader = FrameLoader.open(dataset.folder, viewOf(config), {
    seed: drawOf(config, key.seed, 0).seed,
    schedule: (step) => {
      const { epoch, index } = place(step);
      if (step >= batchSchedule.steps) return null;
      return {
        epoch: drawOf(config, key.seed, epoch).number,
        index,
        rows: batchSchedule.epoch(epoch)[index]!,
      };
    },
    firstStep,
    rows: size,
    mixup: config.mixup === 0 ? null : config.mixup,
    workers: config.loader.workers,
    ahead: config.loader.ahead,
  });
  return {
    async next() {
      const { rows, images, mixing } = await loader.next();
      input.set(frozen.pass(images, rows.length));
      return { rows, mixing };
    },
    [Symbol.asyncDispose]: () => loader.close(),
  };
}
