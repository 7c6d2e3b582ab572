/**
 * Golden vectors of `randomAt`: every result of the project hangs on these numbers, and a stream that changes makes
 * every run made before unrepeatable. They come from `test/golden/addressed.py`, which was written from the published
 * algorithms and not from the code.
 */
import { describe, expect, test } from 'vitest';
import { randomAt } from '../../src/base/random.ts';

const times = <T>(count: number, draw: () => T): T[] => Array.from({ length: count }, draw);
/** Draws that pass through logarithms and sines may differ in the last bit between libraries. */
const near = (found: readonly number[], golden: readonly number[]): void => {
  expect(found).toHaveLength(golden.length);
  found.forEach((value, i) => {
    expect(Math.abs(value - golden[i]!)).toBeLessThan(1e-14 * Math.max(1, Math.abs(golden[i]!)));
  });
};

test.each([
  [randomAt(0, 'crop'), [85737691, 1063908674, 2976512773, 2628579671]],
  [randomAt(7, 'pair-frames', 3, 'clip12'), [242224276, 1926827228, 1439238435, 829001872]],
  [randomAt(4294967295, 'é↯', -0.5, '', 1e300), [2515553699, 713158361, 268629995, 139820210]],
  [randomAt(1, 'x', '1'), [1103214142, 3293827126, 557044309, 1754753961]],
  [randomAt(1, 'x', 1), [1716902607, 1747024080, 733857331, 2380782431]],
])('an address gives its words (%#)', (random, words) => {
  expect(times(4, () => random.uniform() * 2 ** 32)).toEqual(words);
});

test('words in bulk are those of single draws, and the stream goes on behind them', () => {
  for (const count of [0, 1, 5, 1000]) {
    const [bulk, single] = [randomAt(7, 'words', count), randomAt(7, 'words', count)];
    expect(bulk.uniform()).toBe(single.uniform());
    const words = new Uint32Array(count);
    bulk.fillWords(words);
    expect([...words]).toEqual(times(count, () => single.uniform() * 2 ** 32));
    expect(times(5, () => bulk.uniform())).toEqual(times(5, () => single.uniform()));
  }
});

describe('the distributions', () => {
  test('uniform and between', () => {
    expect(randomAt(3, 'uniform').uniform()).toBe(0.5292745134793222);
    expect(randomAt(3, 'uniform').between(-2, 5)).toBe(1.7049215943552554);
  });

  test('integer', () => {
    const random = randomAt(3, 'integer');
    expect(times(8, () => random.integer(10))).toEqual([8, 0, 5, 5, 7, 2, 1, 8]);
    expect(times(8, () => random.integer(1))).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
    for (const bound of [0, -1, 1.5, NaN]) expect(() => random.integer(bound)).toThrow(RangeError);
  });

  test('normal', () => {
    const random = randomAt(3, 'normal');
    near(
      times(5, () => random.normal()),
      [0.3277731954099464, 0.2310222781953734, -0.14665474421709482, 0.11074700014783168, 0.2641348376864522],
    );
  });

  test.each([
    [0.3, [0.7755545429113063, 0.02321811695462791, 0.0014598840701191052]],
    [1, [0.8689809196124819, 0.7593639015600512, 0.12647602293423243]],
    [4.5, [4.390429207212866, 5.112063536965266, 4.504259263564513]],
  ])('gamma of shape %d', (shape, golden) => {
    const random = randomAt(3, 'gamma', shape);
    near(
      times(3, () => random.gamma(shape)),
      golden,
    );
    for (const wrong of [0, -1, NaN]) expect(() => random.gamma(wrong)).toThrow(RangeError);
  });

  test('beta', () => {
    const random = randomAt(3, 'beta');
    near(
      [random.beta(0.5, 0.5), random.beta(0.5, 0.5), random.beta(2, 3)],
      [0.73674148151224, 0.008349902913674757, 0.614647354917041],
    );
  });

  test('shuffled, which leaves what it is given as it was', () => {
    const random = randomAt(3, 'shuffled');
    const items = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
    expect(random.shuffled(items)).toEqual([3, 8, 0, 7, 9, 4, 1, 5, 6, 2]);
    expect(items).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(random.uniform()).toBe(0.6634920558426529);
  });
});
