import { describe, expect, it } from 'vitest';
import { randomAt } from '../../../src/base/random.ts';
import { filterTurned, inFours } from '../../../src/views/echoes/filter.ts';

function drawn(purpose: string, length: number): Float64Array {
  const random = randomAt(1, purpose);
  return Float64Array.from({ length }, () => random.between(-1, 1));
}

it('rows of results are as long as the next multiple of four', () => {
  expect([1, 3, 4, 5, 112, 113].map(inFours)).toEqual([4, 4, 4, 8, 112, 116]);
});

describe('the filter', () => {
  it.each([
    [1, 4, 1],
    [3, 8, 2],
    [5, 4, 7],
    [2, 12, 30],
    [7, 8, 3],
    [3, 4, 4],
    [4, 16, 5],
    [5, 8, 21],
  ])(
    'is the sum over its taps in their order, turned, to the bit: %i rows, %i results, %i taps',
    (rows, results, taps) => {
      const length = results + taps - 1;
      const source = Float32Array.from(drawn('source', rows * length));
      const weights = drawn('weights', taps);
      const target = new Float32Array(results * rows).fill(99);
      filterTurned(source, rows, results, weights, target);
      for (let y = 0; y < rows; y++)
        for (let x = 0; x < results; x++) {
          let sum = 0;
          for (let k = 0; k < taps; k++) sum += weights[k]! * source[y * length + x + k]!;
          expect(target[x * rows + y]).toBe(Math.fround(sum));
        }
    },
  );

  it('done twice is a separable filter of the picture, the right way round', () => {
    const weights = Float64Array.of(0.5, -1, 2);
    const [side, out] = [10, 8];
    const source = Float32Array.from(drawn('picture', side * side));
    const [turned, target] = [new Float32Array(out * side), new Float32Array(out * out)];
    filterTurned(source, side, out, weights, turned);
    filterTurned(turned, out, out, weights, target);
    for (let y = 0; y < out; y++)
      for (let x = 0; x < out; x++) {
        let sum = 0;
        for (let j = 0; j < 3; j++)
          for (let k = 0; k < 3; k++) sum += weights[j]! * weights[k]! * source[(y + j) * side + x + k]!;
        expect(target[y * out + x]).toBeCloseTo(sum, 5);
      }
  });
});
