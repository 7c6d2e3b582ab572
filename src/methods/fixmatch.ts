/**
 * FixMatch (Sohn et al., NeurIPS 2020): a classifier learns from labelled clips, and from clips without labels by its own
 * confident answers: what it says of a weakly augmented view becomes the label of a strongly augmented one. Labelled clips
 * come in a stream of their own, over and over, so that every batch has some however few there are.
 */
import { z } from 'zod';
import type { Network } from '../engine/core/network.ts';
import { OUTPUTS, withHeads } from '../models/heads.ts';
import { followParameters } from '../models/moving-average.ts';
import { pseudoLabelLoss } from '../objectives/pseudo-label.ts';
import { cropsAndFlips } from '../views/augment-levels.ts';
import { defineMethod, type OpenMethod, type Reference } from './method.ts';
import { labelledStream, ratioOption, taught } from './semi-supervised.ts';

const options = z.object({
  threshold: z
    .number()
    .min(0)
    .max(1)
    .default(0.95)
    .describe('probability from which on an answer to a weak view counts as its label'),
  unlabelledWeight: z.number().min(0).max(100).default(1).describe('λᵤ of the loss on clips without labels'),
  unlabelledRatio: ratioOption.describe(
    'μ: clips of a batch whose label is not read, for each labelled one; published: 7',
  ),
  movingAverage: z
    .number()
    .min(0)
    .lt(1)
    .nullable()
    .default(null)
    .describe(
      'share of itself that a moving average of the weights keeps at each step; it is what a run leaves; null: none; published: 0.999',
    ),
});

const REFERENCE: Reference = {
  key: 'fixmatch',
  text: 'Sohn K, Berthelot D, Li CL, Zhang Z, Carlini N, Cubuk ED, Kurakin A, Zhang H, Raffel C. FixMatch: Simplifying Semi-Supervised Learning with Consistency and Confidence. NeurIPS 2020. arXiv:2001.07685',
};

/**
 * Weak: crops and flips as `view.augment` has them. Strong: all of `view.augment`, which the default preset extends by
 * rotation, blur and cut-out. Both views of a clip show the same frame. The weights are those of the last step or, as the
 * authors test them, a moving average, which has the running statistics of the network that it follows.
 */
export const fixmatch = defineMethod<z.infer<typeof options>>({
  name: 'fixmatch',
  title: 'FixMatch',
  summary: 'a classifier that takes its confident answers to weak views as labels of strong ones',
  reference: REFERENCE,
  options,
  presets: {
    default: {
      view: {
        augment: {
          rotation: { probability: 0.5 },
          blur: { probability: 0.5 },
          cutout: { probability: 0.5 },
        },
      },
    },
  },
  measurements: [
    { name: 'supervised', over: 'mean' },
    { name: 'unsupervised', over: 'mean' },
    { name: 'labelled', over: 'sum' },
    { name: 'correct', over: 'sum' },
    { name: 'confident', over: 'mean', heldOut: true },
    { name: 'agreeing', over: 'mean', heldOut: true },
  ],
  charts: [
    {
      title: 'Confident answers',
      axis: 'share of clips',
      shows: ['confident', 'agreeing'],
      caption:
        'Share of clips whose weak view is answered above the threshold, and of all clips those whose strong view then agrees.',
    },
  ],
  chooses: null,
  needsLabels: true,
  readsLabels: () => true,
  open({ threshold, unlabelledWeight, unlabelledRatio, movingAverage }, { trunk, classes, view, batchSize }) {
    const network = withHeads(trunk, { projection: null, classifier: { classes, input: 'representation' } });
    const weak = { frame: 0, augment: cropsAndFlips(view.augment) };
    const strong = { frame: 0, augment: view.augment };
    return {
      streams: [
        { clips: 'training', count: batchSize, views: [weak, strong] },
        labelledStream(batchSize, unlabelledRatio, weak),
      ],
      online: { network, views: [0, 1, 2] },
      ...(movingAverage === null ? {} : averaged(network, movingAverage)),
      losses(batch) {
        batch.gradient(OUTPUTS.features).fill(0);
        const logits = batch.output(OUTPUTS.logits);
        const gradient = batch.gradient(OUTPUTS.logits);
        const clips = batch.views[0]!.clips.length;
        const part = (values: Float32Array, from: number, to?: number): Float32Array =>
          values.subarray(from * classes, to === undefined ? undefined : to * classes);
        // No gradient flows through the answers that serve as labels.
        part(gradient, 0, clips).fill(0);
        const own = part(gradient, clips, 2 * clips);
        const guessed = pseudoLabelLoss(
          part(logits, 0, clips),
          part(logits, clips, 2 * clips),
          classes,
          threshold,
          own,
        );
        for (let i = 0; i < own.length; i++) own[i]! *= unlabelledWeight;
        const known = taught(batch.views[2], part(logits, 2 * clips), classes, part(gradient, 2 * clips));
        return {
          loss: known.loss + unlabelledWeight * guessed.loss,
          supervised: known.loss,
          unsupervised: guessed.loss,
          labelled: known.labelled,
          correct: known.correct,
          confident: guessed.confident / clips,
          agreeing: guessed.agreeing / clips,
        };
      },
    };
  },
  describe: ({ threshold, unlabelledWeight, unlabelledRatio, movingAverage }, { cite }) =>
    `by FixMatch ${cite(REFERENCE)}: a classifier learnt from labelled clips and, with weight ${unlabelledWeight}, from ${unlabelledRatio} times ` +
    `as many clips whose label was not read, of which its answer to a weakly augmented view became the label of a strongly ` +
    `augmented one where it was given a probability of at least ${threshold}.` +
    (movingAverage === null ? '' : ` The weights are a moving average (momentum ${movingAverage}).`),
});

/** A moving average of all weights, which is what a run leaves. */
function averaged(network: Network, momentum: number): Pick<OpenMethod, 'target' | 'leaves' | 'afterUpdate'> {
  return {
    target: { network, views: [0] },
    leaves: 'target',
    afterUpdate(online, average) {
      if (average === null) return;
      followParameters(average, online, momentum);
      average.statistics.copyFrom(online.statistics);
    },
  };
}
