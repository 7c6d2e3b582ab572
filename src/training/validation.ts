/**
 * The score of held-out clips: NT-Xent between two unmixed frames of each clip, in inference mode. Unless the
 * configuration asks for augmentation, frames are whole and the same every time, so that scores of different epochs
 * differ by the network alone.
 */
import { setImmediate } from 'node:timers/promises';
import { UsclError } from '../base/errors.ts';
import type { Dataset } from '../dataset/reader.ts';
import { effectiveRank } from '../evaluation/statistics.ts';
import type { Losses } from '../methods/method.ts';
import { OUTPUTS } from '../models/heads.ts';
import type { AugmentConfig, ViewConfig } from '../views/config.ts';
import { fillPairImages } from '../views/pairs.ts';
import type { Config } from './config.ts';
import type { Learner } from './learner.ts';
import type { Split } from './splits.ts';

export interface Validation {
  /** Mean over clips of the contrastive loss of their batch. */
  readonly loss: number;
  readonly alignment: number;
  readonly uniformity: number;
  readonly pairAccuracy: number;
  /** Effective rank of the features of the held-out views. */
  readonly effectiveRank: number;
}

/** Held-out views that the effective rank is taken of, about. */
const RANK_ROWS = 512;

/** The configuration's view without mixing and, unless `augment`, without anything random but the choice of frames. */
export function validationView(view: ViewConfig, augment: boolean): ViewConfig {
  const unmixed = { ...view, spg: { ...view.spg, enabled: false } };
  return augment ? unmixed : { ...unmixed, augment: still(view.augment) };
}

/**
 * Scores the held-out clips with the learner's present weights; null where fewer than two clips are held out.
 * Batches are as large as in training; a last one of a single clip is left out, for it has no negatives.
 */
export async function validate(
  learner: Learner,
  dataset: Dataset,
  split: Split,
  config: Config,
  epoch: number,
): Promise<Validation | null> {
  const { augment } = config.data.validation;
  const view = validationView(config.view, augment);
  const plan = learner.plan('infer', 2 * config.batch.pairs);
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
      losses: learner.method.losses({ output }, { pairs: indices.length, labels }),
    });
    // The rank of more rows costs more than it tells.
    if (features.length * rows < RANK_ROWS) features.push(output(OUTPUTS.features).slice());
    // Lets a signal be heard.
    await setImmediate();
  }
  const clips = scores.reduce((sum, score) => sum + score.clips, 0);
  if (clips === 0) return null;
  const mean = (part: (losses: Losses) => number): number =>
    scores.reduce((sum, score) => sum + score.clips * part(score.losses), 0) / clips;
  return {
    loss: mean((losses) => losses.contrastive),
    alignment: mean((losses) => losses.alignment),
    uniformity: mean((losses) => losses.uniformity),
    pairAccuracy: mean((losses) => losses.accuracy),
    effectiveRank: effectiveRank(joined(features), plan.output(OUTPUTS.features).length / plan.batch),
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

function joined(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
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
