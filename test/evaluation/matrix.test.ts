import { expect, it } from 'vitest';
import { randomAt } from '../../src/base/random.ts';
import { factorise, gram, solve } from '../../src/evaluation/features/matrix.ts';

// Rows and columns that do not fill the blocks in which products are made.
it.each([
  [7, 3],
  [90, 67],
  [30, 130],
])('makes XᵀX of [%i, %i] as its definition says', (rows, dim) => {
  const random = randomAt(1, 'matrix', rows);
  const x = Float32Array.from({ length: rows * dim }, () => random.normal());
  const found = gram(x, dim);
  for (let i = 0; i < dim; i++)
    for (let j = 0; j <= i; j++) {
      let sum = 0;
      for (let r = 0; r < rows; r++) sum += x[r * dim + i]! * x[r * dim + j]!;
      expect(found[i * dim + j]).toBeCloseTo(sum, 9);
    }
});

it('solves a positive definite system', () => {
  const dim = 23;
  const random = randomAt(2, 'matrix');
  const x = Float32Array.from({ length: 60 * dim }, () => random.normal());
  const matrix = gram(x, dim);
  const wanted = Float64Array.from({ length: dim }, () => random.normal());
  const right = wanted.map((_, i) =>
    wanted.reduce((sum, value, j) => sum + value * matrix[Math.max(i, j) * dim + Math.min(i, j)]!, 0),
  );
  factorise(matrix, dim);
  solve(matrix, dim, right);
  for (let i = 0; i < dim; i++) expect(right[i]).toBeCloseTo(wanted[i]!, 9);
});
