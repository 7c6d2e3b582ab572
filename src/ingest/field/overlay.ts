/**
 * Marks that a machine draws over the field: depth ticks, focus marks, letters. Told by time: tissue around a mark
 * flickers from frame to frame, the mark keeps its value to a few grey levels, is far brighter than what is around it,
 * and is small. A bright reflector that keeps still is no mark: its surroundings keep still with it, or its value
 * breathes with them. Needs several frames that differ; of a still nothing can be told.
 */
import type { Size } from '../geometry.ts';
import type { Cells } from './cells.ts';
import { grow, partsOf } from './cells.ts';

/** Frames needed, and looked at. */
const MIN_FRAMES = 6;
const MAX_FRAMES = 12;

/** Range over time, grey levels, that a mark keeps within (codecs leave a little). */
const STILL = 6;
/** Mean range over time of what surrounds a mark, at least. */
const LIVELY = 14;
/** How much brighter than its surroundings a mark is, at least. */
const CONTRAST = 60;
/** Distance of the surroundings, and the most that a mark may measure across its stroke, as a share of the picture. */
const REACH = 0.015;
/** Marks larger than this share of the picture are left alone. */
const MAX_SHARE = 0.004;

/**
 * [height, width] u8, 1 where a mark lies; null where nothing can be told or nothing was found. `inside` is the
 * field, [height, width]; only marks in it are looked for.
 */
export function findOverlays(
  frames: readonly Uint8Array[],
  { width, height }: Size,
  channels: 1 | 3,
  inside: Uint8Array,
): Uint8Array | null {
  if (frames.length < MIN_FRAMES) return null;
  const step = Math.max(1, Math.floor(frames.length / MAX_FRAMES));
  const pixels = width * height;
  const low = new Uint8Array(pixels).fill(255);
  const high = new Uint8Array(pixels);
  for (let f = 0; f < frames.length; f += step) {
    const frame = frames[f]!;
    for (let i = 0; i < pixels; i++) {
      const at = i * channels;
      const value = channels === 1 ? frame[at]! : Math.max(frame[at]!, frame[at + 1]!, frame[at + 2]!);
      if (value < low[i]!) low[i] = value;
      if (value > high[i]!) high[i] = value;
    }
  }
  const reach = Math.max(3, Math.round(REACH * Math.max(width, height)));
  const range = high.map((value, i) => value - low[i]!);
  const ranges = boxMeans(range, width, height, reach);
  const levels = boxMeans(
    high.map((value, i) => (value + low[i]!) >> 1),
    width,
    height,
    reach,
  );
  const still: Cells = {
    columns: width,
    rows: height,
    data: inside.map((value, i) =>
      value === 1 && range[i]! <= STILL && low[i]! >= levels[i]! + CONTRAST / 3 ? 1 : 0,
    ),
  };
  const { parts, labels } = partsOf(still);
  const small = new Set(
    parts
      .filter(({ area, left, right, top, bottom }) => {
        const across = Math.min(right - left, bottom - top);
        return area >= 4 && area <= MAX_SHARE * pixels && across < 2 * reach;
      })
      .map(({ label }) => label),
  );
  // The whole of what is still and bright must be small; some of it must stand out of what flickers.
  const marks = new Set<number>();
  for (let i = 0; i < pixels; i++) {
    if (!small.has(labels[i]!) || marks.has(labels[i]!)) continue;
    if (ranges[i]! >= LIVELY && low[i]! >= levels[i]! + CONTRAST) marks.add(labels[i]!);
  }
  if (marks.size === 0) return null;
  const data = labels.map((label) => (marks.has(label) ? 1 : 0));
  // The soft rim of a stroke.
  const grown = grow({ columns: width, rows: height, data: Uint8Array.from(data) }, 1).data;
  return grown.map((value, i) => value & inside[i]!);
}

/** Means over squares of side 2 · reach + 1, cut off at the borders. */
function boxMeans(values: Uint8Array, width: number, height: number, reach: number): Float32Array {
  const sums = new Float64Array((width + 1) * (height + 1));
  for (let y = 0; y < height; y++) {
    let row = 0;
    for (let x = 0; x < width; x++) {
      row += values[y * width + x]!;
      sums[(y + 1) * (width + 1) + x + 1] = sums[y * (width + 1) + x + 1]! + row;
    }
  }
  const means = new Float32Array(width * height);
  for (let y = 0; y < height; y++) {
    const [top, bottom] = [Math.max(0, y - reach), Math.min(height, y + reach + 1)];
    for (let x = 0; x < width; x++) {
      const [left, right] = [Math.max(0, x - reach), Math.min(width, x + reach + 1)];
      const sum =
        sums[bottom * (width + 1) + right]! -
        sums[top * (width + 1) + right]! -
        sums[bottom * (width + 1) + left]! +
        sums[top * (width + 1) + left]!;
      means[y * width + x] = sum / ((bottom - top) * (right - left));
    }
  }
  return means;
}
