/**
 * One clip from its parameters: build the echo sources once, then for each frame move them, add their echoes, blur by
 * the point-spread function, receive, compress, and convert to a picture. A pure function: same parameters, same bytes.
 */
import { type Random, randomAt } from '../base/random.ts';
import { blur, pointSpread } from './beam.ts';
import { type BeamGrid, beamGrid, incidence, pleuraRange } from './geometry.ts';
import { paintAeratedLung, paintConsolidation } from './lung.ts';
import type { ClipParameters, MotionParameters } from './parameters.ts';
import { compress, createReceiver, detect, twoWayLossDb } from './receive.ts';
import {
  addEchoes,
  type BeamState,
  columnLateral,
  createField,
  MARGIN_BEAMS,
  SourceCloud,
} from './scatterers.ts';
import { convert, scanTable } from './scan-convert.ts';
import { smoothNoise } from './texture.ts';
import { castShadows, paintWall } from './wall.ts';

/** Persistence needs a past; two frames of it leave at most a quarter of the first one's weight. */
const PAST_FRAMES = 2;

/** Frames of the clip, each [size, size] 8-bit grey, row-major; pixels outside the fan are 0. */
export function simulateClip(parameters: ClipParameters): Uint8Array[] {
  const grid = beamGrid(parameters);
  const table = scanTable(parameters, grid);
  const grey = new Float32Array(grid.samples * grid.beams);
  const past = parameters.display.persistence > 0 ? PAST_FRAMES : 0;
  const pictures: Uint8Array[] = [];
  let frame = -past;
  for (const envelope of simulateEnvelopes(parameters, past)) {
    compress(envelope, parameters.display, grey, frame === -past);
    if (frame >= 0) pictures.push(convert(table, grid, grey));
    frame++;
  }
  return pictures;
}

/**
 * The detected echoes of each frame before compression: linear amplitude, [samples, beams] of `beamGrid(parameters)`.
 * Begins `past` frames before the clip. The array is reused: copy what is to be kept.
 */
export function* simulateEnvelopes(parameters: ClipParameters, past = 0): Generator<Float32Array, void> {
  const { seed, realisation, frames, fps } = parameters;
  const stream = (purpose: string, ...address: number[]) =>
    randomAt(seed, `phantom-${purpose}`, realisation, ...address);
  const grid = beamGrid(parameters);
  const spread = pointSpread(parameters.probe, grid);
  const receiver = createReceiver(parameters, grid, spread, stream('receiver'));
  const pleura = pleuraRange(parameters, grid, stream('pleura'));
  const posture = motionOf(parameters.motion, stream('motion'), frames / fps);
  const cloud = buildSources(parameters, grid, pleura, stream('anatomy'));
  const columns = grid.beams + 2 * MARGIN_BEAMS;
  const field = createField(grid.samples, columns);
  const scratch = createField(grid.samples, columns);
  const envelope = new Float32Array(grid.samples * grid.beams);
  for (let frame = -past; frame < frames; frame++) {
    const state = stateOf(parameters, grid, pleura, posture(frame / fps));
    addEchoes(field, grid, cloud, state, parameters.probe.frequencyMHz);
    blur(field, scratch, spread);
    detect(field, receiver, grid, stream('grain', frame), envelope);
    yield envelope;
  }
}

function buildSources(
  parameters: ClipParameters,
  grid: BeamGrid,
  pleura: (lateralMm: number) => number,
  random: Random,
): SourceCloud {
  const { wall, lung, consolidation, display, motion, probe } = parameters;
  const cloud = new SourceCloud();
  const half = -grid.lateralStartMm;
  const travel = Math.abs(motion.slideMm) / 2 + 3 * motion.tremorMm[0];
  const limitMm = half + MARGIN_BEAMS * grid.lateralStepMm + travel;
  const canvas = { cloud, grid, random, limitMm };
  paintWall(canvas, wall);
  let shallowest = Infinity;
  for (let lateral = -half; lateral <= half; lateral += 1) shallowest = Math.min(shallowest, pleura(lateral));
  // A little more than the image holds, because the pleura rises with the breath.
  const depthMm = display.depthMm - shallowest + 2;
  if (consolidation === null) paintAeratedLung(canvas, wall, lung, depthMm);
  else {
    const fluidGainDbPerMm = twoWayLossDb(wall.attenuationDbPerCmMHz, probe.frequencyMHz, 1);
    paintConsolidation(canvas, lung, consolidation, { halfWidthMm: half, depthMm, fluidGainDbPerMm });
  }
  return cloud;
}

function stateOf(
  parameters: ClipParameters,
  grid: BeamGrid,
  pleura: (lateralMm: number) => number,
  posture: Posture,
): BeamState {
  const columns = grid.beams + 2 * MARGIN_BEAMS;
  const state = {
    ...posture,
    pleuraMm: new Float32Array(columns),
    incidence: new Float32Array(columns),
    shadowFromMm: new Float32Array(columns),
    shadowGain: new Float32Array(columns),
  };
  for (let column = 0; column < columns; column++) {
    const lateral = columnLateral(grid, column) - posture.lateralMm;
    state.pleuraMm[column] = pleura(lateral) + posture.pleuraMm;
    state.incidence[column] = incidence(grid, pleura, lateral);
  }
  castShadows(grid, parameters.wall.ribs, posture.lateralMm, state);
  return state;
}

/** State of motion in one frame: breathing (lung sliding, depth of the pleura, an effusion), heart, hand. */
interface Posture {
  /** Shift of the lung along the chest wall. */
  readonly slideMm: number;
  /** Change of the pleura's depth. */
  readonly pleuraMm: number;
  /** Shift of everything under the probe along the skin. */
  readonly lateralMm: number;
  /** Phase of the breath, −0.5 (expired) to 0.5 (inspired). */
  readonly breath: number;
}

/**
 * Motion as a function of time in seconds. A breath rises faster than it falls (inspiration takes about 40 % of it);
 * the heart adds a small beat; the hand wanders smoothly, with a correlation time of 0.35 s.
 */
function motionOf(motion: MotionParameters, random: Random, durationS: number): (timeS: number) => Posture {
  const lateral = smoothNoise(random, 0, Math.max(durationS, 0.1), 0.35);
  const axial = smoothNoise(random, 0, Math.max(durationS, 0.1), 0.35);
  return (timeS) => {
    const breath = breathAt(timeS / motion.breathPeriodS + motion.breathPhase);
    const beat = Math.sin(2 * Math.PI * (timeS * motion.heartRateHz + motion.heartPhase));
    return {
      slideMm: motion.slideMm * breath,
      pleuraMm: motion.pleuraMm * breath + motion.heartMm * beat + motion.tremorMm[1] * axial(timeS),
      lateralMm: motion.tremorMm[0] * lateral(timeS),
      breath,
    };
  };
}

const INSPIRATION = 0.4;

function breathAt(phase: number): number {
  const cycle = phase - Math.floor(phase);
  const rising = cycle < INSPIRATION;
  const share = rising ? cycle / INSPIRATION : (cycle - INSPIRATION) / (1 - INSPIRATION);
  return (rising ? -0.5 : 0.5) * Math.cos(Math.PI * share);
}
