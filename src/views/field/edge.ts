/**
 * The edge of a field, in a view: which pixels lie inside, which lie close to an outline, and the rest made black. The
 * edge of a fan tells the machine; moved inwards by chance, it tells less.
 */
import { distanceTo, type Outline, type Side, sidesOf } from './outline.ts';

/** Takes out of `mask` [size, size] every pixel whose centre is nearer to an outline than `margin` pixels. */
export function narrow(outlines: readonly Outline[], size: number, margin: number, mask: Uint8Array): void {
  for (const outline of outlines) for (const side of sidesOf(outline)) clearAlong(side, size, margin, mask);
}

function clearAlong([x0, y0, x1, y1]: Side, size: number, margin: number, mask: Uint8Array): void {
  const slope = (x1 - x0) / (y1 - y0);
  const top = Math.min(y0, y1);
  const bottom = Math.max(y0, y1);
  const from = Math.max(0, Math.ceil(top - margin - 0.5));
  const to = Math.min(size - 1, Math.floor(bottom + margin - 0.5));
  for (let y = from; y <= to; y++) {
    // The part of the side that is near to this row; all of a level side is.
    const upper = Math.max(top, y + 0.5 - margin);
    const lower = Math.min(bottom, y + 0.5 + margin);
    const [a, b] = y0 === y1 ? [x0, x1] : [x0 + slope * (upper - y0), x0 + slope * (lower - y0)];
    const first = Math.max(0, Math.ceil(Math.min(a, b) - margin - 0.5));
    const last = Math.min(size - 1, Math.floor(Math.max(a, b) + margin - 0.5));
    for (let x = first; x <= last; x++)
      if (distanceTo(x + 0.5, y + 0.5, x0, y0, x1, y1) < margin) mask[y * size + x] = 0;
  }
}

/** Blackens, in every plane of `pixels`, what is not in the mask. */
export function blankOutside(pixels: Uint8Array, mask: Uint8Array): void {
  for (let offset = 0; offset < pixels.length; offset += mask.length)
    for (let i = 0; i < mask.length; i++) if (mask[i] === 0) pixels[offset + i] = 0;
}
