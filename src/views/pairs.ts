/**
 * Renders normalised pairs of views of clips: draws three frames of a clip, augments, mixes. The images are a
 * function of (dataset, clips, view config, seed, epoch) alone. A renderer's buffers carry nothing from one call to
 * the next.
 */
import { imageLength, type ViewConfig } from './config.ts';
import { drawAugmentation, type Augmentation } from './draw.ts';
import { clipAt, imageMaker, requireTarget, type FrameSource } from './image.ts';
import { mixBytes } from './planes.ts';
import { drawPair } from './sampling.ts';

/**
 * Renders views of clips into `target`, view 0 of all clips, then view 1, …: [views·N, channels, size, size]. Views but the
 * first show `partners`, one a clip, by default the clips themselves; what is drawn for them has the address of the clip.
 */
export type ClipRenderer = (
  clipIndices: readonly number[],
  seed: number,
  epoch: number,
  target: Float32Array,
  partners?: readonly number[],
) => void;

/**
 * Renders the pairs of `clipIndices` (into `dataset.clips`) for `epoch` into `target` [2N, channels, size, size]:
 * view 0 of all clips, then view 1. A pure function of its arguments; to render many batches keep a `pairRenderer`.
 * Errors: `RangeError` for a target of another length or a clip that is not there; errors of `drawPair` and of
 * reading the dataset.
 */
export function fillPairImages(
  dataset: FrameSource,
  clipIndices: readonly number[],
  view: ViewConfig,
  seed: number,
  epoch: number,
  target: Float32Array,
): void {
  pairRenderer(dataset, view)(clipIndices, seed, epoch, target);
}

/** `fillPairImages` with buffers that live on between batches; view 1 may show partners. */
export function pairRenderer(dataset: FrameSource, view: ViewConfig): ClipRenderer {
  const maker = imageMaker(dataset, view);
  const [planes, middle] = [maker.createFrame(), maker.createFrame()];
  const [image, anchor] = [maker.createImage(), maker.createImage()];
  const length = imageLength(view);
  return (clipIndices, seed, epoch, target, partners = clipIndices) => {
    requireTarget(target, 2 * clipIndices.length * length, `${clipIndices.length} pairs`);
    for (const [i, index] of clipIndices.entries()) {
      const clip = clipAt(dataset, index);
      const partner = clipAt(dataset, partners[i] ?? index);
      let draw = drawPair(clip, view.spg, seed, epoch);
      for (const slot of [0, 1] as const) {
        const shown = slot === 0 ? clip : partner;
        // Both views of a clip are mixed with one anchor.
        const anew = slot === 0 || partner !== clip;
        if (slot === 1 && anew) draw = drawPair(partner, view.spg, seed, epoch, clip.id);
        const augmentation = (of: 0 | 1 | 'anchor'): Augmentation =>
          drawAugmentation(view, { ...shown, id: clip.id }, seed, epoch, of);
        const [frame, weight] = slot === 0 ? [draw.frame0, draw.weight0] : [draw.frame1, draw.weight1];
        maker.load(shown, frame, planes);
        if (draw.anchor !== null && anew) maker.load(shown, draw.anchor, middle);
        const mixFirst = draw.anchor !== null && view.spg.order === 'mix-then-augment';
        if (mixFirst) mixBytes(planes, middle, weight, shown.width * shown.height * maker.channels);
        maker.render(planes, shown, augmentation(slot), image);
        const offset = (slot * clipIndices.length + i) * length;
        if (draw.anchor === null || mixFirst) maker.write(image, target, offset);
        else {
          if (anew) maker.render(middle, shown, augmentation('anchor'), anchor);
          maker.writeMixture(image, anchor, weight, target, offset);
        }
      }
    }
  };
}
