/** Smooth one-dimensional random functions: unevenness of interfaces, modulation along lines, tremor in time. */
import type { Random } from '../base/random.ts';

/**
 * Zero-mean, unit-variance random function with the given correlation length, defined on [low, high] and held
 * constant outside. Normal knots, cosine interpolation; the variance lost between knots is restored on average.
 */
export function smoothNoise(
  random: Random,
  low: number,
  high: number,
  correlation: number,
): (x: number) => number {
  const intervals = Math.max(1, Math.ceil((high - low) / correlation));
  const knots = new Float64Array(intervals + 1);
  for (let i = 0; i < knots.length; i++) knots[i] = random.normal() * RESTORE;
  const scale = intervals / (high - low);
  return (x) => {
    const position = Math.min(intervals, Math.max(0, (x - low) * scale));
    const i = Math.min(intervals - 1, Math.floor(position));
    const blend = 0.5 - 0.5 * Math.cos(Math.PI * (position - i));
    return knots[i]! * (1 - blend) + knots[i + 1]! * blend;
  };
}

/** 1/√E[(1 − b)² + b²] for the cosine blend b of a uniform position: E = 3/4. */
const RESTORE = 1 / Math.sqrt(0.75);

/** Two octaves: coarse unevenness with finer teeth on it (weights 0.8 and 0.6, unit variance in all). */
export function ruggedNoise(
  random: Random,
  low: number,
  high: number,
  correlation: number,
): (x: number) => number {
  const coarse = smoothNoise(random, low, high, correlation);
  const fine = smoothNoise(random, low, high, correlation / 3);
  return (x) => 0.8 * coarse(x) + 0.6 * fine(x);
}
