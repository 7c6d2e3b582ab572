/**
 * Where beams run and where the pleura lies. All simulation happens in beam coordinates (lateral, range): lateral is
 * the arc length at the pleura's depth (for a linear probe simply x), range is the distance from the probe's face
 * along the beam. So moving sideways is a rotation about the centre of the array, and a reverberation between the
 * face and the pleura at range p is at n · p in every beam.
 */
import type { Random } from '../base/random.ts';
import type { ClipParameters, ProbeParameters } from './parameters.ts';
import { smoothNoise } from './texture.ts';

export interface BeamGrid {
  readonly beams: number;
  readonly samples: number;
  /** Lateral distance of neighbouring beams at the pleura's depth. */
  readonly lateralStepMm: number;
  /** Lateral position of beam 0 (negative). */
  readonly lateralStartMm: number;
  readonly rangeStepMm: number;
  /** Array radius; Infinity for a linear probe. */
  readonly radiusMm: number;
  /** Depth at which the lateral coordinate is an arc length. */
  readonly referenceMm: number;
}

/** The sampling follows the picture: about 0.9 beams and 1.6 range samples a pixel. */
export function beamGrid(parameters: ClipParameters): BeamGrid {
  const { probe, display, wall, size } = parameters;
  const beams = Math.max(32, Math.round(0.9 * size));
  const samples = Math.max(48, Math.round(1.6 * size));
  const half = halfExtentMm(probe, wall.pleuraMm);
  return {
    beams,
    samples,
    lateralStepMm: (2 * half) / (beams - 1),
    lateralStartMm: -half,
    rangeStepMm: display.depthMm / (samples - 1),
    radiusMm: probe.shape === 'linear' ? Infinity : probe.radiusMm,
    referenceMm: wall.pleuraMm,
  };
}

/** Half of the image's lateral extent, mm of arc at the pleura's depth. */
export function halfExtentMm(probe: ProbeParameters, pleuraMm: number): number {
  return probe.shape === 'linear'
    ? probe.widthMm / 2
    : (((probe.fieldOfViewDeg / 2) * Math.PI) / 180) * (probe.radiusMm + pleuraMm);
}

/** Angle of a beam from the image's axis in radians; 0 for all beams of a linear probe. */
export function beamAngle(grid: BeamGrid, lateralMm: number): number {
  return Number.isFinite(grid.radiusMm) ? lateralMm / (grid.radiusMm + grid.referenceMm) : 0;
}

/** How much wider (or narrower) a lateral distance is at `rangeMm` than at the pleura's depth. */
export function lateralScale(grid: BeamGrid, rangeMm: number): number {
  return Number.isFinite(grid.radiusMm) ? (grid.radiusMm + rangeMm) / (grid.radiusMm + grid.referenceMm) : 1;
}

/**
 * Range of the pleura as a function of lateral position, at rest: between parallel to the face and flat, tilted,
 * slightly uneven; never nearer than a third of its depth in the middle.
 */
export function pleuraRange(
  parameters: ClipParameters,
  grid: BeamGrid,
  random: Random,
): (lateralMm: number) => number {
  const { wall } = parameters;
  const limit = -grid.lateralStartMm * 1.5;
  const uneven = smoothNoise(random, -limit, limit, 18);
  const slope = Math.tan((wall.tiltDeg * Math.PI) / 180);
  return (lateralMm) => {
    const angle = Math.max(-1.2, Math.min(1.2, beamAngle(grid, lateralMm)));
    const flat = Number.isFinite(grid.radiusMm)
      ? (grid.radiusMm + wall.pleuraMm) / Math.cos(angle) - grid.radiusMm
      : wall.pleuraMm;
    const base = wall.conformity * wall.pleuraMm + (1 - wall.conformity) * flat;
    return Math.max(wall.pleuraMm / 3, base + slope * lateralMm + wall.unevennessMm * uneven(lateralMm));
  };
}

/** Strength of a specular echo by incidence: 1 at right angles, falling like exp(−(ψ/ψ₀)²), ψ₀ = 18°. */
export function incidence(grid: BeamGrid, pleura: (lateralMm: number) => number, lateralMm: number): number {
  const step = 1;
  const rise = (pleura(lateralMm + step) - pleura(lateralMm - step)) / (2 * step);
  const slope = Math.atan(rise / lateralScale(grid, pleura(lateralMm)));
  return 0.12 + 0.88 * Math.exp(-((slope / SPECULAR_WIDTH) ** 2));
}

const SPECULAR_WIDTH = (18 * Math.PI) / 180;
