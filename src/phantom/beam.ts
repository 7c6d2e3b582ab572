/**
 * The point-spread function: a Gaussian pulse along the beam and a Gaussian beam across it, narrowest at the focus.
 * Both kernels have unit energy, so diffuse speckle keeps its level whatever the resolution, as the compensation of a
 * real machine would have it. Separable in beam coordinates: axial once for all rows, lateral with a width per row.
 */
import type { BeamGrid } from './geometry.ts';
import { SOUND_MM_PER_US, type ProbeParameters } from './parameters.ts';
import { beamSpacingMm, type EchoField } from './scatterers.ts';

export interface PointSpread {
  /** Symmetric kernel, odd length, of the pulse in range samples. */
  readonly axial: Float32Array;
  /** A kernel for each row (range), from its centre outwards (the other half is its mirror image). */
  readonly lateral: readonly Float32Array[];
}

/** Full width at half maximum → standard deviation of a Gaussian. */
const PER_FWHM = 1 / 2.3548;
/** Below this width in samples the grid, not the physics, limits resolution (the machine's receive filter). */
const MINIMAL_SIGMA = 0.8;
const MAXIMAL_LATERAL_SIGMA = 5;

/**
 * Pulse–echo length cycles · λ / 2. Lateral width √(w² + s²) with w = 1.2 λ F / D in the focus (amplitude, two-way;
 * Szabo, ch. 6) and, away from it, s = D · |r − F| / (4 F): dynamic receive focusing leaves about a quarter of the
 * geometric spread of the fixed transmit focus.
 */
export function pointSpread(probe: ProbeParameters, grid: BeamGrid): PointSpread {
  const wavelength = SOUND_MM_PER_US / probe.frequencyMHz;
  const axialSigma = Math.max(
    MINIMAL_SIGMA,
    (((probe.pulseCycles * wavelength) / 2) * PER_FWHM) / grid.rangeStepMm,
  );
  const lateral = Array.from({ length: grid.samples }, (_, row) => {
    const range = row * grid.rangeStepMm;
    const sigma = (beamWidthMm(probe, range) * PER_FWHM) / beamSpacingMm(grid, range);
    return halfKernel(Math.min(MAXIMAL_LATERAL_SIGMA, Math.max(MINIMAL_SIGMA, sigma)));
  });
  const half = halfKernel(axialSigma);
  const axial = new Float32Array(2 * half.length - 1);
  for (let i = 0; i < half.length; i++) {
    axial[half.length - 1 + i] = half[i]!;
    axial[half.length - 1 - i] = half[i]!;
  }
  return { axial, lateral };
}

/** Full width at half maximum of the beam at a range, mm. */
export function beamWidthMm(probe: ProbeParameters, rangeMm: number): number {
  const wavelength = SOUND_MM_PER_US / probe.frequencyMHz;
  const focal = (1.2 * wavelength * probe.focusMm) / probe.apertureMm;
  const spread = (probe.apertureMm * Math.abs(rangeMm - probe.focusMm)) / (4 * probe.focusMm);
  return Math.hypot(focal, spread);
}

/** Convolves `field` in place; `scratch` has its shape. The rows' own kernels are used across, zero outside. */
export function blur(field: EchoField, scratch: EchoField, spread: PointSpread): void {
  blurAxially(field.real, scratch.real, field.rows, field.columns, spread.axial);
  blurAxially(field.imaginary, scratch.imaginary, field.rows, field.columns, spread.axial);
  blurLaterally(scratch.real, field.real, field.rows, field.columns, spread.lateral);
  blurLaterally(scratch.imaginary, field.imaginary, field.rows, field.columns, spread.lateral);
}

/** Along the columns of a [rows, columns] array, zero outside; source and target differ. */
export function blurAxially(
  source: Float32Array,
  target: Float32Array,
  rows: number,
  columns: number,
  kernel: Float32Array,
): void {
  const radius = (kernel.length - 1) / 2;
  target.fill(0);
  for (let row = 0; row < rows; row++) {
    const out = row * columns;
    const first = Math.max(-radius, -row);
    const last = Math.min(radius, rows - 1 - row);
    for (let tap = first; tap <= last; tap++) {
      const weight = kernel[tap + radius]!;
      const from = (row + tap) * columns;
      for (let c = 0; c < columns; c++) target[out + c]! += weight * source[from + c]!;
    }
  }
}

function blurLaterally(
  source: Float32Array,
  target: Float32Array,
  rows: number,
  columns: number,
  kernels: readonly Float32Array[],
): void {
  for (let row = 0; row < rows; row++) {
    const kernel = kernels[row]!;
    const start = row * columns;
    const centre = kernel[0]!;
    for (let c = 0; c < columns; c++) target[start + c] = centre * source[start + c]!;
    for (let tap = 1; tap < kernel.length; tap++) {
      const weight = kernel[tap]!;
      for (let c = tap; c < columns; c++) target[start + c]! += weight * source[start + c - tap]!;
      for (let c = 0; c < columns - tap; c++) target[start + c]! += weight * source[start + c + tap]!;
    }
  }
}

/** Gaussian from its centre outwards to 2.5 σ, scaled so that the whole symmetric kernel has Σ k² = 1. */
function halfKernel(sigma: number): Float32Array {
  const radius = Math.max(1, Math.ceil(2.5 * sigma));
  const kernel = new Float32Array(radius + 1);
  let energy = 0;
  for (let i = 0; i <= radius; i++) {
    const value = Math.exp(-0.5 * (i / sigma) ** 2);
    kernel[i] = value;
    energy += (i === 0 ? 1 : 2) * value * value;
  }
  const scale = 1 / Math.sqrt(energy);
  for (let i = 0; i <= radius; i++) kernel[i]! *= scale;
  return kernel;
}
