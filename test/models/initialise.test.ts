import { describe, expect, it } from 'vitest';
import { HostVector } from '../../src/engine/core/host-vector.ts';
import { parameterSpecs, statisticSpecs, type Network } from '../../src/engine/core/network.ts';
import { withHeads } from '../../src/models/heads.ts';
import { initialise } from '../../src/models/initialise.ts';
import { resnet } from '../../src/models/resnet.ts';

type Initialisable = Parameters<typeof initialise>[0];

function allocate(network: Network): Initialisable {
  const specs = parameterSpecs(network);
  const statistics = statisticSpecs(network);
  const end = (last: { offset: number; length: number } | undefined): number =>
    last === undefined ? 0 : last.offset + last.length;
  return {
    specs,
    statisticSpecs: statistics,
    values: new HostVector(new Float32Array(end(specs.at(-1))).fill(NaN)),
    statistics: new HostVector(new Float32Array(end(statistics.at(-1))).fill(NaN)),
  };
}

function initialised(network: Network, seed: number): Initialisable {
  const parameters = allocate(network);
  initialise(parameters, seed);
  return parameters;
}

function valuesOf(parameters: Initialisable, name: string): Float32Array {
  const spec = parameters.specs.find((candidate) => candidate.name === name)!;
  return parameters.values.read(new Float32Array(spec.length), spec.offset);
}

/** `toEqual` on millions of numbers takes minutes. */
const sameBits = (a: Float32Array, b: Float32Array): boolean =>
  Buffer.from(a.buffer, a.byteOffset, a.byteLength).equals(Buffer.from(b.buffer, b.byteOffset, b.byteLength));

function moments(values: Float32Array): { mean: number; deviation: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  return { mean, deviation: Math.sqrt(variance) };
}

const trunk = resnet(18, { channels: 3, size: 64 });
const network = withHeads(trunk, {
  projection: { hidden: 512, dim: 256 },
  classifier: { classes: 3, input: 'representation' },
});

describe('initialise', () => {
  const parameters = initialised(network, 7);

  it('draws convolutions from the kaiming normal over the fan out', () => {
    for (const spec of parameters.specs) {
      if (spec.role !== 'convWeight') continue;
      const expected = Math.sqrt(2 / (spec.shape[0]! * spec.shape[2]! * spec.shape[3]!));
      const { mean, deviation } = moments(valuesOf(parameters, spec.name));
      // Five standard errors of the estimate.
      expect(Math.abs(mean), spec.name).toBeLessThan((5 * expected) / Math.sqrt(spec.length));
      expect(Math.abs(deviation / expected - 1), spec.name).toBeLessThan(5 / Math.sqrt(2 * spec.length));
    }
  });

  it.each(['projection.0', 'projection.2', 'classifier'])(
    'draws %s uniformly within ±1/√inputs, weight and bias',
    (name) => {
      const bound = 1 / Math.sqrt(512);
      for (const part of ['weight', 'bias']) {
        const values = valuesOf(parameters, `${name}.${part}`);
        const largest = values.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
        expect(largest).toBeLessThanOrEqual(Math.fround(bound));
        if (values.length >= 256) {
          expect(largest).toBeGreaterThan(0.95 * bound);
          expect(moments(values).deviation).toBeCloseTo(bound / Math.sqrt(3), 2);
        }
      }
    },
  );

  it('starts batch norms as the identity and leaves no value unset', () => {
    for (const spec of parameters.specs) {
      const values = valuesOf(parameters, spec.name);
      if (spec.role === 'normScale') expect(values.every((value) => value === 1)).toBe(true);
      if (spec.role === 'normShift') expect(values.every((value) => value === 0)).toBe(true);
    }
    for (const spec of parameters.statisticSpecs) {
      const values = parameters.statistics.read(new Float32Array(spec.length), spec.offset);
      expect(values.every((value) => value === (spec.name.endsWith('running_var') ? 1 : 0))).toBe(true);
    }
    expect(parameters.values.read().every(Number.isFinite)).toBe(true);
    expect(parameters.statistics.read().every(Number.isFinite)).toBe(true);
  });

  it('is a function of seed and name: the same trunk with other heads starts the same', () => {
    const bare = initialised(trunk, 7);
    expect(sameBits(parameters.values.read(new Float32Array(bare.values.length)), bare.values.read())).toBe(
      true,
    );
    const other = initialised(trunk, 8);
    expect(sameBits(valuesOf(other, 'conv1.weight'), valuesOf(bare, 'conv1.weight'))).toBe(false);
    const [first, second] = ['layer1.0.conv1.weight', 'layer1.0.conv2.weight'];
    expect(sameBits(valuesOf(bare, first), valuesOf(bare, second))).toBe(false);
  });

  it('refuses a bias whose weight is missing', () => {
    const full = allocate(network);
    const orphan = { ...full, specs: full.specs.filter(({ name }) => name !== 'classifier.weight') };
    expect(() => {
      initialise(orphan, 1);
    }).toThrow(/classifier\.bias has no weight/);
  });
});
