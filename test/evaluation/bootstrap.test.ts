import { describe, expect, it } from 'vitest';
import { randomAt } from '../../src/base/random.ts';
import {
  bootstrapIntervals,
  pairedBootstrap,
  type GroupedCounts,
} from '../../src/evaluation/probes/bootstrap.ts';
import { quantile } from '../../src/evaluation/scores/resampling.ts';
import { codeOf } from './support.ts';

function groupedCounts(groups: number, seeds: number, classes: number): GroupedCounts {
  return { groups, seeds, classes, counts: new Float64Array(groups * seeds * classes ** 2) };
}

/** Counts `count` clips of one group and seed with this truth and prediction. */
function addCount(
  into: GroupedCounts,
  group: number,
  seed: number,
  truth: number,
  said: number,
  count = 1,
): void {
  const { seeds, classes, counts } = into;
  counts[((group * seeds + seed) * classes + truth) * classes + said]! += count;
}

/** Two classes, `perGroup` clips a group; a group is right with a probability of its own around 0.7. */
function simulate(seed: number, groups: number, perGroup: number, copies = 1): GroupedCounts {
  const random = randomAt(seed, 'simulate');
  const counts = groupedCounts(groups, 1, 2);
  for (let g = 0; g < groups; g++) {
    const skill = random.beta(2.1, 0.9);
    for (let c = 0; c < perGroup; c++) {
      const truth = c % 2;
      const right = random.uniform() < skill;
      addCount(counts, g, 0, truth, right ? truth : 1 - truth, copies);
    }
  }
  return counts;
}

describe('bootstrapIntervals', () => {
  it('holds the true accuracy about as often as it says', () => {
    const runs = 150;
    let held = 0;
    for (let seed = 0; seed < runs; seed++) {
      const [low, high] = bootstrapIntervals(simulate(seed, 40, 6), { resamples: 300, seed }).accuracy;
      if (low <= 0.7 && 0.7 <= high) held++;
    }
    // 95 % asked for; the percentile interval of 40 groups is a little short. 0.86 is 4 standard errors below 0.93.
    expect(held / runs).toBeGreaterThan(0.86);
    expect(held / runs).toBeLessThan(1);
  });

  it('does not take copies of clips within a group for evidence', () => {
    const once = bootstrapIntervals(simulate(1, 20, 4));
    const tenTimes = bootstrapIntervals(simulate(1, 20, 4, 10));
    expect(tenTimes.accuracy[0]).toBeCloseTo(once.accuracy[0], 12);
    expect(tenTimes.macroF1[1]).toBeCloseTo(once.macroF1[1], 12);
    expect(once.accuracy[1] - once.accuracy[0]).toBeGreaterThan(0.1);
  });

  it('is wider where groups, not clips, decide', () => {
    const width = (perGroup: number, groups: number): number => {
      const counts = groupedCounts(groups, 1, 2);
      // 120 clips, three quarters right, whole groups right or wrong.
      for (let g = 0; g < groups; g++) {
        for (let c = 0; c < perGroup; c++) addCount(counts, g, 0, c % 2, g % 4 === 0 ? 1 - (c % 2) : c % 2);
      }
      const [low, high] = bootstrapIntervals(counts).accuracy;
      return high - low;
    };
    expect(width(10, 12)).toBeGreaterThan(2.5 * width(1, 120));
  });

  it('averages over seeds within a draw', () => {
    const counts = groupedCounts(5, 2, 2);
    for (let g = 0; g < 5; g++) {
      addCount(counts, g, 0, g % 2, g % 2);
      addCount(counts, g, 1, g % 2, 1 - (g % 2));
    }
    expect(bootstrapIntervals(counts).accuracy).toEqual([0.5, 0.5]);
  });

  it('is a function of its seed', () => {
    const counts = simulate(3, 15, 4);
    expect(bootstrapIntervals(counts, { seed: 1 })).toEqual(bootstrapIntervals(counts, { seed: 1 }));
    expect(bootstrapIntervals(counts, { seed: 1 })).not.toEqual(bootstrapIntervals(counts, { seed: 2 }));
  });

  it('does not hang on what was asked for before: other groups, numbers of resamples, options that cannot be', () => {
    const [one, other] = [simulate(3, 15, 4), simulate(3, 21, 4)];
    const ask = (counts: GroupedCounts, resamples: number): unknown =>
      bootstrapIntervals(counts, { resamples });
    const truth = [ask(one, 150), ask(other, 150), ask(one, 40)];
    expect(truth[0]).not.toEqual(truth[2]);
    // The newest draws are kept, so each is asked for behind every other one.
    expect([ask(one, 40), ask(one, 150), ask(other, 150), ask(one, 150), ask(one, 40)]).toEqual(
      [2, 0, 1, 0, 2].map((i) => truth[i]),
    );
    ask(one, 2000);
    expect(codeOf(() => bootstrapIntervals(one, { resamples: 2000, confidence: 95 }))).toBe(
      'BOOTSTRAP_INPUT',
    );
  });

  it('refuses one group and impossible options', () => {
    const counts = simulate(3, 15, 4);
    expect(codeOf(() => bootstrapIntervals(simulate(3, 1, 4)))).toBe('BOOTSTRAP_INPUT');
    expect(codeOf(() => bootstrapIntervals(counts, { resamples: 0 }))).toBe('BOOTSTRAP_INPUT');
    expect(codeOf(() => bootstrapIntervals(counts, { confidence: 95 }))).toBe('BOOTSTRAP_INPUT');
  });
});

describe('pairedBootstrap', () => {
  it('says nothing of two equal sets, and is antisymmetric', () => {
    const a = simulate(1, 20, 6);
    const b = simulate(2, 20, 6);
    expect(pairedBootstrap(a, a).accuracy).toEqual({ interval: [0, 0], aboveZero: 0.5 });
    const there = pairedBootstrap(a, b).balancedAccuracy;
    const back = pairedBootstrap(b, a).balancedAccuracy;
    expect(back.interval[0]).toBeCloseTo(-there.interval[1], 12);
    expect(back.aboveZero).toBeCloseTo(1 - there.aboveZero, 12);
  });

  it('sees a small difference that all groups share, though the intervals of both overlap', () => {
    const random = randomAt(4, 'paired');
    const [a, b] = [groupedCounts(30, 1, 2), groupedCounts(30, 1, 2)];
    for (let g = 0; g < 30; g++) {
      const right = Math.round(random.between(2, 9));
      for (let c = 0; c < 20; c++) {
        const truth = c % 2;
        addCount(a, g, 0, truth, c < right + 1 ? truth : 1 - truth);
        addCount(b, g, 0, truth, c < right ? truth : 1 - truth);
      }
    }
    const { interval, aboveZero } = pairedBootstrap(a, b).accuracy;
    expect(interval[0]).toBeCloseTo(0.05, 10);
    expect(interval[1]).toBeCloseTo(0.05, 10);
    expect(aboveZero).toBe(1);
    expect(bootstrapIntervals(a).accuracy[0]).toBeLessThan(bootstrapIntervals(b).accuracy[1]);
  });
});

it('quantile interpolates between neighbours', () => {
  const values = Float64Array.of(1, 2, 4, 8);
  expect([0, 0.5, 1, 0.1].map((share) => quantile(values, share))).toEqual([1, 3, 8, 1.3]);
});
