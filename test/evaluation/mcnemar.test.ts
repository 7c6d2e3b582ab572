import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import {
  chiSquareTail,
  continuityCorrected,
  exactP,
  fairBinomialTail,
  mcnemar,
  signFlipP,
} from '../../src/evaluation/comparisons/mcnemar.ts';
import { golden } from './support.ts';

const cases = golden(
  'mcnemar',
  z.object({
    onlyA: z.int(),
    onlyB: z.int(),
    exact: z.number(),
    statistic: z.number(),
    corrected: z.number(),
    leads: z.array(z.int()),
    signFlip: z.number(),
  }),
);

describe('McNemar', () => {
  it.each(cases)('equals scipy for $onlyA against $onlyB', (one) => {
    expect(exactP(one.onlyA, one.onlyB) / one.exact).toBeCloseTo(1, 9);
    const { statistic, p } = continuityCorrected(one.onlyA, one.onlyB);
    expect(statistic).toBeCloseTo(one.statistic, 12);
    expect(p / one.corrected).toBeCloseTo(1, 9);
    expect(signFlipP(one.leads)).toBeCloseTo(one.signFlip, 12);
  });

  it('counts who was right, and is the same from either side', () => {
    const table = fc.array(fc.record({ a: fc.boolean(), b: fc.boolean(), group: fc.nat(5) }), {
      minLength: 1,
      maxLength: 50,
    });
    fc.assert(
      fc.property(table, (clips) => {
        const [a, b] = [clips.map((clip) => clip.a), clips.map((clip) => clip.b)];
        const group = clips.map((clip) => clip.group);
        const there = mcnemar(a, b, group);
        const back = mcnemar(b, a, group);
        expect(there.both + there.onlyA + there.onlyB + there.neither).toBe(clips.length);
        expect(there.onlyA).toBe(clips.filter((clip) => clip.a && !clip.b).length);
        expect(back).toEqual({ ...there, onlyA: there.onlyB, onlyB: there.onlyA });
        for (const p of [there.exact, there.corrected.p, there.byGroup.p]) {
          expect(p).toBeGreaterThan(0);
          expect(p).toBeLessThanOrEqual(1);
        }
      }),
      { seed: 1 },
    );
  });

  it('by groups is the exact test where every clip is its own group', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ a: fc.boolean(), b: fc.boolean() }), { minLength: 1 }), (clips) => {
        const { exact, byGroup } = mcnemar(
          clips.map((clip) => clip.a),
          clips.map((clip) => clip.b),
          [...clips.keys()],
        );
        expect(byGroup.p).toBeCloseTo(exact, 10);
      }),
      { seed: 2 },
    );
  });

  it('does not take the clips of one patient for evidence of many', () => {
    // 40 clips that only A gets right, but of 4 patients.
    const right = new Array<boolean>(40).fill(true);
    const wrong = new Array<boolean>(40).fill(false);
    const test = mcnemar(
      right,
      wrong,
      right.map((_, i) => i % 4),
    );
    expect(test.exact).toBeLessThan(1e-11);
    expect(test.byGroup).toEqual({ groups: 4, p: 2 / 16 });
  });
});

describe('tails', () => {
  it('of the fair binomial add up and are symmetric', () => {
    for (const n of [1, 7, 40, 1001]) {
      expect(fairBinomialTail(n, n)).toBeCloseTo(1, 11);
      for (const k of [0, 1, Math.floor(n / 3)]) {
        expect(fairBinomialTail(k, n) + fairBinomialTail(n - k - 1, n)).toBeCloseTo(1, 11);
      }
    }
  });

  it('of chi-square are the known quantiles, and the two formulas meet', () => {
    expect(chiSquareTail(0)).toBe(1);
    expect(chiSquareTail(3.8414588206941285)).toBeCloseTo(0.05, 14);
    expect(chiSquareTail(6.634896601021217)).toBeCloseTo(0.01, 14);
    // P(χ² ≥ 30), by scipy.stats.chi2.sf(30, 1).
    expect(chiSquareTail(30) / 4.3204630578274955e-8).toBeCloseTo(1, 10);
    // erfc changes its formula at x = 2, which is a statistic of 8.
    expect(chiSquareTail(8 - 1e-9) / chiSquareTail(8)).toBeCloseTo(1, 8);
  });
});
