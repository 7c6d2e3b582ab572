/**
 * Normalised images of single frames, for training on labels: augmented by an address of their own (seed, epoch, clip,
 * frame), or whole as evaluation sees them. Pure in the same sense as `pairs.ts`.
 */
import type { ClipRecord } from '../dataset/types.ts';
import { imageLength, type FrameViewConfig, type ImageConfig } from './config.ts';
import { drawAugmentation } from './draw.ts';
import { ImageMaker, type FrameSource, type Image } from './image.ts';
import { fillWholeView } from './whole.ts';

/** One frame of one clip. */
export interface FrameRow {
  /** Index into the dataset's clips. */
  readonly clip: number;
  /** Frame of the clip, from 0. */
  readonly frame: number;
}

/**
 * Paints `rows` for `epoch` into `target` [N, channels, size, size]. An image depends on its clip, its frame, the view
 * config, the seed and the epoch, not on the other rows; with `augment: null` it is `fillWholeView`'s and depends on
 * clip, frame and view alone. To paint many batches keep a `FramePainter`.
 * Errors: `RangeError` for a target of another length, a clip or a frame that is not there; those of reading.
 */
export function fillFrameImages(
  dataset: FrameSource,
  rows: readonly FrameRow[],
  view: FrameViewConfig,
  seed: number,
  epoch: number,
  target: Float32Array,
): void {
  new FramePainter(dataset, view).paint(rows, seed, epoch, target);
}

/** What augmented frames are made with and in. */
interface Augmenting {
  readonly view: ImageConfig;
  readonly maker: ImageMaker;
  readonly frame: Uint8Array;
  readonly image: Image;
}

/** `fillFrameImages` with buffers that live on between batches. */
export class FramePainter {
  readonly #dataset: FrameSource;
  readonly #view: FrameViewConfig;
  readonly #augmenting: Augmenting | null;

  constructor(dataset: FrameSource, view: FrameViewConfig) {
    this.#dataset = dataset;
    this.#view = view;
    this.#augmenting =
      view.augment === null ? null : augmentingOf(dataset, { ...view, augment: view.augment });
  }

  /** See `fillFrameImages`. */
  paint(rows: readonly FrameRow[], seed: number, epoch: number, target: Float32Array): void {
    const length = imageLength(this.#view);
    if (target.length !== rows.length * length)
      throw new RangeError(
        `The target of ${rows.length} frames must have ${rows.length * length} elements, not ${target.length}.`,
      );
    for (const [i, row] of rows.entries()) {
      const clip = this.#dataset.clips[row.clip];
      if (clip === undefined)
        throw new RangeError(`There is no clip ${row.clip}; the dataset has ${this.#dataset.clips.length}.`);
      this.#paintFrame(clip, row.frame, seed, epoch, target, i * length);
    }
  }

  #paintFrame(
    clip: ClipRecord,
    number: number,
    seed: number,
    epoch: number,
    target: Float32Array,
    offset: number,
  ): void {
    if (this.#augmenting === null) {
      fillWholeView(this.#dataset.readFrame(clip, number), clip, this.#view, target, offset);
      return;
    }
    const { view, maker, frame, image } = this.#augmenting;
    const { width, height, id } = clip;
    maker.load(clip, number, frame);
    maker.render(
      frame,
      clip,
      drawAugmentation(view, width, height, seed, epoch, id, `frame ${number}`),
      image,
    );
    maker.write(image, target, offset);
  }
}

function augmentingOf(dataset: FrameSource, view: ImageConfig): Augmenting {
  const maker = new ImageMaker(dataset, view);
  return { view, maker, frame: maker.createFrame(), image: maker.createImage() };
}
