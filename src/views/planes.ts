/**
 * Loops over whole planes: stored frames to planar 8-bit, mixtures of frames, and 8-bit or float views to the
 * normalised numbers a network reads. Everything here is a tight loop over arrays that the caller owns.
 *
 * Four pixels are read as one 32-bit word in the hot loops, lowest byte first, as on every machine Node runs on
 * that stores integers little-endian.
 */
import { writeLuma } from '../dataset/channels.ts';

/** De-interleaves a frame [pixels, channels] to planes; three channels become one through luma (BT.601, as Pillow). */
export function toPlanes(
  frame: Uint8Array,
  pixels: number,
  stored: number,
  wanted: number,
  target: Uint8Array,
): void {
  if (stored === 1) {
    target.set(frame.subarray(0, pixels));
    return;
  }
  if (wanted === 1) {
    writeLuma(frame, pixels, target);
    return;
  }
  // Four pixels are three words.
  const whole = frame.byteOffset % 4 === 0 ? pixels >>> 2 : 0;
  const words = new Uint32Array(frame.buffer, whole === 0 ? 0 : frame.byteOffset, 3 * whole);
  for (let i = 0, w = 0; w < words.length; i += 4, w += 3) {
    const first = words[w]!;
    const second = words[w + 1]!;
    const third = words[w + 2]!;
    target[i] = first;
    target[i + 1] = first >>> 24;
    target[i + 2] = second >>> 16;
    target[i + 3] = third >>> 8;
    const green = pixels + i;
    target[green] = first >>> 8;
    target[green + 1] = second;
    target[green + 2] = second >>> 24;
    target[green + 3] = third >>> 16;
    const blue = green + pixels;
    target[blue] = first >>> 16;
    target[blue + 1] = second >>> 8;
    target[blue + 2] = third;
    target[blue + 3] = third >>> 24;
  }
  for (let i = 4 * whole; i < pixels; i++) {
    target[i] = frame[3 * i]!;
    target[pixels + i] = frame[3 * i + 1]!;
    target[2 * pixels + i] = frame[3 * i + 2]!;
  }
}

/** image ← weight·image + (1 − weight)·anchor over the first `length` bytes, rounded to nearest. */
export function mixBytes(image: Uint8Array, anchor: Uint8Array, weight: number, length: number): void {
  const w = Math.round(weight * 65536);
  const rest = 65536 - w;
  for (let i = 0; i < length; i++)
    image[i] = (Math.imul(image[i]!, w) + Math.imul(anchor[i]!, rest) + 0x8000) >> 16;
}

/** The table value ↦ weight · (intensity − mean) / std. */
export function scaleTable(
  intensities: Float64Array,
  weight: number,
  mean: number,
  std: number,
  target: Float64Array,
): void {
  for (let value = 0; value < 256; value++) target[value] = (weight * (intensities[value]! - mean)) / std;
}

/** target[offset + i] ← table[pixels[i]]; four pixels a read where they begin on a word. */
export function writeTable(
  pixels: Uint8Array,
  table: Float64Array,
  target: Float32Array,
  offset: number,
): void {
  const whole = pixels.byteOffset % 4 === 0 ? pixels.length >>> 2 : 0;
  const words = new Uint32Array(pixels.buffer, whole === 0 ? 0 : pixels.byteOffset, whole);
  let o = offset;
  for (let i = 0; i < whole; i++) {
    const word = words[i]!;
    target[o] = table[word & 255]!;
    target[o + 1] = table[(word >>> 8) & 255]!;
    target[o + 2] = table[(word >>> 16) & 255]!;
    target[o + 3] = table[word >>> 24]!;
    o += 4;
  }
  for (let i = whole * 4; i < pixels.length; i++) target[offset + i] = table[pixels[i]!]!;
}

/** target[offset + i] ← tableA[a[i]] + tableB[b[i]]. */
export function writeTwoTables(
  a: Uint8Array,
  tableA: Float64Array,
  b: Uint8Array,
  tableB: Float64Array,
  target: Float32Array,
  offset: number,
): void {
  const whole = a.length >>> 2;
  const wordsA = new Uint32Array(a.buffer, a.byteOffset, whole);
  const wordsB = new Uint32Array(b.buffer, b.byteOffset, whole);
  let o = offset;
  for (let i = 0; i < whole; i++) {
    const p = wordsA[i]!;
    const q = wordsB[i]!;
    target[o] = tableA[p & 255]! + tableB[q & 255]!;
    target[o + 1] = tableA[(p >>> 8) & 255]! + tableB[(q >>> 8) & 255]!;
    target[o + 2] = tableA[(p >>> 16) & 255]! + tableB[(q >>> 16) & 255]!;
    target[o + 3] = tableA[p >>> 24]! + tableB[q >>> 24]!;
    o += 4;
  }
  for (let i = whole * 4; i < a.length; i++) target[offset + i] = tableA[a[i]!]! + tableB[b[i]!]!;
}

/** target[offset + i] ← (weight·a[from + i] + (1 − weight)·b[from + i] − mean) / std for `length` values. */
export function writePlanes(
  a: Float32Array,
  b: Float32Array,
  weight: number,
  from: number,
  length: number,
  mean: number,
  std: number,
  target: Float32Array,
  offset: number,
): void {
  const scaleA = weight / std;
  const scaleB = (1 - weight) / std;
  const shift = mean / std;
  for (let i = 0; i < length; i++) target[offset + i] = scaleA * a[from + i]! + scaleB * b[from + i]! - shift;
}
