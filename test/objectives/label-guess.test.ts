import { describe, expect, it } from 'vitest';
import { randomAt } from '../../src/base/random.ts';
import { consistencyLoss } from '../../src/objectives/consistency.ts';
import { guessLabels, squaredDifference } from '../../src/objectives/label-guess.ts';
import { messageOf, rowOf } from './support.ts';

function normals(seed: number, length: number): Float32Array {
  const random = randomAt(seed, 'label guess test');
  return Float32Array.from({ length }, () => 2 * random.normal());
}

function softmax(scores: readonly number[]): readonly number[] {
  const sum = scores.reduce((total, score) => total + Math.exp(score), 0);
  return scores.map((score) => Math.exp(score) / sum);
}

describe('guessLabels', () => {
  it.each([
    [1, 1, 2, 1],
    [2, 3, 4, 0.5],
    [3, 7, 5, 0.25],
    [2, 32, 12, 2],
  ])('equals the formula (%i views, %i clips, %i classes, T %f)', (views, clips, classes, temperature) => {
    const logits = normals(views + clips, views * clips * classes);
    const found = guessLabels(logits, views, classes, temperature);
    expect(found).toHaveLength(clips * classes);
    for (let clip = 0; clip < clips; clip++) {
      const mean = new Array<number>(classes).fill(0);
      for (let view = 0; view < views; view++)
        softmax(rowOf(logits, view * clips + clip, classes)).forEach(
          (share, c) => (mean[c]! += share / views),
        );
      const powers = mean.map((share) => share ** (1 / temperature));
      const sum = powers.reduce((total, power) => total + power, 0);
      rowOf(found, clip, classes).forEach((share, c) => {
        expect(share).toBeCloseTo(powers[c]! / sum, 6);
      });
    }
  });

  it('is the mean at T = 1, squares at T = ½, the first at the limit, and even where nothing is known', () => {
    const logits = Float32Array.of(Math.log(0.6), Math.log(0.4), Math.log(0.2), Math.log(0.8));
    const at = (temperature: number): readonly number[] => [...guessLabels(logits, 2, 2, temperature)];
    expect(at(1)[0]!).toBeCloseTo(0.4, 6);
    expect(at(0.5)[0]!).toBeCloseTo(0.16 / (0.16 + 0.36), 6);
    expect(at(1e-3)).toEqual([0, 1]);
    expect([...guessLabels(new Float32Array(8), 2, 4, 0.5)]).toEqual([0.25, 0.25, 0.25, 0.25]);
  });

  it('takes scores that overflow exp(), and never hides what is not finite', () => {
    expect([...guessLabels(Float32Array.of(1000, -1000), 1, 2, 0.5)]).toEqual([1, 0]);
    for (const value of [NaN, Infinity]) {
      const broken = normals(1, 12);
      broken[7] = value;
      // Views of clip 0 of two clips are rows 0 and 2.
      const guesses = guessLabels(broken, 2, 3, 0.5);
      expect(rowOf(guesses, 0, 3).some(Number.isNaN)).toBe(true);
      expect(rowOf(guesses, 1, 3).every(Number.isFinite)).toBe(true);
    }
  });

  it('refuses sizes and temperatures that do not fit', () => {
    const logits = new Float32Array(12);
    expect(messageOf(() => guessLabels(logits, 2, 0, 1))).toMatch(/classes is 0/);
    expect(messageOf(() => guessLabels(logits, 0, 3, 1))).toMatch(/views is 0/);
    expect(messageOf(() => guessLabels(logits, 2, 5, 1))).toMatch(/logits have 12 numbers/);
    expect(messageOf(() => guessLabels(new Float32Array(), 2, 3, 1))).toMatch(/logits have 0 numbers/);
    for (const temperature of [0, -1, NaN])
      expect(messageOf(() => guessLabels(logits, 2, 3, temperature))).toMatch(/temperature is/);
  });
});

describe('squaredDifference', () => {
  const SIZES = [
    [1, 2],
    [2, 3],
    [7, 5],
    [32, 12],
  ] as const;
  const targetsOf = (seed: number, rows: number, classes: number): Float32Array => {
    const logits = normals(seed, rows * classes);
    return guessLabels(logits, 1, classes, 0.7);
  };
  const slowly = (scores: Float32Array, targets: Float32Array, classes: number): number => {
    const rows = scores.length / classes;
    let loss = 0;
    for (let row = 0; row < rows; row++) {
      const p = softmax(rowOf(scores, row, classes));
      rowOf(targets, row, classes).forEach((q, c) => (loss += (p[c]! - q) ** 2 / classes / rows));
    }
    return loss;
  };

  it.each(SIZES)('equals the slow loop and its finite differences (%i rows, %i classes)', (rows, classes) => {
    const scores = normals(2, rows * classes);
    const targets = targetsOf(3, rows, classes);
    const gradient = new Float32Array(scores.length).fill(NaN);
    expect(squaredDifference(scores, targets, classes, gradient)).toBeCloseTo(
      slowly(scores, targets, classes),
      12,
    );
    for (let i = 0; i < Math.min(60, scores.length); i++) {
      const at = (by: number): { loss: number; at: number } => {
        const copy = scores.slice();
        copy[i]! += by;
        return { loss: slowly(copy, targets, classes), at: copy[i]! };
      };
      const [up, down] = [at(1e-3), at(-1e-3)];
      expect(gradient[i]!).toBeCloseTo((up.loss - down.loss) / (up.at - down.at), 6);
    }
  });

  it('is what consistency is with the other answer', () => {
    const [scores, others] = [normals(4, 35), normals(5, 35)];
    const [own, expected] = [new Float32Array(35), new Float32Array(35)];
    const targets = guessLabels(others, 1, 5, 1);
    const { loss } = consistencyLoss(scores, others, 5, expected, null);
    expect(squaredDifference(scores, targets, 5, own)).toBeCloseTo(loss, 7);
    own.forEach((value, i) => {
      expect(value).toBeCloseTo(expected[i]!, 7);
    });
  });

  it('is 2/K where both are sure of different classes, 0 where they agree', () => {
    const gradient = new Float32Array(4);
    const sure = Float32Array.of(100, 0, 0, 0);
    expect(squaredDifference(sure, Float32Array.of(0, 1, 0, 0), 4, gradient)).toBeCloseTo(2 / 4, 12);
    expect(squaredDifference(sure, Float32Array.of(1, 0, 0, 0), 4, gradient)).toBeCloseTo(0, 12);
    expect(squaredDifference(new Float32Array(4), new Float32Array(4).fill(0.25), 4, gradient)).toBe(0);
  });

  it('never hides a NaN, and refuses sizes that do not fit', () => {
    const scores = normals(6, 6);
    const targets = targetsOf(7, 2, 3);
    const gradient = new Float32Array(6);
    for (const of of [scores, targets]) {
      const held = of[4]!;
      of[4] = NaN;
      expect(squaredDifference(scores, targets, 3, gradient)).toBeNaN();
      of[4] = held;
    }
    expect(messageOf(() => squaredDifference(scores, targets, 4, gradient))).toMatch(/scores have 6/);
    expect(messageOf(() => squaredDifference(scores, targets.subarray(1), 3, gradient))).toMatch(
      /targets has 5/,
    );
    expect(messageOf(() => squaredDifference(scores, targets, 3, new Float32Array(5)))).toMatch(
      /gradient has 5/,
    );
  });
});
