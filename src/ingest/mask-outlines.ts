/** Outlines that were drawn in place of the area they go round, and that area. */
import type { Size } from './geometry.ts';

/** An area this many times as large as its line is what the line was drawn for; a thick ring is not. */
const FILLS = 3;

/**
 * The area inside of a line, the line with it, [height, width] of 0 and 1. Outside is what has most of the border, so a
 * line that the border cuts off still has an inside. Pixels that touch at corners close a line. Null where nothing is
 * inside: the line is open.
 */
export function fillOutline(line: Uint8Array, { width, height }: Size): Uint8Array | null {
  const parts = new Int32Array(line.length);
  const border: number[] = [0];
  const stack: number[] = [];
  for (let start = 0; start < line.length; start++) {
    if (line[start] !== 0 || parts[start] !== 0) continue;
    const part = border.push(0) - 1;
    parts[start] = part;
    stack.push(start);
    for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
      const x = at % width;
      const y = (at - x) / width;
      if (x === 0 || y === 0 || x === width - 1 || y === height - 1) border[part]!++;
      for (const next of [x > 0 ? at - 1 : -1, x < width - 1 ? at + 1 : -1, at - width, at + width]) {
        if (next < 0 || next >= line.length || line[next] !== 0 || parts[next] !== 0) continue;
        parts[next] = part;
        stack.push(next);
      }
    }
  }
  if (border.length < 3) return null;
  const outside = border.indexOf(Math.max(...border.slice(1)), 1);
  return Uint8Array.from(parts, (part) => (part === outside ? 0 : 1));
}

/** Whether a mask [height, width] of 0 and 1 is a line round an area. */
export function isOutline(mask: Uint8Array, size: Size): boolean {
  const drawn = sum(mask);
  const filled = drawn === 0 ? null : fillOutline(mask, size);
  return filled !== null && sum(filled) >= FILLS * drawn;
}

function sum(mask: Uint8Array): number {
  return mask.reduce((total, value) => total + value, 0);
}
