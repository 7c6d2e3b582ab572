/**
 * A network is data: a list of nodes in execution order over named values with static shapes. It knows nothing of
 * batches, precision or backends; a plan is compiled from it. Values are named after the node that makes them;
 * the image is called `input`.
 */
import { UsclError } from '../../base/errors.ts';

/** The name of a network's input as nodes refer to it. */
export const INPUT = 'input';

/** [channels, height, width] of a feature map, or [features] of a vector; the batch is not part of it. */
export type ValueShape =
  readonly [channels: number, height: number, width: number] | readonly [features: number];

/** A layer by `kind`, with the names of the values that it takes. */
export type Node =
  /** 2-D convolution, square kernel, no bias. Parameter `<name>.weight` [filters, channels, kernel, kernel]. */
  | {
      readonly kind: 'conv';
      readonly name: string;
      readonly input: string;
      readonly filters: number;
      readonly kernel: number;
      readonly stride: number;
      readonly padding: number;
    }
  /**
   * Batch normalisation with optional fused ReLU: of each channel of a feature map over batch, height and width, or
   * of each feature of a vector over the batch (PyTorch's BatchNorm2d and BatchNorm1d). Parameters `<name>.weight`,
   * `<name>.bias`; statistics `<name>.running_mean`, `<name>.running_var` with
   * r ← (1 − momentum)·r + momentum·batch (unbiased variance), as PyTorch defines them.
   */
  | {
      readonly kind: 'batchNorm';
      readonly name: string;
      readonly input: string;
      readonly relu: boolean;
      readonly epsilon: number;
      readonly momentum: number;
    }
  /** max(0, a + b): the end of a residual block. */
  | { readonly kind: 'addRelu'; readonly name: string; readonly inputs: readonly [string, string] }
  | { readonly kind: 'relu'; readonly name: string; readonly input: string }
  | {
      readonly kind: 'maxPool';
      readonly name: string;
      readonly input: string;
      readonly kernel: number;
      readonly stride: number;
      readonly padding: number;
    }
  /** Mean over height and width: [C, H, W] → [C]. */
  | { readonly kind: 'globalAveragePool'; readonly name: string; readonly input: string }
  /** Fully connected with bias. Parameters `<name>.weight` [features, inputs], `<name>.bias` [features]. */
  | { readonly kind: 'linear'; readonly name: string; readonly input: string; readonly features: number };

/** A network as data: nodes in order, each after those whose values it takes. */
export interface Network {
  /** An image, or whatever the part below a cut ends in (`cutNetwork`). */
  readonly input: ValueShape;
  readonly nodes: readonly Node[];
  /** Values that a plan exposes to the host. */
  readonly outputs: readonly string[];
}

/** What a parameter is to its layer; decides its starting value. */
export type ParameterRole = 'convWeight' | 'linearWeight' | 'linearBias' | 'normScale' | 'normShift';

/** One parameter tensor and its place in the flat vector. */
export interface ParameterSpec {
  /** torchvision's name, e.g. `layer1.0.conv1.weight`. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly role: ParameterRole;
  /** First element in the flat parameter vector. */
  readonly offset: number;
  readonly length: number;
}

/** A running statistic of a batch norm: not trained, but part of a checkpoint. */
export interface StatisticSpec {
  readonly name: string;
  readonly length: number;
  readonly offset: number;
  readonly initial: 0 | 1;
}

export function inputsOf(node: Node): readonly string[] {
  return node.kind === 'addRelu' ? node.inputs : [node.input];
}

/** Shape of every value by name, `input` included. Throws `NETWORK_INVALID` on a node that does not fit. */
export function inferShapes(network: Network): ReadonlyMap<string, ValueShape> {
  const shapes = new Map<string, ValueShape>([[INPUT, network.input]]);
  for (const node of network.nodes) {
    if (shapes.has(node.name)) throw invalid(node.name, 'two nodes have this name');
    shapes.set(node.name, shapeOf(node, shapes));
  }
  for (const output of network.outputs)
    if (!shapes.has(output)) throw invalid(output, 'the output is not the value of any node');
  return shapes;
}

function shapeOf(node: Node, shapes: ReadonlyMap<string, ValueShape>): ValueShape {
  const inputs = inputsOf(node).map((name) => {
    const shape = shapes.get(name);
    if (shape === undefined) throw invalid(node.name, `its input "${name}" is not made by an earlier node`);
    return shape;
  });
  const first = inputs[0]!;
  switch (node.kind) {
    case 'conv': {
      const [, height, width] = mapShape(node.name, first);
      return [node.filters, windowed(node, height), windowed(node, width)];
    }
    case 'maxPool': {
      const [channels, height, width] = mapShape(node.name, first);
      return [channels, windowed(node, height), windowed(node, width)];
    }
    case 'batchNorm':
    case 'relu':
      return first;
    case 'addRelu':
      if (first.join() !== inputs[1]!.join())
        throw invalid(node.name, `it adds [${first.join()}] and [${inputs[1]!.join()}]`);
      return first;
    case 'globalAveragePool':
      return [mapShape(node.name, first)[0]];
    case 'linear':
      if (first.length !== 1) throw invalid(node.name, 'a linear layer takes a vector');
      return [node.features];
  }
}

function mapShape(name: string, shape: ValueShape): readonly [number, number, number] {
  if (shape.length !== 3) throw invalid(name, 'it needs a feature map but its input is a vector');
  return shape;
}

function windowed(
  node: { readonly name: string; readonly kernel: number; readonly stride: number; readonly padding: number },
  length: number,
): number {
  const result = Math.floor((length + 2 * node.padding - node.kernel) / node.stride) + 1;
  if (result < 1)
    throw invalid(node.name, `its window of ${node.kernel} does not fit a side of ${length} pixels`);
  return result;
}

/** Trainable parameters in node order, laid out back to back. */
export function parameterSpecs(network: Network): readonly ParameterSpec[] {
  const shapes = inferShapes(network);
  const specs: ParameterSpec[] = [];
  let offset = 0;
  const add = (name: string, shape: readonly number[], role: ParameterRole): void => {
    const length = shape.reduce((product, side) => product * side, 1);
    specs.push({ name, shape, role, offset, length });
    offset += length;
  };
  for (const node of network.nodes) {
    switch (node.kind) {
      case 'conv':
        add(
          `${node.name}.weight`,
          [node.filters, shapes.get(node.input)![0], node.kernel, node.kernel],
          'convWeight',
        );
        break;
      case 'batchNorm': {
        const channels = shapes.get(node.input)![0];
        add(`${node.name}.weight`, [channels], 'normScale');
        add(`${node.name}.bias`, [channels], 'normShift');
        break;
      }
      case 'linear':
        add(`${node.name}.weight`, [node.features, shapes.get(node.input)![0]], 'linearWeight');
        add(`${node.name}.bias`, [node.features], 'linearBias');
        break;
      case 'addRelu':
      case 'relu':
      case 'maxPool':
      case 'globalAveragePool':
        break;
    }
  }
  return specs;
}

/** Running statistics in node order, laid out back to back. */
export function statisticSpecs(network: Network): readonly StatisticSpec[] {
  const shapes = inferShapes(network);
  const specs: StatisticSpec[] = [];
  let offset = 0;
  for (const node of network.nodes) {
    if (node.kind !== 'batchNorm') continue;
    const length = shapes.get(node.input)![0];
    specs.push({ name: `${node.name}.running_mean`, length, offset, initial: 0 });
    specs.push({ name: `${node.name}.running_var`, length, offset: offset + length, initial: 1 });
    offset += 2 * length;
  }
  return specs;
}

function invalid(node: string, reason: string): UsclError {
  return new UsclError({
    kind: 'usage',
    code: 'NETWORK_INVALID',
    message: `The network cannot be built: ${reason}.`,
    where: `node ${node}`,
    remedy: 'Change the network definition at that node.',
  });
}
