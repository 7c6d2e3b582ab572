/**
 * The ResNet family (He et al. 2016, "Deep Residual Learning for Image Recognition", table 1) as network data.
 * Nodes are named so that every parameter has torchvision's name (`layer1.0.conv1.weight`) and comes in
 * torchvision's order; the stride of a bottleneck sits on its 3×3 convolution, as in torchvision ("ResNet v1.5").
 * No weights here: see `initialise`.
 */
import { usageError, type UsclError } from '../base/errors.ts';
import { inferShapes, INPUT, type Network, type Node } from '../engine/core/network.ts';

/** Layers of the ResNets there are. */
export const RESNET_DEPTHS = [18, 34, 50] as const;

/** How many layers a ResNet has. */
export type ResNetDepth = (typeof RESNET_DEPTHS)[number];

/** Images that a ResNet takes, and how wide it is. */
export interface ResNetOptions {
  /** Channels of the image: 1 for grey, 3 for colour (or grey copied three times). */
  readonly channels: 1 | 3;
  /** Side of the square image in pixels, at least 8. */
  readonly size: number;
  /** Filters of the stem and the first stage; each later stage doubles it. 64 is the published width. */
  readonly width?: number;
}

/** The value that holds the representation r, [features] after global average pooling. */
export const FEATURES = 'features';

interface Architecture {
  readonly blocks: readonly [number, number, number, number];
  readonly bottleneck: boolean;
}

const ARCHITECTURES: Readonly<Record<ResNetDepth, Architecture>> = {
  18: { blocks: [2, 2, 2, 2], bottleneck: false },
  34: { blocks: [3, 4, 6, 3], bottleneck: false },
  50: { blocks: [3, 4, 6, 3], bottleneck: true },
};

/** A bottleneck block leaves four times the filters it computes with. */
const EXPANSION = 4;
const EPSILON = 1e-5;
const MOMENTUM = 0.1;

/**
 * The trunk of a ResNet: image [channels, size, size] → `features` [512] (18, 34) or [2048] (50), its only output.
 *
 * @throws UsclError `MODEL_INVALID` for a depth, channel count, size or width that does not exist.
 */
export function resnet(depth: ResNetDepth, options: ResNetOptions): Network {
  const { channels, size, width = 64 } = options;
  requireOneOf('depth', depth, RESNET_DEPTHS);
  requireOneOf('channels', channels, [1, 3]);
  requireInteger('size', size, 8);
  requireInteger('width', width, 1);
  const { blocks, bottleneck } = ARCHITECTURES[depth];

  const trunk = new TrunkBuilder();
  let value = trunk.conv('conv1', INPUT, width, 7, 2);
  value = trunk.norm('bn1', value, true);
  value = trunk.add({ kind: 'maxPool', name: 'maxpool', input: value, kernel: 3, stride: 2, padding: 1 });
  let incoming = width;
  blocks.forEach((count, stage) => {
    const filters = width * 2 ** stage;
    const outgoing = bottleneck ? filters * EXPANSION : filters;
    for (let index = 0; index < count; index++) {
      const stride = stage > 0 && index === 0 ? 2 : 1;
      const block: Block = { name: `layer${stage + 1}.${index}`, input: value, filters, stride };
      const branch = bottleneck ? bottleneckBranch(trunk, block) : basicBranch(trunk, block);
      const shortcut = stride !== 1 || incoming !== outgoing ? downsample(trunk, block, outgoing) : value;
      value = trunk.add({ kind: 'addRelu', name: block.name, inputs: [branch, shortcut] });
      incoming = outgoing;
    }
  });
  trunk.add({ kind: 'globalAveragePool', name: FEATURES, input: value });

  const network: Network = { input: [channels, size, size], nodes: trunk.nodes, outputs: [FEATURES] };
  inferShapes(network);
  return network;
}

interface Block {
  readonly name: string;
  readonly input: string;
  readonly filters: number;
  readonly stride: number;
}

/** 3×3 – 3×3 with the stride on the first. */
function basicBranch(trunk: TrunkBuilder, { name, input, filters, stride }: Block): string {
  let value = trunk.conv(`${name}.conv1`, input, filters, 3, stride);
  value = trunk.norm(`${name}.bn1`, value, true);
  value = trunk.conv(`${name}.conv2`, value, filters, 3, 1);
  return trunk.norm(`${name}.bn2`, value, false);
}

/** 1×1 – 3×3 – 1×1 with the stride on the 3×3. */
function bottleneckBranch(trunk: TrunkBuilder, { name, input, filters, stride }: Block): string {
  let value = trunk.conv(`${name}.conv1`, input, filters, 1, 1);
  value = trunk.norm(`${name}.bn1`, value, true);
  value = trunk.conv(`${name}.conv2`, value, filters, 3, stride);
  value = trunk.norm(`${name}.bn2`, value, true);
  value = trunk.conv(`${name}.conv3`, value, filters * EXPANSION, 1, 1);
  return trunk.norm(`${name}.bn3`, value, false);
}

function downsample(trunk: TrunkBuilder, { name, input, stride }: Block, outgoing: number): string {
  const value = trunk.conv(`${name}.downsample.0`, input, outgoing, 1, stride);
  return trunk.norm(`${name}.downsample.1`, value, false);
}

/** Collects nodes; each method returns the name of the value it made. */
class TrunkBuilder {
  readonly nodes: Node[] = [];

  add(node: Node): string {
    this.nodes.push(node);
    return node.name;
  }

  conv(name: string, input: string, filters: number, kernel: number, stride: number): string {
    return this.add({ kind: 'conv', name, input, filters, kernel, stride, padding: (kernel - 1) / 2 });
  }

  norm(name: string, input: string, relu: boolean): string {
    return this.add({ kind: 'batchNorm', name, input, relu, epsilon: EPSILON, momentum: MOMENTUM });
  }
}

function requireOneOf(what: string, value: number, allowed: readonly number[]): void {
  if (!allowed.includes(value)) throw modelError(what, `is ${value}`, `Choose one of ${allowed.join(', ')}.`);
}

/** `MODEL_INVALID` for a number that is not whole or too small. */
export function requireInteger(what: string, value: number, least: number): void {
  if (!Number.isInteger(value) || value < least)
    throw modelError(what, `is ${value}`, `Give a whole number of at least ${least}.`);
}

/** `MODEL_INVALID` about one option of a model. */
export function modelError(what: string, complaint: string, remedy: string): UsclError {
  return usageError('MODEL_INVALID', `The model's ${what} ${complaint}.`, remedy, { where: what });
}
