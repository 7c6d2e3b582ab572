/**
 * Normalised pairs of views of clips: draws three frames of a clip, augments, mixes. What is painted is a function of
 * (dataset, clips, view config, seed, epoch) alone; the painter's buffers carry nothing from one call to the next.
 */
import type { ClipRecord } from '../dataset/types.ts';
import { imageLength, type ViewConfig } from './config.ts';
import { drawAugmentation, type Augmentation } from './draw.ts';
import { ImageMaker, type FrameSource, type Image } from './image.ts';
import { mixBytes } from './planes.ts';
import { drawPair } from './sampling.ts';

/**
 * Paints the pairs of `clipIndices` (into `dataset.clips`) for `epoch` into `target` [2N, channels, size, size]:
 * view 0 of all clips, then view 1. A pure function of its arguments; to paint many batches keep a `PairPainter`.
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
  new PairPainter(dataset, view).paint(clipIndices, seed, epoch, target);
}

/** `fillPairImages` with buffers that live on between batches. */
export class PairPainter {
  readonly #dataset: FrameSource;
  readonly #view: ViewConfig;
  readonly #maker: ImageMaker;
  readonly #frames: readonly [Uint8Array, Uint8Array, Uint8Array];
  readonly #images: readonly [Image, Image, Image];

  constructor(dataset: FrameSource, view: ViewConfig) {
    this.#dataset = dataset;
    this.#view = view;
    const maker = new ImageMaker(dataset, view);
    this.#maker = maker;
    this.#frames = [maker.createFrame(), maker.createFrame(), maker.createFrame()];
    this.#images = [maker.createImage(), maker.createImage(), maker.createImage()];
  }

  /** See `fillPairImages`. */
  paint(clipIndices: readonly number[], seed: number, epoch: number, target: Float32Array): void {
    const length = imageLength(this.#view);
    const pairs = clipIndices.length;
    if (target.length !== 2 * pairs * length)
      throw new RangeError(
        `The target of ${pairs} pairs must have ${2 * pairs * length} elements, not ${target.length}.`,
      );
    for (const [i, index] of clipIndices.entries()) {
      const clip = this.#dataset.clips[index];
      if (clip === undefined)
        throw new RangeError(`There is no clip ${index}; the dataset has ${this.#dataset.clips.length}.`);
      this.#paintPair(clip, seed, epoch, target, i * length, (pairs + i) * length);
    }
  }

  #paintPair(
    clip: ClipRecord,
    seed: number,
    epoch: number,
    target: Float32Array,
    offset0: number,
    offset1: number,
  ): void {
    const view = this.#view;
    const maker = this.#maker;
    const draw = drawPair(clip, view.spg, seed, epoch);
    const [first, second, middle] = this.#frames;
    const [image0, image1, anchor] = this.#images;
    const augmentation = (slot: 0 | 1 | 'anchor'): Augmentation =>
      drawAugmentation(view, clip.width, clip.height, seed, epoch, clip.id, slot);
    maker.load(clip, draw.frame0, first);
    maker.load(clip, draw.frame1, second);
    if (draw.anchor !== null) maker.load(clip, draw.anchor, middle);
    const mixFirst = draw.anchor !== null && view.spg.order === 'mix-then-augment';
    if (mixFirst) {
      const length = clip.width * clip.height * maker.channels;
      mixBytes(first, middle, draw.weight0, length);
      mixBytes(second, middle, draw.weight1, length);
    }
    maker.render(first, clip, augmentation(0), image0);
    maker.render(second, clip, augmentation(1), image1);
    if (draw.anchor === null || mixFirst) {
      maker.write(image0, target, offset0);
      maker.write(image1, target, offset1);
      return;
    }
    maker.render(middle, clip, augmentation('anchor'), anchor);
    maker.writeMixture(image0, anchor, draw.weight0, target, offset0);
    maker.writeMixture(image1, anchor, draw.weight1, target, offset1);
  }
}
