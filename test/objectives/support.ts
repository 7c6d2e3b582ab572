/** What tests of this room share. */
import { failure } from '../failures.ts';

/** The message of the `OBJECTIVE_INVALID` that an action throws. */
export function messageOf(action: () => unknown): string {
  const error = failure(action);
  if (error.code !== 'OBJECTIVE_INVALID') throw error;
  return error.message;
}

/** A row of a matrix that is `dim` wide. */
export const rowOf = (vectors: Float32Array, index: number, dim: number): number[] => [
  ...vectors.subarray(index * dim, (index + 1) * dim),
];

export function cosine(a: readonly number[], b: readonly number[]): number {
  const dot = (x: readonly number[], y: readonly number[]): number =>
    x.reduce((sum, value, index) => sum + value * y[index]!, 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}
