import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { randomAt } from '../../src/base/random.ts';
import { symmetricEigenvalues } from '../../src/evaluation/features/eigen.ts';
import { effectiveRank } from '../../src/evaluation/features/statistics.ts';
import { codeOf, golden } from './support.ts';

const cases = golden(
  'statistics',
  z.object({
    dim: z.int(),
    features: z.array(z.number()),
    eigenvalues: z.array(z.number()),
    effectiveRank: z.number(),
  }),
);

const normals = (seed: number, count: number): Float32Array => {
  const random = randomAt(seed, 'statistics');
  return Float32Array.from({ length: count }, () => random.normal());
};

describe('effectiveRank', () => {
  it.each(cases)('equals numpy for $features.length values of $dim columns', (one) => {
    expect(effectiveRank(Float32Array.from(one.features), one.dim)).toBeCloseTo(one.effectiveRank, 4);
  });

  it('counts directions: features in a plane have an effective rank of two whatever their dimension', () => {
    const dim = 40;
    const rows = 100;
    const features = new Float32Array(rows * dim);
    for (let i = 0; i < rows; i++) {
      const angle = (2 * Math.PI * i) / rows;
      for (let d = 0; d < dim; d++) {
        features[i * dim + d] = 5 + (d % 2 === 0 ? Math.cos(angle) : Math.sin(angle));
      }
    }
    expect(effectiveRank(features, dim)).toBeCloseTo(2, 3);
    expect(effectiveRank(features.subarray(0, 3 * dim), dim)).toBeLessThan(2);
  });

  it('is unmoved by scale and offset in rank, and near min(rows − 1, dim) for noise', () => {
    const features = normals(1, 400 * 16);
    const rank = effectiveRank(features, 16);
    expect(rank).toBeGreaterThan(15.5);
    expect(rank).toBeLessThanOrEqual(16);
    const moved = features.map((value) => 3 * value + 2);
    expect(effectiveRank(moved, 16)).toBeCloseTo(rank, 3);
    expect(effectiveRank(normals(2, 5 * 300), 300)).toBeGreaterThan(3.9);
    expect(effectiveRank(normals(2, 5 * 300), 300)).toBeLessThanOrEqual(4.0001);
  });

  it('shows a collapse: equal rows have rank 0', () => {
    const features = Float32Array.from({ length: 30 }, (_, i) => (i % 3) + 1);
    expect(effectiveRank(features, 3)).toBe(0);
  });

  it('refuses one row, a broken shape, and values that are not finite', () => {
    expect(codeOf(() => effectiveRank(Float32Array.of(1, 2), 2))).toBe('STATISTICS_INPUT');
    expect(codeOf(() => effectiveRank(Float32Array.of(1, 2, 3), 2))).toBe('STATISTICS_INPUT');
    expect(codeOf(() => effectiveRank(Float32Array.of(1, 2, 3, NaN), 2))).toBe('STATISTICS_INPUT');
  });
});

describe('symmetricEigenvalues', () => {
  it.each(cases)('equals numpy on a covariance of $dim columns', ({ dim, features, eigenvalues }) => {
    const rows = features.length / dim;
    const mean = Array.from({ length: dim }, (_, d) => {
      let sum = 0;
      for (let i = 0; i < rows; i++) sum += Math.fround(features[i * dim + d]!);
      return sum / rows;
    });
    const covariance = new Float64Array(dim * dim);
    for (let i = 0; i < rows; i++) {
      for (let a = 0; a < dim; a++) {
        for (let b = 0; b < dim; b++) {
          covariance[a * dim + b]! +=
            ((Math.fround(features[i * dim + a]!) - mean[a]!) *
              (Math.fround(features[i * dim + b]!) - mean[b]!)) /
            rows;
        }
      }
    }
    const found = symmetricEigenvalues(covariance, dim);
    eigenvalues.forEach((value, i) => {
      expect(found[i]).toBeCloseTo(value, 8);
    });
  });

  it('keeps trace and sum of squares, and finds a known spectrum after any reflection', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: -100, max: 100, noNaN: true }), { minLength: 1, maxLength: 24 }),
        fc.nat(1000),
        (spectrum, seed) => {
          // A = H·D·H with a random Householder reflection H has the eigenvalues of D.
          const size = spectrum.length;
          const v = [...normals(seed, size)];
          const square = v.reduce((sum, x) => sum + x * x, 0);
          const h = (i: number, j: number): number => (i === j ? 1 : 0) - (2 * v[i]! * v[j]!) / square;
          const matrix = new Float64Array(size * size);
          for (let i = 0; i < size; i++) {
            for (let j = 0; j < size; j++) {
              for (let k = 0; k < size; k++) matrix[i * size + j]! += h(i, k) * spectrum[k]! * h(k, j);
            }
          }
          const before = Float64Array.from(matrix);
          const found = symmetricEigenvalues(matrix, size);
          expect(matrix).toEqual(before);
          const expected = [...spectrum].sort((a, b) => b - a);
          expected.forEach((value, i) => {
            expect(found[i]).toBeCloseTo(value, 8);
          });
        },
      ),
      { seed: 6 },
    );
  });

  it('holds at any scale, and for features of which most are alike', () => {
    const dim = 40;
    // Two directions of variance 3 and 1, far below them one of 1e-30, and rounding errors for the rest.
    const direction = (n: number): number[] => {
      const wave = Array.from({ length: dim }, (_, i) => Math.cos((Math.PI * n * (2 * i + 1)) / (2 * dim)));
      const length = Math.hypot(...wave);
      return wave.map((value) => value / length);
    };
    const parts = [
      [3, direction(1)],
      [1, direction(2)],
      [1e-30, direction(3)],
    ] as const;
    for (const scale of [1, 1e-310, 1e-150, 1e150, 1e300]) {
      const matrix = Float64Array.from({ length: dim * dim }, (_, at) =>
        parts.reduce((sum, [value, v]) => sum + scale * value * v[Math.floor(at / dim)]! * v[at % dim]!, 0),
      );
      const found = symmetricEigenvalues(matrix, dim);
      const digits = scale === 1e-310 ? 1e-10 : 1e-13;
      expect(Math.abs(found[0]! / scale - 3)).toBeLessThan(3 * digits);
      expect(Math.abs(found[1]! / scale - 1)).toBeLessThan(3 * digits);
      for (const value of found.slice(2)) expect(Math.abs(value / scale)).toBeLessThan(3 * digits);
    }
  });

  it('turns by sides of length 1, as 0.6 and 0.8 have it', () => {
    const [large, small] = symmetricEigenvalues(Float64Array.of(1, 0.6, 0.6, 1.35), 2);
    // 1.175 ± √(0.175² + 0.6²)
    expect(large).toBeCloseTo(1.8, 12);
    expect(small).toBeCloseTo(0.55, 12);
  });

  it('names values that are not finite as such', () => {
    for (const value of [NaN, Infinity])
      expect(() => symmetricEigenvalues(Float64Array.of(1, value, value, 1), 2)).toThrow('not finite');
  });

  it('handles matrices that are already diagonal, zero, or block-wise', () => {
    expect([...symmetricEigenvalues(Float64Array.of(2, 0, 0, 0, -1, 0, 0, 0, 5), 3)]).toEqual([5, 2, -1]);
    expect([...symmetricEigenvalues(new Float64Array(16), 4)]).toEqual([0, 0, 0, 0]);
    expect([...symmetricEigenvalues(Float64Array.of(3), 1)]).toEqual([3]);
    const blocks = symmetricEigenvalues(Float64Array.of(0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 2, 0, 0, 2, 0), 4);
    [2, 1, -1, -2].forEach((value, i) => {
      expect(blocks[i]).toBeCloseTo(value, 12);
    });
  });
});
