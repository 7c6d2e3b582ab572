import { describe, expect, it } from 'vitest';
import { randomAt } from '../../src/base/random.ts';
import {
  debiasedContrastive,
  type DebiasedContrastiveResult,
} from '../../src/objectives/debiased-contrastive.ts';
import { ntXent } from '../../src/objectives/nt-xent.ts';
import { cosine, messageOf, rowOf } from './support.ts';

function normals(seed: number, length: number): Float32Array {
  const random = randomAt(seed, 'debiased contrastive test');
  return Float32Array.from({ length }, () => random.normal());
}

function run(
  embeddings: Float32Array,
  pairs: number,
  dim: number,
  temperature = 0.5,
  classPrior = 0.1,
): DebiasedContrastiveResult & { gradient: Float32Array } {
  // NaN beforehand shows that every element is overwritten.
  const gradient = new Float32Array(embeddings.length).fill(NaN);
  return { ...debiasedContrastive(embeddings, pairs, dim, temperature, classPrior, gradient), gradient };
}

/** Equations 7 and 8 of the paper as they stand on the page; also counts the rows at the floor. */
function slowly(
  z: Float32Array,
  pairs: number,
  dim: number,
  temperature: number,
  classPrior: number,
): { loss: number; floored: number } {
  const rows = 2 * pairs;
  const found = { loss: 0, floored: 0 };
  for (let i = 0; i < rows; i++) {
    const j = (i + pairs) % rows;
    const e = (k: number): number => Math.exp(cosine(rowOf(z, i, dim), rowOf(z, k, dim)) / temperature);
    const negatives = [...Array(rows).keys()].filter((k) => k !== i && k !== j).map(e);
    const mean = negatives.reduce((sum, value) => sum + value, 0) / negatives.length;
    const g = (mean - classPrior * e(j)) / (1 - classPrior);
    const least = Math.exp(-1 / temperature);
    if (g < least) found.floored += 1 / rows;
    found.loss -= Math.log(e(j) / (e(j) + negatives.length * Math.max(g, least))) / rows;
  }
  return found;
}

/** Views of a clip beside each other, so that a high τ⁺ takes some rows to the floor and leaves others. */
function near(seed: number, pairs: number, dim: number): Float32Array {
  const shared = normals(seed, pairs * dim);
  return normals(seed + 100, 2 * pairs * dim).map((own, i) => shared[i % shared.length]! + 0.6 * own);
}

const SIZES = [
  [2, 3, 0.5, 0.1],
  [5, 8, 0.1, 0.05],
  [7, 13, 1, 0.4],
  [16, 33, 0.2, 0.1],
] as const;

describe('debiasedContrastive', () => {
  it.each(SIZES)(
    'equals the slow loop (%i pairs, dim %i, τ %f, τ⁺ %f)',
    (pairs, dim, temperature, classPrior) => {
      for (const embeddings of [normals(pairs, 2 * pairs * dim), near(pairs, pairs, dim)]) {
        const expected = slowly(embeddings, pairs, dim, temperature, classPrior);
        const found = run(embeddings, pairs, dim, temperature, classPrior);
        expect(found.loss).toBeCloseTo(expected.loss, 10);
        expect(found.floored).toBeCloseTo(expected.floored, 12);
      }
    },
  );

  it.each([
    [3, 4, 0.5, 0.1],
    [5, 7, 0.2, 0.05],
    [5, 7, 0.5, 0.3],
  ])(
    'has the gradient that finite differences see (%i pairs, dim %i, τ %f, τ⁺ %f)',
    (pairs, dim, temperature, classPrior) => {
      const embeddings = near(12, pairs, dim);
      const { gradient } = run(embeddings, pairs, dim, temperature, classPrior);
      for (let i = 0; i < embeddings.length; i++) {
        const shifted = (by: number): { loss: number; at: number } => {
          const copy = embeddings.slice();
          copy[i]! += by;
          return { loss: slowly(copy, pairs, dim, temperature, classPrior).loss, at: copy[i]! };
        };
        const up = shifted(1e-3);
        const down = shifted(-1e-3);
        expect(gradient[i]!).toBeCloseTo((up.loss - down.loss) / (up.at - down.at), 3);
      }
    },
  );

  it('is tested with rows at the floor and above it', () => {
    const { floored } = run(near(12, 5, 7), 5, 7, 0.5, 0.3);
    expect(floored).toBeGreaterThan(0);
    expect(floored).toBeLessThan(1);
  });

  it.each([1, 2, 9])('is NT-Xent with τ⁺ = 0 (%i pairs)', (pairs) => {
    const embeddings = normals(3, 2 * pairs * 7);
    const gradient = new Float32Array(embeddings.length);
    const { loss, ...spread } = ntXent(embeddings, pairs, 7, 0.2, gradient);
    const found = run(embeddings, pairs, 7, 0.2, 0);
    expect(found.loss).toBeCloseTo(loss, 13);
    expect(found).toMatchObject({ ...spread, floored: 0 });
    found.gradient.forEach((value, i) => {
      expect(value).toBeCloseTo(gradient[i]!, 7);
    });
  });

  it.each([0, 0.1, 0.9])(
    'is log(2N − 1) with no gradient when all is one point, with τ⁺ %f',
    (classPrior) => {
      const embeddings = Float32Array.from({ length: 2 * 5 * 6 }, (_, i) => ((i % 6) + 1) * 0.3);
      const { loss, gradient, accuracy } = run(embeddings, 5, 6, 0.5, classPrior);
      expect(loss).toBeCloseTo(Math.log(9), 12);
      for (const value of gradient) expect(Math.abs(value)).toBeLessThan(1e-7);
      expect(accuracy).toBe(0);
    },
  );

  it('is log(1 + M e^(−2/τ)) at the floor, where negatives get no gradient', () => {
    // Two clips at right angles: 1 − τ⁺ e^(1/τ) is below the floor for τ⁺ = 0.5, τ = 0.5.
    const embeddings = Float32Array.of(2, 0, 0, 1, 1, 0, 0, 3);
    const { loss, gradient, floored } = run(embeddings, 2, 2, 0.5, 0.5);
    expect(floored).toBe(1);
    expect(loss).toBeCloseTo(Math.log(1 + 2 * Math.exp(-4)), 12);
    for (const value of gradient) expect(Math.abs(value)).toBe(0);
  });

  it('costs less, the higher τ⁺, for a negative may be of the same class', () => {
    const embeddings = Float32Array.of(1, 0, 1, 1, 1, 0, 1, 1);
    const losses = [0, 0.05, 0.1].map((classPrior) => run(embeddings, 2, 2, 0.5, classPrior).loss);
    expect(losses).toEqual([...losses].sort((a, b) => b - a));
  });

  it('is 0 with one pair: there are no negatives', () => {
    const result = run(normals(6, 2 * 8), 1, 8);
    expect(result).toMatchObject({ loss: 0, accuracy: 1, floored: 0 });
    for (const value of result.gradient) expect(Math.abs(value)).toBe(0);
  });

  it('gives a zero row cosine 0 with everything and no gradient, and stays finite', () => {
    const embeddings = normals(8, 2 * 3 * 4);
    embeddings.fill(0, 0, 4);
    const result = run(embeddings, 3, 4);
    expect([...result.gradient.subarray(0, 4)].map(Math.abs)).toEqual([0, 0, 0, 0]);
    expect(Number.isFinite(result.loss)).toBe(true);
    expect(result.gradient.every(Number.isFinite)).toBe(true);
    expect(run(new Float32Array(2 * 3 * 4), 3, 4).loss).toBeCloseTo(Math.log(5), 12);
  });

  it.each([NaN, Infinity])('never hides a %f', (value) => {
    for (const position of [0, 5, 23]) {
      const embeddings = normals(9, 2 * 3 * 4);
      embeddings[position] = value;
      expect(run(embeddings, 3, 4).loss).toBeNaN();
    }
  });

  it('stays finite at a temperature that overflows exp()', () => {
    const { loss, gradient } = run(normals(10, 2 * 3 * 4), 3, 4, 1e-4);
    expect(Number.isFinite(loss)).toBe(true);
    expect(gradient.every(Number.isFinite)).toBe(true);
  });

  it('refuses sizes that do not fit, temperatures and priors that are none', () => {
    const z = new Float32Array(24);
    expect(messageOf(() => debiasedContrastive(z, 0, 4, 0.5, 0.1, z))).toMatch(/pairs is 0/);
    expect(messageOf(() => debiasedContrastive(z, 3, 0, 0.5, 0.1, z))).toMatch(/dim is 0/);
    expect(messageOf(() => debiasedContrastive(z, 3, 5, 0.5, 0.1, z))).toMatch(/embeddings has 24 numbers/);
    expect(messageOf(() => debiasedContrastive(z, 3, 4, 0.5, 0.1, new Float32Array(23)))).toMatch(
      /gradient has 23/,
    );
    expect(messageOf(() => debiasedContrastive(z, 3, 4, 0, 0.1, z))).toMatch(/temperature is 0/);
    for (const classPrior of [-0.1, 1, NaN])
      expect(messageOf(() => debiasedContrastive(z, 3, 4, 0.5, classPrior, z))).toMatch(/classPrior is/);
  });
});
