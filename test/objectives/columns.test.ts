import { describe, expect, it } from 'vitest';
import { inner, rowMixtures, rowProducts, viewColumns } from '../../src/objectives/columns.ts';

const matrix = (...numbers: readonly number[]): Float64Array => Float64Array.from(numbers);

describe('products of rows', () => {
  const a = matrix(1, 2, 0, -1, 3, 3);

  it('is A·Aᵀ', () => {
    expect([...rowProducts(a, 2)]).toEqual([5, -2, 9, -2, 1, -3, 9, -3, 18]);
    expect([...rowProducts(a, 3)]).toEqual([5, 5, 5, 19]);
  });

  it('is K·A', () => {
    expect([...rowMixtures(matrix(1, 2, 3, 4), a, 3)]).toEqual([-1, 8, 6, -1, 18, 12]);
  });

  it('holds the sums over features that the losses want', () => {
    const b = matrix(2, 1, -1, 4, 0, 5);
    // AᵀB = [[2, 16], [5, 13]].
    expect(inner(rowProducts(a, 2), rowProducts(b, 2))).toBe(4 + 256 + 25 + 169);
    // B·(AᵀB)ᵀ, row by row.
    expect([...rowMixtures(rowProducts(b, 2), a, 2)]).toEqual([20, 23, 62, 47, 80, 65]);
  });
});

describe('viewColumns', () => {
  it('centres each view by itself and divides variances by the rows', () => {
    const views = Float32Array.of(1, 10, 3, 30, -2, 5, 2, 5);
    const [first, second] = viewColumns(views, 2, 2, new Float32Array(8));
    expect([...first.centred]).toEqual([-1, -10, 1, 10]);
    expect([...first.variances]).toEqual([1, 100]);
    expect([...second.centred]).toEqual([-2, 0, 2, 0]);
    expect([...second.variances]).toEqual([4, 0]);
  });
});
