/**
 * Debiased contrastive learning (Chuang et al., NeurIPS 2020): SimCLR whose negatives are corrected for those of the view's
 * own class (`objectives/debiased-contrastive.ts`). No label is read: what is known is how likely two clips are of one
 * class. With few classes and many clips of each that is often.
 */
import { z } from 'zod';
import { OUTPUTS, withHeads } from '../models/heads.ts';
import { debiasedContrastive } from '../objectives/debiased-contrastive.ts';
import { defineMethod, type Reference } from './method.ts';
import {
  howViewsWereMade,
  measuredPairs,
  PAIR_CHARTS,
  PAIR_MEASUREMENTS,
  projectionOptions,
} from './view-pairs.ts';

const options = z.object({
  projection: projectionOptions(128),
  temperature: z.number().gt(0).max(10).default(0.5).describe('τ of the contrastive loss'),
  classPrior: z
    .number()
    .min(0)
    .lt(1)
    .default(0.1)
    .describe(
      'τ⁺: probability that two clips are of one class, 1 / classes where these are equal; 0: SimCLR',
    ),
});

const REFERENCE: Reference = {
  key: 'debiased',
  text: 'Chuang CY, Robinson J, Lin YC, Torralba A, Jegelka S. Debiased Contrastive Learning. NeurIPS 2020. arXiv:2007.00224',
};

/** At a low temperature most views are at the floor (`floored`): the published one is 0.5. */
export const debiased = defineMethod<z.infer<typeof options>>({
  name: 'debiased',
  title: 'Debiased contrastive',
  summary: 'SimCLR that reckons with negatives of the same class, without knowing which they are',
  reference: REFERENCE,
  options,
  presets: { default: { view: { spg: { enabled: false } } } },
  measurements: [{ name: 'floored', over: 'mean', heldOut: true }, ...PAIR_MEASUREMENTS],
  charts: [
    ...PAIR_CHARTS,
    {
      title: 'Negatives at the floor',
      axis: 'share of views',
      shows: ['floored'],
      caption:
        'Share of views that nothing pushes away, for their negatives would be fewer than none: near 1 the class prior is too high.',
    },
  ],
  chooses: { by: 'loss', better: 'lower' },
  readsLabels: () => false,
  open({ projection, temperature, classPrior }, { trunk, batchSize }) {
    const network = withHeads(trunk, { projection, classifier: null });
    return {
      streams: [{ clips: 'training', count: batchSize, views: 'pair' }],
      online: { network, views: [0, 1] },
      losses(batch) {
        batch.gradient(OUTPUTS.features).fill(0);
        const found = debiasedContrastive(
          batch.output(OUTPUTS.projection),
          batch.views[0]!.clips.length,
          projection.dim,
          temperature,
          classPrior,
          batch.gradient(OUTPUTS.projection),
        );
        return { loss: found.loss, floored: found.floored, ...measuredPairs(found) };
      },
    };
  },
  describe: ({ projection, temperature, classPrior }, { view, cite }) =>
    `by debiased contrastive learning ${cite(REFERENCE)}: two views of one clip form a positive pair, views of the other clips of a ` +
    `batch are negatives, corrected for a probability of ${classPrior} that they are of the same class (temperature ${temperature}, ` +
    `embeddings of ${projection.dim} features); no label was read. ${howViewsWereMade(view)}`,
});
