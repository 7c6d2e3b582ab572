/**
 * From beams to a picture: a table computed once a clip says for every pixel of the fan which four polar samples it
 * mixes and with which weights. Pixels outside the fan are 0.
 */
import { beamAngle, type BeamGrid } from './geometry.ts';
import type { ClipParameters } from './parameters.ts';

export interface ScanTable {
  readonly size: number;
  /** Index of each covered pixel in the picture. */
  readonly pixel: Uint32Array;
  /** Index of the upper left of its four samples in a [samples, beams] array. */
  readonly sample: Uint32Array;
  /** Position between the samples: down the beam and across beams, [pixels, 2]. */
  readonly weight: Float32Array;
}

/** The fan, centred, as large as the square picture allows, then zoomed and shifted as the display says. */
export function scanTable(parameters: ClipParameters, grid: BeamGrid): ScanTable {
  const { display, size } = parameters;
  const extent = fanExtent(grid, display.depthMm);
  const millimetresPerPixel =
    Math.max(2 * extent.halfWidthMm, display.depthMm - extent.topMm) / size / display.zoom;
  const height = (display.depthMm - extent.topMm) / millimetresPerPixel;
  const left = size / 2 + display.offset[0] * size;
  // A fan taller than the picture loses its bottom, never the wall and the pleura.
  const top = Math.max(0, size - height) / 2 + display.offset[1] * size;
  const pixel: number[] = [];
  const sample: number[] = [];
  const weight: number[] = [];
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const xMm = (x + 0.5 - left) * millimetresPerPixel;
      const zMm = (y + 0.5 - top) * millimetresPerPixel + extent.topMm;
      const [lateralMm, rangeMm] = toBeam(grid, xMm, zMm);
      const beam = (lateralMm - grid.lateralStartMm) / grid.lateralStepMm;
      const row = rangeMm / grid.rangeStepMm;
      if (beam < 0 || beam > grid.beams - 1 || row < 0 || row > grid.samples - 1) continue;
      const leftBeam = Math.min(grid.beams - 2, Math.floor(beam));
      const upperRow = Math.min(grid.samples - 2, Math.floor(row));
      pixel.push(y * size + x);
      sample.push(upperRow * grid.beams + leftBeam);
      weight.push(row - upperRow, beam - leftBeam);
    }
  }
  return {
    size,
    pixel: Uint32Array.from(pixel),
    sample: Uint32Array.from(sample),
    weight: Float32Array.from(weight),
  };
}

/** Bilinear in beam coordinates; rounds to 8 bits. `grey` is [samples, beams], the result [size, size]. */
export function convert(table: ScanTable, grid: BeamGrid, grey: Float32Array): Uint8Array {
  const picture = new Uint8Array(table.size * table.size);
  const { beams } = grid;
  for (let i = 0; i < table.pixel.length; i++) {
    const at = table.sample[i]!;
    const down = table.weight[2 * i]!;
    const across = table.weight[2 * i + 1]!;
    const upper = grey[at]! + (grey[at + 1]! - grey[at]!) * across;
    const lower = grey[at + beams]! + (grey[at + beams + 1]! - grey[at + beams]!) * across;
    picture[table.pixel[i]!] = upper + (lower - upper) * down + 0.5;
  }
  return picture;
}

/** Cartesian (x across, z down from the middle of the probe's face) → lateral arc and range, mm. */
export function toBeam(grid: BeamGrid, xMm: number, zMm: number): [lateralMm: number, rangeMm: number] {
  if (!Number.isFinite(grid.radiusMm)) return [xMm, zMm];
  const down = zMm + grid.radiusMm;
  return [Math.atan2(xMm, down) * (grid.radiusMm + grid.referenceMm), Math.hypot(xMm, down) - grid.radiusMm];
}

/** Half width of the fan and its highest point: the outer ends of a curved face lie above its middle (z = 0). */
function fanExtent(grid: BeamGrid, depthMm: number): { halfWidthMm: number; topMm: number } {
  if (!Number.isFinite(grid.radiusMm)) return { halfWidthMm: -grid.lateralStartMm, topMm: 0 };
  const half = -beamAngle(grid, grid.lateralStartMm);
  return {
    halfWidthMm: (grid.radiusMm + depthMm) * Math.sin(half),
    topMm: grid.radiusMm * (Math.cos(half) - 1),
  };
}
