import { describe, expect, it } from 'vitest';
import { INPUT, type Network, type Node } from '../../src/engine/core/network.ts';
import type { Precision } from '../../src/engine/core/backend.ts';
import {
  everyNode,
  execute,
  fillNormal,
  fillParameters,
  networkOf,
  relativeError,
  runOn,
  vectorNorms,
} from './helpers.ts';
import { FAST, openKind } from './kinds.ts';

const conv = (kernel: number, stride: number, filters: number): Node => ({
  kind: 'conv',
  name: 'conv',
  input: INPUT,
  filters,
  kernel,
  stride,
  padding: kernel >> 1,
});

const LAYERS: readonly (readonly [string, Network])[] = [
  ['7×7 stride 2 on one channel', networkOf([1, 33, 33], [conv(7, 2, 16)])],
  ['7×7 stride 2 on three channels', networkOf([3, 32, 40], [conv(7, 2, 16)])],
  ['3×3', networkOf([16, 13, 11], [conv(3, 1, 24)])],
  ['3×3 stride 2', networkOf([16, 14, 14], [conv(3, 2, 32)])],
  ['1×1 stride 2', networkOf([32, 9, 9], [conv(1, 2, 16)])],
  [
    'batch norm',
    networkOf(
      [8, 9, 9],
      [
        conv(3, 1, 16),
        { kind: 'batchNorm', name: 'norm', input: 'conv', relu: false, epsilon: 1e-5, momentum: 0.1 },
      ],
    ),
  ],
  [
    'batch norm with ReLU and max pool',
    networkOf(
      [8, 17, 17],
      [
        conv(3, 1, 16),
        { kind: 'batchNorm', name: 'norm', input: 'conv', relu: true, epsilon: 1e-5, momentum: 0.3 },
        { kind: 'maxPool', name: 'pool', input: 'norm', kernel: 3, stride: 2, padding: 1 },
      ],
    ),
  ],
  ['every kind of node', everyNode(3, 64)],
  ['batch norms of vectors', vectorNorms(16)],
  ['batch norms of 13 features', vectorNorms(13)],
];

describe.each(FAST.flatMap((kind) => LAYERS.map(([name, network]) => [kind, name, network] as const)))(
  '%s: %s',
  (kind, _, network) => {
    it.each([1, 2])('equals the reference in f32 (%i norm groups)', (normGroups) => {
      const options = { batch: 6, precision: 'f32' as Precision, normGroups };
      const truth = runOn('reference', network, options);
      const found = runOn(kind, network, options);
      for (const [name, value] of truth.outputs)
        expect(relativeError(value, found.outputs.get(name)!)).toBeLessThan(2e-5);
      // A pre-activation within rounding of zero may fall on the other side; small maps keep that rare.
      for (const [name, value] of truth.gradients)
        expect(relativeError(value, found.gradients.get(name)!), name).toBeLessThan(2e-4);
      expect(relativeError(truth.statistics, found.statistics)).toBeLessThan(1e-5);
    });

    it('equals the reference’s rounding in bf16', () => {
      const options = { batch: 6, precision: 'bf16' as Precision, normGroups: 2 };
      const truth = runOn('reference', network, options);
      const found = runOn(kind, network, options);
      for (const [name, value] of truth.outputs)
        expect(relativeError(value, found.outputs.get(name)!)).toBeLessThan(1e-2);
      for (const [name, value] of truth.gradients)
        expect(relativeError(value, found.gradients.get(name)!), name).toBeLessThan(5e-2);
    });
  },
);

describe.each(FAST)('a plan of %s', (fast) => {
  const network = everyNode(1, 64);

  it.each(['f32', 'bf16'] as const)('gives the same bits in every run (%s)', (precision) => {
    const options = { batch: 8, precision, normGroups: 2 };
    const first = runOn(fast, network, options);
    for (let run = 0; run < 3; run++) expect(runOn(fast, network, options)).toEqual(first);
  });

  it('treats two norm groups as two forward passes of half the batch', () => {
    using backend = openKind(fast, 2);
    using parameters = backend.createParameters(network);
    fillParameters(parameters, 1);
    using both = backend.compile(network, parameters, {
      batch: 8,
      mode: 'train',
      precision: 'f32',
      normGroups: 2,
    });
    using half = backend.compile(network, parameters, { batch: 4, mode: 'train', precision: 'f32' });
    const joint = execute(both, network, parameters, 2);
    const images = both.input.slice();
    const summed = new Float32Array(parameters.gradients.length);
    [0, 1].forEach((view) => {
      half.input.set(images.subarray(view * half.input.length, (view + 1) * half.input.length));
      half.forward();
      for (const name of network.outputs) {
        const whole = both.outputGradient(name);
        const part = whole.length / 2;
        half.outputGradient(name).set(whole.subarray(view * part, (view + 1) * part));
        expect(
          relativeError(joint.outputs.get(name)!.subarray(view * part, (view + 1) * part), half.output(name)),
        ).toBeLessThan(1e-5);
      }
      half.backward();
      parameters.gradients.read().forEach((g, i) => (summed[i]! += g));
    });
    for (const { name, offset, length } of parameters.specs)
      expect(
        relativeError(joint.gradients.get(name)!, summed.subarray(offset, offset + length)),
        name,
      ).toBeLessThan(1e-4);
  });

  it.each([1, 2])('trains a norm above what is not trained (%i norm groups)', (normGroups) => {
    const trainable = (name: string): boolean => name.startsWith('norm.');
    const options = { batch: 6, precision: 'f32', normGroups, trainable } as const;
    const [, alone] = LAYERS.find(([name]) => name === 'batch norm')!;
    const truth = runOn('reference', alone, options);
    const found = runOn(fast, alone, options);
    for (const [name, value] of truth.outputs)
      expect(relativeError(value, found.outputs.get(name)!), name).toBeLessThan(2e-5);
    for (const name of ['norm.weight', 'norm.bias'])
      expect(relativeError(truth.gradients.get(name)!, found.gradients.get(name)!), name).toBeLessThan(2e-5);
    expect(Math.hypot(...truth.gradients.get('norm.weight')!)).toBeGreaterThan(0);
  });

  it('adds to the gradients when told to', () => {
    using backend = openKind(fast, 2);
    using parameters = backend.createParameters(network);
    fillParameters(parameters, 1);
    using plan = backend.compile(network, parameters, { batch: 4, mode: 'train', precision: 'f32' });
    execute(plan, network, parameters, 2);
    const once = parameters.gradients.read();
    expect(() => {
      plan.backward();
    }).toThrow(/forward pass of its own/);
    plan.forward();
    plan.backward({ accumulate: true });
    parameters.gradients.read().forEach((g, i) => {
      expect(g).toBe(Math.fround(2 * once[i]!));
    });
  });

  it.each(['reference', fast] as const)('leaves frozen parameters’ gradients alone (%s)', (kind) => {
    using backend = openKind(kind, 2);
    using parameters = backend.createParameters(network);
    fillParameters(parameters, 1);
    parameters.gradients.write(new Float32Array(parameters.gradients.length).fill(7));
    using plan = backend.compile(network, parameters, {
      batch: 4,
      mode: 'train',
      precision: 'f32',
      trainable: (name) => name.startsWith('c') || name === 'head.weight',
    });
    const { gradients } = execute(plan, network, parameters, 2);
    const full = runOn(fast, network, { batch: 4, precision: 'f32' }, 1);
    expect(gradients.get('stem.weight')).toEqual(new Float32Array(16 * 49).fill(7));
    expect(gradients.get('hidden.weight')!.every((g) => g === 7)).toBe(true);
    expect(gradients.get('head.bias')!.every((g) => g === 7)).toBe(true);
    expect(gradients.get('c.weight')!.some((g) => g !== 7)).toBe(true);
    expect(full.gradients.get('c.weight')!.length).toBe(gradients.get('c.weight')!.length);
  });

  it('infers with the running statistics, image by image', () => {
    using backend = openKind(fast, 2);
    using parameters = backend.createParameters(network);
    fillParameters(parameters, 1);
    using train = backend.compile(network, parameters, { batch: 8, mode: 'train', precision: 'f32' });
    execute(train, network, parameters, 2);
    const before = parameters.statistics.read();
    using eight = backend.compile(network, parameters, { batch: 8, mode: 'infer', precision: 'f32' });
    using one = backend.compile(network, parameters, { batch: 1, mode: 'infer', precision: 'f32' });
    fillNormal(eight.input, 9, 'images');
    eight.forward();
    const whole = eight.output('head').slice();
    one.input.set(eight.input.subarray(3 * one.input.length, 4 * one.input.length));
    one.forward();
    expect(relativeError(whole.subarray(15, 20), one.output('head'))).toBeLessThan(1e-5);
    expect(parameters.statistics.read()).toEqual(before);
    using oracle = openKind('reference');
    using same = oracle.createParameters(network);
    same.values.copyFrom(parameters.values);
    same.statistics.copyFrom(parameters.statistics);
    using slow = oracle.compile(network, same, { batch: 8, mode: 'infer', precision: 'f32' });
    slow.input.set(eight.input);
    slow.forward();
    expect(relativeError(slow.output('head'), whole)).toBeLessThan(2e-5);
  });

  it('serves a trunk from the parameters of the whole network', () => {
    const trunk: Network = { ...network, nodes: network.nodes.slice(0, 14), outputs: ['pooled'] };
    using backend = openKind(fast, 2);
    using parameters = backend.createParameters(network);
    fillParameters(parameters, 1);
    using a = backend.compile(network, parameters, { batch: 2, mode: 'infer', precision: 'f32' });
    using b = backend.compile(trunk, parameters, { batch: 2, mode: 'infer', precision: 'f32' });
    fillNormal(a.input, 1, 'x');
    b.input.set(a.input);
    a.forward();
    b.forward();
    expect(b.output('pooled')).toEqual(a.output('pooled'));
  });

  it('refuses parameters of another architecture and a batch that norm groups do not divide', () => {
    using backend = openKind(fast, 2);
    using parameters = backend.createParameters(everyNode(3, 64));
    const options = { batch: 5, mode: 'train', precision: 'f32' } as const;
    expect(() => backend.compile(network, parameters, options)).toThrow(
      /"stem.weight" has shape \[16, 3, 7, 7\]/,
    );
    using fitting = backend.createParameters(network);
    expect(() => backend.compile(network, fitting, { ...options, normGroups: 2 })).toThrow(/batch of 5/);
  });

  it('gives its memory back', () => {
    using backend = openKind(fast, 2);
    using parameters = backend.createParameters(network);
    const options = { batch: 32, mode: 'train', precision: 'f32' } as const;
    const once = (): void => {
      using plan = backend.compile(network, parameters, options);
      plan.forward();
    };
    for (let i = 0; i < 3; i++) once();
    const before = process.memoryUsage.rss();
    for (let i = 0; i < 20; i++) once();
    using held = backend.compile(network, parameters, options);
    expect(process.memoryUsage.rss() - before).toBeLessThan(10 * held.bytes);
  });
});
