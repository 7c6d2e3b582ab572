/**
 * SimSiam (Chen & He, CVPR 2021): each view of a clip predicts the embedding of the other one, which gets no gradient. No
 * negatives, no target network, no queue; what keeps embeddings from becoming one point is the predictor together with the
 * stopped gradient, so their spread is measured at every step.
 */
import { z } from 'zod';
import { OUTPUTS, withHead } from '../models/heads.ts';
import { negativeCosine } from '../objectives/negative-cosine.ts';
import { defineMethod, type Reference } from './method.ts';

const count = z.int().min(1);

const options = z.object({
  projection: z
    .strictObject({
      hidden: count.default(512).describe('features of the two hidden layers of the projection head'),
      dim: count.default(512).describe('features of the embedding'),
    })
    .prefault({}),
  predictor: z
    .strictObject({
      hidden: count
        .default(128)
        .describe('features of the bottleneck of the predictor; a quarter of the embedding'),
    })
    .prefault({}),
});

const REFERENCE: Reference = {
  key: 'simsiam',
  text: 'Chen X, He K. Exploring Simple Siamese Representation Learning. CVPR 2021. arXiv:2011.10566',
};

/** The augmentation of the authors' ImageNet runs. */
const view = {
  spg: { enabled: false },
  augment: { cropScale: [0.2, 1], brightness: 0.4, contrast: 0.4, blur: { probability: 0.5 } },
} as const;

/** The published head: three linear layers with batch norms, then a predictor of two. */
export const simsiam = defineMethod<z.infer<typeof options>>({
  name: 'simsiam',
  title: 'SimSiam',
  summary: 'each view of a clip predicts the embedding of the other; no negatives',
  reference: REFERENCE,
  options,
  // SGD at 0.05 · batch / 256, as published, makes half a million steps there; of a few thousand here Adam makes more
  // (docs/results/methods).
  presets: {
    default: { view },
    published: {
      view,
      optimizer: { kind: 'sgd', learningRate: 0.00625, momentum: 0.9, weightDecay: 1e-4 },
    },
  },
  measurements: [{ name: 'spread', over: 'mean', heldOut: true }],
  charts: [
    {
      title: 'Spread of embeddings',
      axis: 'standard deviation',
      shows: ['spread'],
      caption:
        'Of unit embeddings, mean over their dimensions: 1/√dimensions when evenly spread, 0 is a collapse.',
    },
  ],
  // A collapse has the best loss of all.
  chooses: null,
  readsLabels: () => false,
  open({ projection, predictor }, { trunk, batchSize }) {
    const { hidden, dim } = projection;
    const z = withHead(trunk, 'projection', OUTPUTS.features, [
      { features: hidden, norm: true, relu: true },
      { features: hidden, norm: true, relu: true },
      { features: dim, norm: true },
    ]);
    const p = withHead(z.network, 'predictor', z.output, [
      { features: predictor.hidden, norm: true, relu: true },
      { features: dim },
    ]);
    return {
      streams: [{ clips: 'training', count: batchSize, views: 'pair' }],
      online: { network: p.network, views: [0, 1] },
      losses(batch) {
        // The embedding is a target here: it learns through the predictor alone.
        for (const name of [OUTPUTS.features, z.output]) batch.gradient(name).fill(0);
        const pairs = batch.views[0]!.clips.length;
        const [predicted, embedded] = [batch.output(p.output), batch.output(z.output)];
        const { loss, spread } = negativeCosine(predicted, embedded, pairs, dim, batch.gradient(p.output));
        return { loss, spread };
      },
    };
  },
  describe: ({ projection }, { cite }) =>
    `by SimSiam ${cite(REFERENCE)}: each of two views of a clip predicts the embedding of the other, ` +
    `of ${projection.dim} features, through which no gradient flows; no clip is a negative and no label was read.`,
});
