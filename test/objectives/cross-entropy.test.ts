import { describe, expect, it } from 'vitest';
import { randomAt } from '../../src/base/random.ts';
import { UNLABELLED } from '../../src/objectives/arguments.ts';
import {
  crossEntropy,
  type CrossEntropyReduction,
  type CrossEntropyResult,
} from '../../src/objectives/cross-entropy.ts';
import { messageOf } from './support.ts';

function run(
  logits: Float32Array,
  labels: readonly number[],
  classes: number,
  reduction: CrossEntropyReduction = 'mean',
): CrossEntropyResult & { gradient: Float32Array } {
  const gradient = new Float32Array(logits.length).fill(NaN);
  return { ...crossEntropy(logits, Int32Array.from(labels), classes, gradient, { reduction }), gradient };
}

function normals(seed: number, length: number): Float32Array {
  const random = randomAt(seed, 'cross-entropy test');
  return Float32Array.from({ length }, () => random.normal());
}

/** −log softmax at the label, from the definition. */
function rowLoss(logits: Float32Array, row: number, label: number, classes: number): number {
  const scores = logits.subarray(row * classes, (row + 1) * classes);
  const total = scores.reduce((sum, score) => sum + Math.exp(score), 0);
  return -Math.log(Math.exp(scores[label]!) / total);
}

describe('crossEntropy', () => {
  const classes = 4;
  const labels = [2, UNLABELLED, 0, 3, UNLABELLED];
  const logits = normals(1, 2 * labels.length * classes);

  it('is log(classes) for equal scores', () => {
    const { loss, correct } = run(new Float32Array(2 * 3 * 7), [0, 6, 3], 7);
    expect(loss).toBeCloseTo(Math.log(7), 12);
    // Equal scores: the first class wins, for both views.
    expect(correct).toBe(2);
  });

  it('averages over labelled rows of both views only', () => {
    const terms = [0, 2, 3, 5, 7, 8].map((row) => rowLoss(logits, row, labels[row % 5]!, classes));
    const { loss, labelled } = run(logits, labels, classes);
    expect(labelled).toBe(6);
    expect(loss).toBeCloseTo(terms.reduce((sum, term) => sum + term, 0) / 6, 10);
  });

  it('adds the means of the two views where asked, as the reference code does', () => {
    const half = labels.length * classes;
    const first = run(logits.slice(0, half), labels, classes);
    const second = run(logits.slice(half), labels, classes);
    const both = run(logits, labels, classes, 'sum-of-views');
    expect(both.loss).toBeCloseTo(first.loss + second.loss, 12);
    expect([...both.gradient]).toEqual([...first.gradient, ...second.gradient]);
    expect(both.loss).toBeCloseTo(2 * run(logits, labels, classes).loss, 12);
  });

  it.each(['mean', 'sum-of-views'] as const)(
    'has the gradient that finite differences see (%s)',
    (reduction) => {
      const { gradient } = run(logits, labels, classes, reduction);
      for (let i = 0; i < logits.length; i++) {
        const shifted = (by: number): { loss: number; at: number } => {
          const copy = logits.slice();
          copy[i]! += by;
          return { loss: run(copy, labels, classes, reduction).loss, at: copy[i]! };
        };
        const up = shifted(1e-3);
        const down = shifted(-1e-3);
        expect(gradient[i]!).toBeCloseTo((up.loss - down.loss) / (up.at - down.at), 5);
      }
    },
  );

  it('gives unlabelled rows no gradient', () => {
    const { gradient } = run(logits, labels, classes);
    for (const row of [1, 4, 6, 9])
      expect([...gradient.subarray(row * classes, (row + 1) * classes)]).toEqual([0, 0, 0, 0]);
  });

  it.each(['mean', 'sum-of-views'] as const)(
    'is 0, not NaN, for a batch without labels (%s)',
    (reduction) => {
      const result = run(
        logits,
        labels.map(() => UNLABELLED),
        classes,
        reduction,
      );
      expect(result).toMatchObject({ loss: 0, correct: 0, labelled: 0 });
      expect(result.gradient.every((value) => value === 0)).toBe(true);
    },
  );

  it('does not overflow on large scores', () => {
    const { loss, gradient } = run(Float32Array.of(3e38, -3e38, 0, 500, -500, 0), [0, 1], 3);
    expect(loss).toBeCloseTo(500, 10);
    expect(gradient.every(Number.isFinite)).toBe(true);
  });

  it('counts hits', () => {
    const { correct, labelled } = run(Float32Array.of(1, 2, 2, 1, 5, 1, 0, 0), [1, 0, 1, UNLABELLED], 2);
    expect([correct, labelled]).toEqual([2, 3]);
  });

  it('never hides a NaN of a labelled row', () => {
    for (const position of [0, 1, 3]) {
      const broken = logits.slice();
      broken[position] = NaN;
      expect(run(broken, labels, classes).loss).toBeNaN();
    }
  });

  it('refuses sizes that do not fit and labels that are no class', () => {
    expect(messageOf(() => run(logits, labels, 0))).toMatch(/classes is 0/);
    expect(messageOf(() => run(logits, [], classes))).toMatch(/labels is empty/);
    expect(messageOf(() => run(logits.slice(1), labels, classes))).toMatch(/logits has 39 numbers/);
    expect(messageOf(() => run(logits, [2, 0, 0, 4, 0], classes))).toMatch(/labels\[3\] is 4, no class of 4/);
    expect(messageOf(() => run(logits, [2, 0, -2, 1, 0], classes))).toMatch(/labels\[2\] is -2/);
    const short = new Float32Array(3);
    expect(
      messageOf(() => crossEntropy(logits, Int32Array.from(labels), classes, short, { reduction: 'mean' })),
    ).toMatch(/gradient has 3/);
  });
});
