/**
 * What methods share that learn from two views of a clip: their projection heads, what those measure of pairs that contrast
 * them with other clips, the panels that show it, and how pairs were made, in words.
 */
import { z } from 'zod';
import type { Network } from '../engine/core/network.ts';
import { OUTPUTS, withHead } from '../models/heads.ts';
import type { PairSpread } from '../objectives/pair-contrast.ts';
import type { ViewConfig } from '../views/config.ts';
import type { Chart, Measurement, Reference } from './method.ts';

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
