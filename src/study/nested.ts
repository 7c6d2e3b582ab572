/**
 * Intervals that hold the luck of pretraining and the luck of the patients at once. A draw takes seeds with replacement and,
 * of each target, groups with replacement; two recipes are drawn alike, which pairs them. Of n seeds n − 1 are drawn: n
 * of n would understate the variance by 1/n, which with five seeds is a fifth (Rao & Wu, JASA 1988, 83:231–241). With
 * one seed only groups are drawn, and the interval says nothing of another pretraining.
 */
import { randomAt } from '../base/random.ts';
import { percentileInterval, type Interval } from '../evaluation/scores/resampling.ts';
import { classesOf, type TargetRecord } from './results.ts';

/**
 * Of one recipe on one target: how many clips of each class a group has, and how many of them each seed got right
 * (a mean over foldings and label rates).
 */
export interface Tally {
  readonly groups: number;
  readonly classes: number;
  /** [groups, classes] */
  readonly clips: Float64Array;
  /** Of each seed: [groups, classes]. */
  readonly right: readonly Float64Array[];
}

/** The predictions of one seed: a text of signs for each folding or label rate, which count alike. */
export type SeedPredictions = readonly string[];

/** Counts what each seed got right. Clips that were not tested by every text count nowhere. */
export function tallyOf({ classes, labels, groups }: TargetRecord, seeds: readonly SeedPredictions[]): Tally {
  const truth = classesOf(labels);
  const count = Math.max(...groups) + 1;
  const cells = count * classes.length;
  const said = seeds.map((texts) => texts.map(classesOf));
  const tested = truth.map((label, clip) => label !== null && said.flat().every((one) => one[clip] !== null));
  const clips = new Float64Array(cells);
  truth.forEach((label, clip) => {
    if (tested[clip] === true) clips[groups[clip]! * classes.length + label!]! += 1;
  });
  const right = said.map((texts) => {
    const cellsRight = new Float64Array(cells);
    for (const text of texts)
      truth.forEach((label, clip) => {
        if (tested[clip] === true && text[clip] === label)
          cellsRight[groups[clip]! * classes.length + label!]! += 1 / texts.length;
      });
    return cellsRight;
  });
  return { groups: count, classes: classes.length, clips, right };
}

/** Balanced accuracy where groups and seeds count as often as said: the mean over classes that occur. */
export function balancedAccuracy(
  { groups, classes, clips, right }: Tally,
  times?: Float64Array,
  seeds?: readonly number[],
): number {
  const drawn = seeds ?? right.map((_, seed) => seed);
  let sum = 0;
  let occurring = 0;
  for (let c = 0; c < classes; c++) {
    let all = 0;
    let hits = 0;
    for (let group = 0; group < groups; group++) {
      const weight = times?.[group] ?? 1;
      if (weight === 0) continue;
      const cell = group * classes + c;
      all += weight * clips[cell]!;
      for (const seed of drawn) hits += weight * right[seed]![cell]!;
    }
    if (all === 0) continue;
    occurring += 1;
    sum += hits / (all * drawn.length);
  }
  return sum / occurring;
}

/** How intervals are drawn. */
export interface DrawOptions {
  readonly resamples: number;
  /** Default 0.95. */
  readonly confidence?: number;
}

/** What a draw takes: seeds, the same for all targets, and how often each group of each target counts. */
interface Draw {
  readonly seeds: readonly number[];
  readonly times: readonly Float64Array[];
}

function* draws(seeds: number, groups: readonly number[], { resamples }: DrawOptions): Generator<Draw> {
  const ofSeeds = randomAt(0, 'study-seeds', seeds);
  const ofGroups = groups.map((count, target) => randomAt(0, 'study-groups', target, count));
  for (let i = 0; i < resamples; i++)
    yield {
      seeds: seeds === 1 ? [0] : Array.from({ length: seeds - 1 }, () => ofSeeds.integer(seeds)),
      times: groups.map((count, target) => {
        const times = new Float64Array(count);
        for (let drawn = 0; drawn < count; drawn++) times[ofGroups[target]!.integer(count)]! += 1;
        return times;
      }),
    };
}

/** A number with its interval. */
export interface Estimate {
  readonly value: number;
  readonly interval: Interval;
  /** Standard deviation over draws. */
  readonly error: number;
}

/** A score of one recipe on one target. */
export function scoreOf(tally: Tally, options: DrawOptions): Estimate {
  const values = Float64Array.from(
    draws(tally.right.length, [tally.groups], options),
    ({ seeds, times: [times] }) => balancedAccuracy(tally, times, seeds),
  );
  return estimate(balancedAccuracy(tally), values, options);
}

/** A difference of two recipes, by target and pooled. */
export interface Difference {
  /** a − b on each target. */
  readonly targets: readonly Estimate[];
  /** Mean of the targets, weighted by the inverse of their variances. */
  readonly pooled: Estimate;
  /** Weights of the targets; their sum is 1. */
  readonly weights: readonly number[];
  /** Two-sided, of the pooled difference: twice the smaller share of draws on one side of zero, ties and the estimate included. */
  readonly p: number;
}

/** a − b on several targets, the same draws for both. Both have the same seeds, in the same order. */
export function differenceOf(a: readonly Tally[], b: readonly Tally[], options: DrawOptions): Difference {
  const seeds = a[0]!.right.length;
  const values = a.map(() => new Float64Array(options.resamples));
  let i = 0;
  for (const { seeds: drawn, times } of draws(
    seeds,
    a.map(({ groups }) => groups),
    options,
  )) {
    for (const [target, own] of values.entries())
      own[i] =
        balancedAccuracy(a[target]!, times[target], drawn) -
        balancedAccuracy(b[target]!, times[target], drawn);
    i++;
  }
  const targets = values.map((own, target) =>
    estimate(balancedAccuracy(a[target]!) - balancedAccuracy(b[target]!), own, options),
  );
  const weights = inverseVariance(targets);
  const pooledDraws = Float64Array.from({ length: options.resamples }, (_, draw) =>
    values.reduce((sum, own, target) => sum + weights[target]! * own[draw]!, 0),
  );
  const value = targets.reduce((sum, one, target) => sum + weights[target]! * one.value, 0);
  return { targets, weights, pooled: estimate(value, pooledDraws, options), p: twoSided(pooledDraws) };
}

/** Weights by inverse variance; of a target whose draws do not differ nothing is known, so all then weigh alike. */
function inverseVariance(targets: readonly Estimate[]): readonly number[] {
  const exact = targets.some(({ error }) => error === 0);
  const raw = targets.map(({ error }) => (exact ? 1 : 1 / error ** 2));
  const sum = raw.reduce((total, weight) => total + weight, 0);
  return raw.map((weight) => weight / sum);
}

/** The estimate counts as a draw, so that p is never zero. */
function twoSided(values: Float64Array): number {
  const below = values.filter((value) => value <= 0).length;
  const above = values.filter((value) => value >= 0).length;
  return Math.min(1, (2 * (Math.min(below, above) + 1)) / (values.length + 1));
}

function estimate(value: number, values: Float64Array, { confidence }: DrawOptions): Estimate {
  const mean = values.reduce((sum, one) => sum + one, 0) / values.length;
  const square = values.reduce((sum, one) => sum + (one - mean) ** 2, 0);
  return {
    value,
    interval: percentileInterval(values, confidence),
    error: Math.sqrt(square / (values.length - 1)),
  };
}

/** Holm's step-down correction (Scand. J. Statist. 1979, 6:65–70) of p values, in their order. */
export function holm(values: readonly number[]): readonly number[] {
  const order = [...values.keys()].sort((a, b) => values[a]! - values[b]!);
  const corrected = new Array<number>(values.length);
  let largest = 0;
  order.forEach((at, rank) => {
    largest = Math.max(largest, Math.min(1, (values.length - rank) * values[at]!));
    corrected[at] = largest;
  });
  return corrected;
}

/**
 * Difference that would be found with a probability of 80 % at 5 %, two-sided: 2.8 standard errors (Cohen 1988, ch. 2; the
 * sum of the quantiles 1.96 and 0.84).
 */
export function detectable({ error }: Estimate): number {
  return 2.8 * error;
}
