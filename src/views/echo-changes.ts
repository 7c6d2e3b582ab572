/**
 * What ultrasound augmentation does to the levels of a view: the numbers of one image, and their way over its pixels.
 * The order is that of a machine: gain along depth, speckle, gain, grey map (gamma), equalisation, edge of the field. It
 * works on 8-bit levels, before colour jitter, and is the same for all channels.
 */
import type { Random } from '../base/random.ts';
import type { ImageConfig } from './config.ts';
import { type Clahe, equalise } from './echoes/clahe.ts';
import { addAlongDepth, depthCurve, type Gain, levelsTable, throughTable } from './echoes/levels.ts';
import { multiply, type Speckle, speckleMaker } from './echoes/speckle.ts';
import { type Affine, inverseOf } from './field/affine.ts';
import { blankOutside, narrow } from './field/edge.ts';
import type { FrameField } from './field/field.ts';
import { fillInside, moved, type Rectangle, rectangleOutline } from './field/outline.ts';

/** The numbers of one image; null: off. */
export interface EchoChanges {
  /** Decibels at equally spaced depths. */
  readonly depthGain: readonly number[] | null;
  readonly speckle: Speckle | null;
  readonly gain: Gain | null;
  readonly gamma: number | null;
  readonly clahe: Clahe | null;
  /** Pixels of the view that are blanked inside the outline. */
  readonly margin: number | null;
}

/** Draws them, each from its own stream. Null where all are off. */
export function drawEchoChanges(
  { augment, size }: ImageConfig,
  stream: (operation: string) => Random,
  maybe: (operation: string, probability: number) => Random | null,
): EchoChanges | null {
  const drawn = <Operation extends { readonly probability: number }, Drawn>(
    name: string,
    operation: Operation,
    draw: (random: Random, operation: Operation) => Drawn,
  ): Drawn | null => {
    const random = maybe(name, operation.probability);
    return random === null ? null : draw(random, operation);
  };
  const changes: EchoChanges = {
    depthGain: drawn('depth-gain', augment.depthGain, (random, { points, decibels }) =>
      Array.from({ length: points }, () => random.between(-decibels, decibels)),
    ),
    speckle: drawn('speckle', augment.speckle, (random, { strength, grain }) => ({
      strength: random.between(...strength),
      grain: random.between(...grain),
      noise: stream('speckle-noise'),
    })),
    gain: drawn('gain', augment.gain, (random, { decibels, factor }) => ({
      decibels: random.between(...decibels),
      factor: random.between(...factor),
    })),
    gamma: drawn('gamma', augment.gamma, (random, { exponent: [low, high] }) =>
      Math.exp(random.between(Math.log(low), Math.log(high))),
    ),
    clahe: drawn('clahe', augment.clahe, (random, { tiles, limit }) => ({
      tiles,
      limit: random.between(...limit),
    })),
    margin: drawn('field-edge', augment.fieldEdge, (random, { margin }) => size * random.between(...margin)),
  };
  return Object.values(changes).every((change) => change === null) ? null : changes;
}

/**
 * Changes the pixels [channels, size, size] of a view. `field` is that of the frame which the view shows, and
 * `placement` says where in the frame a point of the view lies. `shown` is the part of the frame beyond which a turned
 * view is black, and stays so; null: the view shows nothing but the frame.
 */
export type EchoChanger = (
  pixels: Uint8Array,
  changes: EchoChanges,
  field: FrameField,
  placement: Affine,
  shown: Rectangle | null,
) => void;

/** A changer for views of `size` pixels with buffers that live on. */
export function echoChanger(size: number): EchoChanger {
  const mask = new Uint8Array(size * size);
  const factors = new Float32Array(size * size);
  const fillFactors = speckleMaker(size);
  return (pixels, { depthGain, speckle, gain, gamma, clahe, margin }, field, placement, shown) => {
    const toView = inverseOf(placement);
    const outlines = field.outlines.map((outline) => moved(outline, toView));
    fillInside(outlines, size, mask);
    if (shown !== null) {
      const part = new Uint8Array(size * size);
      fillInside([moved(rectangleOutline(shown), toView)], size, part);
      for (let i = 0; i < part.length; i++) mask[i]! &= part[i]!;
    }
    if (depthGain !== null)
      addAlongDepth(pixels, size, depthCurve(depthGain), { beams: field.beams, placement }, mask);
    if (speckle !== null) {
      fillFactors(speckle, factors);
      multiply(pixels, factors);
    }
    if (gain !== null || gamma !== null) throughTable(pixels, levelsTable(gain, gamma), mask);
    if (clahe !== null) equalise(pixels, size, clahe, mask);
    if (margin === null || !field.known) return;
    narrow(outlines, size, margin, mask);
    blankOutside(pixels, mask);
  };
}
