/**
 * The chest wall: skin, fat and muscle with their fasciae, and ribs with their shadows. It is common to all classes
 * and stays with the probe, while the lung slides below it.
 */
import type { BeamGrid } from './geometry.ts';
import { type Canvas, paintInterface, paintRegion } from './paint.ts';
import { decibels, type RibParameters, type WallParameters } from './parameters.ts';
import { type BeamState, columnLateral } from './scatterers.ts';
import { smoothNoise } from './texture.ts';

/** Muscle and fat are striated along the skin: modulation in dB over depth, correlated over this share of it. */
const STRIATION_DB = 3;
const STRIATION_SHARE = 0.05;

export function paintWall(canvas: Canvas, wall: WallParameters): void {
  const { random, limitMm } = canvas;
  const { pleuraMm } = wall;
  const striation = smoothNoise(random, 0, 1, STRIATION_SHARE);
  const patches = smoothNoise(random, -limitMm, limitMm, 9);
  const waves = wall.layers.map(() => smoothNoise(random, -limitMm, limitMm, 14));
  const layerAt = (lateralMm: number, share: number): number => {
    let found = 0;
    for (let i = 1; i < wall.layers.length; i++) {
      if (share >= wall.layers[i]!.from + WAVE_SHARE * waves[i]!(lateralMm)) found = i;
    }
    return wall.layers[found]?.levelDb ?? 0;
  };
  paintRegion(canvas, {
    kind: 'wall-diffuse',
    depthMm: pleuraMm,
    level: (lateralMm, depthMm) => {
      const share = depthMm / pleuraMm;
      return layerAt(lateralMm, share) + STRIATION_DB * striation(share) + 1.5 * patches(lateralMm);
    },
    place: (_, depthMm) => [depthMm / pleuraMm, 0, 0],
  });
  for (const [i, layer] of wall.layers.entries()) {
    const { fasciaDb, from } = layer;
    if (fasciaDb === null) continue;
    const wave = waves[i]!;
    paintInterface(canvas, {
      kind: 'wall-interface',
      from: -limitMm,
      to: limitMm,
      level: () => fasciaDb,
      place: (lateralMm) => [Math.max(0.01, from + (i === 0 ? 0 : WAVE_SHARE * wave(lateralMm))), 0, 0],
      thicknessMm: 0.8,
      grainDb: 7,
      grainMm: 6,
    });
  }
  for (const rib of wall.ribs) paintRib(canvas, rib);
}

/** Layers undulate by this share of the wall's thickness (standard deviation). */
const WAVE_SHARE = 0.03;

function paintRib(canvas: Canvas, rib: RibParameters): void {
  paintInterface(canvas, {
    kind: 'wall-interface',
    from: rib.lateralMm - rib.halfWidthMm,
    to: rib.lateralMm + rib.halfWidthMm,
    // The cortex turns away from the beam towards the rib's sides.
    level: (lateralMm) => rib.surfaceDb - 10 * ((lateralMm - rib.lateralMm) / rib.halfWidthMm) ** 2,
    place: (lateralMm) => [ribSurface(rib, lateralMm), 0, 0],
    thicknessMm: 1,
    grainDb: 2,
    grainMm: 4,
  });
}

/** Surface of a rib as a share of the pleura's depth: convex towards the probe. */
function ribSurface(rib: RibParameters, lateralMm: number): number {
  return rib.depthShare + 0.15 * ((lateralMm - rib.lateralMm) / rib.halfWidthMm) ** 2;
}

/** Width over which a shadow's edge opens. */
const SHADOW_EDGE_MM = 2;

/** Writes the shadows of the ribs, shifted with the wall by `shiftMm`, into the tables of a frame's state. */
export function castShadows(
  grid: BeamGrid,
  ribs: readonly RibParameters[],
  shiftMm: number,
  state: Pick<BeamState, 'pleuraMm' | 'shadowFromMm' | 'shadowGain'>,
): void {
  const { pleuraMm, shadowFromMm: fromMm, shadowGain: gain } = state;
  fromMm.fill(Infinity);
  gain.fill(1);
  for (const rib of ribs) {
    const passed = decibels(-rib.shadowDb);
    for (let column = 0; column < gain.length; column++) {
      const lateralMm = columnLateral(grid, column) - shiftMm;
      const inside = rib.halfWidthMm - Math.abs(lateralMm - rib.lateralMm);
      if (inside <= 0) continue;
      const share = Math.min(1, inside / SHADOW_EDGE_MM);
      gain[column] = Math.min(gain[column]!, 1 + (passed - 1) * share);
      // Just below the cortex, so that the rib itself is not in its own shadow.
      const surface = ribSurface(rib, lateralMm) * pleuraMm[column]! + 1.5;
      fromMm[column] = Math.min(fromMm[column]!, surface);
    }
  }
}
