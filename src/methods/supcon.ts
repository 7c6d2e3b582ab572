/**
 * Supervised contrastive learning (Khosla et al., NeurIPS 2020), semi-supervised: views of clips of one class find each
 * other (`objectives/supervised-contrastive.ts`). A clip without a label is a class of its own, for which the loss is that
 * of SimCLR. So few labels do what they can, and none make it SimCLR.
 */
import { z } from 'zod';
import { OUTPUTS, withHeads } from '../models/heads.ts';
import { supervisedContrastive } from '../objectives/supervised-contrastive.ts';
import { defineMethod, type Reference } from './method.ts';
import {
  howViewsWereMade,
  measuredPairs,
  PAIR_CHARTS,
  PAIR_MEASUREMENTS,
  projectionOptions,
  SIMCLR,
} from './view-pairs.ts';

const options = z.object({
  projection: projectionOptions(128),
  temperature: z.number().gt(0).max(10).default(0.1).describe('τ of the contrastive loss'),
});

const REFERENCE: Reference = {
  key: 'supcon',
  text: 'Khosla P, Teterwak P, Wang C, Sarna A, Tian Y, Isola P, Maschinot A, Liu C, Krishnan D. Supervised Contrastive Learning. NeurIPS 2020. arXiv:2004.11362',
};

/** Of held-out clips no label is known: their loss is NT-Xent. */
export const supcon = defineMethod<z.infer<typeof options>>({
  name: 'supcon',
  title: 'SupCon',
  summary: 'views of clips of one class find each other; a clip without a label is a class of its own',
  reference: REFERENCE,
  options,
  presets: { default: { view: { spg: { enabled: false } } } },
  measurements: [
    // Views that a view is to find, on average.
    { name: 'positives', over: 'mean' },
    // Views with a label, and those of them whose nearest view of another clip has it.
    { name: 'labelled', over: 'sum' },
    { name: 'sameClass', over: 'sum' },
    ...PAIR_MEASUREMENTS,
  ],
  charts: [
    ...PAIR_CHARTS,
    {
      title: 'Views beside their class',
      axis: 'views a step',
      shows: ['labelled', 'sameClass'],
      caption: 'Views with a label, and those of them whose nearest view of another clip is of their class.',
    },
  ],
  // Of held-out clips those of one class are negatives: what is learnt from labels makes that loss worse.
  chooses: null,
  readsLabels: () => true,
  open({ projection, temperature }, { trunk, batchSize }) {
    const network = withHeads(trunk, { projection, classifier: null });
    return {
      streams: [{ clips: 'training', count: batchSize, views: 'pair' }],
      online: { network, views: [0, 1] },
      losses(batch) {
        batch.gradient(OUTPUTS.features).fill(0);
        const embeddings = batch.output(OUTPUTS.projection);
        const gradient = batch.gradient(OUTPUTS.projection);
        const { labels } = batch.views[0]!;
        const found = supervisedContrastive(embeddings, labels, projection.dim, temperature, gradient);
        const { loss, positives, labelled, sameClass } = found;
        return { loss, positives, labelled, sameClass, ...measuredPairs(found) };
      },
    };
  },
  describe: ({ projection, temperature }, { labelsRead, view, cite }) =>
    `by supervised contrastive learning ${cite(REFERENCE)}: ` +
    (labelsRead
      ? 'views of one clip and of clips of one class are positives, a clip without a label is a class of its own, '
      : `no label was read, which makes it SimCLR ${cite(SIMCLR)}: views of one clip are positives, `) +
    `all other views of a batch are negatives (temperature ${temperature}, embeddings of ${projection.dim} features). ` +
    howViewsWereMade(view),
});
