/**
 * Draws the frames and mixing weights of a pair: the sample pair generation (SPG) of USCL (Chen et al., MICCAI
 * 2021). x̃1 = ξ1·x1 + (1 − ξ1)·x2 and x̃3 = ξ2·x3 + (1 − ξ2)·x2 with x2 the anchor and ξ ~ Beta(a, b). The draw is
 * a function of (seed, epoch, clip id) alone.
 */
import { dataError } from '../base/errors.ts';
import { randomAt, type Random } from '../base/random.ts';
import type { ClipRecord } from '../dataset/types.ts';
import type { SpgConfig } from './config.ts';

/** View 0 is weight0·frame0 + (1 − weight0)·anchor, view 1 likewise. */
export interface PairDraw {
  readonly frame0: number;
  readonly frame1: number;
  /** null: nothing is mixed, both weights are 1. */
  readonly anchor: number | null;
  readonly weight0: number;
  readonly weight1: number;
}

/**
 * Draws the frames of a pair, by default at the clip's own address.
 *
 * Three or more frames within reach (the clip, or the window): three different ones, uniformly. Two: one a view, in
 * random order, nothing mixed. One (a still): both views are made of it, nothing mixed. The same holds with SPG off,
 * which never mixes. With `windowSeconds` the window's place in the clip is drawn first, then frames within it.
 *
 * Errors: `VIEW_WINDOW_WITHOUT_RATE` when a window is asked for and a clip of several frames has no frame rate.
 */
export function drawPair(
  clip: Pick<ClipRecord, 'id' | 'frames' | 'fps'>,
  spg: SpgConfig,
  seed: number,
  epoch: number,
  address = clip.id,
): PairDraw {
  const random = randomAt(seed, 'pair-frames', epoch, address);
  const reach = framesInReach(clip, spg.windowSeconds);
  const start = reach < clip.frames ? random.integer(clip.frames - reach + 1) : 0;
  if (reach === 1) return { frame0: start, frame1: start, anchor: null, weight0: 1, weight1: 1 };
  const first = random.integer(reach);
  const second = otherThan(random, reach, first);
  if (!spg.enabled || reach === 2)
    return { frame0: start + first, frame1: start + second, anchor: null, weight0: 1, weight1: 1 };
  const third = otherThanTwo(random, reach, first, second);
  const [x1, x2, x3] =
    spg.anchor === 'middle'
      ? [first, second, third].sort((a, b) => a - b)
      : ([first, second, third] as const);
  const coefficients = randomAt(seed, 'pair-coefficients', epoch, address);
  const weight0 = coefficients.beta(...spg.beta);
  const weight1 = spg.coefficients === 'shared' ? weight0 : coefficients.beta(...spg.beta);
  return { frame0: start + x1!, frame1: start + x3!, anchor: start + x2!, weight0, weight1 };
}

/**
 * Draws `wanted` frames for views of single frames: different ones, uniformly, of the clip or of a window within it (see
 * `drawPair`), at the same address. A clip with fewer frames gives those it has in turn. Error: `VIEW_WINDOW_WITHOUT_RATE`.
 */
export function drawFrames(
  clip: Pick<ClipRecord, 'id' | 'frames' | 'fps'>,
  wanted: number,
  windowSeconds: number | null,
  seed: number,
  epoch: number,
  address = clip.id,
): readonly number[] {
  const random = randomAt(seed, 'view-frames', epoch, address);
  const reach = framesInReach(clip, windowSeconds);
  const start = reach < clip.frames ? random.integer(clip.frames - reach + 1) : 0;
  if (wanted === 1) return [start + random.integer(reach)];
  const order = random.shuffled(Array.from({ length: reach }, (_, i) => start + i));
  return Array.from({ length: wanted }, (_, i) => order[i % reach]!);
}

function framesInReach(
  clip: Pick<ClipRecord, 'id' | 'frames' | 'fps'>,
  windowSeconds: number | null,
): number {
  if (windowSeconds === null || clip.frames === 1) return clip.frames;
  if (clip.fps === null)
    throw dataError(
      'VIEW_WINDOW_WITHOUT_RATE',
      `Clip ${clip.id} has ${clip.frames} frames but no frame rate, so spg.windowSeconds = ${windowSeconds} means nothing for it.`,
      'Ingest the clip with --fps, or set view.spg.windowSeconds=null.',
      { where: `clip ${clip.id}` },
    );
  // The tolerance keeps a window of exactly n frame intervals at n + 1 frames whatever the division rounds to.
  return Math.min(clip.frames, Math.floor(windowSeconds * clip.fps + 1e-6) + 1);
}

/** Uniform in [0, count) without `a`. */
function otherThan(random: Random, count: number, a: number): number {
  const drawn = random.integer(count - 1);
  return drawn < a ? drawn : drawn + 1;
}

function otherThanTwo(random: Random, count: number, a: number, b: number): number {
  let drawn = random.integer(count - 2);
  if (drawn >= Math.min(a, b)) drawn++;
  if (drawn >= Math.max(a, b)) drawn++;
  return drawn;
}
