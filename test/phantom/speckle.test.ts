import { describe, expect, it } from 'vitest';
import { randomAt } from '../../src/base/random.ts';
import { beamWidthMm, blur, pointSpread } from '../../src/phantom/beam.ts';
import { beamGrid } from '../../src/phantom/geometry.ts';
import { paintRegion } from '../../src/phantom/paint.ts';
import type { ClipParameters } from '../../src/phantom/parameters.ts';
import { compress, createReceiver, detect } from '../../src/phantom/receive.ts';
import { addEchoes, createField, MARGIN_BEAMS, SourceCloud } from '../../src/phantom/scatterers.ts';
import { CONVEX, PLAIN, SECTOR } from './helpers.ts';

/** Envelope of a homogeneous block of scatterers that fills the image, [samples, beams]. */
function homogeneous(parameters: ClipParameters): Float32Array {
  const grid = beamGrid(parameters);
  const cloud = new SourceCloud();
  const random = randomAt(parameters.seed, 'test-block');
  paintRegion(
    { cloud, grid, random, limitMm: -grid.lateralStartMm + 10 * grid.lateralStepMm },
    {
      kind: 'wall-diffuse',
      depthMm: parameters.display.depthMm,
      level: () => 0,
      place: (_, depth) => [0, depth, 0],
    },
  );
  const field = createField(grid.samples, grid.beams + 2 * MARGIN_BEAMS);
  const flat = (value: number) => new Float32Array(field.columns).fill(value);
  const state = {
    pleuraMm: flat(20),
    shadowFromMm: flat(Infinity),
    shadowGain: flat(1),
    incidence: flat(1),
    slideMm: 0,
    lateralMm: 0,
    breath: 0,
  };
  const spread = pointSpread(parameters.probe, grid);
  addEchoes(field, grid, cloud, state, parameters.probe.frequencyMHz);
  blur(field, createField(grid.samples, grid.beams + 2 * MARGIN_BEAMS), spread);
  const envelope = new Float32Array(grid.samples * grid.beams);
  detect(field, createReceiver(parameters, grid, spread, random), grid, random, envelope);
  return envelope;
}

/** Mean power in dB of each row, without the outermost rows, where the kernel meets the edge. */
function powerByRange(parameters: ClipParameters): { range: number; db: number }[] {
  const grid = beamGrid(parameters);
  const envelope = homogeneous(parameters);
  return Array.from({ length: grid.samples - 12 }, (_, i) => {
    const row = i + 6;
    const beams = envelope.subarray(row * grid.beams, (row + 1) * grid.beams);
    return {
      range: row * grid.rangeStepMm,
      db: 10 * Math.log10(beams.reduce((sum, value) => sum + value * value, 0) / grid.beams),
    };
  });
}

/** Least-squares slope in dB a centimetre. */
function slope(points: readonly { range: number; db: number }[]): number {
  const x = points.reduce((sum, point) => sum + point.range, 0) / points.length;
  const y = points.reduce((sum, point) => sum + point.db, 0) / points.length;
  const top = points.reduce((sum, point) => sum + (point.range - x) * (point.db - y), 0);
  return (10 * top) / points.reduce((sum, point) => sum + (point.range - x) ** 2, 0);
}

describe('speckle', () => {
  const probes = [
    ['linear', PLAIN.probe],
    ['convex', CONVEX],
    ['sector', SECTOR],
  ] as const;
  it.each(probes)('of a homogeneous block is Rayleigh: mean / sd = 1.913 (%s probe)', (_, probe) => {
    const parameters = { ...PLAIN, probe, size: 128 };
    const grid = beamGrid(parameters);
    const values = homogeneous(parameters).subarray(6 * grid.beams, (grid.samples - 6) * grid.beams);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
    expect(mean / Math.sqrt(variance)).toBeGreaterThan(1.84);
    expect(mean / Math.sqrt(variance)).toBeLessThan(1.98);
  });

  it.each(probes)('has the same level at all depths without attenuation: 0 dB (%s probe)', (_, probe) => {
    const points = powerByRange({ ...PLAIN, probe, size: 128 });
    const mean = points.reduce((sum, point) => sum + point.db, 0) / points.length;
    expect(Math.abs(mean)).toBeLessThan(1);
    expect(Math.abs(slope(points))).toBeLessThan(0.2);
  });

  it('falls with depth by 2 · α · f, and compensation with the right α takes that back', () => {
    const wall = { ...PLAIN.wall, attenuationDbPerCmMHz: 0.6 };
    const lossy = { ...PLAIN, size: 128, wall };
    // 2 · 0.6 dB/(cm MHz) · 5 MHz
    expect(slope(powerByRange(lossy))).toBeCloseTo(-6, 0);
    expect(slope(powerByRange(lossy))).toBeGreaterThan(-6.2);
    const display = { ...PLAIN.display, tgcDbPerCmMHz: 0.6 };
    expect(Math.abs(slope(powerByRange({ ...lossy, display })))).toBeLessThan(0.2);
  });

  it('drowns in electronic noise at depth, which compensation lifts', () => {
    const wall = { ...PLAIN.wall, attenuationDbPerCmMHz: 0.6 };
    const display = { ...PLAIN.display, tgcDbPerCmMHz: 0.6, noiseDb: -30 };
    const points = powerByRange({ ...PLAIN, size: 128, wall, display });
    // Beyond 5 cm the echo is below −30 dB, so what compensation shows rises at its own 6 dB/cm.
    expect(slope(points.filter((point) => point.range > 65))).toBeGreaterThan(4.5);
    expect(Math.abs(slope(points.filter((point) => point.range < 30)))).toBeLessThan(1);
  });
});

describe('the point-spread function', () => {
  it('is narrowest at the focus, by the formula 1.2 λ F / D', () => {
    const { focusMm, apertureMm, frequencyMHz } = CONVEX;
    expect(beamWidthMm(CONVEX, focusMm)).toBeCloseTo((1.2 * 1.54 * focusMm) / frequencyMHz / apertureMm, 6);
    for (const distance of [10, 20]) {
      expect(beamWidthMm(CONVEX, focusMm + distance)).toBeGreaterThan(beamWidthMm(CONVEX, focusMm));
      expect(beamWidthMm(CONVEX, focusMm - distance)).toBeGreaterThan(beamWidthMm(CONVEX, focusMm));
    }
  });

  it('keeps the power of white echoes: kernels of unit energy', () => {
    const { axial, lateral } = pointSpread(SECTOR, beamGrid({ ...PLAIN, probe: SECTOR }));
    expect(axial.reduce((sum, value) => sum + value * value, 0)).toBeCloseTo(1, 5);
    for (const half of lateral) {
      const energy = half.reduce((sum, value, i) => sum + (i === 0 ? 1 : 2) * value * value, 0);
      expect(energy).toBeCloseTo(1, 5);
    }
  });
});

describe('log compression', () => {
  const levels = [23, 23 - 30, 23 - 60, 23 - 80];
  const envelope = Float32Array.from(levels, (db) => Math.pow(10, db / 20));

  it('maps the dynamic range to 0–255, linearly in dB', () => {
    const grey = new Float32Array(4);
    compress(envelope, PLAIN.display, grey, true);
    expect(grey[0]).toBeCloseTo(255, 1);
    expect(grey[1]).toBeCloseTo(127.5, 1);
    expect(grey[2]).toBeCloseTo(0, 1);
    expect(grey[3]).toBe(0);
  });

  it('bends the grey map by gamma and mixes in the frame before by persistence', () => {
    const grey = new Float32Array(4).fill(100);
    compress(envelope, { ...PLAIN.display, gamma: 2, persistence: 0.25 }, grey, false);
    expect(grey[1]).toBeCloseTo(0.25 * 100 + 0.75 * 63.75, 1);
    expect(grey[3]).toBeCloseTo(25, 3);
  });
});
