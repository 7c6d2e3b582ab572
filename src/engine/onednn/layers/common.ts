/**
 * What every layer's kernel calls share: the compilation they are recorded into, plain and open layouts, reorders.
 * Layouts of feature maps are chosen by the first convolution that makes them and kept by everyone after it; only
 * weights are reordered, once per step.
 */
import type { NormRanks } from '../../core/backend.ts';
import type { Node } from '../../core/network.ts';
import { DataType, type Tag } from '../native/constants.ts';
import type { Descriptor, Primitive } from '../native/context.ts';
import { offsetAddress, type Address } from '../../native/memory.ts';
import type { BoundParameters } from '../../core/parameters.ts';
import type { Recorder, Tensor } from '../native/recorder.ts';

export type NodeOf<K extends Node['kind']> = Extract<Node, { readonly kind: K }>;

/** What the layers need from the plan that is being compiled. */
export interface Compilation {
  readonly recorder: Recorder;
  readonly batch: number;
  readonly training: boolean;
  /** How forward kernels propagate: for training or for inference alone. */
  readonly forward: number;
  /** Whether folded convolutions may go by Winograd's filtering. */
  readonly winograd: boolean;
  readonly normGroups: number;
  /** The processes that share their batch norms' statistics, where there are several. */
  readonly normRanks: NormRanks | undefined;
  /** Type of feature maps and convolution weights. */
  readonly dataType: DataType;
  /** Address of a parameter's master, gradient or of a statistic. */
  readonly valueAddress: (name: string) => Address;
  readonly gradientAddress: (name: string) => Address;
  readonly statisticAddress: (name: string) => Address;
  readonly trainable: (parameter: string) => boolean;
  readonly needsGradient: (value: string) => boolean;
  /** Whether a batch norm takes its running statistics, as all do in inference. */
  readonly frozenNorm: (node: string) => boolean;
  /** The host's view of parameters and statistics. */
  readonly bound: BoundParameters;
}

/** A gradient on its way down: `mayOverwrite` when no one else still has to read it. */
export interface Incoming {
  readonly gradient: Tensor;
  readonly mayOverwrite: boolean;
}

/** What a node leaves behind for its backward pass, and that pass: input gradients, one per input (or undefined). */
export interface Recorded {
  readonly output: Tensor;
  /** Its input in the layout it chose, when it was asked to choose. */
  readonly input?: Tensor;
  readonly backward?: (
    incoming: Incoming,
    inputNeeded: readonly boolean[],
  ) => readonly (Tensor | undefined)[];
}

/** By the number of dimensions; nothing here has three. */
const PLAIN: Readonly<Record<number, Tag>> = { 1: 'a', 2: 'ab', 4: 'abcd' };

export function plain(
  c: Compilation,
  dimensions: readonly number[],
  type: DataType = DataType.f32,
): Descriptor {
  const tag = PLAIN[dimensions.length]!;
  return c.recorder.context.descriptor(c.recorder.scope, dimensions, type, tag);
}

export function free(c: Compilation, dimensions: readonly number[], type: DataType): Descriptor {
  return c.recorder.context.descriptor(c.recorder.scope, dimensions, type, 'any');
}

/** `tensor` in another layout or type: itself when nothing changes. */
export function reordered(
  c: Compilation,
  node: string,
  name: string,
  tensor: Tensor,
  to: Descriptor,
): Tensor {
  if (c.recorder.context.sameLayout(tensor.descriptor, to)) return tensor;
  const target = c.recorder.planned(to);
  recordCopy(c, node, name, tensor, target);
  return target;
}

/** `tensor` in the layout that a primitive has for `what`, of the type it has unless another is asked for. */
export function fitted(
  c: Compilation,
  node: string,
  name: string,
  tensor: Tensor,
  primitive: Primitive,
  what: number,
  type = tensor.descriptor.type,
): Tensor {
  return reordered(c, node, name, tensor, layoutOf(primitive, what, tensor.descriptor.dimensions, type));
}

/** `from` written into `to`, whatever the two layouts and types. */
export function recordCopy(
  { recorder }: Compilation,
  node: string,
  name: string,
  from: Tensor,
  to: Tensor,
): void {
  const reorder = recorder.context.reorder(recorder.scope, from.descriptor, to.descriptor);
  recorder.kernel(node, name, reorder, { source: from, destination: to });
}

/** A copy of `tensor` in the same layout. */
export function copied(c: Compilation, node: string, name: string, tensor: Tensor): Tensor {
  const target = c.recorder.planned(tensor.descriptor);
  recordCopy(c, node, name, tensor, target);
  return target;
}

export function layoutOf(
  primitive: Primitive,
  what: number,
  dimensions: readonly number[],
  type: DataType,
): Descriptor {
  const layout = primitive.layout(what, dimensions, type);
  if (layout === undefined) throw new RangeError(`the primitive has no layout ${what}`);
  return layout;
}

/** Where in memory the i-th f32 of a flat vector lies. */
export function elementAddress(base: Address, index: number): Address {
  return offsetAddress(base, 4 * index);
}
