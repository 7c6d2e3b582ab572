import { describe, expect, it } from 'vitest';
import { randomAt } from '../../src/base/random.ts';
import { crossEntropy } from '../../src/objectives/cross-entropy.ts';
import { pseudoLabelLoss, type PseudoLabelResult } from '../../src/objectives/pseudo-label.ts';
import { messageOf, rowOf } from './support.ts';

function normals(seed: number, length: number, deviation = 1): Float32Array {
  const random = randomAt(seed, 'pseudo-label test');
  return Float32Array.from({ length }, () => deviation * random.normal());
}

function run(
  weak: Float32Array,
  strong: Float32Array,
  classes: number,
  threshold: number,
): PseudoLabelResult & { gradient: Float32Array } {
  // NaN beforehand shows that every element is overwritten.
  const gradient = new Float32Array(strong.length).fill(NaN);
  return { ...pseudoLabelLoss(weak, strong, classes, threshold, gradient), gradient };
}

function softmax(scores: readonly number[]): number[] {
  const total = scores.reduce((sum, score) => sum + Math.exp(score), 0);
  return scores.map((score) => Math.exp(score) / total);
}

/** Equation 4 of FixMatch as it stands on the page, one clip at a time. */
function slowly(
  weak: Float32Array,
  strong: Float32Array,
  classes: number,
  threshold: number,
): PseudoLabelResult {
  const rows = weak.length / classes;
  let loss = 0;
  let confident = 0;
  let agreeing = 0;
  for (let row = 0; row < rows; row++) {
    const q = softmax(rowOf(weak, row, classes));
    const p = softmax(rowOf(strong, row, classes));
    if (Math.max(...q) < threshold) continue;
    const label = q.indexOf(Math.max(...q));
    confident++;
    if (p.indexOf(Math.max(...p)) === label) agreeing++;
    loss -= Math.log(p[label]!) / rows;
  }
  return { loss, confident, agreeing };
}

const SIZES = [
  [1, 2, 0.5],
  [2, 3, 0.7],
  [7, 5, 0.6],
  [32, 4, 0.95],
] as const;

/** Log-odds of a probability: two classes with scores (log-odds, 0) have it. */
const logit = (probability: number): number => Math.log(probability / (1 - probability));

describe('pseudoLabelLoss', () => {
  it.each(SIZES)('equals the slow loop (%i rows, %i classes, threshold %f)', (rows, classes, threshold) => {
    const weak = normals(1, rows * classes, 3);
    const strong = normals(2, rows * classes);
    const { loss, confident, agreeing } = run(weak, strong, classes, threshold);
    const expected = slowly(weak, strong, classes, threshold);
    expect(loss).toBeCloseTo(expected.loss, 12);
    expect([confident, agreeing]).toEqual([expected.confident, expected.agreeing]);
    if (rows > 2) {
      expect(confident).toBeGreaterThan(0);
      expect(confident).toBeLessThan(rows);
    }
  });

  it.each(SIZES)(
    'has the gradient that finite differences see (%i rows, %i classes, threshold %f)',
    (rows, classes, threshold) => {
      const weak = normals(1, rows * classes, 3);
      const strong = normals(2, rows * classes);
      const { gradient } = run(weak, strong, classes, threshold);
      for (let i = 0; i < strong.length; i++) {
        const shifted = (by: number): { loss: number; at: number } => {
          const copy = strong.slice();
          copy[i]! += by;
          return { loss: slowly(weak, copy, classes, threshold).loss, at: copy[i]! };
        };
        const up = shifted(1e-3);
        const down = shifted(-1e-3);
        expect(gradient[i]!).toBeCloseTo((up.loss - down.loss) / (up.at - down.at), 5);
      }
    },
  );

  it('averages over all rows, not over the confident ones', () => {
    // One of four rows is confident; its strong view knows nothing.
    const weak = Float32Array.of(5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    const { loss, confident, gradient } = run(weak, new Float32Array(12), 3, 0.9);
    expect(confident).toBe(1);
    expect(loss).toBeCloseTo(Math.log(3) / 4, 12);
    [-2 / 3, 1 / 3, 1 / 3].forEach((value, c) => {
      expect(gradient[c]).toBeCloseTo(value / 4, 7);
    });
    for (const value of gradient.subarray(3)) expect(Math.abs(value)).toBe(0);
  });

  it('equals crossEntropy against the weak classes where every row counts', () => {
    const [rows, classes] = [9, 4];
    const weak = normals(3, rows * classes);
    const strong = normals(4, rows * classes);
    const labels = Int32Array.from({ length: rows }, (_, row) => {
      const scores = rowOf(weak, row, classes);
      return scores.indexOf(Math.max(...scores));
    });
    const gradient = new Float32Array(strong.length);
    const expected = crossEntropy(strong, labels, classes, gradient, { reduction: 'mean' });
    const result = run(weak, strong, classes, 0);
    expect(result.loss).toBeCloseTo(expected.loss, 12);
    expect([result.confident, result.agreeing]).toEqual([rows, expected.correct]);
    gradient.forEach((value, i) => {
      expect(result.gradient[i]).toBeCloseTo(value, 7);
    });
  });

  it('counts a row at the threshold as confident, one below it not', () => {
    const strong = new Float32Array(2);
    // Two equal scores have probability 1/2 exactly.
    expect(run(Float32Array.of(7, 7), strong, 2, 0.5).confident).toBe(1);
    expect(run(Float32Array.of(7, 7), strong, 2, 0.5 + 1e-12).confident).toBe(0);
    expect(run(Float32Array.of(logit(0.951), 0), strong, 2, 0.95).confident).toBe(1);
    expect(run(Float32Array.of(0, logit(0.951)), strong, 2, 0.95).confident).toBe(1);
    expect(run(Float32Array.of(logit(0.949), 0), strong, 2, 0.95).confident).toBe(0);
    // Beside 100, e^−100 is lost: probability 1 in float64.
    expect(run(Float32Array.of(100, 0), strong, 2, 1).confident).toBe(1);
    expect(run(Float32Array.of(3), Float32Array.of(-2), 1, 1)).toMatchObject({
      loss: 0,
      confident: 1,
      agreeing: 1,
    });
  });

  it('takes the first of equal scores, in both views', () => {
    const tied = Float32Array.of(0, 4, 4);
    const towards = run(tied, new Float32Array(3), 3, 0.4);
    expect(towards.agreeing).toBe(0);
    expect(towards.gradient[1]).toBeLessThan(0);
    expect(towards.gradient[2]).toBeGreaterThan(0);
    expect(run(tied, Float32Array.of(-1, 2, 2), 3, 0.4).agreeing).toBe(1);
    expect(run(tied, Float32Array.of(2, 2, 2), 3, 0.4).agreeing).toBe(0);
  });

  it('is 0 with a zero gradient where no row is confident', () => {
    const result = run(normals(5, 24), normals(6, 24), 4, 1);
    expect(result).toMatchObject({ loss: 0, confident: 0, agreeing: 0 });
    expect(result.gradient.every((value) => value === 0)).toBe(true);
  });

  it('does not care in which order clips and classes come, nor for a constant added to the scores of a row', () => {
    const [rows, classes, threshold] = [8, 5, 0.6];
    const weak = normals(7, rows * classes, 3);
    const strong = normals(8, rows * classes);
    const original = run(weak, strong, classes, threshold);
    const random = randomAt(9, 'order');
    const indices = (length: number): number[] =>
      random.shuffled(Array.from({ length }, (_, index) => index));
    const [clips, order] = [indices(rows), indices(classes)];
    const permuted = (scores: Float32Array, by = 0): Float32Array =>
      Float32Array.from(clips.flatMap((row) => order.map((c) => scores[row * classes + c]! + by)));
    const result = run(permuted(weak, 4), permuted(strong, -8), classes, threshold);
    expect(result.loss).toBeCloseTo(original.loss, 6);
    expect([result.confident, result.agreeing]).toEqual([original.confident, original.agreeing]);
    const expected = permuted(original.gradient);
    result.gradient.forEach((value, i) => {
      expect(value).toBeCloseTo(expected[i]!, 6);
    });
    // So the gradient of a row sums to 0.
    for (let row = 0; row < rows; row++)
      expect(rowOf(original.gradient, row, classes).reduce((sum, value) => sum + value, 0)).toBeCloseTo(0, 7);
  });

  it('does not overflow on large scores', () => {
    const { loss, gradient, confident } = run(
      Float32Array.of(3e38, -3e38, 0, 500, -500, 0),
      Float32Array.of(-3e38, -3e38, -3e38, 0, 500, -500),
      3,
      0.95,
    );
    expect(confident).toBe(2);
    expect(loss).toBeCloseTo((Math.log(3) + 500) / 2, 10);
    expect(gradient.every(Number.isFinite)).toBe(true);
  });

  it.each([NaN, Infinity, -Infinity])('never hides a %f, in whichever view, confident or not', (value) => {
    const weak = Float32Array.of(5, 0, 0, 0, 0, 0, 0, 0, 5);
    const strong = normals(10, 9);
    for (let position = 0; position < 9; position++)
      for (const which of ['weak', 'strong']) {
        const broken = (which === 'weak' ? weak : strong).slice();
        broken[position] = value;
        const result = which === 'weak' ? run(broken, strong, 3, 0.9) : run(weak, broken, 3, 0.9);
        expect(result.loss).toBeNaN();
        const row = Math.floor(position / 3);
        const confident = [0, 2].filter((other) => other !== row).length;
        expect(result.confident).toBe(confident);
        const broke = [0, 1, 2].map((other) => rowOf(result.gradient, other, 3).every(Number.isNaN));
        expect(broke).toEqual([0, 1, 2].map((other) => other === row));
      }
  });

  it('refuses sizes that do not fit and thresholds that are no probability', () => {
    const scores = new Float32Array(12);
    const short = new Float32Array(11);
    const refusal = (
      weak: Float32Array,
      strong: Float32Array,
      classes: number,
      threshold: number,
      gradient = scores.slice(),
    ): string => messageOf(() => pseudoLabelLoss(weak, strong, classes, threshold, gradient));
    expect(refusal(scores, scores, 0, 0.95)).toMatch(/classes is 0/);
    expect(refusal(new Float32Array(), scores, 3, 0.95)).toMatch(/weak scores have 0 numbers/);
    expect(refusal(short, scores, 3, 0.95)).toMatch(/weak scores have 11 numbers, no rows of 3 classes/);
    expect(refusal(scores, short, 3, 0.95)).toMatch(/strong has 11 numbers where the weak scores have 12/);
    expect(refusal(scores, scores, 3, 0.95, short)).toMatch(/gradient has 11/);
    for (const threshold of [-0.1, 1.1, NaN])
      expect(refusal(scores, scores, 3, threshold)).toMatch(/threshold is/);
  });
});
