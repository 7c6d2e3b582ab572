/**
 * The scores of a network during its training and the choice of the best: a kNN on a labelled dataset where one is
 * given (balanced accuracy of clips, higher is better), else the loss of the held-out clips (lower is better).
 */
import { setImmediate } from 'node:timers/promises';
import { UsclError } from '../base/errors.ts';
import { type Dataset, openDataset } from '../dataset/reader.ts';
import { knnScore } from '../evaluation/probes/knn-score.ts';
import { effectiveRank } from '../evaluation/features/statistics.ts';
import type { Losses } from '../methods/method.ts';
import { OUTPUTS } from '../models/heads.ts';
import type { AugmentConfig, ViewConfig } from '../views/config.ts';
import { fillPairImages } from '../views/pairs.ts';
import type { Best } from '../runs/checkpoint.ts';
import type { Config } from '../runs/config.ts';
import { embedClips } from '../trainer/backbone.ts';
import type { PairNetwork } from './pair-network.ts';
import type { KnnEntry, ValidationEntry } from '../runs/log.ts';
import type { Split } from '../runs/training-clips.ts';

export interface EpochScore {
  readonly entry: ValidationEntry | KnnEntry;
  /** Whether this is the best of the run so far, by the score that selects. */
  readonly best: boolean;
}

export class Scorer implements Disposable {
  /** What selects the best. */
  readonly by: 'knn' | 'validation';
  /** So far; a run that goes on sets it. */
  best: Best | null = null;
  readonly #pairNetwork: PairNetwork;
  readonly #config: Config;
  readonly #validate: (epoch: number) => ReturnType<typeof validate>;
  readonly #labelled: Dataset | null;

  /** Opens the labelled dataset; errors of `openDataset`. */
  constructor(pairNetwork: PairNetwork, dataset: Dataset, split: Split, config: Config) {
    this.#pairNetwork = pairNetwork;
    this.#config = config;
    this.#validate = (epoch) => validate(pairNetwork, dataset, split, config, epoch);
    const folder = config.evaluation.dataset;
    this.#labelled = folder === null ? null : openDataset(folder);
    this.by = folder === null ? 'validation' : 'knn';
  }

  /** Scores after an epoch; the kNN every `evaluation.every` epochs and at the end of the run. */
  async scoreEpoch(epoch: number, step: number, last: boolean): Promise<readonly EpochScore[]> {
    const scores: EpochScore[] = [];
    const at = () => ({ step, epoch, time: Date.now() / 1000 });
    const validation = await this.#validate(epoch);
    if (validation !== null) {
      const best = this.by === 'validation' && this.#isBest(-validation.loss, validation.loss, epoch, step);
      scores.push({ entry: { kind: 'validation', ...at(), ...validation }, best });
    }
    const { every, neighbours, framesPerClip } = this.#config.evaluation;
    if (this.#labelled !== null && ((epoch + 1) % every === 0 || last)) {
      const plan = this.#pairNetwork.plan('infer', 2 * this.#config.batch.pairs);
      const { view } = this.#config;
      const [embeddings] = await embedClips(this.#labelled, [plan], view, { framesPerClip });
      const { clips, manifest } = this.#labelled;
      const score = knnScore(embeddings!, clips, manifest.classes, { k: neighbours });
      const { accuracy, balancedAccuracy, macroF1 } = score;
      const best = this.#isBest(balancedAccuracy, balancedAccuracy, epoch, step);
      scores.push({ entry: { kind: 'knn', ...at(), accuracy, balancedAccuracy, macroF1 }, best });
    }
    return scores;
  }

  /** Notes the score if its goodness is above the best's; the first of equal ones stays. */
  #isBest(goodness: number, score: number, epoch: number, step: number): boolean {
    const known = this.best === null ? -Infinity : this.by === 'knn' ? this.best.score : -this.best.score;
    if (!(goodness > known)) return false;
    this.best = { step, epoch, score };
    return true;
  }

  [Symbol.dispose](): void {
    this.#labelled?.[Symbol.dispose]();
  }
}

/** Held-out views that the effective rank is taken of, about. */
const RANK_ROWS = 512;

/** The configuration's view without mixing and, unless `augment`, without anything random but the choice of frames. */
function validationView(view: ViewConfig, augment: boolean): ViewConfig {
  const unmixed = { ...view, spg: { ...view.spg, enabled: false } };
  return augment ? unmixed : { ...unmixed, augment: still(view.augment) };
}

/**
 * The score of held-out clips: NT-Xent between two unmixed frames of each, in inference mode, the mean over clips of the
 * loss of their batch; null where fewer than two clips are held out. Unless the configuration asks for augmentation,
 * frames are whole and the same every time, so that scores of different epochs differ by the network alone. Batches are
 * as large as in training; a last one of a single clip is left out, for it has no negatives.
 */
async function validate(
  pairNetwork: PairNetwork,
  dataset: Dataset,
  split: Split,
  config: Config,
  epoch: number,
): Promise<Omit<ValidationEntry, 'kind' | 'step' | 'epoch' | 'time'> | null> {
  const { augment } = config.data.validation;
  const view = validationView(config.view, augment);
  const plan = pairNetwork.plan('infer', 2 * config.batch.pairs);
  const imageLength = plan.input.length / plan.batch;
  const features: Float32Array[] = [];
  const scores: { readonly clips: number; readonly losses: Losses }[] = [];
  for (let from = 0; from < split.validation.length; from += config.batch.pairs) {
    const indices = split.validation.slice(from, from + config.batch.pairs);
    if (indices.length < 2) break;
    const rows = 2 * indices.length;
    const images = plan.input.subarray(0, rows * imageLength);
    fillPairImages(dataset, indices, view, config.seed, augment ? epoch : 0, images);
    plan.forward();
    // A plan is of one size; of a smaller batch only the first rows count.
    const output = (name: string): Float32Array => {
      const values = plan.output(name);
      return values.subarray(0, (values.length / plan.batch) * rows);
    };
    const labels = new Int32Array(indices.length).fill(-1);
    requireFinite(
      output(OUTPUTS.features),
      indices.map((index) => dataset.clips[index]!.id),
    );
    scores.push({
      clips: indices.length,
      losses: pairNetwork.method.losses({ output }, { pairs: indices.length, labels }),
    });
    // The rank of more rows costs more than it tells.
    if (features.length * rows < RANK_ROWS) features.push(output(OUTPUTS.features).slice());
    // Lets a signal be heard.
    await setImmediate();
  }
  const clips = scores.reduce((sum, score) => sum + score.clips, 0);
  if (clips === 0) return null;
  const mean = (part: keyof Losses): number =>
    scores.reduce((sum, score) => sum + score.clips * score.losses[part], 0) / clips;
  return {
    loss: mean('contrastive'),
    alignment: mean('alignment'),
    uniformity: mean('uniformity'),
    pairAccuracy: mean('accuracy'),
    effectiveRank: effectiveRank(
      Float32Array.from(features.flatMap((part) => [...part])),
      plan.output(OUTPUTS.features).length / plan.batch,
    ),
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

function still(augment: AugmentConfig): AugmentConfig {
  const off = { probability: 0 };
  return {
    ...augment,
    cropScale: [1, 1],
    cropRatio: [1, 1],
    flip: 0,
    brightness: 0,
    contrast: 0,
    saturation: 0,
    hue: 0,
    blur: { ...augment.blur, ...off },
    rotation: { ...augment.rotation, ...off },
    affine: { ...augment.affine, ...off },
    cutout: { ...augment.cutout, ...off },
    outPainting: { ...augment.outPainting, ...off },
    nonLinearIntensity: { ...augment.nonLinearIntensity, ...off },
    sharpen: { ...augment.sharpen, ...off },
  };
}
