/**
 * Draws a clip: the patient's variation plus the signs of its class. The signs are those by which lung ultrasound is
 * read (Lichtenstein, Ann Intensive Care 2014; Volpicelli et al., Intensive Care Med 2012): equidistant reverberations
 * that fade; long bright columns from the pleura that do not fade and erase them; tissue with a shredded deep border,
 * air bronchograms and fluid above. Each class also gets what can be mistaken for another.
 */
import { type Random, randomAt } from '../base/random.ts';
import { halfExtentMm } from './geometry.ts';
import { drawMotion, type Patient, PHANTOM_FPS, varyPatient } from './nuisance.ts';
import type {
  ClipParameters,
  ConsolidationParameters,
  LungParameters,
  PhantomClass,
  RibParameters,
  StreakParameters,
} from './parameters.ts';

export interface ClipRequest {
  readonly seed: number;
  /** Identity of the clip, the address of all its randomness. */
  readonly id: string;
  readonly patient: Patient;
  readonly label: PhantomClass;
  readonly frames: number;
  readonly size: number;
}

/** All parameters of a clip; a function of the request alone. */
export function drawClip(request: ClipRequest): ClipParameters {
  const { seed, id, patient, label } = request;
  const random = randomAt(seed, 'phantom-clip', id);
  const varied = varyPatient(patient, random);
  const motion = drawMotion(patient, random);
  const { probe, display, wall } = varied;
  const half = halfExtentMm(probe, wall.pleuraMm);
  const visible = freePositions(wall.ribs, half * 0.85);
  const depthBelowMm = display.depthMm - wall.pleuraMm;
  const base: LungParameters = {
    // However bright the haze, the pleura stands out of it, and with it the first A-line.
    pleuraDb: Math.max(varied.pleuraDb, varied.hazeDb + 19),
    hazeDb: varied.hazeDb,
    hazeDecayDbPerCm: varied.hazeDecayDbPerCm,
    reverberationLossDb: random.between(4, 7),
    reverberationExtraDb: random.between(0, 2),
    streaks: [],
  };
  return {
    label,
    seed,
    realisation: id,
    frames: request.frames,
    fps: PHANTOM_FPS,
    size: request.size,
    probe,
    display,
    wall,
    motion,
    lung: drawLung(random, label, base, visible),
    consolidation: label === 'consolidation' ? drawConsolidation(random, half, depthBelowMm) : null,
  };
}

function drawLung(
  random: Random,
  label: PhantomClass,
  base: LungParameters,
  visible: readonly number[],
): LungParameters {
  switch (label) {
    case 'a-lines':
      // Up to three comet tails: normal, short, and they leave the A-lines alone.
      return { ...base, streaks: drawComets(random, base, visible, random.integer(4)) };
    case 'b-lines':
      return {
        ...base,
        // Between the B-lines faint A-lines may remain.
        reverberationExtraDb: random.uniform() < 0.4 ? random.between(8, 12) : 40,
        streaks: [
          ...drawStreaks(random, base, visible),
          ...drawComets(random, base, visible, random.integer(2)),
        ],
      };
    case 'consolidation':
      return {
        ...base,
        hazeDb: base.hazeDb + random.between(-5, -1),
        streaks: drawComets(random, base, visible, random.integer(4)),
      };
  }
}

/** Three to six B-lines, some of them broad or merged. */
function drawStreaks(random: Random, base: LungParameters, visible: readonly number[]): StreakParameters[] {
  return spread(random, visible, 3 + random.integer(4)).map((lateralMm) => ({
    lateralMm,
    widthMm: random.uniform() < 0.25 ? random.between(4, 8) : random.between(0.8, 3),
    levelDb: base.hazeDb + random.between(6, 12),
    decayDbPerCm: random.between(-0.2, 0.6),
  }));
}

function drawComets(
  random: Random,
  base: LungParameters,
  visible: readonly number[],
  count: number,
): StreakParameters[] {
  return spread(random, visible, count).map((lateralMm) => ({
    lateralMm,
    widthMm: random.between(0.8, 2.5),
    levelDb: base.hazeDb + random.between(7, 13),
    decayDbPerCm: random.between(6, 20),
  }));
}

function drawConsolidation(random: Random, half: number, depthBelowMm: number): ConsolidationParameters {
  const wedge = depthBelowMm * random.between(0.08, 0.3);
  const thin = wedge * random.between(-0.3, 0.7);
  const thicknessMm = depthBelowMm * random.between(0.22, 0.6);
  const tissueDb = random.between(-11, -1);
  const airways = 8 + random.integer(9);
  return {
    effusionMm: random.uniform() < 0.5 ? [wedge, thin] : [thin, wedge],
    effusionSwing: random.between(0.05, 0.35),
    thicknessMm,
    shredMm: thicknessMm * random.between(0.12, 0.25),
    tissueDb,
    borderDb: random.between(-4, 3),
    bronchograms: Array.from({ length: airways }, () => ({
      lateralMm: random.between(-0.85, 0.85) * half,
      depthShare: random.between(0.12, 0.85),
      lengthMm: Math.min(half / 2, random.between(1.5, 9)),
      angleDeg: random.between(-50, 50),
      levelDb: tissueDb + random.between(8, 15),
    })),
  };
}

/** Positions a millimetre apart, within ±`reach`, that no rib shades. */
function freePositions(ribs: readonly RibParameters[], reach: number): number[] {
  const free: number[] = [];
  for (let lateral = -reach; lateral <= reach; lateral += 1) {
    if (ribs.every((rib) => Math.abs(lateral - rib.lateralMm) > rib.halfWidthMm)) free.push(lateral);
  }
  return free.length > 0 ? free : [0];
}

/** `count` positions spread over the free ones: one in each of `count` equal stretches. */
function spread(random: Random, free: readonly number[], count: number): number[] {
  return Array.from({ length: count }, (_, i) => {
    const index = Math.floor(((i + random.between(0.1, 0.9)) * free.length) / count);
    return free[Math.min(free.length - 1, index)] ?? 0;
  });
}
