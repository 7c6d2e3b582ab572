/**
 * Barlow Twins (Zbontar et al., ICML 2021): a feature of the embedding says the same of two frames of a clip, and features
 * say different things (`objectives/barlow-twins.ts`). No negatives and no target network: what is compared are features
 * over the batch, so no batch is short, and wide embeddings serve.
 */
import { z } from 'zod';
import { OUTPUTS } from '../models/heads.ts';
import { barlowTwinsLoss } from '../objectives/barlow-twins.ts';
import { defineMethod, type Reference } from './method.ts';
import { expanderOptions, howViewsWereMade, withExpander } from './view-pairs.ts';

const options = z.object({
  projection: expanderOptions,
  redundancyWeight: z
    .number()
    .min(0)
    .max(100)
    .default(0.005)
    .describe('λ of the correlations between different features'),
});

const REFERENCE: Reference = {
  key: 'barlow-twins',
  text: 'Zbontar J, Jing L, Misra I, LeCun Y, Deny S. Barlow Twins: Self-Supervised Learning via Redundancy Reduction. ICML 2021. arXiv:2103.03230',
};

/** The authors scale their loss by 0.024 and train by LARS: to Adam, the default here, a factor is nothing. */
export const barlowTwins = defineMethod<z.infer<typeof options>>({
  name: 'barlow-twins',
  title: 'Barlow Twins',
  summary: 'a feature says the same of two frames of a clip, and features say different things; no negatives',
  reference: REFERENCE,
  options,
  presets: { default: { view: { spg: { enabled: false } }, batch: { lastBatch: 'drop' } } },
  measurements: [
    // The parts of the loss, the second before λ.
    { name: 'invariance', over: 'mean', heldOut: true },
    { name: 'redundancy', over: 'mean', heldOut: true },
    { name: 'correlation', over: 'mean', heldOut: true },
    { name: 'crossCorrelation', over: 'mean', heldOut: true },
  ],
  charts: [
    {
      title: 'Correlation of features between views',
      axis: 'correlation',
      shows: ['correlation', 'crossCorrelation'],
      caption:
        'Mean of each feature with itself (1 is best), and root mean square with other features (0 is best; about 1/√clips of a batch by chance).',
    },
    {
      title: 'Parts of the loss',
      axis: 'value',
      shows: ['invariance', 'redundancy'],
      caption:
        'Squared distances of those correlations from 1 and from 0, each summed; redundancy before its weight.',
    },
  ],
  chooses: { by: 'loss', better: 'lower' },
  readsLabels: () => false,
  open({ projection, redundancyWeight }, { trunk, batchSize }) {
    const { network, output } = withExpander(trunk, projection);
    return {
      streams: [{ clips: 'training', count: batchSize, views: 'pair' }],
      online: { network, views: [0, 1] },
      losses(batch) {
        batch.gradient(OUTPUTS.features).fill(0);
        const pairs = batch.views[0]!.clips.length;
        const gradient = batch.gradient(output);
        return {
          ...barlowTwinsLoss(batch.output(output), pairs, projection.dim, redundancyWeight, gradient),
        };
      },
    };
  },
  describe: ({ projection, redundancyWeight }, { view, cite }) =>
    `by Barlow Twins ${cite(REFERENCE)}: the matrix of correlations between the ${projection.dim} features of two views, over the ` +
    `clips of a batch, was to become the identity (weight ${redundancyWeight} off its diagonal); no clip is a negative and no ` +
    `label was read. ${howViewsWereMade(view)}`,
});
