/**
 * What each kind of layer computes, forward and backward: with which kernel, on which parameters, and what it keeps of a
 * forward pass for the backward one. With `bf16` convolutions compute with rounded copies of their weights.
 */
import type { PlanOptions } from '../core/backend.ts';
import { roundToBfloat16 } from '../core/bfloat16.ts';
import { foldedWeights, type FoldedConv, type FoldedNode, inputsOfFolded } from '../core/fold.ts';
import type { GradientNeeds } from '../core/gradients.ts';
import { inputsOf, type Node } from '../core/network.ts';
import type { BoundParameters } from '../core/parameters.ts';
import { averages, shareMoments } from '../core/shared-norms.ts';
import * as kernels from './kernels.ts';
import type { Maps, Norm, NormMoments } from './kernels.ts';

type BatchNorm = Extract<Node, { readonly kind: 'batchNorm' }>;

export class Layers {
  /** Numbers in the weights of folded convolutions. */
  readonly elements: number;
  readonly #options: PlanOptions;
  readonly #bound: BoundParameters;
  readonly #needs: GradientNeeds;
  readonly #valueOf: (name: string) => Maps;
  readonly #folded: ReadonlyMap<string, ReturnType<typeof foldedWeights>>;
  readonly #norms = new Map<string, Norm>();
  readonly #argmax = new Map<string, Int32Array>();
  readonly #weights = new Map<string, Float32Array>();

  constructor(
    nodes: readonly FoldedNode[],
    options: PlanOptions,
    bound: BoundParameters,
    needs: GradientNeeds,
    valueOf: (name: string) => Maps,
  ) {
    this.#options = options;
    this.#bound = bound;
    this.#needs = needs;
    this.#valueOf = valueOf;
    this.#folded = new Map(
      nodes.flatMap((node) =>
        node.kind === 'foldedConv' ? [[node.name, foldedWeights(node, bound)] as const] : [],
      ),
    );
    const folded = [...this.#folded.values()];
    if (options.precision === 'bf16') for (const { weight } of folded) roundToBfloat16(weight);
    this.elements = folded.reduce((sum, { weight, bias }) => sum + weight.length + bias.length, 0);
  }

  /** Forgets the copies of weights: the masters may have changed. */
  refresh(): void {
    this.#weights.clear();
  }

  /** Computes the value of a node from those of its inputs. */
  forward(node: FoldedNode): void {
    const [source, addend] = inputsOfFolded(node).map(this.#valueOf) as [Maps, Maps | undefined];
    const target = this.#valueOf(node.name);
    switch (node.kind) {
      case 'conv':
        kernels.convForward(node, source, this.#weight(node.name), target);
        return;
      case 'foldedConv':
        this.#forwardFolded(node, source, addend, target);
        return;
      case 'batchNorm': {
        const norm = this.#normOf(node, source);
        this.#norms.set(node.name, norm);
        kernels.normForward(norm, this.#bound.value(`${node.name}.bias`), source, target);
        return;
      }
      case 'addRelu':
      case 'relu':
        for (let i = 0; i < target.data.length; i++)
          target.data[i] = Math.max(0, source.data[i]! + (addend?.data[i] ?? 0));
        return;
      case 'maxPool': {
        const argmax = this.#argmax.get(node.name) ?? new Int32Array(target.data.length);
        this.#argmax.set(node.name, argmax);
        kernels.maxPoolForward(node, source, target, argmax);
        return;
      }
      case 'globalAveragePool':
        kernels.averagePoolForward(source, target);
        return;
      case 'linear': {
        const weight = this.#bound.value(`${node.name}.weight`);
        kernels.linearForward(source, weight, this.#bound.value(`${node.name}.bias`), target);
      }
    }
  }

  /** From the gradient of a node's value to those of its inputs (`outgoing`) and of its parameters. */
  backward(node: Node, incoming: Maps, outgoing: readonly Maps[]): void {
    const source = this.#valueOf(inputsOf(node)[0]!);
    const target = this.#valueOf(node.name);
    const first = outgoing[0]!;
    switch (node.kind) {
      case 'conv': {
        const weight = `${node.name}.weight`;
        if (this.#needs.values.has(node.input))
          kernels.convBackwardData(node, incoming, this.#weight(node.name), first);
        if (this.#needs.parameters.has(weight))
          kernels.convBackwardWeight(node, source, incoming, this.#bound.gradient(weight));
        return;
      }
      case 'batchNorm': {
        const norm = this.#norms.get(node.name)!;
        const sums = kernels.normSums(norm, source, target, incoming);
        kernels.normParameterGradients(sums, this.#gradientsOf(node.name, first));
        const behind = this.#usesBatch(node) ? this.#sharedSums(sums) : null;
        kernels.normBackward(norm, behind, source, target, incoming, first.data);
        return;
      }
      case 'addRelu':
      case 'relu':
        for (const { data } of outgoing)
          for (let i = 0; i < data.length; i++) data[i] = target.data[i]! > 0 ? incoming.data[i]! : 0;
        return;
      case 'maxPool':
        kernels.maxPoolBackward(incoming, this.#argmax.get(node.name)!, first);
        return;
      case 'globalAveragePool':
        kernels.averagePoolBackward(incoming, first);
        return;
      case 'linear': {
        const weight = this.#bound.value(`${node.name}.weight`);
        kernels.linearBackward(source, weight, incoming, this.#gradientsOf(node.name, first));
      }
    }
  }

  #forwardFolded({ name, conv, relu }: FoldedConv, source: Maps, addend: Maps | undefined, to: Maps): void {
    const { weight, bias } = this.#folded.get(name)!;
    kernels.convForward(conv, source, weight, to);
    const { data: target, channels, height, width } = to;
    for (let i = 0; i < target.length; i++) {
      const offset = bias[Math.floor(i / (height * width)) % channels]!;
      const value = target[i]! + offset + (addend?.data[i] ?? 0);
      target[i] = relu && value < 0 ? 0 : value;
    }
  }

  /** Whether a batch norm normalises with the batch's statistics. */
  #usesBatch({ name }: BatchNorm): boolean {
    return this.#options.mode === 'train' && this.#options.frozenNorms?.(name) !== true;
  }

  /** With the batch's moments, which move the running ones, or with those where the norm is frozen. */
  #normOf(node: BatchNorm, source: Maps): Norm {
    const { name, epsilon, relu, momentum } = node;
    const running = {
      mean: this.#bound.statistic(`${name}.running_mean`),
      variance: this.#bound.statistic(`${name}.running_var`),
    };
    const rest = { scale: this.#bound.value(`${name}.weight`), epsilon, relu };
    if (!this.#usesBatch(node)) return { groups: 1, moments: running, ...rest };
    const groups = this.#options.normGroups ?? 1;
    const moments = kernels.normMoments(source, groups);
    const { normRanks } = this.#options;
    if (normRanks !== undefined) shareMoments(normRanks, [moments]);
    const count = (source.batch / groups) * source.height * source.width * (normRanks?.size ?? 1);
    updateRunning(running, moments, groups, count, momentum);
    return { groups, moments, ...rest };
  }

  /** The sums behind a gradient as they are on average over the processes that share their norms. */
  #sharedSums(sums: kernels.NormSums): kernels.NormSums {
    const { normRanks } = this.#options;
    if (normRanks === undefined) return sums;
    const own = [sums.gradient, sums.product].map((array) => Float32Array.from(array));
    const [gradient, product] = averages(normRanks, own);
    return { gradient: gradient!, product: product! };
  }

  /** The compute copy of a convolution's weight. */
  #weight(node: string): Float32Array {
    const master = this.#bound.value(`${node}.weight`);
    if (this.#options.precision === 'f32') return master;
    let copy = this.#weights.get(node);
    if (copy === undefined) {
      copy = master.slice();
      roundToBfloat16(copy);
      this.#weights.set(node, copy);
    }
    return copy;
  }

  /** Where the gradients of a node go; a throw-away array for a frozen parameter. */
  #gradientsOf(node: string, { data }: Maps): kernels.Outgoing {
    const ofParameter = (name: string): Float32Array =>
      this.#needs.parameters.has(name)
        ? this.#bound.gradient(name)
        : new Float32Array(this.#bound.value(name).length);
    return { source: data, weight: ofParameter(`${node}.weight`), bias: ofParameter(`${node}.bias`) };
  }
}

/** r ← (1 − m)·r + m·batch, group after group, with the unbiased variance (as PyTorch's batch norms). */
function updateRunning(
  { mean, variance }: NormMoments,
  moments: NormMoments,
  groups: number,
  count: number,
  momentum: number,
): void {
  const channels = mean.length;
  const unbias = count / Math.max(1, count - 1);
  for (let g = 0; g < groups; g++)
    for (let c = 0; c < channels; c++) {
      mean[c] = (1 - momentum) * mean[c]! + momentum * moments.mean[g * channels + c]!;
      variance[c] = (1 - momentum) * variance[c]! + momentum * moments.variance[g * channels + c]! * unbias;
    }
}
