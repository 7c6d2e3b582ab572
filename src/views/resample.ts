/**
 * Crop, flip and resize of an 8-bit plane in one separable pass pair, equal bit for bit to Pillow's
 * `Image.resize(…, BILINEAR, box)` on 8-bit images (the resize that torchvision uses there): a triangle filter whose
 * width grows with the reduction, so it does not alias, 22-bit fixed-point weights, 8-bit rows in between.
 * Inner loops allocate nothing. One difference of use: the reference code resizes the frame and then the crop; here
 * the crop is taken from the stored frame at once, so the view is not softened and rounded twice.
 */

const WEIGHT_BITS = 22;
const HALF = 1 << (WEIGHT_BITS - 1);

/** For each output pixel along one axis: first input pixel and the fixed-point weights of `taps` pixels from there. */
export interface Axis {
  taps: number;
  start: Int32Array;
  weights: Int32Array;
  /** Input pixels that are used at all: [from, to). */
  from: number;
  to: number;
}

/** An axis of `size` output pixels, to be filled by `setAxis`. */
export function createAxis(size: number): Axis {
  return { taps: 0, start: new Int32Array(size), weights: new Int32Array(size * 4), from: 0, to: 0 };
}

/**
 * Sets the weights that resample input pixels [low, high) (fractions allowed, within 0…length) to the axis's output
 * pixels; `mirrored` reverses the output.
 */
export function setAxis(axis: Axis, length: number, low: number, high: number, mirrored: boolean): void {
  const size = axis.start.length;
  const scale = (high - low) / size;
  const support = Math.max(scale, 1);
  let taps = 1;
  for (let i = 0; i < size; i++) {
    const centre = low + (i + 0.5) * scale;
    taps = Math.max(taps, windowEnd(centre, support, length) - windowStart(centre, support));
  }
  axis.taps = taps;
  if (axis.weights.length < size * taps) axis.weights = new Int32Array(size * taps);
  axis.weights.fill(0);
  axis.from = length;
  axis.to = 0;
  for (let i = 0; i < size; i++) {
    const centre = low + (i + 0.5) * scale;
    const from = windowStart(centre, support);
    const to = windowEnd(centre, support, length);
    // A window at the far edge starts earlier, with zero weights before its first pixel, to keep `taps` the same.
    const start = Math.min(from, length - taps);
    const output = mirrored ? size - 1 - i : i;
    axis.start[output] = start;
    let total = 0;
    for (let x = from; x < to; x++) total += triangle((x - centre + 0.5) / support);
    for (let x = from; x < to; x++) {
      const weight = triangle((x - centre + 0.5) / support) / total;
      axis.weights[output * taps + x - start] = Math.trunc(0.5 + weight * (1 << WEIGHT_BITS));
    }
    if (start < axis.from) axis.from = start;
    if (start + taps > axis.to) axis.to = start + taps;
  }
}

function windowStart(centre: number, support: number): number {
  return Math.max(0, Math.trunc(centre - support + 0.5));
}

function windowEnd(centre: number, support: number, length: number): number {
  return Math.min(length, Math.trunc(centre + support + 0.5));
}

function triangle(x: number): number {
  return Math.max(0, 1 - Math.abs(x));
}

/**
 * Resamples the plane at `source[sourceOffset…]` (rows of `width` pixels) to `target[targetOffset…]`
 * ([y.start.length, x.start.length]). `middle` holds at least (y.to − y.from) × x.start.length bytes.
 */
export function resamplePlane(
  source: Uint8Array,
  sourceOffset: number,
  width: number,
  x: Axis,
  y: Axis,
  middle: Uint8Array,
  target: Uint8Array,
  targetOffset: number,
): void {
  const rows = y.to - y.from;
  const first = sourceOffset + y.from * width;
  if (x.taps === 2) acrossTwo(source, first, width, rows, x, middle);
  else if (x.taps === 3) acrossThree(source, first, width, rows, x, middle);
  else acrossAny(source, first, width, rows, x, middle);
  const size = x.start.length;
  if (y.taps === 2) downTwo(middle, size, y, target, targetOffset);
  else if (y.taps === 3) downThree(middle, size, y, target, targetOffset);
  else downAny(middle, size, y, target, targetOffset);
}

// The horizontal passes take four rows a turn, so that a column's start and weights are read once for four pixels.

function acrossTwo(
  source: Uint8Array,
  first: number,
  width: number,
  rows: number,
  axis: Axis,
  middle: Uint8Array,
): void {
  const { start, weights } = axis;
  const size = start.length;
  let row = 0;
  for (; row + 4 <= rows; row += 4) {
    const base = (first + row * width) | 0;
    const out = (row * size) | 0;
    for (let x = 0; x < size; x++) {
      const w0 = weights[2 * x]!;
      const w1 = weights[2 * x + 1]!;
      let p = (base + start[x]!) | 0;
      let o = (out + x) | 0;
      middle[o] = (HALF + Math.imul(source[p]!, w0) + Math.imul(source[p + 1]!, w1)) >> WEIGHT_BITS;
      p = (p + width) | 0;
      o = (o + size) | 0;
      middle[o] = (HALF + Math.imul(source[p]!, w0) + Math.imul(source[p + 1]!, w1)) >> WEIGHT_BITS;
      p = (p + width) | 0;
      o = (o + size) | 0;
      middle[o] = (HALF + Math.imul(source[p]!, w0) + Math.imul(source[p + 1]!, w1)) >> WEIGHT_BITS;
      p = (p + width) | 0;
      o = (o + size) | 0;
      middle[o] = (HALF + Math.imul(source[p]!, w0) + Math.imul(source[p + 1]!, w1)) >> WEIGHT_BITS;
    }
  }
  acrossRest(source, first, width, row, rows, axis, middle);
}

function acrossThree(
  source: Uint8Array,
  first: number,
  width: number,
  rows: number,
  axis: Axis,
  middle: Uint8Array,
): void {
  const { start, weights } = axis;
  const size = start.length;
  let row = 0;
  for (; row + 4 <= rows; row += 4) {
    const base = (first + row * width) | 0;
    const out = (row * size) | 0;
    for (let x = 0; x < size; x++) {
      const w0 = weights[3 * x]!;
      const w1 = weights[3 * x + 1]!;
      const w2 = weights[3 * x + 2]!;
      let p = (base + start[x]!) | 0;
      let o = (out + x) | 0;
      middle[o] =
        (HALF + Math.imul(source[p]!, w0) + Math.imul(source[p + 1]!, w1) + Math.imul(source[p + 2]!, w2)) >>
        WEIGHT_BITS;
      p = (p + width) | 0;
      o = (o + size) | 0;
      middle[o] =
        (HALF + Math.imul(source[p]!, w0) + Math.imul(source[p + 1]!, w1) + Math.imul(source[p + 2]!, w2)) >>
        WEIGHT_BITS;
      p = (p + width) | 0;
      o = (o + size) | 0;
      middle[o] =
        (HALF + Math.imul(source[p]!, w0) + Math.imul(source[p + 1]!, w1) + Math.imul(source[p + 2]!, w2)) >>
        WEIGHT_BITS;
      p = (p + width) | 0;
      o = (o + size) | 0;
      middle[o] =
        (HALF + Math.imul(source[p]!, w0) + Math.imul(source[p + 1]!, w1) + Math.imul(source[p + 2]!, w2)) >>
        WEIGHT_BITS;
    }
  }
  acrossRest(source, first, width, row, rows, axis, middle);
}

function acrossAny(
  source: Uint8Array,
  first: number,
  width: number,
  rows: number,
  axis: Axis,
  middle: Uint8Array,
): void {
  const { start, weights, taps } = axis;
  const size = start.length;
  let row = 0;
  for (; row + 4 <= rows; row += 4) {
    const base = (first + row * width) | 0;
    const out = (row * size) | 0;
    for (let x = 0; x < size; x++) {
      let p = (base + start[x]!) | 0;
      let w = (x * taps) | 0;
      let a = HALF;
      let b = HALF;
      let c = HALF;
      let d = HALF;
      for (let k = 0; k < taps; k++) {
        const weight = weights[w++]!;
        let q = p++;
        a = (a + Math.imul(source[q]!, weight)) | 0;
        q = (q + width) | 0;
        b = (b + Math.imul(source[q]!, weight)) | 0;
        q = (q + width) | 0;
        c = (c + Math.imul(source[q]!, weight)) | 0;
        q = (q + width) | 0;
        d = (d + Math.imul(source[q]!, weight)) | 0;
      }
      let o = (out + x) | 0;
      middle[o] = a >> WEIGHT_BITS;
      o = (o + size) | 0;
      middle[o] = b >> WEIGHT_BITS;
      o = (o + size) | 0;
      middle[o] = c >> WEIGHT_BITS;
      o = (o + size) | 0;
      middle[o] = d >> WEIGHT_BITS;
    }
  }
  acrossRest(source, first, width, row, rows, axis, middle);
}

/** Rows [row, rows), any number of taps. */
function acrossRest(
  source: Uint8Array,
  first: number,
  width: number,
  row: number,
  rows: number,
  axis: Axis,
  middle: Uint8Array,
): void {
  const { start, weights, taps } = axis;
  const size = start.length;
  for (let y = row; y < rows; y++) {
    const base = first + y * width;
    for (let x = 0; x < size; x++) {
      const p = base + start[x]!;
      const w = x * taps;
      let sum = HALF;
      for (let k = 0; k < taps; k++) sum += Math.imul(source[p + k]!, weights[w + k]!);
      middle[y * size + x] = sum >> WEIGHT_BITS;
    }
  }
}

function downTwo(middle: Uint8Array, size: number, axis: Axis, target: Uint8Array, offset: number): void {
  const { start, weights, from } = axis;
  for (let y = 0; y < start.length; y++) {
    const w0 = weights[2 * y]!;
    const w1 = weights[2 * y + 1]!;
    const a = ((start[y]! - from) * size) | 0;
    const b = (a + size) | 0;
    const out = (offset + y * size) | 0;
    for (let x = 0; x < size; x++) {
      target[out + x] = (HALF + Math.imul(middle[a + x]!, w0) + Math.imul(middle[b + x]!, w1)) >> WEIGHT_BITS;
    }
  }
}

function downThree(middle: Uint8Array, size: number, axis: Axis, target: Uint8Array, offset: number): void {
  const { start, weights, from } = axis;
  for (let y = 0; y < start.length; y++) {
    const w0 = weights[3 * y]!;
    const w1 = weights[3 * y + 1]!;
    const w2 = weights[3 * y + 2]!;
    const a = ((start[y]! - from) * size) | 0;
    const b = (a + size) | 0;
    const c = (b + size) | 0;
    const out = (offset + y * size) | 0;
    for (let x = 0; x < size; x++) {
      target[out + x] =
        (HALF +
          Math.imul(middle[a + x]!, w0) +
          Math.imul(middle[b + x]!, w1) +
          Math.imul(middle[c + x]!, w2)) >>
        WEIGHT_BITS;
    }
  }
}

function downAny(middle: Uint8Array, size: number, axis: Axis, target: Uint8Array, offset: number): void {
  const { start, weights, from, taps } = axis;
  for (let y = 0; y < start.length; y++) {
    const top = ((start[y]! - from) * size) | 0;
    const first = (y * taps) | 0;
    const out = (offset + y * size) | 0;
    let x = 0;
    // Four columns a turn, so that a weight is read once for four pixels.
    for (; x + 4 <= size; x += 4) {
      let a = HALF;
      let b = HALF;
      let c = HALF;
      let d = HALF;
      let p = (top + x) | 0;
      for (let k = 0; k < taps; k++) {
        const weight = weights[first + k]!;
        a = (a + Math.imul(middle[p]!, weight)) | 0;
        b = (b + Math.imul(middle[p + 1]!, weight)) | 0;
        c = (c + Math.imul(middle[p + 2]!, weight)) | 0;
        d = (d + Math.imul(middle[p + 3]!, weight)) | 0;
        p = (p + size) | 0;
      }
      target[out + x] = a >> WEIGHT_BITS;
      target[out + x + 1] = b >> WEIGHT_BITS;
      target[out + x + 2] = c >> WEIGHT_BITS;
      target[out + x + 3] = d >> WEIGHT_BITS;
    }
    for (; x < size; x++) {
      let sum = HALF;
      for (let k = 0, p = top + x; k < taps; k++, p += size)
        sum += Math.imul(middle[p]!, weights[first + k]!);
      target[out + x] = sum >> WEIGHT_BITS;
    }
  }
}
