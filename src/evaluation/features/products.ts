/**
 * Products of many rows with many rows by a backend's kernels: a linear layer whose weights are the rows of B gives A·Bᵀ.
 * They are f32, tens of times as fast as f64 in JavaScript, and right to a bound that a caller can count with.
 */
import type { Backend } from '../../engine/core/backend.ts';
import { INPUT, type Network } from '../../engine/core/network.ts';

/**
 * Calls with the products of each row of A with all rows of B, which must not be kept; A and B are [·, dim], row-major. For
 * rows no longer than 1 each is within `roundingOf(dim)` of the true one.
 */
export type Products = (
  a: Float32Array,
  b: Float32Array,
  dim: number,
  use: (row: number, products: Float32Array) => void,
) => void;

/** Rows of A in one execution: B is packed anew for each. */
const BLOCK = 256;

/** Products on a backend; they stand while it does. */
export function productsOn(backend: Backend): Products {
  return (a, b, dim, use) => {
    const [rows, features] = [a.length / dim, b.length / dim];
    const network: Network = {
      input: [dim],
      nodes: [{ kind: 'linear', name: 'products', input: INPUT, features }],
      outputs: ['products'],
    };
    using parameters = backend.createParameters(network);
    const { offset } = parameters.specs.find(({ role }) => role === 'linearWeight')!;
    parameters.values.write(b, offset);
    using plan = backend.compile(network, parameters, { batch: BLOCK, mode: 'infer', precision: 'f32' });
    for (let from = 0; from < rows; from += BLOCK) {
      const to = Math.min(rows, from + BLOCK);
      plan.input.set(a.subarray(from * dim, to * dim));
      plan.forward();
      const products = plan.output('products');
      for (let row = from; row < to; row++)
        use(row, products.subarray((row - from) * features).subarray(0, features));
    }
  };
}

/**
 * Bound on the error of an inner product of two rows of length 1 in f32, in any order of sums: dim·u / (1 − dim·u) with
 * u = 2⁻²⁴ (Higham, Accuracy and Stability of Numerical Algorithms, 2002, eq. 3.5), twice that for lengths that are
 * themselves rounded.
 */
export function roundingOf(dim: number): number {
  return dim * 2 ** -23;
}
