/**
 * Brightness, contrast, saturation, hue and intensity curves. Definitions are torchvision's for float images:
 * intensities in 0…1, each operation clamped, nothing rounded between operations. On a grey view saturation and hue
 * change nothing, and the rest is a function of the 8-bit intensity alone, so a table of 256 values holds it exactly.
 */
import { LUMA } from '../dataset/channels.ts';
import type { Tone } from './draw.ts';

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
  for (let i = 0; i < pixels.length; i++) planes[i] = table[pixels[i]!]!;
  for (; done < 4; done++) {
    const operation = tone.order[done];
    if (operation === 0) scalePlanesAbout(planes, tone.brightness, 0);
    else if (operation === 1) scalePlanesAbout(planes, tone.contrast, meanLuma(planes));
    else if (operation === 2) saturate(planes, tone.saturation);
    else turnHue(planes, tone.hue);
  }
  if (tone.curve !== null) throughCurve(planes, curveTable(tone.curve));
}

/** `scaleAbout` for planes: a function of its own, so that each sees one kind of array and compiles to it. */
function scalePlanesAbout(values: Float32Array, factor: number, pivot: number): void {
  const shift = (1 - factor) * pivot;
  for (let i = 0; i < values.length; i++) {
    const value = factor * values[i]! + shift;
    values[i] = value < 0 ? 0 : value > 1 ? 1 : value;
  }
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

function saturate(planes: Float32Array, factor: number): void {
  const n = planes.length / 3;
  for (let i = 0; i < n; i++) {
    const red = planes[i]!;
    const green = planes[n + i]!;
    const blue = planes[2 * n + i]!;
    const grey = (1 - factor) * (LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue);
    planes[i] = clamp(factor * red + grey);
    planes[n + i] = clamp(factor * green + grey);
    planes[2 * n + i] = clamp(factor * blue + grey);
  }
}

function clamp(value: number): number {
  return value < 0 ? 0 : value > 1 ? 1 : value;
}

/** Turns the hue by `turn` of the circle, −½ to ½, in HSV. */
function turnHue(planes: Float32Array, turn: number): void {
  const n = planes.length / 3;
  for (let i = 0; i < n; i++) {
    const red = planes[i]!;
    const green = planes[n + i]!;
    const blue = planes[2 * n + i]!;
    const value = red > green ? (red > blue ? red : blue) : green > blue ? green : blue;
    const least = red < green ? (red < blue ? red : blue) : green < blue ? green : blue;
    const chroma = value - least;
    if (chroma === 0) continue;
    // The hue in sixths of the circle, −1 to 5 before the turn.
    let hue =
      value === red
        ? (green - blue) / chroma
        : value === green
          ? 2 + (blue - red) / chroma
          : 4 + (red - green) / chroma;
    hue += 6 * turn;
    if (hue < 0) hue += 6;
    else if (hue >= 6) hue -= 6;
    const sixth = Math.floor(hue);
    const falling = value - chroma * (hue - sixth);
    const rising = least + chroma * (hue - sixth);
    planes[i] = sixth === 0 || sixth >= 5 ? value : sixth === 1 ? falling : sixth === 4 ? rising : least;
    planes[n + i] =
      sixth === 1 || sixth === 2
        ? value
        : sixth === 3
          ? falling
          : sixth === 0 || sixth === 6
            ? rising
            : least;
    planes[2 * n + i] =
      sixth === 3 || sixth === 4 ? value : sixth === 5 ? falling : sixth === 2 ? rising : least;
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
