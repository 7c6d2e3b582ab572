/** A clip without nuisance (no noise, no attenuation, no motion, flat anatomy), to see one property at a time. */
import { beamGrid } from '../../src/phantom/geometry.ts';
import type { ClipParameters } from '../../src/phantom/parameters.ts';
import { simulateEnvelopes } from '../../src/phantom/simulate.ts';

export const PLAIN: ClipParameters = {
  label: 'a-lines',
  seed: 11,
  realisation: 'plain',
  frames: 1,
  fps: 10,
  size: 96,
  probe: {
    shape: 'linear',
    radiusMm: 0,
    fieldOfViewDeg: 0,
    widthMm: 50,
    frequencyMHz: 5,
    pulseCycles: 2.5,
    apertureMm: 12,
    focusMm: 30,
  },
  display: {
    depthMm: 90,
    gainDb: 0,
    tgcDbPerCmMHz: 0,
    tgcErrorDb: [],
    dynamicRangeDb: 60,
    gamma: 1,
    noiseDb: -200,
    persistence: 0,
    edgeLossDb: [0, 0],
    contactDb: 0,
    contactMm: 5,
    zoom: 1,
    offset: [0, 0],
  },
  wall: {
    pleuraMm: 20,
    conformity: 1,
    tiltDeg: 0,
    unevennessMm: 0,
    attenuationDbPerCmMHz: 0,
    layers: [{ from: 0, levelDb: -15, fasciaDb: null }],
    ribs: [],
  },
  motion: {
    breathPeriodS: 4,
    breathPhase: 0,
    slideMm: 0,
    pleuraMm: 0,
    heartRateHz: 1,
    heartPhase: 0,
    heartMm: 0,
    tremorMm: [0, 0],
  },
  lung: {
    pleuraDb: 15,
    hazeDb: -20,
    hazeDecayDbPerCm: 0,
    reverberationLossDb: 4,
    reverberationExtraDb: 0,
    streaks: [],
  },
  consolidation: null,
};

export const CONVEX: ClipParameters['probe'] = {
  ...PLAIN.probe,
  shape: 'convex',
  radiusMm: 50,
  fieldOfViewDeg: 60,
  frequencyMHz: 3.5,
  apertureMm: 20,
};

export const SECTOR: ClipParameters['probe'] = {
  ...CONVEX,
  shape: 'sector',
  radiusMm: 10,
  fieldOfViewDeg: 80,
};

/** Copies of all envelopes of a clip. */
export function envelopes(parameters: ClipParameters): Float32Array[] {
  return Array.from(simulateEnvelopes(parameters), (frame) => frame.slice());
}

/** Mean level in dB over beams [from, to) of the rows whose range lies in [near, far) mm. */
export function meanDb(
  parameters: ClipParameters,
  envelope: Float32Array,
  near: number,
  far: number,
  from = 0,
  to = Infinity,
): number {
  const grid = beamGrid(parameters);
  let power = 0;
  let count = 0;
  for (let row = 0; row < grid.samples; row++) {
    const range = row * grid.rangeStepMm;
    if (range < near || range >= far) continue;
    for (let beam = from; beam < Math.min(to, grid.beams); beam++) {
      power += envelope[row * grid.beams + beam]! ** 2;
      count++;
    }
  }
  return 10 * Math.log10(power / count);
}

/** Ranges (mm) of the local maxima of the mean power profile that stand `aboveDb` over its median. */
export function lineDepths(parameters: ClipParameters, envelope: Float32Array, aboveDb: number): number[] {
  const grid = beamGrid(parameters);
  const profile = Array.from({ length: grid.samples }, (_, row) => {
    const beams = envelope.subarray(row * grid.beams, (row + 1) * grid.beams);
    return 10 * Math.log10(beams.reduce((sum, value) => sum + value * value, 1e-30) / grid.beams);
  });
  const floor = [...profile].sort((a, b) => a - b)[Math.floor(profile.length / 2)]!;
  const depths: number[] = [];
  for (let row = 3; row < profile.length - 3; row++) {
    const neighbours = profile.slice(row - 3, row + 4);
    const level = profile[row]!;
    if (level > floor + aboveDb && level >= Math.max(...neighbours)) {
      depths.push(row * grid.rangeStepMm);
    }
  }
  return depths;
}

export function correlation(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [sa, sb, saa, sbb, sab] = [0, 0, 0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    sa += a[i]!;
    sb += b[i]!;
    saa += a[i]! ** 2;
    sbb += b[i]! ** 2;
    sab += a[i]! * b[i]!;
  }
  const n = a.length;
  return (n * sab - sa * sb) / Math.sqrt((n * saa - sa * sa) * (n * sbb - sb * sb));
}
