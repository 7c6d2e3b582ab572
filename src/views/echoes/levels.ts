/**
 * Gain, gain along depth, and the grey map, on the 8-bit levels of a view. A machine shows echoes on a scale of
 * decibels, so a gain is an addition there: the 256 levels are taken as 60 dB. Every operation rounds to whole levels
 * and is the same for all channels.
 */
import type { Beams } from '../field/beams.ts';
import type { Affine } from '../field/affine.ts';
import { putRows, roundedUp, takeRows, workspaceOf } from '../vectors/workspace.ts';

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
  const table = new Uint8Array(256);
  for (let level = 0; level < 256; level++)
    table[level] = Math.round(Math.min(255, Math.max(0, change(level))));
  return table;
}

/**
 * Gain where the mask is set, then the grey map everywhere, as one table: a level that the mask leaves out is looked up in the
 * first 256 places, another in the last. null: off.
 */
export function levelsTable(gain: Gain | null, gamma: number | null): Uint8Array {
  const [gained, mapped] = [
    gain === null ? null : gainTable(gain),
    gamma === null ? null : gammaTable(gamma),
  ];
  const table = new Uint8Array(512);
  for (let level = 0; level < 256; level++) {
    const raised = gained === null ? level : gained[level]!;
    table[level] = mapped === null ? level : mapped[level]!;
    table[256 + level] = mapped === null ? raised : mapped[raised]!;
  }
  return table;
}

/** Takes every plane of `pixels` through a `levelsTable`; the mask of 0 and 1 is one plane long. */
export function throughTable(pixels: Uint8Array, table: Uint8Array, mask: Uint8Array): void {
  const area = mask.length;
  for (let offset = 0; offset < pixels.length; offset += area) {
    const plane = pixels.subarray(offset, offset + area);
    const whole = plane.byteOffset % 4 === 0 && mask.byteOffset % 4 === 0 ? area >>> 2 : 0;
    if (whole > 0) wordsThroughTable(plane, table, mask, whole);
    for (let i = 4 * whole; i < area; i++) plane[i] = table[(mask[i]! << 8) | plane[i]!]!;
  }
}

/** The same for the first 4 · `whole` pixels, four a turn as one word: lowest byte first. */
function wordsThroughTable(plane: Uint8Array, table: Uint8Array, mask: Uint8Array, whole: number): void {
  const words = new Int32Array(plane.buffer, plane.byteOffset, whole);
  const masks = new Int32Array(mask.buffer, mask.byteOffset, whole);
  for (let i = 0; i < whole; i++) {
    const word = words[i]!;
    const set = masks[i]!;
    words[i] =
      table[((set & 1) << 8) | (word & 255)]! |
      (table[(set & 0x100) | ((word >>> 8) & 255)]! << 8) |
      (table[((set >>> 8) & 0x100) | ((word >>> 16) & 255)]! << 16) |
      (table[((set >>> 16) & 0x100) | (word >>> 24)]! << 24);
  }
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
  const { x, y, curvature, depth } = beams;
  const planes = pixels.length / (size * size);
  const stride = roundedUp(size, 4);
  const area = size * stride;
  const alongAt = 8 * curve.length;
  const maskAt = alongAt + 16 * size;
  const pixelsAt = maskAt + area;
  const end = pixelsAt + planes * area;
  const { bytes, doubles, loops } = workspaceOf(end);
  doubles.set(curve);
  for (let row = 0; row < size; row++) {
    doubles[(alongAt >> 3) + 2 * row] = b * (row + 0.5);
    doubles[(alongAt >> 3) + 2 * row + 1] = e * (row + 0.5);
  }
  putRows(bytes, maskAt, stride, mask, 0, size, size);
  putRows(bytes, pixelsAt, stride, pixels, 0, size, planes * size);
  const addDepth = curvature === 0 ? loops.addDepthStraight : loops.addDepthAlongFan;
  addDepth(
    ...([pixelsAt, maskAt, stride, size, area, end, 0, alongAt] as const),
    ...([a, c, x, d, f, y, 1 / curvature, depth, DEPTHS] as const),
  );
  takeRows(bytes, pixelsAt, stride, pixels, 0, size, planes * size);
}
