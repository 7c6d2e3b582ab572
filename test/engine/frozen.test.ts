import { describe, expect, it } from 'vitest';
import type {
  Backend,
  BackendKind,
  Parameters,
  PlanOptions,
  Precision,
} from '../../src/engine/core/backend.ts';
import { cutNetwork } from '../../src/engine/core/cut.ts';
import { INPUT, type Network } from '../../src/engine/core/network.ts';
import {
  everyNode,
  execute,
  fillNormal,
  fillParameters,
  fillStatistics,
  openReLUs,
  relativeError,
} from './helpers.ts';
import { FAST, KINDS, openKind } from './kinds.ts';

const network = everyNode(2, 32);

/** Parameters and running statistics as after some training. */
function trained(backend: Backend, of: Network = network): Parameters {
  const parameters = backend.createParameters(of);
  fillParameters(parameters, 3);
  fillStatistics(parameters);
  return parameters;
}

function run(
  kind: BackendKind,
  options: Omit<PlanOptions, 'mode' | 'batch' | 'precision'> & { readonly precision?: Precision },
) {
  using backend = openKind(kind);
  using parameters = trained(backend);
  const before = parameters.statistics.read();
  using plan = backend.compile(network, parameters, {
    batch: 4,
    mode: 'train',
    precision: 'f32',
    ...options,
  });
  // The second pass would show what the first has left behind.
  execute(plan, network, parameters, 2);
  parameters.statistics.write(before);
  const result = execute(plan, network, parameters, 2);
  const taps = options.taps ?? [];
  return {
    ...result,
    before,
    values: new Map(taps.map((name) => [name, plan.value(name).slice()])),
    valueGradients: new Map(taps.map((name) => [name, plan.valueGradient(name).slice()])),
  };
}

/** Largest relative error over the entries of two maps, and where. */
function compare(
  truth: ReadonlyMap<string, Float32Array>,
  found: ReadonlyMap<string, Float32Array>,
  limit: number,
): void {
  expect([...found.keys()]).toEqual([...truth.keys()]);
  for (const [name, value] of truth) expect(relativeError(value, found.get(name)!), name).toBeLessThan(limit);
}

const someNorms = (node: string): boolean => node === 'stemNorm' || node === 'bNorm' || node === 'cNorm';

describe('frozen norms', () => {
  it.each(KINDS)('leave running statistics untouched, bit for bit; the others move (%s)', (kind) => {
    const all = run(kind, { frozenNorms: () => true });
    expect(all.statistics).toEqual(all.before);
    const some = run(kind, { frozenNorms: someNorms, normGroups: 2 });
    using backend = openKind('reference');
    using parameters = backend.createParameters(network);
    for (const { name, offset, length } of parameters.statisticSpecs) {
      const part = (data: Float32Array): number[] => [...data.subarray(offset, offset + length)];
      if (someNorms(name.split('.')[0]!)) expect(part(some.statistics), name).toEqual(part(some.before));
      else expect(part(some.statistics), name).not.toEqual(part(some.before));
    }
  });

  it.each(KINDS)('compute what inference computes (%s)', (kind) => {
    const found = run(kind, { frozenNorms: () => true });
    using backend = openKind(kind);
    using parameters = trained(backend);
    using plan = backend.compile(network, parameters, { batch: 4, mode: 'infer', precision: 'f32' });
    fillNormal(plan.input, 2, 'input');
    plan.forward();
    for (const [name, value] of found.outputs)
      expect(relativeError(plan.output(name), value), name).toBeLessThan(1e-6);
  });

  describe.each(FAST)('%s equals the reference', (kind) => {
    const options = { normGroups: 1, taps: [INPUT, 'stem', 'sum', 'pooled'] };
    const CASES = [
      ['all', () => true, 1],
      ['some', someNorms, 2],
    ] as const;
    it.each(CASES)('where %s are frozen, in f32', (_, frozenNorms, normGroups) => {
      const truth = run('reference', { ...options, frozenNorms, normGroups });
      const found = run(kind, { ...options, frozenNorms, normGroups });
      compare(truth.outputs, found.outputs, 2e-5);
      compare(truth.gradients, found.gradients, 2e-4);
      compare(truth.values, found.values, 2e-5);
      compare(truth.valueGradients, found.valueGradients, 2e-4);
      expect(relativeError(truth.statistics, found.statistics)).toBeLessThan(1e-5);
    });

    it.each(CASES)('where %s are frozen, in bf16', (_, frozenNorms, normGroups) => {
      const rounded = run('reference', { ...options, frozenNorms, normGroups, precision: 'bf16' });
      const brain = run(kind, { ...options, frozenNorms, normGroups, precision: 'bf16' });
      compare(rounded.outputs, brain.outputs, 1e-2);
      compare(rounded.gradients, brain.gradients, 5e-2);
      compare(rounded.valueGradients, brain.valueGradients, 5e-2);
    });
  });

  it.each(KINDS)('give their scale and shift a gradient or none, as asked (%s)', (kind) => {
    const full = run(kind, { frozenNorms: () => true });
    const trainable = (name: string): boolean => !/Norm\.(weight|bias)$/.test(name);
    const without = run(kind, { frozenNorms: () => true, trainable });
    const shiftsOnly = run(kind, { frozenNorms: () => true, trainable: (name) => name.endsWith('.bias') });
    for (const [name, gradient] of full.gradients) {
      const zero = new Float32Array(gradient.length);
      expect(
        relativeError(trainable(name) ? gradient : zero, without.gradients.get(name)!),
        name,
      ).toBeLessThan(1e-6);
      expect(
        relativeError(name.endsWith('.bias') ? gradient : zero, shiftsOnly.gradients.get(name)!),
        name,
      ).toBeLessThan(1e-6);
    }
  });

  it('agree with finite differences: parameters, the image and a map in the middle', () => {
    using backend = openKind('reference');
    using parameters = trained(backend);
    openReLUs(parameters);
    const options = { batch: 2, mode: 'train', precision: 'f32', frozenNorms: () => true } as const;
    using whole = backend.compile(network, parameters, { ...options, taps: [INPUT, 'pool'] });
    using above = backend.compile(cutNetwork(network, 'pool').above, parameters, options);
    fillNormal(whole.input, 3, 'image');
    const coefficients = new Map(network.outputs.map((name) => [name, whole.outputGradient(name).slice()]));
    for (const [name, c] of coefficients) fillNormal(c, 4, name);
    const lossOf = (plan: typeof whole): number => {
      plan.forward();
      let total = 0;
      for (const [name, c] of coefficients) plan.output(name).forEach((value, i) => (total += value * c[i]!));
      return total;
    };
    lossOf(whole);
    for (const [name, c] of coefficients) whole.outputGradient(name).set(c);
    whole.backward();
    above.input.set(whole.value('pool'));
    const check = (
      label: string,
      plan: typeof whole,
      at: Float32Array,
      gradient: Float32Array,
      write: () => void = () => undefined,
    ): void => {
      // A direction through the whole tensor: one number that every entry takes part in.
      const direction = new Float32Array(at.length);
      fillNormal(direction, 5, label);
      const norm = Math.hypot(...direction);
      const step = 2e-3;
      const before = at.slice();
      const shifted = (sign: number): number => {
        at.forEach((_, i) => (at[i] = before[i]! + (sign * step * direction[i]!) / norm));
        write();
        return lossOf(plan);
      };
      const numeric = (shifted(1) - shifted(-1)) / (2 * step);
      at.set(before);
      write();
      let expected = 0;
      gradient.forEach((value, i) => (expected += (value * direction[i]!) / norm));
      expect(Math.abs(numeric - expected), label).toBeLessThan(0.03 * Math.hypot(...gradient) + 1e-2);
    };
    check(INPUT, whole, whole.input, whole.valueGradient(INPUT).slice());
    check('pool', above, above.input, whole.valueGradient('pool').slice());
    const gradients = parameters.gradients.read();
    for (const { name, offset, length } of parameters.specs) {
      const at = parameters.values.read(new Float32Array(length), offset);
      check(name, whole, at, gradients.subarray(offset, offset + length), () => {
        parameters.values.write(at, offset);
      });
    }
  });
});

describe('tapped values', () => {
  const everything = [INPUT, ...network.nodes.map(({ name }) => name)];

  it.each(KINDS.flatMap((kind) => [[kind, 'f32'] as const, [kind, 'bf16'] as const]))(
    'change no bit of outputs, gradients and statistics (%s, %s)',
    (kind, precision) => {
      const plain = run(kind, { precision, normGroups: 2 });
      const watched = run(kind, { precision, normGroups: 2, taps: everything });
      expect(watched.outputs).toEqual(plain.outputs);
      expect(watched.gradients).toEqual(plain.gradients);
      expect(watched.statistics).toEqual(plain.statistics);
    },
  );

  it.each(FAST)('are those of the reference on %s, overwritten buffers included', (kind) => {
    const truth = run('reference', { taps: everything });
    const found = run(kind, { taps: everything });
    compare(truth.values, found.values, 2e-5);
    compare(truth.valueGradients, found.valueGradients, 5e-4);
    for (const [name, gradient] of truth.valueGradients)
      expect(
        gradient.some((value) => value !== 0),
        name,
      ).toBe(true);
  });

  it.each(KINDS)('get a gradient where no parameter trains and every norm is frozen (%s)', (kind) => {
    using backend = openKind(kind);
    using parameters = trained(backend);
    parameters.gradients.write(new Float32Array(parameters.gradients.length).fill(7));
    const options = { batch: 2, mode: 'train', precision: 'f32', frozenNorms: () => true } as const;
    using watching = backend.compile(network, parameters, {
      ...options,
      trainable: () => false,
      taps: ['sum'],
    });
    using training = backend.compile(network, parameters, { ...options, taps: ['sum'] });
    // One class of one image: what Grad-CAM asks for.
    for (const plan of [watching, training]) {
      fillNormal(plan.input, 3, 'image');
      plan.forward();
      plan.outputGradient('head')[2] = 1;
      if (plan === training) expect(parameters.gradients.read().every((value) => value === 7)).toBe(true);
      plan.backward();
    }
    const gradient = watching.valueGradient('sum');
    expect(gradient).toEqual(training.valueGradient('sum'));
    const half = gradient.length / 2;
    expect(gradient.subarray(0, half).some((value) => value !== 0)).toBe(true);
    expect(gradient.subarray(half).every((value) => value === 0)).toBe(true);
  });

  it.each(KINDS)('are only what was asked for, and must exist (%s)', (kind) => {
    using backend = openKind(kind);
    using parameters = trained(backend);
    const options = { batch: 2, mode: 'train', precision: 'f32' } as const;
    expect(() => backend.compile(network, parameters, { ...options, taps: ['layer4'] })).toThrow(
      expect.objectContaining({
        code: 'PLAN_OPTIONS',
        message: expect.stringContaining('"layer4"') as unknown,
      }),
    );
    using plan = backend.compile(network, parameters, { ...options, taps: ['sum'] });
    expect(() => plan.value('pool')).toThrow(RangeError);
    expect(() => plan.valueGradient('pool')).toThrow(RangeError);
    using silent = backend.compile(network, parameters, { ...options, mode: 'infer', taps: ['sum'] });
    expect(silent.value('sum')).toHaveLength(2 * 32 * 4 * 4);
    expect(() => silent.valueGradient('sum')).toThrow(RangeError);
  });
});
