/**
 * The learning rate as a pure function of the step: warm-up, then constant or cosine (closed form of PyTorch's
 * `CosineAnnealingLR` with η_min = 0), changing once an epoch or once a step. No state, so resuming needs none.
 */
import type { Config } from './config.ts';

/** A point in a run, or the length of it. */
export interface RunTime {
  readonly epoch: number;
  readonly step: number;
}

/**
 * Learning rate at a step and its epoch (both from 0) of a run of `total` epochs and steps.
 *
 * With t the epoch (or step), w the warm-up length and H the horizon:
 * - `linear` warm-up: η·(t + 1)/w for t < w; `hold`: η for t < w;
 * - then `constant`: η; `cosine`: η·(1 + cos(π·min(1, (t − w)/H)))/2.
 */
export function learningRateAt(
  now: RunTime,
  total: RunTime,
  schedule: Config['schedule'],
  peak: number,
): number {
  const { kind, unit, warmup } = schedule;
  const time = now[unit];
  const warm = warmup === 'none' ? 0 : schedule.warmupLength;
  if (time < warm) return warmup === 'linear' ? (peak * (time + 1)) / warm : peak;
  if (kind === 'constant') return peak;
  const horizon = schedule.horizon ?? Math.max(1, total[unit] - warm);
  return (peak * (1 + Math.cos(Math.PI * Math.min(1, (time - warm) / horizon)))) / 2;
}
