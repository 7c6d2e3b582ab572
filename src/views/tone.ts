/**
 * Brightness, contrast, saturation, hue and intensity curves. Definitions are torchvision's for float images:
 * intensities in 0…1, each operation clamped, nothing rounded between operations. On a grey view saturation and hue
 * change nothing, and the rest is a function of the 8-bit intensity alone, so a table of 256 values holds it exactly.
 */
import { LUMA } from '../dataset/channels.ts';
import type { Tone } from './draw.ts';
import { writeTable } from './planes.ts';

/**
 * Fills `table` with the intensity 0…1 that each 8-bit value of the grey view `pixels` becomes. The whole view is
 * looked at, because contrast turns about its mean.
 */
export function fillGreyTable(pixels: Uint8Array, tone: Tone, table: Float64Array): void {
  for (let value = 0; value < 256; value++) table[value] = value / 255;
  for (const operation of tone.order) {
    if (operation === 0) scaleAbout(table, tone.brightness, 0);
    if (operation === 1 && tone.contrast !== 1)
      scaleAbout(table, tone.contrast, sumThrough(pixels, table) / pixels.length);
  }
  if (tone.curve !== null) throughCurve(table, curveTable(tone.curve));
}

function scaleAbout(values: Float64Array, factor: number, pivot: number): void {
  const shift = (1 - factor) * pivot;
  for (let i = 0; i < values.length; i++) {
    const value = factor * values[i]! + shift;
    values[i] = value < 0 ? 0 : value > 1 ? 1 : value;
  }
}

/** Σ table[pixel]; four pixels a read. */
function sumThrough(pixels: Uint8Array, table: Float64Array): number {
  // A plane of an odd size may begin inside a word.
  const whole = pixels.byteOffset % 4 === 0 ? pixels.length >>> 2 : 0;
  const words = new Uint32Array(pixels.buffer, whole === 0 ? 0 : pixels.byteOffset, whole);
  let sum = 0;
  for (let i = 0; i < whole; i++) {
    const word = words[i]!;
    sum +=
      table[word & 255]! + table[(word >>> 8) & 255]! + (table[(word >>> 16) & 255]! + table[word >>> 24]!);
  }
  for (let i = whole * 4; i < pixels.length; i++) sum += table[pixels[i]!]!;
  return sum;
}

/**
 * Fills `planes` [3, n] with the intensities 0…1 that the colour view `pixels` [3, n] becomes. What comes before the
 * first change of saturation or hue treats all channels alike and so is a table, as in grey.
 */
export function toneColour(pixels: Uint8Array, tone: Tone, table: Float64Array, planes: Float32Array): void {
  const n = pixels.length / 3;
  for (let value = 0; value < 256; value++) table[value] = value / 255;
  let done = 0;
  for (; done < 4 && tone.order[done]! < 2; done++) {
    if (tone.order[done] === 0) scaleAbout(table, tone.brightness, 0);
    else {
      let mean = 0;
      for (let c = 0; c < 3; c++)
        mean += (LUMA[c]! * sumThrough(pixels.subarray(c * n, (c + 1) * n), table)) / n;
      scaleAbout(table, tone.contrast, mean);
    }
  }
  writeTable(pixels, table, planes, 0);
  const bits = new Int32Array(planes.buffer, planes.byteOffset, planes.length);
  for (; done < 4; done++) {
    const operation = tone.order[done];
    if (operation === 0) scalePlanesAbout(planes, bits, tone.brightness, 0);
    else if (operation === 1) scalePlanesAbout(planes, bits, tone.contrast, meanLuma(planes));
    else if (operation === 2) saturate(planes, bits, tone.saturation);
    else turnHue(planes, bits, tone.hue);
  }
  if (tone.curve !== null) throughCurve(planes, curveTable(tone.curve));
}

// What follows looks at the bits of f32 numbers, `bits` being those of `planes`: numbers from 0 up are ordered as their
// bits are, so limits, largest and smallest need no branch. On noisy images a branch is guessed wrongly half of the time.

/** The bits of 1. */
const ONE = 0x3f800000;

/** Negative numbers become 0, those above 1 become 1. */
function clampAll(bits: Int32Array): void {
  for (let i = 0; i < bits.length; i++) {
    const value = bits[i]! & ~(bits[i]! >> 31);
    bits[i] = value + ((ONE - value) & ((ONE - value) >> 31));
  }
}

/** `scaleAbout` for planes. */
function scalePlanesAbout(values: Float32Array, bits: Int32Array, factor: number, pivot: number): void {
  const shift = (1 - factor) * pivot;
  for (let i = 0; i < values.length; i++) values[i] = factor * values[i]! + shift;
  clampAll(bits);
}

function meanLuma(planes: Float32Array): number {
  const n = planes.length / 3;
  let sum = 0;
  for (let channel = 0; channel < 3; channel++) {
    let part = 0;
    for (let i = channel * n; i < (channel + 1) * n; i++) part += planes[i]!;
    sum += LUMA[channel]! * part;
  }
  return sum / n;
}

function saturate(planes: Float32Array, bits: Int32Array, factor: number): void {
  const n = planes.length / 3;
  const rest = 1 - factor;
  for (let i = 0; i < n; i++) {
    const red = planes[i]!;
    const green = planes[n + i]!;
    const blue = planes[2 * n + i]!;
    const grey = rest * (LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue);
    planes[i] = factor * red + grey;
    planes[n + i] = factor * green + grey;
    planes[2 * n + i] = factor * blue + grey;
  }
  clampAll(bits);
}

/** Of a channel that is the largest: where its third of the circle begins (in sixths), the channels after it. */
const THIRD = Float64Array.of(0, 2, 4);
const NEXT = Int32Array.of(1, 2, 0);
const LAST = Int32Array.of(2, 0, 1);

/** What brings a hue of the sixth s − 6 back to the circle, for hues from −6 to 12 sixths. */
const BACK = Float64Array.from({ length: 19 }, (_, s) => (s < 6 ? 6 : s < 12 ? 0 : -6));

/** Which of value (0), falling (1), rising (2) and least (3) a channel is in each sixth; the last is where 6 meets 0. */
const RED = Int32Array.of(0, 1, 3, 3, 2, 0, 0);
const GREEN = Int32Array.of(2, 0, 0, 1, 3, 3, 2);
const BLUE = Int32Array.of(3, 3, 2, 0, 0, 1, 3);

/** Turns the hue by `turn` of the circle, −½ to ½, in HSV. */
function turnHue(planes: Float32Array, bits: Int32Array, turn: number): void {
  const n = planes.length / 3;
  const channels = new Float64Array(3);
  const choices = new Float64Array(4);
  for (let i = 0; i < n; i++) {
    const red = bits[i]!;
    const green = bits[n + i]!;
    const blue = bits[2 * n + i]!;
    const greenAbove = (red - green) >> 31;
    const blueAbove = (red + ((green - red) & greenAbove) - blue) >> 31;
    const top = (greenAbove & ~blueAbove & 1) | (blueAbove & 2);
    const greenBelow = (green - red) >> 31;
    const blueBelow = (blue - (red + ((green - red) & greenBelow))) >> 31;
    const bottom = (greenBelow & ~blueBelow & 1) | (blueBelow & 2);
    channels[0] = planes[i]!;
    channels[1] = planes[n + i]!;
    channels[2] = planes[2 * n + i]!;
    const value = channels[top]!;
    const least = channels[bottom]!;
    const chroma = value - least;
    if (chroma === 0) continue;
    // The hue in sixths of the circle, −1 to 5 before the turn.
    let hue = THIRD[top]! + (channels[NEXT[top]!]! - channels[LAST[top]!]!) / chroma;
    hue += 6 * turn;
    hue += BACK[Math.floor(hue) + 6]!;
    const sixth = hue | 0;
    const part = chroma * (hue - sixth);
    choices[0] = value;
    choices[1] = value - part;
    choices[2] = least + part;
    choices[3] = least;
    planes[i] = choices[RED[sixth]!]!;
    planes[n + i] = choices[GREEN[sixth]!]!;
    planes[2 * n + i] = choices[BLUE[sixth]!]!;
  }
}

const CURVE_SAMPLES = 1000;
const CURVE_STEPS = 1024;

/**
 * The non-linear intensity change of Models Genesis (Zhou et al., 2019): the cubic Bézier curve from (0, 0) to (1, 1)
 * through two control points, x and y each sorted so that it rises; or, inverted, x alone sorted, so that it falls
 * from (0, 1) to (1, 0). Sampled at `CURVE_SAMPLES` points and tabulated at `CURVE_STEPS` + 1 equal steps of x.
 */
export function curveTable(curve: NonNullable<Tone['curve']>): Float64Array {
  const [x1, y1, x2, y2] = curve.points;
  const xs = new Float64Array(CURVE_SAMPLES);
  const ys = new Float64Array(CURVE_SAMPLES);
  for (let i = 0; i < CURVE_SAMPLES; i++) {
    const t = i / (CURVE_SAMPLES - 1);
    const s = 1 - t;
    // Runs from (1, 1) to (0, 0), so that sorting x alone inverts it.
    xs[i] = s * s * s + 3 * s * s * t * x2 + 3 * s * t * t * x1;
    ys[i] = s * s * s + 3 * s * s * t * y2 + 3 * s * t * t * y1;
  }
  xs.sort();
  if (!curve.inverted) ys.sort();
  const table = new Float64Array(CURVE_STEPS + 1);
  let k = 0;
  for (let step = 0; step <= CURVE_STEPS; step++) {
    const x = step / CURVE_STEPS;
    while (k < CURVE_SAMPLES - 2 && xs[k + 1]! <= x) k++;
    const width = xs[k + 1]! - xs[k]!;
    const share = width > 0 ? Math.min(1, Math.max(0, (x - xs[k]!) / width)) : 1;
    table[step] = ys[k]! + share * (ys[k + 1]! - ys[k]!);
  }
  return table;
}

function throughCurve(values: Float64Array | Float32Array, table: Float64Array): void {
  for (let i = 0; i < values.length; i++) {
    const at = values[i]! * CURVE_STEPS;
    const step = Math.min(CURVE_STEPS - 1, Math.floor(at));
    values[i] = table[step]! + (at - step) * (table[step + 1]! - table[step]!);
  }
}
