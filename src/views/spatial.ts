/**
 * Augmentations that look at neighbours or at places: warp (rotation, affine, bent pictures), Gaussian blur, sharpening,
 * cutout and out-painting. All are off by default. Planes are square, row-major; float planes hold intensities 0…1.
 */
import type { Random } from '../base/random.ts';
import type { Affine } from './field/affine.ts';
import type { Rectangle } from './field/outline.ts';
import { NODE_STEP } from './vectors/sample-code.ts';
import { putRows, roundedUp, takeRows, workspaceOf } from './vectors/workspace.ts';

/**
 * Bilinear warp of the 8-bit plane `source[offset…]` (size²) into `target[offset…]`; what falls outside is black.
 * The centre of the view stays the origin of the map.
 */
export function warpPlane(
  source: Uint8Array,
  target: Uint8Array,
  offset: number,
  size: number,
  [a, b, c, d, e, f]: Affine,
): void {
  const side = nodesAlong(size);
  const nodes = new Float64Array(2 * side * side);
  // Nodes lie at corners of pixels, places are counted from the first one's centre.
  const centre = (size - 1) / 2;
  for (let row = 0, n = 0; row < side; row++) {
    const y = NODE_STEP * row - 0.5 - centre;
    for (let column = 0; column < side; column++, n += 2) {
      const x = NODE_STEP * column - 0.5 - centre;
      nodes[n] = a * x + b * y + c + centre;
      nodes[n + 1] = d * x + e * y + f + centre;
    }
  }
  sampleNodes(source, target, offset, size, nodes);
}

/** Nodes along a side of a view. */
export function nodesAlong(size: number): number {
  return Math.ceil(size / NODE_STEP) + 1;
}

/**
 * Bilinear samples of the 8-bit plane `source[offset…]` (size²) into `target[offset…]`; what falls outside is black. `nodes`
 * holds the places in the source, in pixels from the first one's centre, of the view's points 0, 4, 8, … across and down; between
 * them places are interpolated. Numbers are of single precision.
 */
export function sampleNodes(
  source: Uint8Array,
  target: Uint8Array,
  offset: number,
  size: number,
  nodes: Float64Array,
): void {
  const side = nodesAlong(size);
  // A pixel of black on the left and above, two on the right and below.
  const stride = size + 3;
  const outStride = NODE_STEP * (side - 1);
  const outAt = roundedUp(stride * stride, 16);
  const nodesAt = outAt + outStride * outStride;
  const { bytes, singles, loops } = workspaceOf(nodesAt + 4 * nodes.length);
  bytes.fill(0, 0, stride * stride);
  putRows(bytes, stride + 1, stride, source, offset, size, size);
  singles.set(nodes, nodesAt >> 2);
  loops.sample(
    ...([stride + 1, stride, size, size] as const),
    ...([outAt, outStride, nodesAt, 8 * side, side - 1, side - 1] as const),
  );
  takeRows(bytes, outAt, outStride, target, offset, size, size);
}

/**
 * Gaussian blur in place, `kernel` odd, borders mirrored without repeating the edge (OpenCV's default). Rows, then columns, in single
 * precision.
 */
export function blurPlanes(planes: Float32Array, size: number, sigma: number, kernel: number): void {
  const radius = (kernel - 1) / 2;
  const area = size * size;
  const stride = roundedUp(size, 16);
  const wide = stride + 2 * radius;
  // In numbers of single precision: the plane with margins beside it, the filtered rows with margins above and below, the result.
  const middleAt = kernel + size * wide;
  const outAt = middleAt + (size + 2 * radius) * stride;
  const { singles, loops } = workspaceOf(4 * (outAt + size * stride));
  let total = 0;
  for (let i = 0; i < kernel; i++) total += Math.exp(-((i - radius) ** 2) / (2 * sigma * sigma));
  for (let i = 0; i < kernel; i++) singles[i] = Math.exp(-((i - radius) ** 2) / (2 * sigma * sigma)) / total;
  const margin = Int32Array.from({ length: 2 * radius }, (_, i) =>
    i < radius ? i - radius : size + i - radius,
  );
  const shown = margin.map((place) => mirrored(place, size));
  // What lies in the memory beyond the margin is no picture, and arithmetic on numbers near 0 is slow.
  if (stride !== size) singles.fill(0, kernel, middleAt);
  for (let offset = 0; offset < planes.length; offset += area) {
    putRows(singles, kernel + radius, wide, planes, offset, size, size);
    for (let y = 0; y < size; y++) {
      const row = kernel + radius + y * wide;
      for (let i = 0; i < margin.length; i++)
        singles[row + margin[i]!] = planes[offset + y * size + shown[i]!]!;
    }
    const first = middleAt + radius * stride;
    loops.filter(4 * kernel, 4 * wide, 4 * first, 4 * stride, size, 4 * stride, 0, 4 * kernel, 4);
    for (let i = 0; i < margin.length; i++) {
      const row = first + shown[i]! * stride;
      singles.copyWithin(first + margin[i]! * stride, row, row + stride);
    }
    loops.filter(
      ...([4 * middleAt, 4 * stride, 4 * outAt, 4 * stride] as const),
      ...([size, 4 * stride, 0, 4 * kernel, 4 * stride] as const),
    );
    takeRows(singles, outAt, stride, planes, offset, size, size);
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
