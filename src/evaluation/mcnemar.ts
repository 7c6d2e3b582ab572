/**
 * McNemar's test (1947): of the clips that only one of two classifiers gets right, do they share them evenly? Three
 * ways to the p-value, all two-sided. `exact`: binomial over the clips. `corrected`: chi-square with the continuity
 * correction of Edwards (1948). Both take clips for independent, which clips of one patient are not. `byGroup` does
 * not: it flips the two classifiers in whole groups and counts, exactly, how often a lead as large comes out.
 */
import { chiSquareTail, fairBinomialTail } from './distributions.ts';

/** Outcome of one test. */
export interface McNemar {
  /** Clips both, only the first, only the second, and neither got right. */
  readonly both: number;
  readonly onlyA: number;
  readonly onlyB: number;
  readonly neither: number;
  /** p of the exact binomial test. */
  readonly exact: number;
  /** Chi-square with continuity correction, one degree of freedom. */
  readonly corrected: { readonly statistic: number; readonly p: number };
  /** p of the exact sign-flip test over groups. */
  readonly byGroup: { readonly groups: number; readonly p: number };
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
