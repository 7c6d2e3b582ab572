/**
 * Drawing whole groups (patients) with replacement, and intervals from what the draws gave: percentile method (Efron &
 * Tibshirani 1993, ch. 13). The draws depend on the seed and the number of groups alone, so two sets of predictions
 * with the same groups in the same order are drawn alike, which pairs them.
 */
import { dataError, type UsclError } from '../../base/errors.ts';
import { randomAt } from '../../base/random.ts';

export interface BootstrapOptions {
  /** Default 2000. */
  readonly resamples?: number;
  /** Default 0. */
  readonly seed?: number;
  /** Probability the interval should hold. Default 0.95. */
  readonly confidence?: number;
}

export type Interval = [low: number, high: number];

/**
 * How often every group is drawn [groups], resample after resample; the array is the same every time and must not be
 * kept.
 * @throws UsclError `BOOTSTRAP_INPUT` with fewer than two groups or impossible options.
 */
export function* drawGroups(groups: number, options: BootstrapOptions): Generator<Float64Array, void> {
  const { resamples = 2000, seed = 0 } = options;
  requireOptions(options);
  if (groups < 2) throw bootstrapError(`An interval over groups needs at least 2 groups, got ${groups}.`);
  const random = randomAt(seed, 'bootstrap', groups);
  const times = new Float64Array(groups);
  for (let draw = 0; draw < resamples; draw++) {
    times.fill(0);
    for (let i = 0; i < groups; i++) times[random.integer(groups)]! += 1;
    yield times;
  }
}

/** @throws UsclError `BOOTSTRAP_INPUT` for impossible options. */
export function requireOptions({ resamples = 2000, confidence = 0.95 }: BootstrapOptions): void {
  if (!Number.isInteger(resamples) || resamples < 1) {
    throw bootstrapError(`The number of resamples must be a whole number of at least 1, not ${resamples}.`);
  }
  if (!(confidence > 0 && confidence < 1)) {
    throw bootstrapError(`The confidence must lie between 0 and 1, not ${confidence}.`);
  }
}

/** Interval that holds the middle `confidence` of the values. */
export function percentileInterval(values: Float64Array, confidence = 0.95): Interval {
  const sorted = Float64Array.from(values).sort();
  const tail = (1 - confidence) / 2;
  return [quantile(sorted, tail), quantile(sorted, 1 - tail)];
}

/** Quantile of sorted values, linear between neighbours (numpy's default). */
export function quantile(sorted: Float64Array, share: number): number {
  const at = share * (sorted.length - 1);
  const below = Math.floor(at);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below]! + (at - below) * (sorted[above]! - sorted[below]!);
}

/** The middle value, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  return quantile(Float64Array.from(values).sort(), 0.5);
}

/** A difference of two means of the same numbers in another order: rounding, not a difference. */
const ROUNDING = 1e-12;

/** Share of values above zero, zeros counted half. */
export function shareAboveZero(values: Float64Array): number {
  let above = 0;
  for (const value of values) above += value > ROUNDING ? 1 : value < -ROUNDING ? 0 : 0.5;
  return above / values.length;
}

function bootstrapError(message: string): UsclError {
  return dataError(
    'BOOTSTRAP_INPUT',
    message,
    'Compare predictions on the same clips of at least two groups, with the default 2000 resamples at 0.95.',
  );
}

/** Mean, and sample standard deviation (null for one value). */
export function meanAndDeviation(values: readonly number[]): { mean: number; sd: number | null } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  if (values.length === 1) return { mean, sd: null };
  const square = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, sd: Math.sqrt(square / (values.length - 1)) };
}
