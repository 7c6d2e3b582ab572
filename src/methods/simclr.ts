/**
 * SimCLR (Chen et al., ICML 2020): each of two views of a clip must find the other one among all views of the batch. The
 * loss is NT-Xent (`objectives/nt-xent.ts`) on a projection of the features. No label is read.
 */
import { z } from 'zod';
import { OUTPUTS, withHeads } from '../models/heads.ts';
import { ntXent } from '../objectives/nt-xent.ts';
import { defineMethod } from './method.ts';
import {
  allViews,
  howSmallCropsWereMade,
  overPairs,
  smallCropsOption,
  withSmallCrops,
} from './small-crops.ts';
import {
  howPairsWereWeighed,
  howViewsWereMade,
  measuredPairs,
  PAIR_CHARTS,
  PAIR_MEASUREMENTS,
  projectionOptions,
  SIMCLR,
  timeWeightingOption,
  timeWeights,
} from './view-pairs.ts';

const options = z.object({
  projection: projectionOptions(128),
  temperature: z
    .number()
    .gt(0)
    .max(10)
    .default(0.1)
    .describe('τ of NT-Xent: the lower, the more the nearest negatives count'),
  timeWeighting: timeWeightingOption,
  smallCrops: smallCropsOption,
});

/**
 * Positive pair interpolation of Meta-USCL (Chen et al., IEEE TMI 2022): two views mixed from three frames by coefficients of
 * their own, before they are augmented. Its weights of samples, learnt by a second-order gradient, are no part of it.
 */
const interpolated = {
  view: { spg: { enabled: true, order: 'mix-then-augment', coefficients: 'independent', beta: [3, 5] } },
  method: { temperature: 0.5 },
};

/** Views are two frames of a clip, each augmented by itself: frames differ by nature where pictures need a crop. */
export const simclr = defineMethod<z.infer<typeof options>>({
  name: 'simclr',
  title: 'SimCLR',
  summary: 'two frames of a clip find each other among the views of the other clips of a batch',
  reference: SIMCLR,
  options,
  presets: { default: { view: { spg: { enabled: false } } }, 'meta-uscl': interpolated },
  measurements: PAIR_MEASUREMENTS,
  charts: PAIR_CHARTS,
  chooses: { by: 'loss', better: 'lower' },
  readsLabels: () => false,
  open({ projection, temperature, timeWeighting, smallCrops }, { trunk, view, batchSize }) {
    const weightsOf = timeWeights(timeWeighting, view);
    const network = withHeads(trunk, { projection, classifier: null });
    return {
      streams: [{ clips: 'training', count: batchSize, views: withSmallCrops(smallCrops, view) }],
      online: { network, views: allViews(smallCrops) },
      losses(batch) {
        batch.gradient(OUTPUTS.features).fill(0);
        const pairs = batch.views[0]!.clips.length;
        return overPairs(batch, OUTPUTS.projection, (embeddings, gradient, pair) => {
          const weights = weightsOf(pair);
          const of = weights === undefined ? {} : { weights };
          const found = ntXent(embeddings, pairs, projection.dim, temperature, gradient, of);
          return { loss: found.loss, ...measuredPairs(found) };
        });
      },
    };
  },
  describe: ({ projection, temperature, timeWeighting, smallCrops }, { view, cite }) =>
    `by SimCLR ${cite(SIMCLR)}: two views of one clip form a positive pair, views of the other clips of a batch are negatives, ` +
    `and the loss is NT-Xent (temperature ${temperature}) on a projection of ${projection.dim} features; no label was read. ` +
    howPairsWereWeighed(timeWeighting, view, cite) +
    howViewsWereMade(view) +
    howSmallCropsWereMade(smallCrops, view, cite),
});
