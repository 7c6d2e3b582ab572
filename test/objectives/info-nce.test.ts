import { describe, expect, it } from 'vitest';
import { randomAt } from '../../src/base/random.ts';
import { infoNce, type InfoNceResult } from '../../src/objectives/info-nce.ts';
import { ntXent } from '../../src/objectives/nt-xent.ts';
import { cosine, messageOf, rowOf } from './support.ts';

type Mask = (row: number, negative: number) => boolean;

const all: Mask = () => true;
const none: Mask = () => false;
/** Query i is of clip i, negative j of clip j modulo 5. */
const otherClip: Mask = (row, negative) => row !== negative % 5;

function normals(seed: number, length: number): Float32Array {
  const random = randomAt(seed, 'InfoNCE test');
  return Float32Array.from({ length }, () => random.normal());
}

function run(
  queries: Float32Array,
  keys: Float32Array,
  negatives: Float32Array,
  mask: Mask,
  dim: number,
  temperature = 0.2,
): InfoNceResult & { gradient: Float32Array } {
  // NaN beforehand shows that every element is overwritten.
  const gradient = new Float32Array(queries.length).fill(NaN);
  return { ...infoNce(queries, keys, negatives, mask, dim, temperature, gradient), gradient };
}

/** Equation 1 of MoCo as it stands on the page, one query at a time. */
function slowly(
  queries: Float32Array,
  keys: Float32Array,
  negatives: Float32Array,
  mask: Mask,
  dim: number,
  temperature: number,
): InfoNceResult {
  const rows = queries.length / dim;
  let loss = 0;
  let correct = 0;
  let alignment = 0;
  for (let i = 0; i < rows; i++) {
    const positive = cosine(rowOf(queries, i, dim), rowOf(keys, i, dim));
    const others = Array.from({ length: negatives.length / dim }, (_, j) => j)
      .filter((j) => mask(i, j))
      .map((j) => cosine(rowOf(queries, i, dim), rowOf(negatives, j, dim)));
    const denominator = [positive, ...others].reduce((sum, value) => sum + Math.exp(value / temperature), 0);
    loss -= Math.log(Math.exp(positive / temperature) / denominator);
    if (others.every((value) => value < positive)) correct++;
    alignment += 2 - 2 * positive;
  }
  return { loss: loss / rows, accuracy: correct / rows, alignment: alignment / rows };
}

/** Rows and negatives on both sides of whole blocks. */
const SIZES = [
  [1, 1, 3, 0.5],
  [2, 4, 5, 0.07],
  [3, 7, 8, 1],
  [4, 8, 1, 0.2],
  [5, 13, 16, 0.1],
  [7, 66, 9, 0.2],
] as const;

describe('infoNce', () => {
  it.each(SIZES)('equals the slow loop (%i queries, %i negatives, dim %i, τ %f)', (rows, count, dim, tau) => {
    const queries = normals(1, rows * dim);
    const noise = normals(2, rows * dim);
    const keys = queries.map((value, i) => value + 2 * noise[i]!);
    const negatives = normals(3, count * dim);
    for (const mask of [all, otherClip]) {
      const expected = slowly(queries, keys, negatives, mask, dim, tau);
      const found = run(queries, keys, negatives, mask, dim, tau);
      expect(found.loss).toBeCloseTo(expected.loss, 10);
      expect(found.alignment).toBeCloseTo(expected.alignment, 10);
      // With one dimension cosines are ±1: ties, which rounding of the slow loop may break.
      if (dim > 1) expect(found.accuracy).toBe(expected.accuracy);
    }
  });

  it.each(SIZES.filter(([, , dim]) => dim > 1))(
    'has the gradient that finite differences see (%i queries, %i negatives, dim %i, τ %f)',
    (rows, count, dim, tau) => {
      const queries = normals(4, rows * dim);
      const keys = normals(5, rows * dim);
      const negatives = normals(6, count * dim);
      const { gradient } = run(queries, keys, negatives, otherClip, dim, tau);
      for (let i = 0; i < queries.length; i++) {
        const shifted = (by: number): { loss: number; at: number } => {
          const copy = queries.slice();
          copy[i]! += by;
          return { loss: slowly(copy, keys, negatives, otherClip, dim, tau).loss, at: copy[i]! };
        };
        const up = shifted(1e-3);
        const down = shifted(-1e-3);
        expect(gradient[i]!).toBeCloseTo((up.loss - down.loss) / (up.at - down.at), 3);
      }
    },
  );

  it.each([1, 4, 9])('is log(1 + %i) when all are alike, with no gradient and nothing found', (count) => {
    const dim = 6;
    const same = (rows: number): Float32Array =>
      Float32Array.from({ length: rows * dim }, (_, i) => ((i % dim) + 1) * 0.3);
    const { loss, gradient, accuracy, alignment } = run(same(5), same(5), same(count), all, dim);
    expect(loss).toBeCloseTo(Math.log(1 + count), 12);
    for (const value of gradient) expect(Math.abs(value)).toBeLessThan(1e-7);
    expect(accuracy).toBe(0);
    expect(alignment).toBe(0);
  });

  it('is log(1 + K e^(−1/τ)) when keys are found and the queue is at right angles', () => {
    const queue = Float32Array.of(0, 2, 0, -1, 0, 3, 0, 0.5, 0, 1);
    const result = run(Float32Array.of(3, 0, -2, 0), Float32Array.of(1, 0, -1, 0), queue, all, 2, 0.3);
    expect(result.loss).toBeCloseTo(Math.log(1 + 5 * Math.exp(-1 / 0.3)), 12);
    expect(result.accuracy).toBe(1);
    expect(result.alignment).toBe(0);
    expect(
      run(Float32Array.of(3, 0), Float32Array.of(0, 1), new Float32Array(), all, 2).alignment,
    ).toBeCloseTo(2, 12);
    expect(
      run(Float32Array.of(3, 0), Float32Array.of(-1, 0), new Float32Array(), all, 2).alignment,
    ).toBeCloseTo(4, 12);
  });

  it('is NT-Xent when the queue is the batch and both views are queries', () => {
    const pairs = 6;
    const dim = 7;
    const views = normals(7, 2 * pairs * dim);
    const half = pairs * dim;
    const swapped = Float32Array.of(...views.subarray(half), ...views.subarray(0, half));
    const gradient = new Float32Array(views.length);
    const expected = ntXent(views, pairs, dim, 0.2, gradient);
    const found = run(views, swapped, views, (row, negative) => row % pairs !== negative % pairs, dim);
    expect(found.loss).toBeCloseTo(expected.loss, 12);
    expect(found.accuracy).toBe(expected.accuracy);
    expect(found.alignment).toBeCloseTo(expected.alignment, 12);
  });

  it('leaves out what is not allowed, as if it were not in the queue', () => {
    const dim = 4;
    const queries = normals(8, 3 * dim);
    const keys = normals(9, 3 * dim);
    const negatives = normals(10, 10 * dim);
    const kept = [1, 2, 6, 7, 9];
    const shorter = Float32Array.from(kept.flatMap((j) => rowOf(negatives, j, dim)));
    const masked = run(queries, keys, negatives, (_, j) => kept.includes(j), dim);
    const short = run(queries, keys, shorter, all, dim);
    expect(masked.loss).toBeCloseTo(short.loss, 13);
    expect(masked.accuracy).toBe(short.accuracy);
    masked.gradient.forEach((value, i) => {
      expect(value).toBeCloseTo(short.gradient[i]!, 7);
    });
    // A copy of the query is the hardest negative there is, and no matter at all when it is of its own clip.
    const hard = Float32Array.of(...negatives, ...queries);
    const own: Mask = (row, j) => j < 10 && kept.includes(j) && row < 3;
    expect(run(queries, keys, hard, own, dim).loss).toBe(masked.loss);
  });

  it('asks of each query and negative once', () => {
    const asked: string[] = [];
    const ask: Mask = (row, negative) => asked.push(`${row} ${negative}`) > 0;
    run(normals(1, 4 * 2), normals(2, 4 * 2), normals(3, 5 * 2), ask, 2);
    const every = [0, 1, 2, 3].flatMap((row) => [0, 1, 2, 3, 4].map((negative) => `${row} ${negative}`));
    expect(asked.sort()).toEqual(every);
  });

  it('is 0 with no gradient for a query that has no allowed negative, or none at all', () => {
    const dim = 5;
    const queries = normals(11, 4 * dim);
    const keys = normals(12, 4 * dim);
    const negatives = normals(13, 6 * dim);
    for (const result of [
      run(queries, keys, negatives, none, dim),
      run(queries, keys, new Float32Array(), all, dim),
    ]) {
      expect(result.loss).toBe(0);
      expect(result.accuracy).toBe(1);
      for (const value of result.gradient) expect(Math.abs(value)).toBe(0);
    }
    const one = run(queries, keys, negatives, (row) => row !== 2, dim);
    const [first, second, , last] = [0, 1, 2, 3].map((row) => {
      const of = (rows: Float32Array): Float32Array => Float32Array.from(rowOf(rows, row, dim));
      return run(of(queries), of(keys), negatives, all, dim).loss;
    });
    expect(one.loss).toBeCloseTo((first! + second! + last!) / 4, 12);
    expect(rowOf(one.gradient, 2, dim).map(Math.abs)).toEqual([0, 0, 0, 0, 0]);
  });

  it('does not care in which order queries and queue come', () => {
    const [rows, count, dim] = [7, 10, 5];
    const random = randomAt(5, 'order');
    const indices = (length: number): number[] =>
      random.shuffled(Array.from({ length }, (_, index) => index));
    const [rowOrder, queueOrder] = [indices(rows), indices(count)];
    const permuted = (vectors: Float32Array, order: readonly number[]): Float32Array =>
      Float32Array.from(order.flatMap((index) => rowOf(vectors, index, dim)));
    const queries = normals(14, rows * dim);
    const keys = normals(15, rows * dim);
    const negatives = normals(16, count * dim);
    const original = run(queries, keys, negatives, otherClip, dim);
    const result = run(
      permuted(queries, rowOrder),
      permuted(keys, rowOrder),
      permuted(negatives, queueOrder),
      (row, j) => otherClip(rowOrder[row]!, queueOrder[j]!),
      dim,
    );
    expect(result.loss).toBeCloseTo(original.loss, 12);
    expect(result.accuracy).toBe(original.accuracy);
    const expected = permuted(original.gradient, rowOrder);
    result.gradient.forEach((value, i) => {
      expect(value).toBeCloseTo(expected[i]!, 6);
    });
  });

  it('sees directions only: scaling a query divides its gradient, scaling a constant changes nothing', () => {
    const dim = 6;
    const queries = normals(17, 4 * dim);
    const keys = normals(18, 4 * dim);
    const negatives = normals(19, 5 * dim);
    const scaled = (rows: Float32Array): Float32Array =>
      rows.map((value, i) => (i < dim ? 8 * value : value));
    const original = run(queries, keys, negatives, all, dim);
    const result = run(scaled(queries), scaled(keys), scaled(negatives), all, dim);
    expect(result.loss).toBeCloseTo(original.loss, 12);
    result.gradient.forEach((value, i) => {
      expect(value).toBeCloseTo(original.gradient[i]! / (i < dim ? 8 : 1), 7);
    });
    const radial = rowOf(queries, 0, dim).reduce((sum, value, d) => sum + value * original.gradient[d]!, 0);
    expect(Math.abs(radial)).toBeLessThan(1e-7);
  });

  it('does not overflow at a temperature that would, were the largest not taken out first', () => {
    const [queries, keys, queue] = [
      Float32Array.of(1, 0),
      Float32Array.of(0, 1),
      Float32Array.of(1, 1, 1, -1),
    ];
    const { loss, gradient } = run(queries, keys, queue, all, 2, 1e-4);
    // Two negatives at 45° beside a key at 90°.
    expect(loss).toBeCloseTo(Math.SQRT1_2 * 1e4 + Math.log(2), 8);
    expect(gradient.every(Number.isFinite)).toBe(true);
    // Towards the key, and the pulls of the negatives along it cancel.
    expect(gradient[1]).toBeCloseTo(-1e4, 2);
    expect(run(queries, queries, queue, all, 2, 1e-4).loss).toBe(0);
  });

  it('gives a query without direction cosine 0 with everything and no gradient', () => {
    const dim = 4;
    const queries = normals(20, 3 * dim);
    queries.fill(0, 0, dim);
    const keys = normals(21, 3 * dim);
    keys.fill(1e-10, dim, 2 * dim);
    const negatives = normals(22, 6 * dim);
    negatives.fill(0, 2 * dim, 3 * dim);
    const { loss, gradient, alignment } = run(queries, keys, negatives, all, dim);
    expect(rowOf(gradient, 0, dim).map(Math.abs)).toEqual([0, 0, 0, 0]);
    expect(gradient.every(Number.isFinite)).toBe(true);
    expect(Number.isFinite(loss)).toBe(true);
    // Twice 1 for a row beside none.
    const last = 2 - 2 * cosine(rowOf(queries, 2, dim), rowOf(keys, 2, dim));
    expect(alignment).toBeCloseTo((1 + 1 + last) / 3, 12);
    expect(run(new Float32Array(8), new Float32Array(8), new Float32Array(12), all, 4).loss).toBeCloseTo(
      Math.log(4),
      12,
    );
  });

  it.each([NaN, Infinity, -Infinity])('never hides a %f', (value) => {
    const dim = 4;
    const sound = [normals(23, 3 * dim), normals(24, 3 * dim), normals(25, 6 * dim)] as const;
    for (const [which, position] of [
      [0, 5],
      [1, 0],
      [2, 23],
      [2, 6],
    ] as const) {
      const broken = sound.map((rows) => rows.slice());
      broken[which]![position] = value;
      const [queries, keys, negatives] = broken;
      const result = run(queries!, keys!, negatives!, all, dim);
      expect(result.loss).toBeNaN();
      if (which < 2) {
        expect(run(queries!, keys!, negatives!, none, dim).loss).toBeNaN();
        expect(rowOf(result.gradient, Math.floor(position / dim), dim).every(Number.isNaN)).toBe(true);
      } else expect(result.gradient.every(Number.isNaN)).toBe(true);
    }
  });

  it.each([NaN, Infinity])('a %f in a key that is allowed for no query touches nothing', (value) => {
    const dim = 4;
    const queries = normals(26, 5 * dim);
    const keys = normals(27, 5 * dim);
    const negatives = normals(28, 7 * dim);
    const mask: Mask = (_, j) => j !== 1;
    const expected = run(queries, keys, negatives, mask, dim);
    negatives[dim + 2] = value;
    const result = run(queries, keys, negatives, mask, dim);
    expect(result.loss).toBe(expected.loss);
    // The gradient is summed in the same order but for a term of 0.
    expect([...result.gradient]).toEqual([...expected.gradient]);
    // Allowed for one query it makes the loss NaN, and of the gradients that query's.
    const one = run(queries, keys, negatives, (row, j) => j !== 1 || row === 3, dim);
    expect(one.loss).toBeNaN();
    expect([0, 1, 2, 3, 4].map((row) => rowOf(one.gradient, row, dim).some(Number.isNaN))).toEqual(
      [0, 1, 2, 3, 4].map((row) => row === 3),
    );
  });

  it('refuses sizes that do not fit and temperatures that are not positive', () => {
    const rows = new Float32Array(24);
    const gradient = new Float32Array(24);
    const refusal = (
      queries: Float32Array,
      keys: Float32Array,
      negatives: Float32Array,
      dim: number,
      temperature = 0.2,
    ): string => messageOf(() => infoNce(queries, keys, negatives, all, dim, temperature, gradient));
    const short = new Float32Array(23);
    expect(refusal(rows, rows, rows, 0)).toMatch(/dim is 0/);
    expect(refusal(new Float32Array(), rows, rows, 4)).toMatch(/queries has 0 numbers, no rows of 4/);
    expect(refusal(short, rows, rows, 4)).toMatch(/queries has 23 numbers/);
    expect(refusal(rows, short, rows, 4)).toMatch(/keys has 23 numbers where the queries have 24/);
    expect(refusal(rows, rows, short, 4)).toMatch(/negatives has 23 numbers, no rows of 4/);
    expect(messageOf(() => infoNce(rows, rows, rows, all, 4, 0.2, short))).toMatch(/gradient has 23/);
    for (const temperature of [0, -1, NaN, Infinity])
      expect(refusal(rows, rows, rows, 4, temperature)).toMatch(/temperature is/);
  });
});
