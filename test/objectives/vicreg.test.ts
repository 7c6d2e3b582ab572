import { describe, expect, it } from 'vitest';
import { randomAt } from '../../src/base/random.ts';
import { vicregLoss, type VicregResult, type VicregWeights } from '../../src/objectives/vicreg.ts';
import { messageOf } from './support.ts';

const PUBLISHED: VicregWeights = { invariance: 25, variance: 25, covariance: 1 };

function normals(seed: number, length: number, deviation = 1): Float32Array {
  const random = randomAt(seed, 'VICReg test');
  return Float32Array.from({ length }, () => deviation * random.normal());
}

function run(
  embeddings: Float32Array,
  pairs: number,
  dim: number,
  weights = PUBLISHED,
): VicregResult & { gradient: Float32Array } {
  // NaN beforehand shows that every element is overwritten.
  const gradient = new Float32Array(embeddings.length).fill(NaN);
  return { ...vicregLoss(embeddings, pairs, dim, weights, gradient), gradient };
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, value) => total + value, 0);

/** Equations 1 to 6 of the paper as they stand on the page, invariance as a mean over features too. */
function slowly(z: Float32Array, pairs: number, dim: number, weights: VicregWeights): VicregResult {
  const at = (view: number, n: number, d: number): number => z[(view * pairs + n) * dim + d]!;
  const found = { invariance: 0, variance: 0, covariance: 0, deviation: 0 };
  for (let n = 0; n < pairs; n++)
    for (let d = 0; d < dim; d++) found.invariance += (at(0, n, d) - at(1, n, d)) ** 2 / (pairs * dim);
  for (const view of [0, 1]) {
    const covariance = (i: number, j: number): number => {
      const [a, b] = [i, j].map((d) => Array.from({ length: pairs }, (_, n) => at(view, n, d)));
      const [meanA, meanB] = [sum(a!) / pairs, sum(b!) / pairs];
      return sum(a!.map((value, n) => (value - meanA) * (b![n]! - meanB))) / (pairs - 1);
    };
    for (let i = 0; i < dim; i++) {
      const deviation = Math.sqrt(covariance(i, i) + 1e-4);
      found.deviation += deviation / (2 * dim);
      found.variance += Math.max(0, 1 - deviation) / dim;
      for (let j = 0; j < dim; j++) if (i !== j) found.covariance += covariance(i, j) ** 2 / dim;
    }
  }
  const { invariance, variance, covariance } = found;
  return {
    ...found,
    loss: weights.invariance * invariance + weights.variance * variance + weights.covariance * covariance,
  };
}

/** Features that do not vary together, each with this standard deviation over four rows (divided by 3). */
function independent(deviation: number): readonly number[] {
  const size = deviation * Math.sqrt(3 / 4);
  return [0, 1, 2, 3].flatMap((row) =>
    [1, 2, 3].map((column) => ([0, 3].includes(row & column) ? size : -size)),
  );
}

/** Deviations on both sides of 1. */
const SIZES = [
  [2, 3, 1],
  [7, 5, 1],
  [7, 5, 0.4],
  [16, 12, 2],
] as const;

describe('with weights of pairs', () => {
  const weighted = (z: Float32Array, pairWeights: readonly number[], dim: number) => {
    const gradient = new Float32Array(z.length).fill(NaN);
    return { ...vicregLoss(z, pairWeights.length, dim, PUBLISHED, gradient, pairWeights), gradient };
  };

  it.each([[[1, 0.5]], [[0, 2, 0.3, 1, 0.7]]])('the invariance is their mean of squares (%j)', (weights) => {
    const pairs = weights.length;
    const z = normals(41, 2 * pairs * 4);
    const plain = run(z, pairs, 4);
    const found = weighted(z, weights, 4);
    let invariance = 0;
    const expected = plain.gradient.slice();
    for (let i = 0; i < pairs * 4; i++) {
      const difference = z[i]! - z[i + pairs * 4]!;
      const weight = weights[Math.floor(i / 4)]!;
      invariance += (weight * difference ** 2) / (pairs * 4);
      const more = ((weight - 1) * 25 * 2 * difference) / (pairs * 4);
      expected[i]! += more;
      expected[i + pairs * 4]! -= more;
    }
    expect(found.invariance).toBeCloseTo(invariance, 12);
    expect(found.loss).toBeCloseTo(plain.loss + 25 * (invariance - plain.invariance), 10);
    expect([found.variance, found.covariance]).toEqual([plain.variance, plain.covariance]);
    found.gradient.forEach((value, i) => {
      expect(value).toBeCloseTo(expected[i]!, 4);
    });
    expect(
      weighted(
        z,
        weights.map(() => 1),
        4,
      ),
    ).toEqual(plain);
  });

  it('are refused where they are not one a pair, finite and from 0', () => {
    const z = normals(42, 24);
    expect(messageOf(() => weighted(z, [1, -1, 1], 4))).toMatch(/weights\[1\] is -1/);
    const gradient = new Float32Array(24);
    expect(messageOf(() => vicregLoss(z, 3, 4, PUBLISHED, gradient, [1]))).toMatch(/weights has 1/);
  });
});

describe('vicregLoss', () => {
  it.each(SIZES)('equals the slow loops (%i pairs, dim %i, deviation %f)', (pairs, dim, deviation) => {
    const embeddings = normals(pairs, 2 * pairs * dim, deviation);
    const weights = { invariance: 3, variance: 2, covariance: 0.7 };
    const expected = slowly(embeddings, pairs, dim, weights);
    const { gradient: _gradient, ...found } = run(embeddings, pairs, dim, weights);
    expect(Object.keys(found).sort()).toEqual(Object.keys(expected).sort());
    for (const [name, value] of Object.entries<number>({ ...expected }))
      expect(found[name as keyof VicregResult], name).toBeCloseTo(value, 10);
  });

  it.each([
    ['all parts', PUBLISHED],
    ['invariance', { invariance: 1, variance: 0, covariance: 0 }],
    ['variance', { invariance: 0, variance: 1, covariance: 0 }],
    ['covariance', { invariance: 0, variance: 0, covariance: 1 }],
  ])('has the gradient that finite differences see (%s)', (_, weights) => {
    const [pairs, dim] = [7, 4];
    const embeddings = normals(11, 2 * pairs * dim);
    const { gradient, variance } = run(embeddings, pairs, dim, weights);
    expect(variance).toBeGreaterThan(0);
    for (let i = 0; i < embeddings.length; i++) {
      const shifted = (by: number): { loss: number; at: number } => {
        const copy = embeddings.slice();
        copy[i]! += by;
        return { loss: slowly(copy, pairs, dim, weights).loss, at: copy[i]! };
      };
      const up = shifted(1e-3);
      const down = shifted(-1e-3);
      expect(gradient[i]!).toBeCloseTo((up.loss - down.loss) / (up.at - down.at), 4);
    }
  });

  it('is 0 with no gradient where views agree, features vary enough and not together', () => {
    const view = independent(1.5);
    const { gradient, ...found } = run(Float32Array.from([...view, ...view]), 4, 3);
    expect(found.loss).toBeCloseTo(0, 12);
    expect(found.deviation).toBeCloseTo(Math.sqrt(1.5 ** 2 + 1e-4), 6);
    for (const value of gradient) expect(Math.abs(value)).toBeLessThan(1e-6);
  });

  it('costs 2μ (1 − √(σ² + ε)) for features that vary too little', () => {
    const view = independent(0.5);
    const { gradient, ...found } = run(Float32Array.from([...view, ...view]), 4, 3);
    const deviation = Math.sqrt(0.5 ** 2 + 1e-4);
    expect(found.loss).toBeCloseTo(25 * 2 * (1 - deviation), 5);
    // Away from the mean: −μ (z − mean) / (d (N − 1) deviation).
    expect(gradient[0]!).toBeCloseTo((-25 * view[0]!) / (3 * 3 * deviation), 5);
  });

  it('costs 2μ 0.99 at a collapse, which is no way out by itself', () => {
    const { gradient, ...found } = run(new Float32Array(2 * 4 * 3).fill(0.7), 4, 3);
    expect(found.loss).toBeCloseTo(50 * 0.99, 12);
    expect(found.deviation).toBeCloseTo(0.01, 12);
    for (const value of gradient) expect(Math.abs(value)).toBe(0);
  });

  it('costs ν 2 (d − 1) σ⁴ where all features are one', () => {
    const one = Array.from({ length: 12 }, (_, i) => independent(2)[3 * Math.floor(i / 3)]!);
    const found = run(Float32Array.from([...one, ...one]), 4, 3);
    expect(found).toMatchObject({ invariance: 0, variance: 0 });
    expect(found.loss).toBeCloseTo(2 * 2 * 2 ** 4, 4);
  });

  it('costs λ Δ² where one view is moved, and pulls both back by 2λΔ / Nd', () => {
    const view = independent(1.5);
    const { gradient, ...found } = run(
      Float32Array.from([...view, ...view.map((value) => value + 0.25)]),
      4,
      3,
    );
    expect(found.loss).toBeCloseTo(25 * 0.25 ** 2, 5);
    expect(gradient[0]!).toBeCloseTo((-2 * 25 * 0.25) / 12, 5);
    expect(gradient[12]!).toBeCloseTo((2 * 25 * 0.25) / 12, 5);
  });

  it('does not care in which order the clips come, nor which view is first', () => {
    const embeddings = normals(3, 2 * 5 * 4);
    const original = run(embeddings, 5, 4);
    const source = [7, 9, 5, 6, 8, 2, 4, 0, 1, 3];
    const permuted = Float32Array.from(
      source.flatMap((row) => [...embeddings.subarray(4 * row, 4 * row + 4)]),
    );
    const result = run(permuted, 5, 4);
    expect(result.loss).toBeCloseTo(original.loss, 10);
    source.forEach((row, place) => {
      for (let d = 0; d < 4; d++)
        expect(result.gradient[4 * place + d]!).toBeCloseTo(original.gradient[4 * row + d]!, 5);
    });
  });

  it('has no covariance with a single feature', () => {
    expect(run(normals(4, 2 * 5), 5, 1)).toMatchObject({ covariance: 0 });
  });

  it.each([NaN, Infinity])('never hides a %f', (value) => {
    for (const position of [0, 5, 23]) {
      const embeddings = normals(9, 2 * 3 * 4);
      embeddings[position] = value;
      expect(run(embeddings, 3, 4).loss).toBeNaN();
    }
  });

  it('refuses sizes that do not fit, a single pair and weights below 0', () => {
    const z = new Float32Array(24);
    expect(messageOf(() => vicregLoss(z, 1, 12, PUBLISHED, z))).toMatch(/pairs is 1/);
    expect(messageOf(() => vicregLoss(z, 3, 0, PUBLISHED, z))).toMatch(/dim is 0/);
    expect(messageOf(() => vicregLoss(z, 3, 5, PUBLISHED, z))).toMatch(/embeddings has 24 numbers/);
    expect(messageOf(() => vicregLoss(z, 3, 4, PUBLISHED, new Float32Array(23)))).toMatch(/gradient has 23/);
    for (const part of ['invariance', 'variance', 'covariance'] as const)
      for (const weight of [-1, NaN, Infinity])
        expect(messageOf(() => vicregLoss(z, 3, 4, { ...PUBLISHED, [part]: weight }, z))).toContain(
          `weight of the ${part} is`,
        );
  });
});
