/**
 * Small crops beside the pair of a clip's views (Caron et al., NeurIPS 2020, multi-crop): cut small from the same two frames
 * and shown small, so that a crop costs a fraction of a view. Every crop is a pair with each of the two large views; the loss
 * is the mean over all pairs with a large view. What is cut off must be told from what surrounds it.
 */
import { z } from 'zod';
import { usageError } from '../base/errors.ts';
import type { ClipViews } from '../views/clip-views.ts';
import type { ViewConfig } from '../views/config.ts';
import type { MethodBatch, Reference, ViewRows } from './method.ts';

const share = z.number().gt(0).max(1);

/** Option: how many there are, how large, and how much of the frame they show. */
export const smallCropsOption = z
  .strictObject({
    count: z.int().min(0).max(16).default(0).describe('small crops of each clip; 0: none; published: 6'),
    size: z
      .int()
      .min(16)
      .max(1024)
      .nullable()
      .default(null)
      .describe('their side in pixels; null: three sevenths of view.size, in sixteens; published: 96 of 224'),
    scale: z
      .tuple([share, share])
      .refine(([least, most]) => least <= most, 'the lower share comes first')
      .default([0.05, 0.3])
      .describe('least and greatest share of the frame that they show; published: 0.05 to 0.14'),
  })
  .prefault({});
type SmallCrops = z.infer<typeof smallCropsOption>;

const MULTI_CROP: Reference = {
  key: 'multi-crop',
  text: 'Caron M, Misra I, Mairal J, Goyal P, Bojanowski P, Joulin A. Unsupervised Learning of Visual Features by Contrasting Cluster Assignments. NeurIPS 2020. arXiv:2006.09882',
};

function sideOf({ size }: SmallCrops, view: ViewConfig): number {
  return size ?? Math.max(16, 16 * Math.round((3 * view.size) / (7 * 16)));
}

/** The views of a clip: a pair, and small crops of its two frames in turn. Error: `CONFIG_INVALID` for mixed pairs. */
export function withSmallCrops(crops: SmallCrops, view: ViewConfig): ClipViews {
  if (crops.count === 0) return 'pair';
  const { augment } = view;
  if (view.spg.enabled)
    throw usageError(
      'CONFIG_INVALID',
      'Small crops are cut from two frames of a clip, and view.spg.enabled mixes frames.',
      'Set view.spg.enabled=false, or smallCrops.count=0.',
      { where: 'key method.smallCrops.count' },
    );
  const small = { augment: { ...augment, cropScale: crops.scale }, size: sideOf(crops, view) };
  return [
    { frame: 0, augment },
    { frame: 1, augment },
    ...Array.from({ length: crops.count }, (_, i) => ({ ...small, frame: i % 2 })),
  ];
}

/** Numbers of all views of a clip. */
export function allViews({ count }: SmallCrops): readonly number[] {
  return Array.from({ length: 2 + count }, (_, view) => view);
}

/** A loss of pairs: embeddings [2 N, dim], a row a clip of one view, then of the other; its gradient, overwritten; their rows. */
type PairLoss<Found> = (
  embeddings: Float32Array,
  gradient: Float32Array,
  pair: Pick<MethodBatch, 'views'>,
) => Found;

/**
 * The means of a loss of pairs, and of what it measures, over all pairs of views of which one at least is large. Writes the
 * gradient of an output of the online network, which has seen all views of `views`.
 */
export function overPairs<Found extends Readonly<Record<string, number>>>(
  { views, output, gradient }: Pick<MethodBatch, 'views' | 'output' | 'gradient'>,
  name: string,
  lossOf: PairLoss<Found>,
): Found {
  const [all, toAll] = [output(name), gradient(name)];
  if (views.length === 2) return lossOf(all, toAll, { views });
  const pairs = views.flatMap((_, b) => [0, 1].filter((a) => a < b).map((a) => [a, b] as const));
  const length = all.length / views.length;
  const both = new Float32Array(2 * length);
  const toBoth = new Float32Array(2 * length);
  toAll.fill(0);
  const found = pairs.map((pair) => {
    for (const [i, view] of pair.entries())
      both.set(all.subarray(view * length, (view + 1) * length), i * length);
    const one = lossOf(both, toBoth, { views: pair.map((view): ViewRows => views[view]!) });
    for (const [i, view] of pair.entries())
      for (let k = 0; k < length; k++) toAll[view * length + k]! += toBoth[i * length + k]! / pairs.length;
    return one;
  });
  const mean = (key: string): number => found.reduce((sum, one) => sum + one[key]!, 0) / found.length;
  return Object.fromEntries(Object.keys(found[0]!).map((key) => [key, mean(key)])) as Found;
}

/** A sentence on small crops; empty where there are none. */
export function howSmallCropsWereMade(
  crops: SmallCrops,
  view: ViewConfig,
  cite: (reference: Reference) => string,
): string {
  if (crops.count === 0) return '';
  const side = sideOf(crops, view);
  const [least, most] = crops.scale.map((part) => `${+(100 * part).toPrecision(3)} %`);
  return (
    ` Beside them came ${crops.count} small crops of the same frames ${cite(MULTI_CROP)}, ${side} × ${side} pixels with ${least!} to ${most!} ` +
    'of the frame; the loss was the mean over all pairs of views with one of the two.'
  );
}
