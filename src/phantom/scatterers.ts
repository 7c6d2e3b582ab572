/**
 * The echo sources of a clip, held in material coordinates, and their addition into the complex (demodulated) echo
 * field of one frame. A source sits at range `multiple · pleura(lateral) + offset`: 0 < multiple < 1 in the chest wall,
 * 1 below the pleura, 2, 3, … for reverberations. Diffuse scatterers carry the phase of their two-way path, so that
 * many in a resolution cell make fully developed speckle that moves as they move; interface points carry a phase of
 * their own (an interface is smooth on the scale of the wavelength) and are weighted by incidence, twice where the
 * sound met the interface more than once.
 */
import { lateralScale, type BeamGrid } from './geometry.ts';
import { SOUND_MM_PER_US } from './parameters.ts';

export interface Source {
  readonly lateralMm: number;
  readonly multiple: number;
  readonly offsetMm: number;
  /** Extra range per unit of breath (an effusion that swells). */
  readonly swellMm: number;
  /** Linear amplitude; 1 is diffuse muscle. */
  readonly amplitude: number;
  /** Radians; added to the path's phase for diffuse scatterers. */
  readonly phase: number;
}

/** What a source is attached to and how it answers. */
export type SourceKind = 'wall-diffuse' | 'wall-interface' | 'lung-diffuse' | 'lung-interface';

const LUNG = 1;
const INTERFACE = 2;
const KIND_BITS: Readonly<Record<SourceKind, number>> = {
  'wall-diffuse': 0,
  'lung-diffuse': LUNG,
  'wall-interface': INTERFACE,
  'lung-interface': LUNG | INTERFACE,
};

/** Growing structure of arrays: 6 floats and a byte a source. */
export class SourceCloud {
  /** [count, 6]: lateral, multiple, offset, swell, amplitude, phase; longer than that. */
  values = new Float32Array(6 * 4096);
  kinds = new Uint8Array(4096);
  count = 0;

  add(kind: SourceKind, source: Source): void {
    if (this.count === this.kinds.length) {
      const { values, kinds } = this;
      this.values = new Float32Array(2 * values.length);
      this.values.set(values);
      this.kinds = new Uint8Array(2 * kinds.length);
      this.kinds.set(kinds);
    }
    const at = 6 * this.count;
    this.values[at] = source.lateralMm;
    this.values[at + 1] = source.multiple;
    this.values[at + 2] = source.offsetMm;
    this.values[at + 3] = source.swellMm;
    this.values[at + 4] = source.amplitude;
    this.values[at + 5] = source.phase;
    this.kinds[this.count++] = KIND_BITS[kind];
  }
}

/** Beams simulated beyond each side of the image, so that what enters it from the side has its full width. */
export const MARGIN_BEAMS = 8;

/** A complex field [samples, beams + 2 · margin], row-major. */
export interface EchoField {
  readonly rows: number;
  readonly columns: number;
  readonly real: Float32Array;
  readonly imaginary: Float32Array;
}

export function createField(rows: number, columns: number): EchoField {
  const [real, imaginary] = [new Float32Array(rows * columns), new Float32Array(rows * columns)];
  return { rows, columns, real, imaginary };
}

/** Lateral position of a column of the field, margin included. */
export function columnLateral(grid: BeamGrid, column: number): number {
  return grid.lateralStartMm + (column - MARGIN_BEAMS) * grid.lateralStepMm;
}

/** What a frame looks like from each column of the field. */
export interface BeamState {
  /** Range of the pleura. */
  readonly pleuraMm: Float32Array;
  /** Range below which an acoustic shadow begins, Infinity for none, and the amplitude that passes. */
  readonly shadowFromMm: Float32Array;
  readonly shadowGain: Float32Array;
  /** Specular strength. */
  readonly incidence: Float32Array;
  readonly slideMm: number;
  readonly lateralMm: number;
  readonly breath: number;
}

const TABLE = 4096;
const COSINES = new Float32Array(TABLE + TABLE / 4);
for (let i = 0; i < COSINES.length; i++) COSINES[i] = Math.cos((2 * Math.PI * i) / TABLE);

/** Adds every source to `field` (overwritten), shared among its four neighbours by distance. */
export function addEchoes(
  field: EchoField,
  grid: BeamGrid,
  cloud: SourceCloud,
  state: BeamState,
  frequencyMHz: number,
): void {
  const { real, imaginary, columns } = field;
  real.fill(0);
  imaginary.fill(0);
  const { values, kinds, count } = cloud;
  const { pleuraMm, shadowFromMm, shadowGain, incidence: specular } = state;
  const phasePerMm = ((2 * frequencyMHz) / SOUND_MM_PER_US) * TABLE;
  const phasePerRadian = TABLE / (2 * Math.PI);
  const firstColumn = columnLateral(grid, 0);
  const perColumn = 1 / grid.lateralStepMm;
  const perRow = 1 / grid.rangeStepMm;
  const lastRow = field.rows - 1;
  for (let i = 0, at = 0; i < count; i++, at += 6) {
    const kind = kinds[i]!;
    const lateral = values[at]! + state.lateralMm + ((kind & LUNG) !== 0 ? state.slideMm : 0);
    const columnPosition = (lateral - firstColumn) * perColumn;
    const column = Math.floor(columnPosition);
    if (column < 0 || column >= columns - 1) continue;
    const right = columnPosition - column;
    const pleura = pleuraMm[column]! * (1 - right) + pleuraMm[column + 1]! * right;
    const range = values[at + 1]! * pleura + values[at + 2]! + values[at + 3]! * state.breath;
    const rowPosition = range * perRow;
    const row = Math.floor(rowPosition);
    if (row < 0 || row >= lastRow) continue;
    const below = rowPosition - row;
    let amplitude = values[at + 4]!;
    let turn = values[at + 5]! * phasePerRadian;
    if ((kind & INTERFACE) !== 0)
      amplitude *= values[at + 1]! > 1 ? specular[column]! ** 2 : specular[column]!;
    else turn += range * phasePerMm;
    if (range > shadowFromMm[column]!) amplitude *= shadowGain[column]!;
    const angle = turn & (TABLE - 1);
    const re = amplitude * COSINES[angle]!;
    // cos(x − π/2) = sin(x)
    const im = amplitude * COSINES[(angle + (3 * TABLE) / 4) & (TABLE - 1)]!;
    const index = row * columns + column;
    const w00 = (1 - below) * (1 - right);
    const w01 = (1 - below) * right;
    const w10 = below * (1 - right);
    const w11 = below * right;
    real[index]! += re * w00;
    real[index + 1]! += re * w01;
    real[index + columns]! += re * w10;
    real[index + columns + 1]! += re * w11;
    imaginary[index]! += im * w00;
    imaginary[index + 1]! += im * w01;
    imaginary[index + columns]! += im * w10;
    imaginary[index + columns + 1]! += im * w11;
  }
}

/** Millimetres between neighbouring beams at a range. */
export function beamSpacingMm(grid: BeamGrid, rangeMm: number): number {
  return grid.lateralStepMm * lateralScale(grid, rangeMm);
}
