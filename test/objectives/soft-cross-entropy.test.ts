import { describe, expect, it } from 'vitest';
import { randomAt } from '../../src/base/random.ts';
import { crossEntropy } from '../../src/objectives/cross-entropy.ts';
import { softCrossEntropy, type SoftCrossEntropyResult } from '../../src/objectives/soft-cross-entropy.ts';
import { classWeights, rowWeights, softTargets } from '../../src/objectives/targets.ts';
import { messageOf } from './support.ts';

const CLASSES = 4;
const LABELS = Int32Array.of(2, 0, 3, 3, 1);
const MIXING = { partner: [1, 2, 3, 4, 0], weight: [0.3, 1, 0, 0.75, 0.5] };

function normals(seed: number, length: number): Float32Array {
  const random = randomAt(seed, 'soft cross-entropy test');
  return Float32Array.from({ length }, () => random.normal());
}

function run(
  logits: Float32Array,
  targets: Float32Array,
  weights: ArrayLike<number> | null = null,
  classes = CLASSES,
): SoftCrossEntropyResult & { gradient: Float32Array } {
  const gradient = new Float32Array(logits.length).fill(NaN);
  return { ...softCrossEntropy(logits, targets, classes, weights, gradient), gradient };
}

describe('softCrossEntropy', () => {
  const logits = normals(1, LABELS.length * CLASSES);

  it('equals crossEntropy on hard targets, value, hits and gradient', () => {
    const gradient = new Float32Array(logits.length);
    const hard = crossEntropy(logits, LABELS, CLASSES, gradient, { reduction: 'mean' });
    const soft = run(logits, softTargets(LABELS, CLASSES));
    expect(soft.loss).toBeCloseTo(hard.loss, 12);
    expect(soft.correct).toBe(hard.correct);
    for (const [i, value] of gradient.entries()) expect(soft.gradient[i]).toBeCloseTo(value, 7);
  });

  it('has the gradient that finite differences see, smoothed, mixed and weighted', () => {
    const targets = softTargets(LABELS, CLASSES, { smoothing: 0.1, mixing: MIXING });
    const weights = rowWeights(LABELS, classWeights(LABELS, CLASSES, 'balanced'), MIXING);
    const { gradient } = run(logits, targets, weights);
    for (let i = 0; i < logits.length; i++) {
      const shifted = (by: number): { loss: number; at: number } => {
        const copy = logits.slice();
        copy[i]! += by;
        return { loss: run(copy, targets, weights).loss, at: copy[i]! };
      };
      const up = shifted(1e-3);
      const down = shifted(-1e-3);
      expect(gradient[i]!).toBeCloseTo((up.loss - down.loss) / (up.at - down.at), 5);
    }
  });

  it('is least, the entropy of the targets, where the scores say the targets', () => {
    const targets = softTargets(LABELS, CLASSES, { smoothing: 0.2 });
    const perfect = targets.map(Math.log);
    const { loss, gradient } = run(perfect, targets);
    let entropy = 0;
    for (const target of targets) entropy -= (target * Math.log(target)) / LABELS.length;
    expect(loss).toBeCloseTo(entropy, 6);
    for (const value of gradient) expect(Math.abs(value)).toBeLessThan(1e-7);
  });

  it('weighs rows: a row of weight 2 counts like two rows, one of weight 0 like none', () => {
    const doubled = Float32Array.of(...logits.subarray(0, 12), ...logits.subarray(8, 12));
    const twice = run(doubled, softTargets(Int32Array.of(2, 0, 3, 3), CLASSES), [0, 1, 1, 1]);
    const weighted = run(logits.slice(0, 12), softTargets(LABELS.slice(0, 3), CLASSES), [0, 1, 2]);
    expect(weighted.loss).toBeCloseTo(twice.loss, 12);
    expect([...weighted.gradient.subarray(0, 4)]).toEqual([0, 0, 0, 0]);
    for (let i = 8; i < 12; i++) expect(weighted.gradient[i]).toBeCloseTo(2 * twice.gradient[i]!, 7);
  });

  it('is 0 with a zero gradient where all weights are 0', () => {
    const result = run(logits, softTargets(LABELS, CLASSES), [0, 0, 0, 0, 0]);
    expect(result.loss).toBe(0);
    expect(result.gradient.every((value) => value === 0)).toBe(true);
  });

  it('does not overflow on large scores and never hides a NaN', () => {
    const large = run(
      Float32Array.of(3e38, -3e38, 0, 500, -500, 0),
      softTargets(Int32Array.of(0, 1), 3),
      null,
      3,
    );
    expect(large.loss).toBeCloseTo(500, 10);
    expect(large.gradient.every(Number.isFinite)).toBe(true);
    for (const position of [0, 7, 19]) {
      const broken = logits.slice();
      broken[position] = NaN;
      expect(run(broken, softTargets(LABELS, CLASSES)).loss).toBeNaN();
    }
  });

  it('refuses what does not fit', () => {
    const targets = softTargets(LABELS, CLASSES);
    expect(messageOf(() => run(logits, targets, null, 0))).toMatch(/classes is 0/);
    expect(messageOf(() => run(logits.slice(1), targets))).toMatch(/logits has 19 numbers/);
    expect(messageOf(() => run(logits, targets.slice(4)))).toMatch(/targets has 16 numbers/);
    expect(messageOf(() => run(logits, targets, [1]))).toMatch(
      /rowWeights has 1 numbers where there are 5 rows/,
    );
    expect(messageOf(() => run(logits, targets, [1, 1, -1, 1, 1]))).toMatch(/rowWeights\[2\] is -1/);
    expect(messageOf(() => run(logits, targets, [1, NaN, 1, 1, 1]))).toMatch(/rowWeights\[1\] is NaN/);
    expect(
      messageOf(() =>
        run(
          logits,
          targets.map((value) => 2 * value),
        ),
      ),
    ).toMatch(/row 0 are no distribution/);
    const negative = targets.slice();
    negative.set([-1, 2], 4);
    expect(messageOf(() => run(logits, negative))).toMatch(/row 1 are no distribution/);
    const short = new Float32Array(3);
    expect(messageOf(() => softCrossEntropy(logits, targets, CLASSES, null, short))).toMatch(
      /gradient has 3/,
    );
  });
});

describe('softTargets', () => {
  it('are one-hot, smoothed to 1 − ε + ε/C and ε/C, and mixed in the shares of the images', () => {
    expect([...softTargets(Int32Array.of(1, 0), 2)]).toEqual([0, 1, 1, 0]);
    const smooth = softTargets(Int32Array.of(1), 4, { smoothing: 0.2 });
    for (const [c, expected] of [0.05, 0.85, 0.05, 0.05].entries())
      expect(smooth[c]).toBeCloseTo(expected, 7);
    const mixed = softTargets(LABELS, CLASSES, { mixing: MIXING });
    expect([...mixed.subarray(0, 4)].map((value) => Number(value.toFixed(6)))).toEqual([0.7, 0, 0.3, 0]);
    // Weight 1 is the row itself, weight 0 its partner, and a partner of the same class changes nothing.
    expect([...mixed.subarray(4, 12)]).toEqual([1, 0, 0, 0, 0, 0, 0, 1]);
  });

  it('always sum to 1', () => {
    const targets = softTargets(LABELS, CLASSES, { smoothing: 0.37, mixing: MIXING });
    for (let row = 0; row < LABELS.length; row++) {
      const sum = targets.subarray(row * CLASSES, (row + 1) * CLASSES).reduce((a, b) => a + b, 0);
      expect(sum).toBeCloseTo(1, 6);
    }
  });

  it('refuse rows without a label, impossible smoothing, and a mixing of other rows', () => {
    expect(messageOf(() => softTargets(Int32Array.of(0, -1), 2))).toMatch(/labels\[1\] is -1, no class of 2/);
    expect(messageOf(() => softTargets(Int32Array.of(2), 2))).toMatch(/labels\[0\] is 2/);
    expect(messageOf(() => softTargets(new Int32Array(), 2))).toMatch(/no labelled row/);
    for (const smoothing of [-0.1, 1.1, NaN])
      expect(messageOf(() => softTargets(LABELS, CLASSES, { smoothing }))).toMatch(/smoothing is/);
    for (const mixing of [
      { partner: [0], weight: [1] },
      { partner: [0, 1, 2, 3, 5], weight: [1, 1, 1, 1, 1] },
      { partner: [0, 1, 2, 3, 4], weight: [1, 1, 1.5, 1, 1] },
    ])
      expect(messageOf(() => softTargets(LABELS, CLASSES, { mixing }))).toMatch(/mixing/);
  });
});

describe('classWeights and rowWeights', () => {
  it('balance: every class that occurs has the same sum over rows, and the mean row weighs 1', () => {
    const labels = Int32Array.of(0, 0, 0, 0, 0, 0, 2, 2, 3, -1);
    const weights = classWeights(labels, 4, 'balanced');
    expect([...weights]).toEqual([0.5, 0, 1.5, 3]);
    const rows = rowWeights(
      labels.filter((label) => label >= 0),
      weights,
    );
    expect(rows.reduce((a, b) => a + b, 0) / rows.length).toBeCloseTo(1, 12);
  });

  it('are all 1 without weighting, or what was given', () => {
    expect([...classWeights(LABELS, 4, 'none')]).toEqual([1, 1, 1, 1]);
    expect([...classWeights(LABELS, 4, [1, 0, 2, 0.5])]).toEqual([1, 0, 2, 0.5]);
  });

  it('of a mixed row lie between the weights of its two classes, in the shares of the mixture', () => {
    const rows = rowWeights(LABELS, Float64Array.of(1, 2, 3, 4), MIXING);
    expect([...rows].map((weight) => Number(weight.toFixed(9)))).toEqual([1.6, 1, 4, 3.5, 2.5]);
  });

  it('refuse weights that are not one a class, negative, or all 0, and balance without a label', () => {
    expect(messageOf(() => classWeights(LABELS, 4, [1, 2]))).toMatch(/are 2 for 4 classes/);
    expect(messageOf(() => classWeights(LABELS, 2, [1, -2]))).toMatch(/class weight 1 is -2/);
    expect(messageOf(() => classWeights(LABELS, 2, [1, Infinity]))).toMatch(/class weight 1 is Infinity/);
    expect(messageOf(() => classWeights(LABELS, 2, [0, 0]))).toMatch(/are all 0/);
    expect(messageOf(() => classWeights(Int32Array.of(-1, -1), 2, 'balanced'))).toMatch(/no labelled row/);
    expect(messageOf(() => classWeights(LABELS, 2, 'balanced'))).toMatch(/labels\[0\] is 2, no class of 2/);
  });
});
