/**
 * Draws the numbers of one augmentation, before any pixel is touched. Each operation has its own address (seed,
 * operation, epoch, clip id, slot), so switching one on changes the draws of no other. Distributions are
 * torchvision's (RandomResizedCrop, RandomHorizontalFlip, ColorJitter, RandomRotation, RandomAffine). The rest are
 * those of the sources named in `config.ts`.
 */
import { randomAt, type Random } from '../base/random.ts';
import type { AugmentConfig, ImageConfig } from './config.ts';

/**
 * Which image of a clip an augmentation belongs to: of a pair the views 0 and 1, or the anchor when it is augmented
 * apart; of other views of a clip the one of this number; else the frame of this number.
 */
export type Slot = 0 | 1 | 'anchor' | `view ${number}` | `frame ${number}`;

/** A rectangle, [left, right) × [top, bottom): of the view in whole pixels, of the stored frame in fractions too. */
export interface Rectangle {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

export interface Tone {
  /** Order of 0 brightness, 1 contrast, 2 saturation, 3 hue. */
  readonly order: readonly number[];
  readonly brightness: number;
  readonly contrast: number;
  readonly saturation: number;
  readonly hue: number;
  /** Control points x1, y1, x2, y2 of the Bézier curve and whether it is inverted; null: off. */
  readonly curve: {
    readonly points: readonly [number, number, number, number];
    readonly inverted: boolean;
  } | null;
}

/** Maps output pixel offsets from the centre to input: x' = a·x + b·y + c, y' = d·x + e·y + f (pixels of the view). */
export type Warp = readonly [a: number, b: number, c: number, d: number, e: number, f: number];

export interface Augmentation {
  readonly box: Rectangle;
  readonly flipped: boolean;
  readonly warp: Warp | null;
  readonly tone: Tone;
  /** σ in pixels, or null. */
  readonly blur: { readonly sigma: number; readonly kernel: number } | null;
  /** Degree of the sharpening kernel; 0 is none. */
  readonly sharpen: number;
  readonly holes: readonly Rectangle[];
  /** Windows that stay; the rest becomes noise from the given stream. null: off. */
  readonly outPainting: { readonly windows: readonly Rectangle[]; readonly noise: Random } | null;
}

/** Draws the augmentation of the image in `slot` of clip `clipId` in `epoch`, for frames of the given size. */
export function drawAugmentation(
  view: ImageConfig,
  width: number,
  height: number,
  seed: number,
  epoch: number,
  clipId: string,
  slot: Slot,
): Augmentation {
  const { augment, size } = view;
  const stream = (operation: string): Random => randomAt(seed, operation, epoch, clipId, slot);
  /** The operation's stream, or null when the coin says no. */
  const maybe = (operation: string, probability: number): Random | null => {
    if (probability === 0) return null;
    const random = stream(operation);
    return random.uniform() < probability ? random : null;
  };
  const blur = maybe('blur', augment.blur.probability);
  const cutout = maybe('cutout', augment.cutout.probability);
  const outPainting = maybe('out-painting', augment.outPainting.probability);
  return {
    box: drawCrop(view, width, height, stream('crop')),
    flipped: maybe('flip', augment.flip) !== null,
    warp: drawWarp(
      augment,
      size,
      maybe('rotation', augment.rotation.probability),
      maybe('affine', augment.affine.probability),
    ),
    tone: drawTone(augment, stream('jitter'), maybe('curve', augment.nonLinearIntensity.probability)),
    blur:
      blur === null
        ? null
        : { sigma: blur.between(...augment.blur.sigma), kernel: oddKernel(augment.blur.kernel * size) },
    sharpen: maybe('sharpen', augment.sharpen.probability) === null ? 0 : augment.sharpen.degree,
    holes: cutout === null ? [] : drawHoles(augment, size, cutout),
    outPainting:
      outPainting === null
        ? null
        : { windows: drawWindows(augment, size, outPainting), noise: stream('out-painting-noise') },
  };
}

/**
 * torchvision's RandomResizedCrop on the resized grid, as a box of the stored frame: ten tries of an area uniform in
 * `cropScale` and a ratio log-uniform in `cropRatio`; if none fits, the largest centred crop of an allowed ratio.
 */
function drawCrop(view: ImageConfig, width: number, height: number, random: Random): Rectangle {
  const [gridWidth, gridHeight] = grid(view, width, height);
  const [left, top, cropWidth, cropHeight] = drawGridCrop(view.augment, gridWidth, gridHeight, random);
  const scaleX = width / gridWidth;
  const scaleY = height / gridHeight;
  return {
    left: left * scaleX,
    top: top * scaleY,
    right: (left + cropWidth) * scaleX,
    bottom: (top + cropHeight) * scaleY,
  };
}

function grid(view: ImageConfig, width: number, height: number): readonly [number, number] {
  if (view.resize === 'square') return [view.size, view.size];
  if (width <= height) return [view.size, Math.trunc((view.size * height) / width)];
  return [Math.trunc((view.size * width) / height), view.size];
}

function drawGridCrop(
  augment: AugmentConfig,
  width: number,
  height: number,
  random: Random,
): readonly [left: number, top: number, width: number, height: number] {
  const area = width * height;
  const lowRatio = Math.log(augment.cropRatio[0]);
  const highRatio = Math.log(augment.cropRatio[1]);
  for (let attempt = 0; attempt < 10; attempt++) {
    const target = area * random.between(...augment.cropScale);
    const ratio = Math.exp(random.between(lowRatio, highRatio));
    const w = Math.round(Math.sqrt(target * ratio));
    const h = Math.round(Math.sqrt(target / ratio));
    if (w < 1 || h < 1 || w > width || h > height) continue;
    const top = random.integer(height - h + 1);
    return [random.integer(width - w + 1), top, w, h];
  }
  const ratio = width / height;
  const w = ratio > augment.cropRatio[1] ? Math.max(1, Math.round(height * augment.cropRatio[1])) : width;
  const h = ratio < augment.cropRatio[0] ? Math.max(1, Math.round(width / augment.cropRatio[0])) : height;
  return [Math.floor((width - w) / 2), Math.floor((height - h) / 2), w, h];
}

function drawTone(augment: AugmentConfig, random: Random, curve: Random | null): Tone {
  const factor = (strength: number): number => random.between(Math.max(0, 1 - strength), 1 + strength);
  return {
    order: random.shuffled([0, 1, 2, 3]),
    brightness: factor(augment.brightness),
    contrast: factor(augment.contrast),
    saturation: factor(augment.saturation),
    hue: random.between(-augment.hue, augment.hue),
    curve:
      curve === null
        ? null
        : {
            points: [curve.uniform(), curve.uniform(), curve.uniform(), curve.uniform()],
            inverted: curve.uniform() < 0.5,
          },
  };
}

/** The inverse of rotation, then affine, as one matrix, so that pixels are interpolated once. */
function drawWarp(
  augment: AugmentConfig,
  size: number,
  rotation: Random | null,
  affine: Random | null,
): Warp | null {
  if (rotation === null && affine === null) return null;
  let warp: Warp = [1, 0, 0, 0, 1, 0];
  if (affine !== null) {
    const { degrees, translate, scale, shear } = augment.affine;
    const angle = affine.between(-degrees, degrees);
    const shiftX = Math.round(affine.between(-translate[0], translate[0]) * size);
    const shiftY = Math.round(affine.between(-translate[1], translate[1]) * size);
    warp = inverseAffine(angle, shiftX, shiftY, affine.between(...scale), affine.between(-shear, shear));
  }
  if (rotation !== null) {
    const { degrees } = augment.rotation;
    warp = after(inverseAffine(rotation.between(-degrees, degrees), 0, 0, 1, 0), warp);
  }
  return warp;
}

/**
 * The map from output to input of: shear along x by `shear` degrees, zoom by `scale`, turn clockwise by `angle`
 * degrees, shift by whole pixels.
 */
export function inverseAffine(
  angle: number,
  shiftX: number,
  shiftY: number,
  scale: number,
  shear: number,
): Warp {
  const turn = (angle * Math.PI) / 180;
  const cos = Math.cos(turn) / scale;
  const sin = Math.sin(turn) / scale;
  const tangent = Math.tan((shear * Math.PI) / 180);
  const a = cos + tangent * sin;
  const b = sin - tangent * cos;
  return [a, b, -a * shiftX - b * shiftY, -sin, cos, sin * shiftX - cos * shiftY];
}

/** x ↦ outer(inner(x)). */
function after(outer: Warp, inner: Warp): Warp {
  const [a, b, c, d, e, f] = outer;
  const [p, q, r, s, t, u] = inner;
  return [a * p + b * s, a * q + b * t, a * r + b * u + c, d * p + e * s, d * q + e * t, d * r + e * u + f];
}

function drawHoles(augment: AugmentConfig, size: number, random: Random): readonly Rectangle[] {
  const half = Math.max(1, Math.round((augment.cutout.side * size) / 2));
  return Array.from({ length: augment.cutout.holes }, () => {
    const y = random.integer(size);
    const x = random.integer(size);
    return {
      left: Math.max(0, x - half),
      top: Math.max(0, y - half),
      right: Math.min(size, x + half),
      bottom: Math.min(size, y + half),
    };
  });
}

function drawWindows(augment: AugmentConfig, size: number, random: Random): readonly Rectangle[] {
  const low = Math.floor((3 * size) / 7);
  const high = Math.floor((4 * size) / 7);
  const side = (): number => size - low - random.integer(high - low + 1);
  // A margin of three pixels of noise on every side, less where the view is too small for it.
  const place = (length: number): number => {
    const margin = Math.min(3, Math.floor((size - length) / 2));
    return margin + random.integer(size - length - 2 * margin + 1);
  };
  return Array.from({ length: augment.outPainting.windows }, () => {
    const width = side();
    const height = side();
    const left = place(width);
    const top = place(height);
    return { left, top, right: left + width, bottom: top + height };
  });
}

function oddKernel(pixels: number): number {
  const whole = Math.max(3, Math.floor(pixels));
  return whole % 2 === 1 ? whole : whole - 1;
}
