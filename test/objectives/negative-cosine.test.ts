import { describe, expect, it } from 'vitest';
import { randomAt } from '../../src/base/random.ts';
import { negativeCosine, type NegativeCosineResult } from '../../src/objectives/negative-cosine.ts';
import { cosine, messageOf, rowOf } from './support.ts';

function normals(seed: number, length: number): Float32Array {
  const random = randomAt(seed, 'negative cosine test');
  return Float32Array.from({ length }, () => random.normal());
}

function run(
  predictions: Float32Array,
  targets: Float32Array,
  pairs: number,
  dim: number,
): NegativeCosineResult & { gradient: Float32Array } {
  // NaN beforehand shows that every element is overwritten.
  const gradient = new Float32Array(predictions.length).fill(NaN);
  return { ...negativeCosine(predictions, targets, pairs, dim, gradient), gradient };
}

/** Equation 2 of SimSiam as it stands on the page. */
function slowly(p: Float32Array, z: Float32Array, pairs: number, dim: number): number {
  let first = 0;
  let second = 0;
  for (let i = 0; i < pairs; i++) {
    first -= cosine(rowOf(p, i, dim), rowOf(z, pairs + i, dim)) / pairs;
    second -= cosine(rowOf(p, pairs + i, dim), rowOf(z, i, dim)) / pairs;
  }
  return first / 2 + second / 2;
}

const SIZES = [
  [1, 5],
  [2, 3],
  [7, 16],
  [32, 33],
] as const;

describe('negativeCosine', () => {
  it.each(SIZES)('equals the slow loop over pairs (%i pairs, dim %i)', (pairs, dim) => {
    const predictions = normals(1, 2 * pairs * dim);
    const targets = normals(2, 2 * pairs * dim);
    expect(run(predictions, targets, pairs, dim).loss).toBeCloseTo(
      slowly(predictions, targets, pairs, dim),
      12,
    );
  });

  it.each(SIZES.slice(0, 3))(
    'has the gradient that finite differences see (%i pairs, dim %i)',
    (pairs, dim) => {
      const predictions = normals(3, 2 * pairs * dim);
      const targets = normals(4, 2 * pairs * dim);
      const { gradient } = run(predictions, targets, pairs, dim);
      for (let i = 0; i < predictions.length; i++) {
        const shifted = (by: number): { loss: number; at: number } => {
          const copy = predictions.slice();
          copy[i]! += by;
          return { loss: slowly(copy, targets, pairs, dim), at: copy[i]! };
        };
        const up = shifted(1e-3);
        const down = shifted(-1e-3);
        expect(gradient[i]!).toBeCloseTo((up.loss - down.loss) / (up.at - down.at), 5);
      }
    },
  );

  it('is −1, with no gradient, where each prediction points where the other view is; 1 at opposite poles', () => {
    const pairs = 5;
    const dim = 4;
    const targets = normals(5, 2 * pairs * dim);
    const half = pairs * dim;
    const found = Float32Array.of(...targets.subarray(half), ...targets.subarray(0, half));
    const best = run(
      found.map((value) => 4 * value),
      targets,
      pairs,
      dim,
    );
    expect(best.loss).toBeCloseTo(-1, 12);
    for (const value of best.gradient) expect(Math.abs(value)).toBeLessThan(1e-16);
    const worst = run(
      found.map((value) => -value),
      targets,
      pairs,
      dim,
    );
    expect(worst.loss).toBeCloseTo(1, 12);
  });

  it('compares no view with itself', () => {
    // Views of one clip at right angles: a prediction equal to its own view's target is worth nothing.
    const targets = Float32Array.of(1, 0, 1, 0, 0, 1, 0, 1);
    expect(run(targets, targets, 2, 2).loss).toBe(0);
    // 60° between each prediction and the other view's target.
    const half = [1, Math.sqrt(3)];
    const other = [Math.sqrt(3), 1];
    expect(run(Float32Array.of(...other, ...other, ...half, ...half), targets, 2, 2).loss).toBeCloseTo(
      -0.5,
      6,
    );
  });

  it('pulls a prediction towards its target: −(v − s u) / 2N‖p‖', () => {
    // u = (1, 0), v = (0, 1), s = 0, ‖p‖ = 2, N = 1.
    const { gradient } = run(Float32Array.of(2, 0, 0, 4), Float32Array.of(3, 0, 0, 5), 1, 2);
    expect([...gradient].map((value) => value + 0)).toEqual([0, -0.25, -0.125, 0]);
  });

  it('does not care in which order the clips come, nor which view is first', () => {
    const pairs = 9;
    const dim = 5;
    const predictions = normals(6, 2 * pairs * dim);
    const targets = normals(7, 2 * pairs * dim);
    const original = run(predictions, targets, pairs, dim);
    const clips = randomAt(4, 'order').shuffled(Array.from({ length: pairs }, (_, i) => i));
    const source = [...clips.map((clip) => clip + pairs), ...clips];
    const permuted = (rows: Float32Array): Float32Array =>
      Float32Array.from(source.flatMap((index) => rowOf(rows, index, dim)));
    const result = run(permuted(predictions), permuted(targets), pairs, dim);
    expect(result.loss).toBeCloseTo(original.loss, 12);
    expect(result.spread).toBeCloseTo(original.spread, 12);
    expect(result.gradient).toEqual(permuted(original.gradient));
  });

  it('sees directions only: scaling a prediction divides its gradient, scaling a target changes nothing', () => {
    const predictions = normals(8, 2 * 4 * 6);
    const targets = normals(9, 2 * 4 * 6);
    const original = run(predictions, targets, 4, 6);
    const scaled = (rows: Float32Array): Float32Array => rows.map((value, i) => (i < 6 ? 8 * value : value));
    const result = run(scaled(predictions), scaled(targets), 4, 6);
    expect(result.loss).toBeCloseTo(original.loss, 12);
    expect(result.spread).toBeCloseTo(original.spread, 12);
    expect([...result.gradient]).toEqual(
      [...original.gradient].map((value, i) => (i < 6 ? value / 8 : value)),
    );
    // A gradient along the row itself would only change its length.
    const radial = rowOf(predictions, 0, 6).reduce((sum, value, d) => sum + value * original.gradient[d]!, 0);
    expect(Math.abs(radial)).toBeLessThan(1e-8);
  });

  it('gives a prediction without direction cosine 0 and no gradient, likewise one towards such a target', () => {
    const pairs = 3;
    const dim = 4;
    const predictions = normals(10, 2 * pairs * dim);
    const targets = normals(11, 2 * pairs * dim);
    predictions.fill(1e-10, 0, dim);
    // Row 4, view 1 of clip 1: the target of row 1.
    targets.fill(0, 4 * dim, 5 * dim);
    const { loss, gradient } = run(predictions, targets, pairs, dim);
    for (const row of [0, 1]) expect(rowOf(gradient, row, dim).map(Math.abs)).toEqual([0, 0, 0, 0]);
    const others = [2, 3, 4, 5].map((row) =>
      cosine(rowOf(predictions, row, dim), rowOf(targets, (row + pairs) % (2 * pairs), dim)),
    );
    expect(loss).toBeCloseTo(-others.reduce((sum, value) => sum + value, 0) / 6, 12);
    expect(run(new Float32Array(24), new Float32Array(24), 3, 4).loss).toBeCloseTo(0, 12);
  });

  it.each([NaN, Infinity, -Infinity])('never hides a %f', (value) => {
    for (const position of [0, 5, 23]) {
      const sound = normals(12, 2 * 3 * 4);
      const broken = sound.slice();
      broken[position] = value;
      expect(run(broken, sound, 3, 4).loss).toBeNaN();
      const result = run(sound, broken, 3, 4);
      expect(result.loss).toBeNaN();
      expect(result.spread).toBeNaN();
      // Not even beside a row that has no direction.
      expect(run(new Float32Array(24), broken, 3, 4).loss).toBeNaN();
    }
  });

  it('refuses sizes that do not fit', () => {
    const z = new Float32Array(24);
    const short = new Float32Array(23);
    expect(messageOf(() => negativeCosine(z, z, 0, 4, z))).toMatch(/pairs is 0/);
    expect(messageOf(() => negativeCosine(z, z, 3, 0, z))).toMatch(/dim is 0/);
    expect(messageOf(() => negativeCosine(z, z, 3, 5, z))).toMatch(/predictions has 24 numbers/);
    expect(messageOf(() => negativeCosine(z, short, 3, 4, z))).toMatch(/targets has 23 numbers/);
    expect(messageOf(() => negativeCosine(z, z, 3, 4, short))).toMatch(/gradient has 23 numbers/);
  });
});

describe('spread', () => {
  const spreadOf = (targets: Float32Array, pairs: number, dim: number): number =>
    run(new Float32Array(targets.length), targets, pairs, dim).spread;

  it('is the mean of the standard deviations of the unit targets', () => {
    const pairs = 6;
    const dim = 5;
    const targets = normals(13, 2 * pairs * dim);
    const units = Array.from({ length: 2 * pairs }, (_, index) => {
      const row = rowOf(targets, index, dim);
      return row.map((value) => value / Math.hypot(...row));
    });
    const mean = (numbers: readonly number[]): number =>
      numbers.reduce((sum, value) => sum + value, 0) / numbers.length;
    const deviations = Array.from({ length: dim }, (_, d) => {
      const column = units.map((unit) => unit[d]!);
      return Math.sqrt(mean(column.map((value) => value ** 2)) - mean(column) ** 2);
    });
    expect(spreadOf(targets, pairs, dim)).toBeCloseTo(mean(deviations), 12);
  });

  it('is 1/√dim where every axis is taken both ways, and near it for a normal distribution', () => {
    const dim = 3;
    const axes = Float32Array.from({ length: 2 * dim * dim }, (_, i) => {
      const row = Math.floor(i / dim);
      return i % dim === row % dim ? (row < dim ? 2 : -3) : 0;
    });
    expect(spreadOf(axes, dim, dim)).toBeCloseTo(1 / Math.sqrt(dim), 12);
    expect(spreadOf(normals(14, 2 * 500 * 16), 500, 16)).toBeCloseTo(1 / 4, 2);
  });

  it('is 0 at a collapse, where the loss is at its best', () => {
    const same = Float32Array.from({ length: 24 }, (_, i) => (i % 3) + 1);
    const { loss, spread } = run(same, same, 4, 3);
    expect(loss).toBeCloseTo(-1, 12);
    expect(spread).toBeLessThan(1e-15);
  });
});
