/**
 * Bootstrap intervals that respect groups: whole groups (patients) are drawn with replacement, because clips of one
 * patient are no independent evidence. Predictions stay as they are, so an interval tells how much the score
 * depends on who happened to be tested, not on who was trained on or on the seed of pretraining.
 * Percentile method (Efron & Tibshirani 1993, ch. 13); two sets of predictions on the same clips are compared on
 * the same draws (paired), which removes what both share: the difficulty of the patients drawn.
 */
import { UsclError } from '../base/errors.ts';
import { randomAt } from '../base/random.ts';
import { SCORE_NAMES, scoresOfConfusion, type ScoreName } from './metrics.ts';

/** Confusion counts [groups, seeds, classes, classes] (truth, then predicted) of one set of predictions. */
export interface GroupedCounts {
  readonly groups: number;
  readonly seeds: number;
  readonly classes: number;
  readonly counts: Float64Array;
}

export interface BootstrapOptions {
  /** Default 2000. */
  readonly resamples?: number;
  /** Default 0. */
  readonly seed?: number;
  /** Probability the interval should hold. Default 0.95. */
  readonly confidence?: number;
}

export type Interval = readonly [low: number, high: number];

export interface PairedDifference {
  /** Interval of score(a) − score(b). */
  readonly interval: Interval;
  /** Share of draws in which a scored above b, ties counted half. */
  readonly aboveZero: number;
}

/** Empty counts to be filled with `addCount`. */
export function groupedCounts(groups: number, seeds: number, classes: number): GroupedCounts {
  return { groups, seeds, classes, counts: new Float64Array(groups * seeds * classes * classes) };
}

/** Counts `count` rows of one group and seed with this truth and prediction. */
export function addCount(
  into: GroupedCounts,
  group: number,
  seed: number,
  truth: number,
  predicted: number,
  count = 1,
): void {
  const { seeds, classes } = into;
  into.counts[((group * seeds + seed) * classes + truth) * classes + predicted]! += count;
}

/** Confusion [classes, classes] of one seed over all groups. */
export function confusionOfSeed(from: GroupedCounts, seed: number): Float64Array {
  const cells = from.classes * from.classes;
  const total = new Float64Array(cells);
  for (let group = 0; group < from.groups; group++) {
    const start = (group * from.seeds + seed) * cells;
    for (let i = 0; i < cells; i++) total[i]! += from.counts[start + i]!;
  }
  return total;
}

/**
 * Interval of each score, averaged over seeds within a draw.
 * @throws UsclError `BOOTSTRAP_INPUT` with fewer than two groups or impossible options.
 */
export function bootstrapIntervals(
  counts: GroupedCounts,
  options: BootstrapOptions = {},
): Record<ScoreName, Interval> {
  const [draws] = drawScores([counts], options);
  return eachScore((name) => percentileInterval(draws![name], options.confidence));
}

/**
 * Paired difference a − b of each score on the same draws. Both must count the same groups in the same order.
 * @throws UsclError `BOOTSTRAP_INPUT` as above, or when the two do not match.
 */
export function pairedBootstrap(
  a: GroupedCounts,
  b: GroupedCounts,
  options: BootstrapOptions = {},
): Record<ScoreName, PairedDifference> {
  if (a.groups !== b.groups || a.classes !== b.classes) {
    throw bootstrapError('The two sets of predictions do not cover the same groups and classes.');
  }
  const [drawsA, drawsB] = drawScores([a, b], options);
  return eachScore((name) => {
    const other = drawsB![name];
    const difference = drawsA![name].map((value, i) => value - other[i]!);
    let above = 0;
    for (const value of difference) above += value > 0 ? 1 : value === 0 ? 0.5 : 0;
    return {
      interval: percentileInterval(difference, options.confidence),
      aboveZero: above / difference.length,
    };
  });
}

/** Calls `make` for every score. */
export function eachScore<T>(make: (name: ScoreName) => T): Record<ScoreName, T> {
  return { accuracy: make('accuracy'), balancedAccuracy: make('balancedAccuracy'), macroF1: make('macroF1') };
}

/** Scores of every resample, the same groups drawn for all sets. */
function drawScores(
  sets: readonly GroupedCounts[],
  options: BootstrapOptions,
): Record<ScoreName, Float64Array>[] {
  const { resamples = 2000, seed = 0, confidence = 0.95 } = options;
  const groups = sets[0]!.groups;
  if (groups < 2) throw bootstrapError(`An interval over groups needs at least 2 groups, got ${groups}.`);
  if (!Number.isInteger(resamples) || resamples < 1) {
    throw bootstrapError(`The number of resamples must be a whole number of at least 1, not ${resamples}.`);
  }
  if (!(confidence > 0 && confidence < 1)) {
    throw bootstrapError(`The confidence must lie between 0 and 1, not ${confidence}.`);
  }
  const random = randomAt(seed, 'bootstrap', groups);
  const times = new Float64Array(groups);
  const results = sets.map(() => eachScore(() => new Float64Array(resamples)));
  for (let draw = 0; draw < resamples; draw++) {
    times.fill(0);
    for (let i = 0; i < groups; i++) times[random.integer(groups)]! += 1;
    sets.forEach((set, s) => {
      addDraw(set, times, results[s]!, draw);
    });
  }
  return results;
}

/** Writes the scores of one draw (how often each group was drawn), averaged over seeds. */
function addDraw(
  set: GroupedCounts,
  times: Float64Array,
  into: Record<ScoreName, Float64Array>,
  draw: number,
): void {
  const cells = set.classes * set.classes;
  const stride = set.seeds * cells;
  const drawn = new Float64Array(stride);
  for (let group = 0; group < set.groups; group++) {
    const factor = times[group]!;
    if (factor === 0) continue;
    for (let i = 0; i < stride; i++) drawn[i]! += factor * set.counts[group * stride + i]!;
  }
  for (let seed = 0; seed < set.seeds; seed++) {
    const scores = scoresOfConfusion(drawn.subarray(seed * cells, (seed + 1) * cells), set.classes);
    for (const name of SCORE_NAMES) into[name][draw]! += scores[name] / set.seeds;
  }
}

function percentileInterval(values: Float64Array, confidence = 0.95): Interval {
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

function bootstrapError(message: string): UsclError {
  return new UsclError({
    kind: 'data',
    code: 'BOOTSTRAP_INPUT',
    message,
    remedy:
      'Compare predictions on the same clips of at least two groups, with the default 2000 resamples at 0.95.',
  });
}
