/** The two brushes that put echo sources into a cloud: diffuse regions (speckle) and interfaces (lines). */
import type { Random } from '../base/random.ts';
import type { BeamGrid } from './geometry.ts';
import { decibels } from './parameters.ts';
import type { SourceCloud, SourceKind } from './scatterers.ts';
import { smoothNoise } from './texture.ts';

/** What every painter needs. Lateral limits hold the image, the margin and the way the lung slides. */
export interface Canvas {
  readonly cloud: SourceCloud;
  readonly grid: BeamGrid;
  readonly random: Random;
  readonly limitMm: number;
}

/** Scatterers a polar sample; with kernels of 6 to 30 samples, about ten and more a resolution cell. */
const DENSITY = 1.6;
/** Sharing a scatterer among four samples blurs it a little; this much of its power comes through the kernels. */
const SHARED_POWER = 0.85;
/** Sources weaker than this (dB) are left out. */
const FAINTEST = -55;

export interface Region {
  readonly kind: 'wall-diffuse' | 'lung-diffuse';
  /** Depth of the region in mm at the pleura's depth in the middle: rows of jittered cells from 0 to this. */
  readonly depthMm: number;
  /** Level in dB at (lateral, depth). */
  readonly level: (lateralMm: number, depthMm: number) => number;
  /** Where a scatterer at that depth sits: multiple of the pleura's range, offset, swell. */
  readonly place: (
    lateralMm: number,
    depthMm: number,
  ) => readonly [multiple: number, offset: number, swell: number];
}

/** Fills a region with one Gaussian-amplitude scatterer per jittered cell. */
export function paintRegion(canvas: Canvas, region: Region): void {
  const { cloud, grid, random, limitMm } = canvas;
  const lateralCell = grid.lateralStepMm / Math.sqrt(DENSITY);
  const rangeCell = grid.rangeStepMm / Math.sqrt(DENSITY);
  const unit = 1 / Math.sqrt(DENSITY * SHARED_POWER);
  for (let top = 0; top < region.depthMm; top += rangeCell) {
    for (let left = -limitMm; left < limitMm; left += lateralCell) {
      const lateralMm = left + lateralCell * random.uniform();
      const depthMm = top + rangeCell * random.uniform();
      const amplitude = random.normal() * unit;
      const level = region.level(lateralMm, depthMm);
      if (depthMm > region.depthMm || level < FAINTEST) continue;
      const [multiple, offsetMm, swellMm] = region.place(lateralMm, depthMm);
      cloud.add(region.kind, {
        lateralMm,
        multiple,
        offsetMm,
        swellMm,
        amplitude: amplitude * decibels(level),
        phase: 0,
      });
    }
  }
}

export interface Interface {
  /** Diffuse for a rough surface (each point has its own phase), interface for a smooth one. */
  readonly kind: SourceKind;
  readonly from: number;
  readonly to: number;
  readonly level: (lateralMm: number) => number;
  readonly place: (lateralMm: number) => readonly [multiple: number, offset: number, swell: number];
  /** Thickness of the line: its echo is spread over so many mm. */
  readonly thicknessMm: number;
  /** Unevenness of the reflection, standard deviation in dB, and its correlation along the line. */
  readonly grainDb: number;
  readonly grainMm: number;
}

/** Draws a line of points half a beam apart; thick lines are several parallel ones. */
export function paintInterface(canvas: Canvas, line: Interface): void {
  const { cloud, grid, random, limitMm } = canvas;
  const from = Math.max(-limitMm, line.from);
  const to = Math.min(limitMm, line.to);
  if (to <= from) return;
  const step = grid.lateralStepMm / 2;
  const rough = line.kind === 'wall-diffuse' || line.kind === 'lung-diffuse';
  const sheets = Math.max(1, Math.round(line.thicknessMm / grid.rangeStepMm));
  const start = 2 * Math.PI * random.uniform();
  const turn = smoothNoise(random, from, to, 4 * line.grainMm);
  for (let sheet = 0; sheet < sheets; sheet++) {
    const grain = smoothNoise(random, from, to, line.grainMm);
    const depth = sheets === 1 ? 0 : (sheet / (sheets - 1)) * line.thicknessMm;
    const fade = -4 * (sheet / sheets);
    // Neighbouring sheets in quadrature: their powers add, and no line cancels itself.
    const quadrature = (sheet % 2) * (Math.PI / 2);
    for (let lateralMm = from; lateralMm < to; lateralMm += step) {
      const level = line.level(lateralMm) + line.grainDb * grain(lateralMm) + fade;
      if (level < FAINTEST) continue;
      const [multiple, offset, swellMm] = line.place(lateralMm);
      cloud.add(line.kind, {
        lateralMm,
        multiple,
        offsetMm: offset + depth,
        swellMm,
        // Points of a smooth line add up; those of a rough one do not, and each is spread by the kernels.
        amplitude: (decibels(level) * (rough ? 2 : 0.5)) / Math.sqrt(sheets),
        phase: rough ? 2 * Math.PI * random.uniform() : start + quadrature + turn(lateralMm),
      });
    }
  }
}
