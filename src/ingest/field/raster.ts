/**
 * Outlines of a field to pixels: a pixel belongs to the field when its centre lies in one of the outlines (even-odd
 * rule within an outline, union over outlines). Outlines may reach beyond the picture.
 */
import type { Field } from '../../dataset/types.ts';
import type { Size } from '../../video/geometry.ts';

export interface Rectangle extends Size {
  readonly x: number;
  readonly y: number;
}

type Outlines = Field['outlines'];

/** [height, width] u8: 1 inside, 0 outside. */
export function rasterize(outlines: Outlines, { width, height }: Size): Uint8Array {
  const mask = new Uint8Array(width * height);
  for (const outline of outlines) {
    for (let y = 0; y < height; y++) {
      const crossings = crossingsAt(outline, y + 0.5);
      for (let i = 0; i + 1 < crossings.length; i += 2) {
        // The first pixel whose centre is right of the crossing.
        const from = Math.min(width, Math.max(0, Math.ceil(crossings[i]! - 0.5)));
        const to = Math.min(width, Math.max(0, Math.ceil(crossings[i + 1]! - 0.5)));
        if (to > from) mask.fill(1, y * width + from, y * width + to);
      }
    }
  }
  return mask;
}

/** Smallest rectangle of whole pixels that holds all pixels of the mask; null for an empty mask. */
export function boundsOf(mask: Uint8Array, { width, height }: Size): Rectangle | null {
  let [left, right, top, bottom] = [width, -1, height, -1];
  for (let y = 0; y < height; y++) {
    const row = mask.subarray(y * width, (y + 1) * width);
    const first = row.indexOf(1);
    if (first === -1) continue;
    top = Math.min(top, y);
    bottom = y;
    left = Math.min(left, first);
    right = Math.max(right, row.lastIndexOf(1));
  }
  return bottom === -1 ? null : { x: left, y: top, width: right - left + 1, height: bottom - top + 1 };
}

/** Pixels of a mask of 0 and 1 that are set. */
export function areaOf(mask: Uint8Array): number {
  return mask.reduce((sum, value) => sum + value, 0);
}

/** Sorted x of the outline's crossings with the horizontal line at `y`. */
function crossingsAt(outline: Outlines[number], y: number): number[] {
  const crossings: number[] = [];
  for (let i = 0; i < outline.length; i++) {
    const [x0, y0] = outline[i]!;
    const [x1, y1] = outline[(i + 1) % outline.length]!;
    if (y0 <= y !== y1 <= y) crossings.push(x0 + ((y - y0) / (y1 - y0)) * (x1 - x0));
  }
  return crossings.sort((a, b) => a - b);
}
