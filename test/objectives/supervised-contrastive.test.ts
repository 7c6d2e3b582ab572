import { describe, expect, it } from 'vitest';
import { randomAt } from '../../src/base/random.ts';
import { ntXent } from '../../src/objectives/nt-xent.ts';
import {
  supervisedContrastive,
  type SupervisedContrastiveResult,
} from '../../src/objectives/supervised-contrastive.ts';
import { cosine, messageOf, rowOf } from './support.ts';

function normals(seed: number, length: number): Float32Array {
  const random = randomAt(seed, 'supervised contrastive test');
  return Float32Array.from({ length }, () => random.normal());
}

function run(
  embeddings: Float32Array,
  labels: readonly number[],
  dim: number,
  temperature = 0.5,
): SupervisedContrastiveResult & { gradient: Float32Array } {
  // NaN beforehand shows that every element is overwritten.
  const gradient = new Float32Array(embeddings.length).fill(NaN);
  return {
    ...supervisedContrastive(embeddings, Int32Array.from(labels), dim, temperature, gradient),
    gradient,
  };
}

/** Equation 2 of the paper as it stands on the page; an unlabelled clip gets a label that nothing else has. */
function slowly(z: Float32Array, labels: readonly number[], dim: number, temperature: number) {
  const pairs = labels.length;
  const own = [...labels, ...labels].map((label, row) => (label === -1 ? 1000 + (row % pairs) : label));
  const similarity = (i: number, k: number): number => cosine(rowOf(z, i, dim), rowOf(z, k, dim));
  const result = { loss: 0, positives: 0, sameClass: 0 };
  for (let i = 0; i < 2 * pairs; i++) {
    const others = [...own.keys()].filter((k) => k !== i);
    const positives = others.filter((k) => own[k] === own[i]);
    const denominator = others.reduce((sum, k) => sum + Math.exp(similarity(i, k) / temperature), 0);
    for (const p of positives)
      result.loss -=
        Math.log(Math.exp(similarity(i, p) / temperature) / denominator) / positives.length / (2 * pairs);
    result.positives += positives.length / (2 * pairs);
    const [nearest] = others
      .filter((k) => k % pairs !== i % pairs)
      .sort((a, b) => similarity(i, b) - similarity(i, a));
    if (nearest !== undefined && labels[i % pairs] !== -1 && own[nearest] === own[i]) result.sameClass++;
  }
  return result;
}

/** Some classes are there twice or more, one once; some clips have none. */
const CASES = [
  [[0, 0], 3, 0.5],
  [[1, -1, 1, 0, -1], 8, 0.1],
  [[2, 2, 2, 0, 0, -1, 1], 13, 1],
  [Array.from({ length: 16 }, (_, i) => (i % 5) - 1), 33, 0.07],
] as const;

describe('supervisedContrastive', () => {
  it.each(CASES)('equals the slow loop (labels %j, dim %i, τ %f)', (labels, dim, temperature) => {
    const embeddings = normals(labels.length, 2 * labels.length * dim);
    const expected = slowly(embeddings, labels, dim, temperature);
    const found = run(embeddings, labels, dim, temperature);
    expect(found.loss).toBeCloseTo(expected.loss, 10);
    expect(found.positives).toBeCloseTo(expected.positives, 12);
    expect(found.sameClass).toBe(expected.sameClass);
    expect(found.labelled).toBe(2 * labels.filter((label) => label !== -1).length);
  });

  it.each(CASES.slice(0, 3))(
    'has the gradient that finite differences see (labels %j, dim %i, τ %f)',
    (labels, dim, temperature) => {
      const embeddings = normals(11, 2 * labels.length * dim);
      const { gradient } = run(embeddings, labels, dim, temperature);
      for (let i = 0; i < embeddings.length; i++) {
        const shifted = (by: number): { loss: number; at: number } => {
          const copy = embeddings.slice();
          copy[i]! += by;
          return { loss: slowly(copy, labels, dim, temperature).loss, at: copy[i]! };
        };
        const up = shifted(1e-3);
        const down = shifted(-1e-3);
        expect(gradient[i]!).toBeCloseTo((up.loss - down.loss) / (up.at - down.at), 4);
      }
    },
  );

  it.each([
    ['no label', [-1, -1, -1, -1, -1]],
    ['no class twice', [3, 1, -1, 0, 2]],
  ])('is NT-Xent to the bit with %s', (_, labels) => {
    const embeddings = normals(3, 2 * 5 * 7);
    const gradient = new Float32Array(embeddings.length);
    const expected = ntXent(embeddings, 5, 7, 0.2, gradient);
    const found = run(embeddings, labels, 7, 0.2);
    expect(found).toMatchObject({ ...expected, positives: 1, sameClass: 0 });
    expect(found.gradient).toEqual(gradient);
  });

  it.each([[[-1, -1, -1]], [[0, 0, -1]], [[0, 1, 0]]])(
    'is log(2N − 1) with no gradient when all is one point, whatever the labels: %j',
    (labels) => {
      const embeddings = Float32Array.from({ length: 2 * 3 * 4 }, (_, i) => ((i % 4) + 1) * 0.3);
      const { loss, gradient, accuracy, sameClass } = run(embeddings, labels, 4);
      expect(loss).toBeCloseTo(Math.log(5), 12);
      for (const value of gradient) expect(Math.abs(value)).toBeLessThan(1e-7);
      expect([accuracy, sameClass]).toEqual([0, 0]);
    },
  );

  it('is log(P + Q e^(−1/τ)) where classes are points at right angles', () => {
    // Two classes of 2 and 3 clips: 4 and 6 views, of which a view is to find 3 or 5.
    const labels = [0, 1, 0, 1, 1];
    const view = labels.flatMap((label) => (label === 0 ? [2, 0] : [0, 3]));
    const { loss, sameClass, labelled, positives } = run(
      Float32Array.from([...view, ...view]),
      labels,
      2,
      0.3,
    );
    const negative = Math.exp(-1 / 0.3);
    const expected = (4 * Math.log(3 + 6 * negative) + 6 * Math.log(5 + 4 * negative)) / 10;
    expect(loss).toBeCloseTo(expected, 12);
    expect({ sameClass, labelled }).toEqual({ sameClass: 10, labelled: 10 });
    expect(positives).toBeCloseTo((4 * 3 + 6 * 5) / 10, 12);
  });

  it('pulls clips of one class together where NT-Xent pushes them apart', () => {
    // Clip 0 along x, clip 1 along y, views alike.
    const embeddings = Float32Array.of(1, 0, 0, 1, 1, 0, 0, 1);
    const towards = (labels: readonly number[]): number => run(embeddings, labels, 2).gradient[1]!;
    // A step down the gradient turns clip 0 towards clip 1 where the number is negative.
    expect(towards([0, 0])).toBeLessThan(-0.05);
    expect(towards([0, 1])).toBeGreaterThan(0.05);
  });

  it('counts a labelled view as beside its class by other clips alone, and strictly', () => {
    // View 0 of clip 0 is on its partner; its nearest other clip is of another class.
    const degrees = (...angles: readonly number[]): Float32Array =>
      Float32Array.from(angles.flatMap((one) => [Math.cos(one / 57.3), Math.sin(one / 57.3)]));
    expect(run(degrees(0, 40, 10, 0, 45, 10), [0, 0, 1], 2).sameClass).toBe(0);
    expect(run(degrees(0, 10, 40, 0, 10, 40), [0, 0, 1], 2).sameClass).toBe(4);
    expect(run(degrees(0, 10, 40, 0, 10, 40), [0, 0, -1], 2)).toMatchObject({ sameClass: 4, labelled: 4 });
  });

  it('is 0 with one pair, labelled or not', () => {
    for (const label of [-1, 4]) {
      const result = run(normals(6, 2 * 8), [label], 8);
      expect(result).toMatchObject({ loss: 0, accuracy: 1, positives: 1, sameClass: 0 });
      for (const value of result.gradient) expect(Math.abs(value)).toBe(0);
    }
  });

  it('gives a zero row cosine 0 with everything and no gradient, and stays finite', () => {
    const dim = 4;
    const embeddings = normals(8, 2 * 3 * dim);
    embeddings.fill(0, 0, dim);
    const result = run(embeddings, [1, 1, -1], dim);
    expect([...result.gradient.subarray(0, dim)].map(Math.abs)).toEqual([0, 0, 0, 0]);
    expect(Number.isFinite(result.loss)).toBe(true);
    expect(result.gradient.every(Number.isFinite)).toBe(true);
    expect(run(new Float32Array(2 * 3 * dim), [0, 0, 1], dim).loss).toBeCloseTo(Math.log(5), 12);
  });

  it.each([NaN, Infinity])('never hides a %f', (value) => {
    for (const labels of [
      [0, 0, 1],
      [-1, 0, 0],
    ]) {
      const embeddings = normals(9, 2 * 3 * 4);
      embeddings[5] = value;
      expect(run(embeddings, labels, 4).loss).toBeNaN();
    }
  });

  it('stays finite at a temperature that overflows exp()', () => {
    const { loss, gradient } = run(normals(10, 2 * 3 * 4), [0, 0, 1], 4, 1e-4);
    expect(loss).toBeGreaterThan(1000);
    expect(gradient.every(Number.isFinite)).toBe(true);
  });

  it('refuses sizes that do not fit, labels below −1 and temperatures that are not positive', () => {
    const z = new Float32Array(24);
    const labels = Int32Array.of(0, -1, 0);
    expect(messageOf(() => supervisedContrastive(z, new Int32Array(), 4, 0.5, z))).toMatch(/pairs is 0/);
    expect(messageOf(() => supervisedContrastive(z, labels, 0, 0.5, z))).toMatch(/dim is 0/);
    expect(messageOf(() => supervisedContrastive(z, labels, 5, 0.5, z))).toMatch(/embeddings has 24 numbers/);
    expect(messageOf(() => supervisedContrastive(z, labels, 4, 0.5, new Float32Array(23)))).toMatch(
      /gradient has 23/,
    );
    expect(messageOf(() => supervisedContrastive(z, Int32Array.of(0, -2, 0), 4, 0.5, z))).toMatch(
      /labels\[1\] is -2/,
    );
    for (const temperature of [0, -1, NaN, Infinity])
      expect(messageOf(() => supervisedContrastive(z, labels, 4, temperature, z))).toMatch(/temperature is/);
  });
});
