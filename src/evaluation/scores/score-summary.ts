/**
 * From vectors of scores (one a seed, one a draw) to what is told: values of each seed, mean, deviation, interval, and
 * a note where something is missing. Used for scores and for differences of scores alike.
 */
import { recordOf } from '../../base/collect.ts';
import { CLASS_SCORES, LEVELS, OVERALL_SCORES } from './evaluation-result.ts';
import type { ClassScore, Level, OverallScore, Score } from './evaluation-result.ts';
import { classAt, overallAt, scoresUnder } from './level-scorer.ts';
import { drawGroups, meanAndDeviation, percentileInterval, type BootstrapOptions } from './resampling.ts';
import type { ScoredRate } from './scored-rate.ts';

/** Vectors of scores of a level. */
export interface LevelVectors {
  /** [seed][score]. */
  readonly perSeed: readonly Float64Array[];
  /** [draw][score], the mean over seeds; empty where groups cannot be drawn. */
  readonly draws: readonly Float64Array[];
  /** Places of scores of a class that one group alone has: drawing groups says nothing about them. */
  readonly ofOneGroup: ReadonlySet<number>;
}

/** Draws after which `drawVectors` stops for a moment. */
export const DRAWS_AT_ONCE = 50;

/** Scores of every level for each seed and each draw; runs on the same groups are drawn alike. */
export function vectorsOf(rate: ScoredRate, options: BootstrapOptions): Record<Level, LevelVectors> {
  const drawing = drawVectors(rate, options);
  for (;;) {
    const step = drawing.next();
    if (step.done === true) return step.value;
  }
}

/** As `vectorsOf`, stopping after every `DRAWS_AT_ONCE` draws for whoever has something else to do. */
export function* drawVectors(
  rate: ScoredRate,
  options: BootstrapOptions,
): Generator<void, Record<Level, LevelVectors>> {
  const once = new Float64Array(rate.groups).fill(1);
  const vectors = recordOf(LEVELS, (level) => ({
    perSeed: rate.levels[level].map(({ scorer }) => scoresUnder(scorer, once)),
    draws: [] as Float64Array[],
    ofOneGroup: scoresOfOneGroup(rate),
  }));
  if (rate.groups < 2) return vectors;
  for (const times of drawGroups(rate.groups, options)) {
    for (const level of LEVELS) {
      const { draws } = vectors[level];
      draws.push(meanVector(rate.levels[level].map(({ scorer }) => scoresUnder(scorer, times))));
    }
    if (vectors.frame.draws.length % DRAWS_AT_ONCE === 0) yield;
  }
  return vectors;
}

/** Places of the scores that rest on one group: all rows of a class, or all rows of other classes, are its. */
function scoresOfOneGroup({ groups, groupsOfClass }: ScoredRate): Set<number> {
  const places = new Set<number>();
  groupsOfClass.forEach((having, c) => {
    const others = groupsOfClass.filter((_, other) => other !== c);
    const othersHaving = new Set(others.flatMap((list) => [...list]));
    if (groups > 1 && having.size === 1) {
      for (const name of CLASS_SCORES) if (name !== 'specificity') places.add(classAt(c, name));
    }
    if (groups > 1 && othersHaving.size === 1) {
      for (const name of ['specificity', 'auroc'] as const) places.add(classAt(c, name));
    }
  });
  return places;
}

/** Mean of each entry; NaN where one of them is. */
export function meanVector(vectors: readonly Float64Array[]): Float64Array {
  return Float64Array.from(vectors[0]!, (_, i) => {
    let sum = 0;
    for (const vector of vectors) sum += vector[i]!;
    return sum / vectors.length;
  });
}

/** Fewest draws, as a share of all, in which a score must be defined for an interval to be made of them. */
const LEAST_DRAWS = 0.5;

/** Summary of the score at `index`; `reason` says why it may not be defined. */
export function summarise(
  { perSeed, draws, ofOneGroup }: LevelVectors,
  index: number,
  confidence: number,
  reason: string,
): Score {
  const values = perSeed.map((vector) => vector[index]!);
  const known = values.filter((value) => !Number.isNaN(value));
  const notes: string[] = [];
  if (known.length < values.length) {
    notes.push(
      reason + (known.length > 0 ? ` (${values.length - known.length} of ${values.length} seeds)` : ''),
    );
  }
  const whole = known.length === values.length;
  const drawn = Float64Array.from(draws, (vector) => vector[index]!).filter((value) => !Number.isNaN(value));
  let interval: Score['interval'] = null;
  if (whole && draws.length === 0) notes.push('no interval: all clips are of one group');
  else if (whole && ofOneGroup.has(index)) notes.push('no interval: it rests on a single group');
  else if (whole && drawn.length < LEAST_DRAWS * draws.length) {
    notes.push(`no interval: defined in ${drawn.length} of ${draws.length} resamples only`);
  } else if (whole) {
    interval = percentileInterval(drawn, confidence);
    if (drawn.length < draws.length) {
      notes.push(`interval of the ${drawn.length} of ${draws.length} resamples in which it is defined`);
    }
  }
  const spread = whole ? meanAndDeviation(values) : { mean: null, sd: null };
  return {
    perSeed: values.map((value) => (Number.isNaN(value) ? null : value)),
    ...spread,
    interval,
    note: notes.length === 0 ? null : notes.join('; '),
  };
}

/** Why an overall score is not there, in words: what stands beside a null. */
const OVERALL: Readonly<Record<OverallScore, string>> = {
  accuracy: 'nothing was scored',
  balancedAccuracy: 'nothing was scored',
  macroF1: 'nothing was scored',
  kappa: 'truth and predictions are all one class',
  auroc: 'no class has rows of its own and of others',
  averagePrecision: 'no class occurs',
  ece: 'nothing was scored',
  brier: 'nothing was scored',
};

const OF_CLASS: Readonly<Record<ClassScore, string>> = {
  precision: 'no row is called this class',
  recall: 'no row has this class',
  specificity: 'no row has another class',
  f1: 'no row has this class or is called it',
  auroc: 'rows of this class and of others are needed, and one of them is missing',
  averagePrecision: 'no row has this class',
};

/** Why an overall score is not defined. */
export function reasonOf(name: OverallScore): string {
  return `not defined: ${OVERALL[name]}`;
}

/** Makes something of every overall score: of its place in a vector and of the reason why it may be missing. */
export function eachOverall<T>(make: (index: number, reason: string) => T): Record<OverallScore, T> {
  return recordOf(OVERALL_SCORES, (name) => make(overallAt(name), reasonOf(name)));
}

/** As `eachOverall`, for the scores of class `c`. */
export function eachOfClass<T>(c: number, make: (index: number, reason: string) => T): Record<ClassScore, T> {
  return recordOf(CLASS_SCORES, (name) => make(classAt(c, name), `not defined: ${OF_CLASS[name]}`));
}
