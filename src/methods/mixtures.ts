/**
 * The batches of MixMatch: labels that are guessed for clips, everything that is mixed, and what mixtures and held-out clips cost
 * (`mixmatch.ts` says how the method goes).
 */
import { OUTPUTS } from '../models/heads.ts';
import { crossEntropy } from '../objectives/cross-entropy.ts';
import { guessLabels, squaredDifference } from '../objectives/label-guess.ts';
import { softCrossEntropy } from '../objectives/soft-cross-entropy.ts';
import { softTargets } from '../objectives/targets.ts';
import { drawMixing, mixImages, type Mixing } from '../views/mixup.ts';
import type { Losses, LookedBatch, MethodBatch } from './method.ts';
import { balancedAccuracy } from './source-heads.ts';

/** Views of a clip that its label is guessed from: K. They are the first ones; the next is of labelled clips. */
export const GUESSES = 2;

/** What mixtures are made with, and how they count. */
export interface MixtureOptions {
  /** T of the sharpening. */
  readonly temperature: number;
  /** α of Beta(α, α). */
  readonly mixing: number;
  /** Full λᵤ. */
  readonly unlabelledWeight: number;
  /** Share of the run over which λᵤ rises. */
  readonly rampUp: number;
}

/** What the images of a batch are held against. */
export interface Mixed {
  /** [images, classes]. */
  readonly targets: Float32Array;
  /** Of the guesses in them: the mean of the highest share. */
  readonly confidence: number;
}

/** Guesses labels and mixes all images of a batch. */
export function mixedTargets(
  { views, number, output, images }: LookedBatch,
  { temperature, mixing }: MixtureOptions,
  classes: number,
  seed: number,
): Mixed {
  const guesses = guessLabels(output(OUTPUTS.logits), GUESSES, classes, temperature);
  const known = softTargets(views[GUESSES]!.labels, classes);
  const targets = new Float32Array(GUESSES * guesses.length + known.length);
  for (let view = 0; view < GUESSES; view++) targets.set(guesses, view * guesses.length);
  targets.set(known, GUESSES * guesses.length);
  const rows = targets.length / classes;
  const drawn = drawMixing(rows, mixing, seed, 0, number);
  const mixed: Mixing = { ...drawn, weight: drawn.weight.map((share) => Math.max(share, 1 - share)) };
  mixImages(images, images.length / rows, mixed);
  mixImages(targets, classes, mixed);
  return { targets, confidence: confidenceOf(guesses, classes) };
}

/** The losses of a batch of mixtures. */
export function taughtByMixtures(
  batch: MethodBatch,
  { targets, confidence }: Mixed,
  given: MixtureOptions,
  classes: number,
): Losses {
  batch.gradient(OUTPUTS.features).fill(0);
  const logits = batch.output(OUTPUTS.logits);
  const gradient = batch.gradient(OUTPUTS.logits);
  const { labels } = batch.views[GUESSES]!;
  const from = logits.length - labels.length * classes;
  const [guessed, own] = [targets.subarray(0, from), targets.subarray(from)];
  const toGuessed = gradient.subarray(0, from);
  const unsupervised = squaredDifference(logits.subarray(0, from), guessed, classes, toGuessed);
  const weight = given.unlabelledWeight * Math.min(1, given.rampUp === 0 ? 1 : batch.progress / given.rampUp);
  for (let i = 0; i < from; i++) toGuessed[i]! *= weight;
  // Guesses of a network that has left the range of numbers are no distributions: the step tells of a loss that is NaN.
  const sound = targets.every((share) => Number.isFinite(share));
  const known = sound
    ? softCrossEntropy(logits.subarray(from), own, classes, null, gradient.subarray(from))
    : { loss: NaN, correct: 0 };
  return {
    loss: known.loss + weight * unsupervised,
    supervised: known.loss,
    unsupervised,
    weight,
    labelled: labels.length,
    correct: known.correct,
    confidence,
    balancedAccuracy: balancedAccuracy(logits.subarray(from), labels, classes),
  };
}

/** What the moving average says of held-out clips with labels. */
export function answered(batch: MethodBatch, classes: number): Losses {
  const logits = batch.target(OUTPUTS.logits);
  const { labels } = batch.views[0]!;
  const toLogits = new Float32Array(logits.length);
  const known = crossEntropy(logits, labels, classes, toLogits, { reduction: 'mean' });
  return {
    ...{ ...known, supervised: known.loss, unsupervised: 0, weight: 0 },
    // Of one view, unsharpened, a guess is the answer itself.
    confidence: confidenceOf(guessLabels(logits, 1, classes, 1), classes),
    balancedAccuracy: balancedAccuracy(logits, labels, classes),
  };
}

/** Mean over rows [N, classes] of the highest share. */
function confidenceOf(shares: Float32Array, classes: number): number {
  const rows = shares.length / classes;
  let sum = 0;
  for (let row = 0; row < rows; row++)
    sum += shares
      .subarray(row * classes, (row + 1) * classes)
      .reduce((most, share) => Math.max(most, share), 0);
  return sum / rows;
}
