import { describe, expect, it } from 'vitest';
import { beamGrid } from '../../src/phantom/geometry.ts';
import type { ClipParameters, StreakParameters } from '../../src/phantom/parameters.ts';
import { simulateClip } from '../../src/phantom/simulate.ts';
import { CONVEX, correlation, envelopes, lineDepths, meanDb, PLAIN } from './helpers.ts';

function first(parameters: ClipParameters): Float32Array {
  return envelopes(parameters)[0]!;
}

/** Mean level over several realisations: a single one has grain along its lines. */
function typicalDb(parameters: ClipParameters, near: number, far: number, from = 0, to = Infinity): number {
  const levels = [1, 2, 3, 4, 5, 6].map((seed) => {
    const clip = { ...parameters, seed };
    return meanDb(clip, first(clip), near, far, from, to);
  });
  return levels.reduce((sum, level) => sum + level, 0) / levels.length;
}

/** The beam nearest to a lateral position. */
function beamAt(parameters: ClipParameters, lateralMm: number): number {
  const grid = beamGrid(parameters);
  return Math.round((lateralMm - grid.lateralStartMm) / grid.lateralStepMm);
}

describe('A-lines', () => {
  it.each([
    ['linear', PLAIN.probe, 20],
    ['convex', CONVEX, 27],
  ] as const)('lie at multiples of the depth of the pleura and fade (%s probe)', (_, probe, pleuraMm) => {
    const parameters = { ...PLAIN, probe, wall: { ...PLAIN.wall, pleuraMm } };
    const envelope = first(parameters);
    const depths = lineDepths(parameters, envelope, 12).filter((depth) => depth > pleuraMm - 3);
    // A line is 1.4 mm thick at the pleura and thicker at each image; its strongest echo lies in it.
    expect(depths).toHaveLength(Math.floor((90 - 2) / pleuraMm));
    for (const [i, depth] of depths.entries()) {
      expect(depth).toBeGreaterThan((i + 1) * pleuraMm - 1);
      expect(depth).toBeLessThan((i + 1) * pleuraMm + 2.2);
    }
    const levels = depths.map((_depth, i) =>
      typicalDb(parameters, (i + 1) * pleuraMm - 1, (i + 1) * pleuraMm + 3),
    );
    for (let i = 1; i < levels.length; i++) expect(levels[i]!).toBeLessThan(levels[i - 1]! - 1);
  });
});

describe('B-lines', () => {
  const streak: StreakParameters = { lateralMm: 5, widthMm: 2.5, levelDb: 5, decayDbPerCm: 0 };
  const withStreak = (changes: Partial<StreakParameters> = {}) => ({
    ...PLAIN,
    label: 'b-lines' as const,
    lung: { ...PLAIN.lung, streaks: [{ ...streak, ...changes }] },
  });
  const beam = beamAt(PLAIN, 5);
  const inside = (parameters: ClipParameters, near: number, far: number) =>
    typicalDb(parameters, near, far, beam - 1, beam + 2);
  const outside = (parameters: ClipParameters, near: number, far: number) =>
    typicalDb(parameters, near, far, 5, beam - 12);

  it('start at the pleura and reach the bottom without fading', () => {
    const parameters = withStreak();
    expect(inside(parameters, 80, 88)).toBeGreaterThan(inside(parameters, 25, 35) - 3);
    expect(inside(parameters, 80, 88)).toBeGreaterThan(outside(parameters, 84, 88) + 12);
    expect(inside(parameters, 5, 17)).toBeLessThan(inside(parameters, 25, 35) - 10);
  });

  it('erase the A-lines they cross', () => {
    const erased = withStreak({ levelDb: -40 });
    expect(inside(erased, 39.5, 42)).toBeLessThan(outside(erased, 39.5, 42) - 10);
  });

  it('differ from comet tails, which fade and erase little', () => {
    const comet = withStreak({ decayDbPerCm: 16 });
    expect(inside(comet, 22, 28)).toBeGreaterThan(outside(comet, 22, 28) + 8);
    expect(Math.abs(inside(comet, 66, 76) - outside(comet, 66, 76))).toBeLessThan(4);
    const faint = withStreak({ levelDb: -40, decayDbPerCm: 16 });
    expect(inside(faint, 39.5, 42)).toBeGreaterThan(outside(faint, 39.5, 42) - 6);
  });
});

describe('consolidation with effusion', () => {
  const parameters: ClipParameters = {
    ...PLAIN,
    label: 'consolidation',
    consolidation: {
      effusionMm: [16, 4],
      effusionSwing: 0,
      thicknessMm: 30,
      shredMm: 0.5,
      tissueDb: -3,
      borderDb: 8,
      bronchograms: [],
    },
  };
  const grid = beamGrid(parameters);

  it('shows an anechoic wedge, tissue below it and little behind the deep border', () => {
    const envelope = first(parameters);
    const left = [6, 14] as const;
    const fluid = meanDb(parameters, envelope, 24, 30, ...left);
    const tissue = meanDb(parameters, envelope, 40, 58, ...left);
    const behind = meanDb(parameters, envelope, 75, 88, ...left);
    expect(fluid).toBeLessThan(tissue - 20);
    expect(behind).toBeLessThan(tissue - 10);
    // The wedge is thinner on the right: tissue where the left still shows fluid.
    expect(meanDb(parameters, envelope, 27, 32, grid.beams - 14, grid.beams - 6)).toBeGreaterThan(fluid + 15);
  });

  it('shows air bronchograms as bright spots in the tissue', () => {
    const spot = { lateralMm: 0, depthShare: 0.5, lengthMm: 6, angleDeg: 0, levelDb: 12 };
    const airy = { ...parameters, consolidation: { ...parameters.consolidation!, bronchograms: [spot] } };
    const beam = beamAt(parameters, 0);
    const near = 20 + 10 + 15 - 2;
    const level = (clip: ClipParameters) => meanDb(clip, first(clip), near, near + 5, beam - 4, beam + 5);
    expect(level(airy)).toBeGreaterThan(level(parameters) + 6);
  });

  it('has no A-lines', () => {
    const depths = lineDepths(parameters, first(parameters), 14);
    expect(depths.filter((depth) => Math.abs(depth - 40) < 2)).toEqual([]);
  });
});

describe('a rib', () => {
  it('shades everything below it', () => {
    const rib = { lateralMm: -8, halfWidthMm: 6, depthShare: 0.6, surfaceDb: 12, shadowDb: 25 };
    const parameters = { ...PLAIN, wall: { ...PLAIN.wall, ribs: [rib] } };
    const beam = beamAt(parameters, -8);
    const shaded = meanDb(parameters, first(parameters), 25, 85, beam - 4, beam + 5);
    expect(shaded).toBeLessThan(meanDb(PLAIN, first(PLAIN), 25, 85, beam - 4, beam + 5) - 15);
    const right = beamAt(parameters, 15);
    expect(meanDb(parameters, first(parameters), 25, 85, right - 4, right + 5)).toBeGreaterThan(shaded + 15);
  });
});

describe('motion', () => {
  /** Half a breath of pure sliding: from full expiration to full inspiration, 6 mm. */
  const sliding: ClipParameters = {
    ...PLAIN,
    frames: 2,
    fps: 1 / 1.6,
    lung: { ...PLAIN.lung, hazeDb: 0, reverberationExtraDb: 60 },
    motion: { ...PLAIN.motion, breathPeriodS: 4, slideMm: 6 },
  };

  it('slides the lung along the wall, speckle and all, and leaves the wall where it is', () => {
    const [before, after] = envelopes(sliding);
    const { beams, samples, rangeStepMm, lateralStepMm } = beamGrid(sliding);
    const rows = (frame: Float32Array, near: number, far: number, shift: number) => {
      const values: number[] = [];
      for (let row = Math.ceil(near / rangeStepMm); row < Math.min(samples, far / rangeStepMm); row++) {
        for (let beam = 20; beam < beams - 20; beam++) values.push(frame[row * beams + beam + shift]!);
      }
      return values;
    };
    const shift = Math.round(6 / lateralStepMm);
    expect(correlation(rows(before!, 2, 16, 0), rows(after!, 2, 16, 0))).toBeGreaterThan(0.999);
    expect(correlation(rows(before!, 26, 80, 0), rows(after!, 26, 80, shift))).toBeGreaterThan(0.85);
    expect(Math.abs(correlation(rows(before!, 26, 80, 0), rows(after!, 26, 80, 0)))).toBeLessThan(0.15);
  });

  it('moves the n-th A-line n times as far as the pleura when the wall thickens', () => {
    const breathing: ClipParameters = {
      ...PLAIN,
      frames: 2,
      fps: 1 / 1.6,
      motion: { ...PLAIN.motion, breathPeriodS: 4, pleuraMm: 2 },
    };
    const [before, after] = envelopes(breathing).map((frame) =>
      lineDepths(breathing, frame, 12).filter((d) => d > 15),
    );
    for (const image of [1, 2, 3]) {
      expect(Math.abs(after![image - 1]! - before![image - 1]! - 2 * image)).toBeLessThan(1.3);
    }
  });

  it('changes the picture from frame to frame', () => {
    const clip = { ...sliding, frames: 6, fps: 10, motion: { ...sliding.motion, breathPhase: 0.1 } };
    const pictures = simulateClip(clip);
    for (let i = 1; i < pictures.length; i++) {
      const changed = pictures[i]!.filter((value, at) => Math.abs(value - pictures[i - 1]![at]!) > 5).length;
      expect(changed / pictures[i]!.length).toBeGreaterThan(0.05);
    }
  });
});
