/**
 * Gain, gain along depth, and the grey map, on the 8-bit levels of a view. A machine shows echoes on a scale of
 * decibels, so a gain is an addition there: the 256 levels are taken as 60 dB. Every operation rounds to whole levels
 * and is the same for all channels.
 */
import { type Beams, rangeAt } from '../field/beams.ts';
import type { Affine } from '../field/affine.ts';

/** Decibels from black to white. Machines are set to 40 to 80. */
export const DYNAMIC_RANGE = 60;

/** A gain of 0 dB and factor 1 changes nothing. */
export interface Gain {
  /** Decibels that are added. */
  readonly decibels: number;
  /** Of the compressed level, black staying black: above 1 the picture shows a smaller range of decibels. */
  readonly factor: number;
}

/** level ↦ factor · level + the decibels' levels, within 0…255. */
export function gainTable({ decibels, factor }: Gain): Uint8Array {
  return tableOf((level) => factor * level + (255 * decibels) / DYNAMIC_RANGE);
}

/** level ↦ 255 · (level / 255)^exponent: below 1 dim echoes are raised. */
export function gammaTable(exponent: number): Uint8Array {
  return tableOf((level) => 255 * (level / 255) ** exponent);
}

function tableOf(change: (level: number) => number): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, level) =>
    Math.round(Math.min(255, Math.max(0, change(level)))),
  );
}

/** Takes every plane of `pixels` through the table: where the mask, one plane long, is set; everywhere without one. */
export function throughTable(pixels: Uint8Array, table: Uint8Array, mask: Uint8Array | null): void {
  if (mask === null) {
    for (let i = 0; i < pixels.length; i++) pixels[i] = table[pixels[i]!]!;
    return;
  }
  for (let offset = 0; offset < pixels.length; offset += mask.length)
    for (let i = 0; i < mask.length; i++) if (mask[i] === 1) pixels[offset + i] = table[pixels[offset + i]!]!;
}

/** Depths that a curve is tabulated at, from the nearest echo to the farthest. */
const DEPTHS = 1024;

/**
 * The curve through equally spaced values, from the first depth to the last, in levels: cosine interpolation, so it is
 * level at each value and has no kink. `DEPTHS` + 1 samples.
 */
export function depthCurve(decibels: readonly number[]): Float64Array {
  const parts = decibels.length - 1;
  const curve = new Float64Array(DEPTHS + 1);
  for (let i = 0; i <= DEPTHS; i++) {
    const place = (i / DEPTHS) * parts;
    const before = Math.min(parts - 1, Math.floor(place));
    const blend = 0.5 - 0.5 * Math.cos(Math.PI * (place - before));
    const value = decibels[before]! + blend * (decibels[before + 1]! - decibels[before]!);
    curve[i] = (255 * value) / DYNAMIC_RANGE;
  }
  return curve;
}

/** What places a view on the picture that its beams are known in: a point of the view, in pixels, to one there. */
export interface BeamView {
  readonly beams: Beams;
  readonly placement: Affine;
}

/**
 * Adds to every plane of `pixels` [size, size] the curve's value at the depth of each pixel that the mask is set at.
 * Depth is counted along the beams, as a share of the field's. Beyond either end the curve keeps its last value.
 */
export function addAlongDepth(
  pixels: Uint8Array,
  size: number,
  curve: Float64Array,
  { beams, placement: [a, b, c, d, e, f] }: BeamView,
  mask: Uint8Array,
): void {
  const area = size * size;
  for (let y = 0; y < size; y++)
    for (let x = 0; x < size; x++) {
      const i = y * size + x;
      if (mask[i] === 0) continue;
      const u = x + 0.5;
      const v = y + 0.5;
      const range = rangeAt(beams, a * u + b * v + c, d * u + e * v + f);
      const depth = Math.min(1, Math.max(0, 0.5 + range / beams.depth));
      const shift = curve[(DEPTHS * depth + 0.5) | 0]!;
      for (let p = i; p < pixels.length; p += area) {
        const level = pixels[p]! + shift + 0.5;
        pixels[p] = level < 0 ? 0 : level > 255 ? 255 : level;
      }
    }
}
