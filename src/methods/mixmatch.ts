/**
 * MixMatch (Berthelot et al., NeurIPS 2019): what a classifier says on average of two views of a clip, sharpened, becomes the
 * label of both (`objectives/label-guess.ts`). All images of a batch, labelled or not, are then mixed with one another, each
 * keeping the greater share λ' = max(λ, 1 − λ), λ ~ Beta(α, α), and their labels likewise. The loss is the cross-entropy of mixed labelled images and λᵤ
 * times the mean squared difference of the mixed others to their labels, where λᵤ rises in the beginning. A moving average
 * of the weights is what is tested, and what a run leaves.
 */
import { z } from 'zod';
import { withHeads } from '../models/heads.ts';
import { followParameters } from '../models/moving-average.ts';
import { cropsAndFlips } from '../views/augment-levels.ts';
import { defineMethod, type Reference } from './method.ts';
import { answered, GUESSES, type Mixed, mixedTargets, taughtByMixtures } from './mixtures.ts';
import { labelledStream, ratioOption } from './semi-supervised.ts';

const options = z.object({
  temperature: z
    .number()
    .gt(0)
    .max(10)
    .default(0.5)
    .describe('T of the sharpening of guessed labels; 1: none'),
  mixing: z
    .number()
    .gt(0)
    .max(1000)
    .default(0.75)
    .describe('α of Beta(α, α), from which the shares of mixed images come'),
  unlabelledWeight: z
    .number()
    .min(0)
    .max(1000)
    .default(75)
    .describe('full λᵤ of the squared difference of clips without labels; smaller for fewer classes'),
  rampUp: z
    .number()
    .min(0)
    .max(1)
    .default(0.25)
    .describe('share of the run over which λᵤ rises linearly; 0: full from the start'),
  momentum: z
    .number()
    .min(0)
    .lt(1)
    .default(0.99)
    .describe(
      'share of itself that the moving average keeps at each step; published: 0.999, for longer runs',
    ),
  unlabelledRatio: ratioOption
    .unwrap()
    .default(1)
    .describe('clips of a batch whose label is not read, for each labelled one; published: 1'),
});
type Options = z.infer<typeof options>;

const REFERENCE: Reference = {
  key: 'mixmatch',
  text: 'Berthelot D, Carlini N, Goodfellow I, Papernot N, Oliver A, Raffel C. MixMatch: A Holistic Approach to Semi-Supervised Learning. NeurIPS 2019. arXiv:1905.02249',
};

/**
 * Views are weak: crops and flips as `view.augment` has them; both of a clip show one frame. Guesses are made with batch statistics, as published.
 * The moving average has the running statistics of the network that it follows. Held-out clips are scored by labels, as the
 * moving average answers them.
 */
export const mixmatch = defineMethod<Options>({
  name: 'mixmatch',
  title: 'MixMatch',
  summary: 'a classifier that learns from mixtures of labelled clips and of others, whose labels it guesses',
  reference: REFERENCE,
  options,
  presets: { default: {} },
  measurements: [
    // The parts of the loss, the second before its weight, which is that of the step.
    { name: 'supervised', over: 'mean' },
    { name: 'unsupervised', over: 'mean' },
    { name: 'weight', over: 'mean' },
    { name: 'labelled', over: 'sum' },
    { name: 'correct', over: 'sum' },
    // The mean of the highest probability of a guess; of held-out clips of an answer.
    { name: 'confidence', over: 'mean', heldOut: true },
    // Of mixed images by the label of their greater share; of held-out clips by their own.
    { name: 'balancedAccuracy', over: 'mean', heldOut: true },
  ],
  charts: [
    {
      title: 'Balanced accuracy',
      axis: 'share',
      shows: ['balancedAccuracy'],
      caption:
        'Mean over classes of the share of labelled clips that are answered rightly; of training those of mixed images, by the label of the greater share.',
    },
    {
      title: 'Parts of the loss',
      axis: 'value',
      shows: ['supervised', 'unsupervised'],
      caption:
        'Cross-entropy of mixed labelled images, and the squared difference of the others before its weight.',
    },
  ],
  chooses: { by: 'balancedAccuracy', better: 'higher' },
  needsLabels: true,
  readsLabels: () => true,
  open(given, { trunk, classes, view, batchSize, seed }) {
    const network = withHeads(trunk, { projection: null, classifier: { classes, input: 'representation' } });
    const weak = { frame: 0, augment: cropsAndFlips(view.augment) };
    // Of the batch that is on its way through the step.
    let mixed: Mixed = { targets: new Float32Array(), confidence: 0 };
    return {
      streams: [
        { clips: 'training', count: batchSize, views: [weak, weak] },
        labelledStream(batchSize, given.unlabelledRatio, weak),
      ],
      online: { network, views: [0, 1, 2] },
      target: { network, views: [0] },
      leaves: 'target',
      look: {
        ...{ network, views: [0, 1] },
        change(batch) {
          mixed = mixedTargets(batch, given, classes, seed);
        },
      },
      scoresLabel: () => true,
      losses: (batch) =>
        batch.training ? taughtByMixtures(batch, mixed, given, classes) : answered(batch, classes),
      afterUpdate(online, average) {
        if (average === null) return;
        followParameters(average, online, given.momentum);
        average.statistics.copyFrom(online.statistics);
      },
    };
  },
  describe: (given, { cite }) =>
    `by MixMatch ${cite(REFERENCE)}: a classifier learnt from mixtures of labelled clips and of ${given.unlabelledRatio} times as many whose label was not ` +
    `read, for which its mean answer to ${GUESSES} weakly augmented views, sharpened at a temperature of ${given.temperature}, served as the label ` +
    `(shares of mixtures from Beta(${given.mixing}, ${given.mixing}), the greater one first; squared difference with weight ${given.unlabelledWeight}, ` +
    `reached after ${100 * given.rampUp} % of the run). The weights are a moving average (momentum ${given.momentum}).`,
});
