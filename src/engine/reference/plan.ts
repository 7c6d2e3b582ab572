/**
 * A network executed node by node on heap arrays: its values and gradients, and the order in which layers make them. With
 * `bf16` every stored activation is rounded to bf16 while sums stay exact, which is what the hardware's bf16 kernels
 * approximate.
 */
import type { KernelTime, Plan, PlanOptions } from '../core/backend.ts';
import { roundToBfloat16 } from '../core/bfloat16.ts';
import { foldNetwork, type FoldedNode } from '../core/fold.ts';
import { gradientNeeds, type GradientNeeds } from '../core/gradients.ts';
import { inferShapes, INPUT, inputsOf, type Network, type Node } from '../core/network.ts';
import { bindParameters, type BoundParameters, type ParameterArrays } from '../core/parameters.ts';
import { checkPlanOptions } from '../core/plan-options.ts';
import type { Maps } from './kernels.ts';
import { Layers } from './layers.ts';

export function compileReference(
  network: Network,
  parameters: ParameterArrays,
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
  readonly #bound: BoundParameters;
  readonly #options: PlanOptions;
  readonly #needs: GradientNeeds;
  readonly #layers: Layers;
  readonly #values = new Map<string, Maps>();
  readonly #gradients = new Map<string, Maps>();
  readonly #outputGradients = new Map<string, Float32Array>();
  /** Values that are rounded: heads and pooled vectors stay f32, as on the fast backend. */
  readonly #rounded: ReadonlySet<string>;
  readonly #times = new Map<string, { calls: number; seconds: number }>();
  readonly #profile: boolean;

  constructor(network: Network, parameters: ParameterArrays, options: PlanOptions, profile: boolean) {
    this.batch = options.batch;
    this.#nodes = network.nodes;
    this.#options = options;
    this.#profile = profile;
    const shapes = inferShapes(network);
    checkPlanOptions(network, shapes, options);
    this.#bound = bindParameters(network, parameters);
    const training = options.mode === 'train';
    this.#needs = gradientNeeds(
      network,
      training ? (options.trainable ?? (() => true)) : () => false,
      training ? options.taps : [],
    );
    this.#forwardNodes = options.fold === true ? foldNetwork(network, options.taps ?? []) : network.nodes;
    const isRounded = options.precision === 'bf16';
    this.#rounded = new Set(
      [...shapes].flatMap(([name, { length }]) => (isRounded && length === 3 ? [name] : [])),
    );
    const made = new Set([INPUT, ...this.#forwardNodes.map(({ name }) => name)]);
    let elements = 0;
    for (const [name, [channels, height = 1, width = 1]] of shapes) {
      if (!made.has(name)) continue;
      const size = { batch: options.batch, channels, height, width };
      const length = options.batch * channels * height * width;
      this.#values.set(name, { ...size, data: new Float32Array(length) });
      elements += length;
      if (!this.#needs.values.has(name)) continue;
      this.#gradients.set(name, { ...size, data: new Float32Array(length) });
      elements += length;
    }
    for (const output of network.outputs)
      this.#outputGradients.set(output, new Float32Array(this.#value(output).data.length));
    const valueOf = (name: string): Maps => this.#value(name);
    this.#layers = new Layers(this.#forwardNodes, options, this.#bound, this.#needs, valueOf);
    this.input = this.#value(INPUT).data;
    this.bytes = 4 * (elements + this.#layers.elements);
  }

  output(name: string): Float32Array {
    return this.#value(name).data;
  }

  outputGradient(name: string): Float32Array {
    return this.#outputGradients.get(name) ?? missing(name);
  }

  value(tap: string): Float32Array {
    if (this.#options.taps?.includes(tap) !== true) missing(tap);
    return this.#value(tap).data;
  }

  valueGradient(tap: string): Float32Array {
    if (this.#options.taps?.includes(tap) !== true) missing(tap);
    return this.#gradients.get(tap)?.data ?? missing(tap);
  }

  profile(): readonly KernelTime[] {
    return [...this.#times].map(([key, time]) => {
      const [node = '', kernel = ''] = key.split(' ');
      return { node, kernel, ...time };
    });
  }

  forward(): void {
    this.#layers.refresh();
    if (this.#rounded.has(INPUT)) roundToBfloat16(this.input);
    for (const node of this.#forwardNodes)
      this.#timed(node.name, 'forward', () => {
        this.#layers.forward(node);
        if (this.#rounded.has(node.name)) roundToBfloat16(this.#value(node.name).data);
      });
  }

  backward(options: { readonly accumulate?: boolean } = {}): void {
    if (options.accumulate !== true)
      for (const name of this.#needs.parameters) this.#bound.gradient(name).fill(0);
    const written = new Set<string>();
    for (const [name, gradient] of this.#outputGradients) {
      const own = this.#gradients.get(name);
      if (own === undefined) continue;
      own.data.set(gradient);
      written.add(name);
    }
    for (const node of [...this.#nodes].reverse()) {
      const incoming = this.#gradients.get(node.name);
      if (incoming === undefined || !written.has(node.name)) continue;
      this.#timed(node.name, 'backward', () => {
        const inputs = inputsOf(node);
        const outgoing = inputs.map((name): Maps => {
          const value = this.#value(name);
          return { ...value, data: new Float32Array(value.data.length) };
        });
        this.#layers.backward(node, incoming, outgoing);
        for (const [i, name] of inputs.entries()) this.#deliver(name, outgoing[i]!.data, written);
      });
    }
  }

  [Symbol.dispose](): void {
    this.#values.clear();
    this.#gradients.clear();
  }

  #deliver(name: string, gradient: Float32Array, written: Set<string>): void {
    const target = this.#gradients.get(name)?.data;
    if (target === undefined) return;
    if (written.has(name)) for (let i = 0; i < target.length; i++) target[i]! += gradient[i]!;
    else target.set(gradient);
    written.add(name);
    if (this.#rounded.has(name)) roundToBfloat16(target);
  }

  #value(name: string): Maps {
    return this.#values.get(name) ?? missing(name);
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

function missing(name: string): never {
  throw new RangeError(`the plan has no value called "${name}"`);
}
