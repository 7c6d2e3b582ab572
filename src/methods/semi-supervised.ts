/**
 * What semi-supervised methods share: a stream of labelled clips that goes round, the cross-entropy of its views, and, of
 * those that ask two answers to agree, a weight that ramps up.
 */
import { z } from 'zod';
import type { ConsistencyResult } from '../objectives/consistency.ts';
import { crossEntropy, type CrossEntropyResult } from '../objectives/cross-entropy.ts';
import type { FrameView } from '../views/clip-views.ts';
import type { Chart, Losses, Measurement, Stream, ViewRows } from './method.ts';

/** Option: how few labelled clips there are in a batch. */
export const ratioOption = z
  .int()
  .min(1)
  .max(64)
  .default(4)
  .describe('clips of a batch whose label is not read, for each labelled one');

/** Option: how long the weight of two answers rises. */
export const rampOption = z
  .number()
  .min(0)
  .max(1)
  .default(0.25)
  .describe(
    'share of the run over which that weight rises, as exp(−5 (1 − t)²); 0: full from the start; published: 80 of 300 epochs',
  );

/** The labelled clips of a batch, over and over, however few there are; one view each. */
export function labelledStream(batchSize: number, ratio: number, view: FrameView): Stream {
  return { clips: 'labelled', count: Math.max(1, Math.round(batchSize / ratio)), views: [view] };
}

/**
 * The mean cross-entropy of the view of labelled clips. A held-out batch has no such view: its loss is 0.
 * @param logits [clips, classes], empty where there is no view.
 * @param gradient [clips, classes], overwritten.
 */
export function taught(
  known: ViewRows | undefined,
  logits: Float32Array,
  classes: number,
  gradient: Float32Array,
): CrossEntropyResult {
  if (known === undefined) return { loss: 0, labelled: 0, correct: 0 };
  return crossEntropy(logits, known.labels, classes, gradient, { reduction: 'mean' });
}

/** Share of its full weight that the difference of two answers has at this point of a run (Laine & Aila, ICLR 2017). */
export function ramped(progress: number, length: number): number {
  return progress < length ? Math.exp(-5 * (1 - progress / length) ** 2) : 1;
}

/** Measurements of methods that ask two answers to agree. */
export const CONSISTENCY_MEASUREMENTS: readonly Measurement[] = [
  // The parts of the loss, the second before its weight, which is that of the step.
  { name: 'supervised', over: 'mean' },
  { name: 'consistency', over: 'mean', heldOut: true },
  { name: 'weight', over: 'mean' },
  { name: 'labelled', over: 'sum' },
  { name: 'correct', over: 'sum' },
  { name: 'agreeing', over: 'mean', heldOut: true },
  { name: 'confidence', over: 'mean', heldOut: true },
];

/** The loss and `CONSISTENCY_MEASUREMENTS` of what labels taught and two answers to `clips` clips had in common. */
export function weighed(
  known: CrossEntropyResult,
  found: ConsistencyResult,
  weight: number,
  clips: number,
): Losses {
  return {
    loss: known.loss + weight * found.loss,
    supervised: known.loss,
    consistency: found.loss,
    weight,
    labelled: known.labelled,
    correct: known.correct,
    agreeing: found.agreeing / clips,
    confidence: found.confidence,
  };
}

/** Panels of `CONSISTENCY_MEASUREMENTS`. */
export const CONSISTENCY_CHARTS: readonly Chart[] = [
  {
    title: 'Answers to two frames of a clip',
    axis: 'share',
    shows: ['agreeing', 'confidence'],
    caption:
      'Share of clips whose two answers are the same class, and the mean probability that an answer is given.',
  },
  {
    title: 'Parts of the loss',
    axis: 'value',
    shows: ['supervised', 'consistency'],
    caption:
      'Cross-entropy of labelled clips, and the mean squared difference of two answers before its weight.',
  },
];
