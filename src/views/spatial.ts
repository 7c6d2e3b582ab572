/**
 * Augmentations that look at neighbours or at places: warp (rotation, affine, bent pictures), Gaussian blur, sharpening,
 * cutout and out-painting. All are off by default. Planes are square, row-major; float planes hold intensities 0…1.
 */
import type { Random } from '../base/random.ts';
import { filterTurned, inFours } from './echoes/filter.ts';
import type { Affine } from './field/affine.ts';
import type { Rectangle } from './field/outline.ts';

/**
 * Bilinear warp of the 8-bit plane `source[offset…]` (size²) into `target[offset…]`; what falls outside is black.
 * The centre of the view stays the origin of the map.
 */
export function warpPlane(
  source: Uint8Array,
  target: Uint8Array,
  offset: number,
  size: number,
  warp: Affine,
): void {
  const [a, b, c, d, e, f] = warp;
  const centre = (size - 1) / 2;
  for (let y = 0; y < size; y++) {
    const out = (offset + y * size) | 0;
    for (let x = 0; x < size; x++) {
      const u = a * (x - centre) + b * (y - centre) + c + centre;
      const v = d * (x - centre) + e * (y - centre) + f + centre;
      target[out + x] = sample(source, offset, size, u, v);
    }
  }
}

/**
 * Bilinear samples of the 8-bit plane `source[offset…]` (size²) into `target[offset…]`; what falls outside is black. `nodes`
 * holds the places in the source, in pixels from the first one's centre, of the view's points 0, step, 2·step, … across
 * and down; between them places are interpolated.
 */
export function sampleNodes(
  source: Uint8Array,
  target: Uint8Array,
  offset: number,
  size: number,
  nodes: Float64Array,
  step: number,
): void {
  const side = Math.ceil(size / step) + 1;
  // Places in the rows of nodes above and below, for each column of pixels: they serve `step` rows of pixels.
  let [aboveU, aboveV, belowU, belowV] = [0, 1, 2, 3].map(() => new Float64Array(size)) as [
    Float64Array,
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  fillPlaces(nodes, 0, step, belowU, belowV);
  for (let row = 0, y = 0; y < size; row++) {
    [aboveU, aboveV, belowU, belowV] = [belowU, belowV, aboveU, aboveV];
    fillPlaces(nodes, 2 * (row + 1) * side, step, belowU, belowV);
    for (const end = Math.min(size, (row + 1) * step); y < end; y++) {
      const down = (y + 0.5) / step - row;
      const out = (offset + y * size) | 0;
      for (let x = 0; x < size; x++) {
        const u = aboveU[x]! * (1 - down) + belowU[x]! * down;
        const v = aboveV[x]! * (1 - down) + belowV[x]! * down;
        target[out + x] = sample(source, offset, size, u, v);
      }
    }
  }
}

/** Places between the nodes of a row, which begins at `from`, for each column of pixels. */
function fillPlaces(nodes: Float64Array, from: number, step: number, u: Float64Array, v: Float64Array): void {
  for (let x = 0; x < u.length; x++) {
    const column = Math.floor(x / step);
    const across = (x + 0.5) / step - column;
    const at = from + 2 * column;
    u[x] = nodes[at]! * (1 - across) + nodes[at + 2]! * across;
    v[x] = nodes[at + 1]! * (1 - across) + nodes[at + 3]! * across;
  }
}

/** The plane at (u, v), from the four pixels around; rounded. */
function sample(source: Uint8Array, offset: number, size: number, u: number, v: number): number {
  // Within the picture no place is negative, so whole numbers are cut off quickly.
  if (u >= 0 && v >= 0 && u < size - 1 && v < size - 1) {
    const left = u | 0;
    const top = v | 0;
    const right = u - left;
    const down = v - top;
    const at = (offset + top * size + left) | 0;
    const above = (1 - right) * source[at]! + right * source[at + 1]!;
    const below = (1 - right) * source[at + size]! + right * source[at + size + 1]!;
    return ((1 - down) * above + down * below + 0.5) | 0;
  }
  const left = Math.floor(u);
  const top = Math.floor(v);
  // Every pixel around lies outside.
  if (left < -1 || top < -1 || left >= size || top >= size) return 0;
  const right = u - left;
  const down = v - top;
  const value =
    (1 - down) *
      ((1 - right) * pixel(source, offset, size, left, top) +
        right * pixel(source, offset, size, left + 1, top)) +
    down *
      ((1 - right) * pixel(source, offset, size, left, top + 1) +
        right * pixel(source, offset, size, left + 1, top + 1));
  return Math.floor(value + 0.5);
}

function pixel(plane: Uint8Array, offset: number, size: number, x: number, y: number): number {
  return x < 0 || y < 0 || x >= size || y >= size ? 0 : plane[offset + y * size + x]!;
}

/** Gaussian blur in place, `kernel` odd, borders mirrored without repeating the edge (OpenCV's default). */
export function blurPlanes(planes: Float32Array, size: number, sigma: number, kernel: number): void {
  const radius = (kernel - 1) / 2;
  const weights = new Float64Array(kernel);
  let total = 0;
  for (let i = 0; i < kernel; i++) total += weights[i] = Math.exp(-((i - radius) ** 2) / (2 * sigma * sigma));
  for (let i = 0; i < kernel; i++) weights[i]! /= total;
  const area = size * size;
  const length = inFours(size);
  const before = Int32Array.from({ length: radius }, (_, i) => mirrored(i - radius, size));
  const after = Int32Array.from({ length: length - size + radius }, (_, i) => mirrored(size + i, size));
  const widened = new Float32Array(size * (length + 2 * radius));
  const turned = new Float32Array(length * size);
  for (let offset = 0; offset < planes.length; offset += area) {
    widen(planes, offset, size, before, after, widened);
    filterTurned(widened, size, length, weights, turned);
    widen(turned, 0, size, before, after, widened);
    filterTurned(widened, size, length, weights, turned);
    for (let i = 0; i < area; i++) planes[offset + i] = turned[i]!;
  }
}

/** The rows of a plane with a margin of pixels of the row on either side: those at `before` and `after`. */
function widen(
  source: Float32Array,
  offset: number,
  size: number,
  before: Int32Array,
  after: Int32Array,
  widened: Float32Array,
): void {
  const [left, right] = [before.length, after.length];
  for (let y = 0, to = 0; y < size; y++, to += left + size + right) {
    const from = offset + y * size;
    for (let i = 0; i < left; i++) widened[to + i] = source[from + before[i]!]!;
    widened.set(source.subarray(from, from + size), to + left);
    for (let i = 0; i < right; i++) widened[to + left + size + i] = source[from + after[i]!]!;
  }
}

/** Index reflected into 0…size − 1; the edge pixel is not repeated. */
function mirrored(index: number, size: number): number {
  const period = 2 * (size - 1);
  const wrapped = ((index % period) + period) % period;
  return wrapped < size ? wrapped : period - wrapped;
}

/** [corner, edge, centre] weights of the reference code's kernels, each to be divided by its sum. */
const SHARPEN_KERNELS: Readonly<Record<number, readonly [corner: number, edge: number, centre: number]>> = {
  [-1]: [-1, -0.5, 3],
  1: [1, -2, 5],
  2: [0, -2, 19],
  3: [0, -1, 5],
  4: [-1, -1, 9],
  5: [-1, -4, 21],
};

/** 3×3 sharpening in place, clamped to 0…1, edges repeated. Degree 0 changes nothing. */
export function sharpenPlanes(
  planes: Float32Array,
  size: number,
  degree: number,
  scratch: Float32Array,
): void {
  const kernel = SHARPEN_KERNELS[degree];
  if (kernel === undefined) return;
  const sum = 4 * kernel[0] + 4 * kernel[1] + kernel[2];
  const corner = kernel[0] / sum;
  const edge = kernel[1] / sum;
  const centre = kernel[2] / sum;
  const area = size * size;
  for (let offset = 0; offset < planes.length; offset += area) {
    for (let y = 0; y < size; y++) {
      const above = offset + Math.max(0, y - 1) * size;
      const here = offset + y * size;
      const below = offset + Math.min(size - 1, y + 1) * size;
      // The columns left of the pixel, through it and right of it move on from pixel to pixel.
      let [aboveHere, hereHere, belowHere] = [planes[above]!, planes[here]!, planes[below]!];
      let [aboveLeft, hereLeft, belowLeft] = [aboveHere, hereHere, belowHere];
      for (let x = 0; x < size; x++) {
        const r = x + 1 < size ? x + 1 : x;
        const aboveRight = planes[above + r]!;
        const hereRight = planes[here + r]!;
        const belowRight = planes[below + r]!;
        const value =
          corner * (aboveLeft + aboveRight + belowLeft + belowRight) +
          edge * (aboveHere + belowHere + hereLeft + hereRight) +
          centre * hereHere;
        scratch[y * size + x] = value < 0 ? 0 : value > 1 ? 1 : value;
        aboveLeft = aboveHere;
        hereLeft = hereHere;
        belowLeft = belowHere;
        aboveHere = aboveRight;
        hereHere = hereRight;
        belowHere = belowRight;
      }
    }
    planes.set(scratch.subarray(0, area), offset);
  }
}

/** Blackens the rectangles in every plane. */
export function cutHoles(planes: Float32Array, size: number, holes: readonly Rectangle[]): void {
  const area = size * size;
  for (let offset = 0; offset < planes.length; offset += area) {
    for (const hole of holes)
      for (let y = hole.top; y < hole.bottom; y++)
        planes.fill(0, offset + y * size + hole.left, offset + y * size + hole.right);
  }
}

/** Replaces everything outside the windows by uniform noise, plane by plane. */
export function paintOutside(
  planes: Float32Array,
  size: number,
  windows: readonly Rectangle[],
  noise: Random,
): void {
  const area = size * size;
  const kept = new Uint8Array(area);
  for (const window of windows)
    for (let y = window.top; y < window.bottom; y++)
      kept.fill(1, y * size + window.left, y * size + window.right);
  let painted = 0;
  for (let i = 0; i < area; i++) painted += 1 - kept[i]!;
  const words = new Uint32Array(painted);
  for (let offset = 0; offset < planes.length; offset += area) {
    noise.fillWords(words);
    for (let i = 0, n = 0; i < area; i++) if (kept[i] === 0) planes[offset + i] = words[n++]! / 0x1_0000_0000;
  }
}
