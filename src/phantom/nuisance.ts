/**
 * How much patients and clips differ. A patient fixes probe, machine settings and chest wall; a clip is another
 * position on that patient and varies all of it a little. Ranges are the same for the three classes, so neither
 * brightness nor the shape of the fan says which class a clip is of. Ranges are chosen to look like clinical lung
 * clips (convex, linear and phased probes, 5–16 cm of depth), not fitted to any data set.
 */
import { type Random, randomAt } from '../base/random.ts';
import { halfExtentMm } from './geometry.ts';
import type {
  DisplayParameters,
  MotionParameters,
  ProbeParameters,
  RibParameters,
  WallParameters,
} from './parameters.ts';

/** What all clips of a simulated patient share (before each clip's own variation). */
export interface Patient {
  readonly probe: ProbeParameters;
  readonly display: DisplayParameters;
  readonly wall: WallParameters;
  readonly breathPeriodS: number;
  readonly heartRateHz: number;
  readonly hazeDb: number;
  readonly hazeDecayDbPerCm: number;
  readonly pleuraDb: number;
}

/** Stored frames a second; a breath takes 25 to 45 of them. */
export const PHANTOM_FPS = 10;

export function drawPatient(seed: number, index: number): Patient {
  const random = randomAt(seed, 'phantom-patient', index);
  const shape = pick(random, ['convex', 'convex', 'convex', 'sector', 'linear'] as const);
  const probe = drawProbe(random, shape);
  const pleuraMm = shape === 'linear' ? random.between(10, 20) : random.between(14, 32);
  const depthMm = shape === 'linear' ? pleuraMm + random.between(34, 60) : pleuraMm + random.between(45, 110);
  const attenuation = random.between(0.5, 0.7);
  return {
    probe,
    display: {
      depthMm,
      gainDb: random.between(-15, -2),
      tgcDbPerCmMHz: attenuation * random.between(0.95, 1.05),
      tgcErrorDb: Array.from({ length: 5 }, () => 3 * random.normal()),
      dynamicRangeDb: random.between(48, 72),
      gamma: random.between(0.85, 1.35),
      noiseDb: random.between(-69, -51),
      persistence: random.between(0, 0.5),
      edgeLossDb: [random.between(0, 10), random.between(0, 10)],
      contactDb: random.between(0, 4.5),
      contactMm: random.between(2, 7),
      zoom: shape === 'linear' ? random.between(0.9, 1.05) : random.between(0.85, 1.45),
      offset: [random.between(-0.08, 0.08), random.between(-0.04, 0.04)],
    },
    wall: {
      pleuraMm,
      conformity: random.between(shape === 'sector' ? 0.6 : 0.3, 1),
      tiltDeg: 3 * random.normal(),
      unevennessMm: random.between(0.2, 0.8),
      attenuationDbPerCmMHz: attenuation,
      layers: drawLayers(random),
      ribs: [],
    },
    breathPeriodS: random.between(2.5, 4.5),
    heartRateHz: random.between(1, 1.8),
    hazeDb: random.between(-10, 0),
    hazeDecayDbPerCm: random.between(0.3, 3.5),
    pleuraDb: random.between(10, 16),
  };
}

/** A clip's own probe position and settings: the patient's, varied. */
export function varyPatient(
  patient: Patient,
  random: Random,
): Pick<Patient, 'probe' | 'display' | 'wall' | 'hazeDb' | 'hazeDecayDbPerCm' | 'pleuraDb'> {
  const { display, probe, wall } = patient;
  const pleuraMm = wall.pleuraMm * random.between(0.8, 1.2);
  const half = halfExtentMm(probe, pleuraMm);
  const varied: DisplayParameters = {
    ...display,
    depthMm: display.depthMm * random.between(0.88, 1.12),
    gainDb: display.gainDb + 3 * random.normal(),
    tgcErrorDb: display.tgcErrorDb.map((error) => error + 2 * random.normal()),
    edgeLossDb: [random.between(0, 10), random.between(0, 10)],
    offset: [
      display.offset[0] + random.between(-0.04, 0.04),
      display.offset[1] + random.between(-0.02, 0.06),
    ],
  };
  return {
    probe: { ...probe, focusMm: probe.focusMm * random.between(0.8, 1.2) },
    display: varied,
    wall: {
      ...wall,
      pleuraMm,
      tiltDeg: wall.tiltDeg + 2.5 * random.normal(),
      layers: wall.layers.map((layer) => ({ ...layer, levelDb: layer.levelDb + 1.5 * random.normal() })),
      ribs: drawRibs(random, half),
    },
    hazeDb: patient.hazeDb + 1.5 * random.normal(),
    hazeDecayDbPerCm: Math.max(0.2, patient.hazeDecayDbPerCm + 0.5 * random.normal()),
    pleuraDb: patient.pleuraDb + 1.5 * random.normal(),
  };
}

export function drawMotion(patient: Patient, random: Random): MotionParameters {
  return {
    breathPeriodS: patient.breathPeriodS * random.between(0.9, 1.1),
    breathPhase: random.uniform(),
    slideMm: random.between(5, 14) * (random.uniform() < 0.5 ? -1 : 1),
    pleuraMm: random.between(0.3, 1.5),
    heartRateHz: patient.heartRateHz,
    heartPhase: random.uniform(),
    heartMm: random.between(0.05, 0.3),
    tremorMm: [random.between(0.3, 1.5), random.between(0.1, 0.4)],
  };
}

function drawProbe(random: Random, shape: ProbeParameters['shape']): ProbeParameters {
  switch (shape) {
    case 'convex':
      return {
        shape,
        radiusMm: random.between(38, 60),
        fieldOfViewDeg: random.between(55, 75),
        widthMm: 0,
        frequencyMHz: random.between(2.5, 5),
        pulseCycles: random.between(2, 3.5),
        apertureMm: random.between(14, 24),
        focusMm: random.between(25, 80),
      };
    case 'linear':
      return {
        shape,
        radiusMm: 0,
        fieldOfViewDeg: 0,
        widthMm: random.between(36, 50),
        frequencyMHz: random.between(5, 9),
        pulseCycles: random.between(2, 3.5),
        apertureMm: random.between(8, 14),
        focusMm: random.between(14, 35),
      };
    case 'sector':
      return {
        shape,
        radiusMm: random.between(8, 16),
        fieldOfViewDeg: random.between(65, 88),
        widthMm: 0,
        frequencyMHz: random.between(2, 3.5),
        pulseCycles: random.between(2, 3.5),
        apertureMm: random.between(14, 20),
        focusMm: random.between(40, 90),
      };
  }
}

/** Skin, fat, fascia, muscle, inner fascia; thin or thick, bright or dark. */
function drawLayers(random: Random): WallParameters['layers'] {
  const fat = random.between(0.1, 0.16);
  const muscle = random.between(0.3, 0.6);
  const inner = random.between(0.7, 0.88);
  const fascia = (probability: number): number | null =>
    random.uniform() < probability ? random.between(1, 9) : null;
  return [
    { from: 0, levelDb: random.between(0, 6), fasciaDb: random.between(2, 10) },
    { from: fat, levelDb: random.between(-10, 0), fasciaDb: fascia(0.4) },
    { from: muscle, levelDb: random.between(-4, 3), fasciaDb: fascia(0.9) },
    { from: inner, levelDb: random.between(-15, 2), fasciaDb: fascia(0.6) },
  ];
}

/** No rib (an intercostal view), one at a side or in the middle, or the two of the bat sign. */
function drawRibs(random: Random, half: number): RibParameters[] {
  const spacing = random.between(22, 34);
  const count = random.integer(3);
  // A single rib stays off the middle, where the interfaces face the probe and the signs are.
  const side = random.uniform() < 0.5 ? -1 : 1;
  const centre = count === 1 ? side * random.between(0.35, 0.9) * half : random.between(-0.3, 0.3) * half;
  return Array.from({ length: count }, (_, i) => ({
    lateralMm: count === 1 ? centre : centre + (i - 0.5) * spacing,
    halfWidthMm: random.between(4, 7),
    depthShare: random.between(0.55, 0.72),
    surfaceDb: random.between(7, 14),
    shadowDb: random.between(12, 26),
  }));
}

function pick<T>(random: Random, items: readonly [T, ...T[]]): T {
  return items[random.integer(items.length)] ?? items[0];
}
