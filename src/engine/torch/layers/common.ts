/** What layers share: the plan that they are part of, and what each of them is to it. */
import type { NormRanks, PlanOptions } from '../../core/backend.ts';
import type { DataType, Runtime } from '../native/runtime.ts';
import type { Tensor } from '../native/tensor.ts';

/** The plan, as layers see it. Tensors that it hands out are its own. */
export interface Compilation {
  readonly runtime: Runtime;
  readonly batch: number;
  readonly normGroups: number;
  /** The processes that share their batch norms' statistics, where there are several. */
  readonly normRanks: NormRanks | undefined;
  /** How feature maps are stored. */
  readonly mapType: DataType;
  readonly mode: PlanOptions['mode'];
  /** [batch, …] of a value. */
  shapeOf(value: string): readonly number[];
  /** Takes a tensor over, to the plan's end. */
  own(tensor: Tensor): Tensor;
  /** A parameter in its flat vector, in its spec's shape. */
  parameter(name: string): Tensor;
  /** A running statistic in its flat vector. */
  statistic(name: string): Tensor;
  trainable(name: string): boolean;
  /** Whether a batch norm normalises with its running statistics. */
  frozenNorm(node: string): boolean;
  /** Writes (or adds, as the backward pass was asked to) the gradient of a trainable parameter. */
  deliver(parameter: string, gradient: Tensor): void;
}

/** What a layer gets in a backward pass; all of it belongs to the plan. */
export interface Incoming {
  readonly gradient: Tensor;
  readonly inputs: readonly Tensor[];
  /** The value it made. */
  readonly output: Tensor;
  /** Nobody else reads `output`: it may be overwritten. */
  readonly mayOverwrite: boolean;
  /** Inputs whose gradients are needed. */
  readonly wanted: readonly boolean[];
}

/** One node of a plan: which kernels it is made of. May keep tensors from a forward pass for the backward one. */
export interface Layer extends Disposable {
  /** Makes the value; whoever calls owns it. */
  forward(inputs: readonly Tensor[]): Tensor;
  /** Makes the gradients of inputs, each owned by whoever calls, and delivers those of parameters. */
  backward(incoming: Incoming): readonly (Tensor | undefined)[];
  /** Parts of the value and inputs that the backward pass reads. */
  readonly reads: { readonly input: boolean; readonly output: boolean };
}

export function disposeAll(tensors: Iterable<Tensor | undefined>): void {
  for (const tensor of tensors) tensor?.[Symbol.dispose]();
}
