/**
 * Shrinks a part of a grey frame with a triangle kernel: to the byte what the picture library gives for it (libvips'
 * `reducev` and `reduceh`, linear, with which a test compares), without what a call of the library costs beside the
 * arithmetic. For most frames of ultrasound that is more than the arithmetic, and an ingest has millions of them.
 */
import type { Size } from '../../video/geometry.ts';
import type { Rectangle } from './raster.ts';

/** From here on there is so much arithmetic that the library, which does several pixels at once, is quicker. */
const MAX_FACTOR = 2;
/** Pixels that are weighed, those of weight 0 included: up to the factor 1.5 a triangle reaches over three, then over four. */
const REACH = 4;
const THREE = 1.5;

/** Weights have 12 bits and are tabulated at 64 places between two pixels. */
const BITS = 12;
const HALF = 1 << (BITS - 1);
const PLACES = 64;

/** Rows that the library makes at a time; rounding is carried on within them only. */
const STRIP = 16;

/** The shrunk part of a frame [height, width] u8, in an array of its own. */
export type Shrink = (frame: Uint8Array) => Uint8Array;

/**
 * How to shrink the part `kept` of grey frames of the size `original` to `stored`, which is not larger on either side.
 * Null where that is left to the library.
 */
export function planShrink(original: Size, kept: Rectangle, stored: Size): Shrink | null {
  if (kept.width >= MAX_FACTOR * stored.width || kept.height >= MAX_FACTOR * stored.height) return null;
  const down = planAxis(kept.height, stored.height, STRIP);
  const across = planAxis(kept.width, stored.width, Infinity);
  // Beyond the edges the pixels at the edges go on: rows are named again, columns are copied to both sides of a line.
  const rows = Int32Array.from(
    { length: stored.height * REACH },
    (_, i) =>
      Math.min(Math.max(down.first[Math.floor(i / REACH)]! + (i % REACH), 0), kept.height - 1) *
      original.width,
  );
  const corner = kept.y * original.width + kept.x;
  const before = Math.max(0, -across.first[0]!);
  const after = Math.max(0, across.first.at(-1)! + REACH - kept.width);
  const line = new Uint8Array(before + kept.width + after);
  const end = before + kept.width;
  const starts = across.first.map((first) => before + first);
  return (frame) => {
    const result = new Uint8Array(stored.width * stored.height);
    for (let y = 0; y < stored.height; y++) {
      addRows(frame, corner - before, rows, down.weights, y * REACH, line, before, end);
      line.fill(line[before]!, 0, before);
      line.fill(line[end - 1]!, end);
      addPixels(line, starts, across.weights, result, y * stored.width);
    }
    return result;
  };
}

/** Which pixels of one side make a pixel of the shrunk side. */
interface Axis {
  /** [stored]: the first of them; may lie beyond an edge. Rises. */
  readonly first: Int32Array;
  /** [stored, REACH] */
  readonly weights: Int32Array;
}

/** The steps and the order of roundings are the library's. */
function planAxis(kept: number, stored: number, strip: number): Axis {
  const factor = 1 / (1 / (kept / stored));
  const first = new Int32Array(stored);
  const weights = new Int32Array(stored * REACH);
  if (kept === stored) {
    for (let i = 0; i < stored; i++) {
      first[i] = i;
      weights[i * REACH] = 1 << BITS;
    }
    return { first, weights };
  }
  const points = factor < THREE ? 3 : 5;
  const tables = Array.from({ length: PLACES + 1 }, (_, place) => tableAt(place / PLACES, points, factor));
  const offset = (1 + (stored * factor - kept)) / 2 - 1;
  let at = 0;
  for (let i = 0; i < stored; i++) {
    if (i === 0 || i % strip === 0) at = (i + 0.5) * factor - 0.5 - offset;
    const place = ((Math.trunc(at * PLACES * 2) & (PLACES * 2 - 1)) + 1) >> 1;
    const { skipped, used } = tables[place]!;
    first[i] = Math.trunc(at) - (points >> 1) + skipped;
    weights.set(used, i * REACH);
    at += factor;
  }
  return { first, weights };
}

/** Weights of `points` pixels for a centre that lies `place` (0 to 1) behind the middle one, without zeros at the ends. */
function tableAt(
  place: number,
  points: number,
  factor: number,
): { readonly skipped: number; readonly used: readonly number[] } {
  const middle = place + points / 2 - 1;
  const heights = Array.from({ length: points }, (_, i) => Math.max(0, 1 - Math.abs((i - middle) / factor)));
  const sum = heights.reduce((total, height) => total + height, 0);
  const weights = heights.map((height) => Math.trunc((height / sum) * (1 << BITS)));
  const skipped = weights.findIndex((weight) => weight > 0);
  return { skipped, used: weights.slice(skipped, weights.findLastIndex((weight) => weight > 0) + 1) };
}

/**
 * Sums of four rows into `line` [from, to). `base` is where a row begins for which `rows` has 0; `k` is where the places
 * and weights of these rows begin.
 */
function addRows(
  frame: Uint8Array,
  base: number,
  rows: Int32Array,
  weights: Int32Array,
  k: number,
  line: Uint8Array,
  from: number,
  to: number,
): void {
  const a = base + rows[k]!;
  const b = base + rows[k + 1]!;
  const c = base + rows[k + 2]!;
  const d = base + rows[k + 3]!;
  const p = weights[k]!;
  const q = weights[k + 1]!;
  const r = weights[k + 2]!;
  const s = weights[k + 3]!;
  for (let i = from; i < to; i++) {
    const near = Math.imul(p, frame[a + i]!) + Math.imul(q, frame[b + i]!);
    const far = Math.imul(r, frame[c + i]!) + Math.imul(s, frame[d + i]!);
    line[i] = (near + far + HALF) >> BITS;
  }
}

/** Sums of four pixels along `line` into `result` from `to` on. */
function addPixels(
  line: Uint8Array,
  starts: Int32Array,
  weights: Int32Array,
  result: Uint8Array,
  to: number,
): void {
  for (let x = 0, k = 0; x < starts.length; x++, k += REACH) {
    const at = starts[x]!;
    const near = Math.imul(weights[k]!, line[at]!) + Math.imul(weights[k + 1]!, line[at + 1]!);
    const far = Math.imul(weights[k + 2]!, line[at + 2]!) + Math.imul(weights[k + 3]!, line[at + 3]!);
    result[to + x] = (near + far + HALF) >> BITS;
  }
}
