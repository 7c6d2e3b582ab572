import { describe, expect, it } from 'vitest';
import { randomAt } from '../../src/base/random.ts';
import { temporalCoherence } from '../../src/objectives/temporal-coherence.ts';
import { messageOf, rowOf } from './support.ts';

function normals(seed: number, length: number): Float32Array {
  const random = randomAt(seed, 'temporal coherence test');
  return Float32Array.from({ length }, () => random.normal());
}

function run(z: Float32Array, near: readonly boolean[], dim: number, margin = 1.2) {
  // NaN beforehand shows that every element is overwritten.
  const gradient = new Float32Array(z.length).fill(NaN);
  const isNear = (pair: number): boolean => near[pair]!;
  return { ...temporalCoherence(z, near.length, dim, isNear, margin, gradient), gradient };
}

/** The formula as it stands on the page. */
function slowly(z: Float32Array, near: readonly boolean[], dim: number, margin = 1.2) {
  const pairs = near.length;
  const distance = (a: number, b: number): number => {
    const [first, second] = [rowOf(z, a, dim), rowOf(z, pairs + b, dim)];
    return first.reduce((sum, value, j) => sum + Math.abs(value - second[j]!) / dim, 0);
  };
  let loss = 0;
  const far: number[] = [];
  const nearOnes: number[] = [];
  near.forEach((isNear, i) => {
    (isNear ? nearOnes : far).push(distance(i, i));
    if (pairs > 1) far.push(distance(i, i === pairs - 1 ? 0 : i + 1));
  });
  for (const one of nearOnes) loss += one / pairs;
  for (const one of far) loss += Math.max(0, margin - one) / pairs;
  const mean = (values: readonly number[], none: number): number =>
    values.length === 0 ? none : values.reduce((sum, value) => sum + value, 0) / values.length;
  const apart = mean(
    far.map((one) => (one >= margin ? 1 : 0)),
    1,
  );
  return { loss, nearDistance: mean(nearOnes, 0), apart };
}

const CASES: readonly (readonly [readonly boolean[], number])[] = [
  [[true], 3],
  [[false], 3],
  [[true, false], 4],
  [[false, true, true, false, true], 6],
  [Array.from({ length: 32 }, (_, i) => i % 3 === 0), 17],
];

describe('temporalCoherence', () => {
  it.each(CASES)('equals the slow loop (%j, dim %i)', (near, dim) => {
    const z = normals(near.length, 2 * near.length * dim);
    const expected = slowly(z, near, dim);
    const found = run(z, near, dim);
    expect(found.loss).toBeCloseTo(expected.loss, 12);
    expect(found.nearDistance).toBeCloseTo(expected.nearDistance, 12);
    expect(found.apart).toBeCloseTo(expected.apart, 12);
  });

  it('is tested with frames apart and not', () => {
    const { apart } = run(normals(32, 64 * 17), CASES[4]![0], 17);
    expect(apart).toBeGreaterThan(0.1);
    expect(apart).toBeLessThan(0.9);
  });

  it.each(CASES)('has the gradient that finite differences see (%j, dim %i)', (near, dim) => {
    const z = normals(7 + near.length, 2 * near.length * dim);
    const { gradient } = run(z, near, dim);
    for (let i = 0; i < Math.min(80, z.length); i++) {
      const at = (by: number): { loss: number; at: number } => {
        const copy = z.slice();
        copy[i]! += by;
        return { loss: slowly(copy, near, dim).loss, at: copy[i]! };
      };
      const [up, down] = [at(1e-5), at(-1e-5)];
      expect(gradient[i]!).toBeCloseTo((up.loss - down.loss) / (up.at - down.at), 6);
    }
  });

  it('of a collapse costs the margin for each comparison that is far, with no way out by itself', () => {
    const z = new Float32Array(2 * 4 * 3).fill(0.7);
    const { loss, gradient, apart, nearDistance } = run(z, [true, true, false, true], 3, 2);
    expect(loss).toBeCloseTo((2 * 5) / 4, 12);
    expect([apart, nearDistance]).toEqual([0, 0]);
    for (const value of gradient) expect(Math.abs(value)).toBe(0);
  });

  it('is 0 where near frames are one point and others apart by the margin', () => {
    const z = Float32Array.of(0, 0, 3, 3, 0, 0, 3, 3);
    const { gradient, ...found } = run(z, [true, true], 2, 3);
    expect(found).toEqual({ loss: 0, nearDistance: 0, apart: 1 });
    for (const value of gradient) expect(Math.abs(value)).toBe(0);
  });

  it('brings near frames together and drives far ones apart', () => {
    const z = Float32Array.of(0, 1);
    expect([...run(z, [true], 1, 5).gradient]).toEqual([-1, 1]);
    expect([...run(z, [false], 1, 5).gradient]).toEqual([1, -1]);
    expect([...run(z, [false], 1, 1).gradient].map(Math.abs)).toEqual([0, 0]);
  });

  it('has no other clip beside a single pair', () => {
    const z = normals(3, 8);
    expect(run(z, [true], 4)).toMatchObject({ apart: 1 });
    expect(run(z, [true], 4).loss).toBeCloseTo(run(z, [true], 4).nearDistance, 12);
  });

  it.each([NaN, Infinity])('never hides a %f', (value) => {
    for (const position of [0, 5, 23]) {
      const z = normals(4, 24);
      z[position] = value;
      const { loss } = run(z, [true, true, true], 4);
      expect(Number.isFinite(loss)).toBe(false);
    }
    // In a pair that is to be apart Infinity is that; a NaN is nothing.
    const z = normals(5, 24);
    z[3] = NaN;
    expect(run(z, [false, false, false], 4).loss).toBeNaN();
  });

  it('refuses sizes that do not fit and margins that are none', () => {
    const z = new Float32Array(24);
    const near = (): boolean => true;
    expect(messageOf(() => temporalCoherence(z, 0, 4, near, 1, z))).toMatch(/pairs is 0/);
    expect(messageOf(() => temporalCoherence(z, 3, 0, near, 1, z))).toMatch(/dim is 0/);
    expect(messageOf(() => temporalCoherence(z, 3, 5, near, 1, z))).toMatch(/embeddings has 24/);
    expect(messageOf(() => temporalCoherence(z, 3, 4, near, 1, new Float32Array(3)))).toMatch(
      /gradient has 3/,
    );
    for (const margin of [0, -1, NaN, Infinity])
      expect(messageOf(() => temporalCoherence(z, 3, 4, near, margin, z))).toMatch(/margin is/);
  });
});
