import { describe, expect, it } from 'vitest';
import { crossProducts, timesMatrix, viewColumns } from '../../src/objectives/columns.ts';

const matrix = (...numbers: readonly number[]): Float64Array => Float64Array.from(numbers);

describe('products of features', () => {
  it('is Aᵀ·B', () => {
    expect([...crossProducts(matrix(1, 2, 3, 4, 5, 6), matrix(1, 0, 0, 1, 2, 2), 2)]).toEqual([
      11, 13, 14, 16,
    ]);
  });

  it('is A·M, or A·Mᵀ', () => {
    const a = matrix(1, 2, 0, -1, 3, 3);
    const m = matrix(1, 2, 3, 4);
    expect([...timesMatrix(a, m, 2)]).toEqual([7, 10, -3, -4, 12, 18]);
    expect([...timesMatrix(a, m, 2, 'transposed')]).toEqual([5, 11, -2, -4, 9, 21]);
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
