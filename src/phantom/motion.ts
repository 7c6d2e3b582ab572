/** What moves and when: breathing (lung sliding, depth of the pleura, thickness of an effusion), heart, hand. */
import type { Random } from '../base/random.ts';
import type { MotionParameters } from './parameters.ts';
import { smoothNoise } from './texture.ts';

/** State of motion in one frame. */
export interface Posture {
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
export function motionOf(
  motion: MotionParameters,
  random: Random,
  durationS: number,
): (timeS: number) => Posture {
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
