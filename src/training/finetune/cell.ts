/**
 * One training: a label rate, a seed and a fold. Epochs of steps, a score after each, the best one kept, and at the end
 * what that one says about the test clips. Everything random is addressed, so a training that begins at a later step
 * does what the earlier one would have done.
 */
import { setImmediate } from 'node:timers/promises';
import { UsclError } from '../../base/errors.ts';
import type { Dataset } from '../../dataset/reader.ts';
import { INPUT } from '../../engine/network.ts';
import type { PredictedClip } from '../../evaluation/predictions.ts';
import { classWeights, rowWeights, softTargets } from '../../objectives/targets.ts';
import { FrameLoader } from '../../views/frame-loader.ts';
import type { FrameRow } from '../../views/frames.ts';
import type { Mixing } from '../../views/mixup.ts';
import { learningRateAt } from '../schedules.ts';
import { type FinetuneConfig, viewOf } from './config.ts';
import type { EpochEntry, EpochLog } from './epoch-log.ts';
import type { CellClips, FoldPlan } from './folds.ts';
import type { FrozenPart } from './frozen-part.ts';
import type { BestEpoch, CellProgress, EpochSums } from './partial.ts';
import { CellRows, drawOf, scoredRows } from './rows.ts';
import type { CellKey } from './run-files.ts';
import { type EpochScore, probabilitiesOf, scoreRows } from './scoring.ts';
import type { Tuner, TuneResult } from './tuner.ts';

/** What a training works with, open; the tuner started for it, or put where it stood. */
export interface OpenCell {
  readonly key: CellKey;
  readonly dataset: Dataset;
  readonly config: FinetuneConfig;
  readonly plan: FoldPlan;
  readonly clips: CellClips;
  readonly tuner: Tuner;
  readonly frozen: FrozenPart;
  readonly log: EpochLog;
  readonly onStep: (step: number, images: number) => void;
  readonly onEpoch: (entry: EpochEntry) => void;
  /** Asked after every step whether where the training stands should be saved now. */
  readonly isSaveDue: () => boolean;
  readonly save: (progress: CellProgress) => void;
  readonly signal: AbortSignal | undefined;
}

/** A training that came to its end. The tuner holds the weights of the chosen epoch. */
export interface CellEnd {
  /** The chosen epoch, from 0. */
  readonly epoch: number;
  /** Epochs trained. */
  readonly epochs: number;
  readonly score: EpochScore | null;
  readonly rows: readonly PredictedClip[];
}

export const NEW_CELL: CellProgress = {
  epochs: 0,
  best: null,
  sums: { steps: 0, loss: 0, correct: 0, gradientNorm: 0 },
};

/** Steps that a training takes at most. */
export function stepsOf(dataset: Dataset, clips: CellClips, config: FinetuneConfig, seed: number): number {
  return new CellRows(dataset.clips, clips.training, config, seed).stepsPerEpoch * config.epochs;
}

/**
 * Trains on from `from`. Null when the signal stopped it, after saving. Errors: `NON_FINITE` naming fold, epoch and
 * clips.
 */
export async function trainCell(cell: OpenCell, from: CellProgress): Promise<CellEnd | null> {
  const { config, dataset, clips, tuner, frozen, plan, signal } = cell;
  const classes = plan.classes.length;
  const schedule = new CellRows(dataset.clips, clips.training, config, cell.key.seed);
  const { chosenOn, rows: chooseRows } = choosingRows(cell);
  await using feed = openFeed(cell, schedule, from.epochs * schedule.stepsPerEpoch + from.sums.steps);
  const total = { epoch: config.epochs, step: config.epochs * schedule.stepsPerEpoch };
  let best = from.best;
  let sums = from.sums;
  let epoch = from.epochs;
  for (; epoch < config.epochs && !stopsEarly(best, epoch, config); epoch++) {
    const began = performance.now();
    const first = sums.steps;
    const stepOf = (index: number): number => epoch * schedule.stepsPerEpoch + index;
    const rateAt = (step: number): number =>
      learningRateAt({ epoch, step }, total, config.schedule, config.optimizer.learningRate);
    while (sums.steps < schedule.stepsPerEpoch) {
      const step = stepOf(sums.steps);
      sums = added(sums, await trainStep(cell, feed, epoch, rateAt(step)));
      cell.onStep(step + 1, schedule.size);
      await setImmediate();
      const stopped = signal?.aborted === true;
      if (stopped || cell.isSaveDue()) cell.save({ epochs: epoch, best, sums });
      if (stopped) return null;
    }
    const trained = performance.now();
    const score =
      chooseRows.length === 0
        ? null
        : scoreRows(
            chooseRows,
            await probabilitiesOf(chooseRows, tuner, frozen, config.batch, classes),
            plan.labels,
            classes,
          );
    const isBest = score === null || best === null || isBetter(score, best.score, chosenOn);
    if (score !== null && isBest) best = { epoch, score, weights: tuner.snapshot() };
    const images = sums.steps * schedule.size;
    const trainSeconds = (trained - began) / 1000;
    const entry = cell.log.append({
      ...cell.key,
      epoch,
      trainLoss: sums.loss / sums.steps,
      trainAccuracy: sums.correct / images,
      innerLoss: score?.loss ?? null,
      innerAccuracy: score?.frameAccuracy ?? null,
      innerBalancedAccuracy: score?.balancedAccuracy ?? null,
      chosenOn,
      best: isBest,
      learningRate: rateAt(stepOf(schedule.stepsPerEpoch - 1)),
      gradientNorm: sums.gradientNorm / sums.steps,
      steps: sums.steps,
      images,
      trainSeconds,
      scoreSeconds: (performance.now() - trained) / 1000,
      imagesPerSecond: ((sums.steps - first) * schedule.size) / trainSeconds,
      memory: process.memoryUsage.rss(),
    });
    sums = NEW_CELL.sums;
    cell.onEpoch(entry);
  }
  if (best !== null) tuner.restore(best.weights);
  const rows = await predictTest(cell);
  return { epoch: best?.epoch ?? epoch - 1, epochs: epoch, score: best?.score ?? null, rows };
}

/** Frames of the clips that choose the epoch. */
function choosingRows(cell: OpenCell): {
  readonly chosenOn: EpochEntry['chosenOn'];
  readonly rows: readonly FrameRow[];
} {
  const { clips, config, dataset, key } = cell;
  const onTest = config.protocol === 'legacy' && key.fold !== null;
  const chosen = onTest ? clips.test : clips.inner;
  return {
    chosenOn: chosen.length === 0 ? 'nothing' : onTest ? 'test' : 'inner',
    rows: scoredRows(dataset.clips, chosen, config.framesPerClip.test),
  };
}

/** The published code looks at frame accuracy alone; otherwise equal balanced accuracies are told apart by the loss. */
function isBetter(score: EpochScore, than: EpochScore, chosenOn: EpochEntry['chosenOn']): boolean {
  if (chosenOn === 'test') return score.frameAccuracy > than.frameAccuracy;
  if (score.balancedAccuracy !== than.balancedAccuracy) return score.balancedAccuracy > than.balancedAccuracy;
  return score.loss < than.loss;
}

function stopsEarly(best: BestEpoch | null, epoch: number, { earlyStopping }: FinetuneConfig): boolean {
  return earlyStopping !== null && best !== null && epoch - 1 - best.epoch >= earlyStopping.patience;
}

function added(sums: EpochSums, { loss, correct, gradientNorm }: TuneResult): EpochSums {
  return {
    steps: sums.steps + 1,
    loss: sums.loss + loss,
    correct: sums.correct + correct,
    gradientNorm: sums.gradientNorm + gradientNorm,
  };
}

/** Brings batches, their values at the cut already in the training plan's input. */
interface Feed extends AsyncDisposable {
  next(): Promise<{ readonly rows: readonly FrameRow[]; readonly mixing: Mixing | null }>;
}

/**
 * Where what is below the cut is frozen and images come again (numbered draws, or no augmentation), values are taken
 * from what is kept; otherwise images come from loader threads and pass through the frozen part.
 */
function openFeed(cell: OpenCell, schedule: CellRows, firstStep: number): Feed {
  const { config, dataset, tuner, frozen, key } = cell;
  const { stepsPerEpoch, size } = schedule;
  const { augment, variants } = config.view;
  const place = (step: number): { epoch: number; index: number } => ({
    epoch: Math.floor(step / stepsPerEpoch),
    index: step % stepsPerEpoch,
  });
  const { input } = tuner.training(size);
  if (tuner.cut !== INPUT && (augment === null || variants !== null) && config.mixup === 0) {
    let step = firstStep;
    return {
      next() {
        const { epoch, index } = place(step++);
        const rows = schedule.epoch(epoch)[index]!;
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
      if (epoch >= config.epochs) return null;
      return {
        epoch: drawOf(config, key.seed, epoch).number,
        index,
        rows: schedule.epoch(epoch)[index]!,
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

async function trainStep(
  cell: OpenCell,
  feed: Feed,
  epoch: number,
  learningRate: number,
): Promise<TuneResult> {
  const { rows, mixing } = await feed.next();
  const { config, plan, dataset, tuner, clips } = cell;
  const classes = plan.classes.length;
  const labels = Int32Array.from(rows, ({ clip }) => plan.labels[clip]!);
  const ofTraining = Int32Array.from(clips.training, (clip) => plan.labels[clip]!);
  const weights =
    config.classWeights === 'none' ? null : classWeights(ofTraining, classes, config.classWeights);
  try {
    return tuner.step(
      {
        clipIds: rows.map(({ clip }) => dataset.clips[clip]!.id),
        targets: softTargets(labels, classes, { smoothing: config.labelSmoothing, mixing }),
        weights: weights === null ? null : rowWeights(labels, weights, mixing),
      },
      learningRate,
    );
  } catch (thrown) {
    if (!(thrown instanceof UsclError) || thrown.kind !== 'numeric') throw thrown;
    const { seed, fold, labelRate } = cell.key;
    throw new UsclError({
      kind: 'numeric',
      code: thrown.code,
      message: thrown.message,
      where: `label rate ${labelRate}, seed ${seed}, ${fold === null ? 'final model' : `fold ${fold + 1}`}, epoch ${epoch + 1}, ${thrown.where ?? ''}`,
      remedy:
        'Try a lower optimizer.learningRate, clipNorm=1, a longer schedule.warmupLength or precision=f32, in a new run; ' +
        'look at those clips with `uscl inspect`. Folds that are done are kept.',
      cause: thrown,
    });
  }
}

/** Frame probabilities of every test clip. */
async function predictTest(cell: OpenCell): Promise<readonly PredictedClip[]> {
  const { config, dataset, plan, tuner, frozen, clips } = cell;
  const classes = plan.classes.length;
  const rows = scoredRows(dataset.clips, clips.test, config.framesPerClip.test);
  if (rows.length === 0) return [];
  const all = await probabilitiesOf(rows, tuner, frozen, config.batch, classes);
  const byClip = new Map<number, { clip: number; frames: number[]; probabilities: number[][] }>();
  for (const [i, { clip, frame }] of rows.entries()) {
    const row = byClip.get(clip) ?? { clip, frames: [], probabilities: [] };
    byClip.set(clip, row);
    row.frames.push(frame);
    row.probabilities.push([...all.subarray(i * classes, (i + 1) * classes)]);
  }
  return [...byClip.values()];
}
