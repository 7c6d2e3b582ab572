import { describe, expect, it } from 'vitest';
import { randomAt } from '../../src/base/random.ts';
import { ntXent, type NtXentResult } from '../../src/objectives/nt-xent.ts';
import { cosine, messageOf, rowOf } from './support.ts';

function normals(seed: number, length: number): Float32Array {
  const random = randomAt(seed, 'nt-xent test');
  return Float32Array.from({ length }, () => random.normal());
}

function run(
  embeddings: Float32Array,
  pairs: number,
  dim: number,
  temperature = 0.5,
): NtXentResult & { gradient: Float32Array } {
  // NaN beforehand shows that every element is overwritten.
  const gradient = new Float32Array(embeddings.length).fill(NaN);
  return { ...ntXent(embeddings, pairs, dim, temperature, gradient), gradient };
}

/** Equation 1 of SimCLR as it stands on the page, one pair of views at a time; also counts the terms. */
function slowly(
  z: Float32Array,
  pairs: number,
  dim: number,
  temperature: number,
): { loss: number; terms: number } {
  let loss = 0;
  let terms = 0;
  for (let i = 0; i < 2 * pairs; i++) {
    const j = (i + pairs) % (2 * pairs);
    let denominator = 0;
    for (let k = 0; k < 2 * pairs; k++) {
      if (k === i) continue;
      denominator += Math.exp(cosine(rowOf(z, i, dim), rowOf(z, k, dim)) / temperature);
      terms++;
    }
    loss -= Math.log(Math.exp(cosine(rowOf(z, i, dim), rowOf(z, j, dim)) / temperature) / denominator);
  }
  return { loss: loss / (2 * pairs), terms: terms / (2 * pairs) };
}

describe('ntXent', () => {
  it.each([1, 2, 5, 32])('is log(2N − 1) when all %i pairs are alike, with no gradient', (pairs) => {
    const dim = 6;
    const embeddings = Float32Array.from({ length: 2 * pairs * dim }, (_, i) => ((i % dim) + 1) * 0.3);
    const { loss, gradient, accuracy } = run(embeddings, pairs, dim);
    expect(loss).toBeCloseTo(Math.log(2 * pairs - 1), 12);
    for (const value of gradient) expect(Math.abs(value)).toBeLessThan(1e-7);
    if (pairs > 1) expect(accuracy).toBe(0);
  });

  it.each([
    [2, 3, 0.5],
    [5, 8, 0.1],
    [7, 13, 1],
    [16, 33, 0.07],
  ])('equals the slow loop over 2N − 1 terms (%i pairs, dim %i, τ %f)', (pairs, dim, temperature) => {
    const embeddings = normals(pairs, 2 * pairs * dim);
    const expected = slowly(embeddings, pairs, dim, temperature);
    expect(expected.terms).toBe(2 * pairs - 1);
    expect(run(embeddings, pairs, dim, temperature).loss).toBeCloseTo(expected.loss, 10);
  });

  it.each([
    [3, 4, 0.5],
    [5, 7, 0.1],
  ])('has the gradient that finite differences see (%i pairs, dim %i, τ %f)', (pairs, dim, temperature) => {
    const embeddings = normals(11, 2 * pairs * dim);
    const { gradient } = run(embeddings, pairs, dim, temperature);
    for (let i = 0; i < embeddings.length; i++) {
      const shifted = (by: number): { loss: number; at: number } => {
        const copy = embeddings.slice();
        copy[i]! += by;
        return { loss: slowly(copy, pairs, dim, temperature).loss, at: copy[i]! };
      };
      const up = shifted(1e-3);
      const down = shifted(-1e-3);
      expect(gradient[i]!).toBeCloseTo((up.loss - down.loss) / (up.at - down.at), 4);
    }
  });

  it('does not care in which order the clips come, nor which view is first', () => {
    const pairs = 9;
    const dim = 5;
    const embeddings = normals(3, 2 * pairs * dim);
    const original = run(embeddings, pairs, dim, 0.2);
    const clips = randomAt(4, 'order').shuffled(Array.from({ length: pairs }, (_, i) => i));
    const source = [...clips.map((clip) => clip + pairs), ...clips];
    const permuted = Float32Array.from(source.flatMap((index) => rowOf(embeddings, index, dim)));
    const result = run(permuted, pairs, dim, 0.2);
    expect(result.loss).toBeCloseTo(original.loss, 12);
    expect(result.accuracy).toBe(original.accuracy);
    source.forEach((index, position) => {
      rowOf(original.gradient, index, dim).forEach((value, d) => {
        expect(result.gradient[position * dim + d]!).toBeCloseTo(value, 6);
      });
    });
  });

  it('sees directions only: scaling a row divides its gradient and changes no loss', () => {
    const embeddings = normals(5, 2 * 4 * 6);
    const original = run(embeddings, 4, 6);
    const scaled = embeddings.map((value, i) => (i < 6 ? 8 * value : value));
    const result = run(scaled, 4, 6);
    expect(result.loss).toBeCloseTo(original.loss, 12);
    for (let d = 0; d < 6; d++) expect(result.gradient[d]!).toBeCloseTo(original.gradient[d]! / 8, 8);
    // A gradient along the row itself would only change its length.
    const radial = rowOf(embeddings, 0, 6).reduce((sum, value, d) => sum + value * original.gradient[d]!, 0);
    expect(Math.abs(radial)).toBeLessThan(1e-7);
  });

  it('punishes a negative nearer than the positive the more, the lower the temperature', () => {
    // Row 0's positive at 60°, one negative at 30°, one opposite.
    const angles = [0, 30, 60, 180];
    const embeddings = Float32Array.from(
      angles.flatMap((angle) => [Math.cos((angle * Math.PI) / 180), Math.sin((angle * Math.PI) / 180)]),
    );
    const losses = [2, 0.5, 0.1, 0.02].map((temperature) => run(embeddings, 2, 2, temperature).loss);
    expect(losses).toEqual([...losses].sort((a, b) => a - b));
    // As τ grows every similarity counts the same: log(2N − 1).
    expect(run(embeddings, 2, 2, 1e6).loss).toBeCloseTo(Math.log(3), 5);
    // A temperature of the kind that overflows exp() when the largest is not taken out first.
    expect(run(embeddings, 2, 2, 1e-4).loss).toBeGreaterThan(1000);
  });

  it('counts a view as found only when its other view is strictly the nearest', () => {
    const found = run(Float32Array.of(1, 0, 0, 1, 1, 0.1, 0.1, 1), 2, 2);
    expect(found.accuracy).toBe(1);
    const swapped = run(Float32Array.of(1, 0, 0, 1, 0.1, 1, 1, 0.1), 2, 2);
    expect(swapped.accuracy).toBe(0);
  });

  it('is 0 with one pair: there are no negatives', () => {
    const result = run(normals(6, 2 * 8), 1, 8);
    expect(result.loss).toBe(0);
    expect(result.accuracy).toBe(1);
    expect(result.uniformity).toBe(0);
    for (const value of result.gradient) expect(Math.abs(value)).toBe(0);
  });

  it('gives a zero row cosine 0 with everything and no gradient, and stays finite', () => {
    const pairs = 3;
    const dim = 4;
    const embeddings = normals(8, 2 * pairs * dim);
    embeddings.fill(0, 0, dim);
    const result = run(embeddings, pairs, dim);
    expect([...result.gradient.subarray(0, dim)].map(Math.abs)).toEqual([0, 0, 0, 0]);
    expect(Number.isFinite(result.loss)).toBe(true);
    expect(result.gradient.every(Number.isFinite)).toBe(true);
    expect(run(new Float32Array(2 * pairs * dim), pairs, dim).loss).toBeCloseTo(Math.log(5), 12);
  });

  it.each([NaN, Infinity])('never hides a %f', (value) => {
    const embeddings = normals(9, 2 * 3 * 4);
    embeddings[5] = value;
    expect(run(embeddings, 3, 4).loss).toBeNaN();
  });

  it('refuses sizes that do not fit and temperatures that are not positive', () => {
    const z = new Float32Array(24);
    expect(messageOf(() => ntXent(z, 0, 4, 0.5, z))).toMatch(/pairs is 0/);
    expect(messageOf(() => ntXent(z, 3, 0, 0.5, z))).toMatch(/dim is 0/);
    expect(messageOf(() => ntXent(z, 3, 5, 0.5, z))).toMatch(/embeddings has 24 numbers/);
    expect(messageOf(() => ntXent(z, 3, 4, 0.5, new Float32Array(23)))).toMatch(/gradient has 23/);
    for (const temperature of [0, -1, NaN, Infinity])
      expect(messageOf(() => ntXent(z, 3, 4, temperature, z))).toMatch(/temperature is/);
  });
});

describe('with groups', () => {
  const grouped = (z: Float32Array, groups: readonly number[], dim: number, temperature = 0.3) => {
    const gradient = new Float32Array(z.length).fill(NaN);
    return { ...ntXent(z, groups.length, dim, temperature, gradient, { groups }), gradient };
  };

  /** The page's equation over the other view and views of other groups; counts the rows that find their other view. */
  function slowlyGrouped(z: Float32Array, groups: readonly number[], dim: number, temperature = 0.3) {
    const pairs = groups.length;
    const found = { loss: 0, accuracy: 0 };
    for (let i = 0; i < 2 * pairs; i++) {
      const j = (i + pairs) % (2 * pairs);
      const similar = (k: number): number => cosine(rowOf(z, i, dim), rowOf(z, k, dim));
      const negatives = [...Array(2 * pairs).keys()].filter((k) => groups[k % pairs] !== groups[i % pairs]);
      const all = [j, ...negatives].map((k) => Math.exp(similar(k) / temperature));
      found.loss -= Math.log(all[0]! / all.reduce((sum, one) => sum + one, 0)) / (2 * pairs);
      if (negatives.every((k) => similar(j) > similar(k))) found.accuracy += 1 / (2 * pairs);
    }
    return found;
  }

  const CASES: readonly (readonly number[])[] = [
    [0, 0, 1],
    [4, 9, 4, 4, 9],
    [3, 1, 3, 2, 1, 3, 7],
    Array.from({ length: 32 }, (_, clip) => clip % 6),
  ];

  it.each(CASES.map((groups) => [groups]))('equals the slow loop (%j)', (groups) => {
    const z = normals(21, 2 * groups.length * 9);
    const found = grouped(z, groups, 9);
    const expected = slowlyGrouped(z, groups, 9);
    expect(found.loss).toBeCloseTo(expected.loss, 10);
    expect(found.accuracy).toBeCloseTo(expected.accuracy, 12);
  });

  it.each(CASES.slice(0, 3).map((groups) => [groups]))(
    'has the gradient that finite differences see (%j)',
    (groups) => {
      const z = normals(22, 2 * groups.length * 4);
      const { gradient } = grouped(z, groups, 4);
      for (let i = 0; i < z.length; i++) {
        const at = (by: number): { loss: number; at: number } => {
          const copy = z.slice();
          copy[i]! += by;
          return { loss: slowlyGrouped(copy, groups, 4).loss, at: copy[i]! };
        };
        const [up, down] = [at(1e-3), at(-1e-3)];
        expect(gradient[i]!).toBeCloseTo((up.loss - down.loss) / (up.at - down.at), 4);
      }
    },
  );

  it('of one clip each is the loss without groups, to the bit', () => {
    const z = normals(23, 2 * 7 * 5);
    const plain = run(z, 7, 5, 0.3);
    expect(grouped(z, [6, 5, 4, 3, 2, 1, 0], 5)).toEqual(plain);
  });

  it('is log(1 + negatives) when all is one point, and 0 with no gradient when all is one group', () => {
    const point = new Float32Array(2 * 5 * 3).fill(0.4);
    // Groups of three and two clips: four and six negatives.
    const { loss } = grouped(point, [0, 0, 1, 1, 1], 3);
    expect(loss).toBeCloseTo((2 * Math.log(7) + 3 * Math.log(5)) / 5, 12);
    const single = grouped(normals(24, 2 * 4 * 6), [2, 2, 2, 2], 6);
    expect(single).toMatchObject({ loss: 0, accuracy: 1 });
    for (const value of single.gradient) expect(Math.abs(value)).toBe(0);
  });

  it('is blind to where views of the own group lie, also at a temperature that overflows exp()', () => {
    // Clip 1 is of clip 0's group and on top of it; clip 2 is opposite.
    const z = Float32Array.of(1, 0, 1, 0, -1, 0, 1, 0.1, 1, 0.1, -1, 0.1);
    const { loss, accuracy, gradient } = grouped(z, [0, 0, 1], 2, 1e-4);
    expect(loss).toBeCloseTo(0, 12);
    expect(accuracy).toBe(1);
    expect(gradient.every(Number.isFinite)).toBe(true);
    expect(run(z, 3, 2, 1e-4).loss).toBeGreaterThan(10);
  });

  it.each([NaN, Infinity])('never hides a %f, in a group of its own or among others', (value) => {
    for (const position of [0, 5, 20]) {
      const z = normals(25, 2 * 3 * 4);
      z[position] = value;
      expect(grouped(z, [0, 0, 1], 4).loss).toBeNaN();
    }
  });

  it('refuses groups that are not one a pair', () => {
    const z = new Float32Array(24);
    expect(messageOf(() => ntXent(z, 3, 4, 0.5, z, { groups: [0, 1] }))).toMatch(
      /groups has 2 numbers where there are 3/,
    );
  });
});

describe('with weights', () => {
  const weighted = (z: Float32Array, weights: readonly number[], dim: number, groups?: readonly number[]) => {
    const gradient = new Float32Array(z.length).fill(NaN);
    const of = groups === undefined ? { weights } : { weights, groups };
    return { ...ntXent(z, weights.length, dim, 0.3, gradient, of), gradient };
  };

  /** The terms of both views of each pair, from what the loss loses without the pair's weight. */
  it.each([
    [undefined, [1, 0.5, 0.25]],
    [undefined, [0, 2, 1, 0.3, 0.7, 1, 0]],
    [
      [0, 1, 1, 0],
      [0.2, 1, 0, 3],
    ],
  ])('is the weighted mean of the terms, and its gradient (groups %j, weights %j)', (groups, weights) => {
    const pairs = weights.length;
    const z = normals(31, 2 * pairs * 5);
    const alone = weights.map((_, own) =>
      weighted(
        z,
        weights.map((_w, i) => (i === own ? 1 : 0)),
        5,
        groups,
      ),
    );
    const found = weighted(z, weights, 5, groups);
    const expected = alone.reduce((sum, { loss }, i) => sum + weights[i]! * loss, 0);
    expect(found.loss).toBeCloseTo(expected, 12);
    found.gradient.forEach((value, at) => {
      const wanted = alone.reduce((sum, { gradient }, i) => sum + weights[i]! * gradient[at]!, 0);
      expect(value).toBeCloseTo(wanted, 6);
    });
    // A pair alone has the terms of its two views, over all 2N.
    const own = (row: number): number => {
      const others = [...Array(2 * pairs).keys()].filter(
        (k) =>
          k === (row + pairs) % (2 * pairs) ||
          (k !== row && (groups === undefined || groups[k % pairs] !== groups[row % pairs])),
      );
      const similar = (k: number): number => Math.exp(cosine(rowOf(z, row, 5), rowOf(z, k, 5)) / 0.3);
      return Math.log(others.reduce((sum, k) => sum + similar(k), 0) / similar((row + pairs) % (2 * pairs)));
    };
    for (const [i, { loss }] of alone.entries())
      expect(loss).toBeCloseTo((own(i) + own(i + pairs)) / (2 * pairs), 10);
  });

  it('of 1 is the loss without weights, and measures the same with others', () => {
    const z = normals(32, 2 * 6 * 4);
    const plain = run(z, 6, 4, 0.3);
    expect(weighted(z, [1, 1, 1, 1, 1, 1], 4)).toEqual(plain);
    const { accuracy, alignment, uniformity } = plain;
    expect(weighted(z, [0, 1, 2, 3, 0, 1], 4)).toMatchObject({ accuracy, alignment, uniformity });
  });

  it('refuses weights that are not one a pair, finite and from 0', () => {
    const z = normals(33, 24);
    const said = (weights: readonly number[]): string =>
      messageOf(() => ntXent(z, 3, 4, 0.5, new Float32Array(24), { weights }));
    expect(said([1, 1])).toMatch(/weights has 2 numbers where there are 3/);
    expect(said([1, -1, 1])).toMatch(/weights\[1\] is -1/);
    expect(said([1, 1, NaN])).toMatch(/weights\[2\] is NaN/);
    expect(said([Infinity, 1, 1])).toMatch(/weights\[0\] is Infinity/);
  });
});

describe('alignment and uniformity', () => {
  it('follows the definitions of Wang and Isola', () => {
    const pairs = 6;
    const dim = 5;
    const z = normals(12, 2 * pairs * dim);
    const distance = (i: number, j: number): number => 2 - 2 * cosine(rowOf(z, i, dim), rowOf(z, j, dim));
    let alignment = 0;
    for (let i = 0; i < pairs; i++) alignment += distance(i, i + pairs) / pairs;
    const uniformityOf = (first: number): number => {
      const terms: number[] = [];
      for (let i = first; i < first + pairs; i++)
        for (let j = first; j < i; j++) terms.push(Math.exp(-2 * distance(i, j)));
      return Math.log(terms.reduce((sum, term) => sum + term, 0) / terms.length);
    };
    const result = run(z, pairs, dim);
    expect(result.alignment).toBeCloseTo(alignment, 10);
    expect(result.uniformity).toBeCloseTo((uniformityOf(0) + uniformityOf(pairs)) / 2, 10);
  });

  it('is 0 and 0 for a collapsed embedding', () => {
    const result = run(new Float32Array(2 * 4 * 3).fill(0.7), 4, 3);
    expect(result.alignment).toBeCloseTo(0, 12);
    expect(result.uniformity).toBeCloseTo(0, 12);
  });

  it('is −8 when the clips of a view sit at opposite poles', () => {
    const result = run(Float32Array.of(1, 0, -2, 0, 3, 0, -1, 0), 2, 2);
    expect(result.alignment).toBeCloseTo(0, 12);
    expect(result.uniformity).toBeCloseTo(-8, 12);
  });
});
