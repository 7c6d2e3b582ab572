/**
 * Two runs on the same clips, side by side: the difference of every score with a paired interval (the same groups are
 * drawn for both, which removes what both share: how hard the patients drawn are), and McNemar's test at clip level.
 */
import { setImmediate } from 'node:timers/promises';
import { recordOf } from '../../base/collect.ts';
import { comparable, type ComparableOptions, type ComparableRate } from './comparable.ts';
import type { Comparison, Difference, LevelComparison, RateComparison } from './comparison-result.ts';
import { evaluationSettings, type EvaluateOptions } from '../scores/evaluate-predictions.ts';
import { LEVELS, type EvaluationSettings, type Level } from '../scores/evaluation-result.ts';
import { clipTest } from './mcnemar.ts';
import { requirePredictions, type Predictions } from '../scores/predictions.ts';
import { shareAboveZero } from '../scores/resampling.ts';
import { DRAWS_AT_ONCE, drawVectors, eachOfClass, eachOverall } from '../scores/score-summary.ts';
import { meanVector, summarise, type LevelVectors } from '../scores/score-summary.ts';
import { scoreRate, type ScoredRate } from '../scores/scored-rate.ts';

/** How two runs are compared. */
export interface CompareOptions extends EvaluateOptions, ComparableOptions {
  /** What the two are called. Default `a` and `b`. */
  readonly names?: readonly [a: string, b: string];
  /** Called now and then with resamples done and in all, over label rates and both runs. */
  readonly onProgress?: (done: number, total: number, note?: string) => void;
  readonly signal?: AbortSignal;
}

/**
 * Compares a with b; differences are a − b.
 * @throws UsclError `RUNS_DIFFER` when they cannot be compared, and as `evaluatePredictions` does; the signal's reason
 *   when aborted.
 */
export async function comparePredictions(
  a: Predictions,
  b: Predictions,
  options: CompareOptions = {},
): Promise<Comparison> {
  const [nameA, nameB] = options.names ?? ['a', 'b'];
  requirePredictions(a, nameA);
  requirePredictions(b, nameB);
  const settings = evaluationSettings(options);
  const shared = comparable(a, b, options);
  const pairs = shared.rates.map((rate) => ({
    rate,
    a: scoreRate(a, rate.labelRate, rate.a, settings.bins),
    b: scoreRate(shared.b, rate.labelRate, rate.b, settings.bins),
  }));
  const labelRates: RateComparison[] = [];
  const total = 2 * pairs.length * settings.resamples;
  let done = 0;
  /** Draws, letting signals and the terminal have their turn. */
  const vectorsOf = async (rate: ScoredRate): Promise<Record<Level, LevelVectors>> => {
    const drawing = drawVectors(rate, settings);
    for (let turn = 1; ; turn++) {
      const step = drawing.next();
      if (step.done === true) {
        done += settings.resamples;
        return step.value;
      }
      options.onProgress?.(done + turn * DRAWS_AT_ONCE, total);
      await setImmediate();
      options.signal?.throwIfAborted();
    }
  };
  for (const pair of pairs)
    labelRates.push(compareRate(pair, await vectorsOf(pair.a), await vectorsOf(pair.b), a.classes, settings));
  return {
    format: 'uscl-comparison',
    version: 1,
    a: { name: nameA, protocol: a.protocol, optimistic: a.protocol === 'legacy' },
    b: { name: nameB, protocol: b.protocol, optimistic: b.protocol === 'legacy' },
    classes: [...a.classes],
    settings,
    labelRates,
    notes: pairs.flatMap((pair) => notesOf(pair.rate, pair.a, pair.b, [a.protocol, b.protocol])),
  };
}

interface ScoredPair {
  readonly rate: ComparableRate;
  readonly a: ScoredRate;
  readonly b: ScoredRate;
}

function compareRate(
  { rate: { labelRate, leftOut }, a, b }: ScoredPair,
  vectorsA: Record<Level, LevelVectors>,
  vectorsB: Record<Level, LevelVectors>,
  classes: readonly string[],
  settings: EvaluationSettings,
): RateComparison {
  const paired = sameSeeds(a, b);
  const compareLevel = (of: LevelVectors, against: LevelVectors): LevelComparison => {
    const make = (index: number, reason: string): Difference =>
      difference(of, against, index, reason, paired, settings.confidence);
    return {
      scores: eachOverall(make),
      perClass: classes.map((name, c) => ({ name, ...eachOfClass(c, make) })),
    };
  };
  return {
    labelRate,
    seeds: { a: [...a.seeds], b: [...b.seeds] },
    clips: a.clips.length,
    groups: a.groups,
    leftOut: { ...leftOut },
    ...recordOf(LEVELS, (level) => compareLevel(vectorsA[level], vectorsB[level])),
    mcnemar: recordOf(['clipMean', 'clipVote'], (level) => clipTest(a, b, level, paired)),
  };
}

function difference(
  a: LevelVectors,
  b: LevelVectors,
  index: number,
  reason: string,
  paired: boolean,
  confidence: number,
): Difference {
  const minus = (of: readonly Float64Array[], against: readonly Float64Array[]): Float64Array[] =>
    of.map((vector, i) => Float64Array.of(vector[index]! - against[i]![index]!));
  const [seedsA, seedsB] = paired
    ? [a.perSeed, b.perSeed]
    : [[meanVector(a.perSeed)], [meanVector(b.perSeed)]];
  const vectors: LevelVectors = {
    perSeed: minus(seedsA, seedsB),
    draws: minus(a.draws, b.draws),
    ofOneGroup: new Set(a.ofOneGroup.has(index) ? [0] : []),
  };
  const summary = summarise(vectors, 0, confidence, reason);
  const drawn = Float64Array.from(vectors.draws, (vector) => vector[0]!).filter(
    (value) => !Number.isNaN(value),
  );
  const tested = summary.interval !== null;
  return {
    a: meanOrNull(a.perSeed, index),
    b: meanOrNull(b.perSeed, index),
    perSeed: paired ? summary.perSeed : null,
    mean: summary.mean,
    sd: summary.sd,
    interval: summary.interval,
    aboveZero: tested ? shareAboveZero(drawn) : null,
    p: tested ? twoSidedP(drawn) : null,
    note: summary.note,
  };
}

/**
 * Twice the smaller share of draws at or beyond zero on one side, the observed difference counted as one draw more, so
 * that p is never 0 (Davison & Hinkley 1997, §4.2).
 */
export function twoSidedP(draws: Float64Array): number {
  let below = 1;
  let above = 1;
  for (const value of draws) {
    if (value <= 0) below++;
    if (value >= 0) above++;
  }
  return Math.min(1, (2 * Math.min(below, above)) / (draws.length + 1));
}

function meanOrNull(perSeed: readonly Float64Array[], index: number): number | null {
  const mean = meanVector(perSeed)[index]!;
  return Number.isNaN(mean) ? null : mean;
}

function sameSeeds(a: ScoredRate, b: ScoredRate): boolean {
  return a.seeds.length === b.seeds.length && a.seeds.every((seed, s) => seed === b.seeds[s]);
}

function notesOf(
  { labelRate, leftOut }: ComparableRate,
  a: ScoredRate,
  b: ScoredRate,
  protocols: readonly string[],
): string[] {
  const notes: string[] = [];
  const at = `At label rate ${labelRate}`;
  if (leftOut.a + leftOut.b > 0) {
    notes.push(
      `${at} ${leftOut.a} clips of the first run and ${leftOut.b} of the second are left out, as the other has not tested them.`,
    );
  }
  if (!sameSeeds(a, b)) {
    notes.push(
      `${at} the seeds differ (${a.seeds.join(', ')}; ${b.seeds.join(', ')}): means over seeds are compared, not seed by seed.`,
    );
  } else if (JSON.stringify(a.folds) !== JSON.stringify(b.folds)) {
    notes.push(
      `${at} the folds of the two differ, so their models learnt from different clips: a part of the differences is that.`,
    );
  }
  if (a.groups === 1) notes.push(`${at} all clips are of one group, so there are no intervals.`);
  if (protocols.includes('legacy')) {
    notes.push(
      protocols[0] === protocols[1]
        ? `${at} the scores of both runs are optimistic: epochs were chosen on the test clips.`
        : `${at} the scores of one run are optimistic, as its epochs were chosen on the test clips; the comparison favours it.`,
    );
  }
  return notes;
}
