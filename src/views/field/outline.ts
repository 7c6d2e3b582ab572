/**
 * Outlines of an ultrasound field as polygons: moved from picture to picture, measured and filled. Points are in
 * pixels, the centre of a picture's first pixel at (½, ½). What is inside follows the even-odd rule.
 */
import type { Affine } from './affine.ts';

/** Corners of a closed polygon: x, y, x, y, … */
export type Outline = Float64Array;

/** [left, right) × [top, bottom): of a view in whole pixels, of a stored frame in fractions too. */
export interface Rectangle {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** Writes to `to` where a point comes to lie. */
export type PointMap = (x: number, y: number, to: Float64Array) => void;

export function rectangleOutline({ left, top, right, bottom }: Rectangle): Outline {
  return Float64Array.of(left, top, right, top, right, bottom, left, bottom);
}

/** The outline with every corner moved by the map. */
export function moved(outline: Outline, [a, b, c, d, e, f]: Affine): Outline {
  return mapped(outline, (x, y, to) => {
    to[0] = a * x + b * y + c;
    to[1] = d * x + e * y + f;
  });
}

/** The outline with every corner mapped. Sides stay straight: divide them first (`divided`) where the map bends. */
export function mapped(outline: Outline, map: PointMap): Outline {
  const result = new Float64Array(outline.length);
  const to = new Float64Array(2);
  for (let i = 0; i < outline.length; i += 2) {
    map(outline[i]!, outline[i + 1]!, to);
    result[i] = to[0]!;
    result[i + 1] = to[1]!;
  }
  return result;
}

/** The same polygon with further corners, so that no side is longer than `longest`. */
export function divided(outline: Outline, longest: number): Outline {
  const points: number[] = [];
  for (const [x0, y0, x1, y1] of sidesOf(outline)) {
    const parts = Math.max(1, Math.ceil(Math.sqrt((x1 - x0) ** 2 + (y1 - y0) ** 2) / longest));
    for (let k = 0; k < parts; k++) points.push(x0 + (k / parts) * (x1 - x0), y0 + (k / parts) * (y1 - y0));
  }
  return Float64Array.from(points);
}

/** A side of an outline, from corner to corner. */
export type Side = readonly [x0: number, y0: number, x1: number, y1: number];

/** The sides of an outline, in order; the first one leads from the last corner to the first. */
export function sidesOf(outline: Outline): readonly Side[] {
  const sides: Side[] = [];
  for (let i = 0, last = outline.length - 2; i < outline.length; last = i, i += 2)
    sides.push([outline[last]!, outline[last + 1]!, outline[i]!, outline[i + 1]!]);
  return sides;
}

/** Distance of a point from a side. */
export function distanceTo(x: number, y: number, x0: number, y0: number, x1: number, y1: number): number {
  const [across, down] = [x1 - x0, y1 - y0];
  const length = across * across + down * down;
  const share = length === 0 ? 0 : Math.min(1, Math.max(0, ((x - x0) * across + (y - y0) * down) / length));
  return Math.sqrt((x - x0 - share * across) ** 2 + (y - y0 - share * down) ** 2);
}

/** The smallest rectangle around all corners. */
export function boundsOf(outlines: readonly Outline[]): Rectangle {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const outline of outlines)
    for (let i = 0; i < outline.length; i += 2) {
      left = Math.min(left, outline[i]!);
      right = Math.max(right, outline[i]!);
      top = Math.min(top, outline[i + 1]!);
      bottom = Math.max(bottom, outline[i + 1]!);
    }
  return { left, top, right, bottom };
}

/** Area of the box that lies in the outline: exact, by Green's theorem. */
export function areaInside(outline: Outline, { left, top, right, bottom }: Rectangle): number {
  const area = new Float64Array(1);
  addAreasInside(outline, top, bottom, Float64Array.of(left), Float64Array.of(right), 1, area);
  return area[0]!;
}

/**
 * Adds to the first `count` of `areas` how much of each of as many boxes lies in the outline. The boxes share top and bottom, and
 * with them most of the work: along each side of the outline between the two, x is held within a box's left and right, and its
 * integral over y is summed.
 */
export function addAreasInside(
  outline: Outline,
  top: number,
  bottom: number,
  lefts: Float64Array,
  rights: Float64Array,
  count: number,
  areas: Float64Array,
): void {
  const sums = new Float64Array(count);
  let x0 = outline[outline.length - 2]!;
  let y0 = outline[outline.length - 1]!;
  for (let i = 0; i < outline.length; i += 2) {
    const x1 = outline[i]!;
    const y1 = outline[i + 1]!;
    const from = y0 < top ? top : y0 > bottom ? bottom : y0;
    const to = y1 < top ? top : y1 > bottom ? bottom : y1;
    if (from !== to) {
      const slope = (x1 - x0) / (y1 - y0);
      const first = x0 + slope * (from - y0);
      const last = x0 + slope * (to - y0);
      for (let n = 0; n < count; n++) sums[n]! += (to - from) * heldMean(first, last, lefts[n]!, rights[n]!);
    }
    x0 = x1;
    y0 = y1;
  }
  for (let n = 0; n < count; n++) areas[n]! += Math.abs(sums[n]!);
}

/** Mean of x, held within [left, right], over the way from x0 to x1. */
function heldMean(x0: number, x1: number, left: number, right: number): number {
  if (x0 <= left && x1 <= left) return left;
  if (x0 >= right && x1 >= right) return right;
  if (x0 >= left && x0 <= right && x1 >= left && x1 <= right) return (x0 + x1) / 2;
  if (Math.abs(x1 - x0) < 1e-9) return Math.min(right, Math.max(left, x0));
  return (heldIntegral(x1, left, right) - heldIntegral(x0, left, right)) / (x1 - x0);
}

/** ∫ of x held within [left, right], from left. */
function heldIntegral(x: number, left: number, right: number): number {
  if (x <= left) return left * (x - left);
  if (x >= right) return right * (x - right) + (right * right - left * left) / 2;
  return (x * x - left * left) / 2;
}

/** Sets `mask` [size, size] to 1 where the centre of a pixel lies in one of the outlines, else to 0. */
export function fillInside(outlines: readonly Outline[], size: number, mask: Uint8Array): void {
  mask.fill(0);
  for (const outline of outlines) {
    const crossings = crossingsOf(outline, size);
    for (let y = 0; y < size; y++) {
      const columns = crossings[y];
      if (columns === undefined) continue;
      if (columns.length > 2) columns.sort((a, b) => a - b);
      for (let i = 0; i < columns.length; i += 2) {
        const [a, b] = [columns[i]!, columns[i + 1]!];
        mask.fill(1, y * size + Math.min(a, b), y * size + Math.max(a, b));
      }
    }
  }
}

/** Of each row that a side crosses, the first pixels whose centres are not left of one; `size` where none is. */
function crossingsOf(outline: Outline, size: number): number[][] {
  const crossings: number[][] = [];
  for (const [x0, y0, x1, y1] of sidesOf(outline)) {
    const from = Math.max(0, Math.ceil(Math.min(y0, y1) - 0.5));
    const to = Math.min(size, Math.ceil(Math.max(y0, y1) - 0.5));
    const slope = (x1 - x0) / (y1 - y0);
    for (let y = from; y < to; y++) {
      const column = Math.ceil(x0 + slope * (y + 0.5 - y0) - 0.5);
      (crossings[y] ??= []).push(Math.min(size, Math.max(0, column)));
    }
  }
  return crossings;
}
