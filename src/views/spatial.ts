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
    for (let x = 0; x < size; x++) {
      const u = a * (x - centre) + b * (y - centre) + c + centre;
      const v = d * (x - centre) + e * (y - centre) + f + centre;
      target[offset + y * size + x] = sample(source, offset, size, u, v);
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
  for (let y = 0; y < size; y++) {
    const row = Math.floor(y / step);
    const down = (y + 0.5) / step - row;
    for (let x = 0; x < size; x++) {
      const column = Math.floor(x / step);
      const across = (x + 0.5) / step - column;
      const above = 2 * (row * side + column);
      const below = above + 2 * side;
      const u = between(nodes, above, across) * (1 - down) + between(nodes, below, across) * down;
      const v = between(nodes, above + 1, across) * (1 - down) + between(nodes, below + 1, across) * down;
      target[offset + y * size + x] = sample(source, offset, size, u, v);
    }
  }
}

function between(nodes: Float64Array, at: number, share: number): number {
  return nodes[at]! * (1 - share) + nodes[at + 2]! * share;
}

/** The plane at (u, v), from the four pixels around; rounded. */
function sample(source: Uint8Array, offset: number, size: number, u: number, v: number): number {
  const left = Math.floor(u);
  const top = Math.floor(v);
  const right = u - left;
  const down = v - top;
  if (left >= 0 && top >= 0 && left + 1 < size && top + 1 < size) {
    const at = offset + top * size + left;
    const above = (1 - right) * source[at]! + right * source[at + 1]!;
    const below = (1 - right) * source[at + size]! + right * source[at + size + 1]!;
    return Math.floor((1 - down) * above + down * below + 0.5);
  }
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
  const places = Int32Array.from({ length: length + 2 * radius }, (_, i) => mirrored(i - radius, size));
  const widened = new Float32Array(size * places.length);
  const turned = new Float32Array(length * size);
  for (let offset = 0; offset < planes.length; offset += area) {
    const plane = planes.subarray(offset, offset + area);
    for (const source of [plane, turned]) {
      for (let y = 0, at = 0; y < size; y++)
        for (const place of places) widened[at++] = source[y * size + place]!;
      filterTurned(widened, size, length, weights, turned);
    }
    plane.set(turned.subarray(0, area));
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
      for (let x = 0; x < size; x++) {
        const l = Math.max(0, x - 1);
        const r = Math.min(size - 1, x + 1);
        const value =
          corner * (planes[above + l]! + planes[above + r]! + planes[below + l]! + planes[below + r]!) +
          edge * (planes[above + x]! + planes[below + x]! + planes[here + l]! + planes[here + r]!) +
          centre * planes[here + x]!;
        scratch[y * size + x] = value < 0 ? 0 : value > 1 ? 1 : value;
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
  for (let offset = 0; offset < planes.length; offset += area)
    for (let i = 0; i < area; i++) if (kept[i] === 0) planes[offset + i] = noise.uniform();
}
