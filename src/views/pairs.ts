/**
 * From stored 8-bit frames to normalised pairs of views: reads three frames of a clip, augments, mixes, normalises.
 * What is painted is a function of (dataset, clips, view config, seed, epoch) alone; the painter's buffers carry
 * nothing from one call to the next.
 *
 * Order of operations on an image: crop, flip, resize · rotation and affine · brightness, contrast, saturation and
 * hue in random order · intensity curve · blur · sharpening · cutout · out-painting. The reference code has only the
 * first and the third switched on, in that order; where it lists the others elsewhere, geometry goes before
 * intensity here so that pixels are interpolated twice at most.
 *
 * A grey view without neighbourhood operations stays 8-bit with a table of 256 intensities until it is mixed: this
 * is exact (see `tone.ts`) and is what makes the loader cheap.
 */
import type { Dataset } from '../dataset/reader.ts';
import type { ClipRecord } from '../dataset/types.ts';
import { imageLength, ofChannel, type ViewConfig } from './config.ts';
import { drawAugmentation, type Augmentation } from './draw.ts';
import { mixBytes, scaleTable, toPlanes, writePlanes, writeTable, writeTwoTables } from './planes.ts';
import { createAxis, resamplePlane, setAxis, type Axis } from './resample.ts';
import { drawPair } from './sampling.ts';
import { blurPlanes, cutHoles, paintOutside, sharpenPlanes, warpPlane } from './spatial.ts';
import { fillGreyTable, toneColour } from './tone.ts';

/** What a painter needs of a dataset. */
export type FrameSource = Pick<Dataset, 'manifest' | 'clips' | 'readFrame'>;

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

/** An augmented image before mixing. */
interface Image {
  /** [channels, size, size] after the geometric operations. */
  readonly pixels: Uint8Array;
  /** Intensity 0…1 of each 8-bit value; meaningful when `float` is false. */
  readonly table: Float64Array;
  /** The same image as intensities 0…1; meaningful when `float` is true. */
  readonly planes: Float32Array;
  float: boolean;
}

/** `fillPairImages` with buffers that live on between batches. */
export class PairPainter {
  readonly #dataset: FrameSource;
  readonly #view: ViewConfig;
  /** Channels work is done in: 1 unless both the dataset and the network have colour. */
  readonly #channels: 1 | 3;
  readonly #area: number;
  readonly #raw: Uint8Array;
  readonly #frames: readonly [Uint8Array, Uint8Array, Uint8Array];
  readonly #images: readonly [Image, Image, Image];
  readonly #axes: readonly [Axis, Axis];
  readonly #middle: Uint8Array;
  readonly #warped: Uint8Array;
  readonly #scratch: Float32Array;
  readonly #tables: readonly [Float64Array, Float64Array] = [new Float64Array(256), new Float64Array(256)];

  constructor(dataset: FrameSource, view: ViewConfig) {
    this.#dataset = dataset;
    this.#view = view;
    const stored = dataset.manifest.channels;
    this.#channels = stored === 3 && view.channels === 3 ? 3 : 1;
    this.#area = view.size * view.size;
    let largest = 0;
    let tallest = 0;
    for (const clip of dataset.clips) {
      largest = Math.max(largest, clip.width * clip.height);
      tallest = Math.max(tallest, clip.height);
    }
    const channels = this.#channels;
    const length = channels * this.#area;
    const float = channels === 3 || usesNeighbours(view);
    const frame = (): Uint8Array => new Uint8Array(largest * channels);
    const image = (): Image => ({
      pixels: new Uint8Array(length),
      table: new Float64Array(256),
      planes: new Float32Array(float ? length : 0),
      float: false,
    });
    this.#raw = new Uint8Array(stored === 1 ? 0 : largest * stored);
    this.#frames = [frame(), frame(), frame()];
    this.#images = [image(), image(), image()];
    this.#axes = [createAxis(view.size), createAxis(view.size)];
    this.#middle = new Uint8Array(tallest * view.size);
    const { rotation, affine } = view.augment;
    this.#warped = new Uint8Array(rotation.probability + affine.probability > 0 ? length : 0);
    this.#scratch = new Float32Array(float ? this.#area : 0);
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
    const draw = drawPair(clip, view.spg, seed, epoch);
    const [first, second, middle] = this.#frames;
    const [image0, image1, anchor] = this.#images;
    const augmentation = (slot: 0 | 1 | 'anchor'): Augmentation =>
      drawAugmentation(view, clip.width, clip.height, seed, epoch, clip.id, slot);
    this.#load(clip, draw.frame0, first);
    this.#load(clip, draw.frame1, second);
    if (draw.anchor !== null) this.#load(clip, draw.anchor, middle);
    const mixFirst = draw.anchor !== null && view.spg.order === 'mix-then-augment';
    if (mixFirst) {
      const length = clip.width * clip.height * this.#channels;
      mixBytes(first, middle, draw.weight0, length);
      mixBytes(second, middle, draw.weight1, length);
    }
    this.#render(first, clip, augmentation(0), image0);
    this.#render(second, clip, augmentation(1), image1);
    if (draw.anchor === null || mixFirst) {
      this.#write(image0, target, offset0);
      this.#write(image1, target, offset1);
      return;
    }
    this.#render(middle, clip, augmentation('anchor'), anchor);
    this.#writeMixture(image0, anchor, draw.weight0, target, offset0);
    this.#writeMixture(image1, anchor, draw.weight1, target, offset1);
  }

  #load(clip: ClipRecord, frame: number, planes: Uint8Array): void {
    const stored = this.#dataset.manifest.channels;
    if (stored === 1) {
      this.#dataset.readFrame(clip, frame, planes);
      return;
    }
    this.#dataset.readFrame(clip, frame, this.#raw);
    toPlanes(this.#raw, clip.width * clip.height, stored, this.#channels, planes);
  }

  #render(planes: Uint8Array, clip: ClipRecord, augmentation: Augmentation, image: Image): void {
    const { size } = this.#view;
    const [x, y] = this.#axes;
    const area = this.#area;
    const { box, warp, tone } = augmentation;
    setAxis(x, clip.width, box.left, box.right, augmentation.flipped);
    setAxis(y, clip.height, box.top, box.bottom, false);
    const resized = warp === null ? image.pixels : this.#warped;
    for (let c = 0; c < this.#channels; c++) {
      const source = c * clip.width * clip.height;
      resamplePlane(planes, source, clip.width, x, y, this.#middle, resized, c * area);
      if (warp !== null) warpPlane(resized, image.pixels, c * area, size, warp);
    }
    if (this.#channels === 1) {
      fillGreyTable(image.pixels, tone, image.table);
      image.float = false;
    } else {
      toneColour(image.pixels, tone, image.table, image.planes);
      image.float = true;
    }
    const { blur, sharpen, holes, outPainting } = augmentation;
    if (blur === null && sharpen === 0 && holes.length === 0 && outPainting === null) return;
    toFloat(image);
    if (blur !== null) blurPlanes(image.planes, size, blur.sigma, blur.kernel, this.#scratch);
    if (sharpen !== 0) sharpenPlanes(image.planes, size, sharpen, this.#scratch);
    cutHoles(image.planes, size, holes);
    if (outPainting !== null) paintOutside(image.planes, size, outPainting.windows, outPainting.noise);
  }

  #write(image: Image, target: Float32Array, offset: number): void {
    const view = this.#view;
    const [table] = this.#tables;
    const area = this.#area;
    for (let c = 0; c < view.channels; c++) {
      const mean = ofChannel(view.normalise.mean, c);
      const std = ofChannel(view.normalise.std, c);
      const at = offset + c * area;
      if (image.float) {
        const from = this.#channels === 3 ? c * area : 0;
        writePlanes(image.planes, image.planes, 1, from, area, mean, std, target, at);
      } else {
        scaleTable(image.table, 1, mean, std, table);
        writeTable(image.pixels, table, target, at);
      }
    }
  }

  #writeMixture(image: Image, anchor: Image, weight: number, target: Float32Array, offset: number): void {
    const view = this.#view;
    const [tableA, tableB] = this.#tables;
    const area = this.#area;
    const float = image.float || anchor.float;
    if (float) {
      toFloat(image);
      toFloat(anchor);
    }
    for (let c = 0; c < view.channels; c++) {
      const mean = ofChannel(view.normalise.mean, c);
      const std = ofChannel(view.normalise.std, c);
      const at = offset + c * area;
      if (float) {
        const from = this.#channels === 3 ? c * area : 0;
        writePlanes(image.planes, anchor.planes, weight, from, area, mean, std, target, at);
      } else {
        scaleTable(image.table, weight, mean, std, tableA);
        scaleTable(anchor.table, 1 - weight, mean, std, tableB);
        writeTwoTables(image.pixels, tableA, anchor.pixels, tableB, target, at);
      }
    }
  }
}

function usesNeighbours(view: ViewConfig): boolean {
  const { blur, sharpen, cutout, outPainting } = view.augment;
  return blur.probability + sharpen.probability + cutout.probability + outPainting.probability > 0;
}

function toFloat(image: Image): void {
  if (image.float) return;
  for (let i = 0; i < image.pixels.length; i++) image.planes[i] = image.table[image.pixels[i]!]!;
  image.float = true;
}
