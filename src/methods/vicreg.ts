/**
 * VICReg (Bardes, Ponce & LeCun, ICLR 2022): embeddings of two frames of a clip agree, each feature varies over the batch,
 * and features do not vary together (`objectives/vicreg.ts`). No negatives, no target network, no normalisation: collapse is
 * what the variance part forbids.
 */
import { z } from 'zod';
import { OUTPUTS } from '../models/heads.ts';
import { vicregLoss } from '../objectives/vicreg.ts';
import { defineMethod, type Reference } from './method.ts';
import {
  allViews,
  howSmallCropsWereMade,
  overPairs,
  smallCropsOption,
  withSmallCrops,
} from './small-crops.ts';
import {
  expanderOptions,
  howPairsWereWeighed,
  howViewsWereMade,
  timeWeightingOption,
  timeWeights,
  withExpander,
} from './view-pairs.ts';

const weight = z.number().min(0).max(1000);

const options = z.object({
  projection: expanderOptions,
  invarianceWeight: weight.default(25).describe('λ of the mean squared difference of the views'),
  varianceWeight: weight.default(25).describe('μ of how far standard deviations of features are below 1'),
  covarianceWeight: weight.default(1).describe('ν of the squared covariances of different features'),
  timeWeighting: timeWeightingOption,
  smallCrops: smallCropsOption,
});

const REFERENCE: Reference = {
  key: 'vicreg',
  text: 'Bardes A, Ponce J, LeCun Y. VICReg: Variance-Invariance-Covariance Regularization for Self-Supervised Learning. ICLR 2022. arXiv:2105.04906',
};

export const vicreg = defineMethod<z.infer<typeof options>>({
  name: 'vicreg',
  title: 'VICReg',
  summary: 'two frames of a clip agree, each feature varies, and features do not vary together; no negatives',
  reference: REFERENCE,
  options,
  presets: { default: { view: { spg: { enabled: false } }, batch: { lastBatch: 'drop' } } },
  measurements: [
    // The parts of the loss before their weights.
    { name: 'invariance', over: 'mean', heldOut: true },
    { name: 'variance', over: 'mean', heldOut: true },
    { name: 'covariance', over: 'mean', heldOut: true },
    { name: 'deviation', over: 'mean', heldOut: true },
  ],
  charts: [
    {
      title: 'Spread of features',
      axis: 'standard deviation',
      shows: ['deviation'],
      caption: 'Mean over features of the standard deviation over a batch: driven to 1; 0.01 is a collapse.',
    },
    {
      title: 'Parts of the loss',
      axis: 'value',
      shows: ['invariance', 'variance', 'covariance'],
      caption: 'Before their weights: 0 is best of each.',
    },
  ],
  chooses: { by: 'loss', better: 'lower' },
  readsLabels: () => false,
  open({ projection, timeWeighting, smallCrops, ...given }, { trunk, view, batchSize }) {
    const pairWeights = timeWeights(timeWeighting, view);
    const { network, output } = withExpander(trunk, projection);
    const weights = {
      invariance: given.invarianceWeight,
      variance: given.varianceWeight,
      covariance: given.covarianceWeight,
    };
    return {
      streams: [{ clips: 'training', count: batchSize, views: withSmallCrops(smallCrops, view) }],
      online: { network, views: allViews(smallCrops) },
      losses(batch) {
        batch.gradient(OUTPUTS.features).fill(0);
        const pairs = batch.views[0]!.clips.length;
        return overPairs(batch, output, (z, dz, pair) => ({
          ...vicregLoss(z, pairs, projection.dim, weights, dz, pairWeights(pair)),
        }));
      },
    };
  },
  describe: ({ projection, timeWeighting, smallCrops, ...given }, { view, cite }) =>
    `by VICReg ${cite(REFERENCE)}: embeddings of ${projection.dim} features of two views were to agree, each feature to vary over the ` +
    `clips of a batch, and features not to vary together (weights ${given.invarianceWeight}, ${given.varianceWeight} and ` +
    `${given.covarianceWeight}); no clip is a negative and no label was read. ` +
    howPairsWereWeighed(timeWeighting, view, cite) +
    howViewsWereMade(view) +
    howSmallCropsWereMade(smallCrops, view, cite),
});
