/**
 * Bootstrap intervals that respect groups: whole groups (patients) are drawn with replacement, because clips of one
 * patient are no independent evidence. Predictions stay as they are, so an interval tells how much the score
 * depends on who happened to be tested, not on who was trained on or on the seed of pretraining.
 * Percentile method (Efron & Tibshirani 1993, ch. 13); two sets of predictions on the same clips are compared on
 * the same draws (paired), which removes what both share: the difficulty of the patients drawn.
 */
import { SCORE_NAMES, scoresOfConfusion, type ScoreName } from './metrics.ts';
import {
  bootstrapError,
  drawGroups,
  percentileInterval,
  requireOptions,
  shareAboveZero,
  type BootstrapOptions,
  type Interval,
} from './resampling.ts';

/** Confusion counts [groups, seeds, classes, classes] (truth, then predicted) of one set of predictions. */
export interface GroupedCounts {
  readonly groups: number;
  readonly seeds: number;
  readonly classes: number;
  readonly counts: Float64Array;
}

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
    return {
      interval: percentileInterval(difference, options.confidence),
      aboveZero: shareAboveZero(difference),
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
  requireOptions(options);
  const results = sets.map(() => eachScore(() => new Float64Array(options.resamples ?? 2000)));
  let draw = 0;
  for (const times of drawGroups(sets[0]!.groups, options)) {
    for (const [s, set] of sets.entries()) addDraw(set, times, results[s]!, draw);
    draw++;
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
