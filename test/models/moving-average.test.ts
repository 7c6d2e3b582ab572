import { describe, expect, test } from 'vitest';
import { randomAt } from '../../src/base/random.ts';
import type { Parameters } from '../../src/engine/core/backend.ts';
import { INPUT, type Network } from '../../src/engine/core/network.ts';
import { followParameters } from '../../src/models/moving-average.ts';
import { openTested } from '../backend.ts';
import { KINDS, openKind } from '../engine/kinds.ts';

/** Linear layers in this order, each on a vector: name and features. */
function network(inputs: number, layers: readonly (readonly [name: string, features: number])[]): Network {
  return {
    input: [inputs],
    nodes: layers.map(([name, features]) => ({ kind: 'linear', name, input: INPUT, features })),
    outputs: layers.map(([name]) => name),
  };
}

function filled(parameters: Parameters, seed: number): Parameters {
  const random = randomAt(seed, 'values');
  parameters.values.write(Float32Array.from({ length: parameters.values.length }, () => random.normal()));
  return parameters;
}

function byName({ specs, values }: Parameters): Map<string, Float32Array> {
  const all = values.read();
  return new Map(specs.map(({ name, offset, length }) => [name, all.subarray(offset, offset + length)]));
}

// Weights shorter and longer than what is worth a kernel call, and than what stays in cache from one to the next.
const WIDE = 300;
const LAYERS = [
  ['a', 2],
  ['b', 40],
  ['c', 1000],
  ['d', 5],
] as const;

describe.each(KINDS)('on %s', (kind) => {
  test.each([
    ['of the same layout', LAYERS],
    ['of more layers in another order', [LAYERS[2], ['e', 30], LAYERS[3], LAYERS[0], LAYERS[1]] as const],
  ])('each parameter moves towards the one of its name in a set %s, and nothing else does', (_, layers) => {
    using backend = openKind(kind);
    using target = filled(backend.createParameters(network(WIDE, LAYERS)), 1);
    using online = filled(backend.createParameters(network(WIDE, layers)), 2);
    const source = byName(online);
    const before = [target.values.read(), online.values.read(), target.gradients.read()] as const;
    for (const keep of [0.75, 0.999, 0]) {
      const was = byName(target);
      followParameters(target, online, keep);
      for (const [name, values] of byName(target)) {
        const [old, towards] = [was.get(name)!, source.get(name)!];
        const worst = values.reduce((most, value, i) => {
          return Math.max(most, Math.abs(value - (keep * old[i]! + (1 - keep) * towards[i]!)));
        }, 0);
        // Two roundings of numbers below 5.
        expect(worst).toBeLessThan(1e-6);
      }
    }
    const same = [target.values, online.values, target.gradients].map((now, i) =>
      Buffer.from(now.read().buffer).equals(Buffer.from(before[i]!.buffer)),
    );
    expect(same).toEqual([false, true, true]);
  });

  test.each([
    ['is missing', [['z', 2]] as const],
    ['has another size', [['a', 3]] as const],
  ])('a parameter that %s is an error that names it', (_, layers) => {
    using backend = openKind(kind);
    using target = backend.createParameters(network(4, [['a', 2]]));
    using online = backend.createParameters(network(4, layers));
    expect(() => {
      followParameters(target, online, 0.5);
    }).toThrow('"a');
  });
});

test('after n steps m^n of the start is left', () => {
  using backend = openTested();
  using target = backend.createParameters(network(1, [['a', 1]]));
  using online = backend.createParameters(network(1, [['a', 1]]));
  target.values.write(Float32Array.of(1, 0));
  for (let step = 0; step < 10; step++) followParameters(target, online, 0.5);
  expect(target.values.read()[0]).toBe(0.5 ** 10);
});
