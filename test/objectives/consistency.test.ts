import { describe, expect, it } from 'vitest';
import { randomAt } from '../../src/base/random.ts';
import { consistencyLoss, type ConsistencyResult } from '../../src/objectives/consistency.ts';
import { messageOf, rowOf } from './support.ts';

function normals(seed: number, length: number): Float32Array {
  const random = randomAt(seed, 'consistency test');
  return Float32Array.from({ length }, () => 2 * random.normal());
}

function run(
  scores: Float32Array,
  others: Float32Array,
  classes: number,
): ConsistencyResult & { gradient: Float32Array; othersGradient: Float32Array } {
  // NaN beforehand shows that every element is overwritten.
  const gradient = new Float32Array(scores.length).fill(NaN);
  const othersGradient = new Float32Array(scores.length).fill(NaN);
  return { ...consistencyLoss(scores, others, classes, gradient, othersGradient), gradient, othersGradient };
}

function softmax(scores: readonly number[]): readonly number[] {
  const sum = scores.reduce((total, score) => total + Math.exp(score), 0);
  return scores.map((score) => Math.exp(score) / sum);
}

/** The formula as it stands in the papers. */
function slowly(scores: Float32Array, others: Float32Array, classes: number): ConsistencyResult {
  const rows = scores.length / classes;
  const found = { loss: 0, agreeing: 0, confidence: 0 };
  for (let row = 0; row < rows; row++) {
    const [p, q] = [softmax(rowOf(scores, row, classes)), softmax(rowOf(others, row, classes))];
    p.forEach((share, c) => (found.loss += (share - q[c]!) ** 2 / classes / rows));
    if (p.indexOf(Math.max(...p)) === q.indexOf(Math.max(...q))) found.agreeing++;
    found.confidence += Math.max(...p) / rows;
  }
  return found;
}

const SIZES = [
  [1, 2],
  [2, 3],
  [7, 5],
  [32, 12],
] as const;

describe('consistencyLoss', () => {
  it.each(SIZES)('equals the slow loop (%i rows, %i classes)', (rows, classes) => {
    const [scores, others] = [normals(1, rows * classes), normals(2, rows * classes)];
    const expected = slowly(scores, others, classes);
    const found = run(scores, others, classes);
    expect(found.loss).toBeCloseTo(expected.loss, 13);
    expect(found.agreeing).toBe(expected.agreeing);
    expect(found.confidence).toBeCloseTo(expected.confidence, 13);
  });

  it.each(SIZES.slice(0, 3))(
    'has both gradients that finite differences see (%i rows, %i classes)',
    (rows, classes) => {
      const [scores, others] = [normals(3, rows * classes), normals(4, rows * classes)];
      const { gradient, othersGradient } = run(scores, others, classes);
      for (const [values, found] of [
        [scores, gradient],
        [others, othersGradient],
      ] as const)
        for (let i = 0; i < values.length; i++) {
          const held = values[i]!;
          const at = (by: number): { loss: number; at: number } => {
            values[i] = held + by;
            const there = { loss: slowly(scores, others, classes).loss, at: values[i]! };
            values[i] = held;
            return there;
          };
          const [up, down] = [at(1e-3), at(-1e-3)];
          expect(found[i]!).toBeCloseTo((up.loss - down.loss) / (up.at - down.at), 6);
        }
    },
  );

  it('leaves answers that are constants without a gradient', () => {
    const [scores, others] = [normals(5, 12), normals(6, 12)];
    const gradient = new Float32Array(12);
    const found = consistencyLoss(scores, others, 3, gradient, null);
    const both = run(scores, others, 3);
    expect(found.loss).toBe(both.loss);
    expect(gradient).toEqual(both.gradient);
  });

  it('is 0 with no gradient where answers agree, however their scores are shifted', () => {
    const scores = Float32Array.of(1, 2, 3, -4, 0, 8);
    const { gradient, othersGradient, ...found } = run(
      scores,
      scores.map((value) => value + 16),
      3,
    );
    expect(found.loss).toBeCloseTo(0, 15);
    expect(found.agreeing).toBe(2);
    for (const value of [...gradient, ...othersGradient]) expect(Math.abs(value)).toBeLessThan(1e-15);
  });

  it('is 2/K where answers are sure of different classes, 1/K − 1/K² where one is sure and one knows nothing', () => {
    const sure = (own: number): readonly number[] => [0, 1, 2, 3].map((c) => (c === own ? 100 : 0));
    const different = run(
      Float32Array.from([...sure(0), ...sure(2)]),
      Float32Array.from([...sure(1), ...sure(3)]),
      4,
    );
    expect(different).toMatchObject({ agreeing: 0 });
    expect(different.loss).toBeCloseTo(2 / 4, 12);
    expect(different.confidence).toBeCloseTo(1, 12);
    const unknown = run(Float32Array.from(sure(0)), new Float32Array(4), 4);
    expect(unknown.loss).toBeCloseTo(1 / 4 - 1 / 16, 12);
    expect(run(new Float32Array(4), new Float32Array(4), 4).confidence).toBeCloseTo(1 / 4, 15);
  });

  it('moves answers towards each other, scores of a row by no sum', () => {
    const { gradient, othersGradient } = run(Float32Array.of(1, 0), Float32Array.of(0, 0), 2);
    expect(gradient[0]!).toBeGreaterThan(0.01);
    expect(gradient[1]!).toBeCloseTo(-gradient[0]!, 7);
    expect(othersGradient[0]!).toBeLessThan(-0.01);
  });

  it('takes scores that overflow exp()', () => {
    const { loss, gradient } = run(Float32Array.of(1000, -1000), Float32Array.of(-1000, 1000), 2);
    expect(loss).toBe(1);
    expect([...gradient].map(Math.abs)).toEqual([0, 0]);
  });

  it.each([NaN, Infinity, -Infinity])('never hides a %f', (value) => {
    for (const position of [0, 4]) {
      const broken = normals(7, 6);
      // A score of −∞ alone is a probability of 0; with all of a row nothing is left.
      if (value === -Infinity) broken.fill(value, position < 3 ? 0 : 3, position < 3 ? 3 : 6);
      else broken[position] = value;
      expect(run(broken, normals(8, 6), 3).loss).toBeNaN();
      expect(run(normals(8, 6), broken, 3).loss).toBeNaN();
    }
  });

  it('refuses sizes that do not fit', () => {
    const scores = new Float32Array(6);
    const short = new Float32Array(5);
    expect(messageOf(() => consistencyLoss(scores, scores, 0, scores, null))).toMatch(/classes is 0/);
    expect(messageOf(() => consistencyLoss(scores, scores, 4, scores, null))).toMatch(
      /scores have 6 numbers/,
    );
    expect(messageOf(() => consistencyLoss(new Float32Array(), scores, 3, scores, null))).toMatch(
      /scores have 0 numbers/,
    );
    expect(messageOf(() => consistencyLoss(scores, short, 3, scores, null))).toMatch(/others has 5/);
    expect(messageOf(() => consistencyLoss(scores, scores, 3, short, null))).toMatch(/gradient has 5/);
    expect(messageOf(() => consistencyLoss(scores, scores, 3, scores, short))).toMatch(
      /othersGradient has 5/,
    );
  });
});
