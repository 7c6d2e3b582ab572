/**
 * A network executed node by node on heap arrays. With `bf16` every stored activation and weight copy is rounded to
 * bf16 while sums stay exact, which is what the hardware's bf16 kernels approximate.
 */
import type { KernelTime, Parameters, Plan, PlanOptions } from '../core/backend.ts';
import { roundToBfloat16 } from '../core/bfloat16.ts';
import { foldNetwork, foldedWeights, type FoldedConv, type FoldedNode } from '../core/fold.ts';
import { gradientNeeds, type GradientNeeds } from '../core/gradients.ts';
import { inferShapes, INPUT, inputsOf, type Network, type Node, type ValueShape } from '../core/network.ts';
import { bindParameters, type BoundParameters } from '../core/parameters.ts';
import { checkPlanOptions } from '../core/plan-options.ts';
import * as kernels from './kernels.ts';
import type { MapShape, NormMoments } from './kernels.ts';

export function compileReference(
  network: Network,
  parameters: Parameters,
  options: PlanOptions,
  profile: boolean,
): Plan {
  return new ReferencePlan(network, parameters, options, profile);
}

class ReferencePlan implements Plan {
  readonly batch: number;
  readonly input: Float32Array;
  readonly bytes: number;
  readonly #nodes: readonly Node[];
  readonly #forwardNodes: readonly FoldedNode[];
  readonly #folded = new Map<string, { readonly weight: Float32Array; readonly bias: Float32Array }>();
  readonly #shapes: ReadonlyMap<string, ValueShape>;
  readonly #bound: BoundParameters;
  readonly #options: PlanOptions;
  readonly #groups: number;
  readonly #needs: GradientNeeds;
  readonly #values = new Map<string, Float32Array>();
  readonly #gradients = new Map<string, Float32Array>();
  readonly #outputGradients = new Map<string, Float32Array>();
  readonly #moments = new Map<string, NormMoments>();
  readonly #argmax = new Map<string, Int32Array>();
  readonly #weights = new Map<string, Float32Array>();
  readonly #times = new Map<string, { calls: number; seconds: number }>();
  readonly #profile: boolean;

  constructor(network: Network, parameters: Parameters, options: PlanOptions, profile: boolean) {
    this.batch = options.batch;
    this.#nodes = network.nodes;
    this.#options = options;
    this.#profile = profile;
    this.#groups = options.normGroups ?? 1;
    this.#shapes = inferShapes(network);
    checkPlanOptions(network, this.#shapes, options);
    this.#bound = bindParameters(network, parameters);
    const training = options.mode === 'train';
    this.#needs = gradientNeeds(
      network,
      training ? (options.trainable ?? (() => true)) : () => false,
      training ? options.taps : [],
    );
    this.#forwardNodes = options.fold === true ? foldNetwork(network, options.taps ?? []) : network.nodes;
    const made = new Set([INPUT, ...this.#forwardNodes.map(({ name }) => name)]);
    let elements = 0;
    for (const [name, shape] of this.#shapes) {
      if (!made.has(name)) continue;
      const value = new Float32Array(options.batch * shape.reduce((product, side) => product * side, 1));
      this.#values.set(name, value);
      elements += value.length;
      if (!this.#needs.values.has(name)) continue;
      this.#gradients.set(name, new Float32Array(value.length));
      elements += value.length;
    }
    for (const output of network.outputs)
      this.#outputGradients.set(output, new Float32Array(this.#value(output).length));
    for (const node of this.#forwardNodes) {
      if (node.kind !== 'foldedConv') continue;
      const folded = foldedWeights(node, this.#bound);
      if (options.precision === 'bf16') roundToBfloat16(folded.weight);
      this.#folded.set(node.name, folded);
      elements += folded.weight.length + folded.bias.length;
    }
    this.input = this.#value(INPUT);
    this.bytes = 4 * elements;
  }

  output(name: string): Float32Array {
    return this.#value(name);
  }

  outputGradient(name: string): Float32Array {
    return this.#outputGradients.get(name) ?? missing(name);
  }

  value(tap: string): Float32Array {
    if (this.#options.taps?.includes(tap) !== true) missing(tap);
    return this.#value(tap);
  }

  valueGradient(tap: string): Float32Array {
    if (this.#options.taps?.includes(tap) !== true) missing(tap);
    return this.#gradients.get(tap) ?? missing(tap);
  }

  profile(): readonly KernelTime[] {
    return [...this.#times].map(([key, time]) => {
      const [node = '', kernel = ''] = key.split(' ');
      return { node, kernel, ...time };
    });
  }

  forward(): void {
    this.#weights.clear();
    // Heads and pooled vectors stay f32, as on the fast backend.
    const isMap = (name: string): boolean => this.#shapes.get(name)!.length === 3;
    const rounds = this.#options.precision === 'bf16';
    if (rounds && isMap(INPUT)) roundToBfloat16(this.input);
    for (const node of this.#forwardNodes)
      this.#timed(node.name, 'forward', () => {
        if (node.kind === 'foldedConv') this.#forwardFolded(node);
        else this.#forwardNode(node);
        if (rounds && isMap(node.name)) roundToBfloat16(this.#value(node.name));
      });
  }

  backward(options: { readonly accumulate?: boolean } = {}): void {
    if (options.accumulate !== true)
      for (const name of this.#needs.parameters) this.#bound.gradient(name).fill(0);
    const written = new Set<string>();
    for (const [name, gradient] of this.#outputGradients) {
      const own = this.#gradients.get(name);
      if (own === undefined) continue;
      own.set(gradient);
      written.add(name);
    }
    for (const node of [...this.#nodes].reverse()) {
      if (!this.#needs.values.has(node.name)) continue;
      if (!written.has(node.name)) continue;
      this.#timed(node.name, 'backward', () => {
        const incoming = this.#gradients.get(node.name)!;
        const outgoing = inputsOf(node).map((name) => {
          const shape = this.#value(name).length;
          return { name, gradient: new Float32Array(shape) };
        });
        this.#backwardNode(
          node,
          incoming,
          outgoing.map(({ gradient }) => gradient),
        );
        for (const { name, gradient } of outgoing) this.#deliver(name, gradient, written);
      });
    }
  }

  [Symbol.dispose](): void {
    this.#values.clear();
    this.#gradients.clear();
  }

  #deliver(name: string, gradient: Float32Array, written: Set<string>): void {
    const target = this.#gradients.get(name);
    if (target === undefined) return;
    if (written.has(name)) for (let i = 0; i < target.length; i++) target[i]! += gradient[i]!;
    else target.set(gradient);
    written.add(name);
    if (this.#options.precision === 'bf16' && this.#shapes.get(name)!.length === 3) roundToBfloat16(target);
  }

  #forwardNode(node: Node): void {
    const target = this.#value(node.name);
    switch (node.kind) {
      case 'conv':
        kernels.convForward(
          this.batch,
          node,
          this.#value(node.input),
          this.#map(node.input),
          this.#weight(node.name),
          target,
          this.#map(node.name),
        );
        return;
      case 'batchNorm': {
        const moments = this.#normMoments(node);
        kernels.normForward(
          this.batch,
          this.#normGroupsOf(node),
          this.#value(node.input),
          this.#map(node.input),
          moments,
          this.#bound.value(`${node.name}.weight`),
          this.#bound.value(`${node.name}.bias`),
          node.epsilon,
          node.relu,
          target,
        );
        return;
      }
      case 'addRelu': {
        const [a, b] = [this.#value(node.inputs[0]), this.#value(node.inputs[1])];
        for (let i = 0; i < target.length; i++) target[i] = Math.max(0, a[i]! + b[i]!);
        return;
      }
      case 'relu': {
        const source = this.#value(node.input);
        for (let i = 0; i < target.length; i++) target[i] = Math.max(0, source[i]!);
        return;
      }
      case 'maxPool': {
        let argmax = this.#argmax.get(node.name);
        if (argmax === undefined) this.#argmax.set(node.name, (argmax = new Int32Array(target.length)));
        kernels.maxPoolForward(
          this.batch,
          node,
          this.#value(node.input),
          this.#map(node.input),
          target,
          argmax,
          this.#map(node.name),
        );
        return;
      }
      case 'globalAveragePool':
        kernels.averagePoolForward(this.batch, this.#value(node.input), this.#map(node.input), target);
        return;
      case 'linear':
        kernels.linearForward(
          this.batch,
          this.#shapes.get(node.input)![0],
          node.features,
          this.#value(node.input),
          this.#bound.value(`${node.name}.weight`),
          this.#bound.value(`${node.name}.bias`),
          target,
        );
    }
  }

  #backwardNode(node: Node, incoming: Float32Array, outgoing: readonly Float32Array[]): void {
    const first = outgoing[0]!;
    switch (node.kind) {
      case 'conv': {
        const source = this.#map(node.input);
        const target = this.#map(node.name);
        if (this.#needs.values.has(node.input))
          kernels.convBackwardData(
            this.batch,
            node,
            incoming,
            target,
            this.#weight(node.name),
            first,
            source,
          );
        if (this.#needs.parameters.has(`${node.name}.weight`))
          kernels.convBackwardWeight(
            this.batch,
            node,
            this.#value(node.input),
            source,
            incoming,
            target,
            this.#bound.gradient(`${node.name}.weight`),
          );
        return;
      }
      case 'batchNorm':
        kernels.normBackward(
          this.batch,
          this.#normGroupsOf(node),
          this.#value(node.input),
          this.#map(node.input),
          this.#moments.get(node.name)!,
          this.#bound.value(`${node.name}.weight`),
          node.epsilon,
          node.relu,
          this.#value(node.name),
          incoming,
          first,
          this.#gradientOf(`${node.name}.weight`),
          this.#gradientOf(`${node.name}.bias`),
          this.#usesBatch(node),
        );
        return;
      case 'addRelu':
      case 'relu': {
        const target = this.#value(node.name);
        for (const gradient of outgoing)
          for (let i = 0; i < gradient.length; i++) gradient[i] = target[i]! > 0 ? incoming[i]! : 0;
        return;
      }
      case 'maxPool':
        kernels.maxPoolBackward(
          this.batch,
          incoming,
          this.#argmax.get(node.name)!,
          this.#map(node.name),
          first,
          this.#map(node.input),
        );
        return;
      case 'globalAveragePool':
        kernels.averagePoolBackward(this.batch, incoming, this.#map(node.input), first);
        return;
      case 'linear':
        kernels.linearBackward(
          this.batch,
          this.#shapes.get(node.input)![0],
          node.features,
          this.#value(node.input),
          this.#bound.value(`${node.name}.weight`),
          incoming,
          first,
          this.#gradientOf(`${node.name}.weight`),
          this.#gradientOf(`${node.name}.bias`),
        );
    }
  }

  #forwardFolded(node: FoldedConv): void {
    const target = this.#value(node.name);
    const shape = this.#map(node.name);
    const { weight, bias } = this.#folded.get(node.name)!;
    kernels.convForward(
      this.batch,
      node.conv,
      this.#value(node.input),
      this.#map(node.input),
      weight,
      target,
      shape,
    );
    const addend = node.addend === null ? undefined : this.#value(node.addend);
    const [filters, height, width] = shape;
    for (let i = 0; i < target.length; i++) {
      const value = target[i]! + bias[Math.floor(i / (height * width)) % filters]! + (addend?.[i] ?? 0);
      target[i] = node.relu && value < 0 ? 0 : value;
    }
  }

  /** Whether a batch norm normalises with the batch's statistics. */
  #usesBatch(node: Node & { kind: 'batchNorm' }): boolean {
    return this.#options.mode === 'train' && this.#options.frozenNorms?.(node.name) !== true;
  }

  #normGroupsOf(node: Node & { kind: 'batchNorm' }): number {
    return this.#usesBatch(node) ? this.#groups : 1;
  }

  /** Batch moments (and the update of the running ones), or the running ones of a frozen norm. */
  #normMoments(node: Node & { kind: 'batchNorm' }): NormMoments {
    const mean = this.#bound.statistic(`${node.name}.running_mean`);
    const variance = this.#bound.statistic(`${node.name}.running_var`);
    if (!this.#usesBatch(node)) {
      this.#moments.set(node.name, { mean, variance });
      return { mean, variance };
    }
    const [channels, height, width] = this.#map(node.input);
    const moments = kernels.normMoments(this.batch, this.#groups, this.#value(node.input), [
      channels,
      height,
      width,
    ]);
    this.#moments.set(node.name, moments);
    const count = (this.batch / this.#groups) * height * width;
    updateRunning(mean, variance, moments, this.#groups, count, node.momentum);
    return moments;
  }

  #value(name: string): Float32Array {
    return this.#values.get(name) ?? missing(name);
  }

  #map(name: string): MapShape {
    const shape = this.#shapes.get(name)!;
    return shape.length === 3 ? shape : [shape[0], 1, 1];
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

  /** Where a parameter's gradient goes; a throw-away array for a frozen one. */
  #gradientOf(name: string): Float32Array {
    return this.#needs.parameters.has(name)
      ? this.#bound.gradient(name)
      : new Float32Array(this.#bound.value(name).length);
  }

  #timed(node: string, kernel: string, action: () => void): void {
    if (!this.#profile) {
      action();
      return;
    }
    const start = performance.now();
    action();
    const key = `${node} ${kernel}`;
    const time = this.#times.get(key) ?? { calls: 0, seconds: 0 };
    time.calls += 1;
    time.seconds += (performance.now() - start) / 1000;
    this.#times.set(key, time);
  }
}

/** r ← (1 − m)·r + m·batch, group after group, with the unbiased variance (as PyTorch's batch norms). */
function updateRunning(
  mean: Float32Array,
  variance: Float32Array,
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

function missing(name: string): never {
  throw new RangeError(`the plan has no value called "${name}"`);
}
