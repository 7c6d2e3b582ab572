/**
 * The machine's receive chain: attenuation on the way, electronic noise, time-gain compensation (with the error its
 * sliders have), envelope, log compression to the dynamic range, grey map, persistence. In: the complex echo field of
 * a frame. Out: grey levels 0–255 in beam coordinates.
 */
import type { Random } from '../base/random.ts';
import { blurAxially, type PointSpread } from './beam.ts';
import type { BeamGrid } from './geometry.ts';
import { decibels, type ClipParameters, type DisplayParameters } from './parameters.ts';
import { createField, MARGIN_BEAMS, type EchoField } from './scatterers.ts';
import { smoothNoise } from './texture.ts';

export interface Receiver {
  /** Amplitude left after the two-way path to each row. */
  readonly attenuation: Float32Array;
  /** Compensation of each row, gain included. */
  readonly compensation: Float32Array;
  /** Contact of each beam of the image. */
  readonly contact: Float32Array;
  /** Band-limited complex noise before compensation, [rows, columns] with spare columns to draw windows from. */
  readonly noise: EchoField;
}

/** Compensation never exceeds this: the amplifier's range. */
const MAXIMAL_COMPENSATION_DB = 70;
/** Level that is displayed as white at 0 dB of gain, above diffuse muscle. */
const WHITE_DB = 23;

export function createReceiver(
  parameters: ClipParameters,
  grid: BeamGrid,
  spread: PointSpread,
  random: Random,
): Receiver {
  const { display, probe, wall } = parameters;
  const attenuation = new Float32Array(grid.samples);
  const compensation = new Float32Array(grid.samples);
  for (let row = 0; row < grid.samples; row++) {
    const rangeMm = row * grid.rangeStepMm;
    attenuation[row] = decibels(-twoWayLossDb(wall.attenuationDbPerCmMHz, probe.frequencyMHz, rangeMm));
    const assumed = twoWayLossDb(display.tgcDbPerCmMHz, probe.frequencyMHz, rangeMm);
    const error = sliderAt(display.tgcErrorDb, row / (grid.samples - 1));
    compensation[row] = decibels(Math.min(MAXIMAL_COMPENSATION_DB, assumed) + error + display.gainDb);
  }
  return {
    attenuation,
    compensation,
    contact: contactOf(display, grid, random),
    noise: noiseTile(grid, spread, decibels(display.noiseDb), random),
  };
}

/** Two-way loss in dB over a range in mm: 2 · α · f · r. */
export function twoWayLossDb(attenuationDbPerCmMHz: number, frequencyMHz: number, rangeMm: number): number {
  return (2 * attenuationDbPerCmMHz * frequencyMHz * rangeMm) / 10;
}

/**
 * Envelope before compression, [samples, beams] without the margin: |field · attenuation + noise| · compensation ·
 * contact. The window into the noise tile is drawn from `random`, so noise differs from frame to frame.
 */
export function detect(
  field: EchoField,
  receiver: Receiver,
  grid: BeamGrid,
  random: Random,
  envelope: Float32Array,
): void {
  const { noise } = receiver;
  const rowShift = random.integer(noise.rows);
  const columnShift = random.integer(noise.columns - grid.beams + 1);
  for (let row = 0; row < grid.samples; row++) {
    const loss = receiver.attenuation[row]!;
    const gain = receiver.compensation[row]!;
    let from = row * field.columns + MARGIN_BEAMS;
    let grain = ((row + rowShift) % noise.rows) * noise.columns + columnShift;
    let to = row * grid.beams;
    for (let beam = 0; beam < grid.beams; beam++, from++, grain++, to++) {
      const re = field.real[from]! * loss + noise.real[grain]!;
      const im = field.imaginary[from]! * loss + noise.imaginary[grain]!;
      envelope[to] = Math.sqrt(re * re + im * im) * gain * receiver.contact[beam]!;
    }
  }
}

/** Log compression of an envelope into grey 0–255, mixed with the previous frame by persistence (in place). */
export function compress(
  envelope: Float32Array,
  display: DisplayParameters,
  grey: Float32Array,
  first: boolean,
): void {
  const { dynamicRangeDb, gamma, persistence } = display;
  const kept = first ? 0 : persistence;
  const white = decibels(WHITE_DB);
  const perNeper = 20 / Math.LN10 / dynamicRangeDb;
  for (let i = 0; i < envelope.length; i++) {
    const level = 1 + Math.log(envelope[i]! / white + 1e-12) * perNeper;
    const shown = level <= 0 ? 0 : level >= 1 ? 255 : 255 * (gamma === 1 ? level : Math.pow(level, gamma));
    grey[i] = kept * grey[i]! + (1 - kept) * shown;
  }
}

/** Linear interpolation between equally spaced sliders; no slider is no error. */
function sliderAt(sliders: readonly number[], share: number): number {
  if (sliders.length === 0) return 0;
  const position = share * (sliders.length - 1);
  const i = Math.min(sliders.length - 1, Math.floor(position));
  const next = sliders[Math.min(sliders.length - 1, i + 1)]!;
  return sliders[i]! + (next - sliders[i]!) * (position - i);
}

/** Contact fades over the outer third of the image towards each edge, and is uneven along the face. */
function contactOf(display: DisplayParameters, grid: BeamGrid, random: Random): Float32Array {
  const { beams } = grid;
  const contact = new Float32Array(beams);
  const start = grid.lateralStartMm;
  const uneven = smoothNoise(random, start, -start, display.contactMm);
  for (let beam = 0; beam < beams; beam++) {
    const x = (2 * beam) / (beams - 1) - 1;
    const share = Math.max(0, (Math.abs(x) - 1 / 3) * 1.5);
    const edge = -display.edgeLossDb[x < 0 ? 0 : 1] * share * share;
    contact[beam] = decibels(edge + display.contactDb * uneven(start + beam * grid.lateralStepMm));
  }
  return contact;
}

/** White across beams, as wide as the pulse's band along them; unit power times `amplitude`². */
function noiseTile(grid: BeamGrid, spread: PointSpread, amplitude: number, random: Random): EchoField {
  const noise = createField(grid.samples, 2 * grid.beams);
  const white = new Float32Array(noise.rows * noise.columns);
  for (const part of [noise.real, noise.imaginary]) {
    for (let i = 0; i < white.length; i++) white[i] = random.normal() * amplitude * Math.SQRT1_2;
    blurAxially(white, part, noise.rows, noise.columns, spread.axial);
  }
  return noise;
}
