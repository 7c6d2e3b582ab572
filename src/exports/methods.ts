/**
 * All that a method file needs, and no more: the declaration and its types, `z` for its options, networks and heads,
 * objectives with their gradients, views, randomness by address. A method's options must be made with this `z`.
 *
 * @module uscl/methods
 */

export { z } from 'zod';

// The declaration.
export { defineMethod } from '../methods/method.ts';
export type * from '../methods/method.ts';
export { allMethods, installMethod, methodNamed } from '../methods/registry.ts';

// Networks.
export {
  type ClassifierHead,
  type HeadLayer,
  type Heads,
  OUTPUTS,
  type ProjectionHead,
  withHead,
  withHeads,
} from '../models/heads.ts';
export { initialise } from '../models/initialise.ts';
export { followParameters } from '../models/moving-average.ts';
export { resnet, RESNET_DEPTHS, type ResNetDepth, type ResNetOptions } from '../models/resnet.ts';

// Objectives: value and gradient.
export { barlowTwinsLoss, type BarlowTwinsResult } from '../objectives/barlow-twins.ts';
export {
  backThroughCosines,
  backThroughNorm,
  type Directions,
  directionsOf,
  type UnitRows,
  unitRows,
} from '../objectives/cosine.ts';
export { consistencyLoss, type ConsistencyResult } from '../objectives/consistency.ts';
export {
  crossEntropy,
  type CrossEntropyReduction,
  type CrossEntropyResult,
} from '../objectives/cross-entropy.ts';
export { debiasedContrastive, type DebiasedContrastiveResult } from '../objectives/debiased-contrastive.ts';
export { guessLabels, squaredDifference } from '../objectives/label-guess.ts';
export { infoNce, type InfoNceResult } from '../objectives/info-nce.ts';
export { negativeCosine, type NegativeCosineResult } from '../objectives/negative-cosine.ts';
export { ntXent, type NtXentResult } from '../objectives/nt-xent.ts';
export {
  type ContrastedRow,
  contrastPairs,
  type PairBatch,
  type PairSpread,
  softmaxTerm,
} from '../objectives/pair-contrast.ts';
export { pseudoLabelLoss, type PseudoLabelResult } from '../objectives/pseudo-label.ts';
export { softCrossEntropy, type SoftCrossEntropyResult } from '../objectives/soft-cross-entropy.ts';
export {
  supervisedContrastive,
  type SupervisedContrastiveResult,
} from '../objectives/supervised-contrastive.ts';
export { temporalCoherence, type TemporalCoherenceResult } from '../objectives/temporal-coherence.ts';
export {
  type ClassWeighting,
  classWeights,
  type RowMixing,
  rowWeights,
  softTargets,
  type TargetOptions,
} from '../objectives/targets.ts';
export { vicregLoss, type VicregResult, type VicregWeights } from '../objectives/vicreg.ts';

// Views of a clip, and what is drawn.
export { type AddressPart, type Random, randomAt } from '../base/random.ts';
export { cropsAndFlips, wholeFrame } from '../views/augment-levels.ts';
export type { ClipViews, FrameView } from '../views/clip-views.ts';
export type { ViewConfig } from '../views/config.ts';
