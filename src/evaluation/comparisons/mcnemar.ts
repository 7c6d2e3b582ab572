/**
 * McNemar's test (1947): of the clips that only one of two classifiers gets right, do they share them evenly? Three
 * ways to the p-value, all two-sided. `exact`: binomial over the clips. `corrected`: chi-square with the continuity
 * correction of Edwards (1948). Both take clips for independent, which clips of one patient are not. `byGroup` does
 * not: it flips the two classifiers in whole groups and counts, exactly, how often a lead as large comes out.
 */
import type { ClipTest, McNemar } from './comparison-result.ts';
import type { Level } from '../scores/evaluation-result.ts';
import { largestWithTies, meanOf, type LevelRows } from '../scores/level-scorer.ts';
import type { ScoredRate } from '../scores/scored-rate.ts';

/**
 * Tests run a against b, which hold the same clips in the same order: for each seed both have (`paired`: they have the
 * same), and for the majority of seeds, where a clip counts as called what most models of different seeds called it.
 */
export function clipTest(
  a: ScoredRate,
  b: ScoredRate,
  level: Exclude<Level, 'frame'>,
  paired: boolean,
): ClipTest {
  const [rowsA, rowsB] = [a, b].map((rate) => rate.levels[level].map(({ rows }) => rows));
  const test = (calledA: Int32Array, calledB: Int32Array): McNemar => {
    const { truth } = rowsA![0]!;
    const right = (called: Int32Array): boolean[] => Array.from(called, (c, clip) => c === truth[clip]);
    return mcnemar(right(calledA), right(calledB), a.group);
  };
  return {
    perSeed: paired
      ? a.seeds.map((seed, s) => ({ seed, ...test(rowsA![s]!.predicted, rowsB![s]!.predicted) }))
      : [],
    majority: test(majorityOf(rowsA!), majorityOf(rowsB!)),
  };
}

/** The class most seeds call each clip; of several the one with the larger mean probability over seeds. */
export function majorityOf(seeds: readonly LevelRows[]): Int32Array {
  const { classes } = seeds[0]!;
  return seeds[0]!.predicted.map((_, clip) => {
    const votes = new Array<number>(classes).fill(0);
    for (const { predicted } of seeds) votes[predicted[clip]!]! += 1;
    const mean = meanOf(
      seeds.map(({ probabilities }) => [...probabilities.subarray(clip * classes, (clip + 1) * classes)]),
      classes,
    );
    return largestWithTies(votes, mean);
  });
}

/**
 * Tests whether clips went right for a and for b; `group` is the number of each clip's group. All arrays [clips].
 */
export function mcnemar(a: readonly boolean[], b: readonly boolean[], group: ArrayLike<number>): McNemar {
  let both = 0;
  let onlyA = 0;
  let onlyB = 0;
  const leads = new Map<number, number>();
  a.forEach((rightA, clip) => {
    const rightB = b[clip]!;
    if (rightA && rightB) both++;
    if (rightA === rightB) return;
    if (rightA) onlyA++;
    else onlyB++;
    leads.set(group[clip]!, (leads.get(group[clip]!) ?? 0) + (rightA ? 1 : -1));
  });
  const uneven = [...leads.values()].filter((lead) => lead !== 0);
  return {
    both,
    onlyA,
    onlyB,
    neither: a.length - both - onlyA - onlyB,
    exact: exactP(onlyA, onlyB),
    corrected: continuityCorrected(onlyA, onlyB),
    byGroup: { groups: uneven.length, p: signFlipP(uneven) },
  };
}

/** min(1, 2·P(X ≤ min(b, c))), X ~ Binomial(b + c, ½); 1 when b = c = 0. */
export function exactP(onlyA: number, onlyB: number): number {
  return Math.min(1, 2 * fairBinomialTail(Math.min(onlyA, onlyB), onlyA + onlyB));
}

/** max(0, |b − c| − 1)² / (b + c); statistic 0 and p 1 when b = c = 0. */
export function continuityCorrected(onlyA: number, onlyB: number): McNemar['corrected'] {
  const clips = onlyA + onlyB;
  const statistic = clips === 0 ? 0 : Math.max(0, Math.abs(onlyA - onlyB) - 1) ** 2 / clips;
  return { statistic, p: chiSquareTail(statistic) };
}

/**
 * Share of all 2ⁿ ways to flip the signs of n whole-number leads whose sum is at least as far from zero as theirs. The
 * distribution of the sum is built lead by lead, so nothing is sampled.
 */
export function signFlipP(leads: readonly number[]): number {
  const reach = leads.reduce((sum, lead) => sum + Math.abs(lead), 0);
  const observed = Math.abs(leads.reduce((sum, lead) => sum + lead, 0));
  // chance[reach + s] = probability of the sum s.
  let chance = new Float64Array(2 * reach + 1);
  chance[reach] = 1;
  for (const lead of leads) {
    const next = new Float64Array(chance.length);
    const size = Math.abs(lead);
    chance.forEach((p, at) => {
      if (p === 0) return;
      next[at + size]! += p / 2;
      next[at - size]! += p / 2;
    });
    chance = next;
  }
  let p = 0;
  chance.forEach((share, at) => {
    if (Math.abs(at - reach) >= observed) p += share;
  });
  return Math.min(1, p);
}

/** P(X ≤ k) for X ~ Binomial(n, ½). */
export function fairBinomialTail(k: number, n: number): number {
  let sum = 0;
  // ln of n choose i, from one i to the next.
  let logChoose = 0;
  for (let i = 0; i <= Math.min(k, n); i++) {
    if (i > 0) logChoose += Math.log((n - i + 1) / i);
    sum += Math.exp(logChoose - n * Math.LN2);
  }
  return Math.min(1, sum);
}

/** P(X ≥ x) for X ~ χ² with one degree of freedom. */
export function chiSquareTail(x: number): number {
  return x <= 0 ? 1 : complementaryError(Math.sqrt(x / 2));
}

/**
 * erfc(x) for x ≥ 0 to about 1e-13 of its value: the series of erf below 2 (Abramowitz & Stegun 7.1.6), the continued
 * fraction of erfc above (7.1.14), evaluated from its far end.
 */
function complementaryError(x: number): number {
  if (x < 2) {
    let term = x;
    let sum = x;
    for (let n = 1; term > 1e-17 * sum; n++) {
      term *= (2 * x * x) / (2 * n + 1);
      sum += term;
    }
    return 1 - (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
  }
  let fraction = x;
  for (let n = 120; n >= 1; n--) fraction = x + n / 2 / fraction;
  return Math.exp(-x * x) / (Math.sqrt(Math.PI) * fraction);
}
