/** Outlines that were drawn in place of the area they go round, and that area. */
import { partsOf } from './field/cells.ts';
import { areaOf } from './field/raster.ts';
import type { Size } from './geometry.ts';

/** An area this many times as large as its line is what the line was drawn for; a thick ring is not. */
const FILLS = 3;

/**
 * The area inside of a line, the line with it, [height, width] of 0 and 1. Outside is what has most of the border, so a
 * line that the border cuts off still has an inside. Pixels that touch at corners close a line. Null where nothing is
 * inside: the line is open.
 */
export function fillOutline(line: Uint8Array, { width, height }: Size): Uint8Array | null {
  const { parts, labels } = partsOf({ columns: width, rows: height, data: line }, 0);
  if (parts.length < 2) return null;
  const border = new Uint32Array(parts.length + 1);
  labels.forEach((label, i) => {
    const [x, y] = [i % width, Math.floor(i / width)];
    if (label > 0 && (x === 0 || y === 0 || x === width - 1 || y === height - 1)) border[label]!++;
  });
  const outside = border.indexOf(Math.max(...border), 1);
  return Uint8Array.from(labels, (label) => (label === outside ? 0 : 1));
}

/** Whether a mask [height, width] of 0 and 1 is a line round an area. */
export function isOutline(mask: Uint8Array, size: Size): boolean {
  const drawn = areaOf(mask);
  const filled = drawn === 0 ? null : fillOutline(mask, size);
  return filled !== null && areaOf(filled) >= FILLS * drawn;
}
