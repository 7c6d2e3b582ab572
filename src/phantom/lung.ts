/**
 * What lies under the pleura. Aerated lung reflects almost everything: what the picture shows there are artefacts,
 * reverberations between pleura and probe (A-lines) and columns of ringing between fluid and air (comet tails and
 * B-lines; Soldati, Demi et al., J Ultrasound Med 2020). Consolidated lung is tissue, and lets the sound through.
 */
import { type Canvas, paintInterface, paintRegion } from './paint.ts';
import { decibels } from './parameters.ts';
import type { ConsolidationParameters, LungParameters } from './parameters.ts';
import type { StreakParameters, WallParameters } from './parameters.ts';
import { ruggedNoise, smoothNoise } from './texture.ts';

const PLEURA_MM = 1.4;
/** Reverberations fainter than this (dB) are not drawn. */
const FAINTEST_REVERBERATION_DB = -24;

/** Aerated lung: pleural line, haze, reverberations, streaks. `depthMm` is what remains of the image below the pleura. */
export function paintAeratedLung(
  canvas: Canvas,
  wall: WallParameters,
  lung: LungParameters,
  depthMm: number,
): void {
  const { random, limitMm } = canvas;
  const everywhere = { from: -limitMm, to: limitMm };
  paintInterface(canvas, {
    kind: 'lung-interface',
    ...everywhere,
    level: () => lung.pleuraDb,
    place: () => [1, 0, 0],
    thicknessMm: PLEURA_MM,
    grainDb: 4,
    grainMm: 4,
  });
  const flat = (): number => 0;
  paintHaze(canvas, lung, flat, flat, depthMm);
  const reverberation = (level: number, multiple: number, thicknessMm: number, grainMm: number): void => {
    paintInterface(canvas, {
      kind: 'lung-interface',
      ...everywhere,
      level: (lateralMm) => level - eraseDb(lung.streaks, lateralMm),
      place: () => [multiple, 0, 0],
      ...{ thicknessMm, grainDb: 5, grainMm },
    });
  };
  const images = Math.ceil((depthMm + wall.pleuraMm) / (wall.pleuraMm * 0.6));
  for (let image = 2; image <= images; image++) {
    const level = lung.pleuraDb - (image - 1) * lung.reverberationLossDb - lung.reverberationExtraDb;
    if (level < FAINTEST_REVERBERATION_DB) break;
    reverberation(level, image, PLEURA_MM * (1 + 0.25 * (image - 1)), 7);
    // Between the images of the pleura lie the images of the fasciae above it.
    for (const layer of wall.layers) {
      if (layer.fasciaDb === null || layer.from < 0.1) continue;
      const fascia = layer.fasciaDb - (image - 1) * lung.reverberationLossDb - lung.reverberationExtraDb - 6;
      reverberation(fascia, image - 1 + layer.from, PLEURA_MM, 5);
    }
  }
  for (const streak of lung.streaks) paintStreak(canvas, streak, flat, depthMm, random.uniform());
}

/** How much a reverberation loses where a streak has taken the energy that would come back (B-lines erase A-lines). */
function eraseDb(streaks: readonly StreakParameters[], lateralMm: number): number {
  let erased = 0;
  for (const streak of streaks) {
    const distance = (lateralMm - streak.lateralMm) / (streak.widthMm / 2 + 2);
    // Only what rings long takes much: a comet tail of 20 dB/cm erases nothing a centimetre down.
    const strength = 18 / (1 + streak.decayDbPerCm / 2);
    erased = Math.max(erased, strength * Math.exp(-(distance ** 2)));
  }
  return erased;
}

/** Multiple scattering at an air surface: speckle that decays below it. */
function paintHaze(
  canvas: Canvas,
  lung: LungParameters,
  surface: (lateralMm: number) => number,
  swell: (lateralMm: number) => number,
  depthMm: number,
): void {
  const { random, limitMm } = canvas;
  const columns = smoothNoise(random, -limitMm, limitMm, 5);
  paintRegion(canvas, {
    kind: 'lung-diffuse',
    depthMm,
    level: (lateralMm, depth) => {
      const below = depth - surface(lateralMm);
      return below < 0
        ? -Infinity
        : lung.hazeDb - (lung.hazeDecayDbPerCm * below) / 10 + 1.5 * columns(lateralMm);
    },
    place: (lateralMm, depth) => [1, depth, swell(lateralMm)],
  });
}

/** A column of coherent ringing along the beam, from `surface` down: evenly bright, finely barred. */
function paintStreak(
  canvas: Canvas,
  streak: StreakParameters,
  surface: (lateralMm: number) => number,
  depthMm: number,
  phase: number,
): void {
  const { cloud, grid, random } = canvas;
  const strands = Math.max(1, Math.round(streak.widthMm / grid.lateralStepMm));
  const step = grid.rangeStepMm * 0.75;
  for (let strand = 0; strand < strands; strand++) {
    const across = strands === 1 ? 0 : (strand / (strands - 1) - 0.5) * streak.widthMm;
    const lateralMm = streak.lateralMm + across;
    const taper = -6 * ((2 * across) / (streak.widthMm + grid.lateralStepMm)) ** 2;
    let turn = 2 * Math.PI * phase + strand;
    for (let depth = 0; depth < depthMm; depth += step) {
      const level = streak.levelDb + taper - (streak.decayDbPerCm * depth) / 10 + 2 * random.normal();
      turn += 0.45 * random.normal();
      if (level < FAINTEST_REVERBERATION_DB) continue;
      cloud.add('lung-interface', {
        lateralMm,
        multiple: 1,
        offsetMm: surface(lateralMm) + depth,
        swellMm: 0,
        amplitude: decibels(level),
        phase: turn,
      });
    }
  }
}

/** Posterior enhancement below fluid never exceeds this. */
const MAXIMAL_ENHANCEMENT_DB = 6;
/** Echo of the effusion itself. */
const FLUID_DB = -34;

/** Effusion wedge, consolidated lung, its shredded deep border, and the haze of the air behind it. */
export function paintConsolidation(
  canvas: Canvas,
  lung: LungParameters,
  finding: ConsolidationParameters,
  space: {
    /** Half of the image's lateral extent. */
    readonly halfWidthMm: number;
    /** What remains of the image below the pleura. */
    readonly depthMm: number;
    /** What a millimetre of fluid spares the echo, two-way. */
    readonly fluidGainDbPerMm: number;
  },
): void {
  const { random, limitMm } = canvas;
  const { halfWidthMm, depthMm, fluidGainDbPerMm } = space;
  const everywhere = { from: -limitMm, to: limitMm };
  const surfaceWave = smoothNoise(random, -limitMm, limitMm, 12);
  const shred = ruggedNoise(random, -limitMm, limitMm, 12);
  const mottle = smoothNoise(random, -limitMm, limitMm, 6);
  const grain = smoothNoise(random, 0, depthMm, 6);
  const effusion = (lateralMm: number): number => {
    const share = Math.min(1.2, Math.max(-0.2, lateralMm / (2 * halfWidthMm) + 0.5));
    const [left, right] = finding.effusionMm;
    return Math.max(0.3, left + (right - left) * share + 0.8 * surfaceWave(lateralMm));
  };
  const border = (lateralMm: number): number =>
    effusion(lateralMm) + Math.max(4, finding.thicknessMm + finding.shredMm * shred(lateralMm));
  const swell = (lateralMm: number): number => effusion(lateralMm) * finding.effusionSwing;
  const enhancement = (lateralMm: number): number =>
    Math.min(MAXIMAL_ENHANCEMENT_DB, fluidGainDbPerMm * effusion(lateralMm));

  // The parietal pleura stays with the wall; the lung's surface slides under it.
  const leaf = { ...everywhere, thicknessMm: 1, grainDb: 3, grainMm: 4 };
  paintInterface(canvas, {
    ...leaf,
    kind: 'wall-interface',
    level: () => lung.pleuraDb - 5,
    place: () => [1, 0, 0],
  });
  paintInterface(canvas, {
    ...leaf,
    kind: 'lung-interface',
    level: () => lung.pleuraDb - 8,
    place: (lateralMm) => [1, effusion(lateralMm), swell(lateralMm)],
  });
  paintRegion(canvas, {
    kind: 'lung-diffuse',
    depthMm: Math.min(
      depthMm,
      finding.thicknessMm + 4 * finding.shredMm + Math.max(...finding.effusionMm) * 1.5 + 4,
    ),
    level: (lateralMm, depth) => {
      if (depth < effusion(lateralMm)) return FLUID_DB;
      if (depth > border(lateralMm)) return -Infinity;
      return finding.tissueDb + enhancement(lateralMm) + 1.2 * mottle(lateralMm) + 1.2 * grain(depth);
    },
    place: (lateralMm, depth) => [1, depth, depth < effusion(lateralMm) ? 0 : swell(lateralMm)],
  });
  paintInterface(canvas, {
    ...everywhere,
    kind: 'lung-diffuse',
    level: (lateralMm) => finding.borderDb + enhancement(lateralMm),
    place: (lateralMm) => [1, border(lateralMm), swell(lateralMm)],
    thicknessMm: 2,
    grainDb: 9,
    grainMm: 2.5,
  });
  paintHaze(canvas, lung, border, swell, depthMm);
  for (const streak of lung.streaks) paintStreak(canvas, streak, border, depthMm, random.uniform());
  for (const airway of finding.bronchograms) {
    const top = effusion(airway.lateralMm);
    const depth = top + airway.depthShare * (border(airway.lateralMm) - top);
    const run = airway.lengthMm * Math.cos((airway.angleDeg * Math.PI) / 180);
    const slope = Math.tan((airway.angleDeg * Math.PI) / 180);
    paintInterface(canvas, {
      kind: 'lung-diffuse',
      from: airway.lateralMm - run / 2,
      to: airway.lateralMm + run / 2,
      level: () => airway.levelDb,
      place: (lateralMm) => [1, depth + slope * (lateralMm - airway.lateralMm), swell(airway.lateralMm)],
      thicknessMm: 1.6,
      grainDb: 4,
      grainMm: 2,
    });
  }
}
