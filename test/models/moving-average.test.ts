import { expect, test } from 'vitest';
import type { Parameters } from '../../src/engine/core/backend.ts';
import { followParameters } from '../../src/models/moving-average.ts';

/** Parameters with these values by name, laid out in this order. */
function parameters(values: Readonly<Record<string, readonly number[]>>): Parameters {
  let offset = 0;
  const specs = Object.entries(values).map(([name, { length }]) => {
    const spec = { name, shape: [length], role: 'linearBias', offset, length } as const;
    offset += length;
    return spec;
  });
  const all = Float32Array.from(Object.values(values).flat());
  const none = new Float32Array(0);
  return {
    ...{ specs, statisticSpecs: [], values: all, gradients: none, statistics: none },
    [Symbol.dispose]: () => undefined,
  };
}

test('each parameter of the target moves towards the one of its name, wherever that lies', () => {
  const target = parameters({ a: [1, 2], c: [0] });
  followParameters(target, parameters({ c: [8], b: [5], a: [3, 0] }), 0.75);
  expect([...target.values]).toEqual([1.5, 1.5, 2]);
});

test('after n steps m^n of the start is left', () => {
  const target = parameters({ a: [1] });
  for (let step = 0; step < 10; step++) followParameters(target, parameters({ a: [0] }), 0.5);
  expect(target.values[0]).toBe(0.5 ** 10);
});

test.each([
  ['is missing', { b: [1] }],
  ['has another size', { a: [1, 2] }],
])('a parameter that %s is an error that names it', (_, online) => {
  expect(() => {
    followParameters(parameters({ a: [1] }), parameters(online), 0.5);
  }).toThrow('"a"');
});
