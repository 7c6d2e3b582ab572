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

/** `fillPairImages` with buffers that live on between batches. */
export function pairRenderer(
  dataset: FrameSource,
  view: ViewConfig,
): (clipIndices: readonly number[], seed: number, epoch: number, target: Float32Array) => void {
  const maker = imageMaker(dataset, view);
  const [first, second, middle] = [maker.createFrame(), maker.createFrame(), maker.createFrame()];
  const [image0, image1, anchor] = [maker.createImage(), maker.createImage(), maker.createImage()];
  const length = imageLength(view);
  return (clipIndices, seed, epoch, target) => {
    requireTarget(target, 2 * clipIndices.length * length, `${clipIndices.length} pairs`);
    for (const [i, index] of clipIndices.entries()) {
      const clip = clipAt(dataset, index);
      const draw = drawPair(clip, view.spg, seed, epoch);
      const augmentation = (slot: 0 | 1 | 'anchor'): Augmentation =>
        drawAugmentation(view, clip, seed, epoch, slot);
      maker.load(clip, draw.frame0, first);
      maker.load(clip, draw.frame1, second);
      if (draw.anchor !== null) maker.load(clip, draw.anchor, middle);
      const mixFirst = draw.anchor !== null && view.spg.order === 'mix-then-augment';
      if (mixFirst) {
        const bytes = clip.width * clip.height * maker.channels;
        mixBytes(first, middle, draw.weight0, bytes);
        mixBytes(second, middle, draw.weight1, bytes);
      }
      maker.render(first, clip, augmentation(0), image0);
      maker.render(second, clip, augmentation(1), image1);
      const [offset0, offset1] = [i * length, (clipIndices.length + i) * length];
      if (draw.anchor === null || mixFirst) {
        maker.write(image0, target, offset0);
        maker.write(image1, target, offset1);
      } else {
        maker.render(middle, clip, augmentation('anchor'), anchor);
        maker.writeMixture(image0, anchor, draw.weight0, target, offset0);
        maker.writeMixture(image1, anchor, draw.weight1, target, offset1);
      }
    }
  };
}
