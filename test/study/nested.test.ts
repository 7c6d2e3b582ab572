/** Tallies, scores and intervals of a study, beside slow loops, closed forms and published examples. */
import { describe, expect, test } from 'vitest';
import { randomAt } from '../../src/base/random.ts';
import {
  balancedAccuracy,
  detectable,
  differenceOf,
  holm,
  scoreOf,
  type Tally,
  tallyOf,
} from '../../src/study/nested.ts';
import { classesOf, signsOf, type TargetRecord } from '../../src/study/results.ts';

const random = randomAt(1, 'nested-test');

function target(groups: number, clipsPerGroup: number, classes: number): TargetRecord {
  const clips = groups * clipsPerGroup;
  return {
    format: 'uscl-study-target',
    version: 1,
    name: 'drawn',
    classes: Array.from({ length: classes }, (_, c) => `class ${c}`),
    labels: signsOf(Array.from({ length: clips }, () => random.integer(classes))),
    groups: Array.from({ length: clips }, (_, clip) => Math.floor(clip / clipsPerGroup)),
  };
}

/** Predictions that are right with a probability. */
function predicted({ labels, classes }: TargetRecord, right: number): string {
  return signsOf(
    classesOf(labels).map((label) => (random.between(0, 1) < right ? label : random.integer(classes.length))),
  );
}

/** The definition, clip by clip, of one seed: recall of each class, averaged over texts and classes. */
function slowBalanced({ labels, classes }: TargetRecord, texts: readonly string[]): number {
  const truth = classesOf(labels);
  const scores = texts.map((text) => {
    const said = classesOf(text);
    const recalls = classes.flatMap((_, c) => {
      const own = truth.flatMap((label, clip) => (label === c ? [said[clip] === c ? 1 : 0] : []));
      return own.length === 0 ? [] : [own.reduce((a: number, b) => a + b, 0) / own.length];
    });
    return recalls.reduce((a, b) => a + b, 0) / recalls.length;
  });
  return scores.reduce((a, b) => a + b, 0) / scores.length;
}

describe('a score', () => {
  test('is balanced accuracy as it is defined, a mean over foldings and seeds', () => {
    const drawn = target(7, 5, 3);
    const seeds = [0.5, 0.9].map((right) => [predicted(drawn, right), predicted(drawn, right)]);
    const tally = tallyOf(drawn, seeds);
    expect(balancedAccuracy(tally, undefined, [0])).toBeCloseTo(slowBalanced(drawn, seeds[0]!), 12);
    expect(balancedAccuracy(tally)).toBeCloseTo(slowBalanced(drawn, seeds.flat()), 12);
  });

  test('counts a group as often as it is drawn: as a target in which it occurs so often', () => {
    const drawn = target(3, 4, 2);
    const text = predicted(drawn, 0.6);
    const times = Float64Array.from([2, 0, 1]);
    const twice = [0, 1, 2, 3, 0, 1, 2, 3, 8, 9, 10, 11];
    const pick = (signs: string): string => twice.map((clip) => signs[clip]).join('');
    const repeated = { ...drawn, labels: pick(drawn.labels), groups: twice.map(() => 0) };
    expect(balancedAccuracy(tallyOf(drawn, [[text]]), times)).toBeCloseTo(
      slowBalanced(repeated, [pick(text)]),
      12,
    );
  });

  test('leaves out clips that were not tested or have no label, and classes that do not occur', () => {
    const drawn: TargetRecord = { ...target(4, 1, 3), labels: '01-0' };
    // Right: the first clip. The last was not tested, class 2 does not occur.
    expect(balancedAccuracy(tallyOf(drawn, [['000-']]))).toBe(0.5);
  });
});

describe('an interval', () => {
  test('over patients has the error of a mean of independent clips', () => {
    const groups = 400;
    const drawn = {
      ...target(groups, 1, 2),
      labels: Array.from({ length: groups }, (_, i) => i % 2).join(''),
    };
    const tally = tallyOf(drawn, [[predicted(drawn, 0.4)]]);
    const recalls = [0, 1].map((c) => {
      const own = Array.from({ length: groups }, (_, g) => 2 * g + c);
      const of = (cells: Float64Array): number => own.reduce((sum, cell) => sum + cells[cell]!, 0);
      return { p: of(tally.right[0]!) / of(tally.clips), n: of(tally.clips) };
    });
    const expected = Math.sqrt(recalls.reduce((sum, { p, n }) => sum + (p * (1 - p)) / n / 4, 0));
    const { error, interval, value } = scoreOf(tally, { resamples: 4000 });
    expect(error / expected).toBeGreaterThan(0.95);
    expect(error / expected).toBeLessThan(1.05);
    expect(interval[0]).toBeCloseTo(value - 1.96 * expected, 1);
    expect(interval[1]).toBeCloseTo(value + 1.96 * expected, 1);
  });

  test('over seeds has the unbiased error of their mean: s / √n', () => {
    // Every group is alike, so that patients bring no luck; seeds differ.
    const accuracies = [0.5, 0.6, 0.7, 0.9, 0.55];
    const groups = 2;
    const clips = Float64Array.from([100, 100, 100, 100]);
    const tally: Tally = {
      ...{ groups, classes: 2, clips },
      right: accuracies.map((share) => clips.map((count) => share * count)),
    };
    const mean = accuracies.reduce((a, b) => a + b, 0) / 5;
    const s = Math.sqrt(accuracies.reduce((sum, a) => sum + (a - mean) ** 2, 0) / 4);
    const { error, value } = scoreOf(tally, { resamples: 20_000 });
    expect(value).toBeCloseTo(mean, 12);
    expect(error / (s / Math.sqrt(5))).toBeGreaterThan(0.97);
    expect(error / (s / Math.sqrt(5))).toBeLessThan(1.03);
  });

  test('of a difference is narrower than that of two scores where both fail on the same patients', () => {
    const drawn = target(60, 3, 2);
    const hard = predicted(drawn, 0.3);
    // The same, but for one clip in ten that is put right.
    const better = Array.from(hard, (sign, clip) => (clip % 10 === 0 ? drawn.labels[clip] : sign)).join('');
    const [a, b] = [better, hard].map((text) => tallyOf(drawn, [[text]]));
    const options = { resamples: 1000 };
    const { targets, pooled, weights, p } = differenceOf([a!], [b!], options);
    expect(targets[0]!.value).toBeCloseTo(balancedAccuracy(a!) - balancedAccuracy(b!), 12);
    expect(targets[0]!.error).toBeLessThan(0.6 * scoreOf(a!, options).error);
    expect(weights).toEqual([1]);
    expect(pooled.value).toBe(targets[0]!.value);
    expect(p).toBeLessThan(0.01);
    // b − a is its mirror image.
    const mirrored = differenceOf([b!], [a!], options);
    expect(mirrored.pooled.value).toBeCloseTo(-pooled.value, 12);
    expect(mirrored.p).toBe(p);
  });

  test('of identical predictions is zero, and p is 1', () => {
    const drawn = target(20, 2, 2);
    const tally = tallyOf(drawn, [[predicted(drawn, 0.5)]]);
    const { pooled, p } = differenceOf([tally], [tally], { resamples: 200 });
    expect([pooled.value, ...pooled.interval, pooled.error, p]).toEqual([0, 0, 0, 0, 1]);
  });
});

test('targets are pooled by the inverse of their variances', () => {
  const small = target(20, 1, 2);
  const large = target(320, 1, 2);
  const tallies = [small, large].map((one) =>
    [0.8, 0.2].map((right) => tallyOf(one, [[predicted(one, right)]])),
  );
  const { targets, weights, pooled } = differenceOf(
    tallies.map(([a]) => a!),
    tallies.map(([, b]) => b!),
    { resamples: 1000 },
  );
  const inverse = targets.map(({ error }) => 1 / error ** 2);
  const sum = inverse[0]! + inverse[1]!;
  expect(weights[0]).toBeCloseTo(inverse[0]! / sum, 12);
  expect(weights[1]).toBeCloseTo(inverse[1]! / sum, 12);
  expect(pooled.value).toBeCloseTo(weights[0]! * targets[0]!.value + weights[1]! * targets[1]!.value, 12);
  // Patients of two targets are independent: the error is that of a weighted mean.
  expect(pooled.error * Math.sqrt(sum)).toBeGreaterThan(0.9);
  expect(pooled.error * Math.sqrt(sum)).toBeLessThan(1.1);
});

test('the same seeds are drawn on all targets: luck of pretraining does not average out over them', () => {
  const clips = Float64Array.from([50, 50, 50, 50]);
  const tally = (shares: readonly number[]): Tally => ({
    ...{ groups: 2, classes: 2, clips },
    right: shares.map((share) => clips.map((count) => share * count)),
  });
  const lucky = tally([0.5, 0.9, 0.6, 0.8]);
  const level = tally([0.7, 0.7, 0.7, 0.7]);
  const one = differenceOf([lucky], [level], { resamples: 4000 });
  const two = differenceOf([lucky, lucky], [level, level], { resamples: 4000 });
  expect(two.pooled.error / one.pooled.error).toBeGreaterThan(0.97);
});

test('p under no difference is below 0.05 about one time in twenty', () => {
  let below = 0;
  const trials = 200;
  for (let trial = 0; trial < trials; trial++) {
    const drawn = target(60, 1, 2);
    const [a, b] = [0.4, 0.4].map((right) => tallyOf(drawn, [[predicted(drawn, right)]]));
    if (differenceOf([a!], [b!], { resamples: 300 }).p < 0.05) below += 1;
  }
  expect(below).toBeGreaterThanOrEqual(3);
  expect(below).toBeLessThanOrEqual(22);
});

test('Holm’s correction: the smallest p times their number, and never less than the one before', () => {
  // Holm 1979 as R's p.adjust does it: c(0.01, 0.04, 0.03, 0.005) → 0.03 0.06 0.06 0.02.
  expect(holm([0.01, 0.04, 0.03, 0.005]).map((p) => Number(p.toFixed(12)))).toEqual([0.03, 0.06, 0.06, 0.02]);
  expect(holm([0.5, 0.9])).toEqual([1, 1]);
  expect(holm([])).toEqual([]);
});

test('the detectable difference is that of a power of 80 % at 5 %', () => {
  expect(detectable({ value: 0, interval: [0, 0], error: 0.02 })).toBeCloseTo(0.02 * (1.96 + 0.8416), 3);
});

test('signs hold 36 classes, and name what they cannot hold', () => {
  const all = [...Array.from({ length: 36 }, (_, c) => c), null];
  expect(classesOf(signsOf(all))).toEqual(all);
  expect(() => signsOf([36])).toThrow(/at most 36 classes/);
});
