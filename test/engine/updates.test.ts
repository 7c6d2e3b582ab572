import { describe, expect, it } from 'vitest';
import type { Backend, BackendKind, Ranges, Vector } from '../../src/engine/core/backend.ts';
import { edit, fillNormal, relativeError } from './helpers.ts';
import { FAST, openKind } from './kinds.ts';

const LENGTH = 600_001; // more than two chunks of the fast backend, and a remainder
const RANGES: Ranges = [
  [0, 5],
  [100, 9000],
  [20_000, LENGTH],
];

interface Vectors {
  readonly values: Vector;
  readonly gradients: Vector;
  readonly first: Vector;
  readonly second: Vector;
}

function vectors(backend: Backend): Vectors {
  const make = (purpose: string): Vector => {
    const vector = backend.allocate(LENGTH);
    edit(vector, (data) => {
      fillNormal(data, 1, purpose);
    });
    return vector;
  };
  return {
    values: make('values'),
    gradients: make('gradients'),
    first: backend.allocate(LENGTH),
    second: backend.allocate(LENGTH),
  };
}

function both(
  kind: BackendKind,
  update: (backend: Backend, vectors: Vectors, step: number) => void,
): readonly [Vectors, Vectors] {
  const results = (['reference', kind] as const).map((one) => {
    const backend = openKind(one, 2);
    const mine = vectors(backend);
    for (let step = 1; step <= 3; step++) {
      edit(mine.gradients, (data) => {
        fillNormal(data, step, 'gradients');
      });
      update(backend, mine, step);
    }
    return mine;
  });
  return [results[0]!, results[1]!];
}

function expectEqual([truth, found]: readonly [Vectors, Vectors]): void {
  for (const key of ['values', 'first', 'second'] as const)
    expect(relativeError(truth[key].read(), found[key].read()), key).toBeLessThan(1e-6);
  // Outside the ranges nothing moves.
  expect(found.values.read().subarray(9000, 20_000)).toEqual(truth.values.read().subarray(9000, 20_000));
}

describe.each(FAST)('optimizer updates on %s equal the loops of the reference', (kind) => {
  it.each([
    ['coupled', 0.01, 1],
    ['coupled', 0, 0.5],
    ['decoupled', 0.1, 1],
    ['decoupled', 0, 0.25],
  ] as const)('Adam, %s decay %f, gradients scaled by %f', (decay, weightDecay, gradientScale) => {
    expectEqual(
      both(kind, (backend, { values, gradients, first, second }, step) => {
        backend.adam({
          values,
          gradients,
          first,
          second,
          ranges: RANGES,
          learningRate: 0.01,
          beta1: 0.9,
          beta2: 0.999,
          epsilon: 1e-8,
          weightDecay,
          decay,
          step,
          gradientScale,
        });
      }),
    );
  });

  it.each([
    [false, 0.01, 1],
    [true, 0.01, 1],
    [true, 0, 0.5],
  ])('SGD, Nesterov %s, decay %f, gradients scaled by %f', (nesterov, weightDecay, gradientScale) => {
    expectEqual(
      both(kind, (backend, { values, gradients, first }, step) => {
        backend.sgd({
          values,
          gradients,
          momentumBuffer: first,
          ranges: RANGES,
          learningRate: 0.1,
          momentum: 0.9,
          nesterov,
          weightDecay,
          step,
          gradientScale,
        });
      }),
    );
  });

  it('sums squares over the ranges alone', () => {
    using backend = openKind(kind, 2);
    const vector = backend.allocate(10);
    vector.write(Float32Array.from([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]));
    expect(
      backend.sumOfSquares(vector, [
        [1, 3],
        [9, 10],
      ]),
    ).toBe(4 + 9 + 100);
  });
});
