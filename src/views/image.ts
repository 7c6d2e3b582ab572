/**
 * From a stored 8-bit frame to one augmented, normalised image: the part that pairs and single frames share.
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
import { ofChannel, type ImageConfig } from './config.ts';
import type { Augmentation } from './draw.ts';
import { scaleTable, toPlanes, writePlanes, writeTable, writeTwoTables } from './planes.ts';
import { createAxis, resamplePlane, setAxis, type Axis } from './resample.ts';
import { blurPlanes, cutHoles, paintOutside, sharpenPlanes, warpPlane } from './spatial.ts';
import { fillGreyTable, toneColour } from './tone.ts';

/** What a painter needs of a dataset. */
export type FrameSource = Pick<Dataset, 'manifest' | 'clips' | 'readFrame'>;

/** `RangeError` for a clip that is not there. */
export function clipAt({ clips }: FrameSource, index: number): ClipRecord {
  const clip = clips[index];
  if (clip !== undefined) return clip;
  throw new RangeError(`There is no clip ${index}; the dataset has ${clips.length}.`);
}

/** `RangeError` for a target of another length than what is painted into it. */
export function requireTarget(target: Float32Array, length: number, what: string): void {
  if (target.length !== length)
    throw new RangeError(`The target of ${what} must have ${length} elements, not ${target.length}.`);
}

/** An augmented image before mixing. */
export interface Image {
  /** [channels, size, size] after the geometric operations. */
  readonly pixels: Uint8Array;
  /** Intensity 0…1 of each 8-bit value; meaningful when `float` is false. */
  readonly table: Float64Array;
  /** The same image as intensities 0…1; meaningful when `float` is true. */
  readonly planes: Float32Array;
  float: boolean;
}

/** Makes images of a dataset's frames, with buffers that live on between them and carry nothing from one to the next. */
export class ImageMaker {
  /** Channels work is done in: 1 unless both the dataset and the network have colour. */
  readonly channels: 1 | 3;
  readonly #dataset: FrameSource;
  readonly #view: ImageConfig;
  readonly #area: number;
  readonly #largest: number;
  readonly #raw: Uint8Array;
  readonly #axes: readonly [Axis, Axis];
  readonly #middle: Uint8Array;
  readonly #warped: Uint8Array;
  readonly #scratch: Float32Array;
  readonly #tables: readonly [Float64Array, Float64Array] = [new Float64Array(256), new Float64Array(256)];

  constructor(dataset: FrameSource, view: ImageConfig) {
    this.#dataset = dataset;
    this.#view = view;
    const stored = dataset.manifest.channels;
    this.channels = stored === 3 && view.channels === 3 ? 3 : 1;
    this.#area = view.size * view.size;
    let largest = 0;
    let tallest = 0;
    for (const clip of dataset.clips) {
      largest = Math.max(largest, clip.width * clip.height);
      tallest = Math.max(tallest, clip.height);
    }
    this.#largest = largest;
    this.#raw = new Uint8Array(stored === 1 ? 0 : largest * stored);
    this.#axes = [createAxis(view.size), createAxis(view.size)];
    this.#middle = new Uint8Array(tallest * view.size);
    const { rotation, affine } = view.augment;
    const warps = rotation.probability + affine.probability > 0;
    this.#warped = new Uint8Array(warps ? this.channels * this.#area : 0);
    this.#scratch = new Float32Array(this.#usesFloat() ? this.#area : 0);
  }

  /** A buffer that any frame of the dataset fits into. */
  createFrame(): Uint8Array {
    return new Uint8Array(this.#largest * this.channels);
  }

  createImage(): Image {
    const length = this.channels * this.#area;
    return {
      pixels: new Uint8Array(length),
      table: new Float64Array(256),
      planes: new Float32Array(this.#usesFloat() ? length : 0),
      float: false,
    };
  }

  /** Reads a frame as planes [channels, height, width]. Errors: those of reading the dataset. */
  load(clip: ClipRecord, frame: number, planes: Uint8Array): void {
    const stored = this.#dataset.manifest.channels;
    if (stored === 1) {
      this.#dataset.readFrame(clip, frame, planes);
      return;
    }
    this.#dataset.readFrame(clip, frame, this.#raw);
    toPlanes(this.#raw, clip.width * clip.height, stored, this.channels, planes);
  }

  /** Augments loaded planes into `image`. */
  render(planes: Uint8Array, clip: ClipRecord, augmentation: Augmentation, image: Image): void {
    const { size } = this.#view;
    const [x, y] = this.#axes;
    const area = this.#area;
    const { box, warp, tone } = augmentation;
    setAxis(x, clip.width, box.left, box.right, augmentation.flipped);
    setAxis(y, clip.height, box.top, box.bottom, false);
    const resized = warp === null ? image.pixels : this.#warped;
    for (let c = 0; c < this.channels; c++) {
      const source = c * clip.width * clip.height;
      resamplePlane(planes, source, clip.width, x, y, this.#middle, resized, c * area);
      if (warp !== null) warpPlane(resized, image.pixels, c * area, size, warp);
    }
    if (this.channels === 1) {
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

  /** Writes an image, normalised, as [channels, size, size]. */
  write(image: Image, target: Float32Array, offset: number): void {
    const view = this.#view;
    const [table] = this.#tables;
    const area = this.#area;
    for (let c = 0; c < view.channels; c++) {
      const mean = ofChannel(view.normalise.mean, c);
      const std = ofChannel(view.normalise.std, c);
      const at = offset + c * area;
      if (image.float) {
        const from = this.channels === 3 ? c * area : 0;
        writePlanes(image.planes, image.planes, 1, from, area, mean, std, target, at);
      } else {
        scaleTable(image.table, 1, mean, std, table);
        writeTable(image.pixels, table, target, at);
      }
    }
  }

  /** Writes weight·image + (1 − weight)·anchor, normalised. */
  writeMixture(image: Image, anchor: Image, weight: number, target: Float32Array, offset: number): void {
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
        const from = this.channels === 3 ? c * area : 0;
        writePlanes(image.planes, anchor.planes, weight, from, area, mean, std, target, at);
      } else {
        scaleTable(image.table, weight, mean, std, tableA);
        scaleTable(anchor.table, 1 - weight, mean, std, tableB);
        writeTwoTables(image.pixels, tableA, anchor.pixels, tableB, target, at);
      }
    }
  }

  /** Whether an image may leave the 8-bit form: it has colour, or an operation that looks at neighbours. */
  #usesFloat(): boolean {
    const { blur, sharpen, cutout, outPainting } = this.#view.augment;
    const neighbours = blur.probability + sharpen.probability + cutout.probability + outPainting.probability;
    return this.channels === 3 || neighbours > 0;
  }
}

function toFloat(image: Image): void {
  if (image.float) return;
  for (let i = 0; i < image.pixels.length; i++) image.planes[i] = image.table[image.pixels[i]!]!;
  image.float = true;
}
