import { describe, expect, it } from 'vitest';
import type { Backend, PlanOptions } from '../../src/engine/core/backend.ts';
import { cutNetwork } from '../../src/engine/core/cut.ts';
import { INPUT, type Network } from '../../src/engine/core/network.ts';
import { drawnParameters, fillNormal, part, relativeError, vectorNorms } from './helpers.ts';
import { BATCHES, headNetwork, MOMENTUM, normNode, passedThrough, PRECISIONS, WIDTHS } from './vectors.ts';
import { KINDS, openKind } from './kinds.ts';

/*
 * A norm of vectors beside its definition: the norm and its Jacobian written out in f64. Vectors are f32 in both
 * precisions, so both are held to the same limits.
 */

/**
 * Of two numbers, a norm makes ±1 whatever they are, and its gradient is left to epsilon: a larger one keeps a
 * gradient that is more than rounding.
 */
const epsilonFor = (batch: number, groups: number): number => (batch === 2 * groups ? 0.1 : 1e-5);

interface Column {
  readonly output: readonly number[];
  readonly gradient: readonly number[];
  readonly scale: number;
  readonly shift: number;
  readonly mean: number;
  /** Of the sample: divided by one less than its size. */
  readonly unbiased: number;
}

/** One feature of one part of the batch, by the definition; the gradient through the whole Jacobian. */
function normalise(
  x: readonly number[],
  g: readonly number[],
  scale: number,
  shift: number,
  epsilon: number,
  relu: boolean,
  running: { readonly mean: number; readonly variance: number } | undefined,
): Column {
  const count = x.length;
  const mean = x.reduce((sum, value) => sum + value, 0) / count;
  const squares = x.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const deviation = Math.sqrt((running?.variance ?? squares / count) + epsilon);
  const hat = x.map((value) => (value - (running?.mean ?? mean)) / deviation);
  const before = hat.map((value) => scale * value + shift);
  const through = g.map((value, j) => (relu && before[j]! <= 0 ? 0 : value));
  const jacobian = (j: number, i: number): number => {
    const own = i === j ? 1 : 0;
    return (
      (scale / deviation) * (running === undefined ? own - 1 / count - (hat[i]! * hat[j]!) / count : own)
    );
  };
  return {
    output: before.map((value) => (relu ? Math.max(0, value) : value)),
    gradient: x.map((_, i) => through.reduce((sum, value, j) => sum + value * jacobian(j, i), 0)),
    scale: through.reduce((sum, value, j) => sum + value * hat[j]!, 0),
    shift: through.reduce((sum, value) => sum + value, 0),
    mean,
    unbiased: squares / (count - 1),
  };
}

describe.each(KINDS)('a norm of vectors equals its definition (%s)', (kind) => {
  function check(
    backend: Backend,
    width: number,
    relu: boolean,
    options: Pick<PlanOptions, 'batch' | 'precision'> & {
      readonly normGroups: number;
      readonly frozen: boolean;
    },
  ): void {
    const { batch, precision, normGroups, frozen } = options;
    const epsilon = epsilonFor(batch, normGroups);
    const network: Network = {
      input: [width],
      nodes: [normNode('n', INPUT, relu, epsilon)],
      outputs: ['n'],
    };
    using parameters = drawnParameters(backend, network);
    const before = parameters.statistics.read();
    const passed = { batch, precision, normGroups, frozenNorms: () => frozen };
    using plan = passedThrough(backend, network, parameters, passed, { seed: width, spread: 1.5 });

    const output = new Float32Array(batch * width);
    const gradient = new Float32Array(batch * width);
    const scales = new Float32Array(width);
    const shifts = new Float32Array(width);
    const statistics = before.slice();
    const [mean, variance] = ['n.running_mean', 'n.running_var'].map((name) =>
      part(parameters, statistics, name),
    );
    const groups = frozen ? 1 : normGroups;
    const size = batch / groups;
    for (let f = 0; f < width; f++) {
      const sums = { scale: 0, shift: 0 };
      for (let group = 0; group < groups; group++) {
        const at = Array.from({ length: size }, (_, row) => (group * size + row) * width + f);
        const column = normalise(
          at.map((i) => plan.input[i]!),
          at.map((i) => plan.outputGradient('n')[i]!),
          part(parameters, parameters.values, 'n.weight')[f]!,
          part(parameters, parameters.values, 'n.bias')[f]!,
          epsilon,
          relu,
          frozen ? { mean: mean![f]!, variance: variance![f]! } : undefined,
        );
        at.forEach((i, row) => {
          output[i] = column.output[row]!;
          gradient[i] = column.gradient[row]!;
        });
        sums.scale += column.scale;
        sums.shift += column.shift;
        if (frozen) continue;
        mean![f] = (1 - MOMENTUM) * mean![f]! + MOMENTUM * column.mean;
        variance![f] = (1 - MOMENTUM) * variance![f]! + MOMENTUM * column.unbiased;
      }
      scales[f] = sums.scale;
      shifts[f] = sums.shift;
    }
    const errors = {
      output: relativeError(output, plan.output('n')),
      gradient: relativeError(gradient, plan.valueGradient(INPUT)),
      parameters: Math.max(
        relativeError(scales, part(parameters, parameters.gradients, 'n.weight')),
        relativeError(shifts, part(parameters, parameters.gradients, 'n.bias')),
      ),
      statistics: relativeError(statistics, parameters.statistics.read()),
    };
    const label = `width ${width}, ${JSON.stringify(options)}${relu ? ', ReLU' : ''}`;
    expect(errors.output, label).toBeLessThan(2e-6);
    expect(errors.gradient, label).toBeLessThan(2e-5);
    expect(errors.parameters, label).toBeLessThan(2e-5);
    expect(errors.statistics, label).toBeLessThan(5e-7);
    if (frozen) expect(parameters.statistics.read(), label).toEqual(before);
  }

  it.each([
    ['of the batch', false],
    ['frozen', true],
  ])('%s: output, gradients and running statistics', (_, frozen) => {
    using backend = openKind(kind);
    for (const width of WIDTHS)
      for (const batches of BATCHES)
        for (const precision of PRECISIONS)
          for (const relu of [false, true]) check(backend, width, relu, { ...batches, precision, frozen });
  });
});

describe.each(KINDS)('networks with norms of vectors (%s)', (kind) => {
  it.each(['pooled', 'first', 'sum', 'c', 'head'])(
    'compute in two parts what the whole does, cut at %s',
    (at) => {
      for (const width of [3, 16, 21])
        for (const precision of PRECISIONS) {
          const network = vectorNorms(width);
          const { above, below } = cutNetwork(network, at);
          using backend = openKind(kind);
          using parameters = drawnParameters(backend, network);
          const start = parameters.statistics.read();
          const options = { batch: 6, precision, normGroups: 2 } as const;
          using infer = backend.compile(network, parameters, { ...options, mode: 'infer', taps: [at] });
          using lower = backend.compile(below, parameters, { ...options, mode: 'infer', fold: true });
          fillNormal(infer.input, 2, 'images');
          lower.input.set(infer.input);
          infer.forward();
          lower.forward();
          expect(relativeError(infer.value(at), lower.output(at))).toBeLessThan(
            precision === 'f32' ? 1e-6 : 1e-2,
          );

          using whole = backend.compile(network, parameters, { ...options, mode: 'train', taps: [at] });
          using upper = backend.compile(above, parameters, { ...options, mode: 'train', taps: [INPUT] });
          whole.input.set(infer.input);
          whole.forward();
          for (const name of network.outputs) fillNormal(whole.outputGradient(name), 3, name);
          if (!above.outputs.includes('head')) whole.outputGradient('head').fill(0);
          whole.backward();
          const [gradients, statistics] = [parameters.gradients.read(), parameters.statistics.read()];
          parameters.statistics.write(start);
          upper.input.set(whole.value(at));
          upper.forward();
          for (const name of above.outputs) {
            expect(upper.output(name), name).toEqual(whole.output(name));
            upper.outputGradient(name).set(whole.outputGradient(name));
          }
          upper.backward();
          expect(upper.valueGradient(INPUT)).toEqual(whole.valueGradient(at));
          for (const node of above.nodes)
            if (node.kind === 'linear' || node.kind === 'batchNorm')
              for (const name of [`${node.name}.weight`, `${node.name}.bias`])
                expect(part(parameters, parameters.gradients, name), name).toEqual(
                  part(parameters, gradients, name),
                );
          for (const node of above.nodes)
            if (node.kind === 'batchNorm')
              for (const name of [`${node.name}.running_mean`, `${node.name}.running_var`])
                expect(part(parameters, parameters.statistics, name), name).toEqual(
                  part(parameters, statistics, name),
                );
        }
    },
  );

  it('are refused with a single sample in a part of the batch, unless frozen', () => {
    using backend = openKind(kind);
    const network = headNetwork(3, 1e-5);
    using parameters = backend.createParameters(network);
    const train = { mode: 'train', precision: 'f32' } as const;
    for (const options of [{ batch: 1 }, { batch: 2, normGroups: 2 }])
      expect(() => backend.compile(network, parameters, { ...train, ...options })).toThrow(
        expect.objectContaining({ code: 'PLAN_OPTIONS', where: 'node aNorm' }),
      );
    const upper = (node: string): boolean => node === 'aNorm';
    expect(() => backend.compile(network, parameters, { ...train, batch: 1, frozenNorms: upper })).toThrow(
      expect.objectContaining({ code: 'PLAN_OPTIONS', where: 'node bNorm' }),
    );
    using frozen = backend.compile(network, parameters, { ...train, batch: 1, frozenNorms: () => true });
    using infer = backend.compile(network, parameters, { ...train, mode: 'infer', batch: 1 });
    for (const plan of [frozen, infer]) {
      plan.forward();
      expect(plan.output('bNorm').every(Number.isFinite)).toBe(true);
    }
  });
});
