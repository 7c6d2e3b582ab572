/**
 * BYOL (Grill et al., NeurIPS 2020): from a view of a clip the network predicts how a slowly following copy of it embeds
 * the other view. No negatives; what keeps embeddings from becoming one point are the predictor and the copy. For unit
 * predictions q and targets z' of N pairs (eq. 2, both ways round, which is 4 + 4 times `objectives/negative-cosine.ts`):
 *
 *     L = 1/N Σ_i [‖q1_i − z'2_i‖² + ‖q2_i − z'1_i‖²]        0 when all agree, 4 when nothing is alike, at most 8
 *
 * The copy keeps m of itself at each step, m = 1 − (1 − m₀) (cos πt + 1) / 2 with t the share of the run that is done.
 */
import { z } from 'zod';
import { OUTPUTS, withHead } from '../models/heads.ts';
import { followParameters } from '../models/moving-average.ts';
import { negativeCosine } from '../objectives/negative-cosine.ts';
import { defineMethod, type Reference } from './method.ts';
import { howViewsWereMade } from './view-pairs.ts';

const count = z.int().min(1);

const options = z.object({
  projection: z
    .strictObject({
      hidden: count
        .default(512)
        .describe('features of the hidden layer of the projection head; published: 4096'),
      dim: count.default(256).describe('features of the embedding'),
    })
    .prefault({}),
  predictor: z
    .strictObject({
      hidden: count.default(512).describe('features of the hidden layer of the predictor; published: 4096'),
    })
    .prefault({}),
  momentum: z
    .number()
    .min(0)
    .lt(1)
    .default(0.99)
    .describe(
      'm₀, the share of itself that the following network keeps at the first step; rises to 1 by a cosine over the run; published: 0.996, for longer runs',
    ),
});

const REFERENCE: Reference = {
  key: 'byol',
  text: 'Grill JB, Strub F, Altché F, Tallec C, Richemond PH, Buchatskaya E, Doersch C, Pires BA, Guo ZD, Azar MG, Piot B, Kavukcuoglu K, Munos R, Valko M. Bootstrap Your Own Latent: A New Approach to Self-Supervised Learning. NeurIPS 2020. arXiv:2006.07733',
};

/** Heads as published: two linear layers, a batch norm and a ReLU between, for the projection and for the predictor on it. */
export const byol = defineMethod<z.infer<typeof options>>({
  name: 'byol',
  title: 'BYOL',
  summary: 'each view predicts how a slowly following network embeds the other one; no negatives',
  reference: REFERENCE,
  options,
  presets: { default: { view: { spg: { enabled: false } } } },
  measurements: [
    { name: 'agreement', over: 'mean', heldOut: true },
    { name: 'spread', over: 'mean', heldOut: true },
  ],
  charts: [
    {
      title: 'Predictions beside their targets',
      axis: 'cosine',
      shows: ['agreement'],
      caption: 'Mean similarity of a prediction and what the following network made of the other view.',
    },
    {
      title: 'Spread of embeddings',
      axis: 'standard deviation',
      shows: ['spread'],
      caption:
        'Of unit embeddings of the following network, mean over their dimensions: 1/√dimensions when evenly spread, 0 is a collapse.',
    },
  ],
  // A collapse has the best loss of all.
  chooses: null,
  readsLabels: () => false,
  open({ projection, predictor, momentum }, { trunk, batchSize }) {
    const { dim } = projection;
    const head = (hidden: number) => [{ features: hidden, norm: true, relu: true }, { features: dim }];
    const z = withHead(trunk, 'projection', OUTPUTS.features, head(projection.hidden));
    const q = withHead(z.network, 'predictor', z.output, head(predictor.hidden));
    // The embedding learns through the predictor alone, so it is no output of the online network.
    const outputs = [...trunk.outputs, q.output];
    return {
      streams: [{ clips: 'training', count: batchSize, views: 'pair' }],
      online: { network: { ...q.network, outputs }, views: [0, 1] },
      target: { network: { ...z.network, outputs: [z.output] }, views: [0, 1] },
      losses(batch) {
        batch.gradient(OUTPUTS.features).fill(0);
        const pairs = batch.views[0]!.clips.length;
        const gradient = batch.gradient(q.output);
        const found = negativeCosine(batch.output(q.output), batch.target(z.output), pairs, dim, gradient);
        // ‖u − v‖² = 2 − 2 u·v for unit u and v.
        for (let i = 0; i < gradient.length; i++) gradient[i]! *= 4;
        return { loss: 4 + 4 * found.loss, agreement: -found.loss, spread: found.spread };
      },
      afterUpdate(online, following, progress) {
        const left = (Math.cos(Math.PI * progress) + 1) / 2;
        if (following !== null) followParameters(following, online, 1 - (1 - momentum) * left);
      },
    };
  },
  describe: ({ projection, momentum }, { view, cite }) =>
    `by BYOL ${cite(REFERENCE)}: each of two views of a clip predicts the embedding of the other, of ${projection.dim} features, as a copy ` +
    `of the network made it that followed as a moving average (momentum ${momentum}, rising to 1); no clip is a negative and no label was ` +
    `read. ${howViewsWereMade(view)}`,
});
