import { describe, expect, it } from 'vitest';
import { beamGrid, incidence } from '../../src/phantom/geometry.ts';
import type { ProbeParameters } from '../../src/phantom/parameters.ts';
import { convert, scanTable, toBeam } from '../../src/phantom/scan-convert.ts';
import { CONVEX, PLAIN, SECTOR } from './helpers.ts';

/** The picture of a uniformly white field. */
function mask(probe: ProbeParameters): { covered: (x: number, y: number) => boolean; share: number } {
  const parameters = { ...PLAIN, probe };
  const grid = beamGrid(parameters);
  const grey = new Float32Array(grid.samples * grid.beams).fill(255);
  const picture = convert(scanTable(parameters, grid), grid, grey);
  const { size } = parameters;
  for (const value of picture) expect([0, 255]).toContain(value);
  return {
    covered: (x, y) => picture[y * size + x] === 255,
    share: picture.filter((value) => value > 0).length / picture.length,
  };
}

/** Area of the fan over that of the picture, whose side is the fan's larger extent. */
function expectedShare(probe: ProbeParameters, depth: number): number {
  if (probe.shape === 'linear') return probe.widthMm / depth;
  const half = (probe.fieldOfViewDeg * Math.PI) / 360;
  const { radiusMm: r } = probe;
  const area = half * ((r + depth) ** 2 - r ** 2);
  const side = Math.max(2 * (r + depth) * Math.sin(half), depth + r * (1 - Math.cos(half)));
  return area / side ** 2;
}

describe('scan conversion', () => {
  it.each([
    ['linear', PLAIN.probe],
    ['convex', CONVEX],
    ['sector', SECTOR],
  ] as const)('covers the fan of a %s probe and nothing else', (_, probe) => {
    const { covered, share } = mask(probe);
    expect(share).toBeCloseTo(expectedShare(probe, PLAIN.display.depthMm), 1);
    for (const [x, y] of [
      [0, 0],
      [95, 0],
      [0, 95],
      [95, 95],
    ] as const) {
      expect(covered(x, y)).toBe(false);
    }
    for (let y = 0; y < 96; y++) {
      for (let x = 0; x < 48; x++) expect(covered(x, y)).toBe(covered(95 - x, y));
    }
  });

  it('puts a range at its distance from the curved face, in every direction', () => {
    const grid = beamGrid({ ...PLAIN, probe: CONVEX });
    for (const angle of [-0.4, 0, 0.3]) {
      for (const range of [0, 25, 80]) {
        const radius = CONVEX.radiusMm + range;
        const [lateral, found] = toBeam(
          grid,
          radius * Math.sin(angle),
          radius * Math.cos(angle) - CONVEX.radiusMm,
        );
        expect(found).toBeCloseTo(range, 9);
        expect(lateral).toBeCloseTo(angle * (CONVEX.radiusMm + PLAIN.wall.pleuraMm), 9);
      }
    }
  });

  it('keeps gradients: a ramp over range stays a ramp down the middle of the picture', () => {
    const grid = beamGrid(PLAIN);
    const grey = new Float32Array(grid.samples * grid.beams);
    for (let i = 0; i < grey.length; i++) grey[i] = (255 * Math.floor(i / grid.beams)) / (grid.samples - 1);
    const picture = convert(scanTable(PLAIN, grid), grid, grey);
    for (let y = 1; y < 95; y++) {
      expect(Math.abs(picture[y * 96 + 48]! - (255 * (y + 0.5)) / 96)).toBeLessThan(1);
    }
  });
});

describe('specular echoes', () => {
  it('are strongest at right angles', () => {
    const grid = beamGrid(PLAIN);
    const at = (degrees: number) =>
      incidence(grid, (lateral) => 20 + lateral * Math.tan((degrees * Math.PI) / 180), 0);
    expect(at(0)).toBeCloseTo(1, 6);
    expect(at(18)).toBeCloseTo(0.12 + 0.88 / Math.E, 6);
    expect(at(-18)).toBeCloseTo(at(18), 9);
    expect(at(60)).toBeLessThan(0.13);
  });
});
