/**
 * Draws the numbers of one augmentation, before any pixel is touched. Each operation has its own address (seed,
 * operation, epoch, clip id, slot), so switching one on changes the draws of no other. Distributions are
 * torchvision's (RandomResizedCrop, RandomHorizontalFlip, ColorJitter, RandomRotation, RandomAffine). The rest are
 * those of the sources named in `config.ts`.
 */
import { randomAt, type Random } from '../base/random.ts';
import type { AugmentConfig, ImageConfig } from './config.ts';
import { drawCrop, drawCropInside } from './crop.ts';
import { drawEchoChanges, type EchoChanges } from './echo-changes.ts';
import { after, type Affine, inverseAffine } from './field/affine.ts';
import { type Bend, bentField } from './field/bend.ts';
import { fieldOf, type Framed, type FrameField } from './field/field.ts';
import type { Rectangle } from './field/outline.ts';

/**
 * Which image of a clip an augmentation belongs to: of a pair the views 0 and 1, or the anchor when it is augmented
 * apart; of other views of a clip the one of this number; else the frame of this number.
 */
export type Slot = 0 | 1 | 'anchor' | `view ${number}` | `frame ${number}`;

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

export interface Augmentation {
  /** What the image shows of the frame, which is bent first where `bend` says so. */
  readonly box: Rectangle;
  readonly flipped: boolean;
  /** Maps pixels of the view to where they came from in it, both as offsets from its centre. null: off. */
  readonly warp: Affine | null;
  /** The field of the frame, bent with it; null where nothing asks for it. */
  readonly field: FrameField | null;
  /** The change of the probe; null: off. */
  readonly bend: Bend | null;
  readonly echoes: EchoChanges | null;
  readonly tone: Tone;
  /** σ in pixels, or null. */
  readonly blur: { readonly sigma: number; readonly kernel: number } | null;
  /** Degree of the sharpening kernel; 0 is none. */
  readonly sharpen: number;
  readonly holes: readonly Rectangle[];
  /** Windows that stay; the rest becomes noise from the given stream. null: off. */
  readonly outPainting: { readonly windows: readonly Rectangle[]; readonly noise: Random } | null;
}

/** What of a clip decides how it is augmented. */
export type AugmentedClip = Framed & { readonly id: string };

/** Draws the augmentation of the image in `slot` of the clip in `epoch`. */
export function drawAugmentation(
  view: ImageConfig,
  clip: AugmentedClip,
  seed: number,
  epoch: number,
  slot: Slot,
): Augmentation {
  const { augment, size } = view;
  const stream = (operation: string): Random => randomAt(seed, operation, epoch, clip.id, slot);
  /** The operation's stream, or null when the coin says no. */
  const maybe = (operation: string, probability: number): Random | null => {
    if (probability === 0) return null;
    const random = stream(operation);
    return random.uniform() < probability ? random : null;
  };
  const probe = maybe('probe', augment.probe.probability);
  const inside = maybe('inside-field', augment.insideField.probability);
  const echoes = drawEchoChanges(view, stream, maybe);
  const stored = probe === null && inside === null && echoes === null ? null : fieldOf(clip);
  const bent =
    probe === null || stored === null
      ? null
      : bentField(stored, probe.between(...augment.probe.degrees), clip);
  const field = bent?.field ?? stored;
  const cropped =
    inside === null || field?.known !== true ? null : drawCropInside(view, field.outlines, clip, inside);
  const blur = maybe('blur', augment.blur.probability);
  const cutout = maybe('cutout', augment.cutout.probability);
  const outPainting = maybe('out-painting', augment.outPainting.probability);
  return {
    box: cropped ?? drawCrop(view, clip, stream('crop')),
    flipped: maybe('flip', augment.flip) !== null,
    warp: drawWarp(
      augment,
      size,
      maybe('rotation', augment.rotation.probability),
      maybe('affine', augment.affine.probability),
    ),
    field,
    bend: bent?.bend ?? null,
    echoes,
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
): Affine | null {
  if (rotation === null && affine === null) return null;
  let warp: Affine = [1, 0, 0, 0, 1, 0];
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
