import { describe, expect, it } from 'vitest';
import { randomAt } from '../../src/base/random.ts';
import { barlowTwinsLoss, type BarlowTwinsResult } from '../../src/objectives/barlow-twins.ts';
import { messageOf } from './support.ts';

function normals(seed: number, length: number): Float32Array {
  const random = randomAt(seed, 'Barlow Twins test');
  return Float32Array.from({ length }, () => random.normal());
}

function run(
  embeddings: Float32Array,
  pairs: number,
  dim: number,
  weight = 0.005,
): BarlowTwinsResult & { gradient: Float32Array } {
  // NaN beforehand shows that every element is overwritten.
  const gradient = new Float32Array(embeddings.length).fill(NaN);
  return { ...barlowTwinsLoss(embeddings, pairs, dim, weight, gradient), gradient };
}

const mean = (numbers: readonly number[]): number =>
  numbers.reduce((sum, value) => sum + value, 0) / numbers.length;

/** Equations 1 and 2 of the paper as they stand on the page, one pair of features at a time. */
function slowly(z: Float32Array, pairs: number, dim: number, weight: number): BarlowTwinsResult {
  const standard = (view: number, feature: number): readonly number[] => {
    const column = Array.from({ length: pairs }, (_, n) => z[(view * pairs + n) * dim + feature]!);
    const centred = column.map((value) => value - mean(column));
    return centred.map((value) => value / Math.sqrt(mean(centred.map((one) => one ** 2)) + 1e-5));
  };
  const found = { invariance: 0, redundancy: 0, correlation: 0 };
  for (let i = 0; i < dim; i++)
    for (let j = 0; j < dim; j++) {
      const [a, b] = [standard(0, i), standard(1, j)];
      const c = mean(a.map((value, n) => value * b[n]!));
      if (i === j) found.invariance += (1 - c) ** 2;
      else found.redundancy += c ** 2;
      if (i === j) found.correlation += c / dim;
    }
  return {
    ...found,
    loss: found.invariance + weight * found.redundancy,
    crossCorrelation: Math.sqrt(found.redundancy / (dim * (dim - 1))),
  };
}

/** Columns of a Hadamard matrix but its first, over and over in the rows: features that do not correlate, of variance `size²`. */
function uncorrelated(size: number): readonly number[] {
  const bits = [0, 1, 2, 3];
  return bits.flatMap((row) => [1, 2, 3].map((column) => ([0, 3].includes(row & column) ? size : -size)));
}

const SIZES = [
  [2, 3, 0.005],
  [7, 5, 0.5],
  [16, 12, 0.01],
] as const;

describe('barlowTwinsLoss', () => {
  it.each(SIZES)('equals the slow loop over features (%i pairs, dim %i, λ %f)', (pairs, dim, weight) => {
    const embeddings = normals(pairs, 2 * pairs * dim);
    const expected = slowly(embeddings, pairs, dim, weight);
    const { gradient: _gradient, ...found } = run(embeddings, pairs, dim, weight);
    expect(Object.keys(found).sort()).toEqual(Object.keys(expected).sort());
    for (const [name, value] of Object.entries<number>({ ...expected }))
      expect(found[name as keyof BarlowTwinsResult], name).toBeCloseTo(value, 10);
  });

  it.each([
    [3, 4, 0.5],
    [7, 5, 0.1],
  ])('has the gradient that finite differences see (%i pairs, dim %i, λ %f)', (pairs, dim, weight) => {
    const embeddings = normals(11, 2 * pairs * dim);
    const { gradient } = run(embeddings, pairs, dim, weight);
    for (let i = 0; i < embeddings.length; i++) {
      const shifted = (by: number): { loss: number; at: number } => {
        const copy = embeddings.slice();
        copy[i]! += by;
        return { loss: slowly(copy, pairs, dim, weight).loss, at: copy[i]! };
      };
      const up = shifted(1e-3);
      const down = shifted(-1e-3);
      expect(gradient[i]!).toBeCloseTo((up.loss - down.loss) / (up.at - down.at), 3);
    }
  });

  const view = uncorrelated(1000);

  it('is 0 with no gradient where views agree and features do not correlate', () => {
    const result = run(Float32Array.from([...view, ...view]), 4, 3);
    expect(result.loss).toBeLessThan(1e-12);
    expect(result.correlation).toBeCloseTo(1, 10);
    expect(result.crossCorrelation).toBe(0);
    for (const value of result.gradient) expect(Math.abs(value)).toBeLessThan(1e-12);
  });

  it('is 4 dim where views are opposite, dim where they have nothing in common', () => {
    const opposite = view.map((value) => -value);
    expect(run(Float32Array.from([...view, ...opposite]), 4, 3)).toMatchObject({ redundancy: 0 });
    expect(run(Float32Array.from([...view, ...opposite]), 4, 3).loss).toBeCloseTo(12, 8);
    const turned = view.map((_, i) => view[3 * Math.floor(i / 3) + ((i + 1) % 3)]!);
    const other = run(Float32Array.from([...view, ...turned]), 4, 3, 0.25);
    // Each feature of the second view is another one of the first: three correlations of 1 off the diagonal.
    expect(other.invariance).toBeCloseTo(3, 12);
    expect(other.loss).toBeCloseTo(3 + 0.25 * 3, 8);
  });

  it('is λ dim (dim − 1) where all features are one', () => {
    const one = Array.from({ length: 12 }, (_, i) => 1000 * view[3 * Math.floor(i / 3)]! + (i % 3));
    const result = run(Float32Array.from([...one, ...one]), 4, 3, 0.1);
    expect(result.invariance).toBeCloseTo(0, 8);
    expect(result.loss).toBeCloseTo(0.1 * 3 * 2, 8);
    expect(result.crossCorrelation).toBeCloseTo(1, 8);
  });

  it('is dim at a collapse, from which there is no way out by itself', () => {
    const result = run(new Float32Array(2 * 4 * 3).fill(0.7), 4, 3);
    expect(result).toMatchObject({ loss: 3, correlation: 0, crossCorrelation: 0 });
    for (const value of result.gradient) expect(Math.abs(value)).toBe(0);
  });

  it('wakes a feature that is constant in one view, by a bounded gradient', () => {
    const embeddings = normals(6, 2 * 7 * 3);
    for (let n = 0; n < 7; n++) embeddings[n * 3 + 1] = 0.4;
    const { gradient, loss } = run(embeddings, 7, 3);
    expect(Number.isFinite(loss)).toBe(true);
    const own = Array.from({ length: 7 }, (_, n) => Math.abs(gradient[n * 3 + 1]!));
    expect(Math.max(...own)).toBeGreaterThan(1);
    expect(Math.max(...own)).toBeLessThan(2 / Math.sqrt(1e-5));
  });

  it('sees neither the scale nor the place of a feature, but for ε', () => {
    const embeddings = normals(5, 2 * 7 * 3).map((value) => 100 * value);
    const original = run(embeddings, 7, 3);
    const moved = embeddings.map((value, i) => (i % 3 === 1 && i < 21 ? 4 * value + 64 : value));
    const result = run(moved, 7, 3);
    expect(result.loss).toBeCloseTo(original.loss, 5);
    for (let n = 0; n < 7; n++)
      expect(result.gradient[3 * n + 1]!).toBeCloseTo(original.gradient[3 * n + 1]! / 4, 6);
    // What would only move or stretch a feature is no part of the gradient.
    for (let d = 0; d < 6; d++) {
      const own = Array.from({ length: 7 }, (_, n) => (d < 3 ? 0 : 21) + 3 * n + (d % 3));
      expect(own.reduce((sum, i) => sum + original.gradient[i]!, 0)).toBeCloseTo(0, 6);
      expect(own.reduce((sum, i) => sum + original.gradient[i]! * embeddings[i]!, 0)).toBeCloseTo(0, 4);
    }
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
        expect(result.gradient[4 * place + d]!).toBeCloseTo(original.gradient[4 * row + d]!, 6);
    });
  });

  it('has no cross-correlation with a single feature', () => {
    expect(run(normals(4, 2 * 5), 5, 1)).toMatchObject({ redundancy: 0, crossCorrelation: 0 });
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
    expect(messageOf(() => barlowTwinsLoss(z, 1, 12, 1, z))).toMatch(/pairs is 1/);
    expect(messageOf(() => barlowTwinsLoss(z, 2.5, 4, 1, z))).toMatch(/pairs is 2\.5/);
    expect(messageOf(() => barlowTwinsLoss(z, 3, 0, 1, z))).toMatch(/dim is 0/);
    expect(messageOf(() => barlowTwinsLoss(z, 3, 5, 1, z))).toMatch(/embeddings has 24 numbers/);
    expect(messageOf(() => barlowTwinsLoss(z, 3, 4, 1, new Float32Array(23)))).toMatch(/gradient has 23/);
    for (const weight of [-1, NaN, Infinity])
      expect(messageOf(() => barlowTwinsLoss(z, 3, 4, weight, z))).toMatch(/redundancyWeight is/);
  });
});
