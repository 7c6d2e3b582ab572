/**
 * What methods share that learn from two views of a clip: their projection heads, what those measure of pairs that contrast
 * them with other clips, the panels that show it, and how pairs were made, in words.
 */
import { z } from 'zod';
import { usageError } from '../base/errors.ts';
import type { Network } from '../engine/core/network.ts';
import { OUTPUTS, withHead } from '../models/heads.ts';
import type { PairSpread } from '../objectives/pair-contrast.ts';
import type { ViewConfig } from '../views/config.ts';
import type { Chart, Measurement, MethodBatch, Reference } from './method.ts';

/** The source of NT-Xent. */
export const SIMCLR: Reference = {
  key: 'ntxent',
  text: 'Chen T, Kornblith S, Norouzi M, Hinton G. A Simple Framework for Contrastive Learning of Visual Representations. ICML 2020. arXiv:2002.05709',
};

/** Options of a head of two linear layers whose embedding has `dim` features by default. */
export function projectionOptions(dim: number) {
  return z
    .strictObject({
      hidden: z.int().min(1).default(512).describe('features of the hidden layer of the projection head'),
      dim: z
        .int()
        .min(1)
        .default(dim)
        .describe('features of the embedding that the contrastive loss compares'),
    })
    .prefault({});
}

/** Options of `withExpander`. */
export const expanderOptions = z
  .strictObject({
    hidden: z
      .int()
      .min(1)
      .default(512)
      .describe('features of the two hidden layers of the projection head; published: 8192'),
    dim: z
      .int()
      .min(1)
      .max(8192)
      .default(512)
      .describe('features of the embedding; the loss takes time with their square; published: 8192'),
  })
  .prefault({});

/** The trunk with a head for losses over features: three linear layers, batch norms and ReLUs after the first two. */
export function withExpander(
  trunk: Network,
  { hidden, dim }: z.infer<typeof expanderOptions>,
): ReturnType<typeof withHead> {
  const inner = { features: hidden, norm: true, relu: true };
  return withHead(trunk, 'projection', OUTPUTS.features, [inner, inner, { features: dim }]);
}

/** The source of weights by time. */
const IVPP: Reference = {
  key: 'ivpp',
  text: 'VanBerlo B, Wong A, Hoey J, Arntfield R. Intra-Video Positive Pairs in Self-Supervised Learning for Ultrasound. Frontiers in Imaging 2024; 3: 1416114. arXiv:2403.07715',
};

/** Option: pairs that are far apart in time count less. */
export const timeWeightingOption = z
  .boolean()
  .default(false)
  .describe(
    'multiply the term of a pair by (δ − |Δ| + 1) / (δ + 1), with Δ the seconds between its frames and δ view.spg.windowSeconds (IVPP)',
  );

/**
 * The weights of the pairs of a batch by the time between their frames, from 1 at no time to 1 / (δ + 1) at the window's
 * whole length; undefined where pairs count alike. Error: `CONFIG_INVALID` where there is no window.
 */
export function timeWeights(
  weighting: boolean,
  { spg: { windowSeconds: window } }: ViewConfig,
): (batch: Pick<MethodBatch, 'views'>) => Float64Array | undefined {
  if (!weighting) return () => undefined;
  if (window === null)
    throw usageError(
      'CONFIG_INVALID',
      'The option timeWeighting weighs pairs by the time between their frames beside view.spg.windowSeconds, which is null.',
      'Set view.spg.windowSeconds to the longest time between the frames of a pair, for instance 1, or leave timeWeighting off.',
      { where: 'key view.spg.windowSeconds' },
    );
  return ({ views: [first, second] }) =>
    first!.times.map((time, i) => (window - Math.abs(time - second!.times[i]!) + 1) / (window + 1));
}

/** A sentence on weights by time; empty where there are none. */
export function howPairsWereWeighed(
  weighting: boolean,
  { spg: { windowSeconds } }: ViewConfig,
  cite: (reference: Reference) => string,
): string {
  return weighting
    ? `The term of a pair was weighed by the time between its frames ${cite(IVPP)}, at most ${windowSeconds ?? 'all'} seconds. `
    : '';
}

/** Measurements of every batch of pairs, held-out ones too. */
export const PAIR_MEASUREMENTS: readonly Measurement[] = [
  { name: 'alignment', over: 'mean', heldOut: true },
  { name: 'uniformity', over: 'mean', heldOut: true },
  { name: 'pairAccuracy', over: 'mean', heldOut: true },
];

/** `PAIR_MEASUREMENTS` of the result of a contrastive loss. */
export function measuredPairs({ alignment, uniformity, accuracy }: PairSpread): {
  readonly alignment: number;
  readonly uniformity: number;
  readonly pairAccuracy: number;
} {
  return { alignment, uniformity, pairAccuracy: accuracy };
}

/** Panels of `PAIR_MEASUREMENTS`. */
export const PAIR_CHARTS: readonly Chart[] = [
  {
    title: 'Pairs that find each other',
    axis: 'share of views',
    shows: ['pairAccuracy'],
    caption: 'Share of views whose nearest other view is their partner.',
  },
  {
    title: 'Alignment and uniformity',
    axis: 'value',
    shows: ['alignment', 'uniformity'],
    caption:
      'Of training embeddings (Wang & Isola 2020): alignment near 0 and low uniformity are best; uniformity near 0 is a collapse.',
  },
];

/** A sentence on how the two views of a clip came about. */
export function howViewsWereMade({ spg }: ViewConfig): string {
  if (!spg.enabled) return 'A pair was two frames of the clip, each augmented by itself.';
  const order =
    spg.order === 'mix-then-augment'
      ? 'mixed before they were augmented'
      : 'augmented before they were mixed';
  return `Views were mixed from three frames of the clip with weights from Beta(${spg.beta.join(' and ')}), ${order}.`;
}
