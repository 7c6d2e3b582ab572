/**
 * SimCLR (Chen et al., ICML 2020): each of two views of a clip must find the other one among all views of the batch. The
 * loss is NT-Xent (`objectives/nt-xent.ts`) on a projection of the features. No label is read.
 */
import { z } from 'zod';
import { OUTPUTS, withHeads } from '../models/heads.ts';
import { ntXent } from '../objectives/nt-xent.ts';
import { defineMethod } from './method.ts';
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
  temperature: z
    .number()
    .gt(0)
    .max(10)
    .default(0.1)
    .describe('τ of NT-Xent: the lower, the more the nearest negatives count'),
});

/** Views are two frames of a clip, each augmented by itself: frames differ by nature where pictures need a crop. */
export const simclr = defineMethod<z.infer<typeof options>>({
  name: 'simclr',
  title: 'SimCLR',
  summary: 'two frames of a clip find each other among the views of the other clips of a batch',
  reference: SIMCLR,
  options,
  presets: { default: { view: { spg: { enabled: false } } } },
  measurements: PAIR_MEASUREMENTS,
  charts: PAIR_CHARTS,
  chooses: { by: 'loss', better: 'lower' },
  readsLabels: () => false,
  open({ projection, temperature }, { trunk, batchSize }) {
    const network = withHeads(trunk, { projection, classifier: null });
    return {
      streams: [{ clips: 'training', count: batchSize, views: 'pair' }],
      online: { network, views: [0, 1] },
      losses(batch) {
        batch.gradient(OUTPUTS.features).fill(0);
        const pairs = batch.views[0]!.clips.length;
        const embeddings = batch.output(OUTPUTS.projection);
        const gradient = batch.gradient(OUTPUTS.projection);
        const found = ntXent(embeddings, pairs, projection.dim, temperature, gradient);
        return { loss: found.loss, ...measuredPairs(found) };
      },
    };
  },
  describe: ({ projection, temperature }, { view, cite }) =>
    `by SimCLR ${cite(SIMCLR)}: two views of one clip form a positive pair, views of the other clips of a batch are negatives, ` +
    `and the loss is NT-Xent (temperature ${temperature}) on a projection of ${projection.dim} features; no label was read. ` +
    howViewsWereMade(view),
});
