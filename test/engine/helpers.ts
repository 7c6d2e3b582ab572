/** Small networks and comparisons that the engine's tests share. */
import { randomAt } from '../../src/base/random.ts';
import type {
  Backend,
  BackendKind,
  Parameters,
  Plan,
  PlanOptions,
  Vector,
} from '../../src/engine/core/backend.ts';
import { INPUT, type Network, type Node } from '../../src/engine/core/network.ts';
import { openKind } from './kinds.ts';

/** ‖a − b‖ / ‖a‖; the absolute norm of b where a is zero. */
export function relativeError(truth: Float32Array, other: Float32Array): number {
  let difference = 0;
  let norm = 0;
  for (let i = 0; i < truth.length; i++) {
    difference += (truth[i]! - other[i]!) ** 2;
    norm += truth[i]! ** 2;
  }
  return Math.sqrt(difference / (norm === 0 ? 1 : norm));
}

export function norm(values: Float32Array): number {
  return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
}

export function fillNormal(target: Float32Array, seed: number, purpose: string, scale = 1): void {
  const random = randomAt(seed, purpose);
  for (let i = 0; i < target.length; i++) target[i] = scale * random.normal();
}

/** `nodes` on an image, then pooled and projected so that there is a vector to read. */
export function networkOf(input: readonly [number, number, number], nodes: readonly Node[]): Network {
  const last = nodes.at(-1)?.name ?? INPUT;
  return {
    input,
    nodes: [
      ...nodes,
      { kind: 'globalAveragePool', name: 'pooled', input: last },
      { kind: 'linear', name: 'head', input: 'pooled', features: 5 },
    ],
    outputs: ['head'],
  };
}

/**
 * A residual block with a projection shortcut, a block without, a pooling stem and a vector ReLU: every kind of node,
 * with `width` channels in the stem and twice as many above.
 */
export function everyNode(
  channels: number,
  size: number,
  width = 16,
  hidden = 24,
  height: number = size,
): Network {
  const norm = (name: string, input: string, relu: boolean): Node => ({
    kind: 'batchNorm',
    name,
    input,
    relu,
    epsilon: 1e-5,
    momentum: 0.1,
  });
  return {
    input: [channels, height, size],
    nodes: [
      { kind: 'conv', name: 'stem', input: INPUT, filters: width, kernel: 7, stride: 2, padding: 3 },
      norm('stemNorm', 'stem', true),
      { kind: 'maxPool', name: 'pool', input: 'stemNorm', kernel: 3, stride: 2, padding: 1 },
      { kind: 'conv', name: 'a', input: 'pool', filters: 2 * width, kernel: 3, stride: 2, padding: 1 },
      norm('aNorm', 'a', true),
      { kind: 'conv', name: 'b', input: 'aNorm', filters: 2 * width, kernel: 3, stride: 1, padding: 1 },
      norm('bNorm', 'b', false),
      { kind: 'conv', name: 'short', input: 'pool', filters: 2 * width, kernel: 1, stride: 2, padding: 0 },
      norm('shortNorm', 'short', false),
      { kind: 'addRelu', name: 'sum', inputs: ['bNorm', 'shortNorm'] },
      { kind: 'conv', name: 'c', input: 'sum', filters: 2 * width, kernel: 3, stride: 1, padding: 1 },
      norm('cNorm', 'c', false),
      { kind: 'addRelu', name: 'sum2', inputs: ['cNorm', 'sum'] },
      { kind: 'globalAveragePool', name: 'pooled', input: 'sum2' },
      { kind: 'linear', name: 'hidden', input: 'pooled', features: hidden },
      { kind: 'relu', name: 'active', input: 'hidden' },
      { kind: 'linear', name: 'head', input: 'active', features: 5 },
    ],
    outputs: ['pooled', 'head'],
  };
}

/** Every kind of node with one or three channels in, unequal odd sides and a head as wide as the stem. */
export function oddNetwork(width: number): Network {
  return everyNode(width % 2 === 0 ? 1 : 3, 25, width, width, 19);
}

/**
 * Norms of vectors wherever one can stand: after the pooling, after a linear layer, a ReLU and a sum, and at the end,
 * with a ReLU and without; `width` channels and features everywhere. Epsilon is large: a norm of few vectors that
 * leads to another one passes on a gradient that is mostly rounding otherwise.
 */
export function vectorNorms(width: number): Network {
  const norm = (name: string, input: string, relu: boolean): Node => ({
    kind: 'batchNorm',
    name,
    input,
    relu,
    epsilon: 1e-2,
    momentum: 0.3,
  });
  return {
    input: [width % 2 === 0 ? 1 : 3, 11, 9],
    nodes: [
      { kind: 'conv', name: 'stem', input: INPUT, filters: width, kernel: 3, stride: 2, padding: 1 },
      norm('stemNorm', 'stem', true),
      { kind: 'globalAveragePool', name: 'pooled', input: 'stemNorm' },
      norm('first', 'pooled', true),
      { kind: 'linear', name: 'a', input: 'first', features: width },
      { kind: 'relu', name: 'open', input: 'a' },
      norm('b', 'open', false),
      { kind: 'addRelu', name: 'sum', inputs: ['b', 'first'] },
      norm('c', 'sum', false),
      { kind: 'linear', name: 'head', input: 'c', features: width },
      norm('last', 'head', true),
    ],
    outputs: ['head', 'last'],
  };
}

export interface Execution {
  readonly outputs: ReadonlyMap<string, Float32Array>;
  readonly gradients: ReadonlyMap<string, Float32Array>;
  readonly statistics: Float32Array;
}

/** Changes what a vector holds: `change` works on a copy, which is written back. */
export function edit(vector: Vector, change: (data: Float32Array) => void): void {
  const data = vector.read();
  change(data);
  vector.write(data);
}

/** Changes the part of a flat vector that a parameter or statistic has. */
export function editPart(
  parameters: Parameters,
  vector: Vector,
  name: string,
  change: (data: Float32Array) => void,
): void {
  edit(vector, (data) => {
    change(part(parameters, data, name));
  });
}

/** Parameters that depend on the network and seed only; batch norms away from their trivial start. */
export function fillParameters(parameters: Parameters, seed: number): void {
  edit(parameters.values, (values) => {
    for (const { name, role, shape, length } of parameters.specs) {
      const target = part(parameters, values, name);
      const fanIn = length / (shape[0] ?? 1);
      fillNormal(
        target,
        seed,
        name,
        role.startsWith('norm') || role === 'linearBias' ? 0.2 : Math.sqrt(2 / fanIn),
      );
      if (role === 'normScale') for (let i = 0; i < length; i++) target[i]! += 1;
    }
  });
  edit(parameters.statistics, (statistics) => {
    for (const { offset, length, initial } of parameters.statisticSpecs)
      statistics.fill(initial, offset, offset + length);
  });
}

/** Running statistics away from their start, as after training. */
export function fillStatistics(parameters: Parameters): void {
  for (const { name, initial } of parameters.statisticSpecs)
    editPart(parameters, parameters.statistics, name, (target) => {
      fillNormal(target, 5, name, 0.3);
      if (initial === 1) target.forEach((value, i) => (target[i] = 0.6 + Math.abs(value)));
    });
}

/** Shifts of norms well above zero keep most ReLUs open, so that a small step rarely crosses a kink. */
export function openReLUs(parameters: Parameters): void {
  for (const { name, role } of parameters.specs)
    if (role === 'normShift')
      editPart(parameters, parameters.values, name, (shifts) => {
        for (let i = 0; i < shifts.length; i++) shifts[i]! += 1.5;
      });
}

/** Parameters of a network, and running statistics as after training. */
export function drawnParameters(backend: Backend, network: Network): Parameters {
  const parameters = backend.createParameters(network);
  fillParameters(parameters, 1);
  fillStatistics(parameters);
  return parameters;
}

/** A parameter's or a statistic's part of the flat vector that holds it: a view of an array, a copy of a vector. */
export function part(
  parameters: Pick<Parameters, 'specs' | 'statisticSpecs'>,
  data: Float32Array | Vector,
  name: string,
): Float32Array {
  const { offset, length } = [...parameters.specs, ...parameters.statisticSpecs].find(
    (spec) => spec.name === name,
  )!;
  return data instanceof Float32Array
    ? data.subarray(offset, offset + length)
    : data.read(new Float32Array(length), offset);
}

/** One forward and backward pass on inputs and output gradients that depend on the seed only. */
export function execute(plan: Plan, network: Network, parameters: Parameters, seed: number): Execution {
  fillNormal(plan.input, seed, 'input');
  plan.forward();
  const outputs = new Map(network.outputs.map((name) => [name, plan.output(name).slice()]));
  for (const name of network.outputs) fillNormal(plan.outputGradient(name), seed, name);
  plan.backward();
  return {
    outputs,
    gradients: new Map(
      parameters.specs.map(({ name }) => [name, part(parameters, parameters.gradients, name)]),
    ),
    statistics: parameters.statistics.read(),
  };
}

/** `execute` on a fresh backend of a kind. */
export function runOn(
  kind: BackendKind,
  network: Network,
  options: Omit<PlanOptions, 'mode'>,
  seed = 1,
): Execution {
  using backend: Backend = openKind(kind, 2);
  using parameters = backend.createParameters(network);
  fillParameters(parameters, seed);
  using plan = backend.compile(network, parameters, { ...options, mode: 'train' });
  return execute(plan, network, parameters, seed);
}
