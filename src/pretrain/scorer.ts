/**
 * Scores a network during its training and chooses the best. The score is kNN on a labelled dataset where one is
 * given (balanced accuracy of clips, higher is better). Otherwise it is the method's own score of the held-out
 * clips.
 */
import { setImmediate } from 'node:timers/promises';
import { UsclError } from '../base/errors.ts';
import { type Dataset, openDataset } from '../dataset/reader.ts';
import { knnScore } from '../evaluation/probes/knn-score.ts';
import { effectiveRank } from '../evaluation/features/statistics.ts';
import type { Losses, Method } from '../methods/method.ts';
import { OUTPUTS } from '../models/heads.ts';
import { wholeFrame } from '../views/augment-levels.ts';
import { clipRenderer, type ClipViews, viewCount } from '../views/clip-views.ts';
import { imageLength, type ViewConfig } from '../views/config.ts';
import type { Best } from '../runs/checkpoint.ts';
import type { Config } from '../runs/config.ts';
import { embedClips } from '../trainer/backbone.ts';
import type { BatchSchedule } from './batch-schedule.ts';
import { type MethodNetwork, viewsOf } from './method-network.ts';
import type { OpenedMethod } from './open-method.ts';
import type { KnnEntry, ValidationEntry } from '../runs/log.ts';

export interface EpochScore {
  readonly entry: ValidationEntry | KnnEntry;
  /** Whether this is the best of the run so far, by the score that selects. */
  readonly best: boolean;
}

/** A run that is scored. */
export interface Scored {
  readonly network: MethodNetwork;
  readonly dataset: Dataset;
  readonly opened: OpenedMethod;
  readonly batchSchedule: Pick<BatchSchedule, 'steps'>;
  readonly config: Config;
}

/** The score that selects the best: the kNN, what a method names of held-out clips, or nothing. */
export type Chooser = 'knn' | 'validation' | 'nothing';

export class Scorer implements Disposable {
  readonly by: Chooser;
  /** So far; a run that goes on sets it. */
  best: Best | null = null;
  readonly #network: MethodNetwork;
  readonly #config: Config;
  readonly #validate: (epoch: number, step: number) => ReturnType<typeof validate>;
  readonly #labelled: Dataset | null;

  /** Opens the labelled dataset; errors of `openDataset`. */
  constructor(run: Scored) {
    const { network, config } = run;
    this.#network = network;
    this.#config = config;
    this.#validate = (epoch, step) => validate(run, epoch, step / run.batchSchedule.steps);
    const folder = config.evaluation.dataset;
    this.#labelled = folder === null ? null : openDataset(folder);
    this.by = folder !== null ? 'knn' : network.method.chooses === null ? 'nothing' : 'validation';
  }

  /** Scores after an epoch; the kNN every `evaluation.every` epochs and at the end of the run. */
  async scoreEpoch(epoch: number, step: number, last: boolean): Promise<readonly EpochScore[]> {
    const scores: EpochScore[] = [];
    const at = () => ({ step, epoch, time: Date.now() / 1000 });
    const validation = await this.#validate(epoch, step);
    if (validation !== null) {
      const { chooses } = this.#network.method;
      const best = this.by === 'validation' && this.#isBest(validation[chooses!.by]!, epoch, step);
      scores.push({ entry: { kind: 'validation', ...at(), ...validation }, best });
    }
    const { every, neighbours, framesPerClip } = this.#config.evaluation;
    if (this.#labelled !== null && ((epoch + 1) % every === 0 || last)) {
      const { view } = this.#config;
      const [embeddings] = await embedClips(this.#labelled, [this.#network.inference], view, {
        framesPerClip,
      });
      const { clips, manifest } = this.#labelled;
      const score = knnScore(embeddings!, clips, manifest.classes, { k: neighbours });
      const { accuracy, balancedAccuracy, macroF1 } = score;
      const best = this.#isBest(balancedAccuracy, epoch, step);
      scores.push({ entry: { kind: 'knn', ...at(), accuracy, balancedAccuracy, macroF1 }, best });
    }
    return scores;
  }

  /** Notes the score if it is better than the best; the first of equal ones stays. */
  #isBest(score: number, epoch: number, step: number): boolean {
    const sign = this.by === 'knn' || this.#network.method.chooses?.better === 'higher' ? 1 : -1;
    if (!(sign * score > (this.best === null ? -Infinity : sign * this.best.score))) return false;
    this.best = { step, epoch, score };
    return true;
  }

  [Symbol.dispose](): void {
    this.#labelled?.[Symbol.dispose]();
  }
}

/** Held-out views that the effective rank is taken of, about. */
const RANK_ROWS = 512;

/**
 * Views of held-out clips: those of training without mixing and, unless `augment`, without anything random but the choice
 * of frames.
 */
function heldOutViews(
  view: ViewConfig,
  views: ClipViews,
  augment: boolean,
): { readonly view: ViewConfig; readonly views: ClipViews } {
  const unmixed = { ...view, spg: { ...view.spg, enabled: false } };
  if (augment) return { view: unmixed, views };
  return {
    view: { ...unmixed, augment: wholeFrame(view.augment) },
    views: views === 'pair' ? views : views.map((one) => ({ ...one, augment: wholeFrame(one.augment) })),
  };
}

/**
 * The scores of held-out clips: the method's loss of two unmixed frames of each (of the views of its first stream), in
 * inference mode, the mean over clips of that of their batch; null where fewer than two clips are held out. No label is
 * given. Unless the configuration asks for augmentation, frames are whole and the same every time, so that scores of
 * different epochs differ by the network alone. Batches are as large as in training; a last one of a single clip is left
 * out, for it has nothing to be contrasted with.
 */
async function validate(
  { network, dataset, opened, config }: Scored,
  epoch: number,
  progress: number,
): Promise<(Losses & Pick<ValidationEntry, 'effectiveRank'>) | null> {
  const { split } = opened;
  if (split.validation.length < 2) return null;
  const { augment } = config.data.validation;
  const { size } = config.batch;
  const [stream] = network.open.streams;
  const { view, views } = heldOutViews(config.view, stream!.views, augment);
  const render = clipRenderer(dataset, view, views);
  const clipLength = viewCount(views) * imageLength(view);
  const buffer = new Float32Array(Math.min(size, split.validation.length) * clipLength);
  const features: Float32Array[] = [];
  const scores: { readonly clips: number; readonly losses: Losses }[] = [];
  let rankRows = 0;
  for (let from = 0; from < split.validation.length; from += size) {
    const indices = split.validation.slice(from, from + size);
    if (indices.length < 2) break;
    const images = buffer.subarray(0, indices.length * clipLength);
    render(indices, config.seed, augment ? epoch : 0, images);
    const seen = viewsOf(opened, [{ clips: indices }], null);
    const { losses, output } = network.heldOut(seen, images, progress);
    const own = output(OUTPUTS.features);
    requireFinite(
      own,
      indices.map((index) => dataset.clips[index]!.id),
    );
    scores.push({ clips: indices.length, losses });
    // The rank of more rows costs more than it tells.
    if (rankRows < RANK_ROWS) {
      features.push(own.slice());
      rankRows += viewCount(views) * indices.length;
    }
    // Lets a signal be heard.
    await setImmediate();
  }
  const plan = network.inference;
  return {
    ...heldOutMeans(network.method, scores),
    effectiveRank: effectiveRank(
      Float32Array.from(features.flatMap((part) => [...part])),
      plan.output(OUTPUTS.features).length / plan.batch,
    ),
  };
}

/** Means over clips of the loss and of what the method measures of held-out clips. */
function heldOutMeans(
  { measurements }: Method,
  scores: readonly { readonly clips: number; readonly losses: Losses }[],
): Losses {
  const clips = scores.reduce((sum, score) => sum + score.clips, 0);
  const mean = (name: string): number =>
    scores.reduce((sum, score) => sum + score.clips * score.losses[name]!, 0) / clips;
  const measured = measurements.filter(({ heldOut }) => heldOut === true);
  return {
    loss: mean('loss'),
    ...Object.fromEntries(measured.map(({ name }) => [name, mean(name)])),
  };
}

function requireFinite(features: Float32Array, clipIds: readonly string[]): void {
  if (features.every((value) => Number.isFinite(value))) return;
  throw new UsclError({
    kind: 'numeric',
    code: 'NON_FINITE',
    message: 'The features of held-out clips are not finite.',
    where: `clips ${clipIds.join(', ')}`,
    remedy:
      'The weights have left the range of numbers: try a lower optimizer.learningRate or training.clipNorm=1. ' +
      'The checkpoints of earlier epochs are untouched.',
  });
}
