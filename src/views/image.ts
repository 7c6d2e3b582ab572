/**
 * From a stored 8-bit frame to one augmented, normalised image: the part that pairs and single frames share.
 *
 * Order of operations on an image: crop, flip, resize · rotation, affine and change of the probe · what ultrasound
 * augmentation does to levels (`echo-changes.ts`) · brightness, contrast, saturation and hue in random order · intensity
 * curve · blur · sharpening · cutout · out-painting. The reference code has only crop, flip, resize and jitter switched
 * on, in that order; where it lists the others elsewhere, geometry goes before intensity here so that pixels are
 * interpolated twice at most.
 *
 * A grey view without neighbourhood operations stays 8-bit with a table of 256 intensities until it is mixed: this
 * is exact (see `tone.ts`) and is what makes the loader cheap.
 */
import type { Dataset } from '../dataset/reader.ts';
import type { ClipRecord } from '../dataset/types.ts';
import { ofChannel, type ImageConfig } from './config.ts';
import type { Augmentation } from './draw.ts';
import { type EchoChanger, echoChanger } from './echo-changes.ts';
import { createPlacer, placementOf } from './placement.ts';
import { scaleTable, toPlanes, writePlanes, writeTable, writeTwoTables } from './planes.ts';
import { blurPlanes, cutHoles, paintOutside, sharpenPlanes } from './spatial.ts';
import { fillGreyTable, toneColour } from './tone.ts';

/** The part of a dataset that a renderer needs. */
export type FrameSource = Pick<Dataset, 'manifest' | 'clips' | 'readFrame'>;

/** `RangeError` for a clip that is not there. */
export function clipAt({ clips }: FrameSource, index: number): ClipRecord {
  const clip = clips[index];
  if (clip !== undefined) return clip;
  throw new RangeError(`There is no clip ${index}; the dataset has ${clips.length}.`);
}

/** `RangeError` for a target of another length than what is rendered into it. */
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
export function imageMaker(dataset: FrameSource, view: ImageConfig) {
  const stored = dataset.manifest.channels;
  /** Channels work is done in: 1 unless both the dataset and the network have colour. */
  const channels = stored === 3 && view.channels === 3 ? 3 : 1;
  const { size, augment } = view;
  const area = size * size;
  let largest = 0;
  for (const { width, height } of dataset.clips) largest = Math.max(largest, width * height);
  const { rotation, affine, probe, blur, sharpen, cutout, outPainting } = augment;
  const neighbours = blur.probability + sharpen.probability + cutout.probability + outPainting.probability;
  // Whether an image may leave the 8-bit form: it has colour, or an operation that looks at neighbours.
  const usesFloat = channels === 3 || neighbours > 0;
  const raw = new Uint8Array(stored === 1 ? 0 : largest * stored);
  const turns = rotation.probability + affine.probability + probe.probability > 0;
  const placer = createPlacer(size, channels, turns);
  let changeEchoes: EchoChanger | undefined;
  const scratch = new Float32Array(usesFloat ? area : 0);
  const [tableA, tableB] = [new Float64Array(256), new Float64Array(256)];

  /** Calls `write` for each channel of the view, with where it begins in the image's planes and in the target. */
  const eachChannel = (
    offset: number,
    write: (mean: number, std: number, from: number, at: number) => void,
  ): void => {
    for (let c = 0; c < view.channels; c++) {
      const { mean, std } = view.normalise;
      write(ofChannel(mean, c), ofChannel(std, c), channels === 3 ? c * area : 0, offset + c * area);
    }
  };

  return {
    channels,

    /** A buffer that any frame of the dataset fits into. */
    createFrame: () => new Uint8Array(largest * channels),

    createImage: (): Image => ({
      pixels: new Uint8Array(channels * area),
      table: new Float64Array(256),
      planes: new Float32Array(usesFloat ? channels * area : 0),
      float: false,
    }),

    /** Reads a frame as planes [channels, height, width]. Errors: those of reading the dataset. */
    load(clip: ClipRecord, frame: number, planes: Uint8Array): void {
      dataset.readFrame(clip, frame, stored === 1 ? planes : raw);
      if (stored !== 1) toPlanes(raw, clip.width * clip.height, stored, channels, planes);
    },

    /** Augments loaded planes into `image`. */
    render(planes: Uint8Array, clip: ClipRecord, augmentation: Augmentation, image: Image): void {
      const { tone, echoes, field, box, warp, bend } = augmentation;
      placer.place(planes, clip, augmentation, image.pixels);
      if (echoes !== null && field !== null) {
        changeEchoes ??= echoChanger(size);
        // A view that is bent is taken from the whole frame; one that is only turned, from its crop.
        const shown = warp === null || bend !== null ? null : box;
        changeEchoes(image.pixels, echoes, field, placementOf(augmentation, size), shown);
      }
      image.float = channels === 3;
      if (image.float) toneColour(image.pixels, tone, image.table, image.planes);
      else fillGreyTable(image.pixels, tone, image.table);
      const { blur, sharpen, holes, outPainting } = augmentation;
      if (blur === null && sharpen === 0 && holes.length === 0 && outPainting === null) return;
      toFloat(image);
      if (blur !== null) blurPlanes(image.planes, size, blur.sigma, blur.kernel);
      if (sharpen !== 0) sharpenPlanes(image.planes, size, sharpen, scratch);
      cutHoles(image.planes, size, holes);
      if (outPainting !== null) paintOutside(image.planes, size, outPainting.windows, outPainting.noise);
    },

    /** Writes an image, normalised, as [channels, size, size]. */
    write(image: Image, target: Float32Array, offset: number): void {
      eachChannel(offset, (mean, std, from, at) => {
        if (image.float) writePlanes(image.planes, image.planes, 1, from, area, mean, std, target, at);
        else {
          scaleTable(image.table, 1, mean, std, tableA);
          writeTable(image.pixels, tableA, target, at);
        }
      });
    },

    /** Writes weight·image + (1 − weight)·anchor, normalised. */
    writeMixture(image: Image, anchor: Image, weight: number, target: Float32Array, offset: number): void {
      const float = image.float || anchor.float;
      if (float) {
        toFloat(image);
        toFloat(anchor);
      }
      eachChannel(offset, (mean, std, from, at) => {
        if (float) writePlanes(image.planes, anchor.planes, weight, from, area, mean, std, target, at);
        else {
          scaleTable(image.table, weight, mean, std, tableA);
          scaleTable(anchor.table, 1 - weight, mean, std, tableB);
          writeTwoTables(image.pixels, tableA, anchor.pixels, tableB, target, at);
        }
      });
    },
  };
}

function toFloat(image: Image): void {
  if (image.float) return;
  writeTable(image.pixels, image.table, image.planes, 0);
  image.float = true;
}
