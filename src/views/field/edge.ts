/**
 * The edge of a field, in a view: which pixels lie inside, which lie close to an outline, and the rest made black. The
 * edge of a fan tells the machine; moved inwards by chance, it tells less.
 */
import { type Outline, type Side, sidesOf } from './outline.ts';

/** Takes out of `mask` [size, size] every pixel whose centre is nearer to an outline than `margin` pixels. */
export function narrow(outlines: readonly Outline[], size: number, margin: number, mask: Uint8Array): void {
  for (const outline of outlines) for (const side of sidesOf(outline)) clearAlong(side, size, margin, mask);
}

/**
 * What is near to a side is convex, so a row has one span of it: that of the discs about both ends and of the band between them.
 */
function clearAlong([x0, y0, x1, y1]: Side, size: number, margin: number, mask: Uint8Array): void {
  const [across, down] = [x1 - x0, y1 - y0];
  const square = across * across + down * down;
  const wide = margin * Math.sqrt(square);
  const from = Math.max(0, Math.ceil(Math.min(y0, y1) - margin - 0.5));
  const to = Math.min(size - 1, Math.floor(Math.max(y0, y1) + margin - 0.5));
  for (let y = from; y <= to; y++) {
    // Distances from the first end.
    const below = y + 0.5 - y0;
    let left = Infinity;
    let right = -Infinity;
    if (Math.abs(below) < margin) {
      const half = Math.sqrt(margin * margin - below * below);
      left = -half;
      right = half;
    }
    const beyond = below - down;
    if (Math.abs(beyond) < margin) {
      const half = Math.sqrt(margin * margin - beyond * beyond);
      left = Math.min(left, across - half);
      right = Math.max(right, across + half);
    }
    // The band: no farther from the line than the margin, and beside the side.
    let first = -Infinity;
    let last = Infinity;
    if (down !== 0) {
      first = (below * across) / down - wide / Math.abs(down);
      last = (below * across) / down + wide / Math.abs(down);
    } else if (Math.abs(below) >= margin) continue;
    if (across !== 0) {
      const [start, end] = [(-below * down) / across, (square - below * down) / across];
      first = Math.max(first, Math.min(start, end));
      last = Math.min(last, Math.max(start, end));
    } else if (square === 0 || below * down < 0 || below * down > square) last = -Infinity;
    if (first < last) {
      left = Math.min(left, first);
      right = Math.max(right, last);
    }
    const end = Math.min(size - 1, Math.ceil(x0 + right - 0.5) - 1);
    for (let x = Math.max(0, Math.floor(x0 + left - 0.5) + 1); x <= end; x++) mask[y * size + x] = 0;
  }
}

/** Blackens, in every plane of `pixels`, what is not in the mask of 0 and 1. */
export function blankOutside(pixels: Uint8Array, mask: Uint8Array): void {
  const area = mask.length;
  for (let offset = 0; offset < pixels.length; offset += area) {
    const plane = pixels.subarray(offset, offset + area);
    const whole = plane.byteOffset % 4 === 0 && mask.byteOffset % 4 === 0 ? area >>> 2 : 0;
    if (whole > 0) {
      // Four pixels as one word, and 255 where the mask has 1.
      const words = new Int32Array(plane.buffer, plane.byteOffset, whole);
      const masks = new Int32Array(mask.buffer, mask.byteOffset, whole);
      for (let i = 0; i < whole; i++) words[i]! &= Math.imul(masks[i]!, 255);
    }
    for (let i = 4 * whole; i < area; i++) if (mask[i] === 0) plane[i] = 0;
  }
}
