/**
 * A network executed node by node by PyTorch's kernels. Tensors are made as they are needed and given back as soon as nobody reads
 * them: PyTorch's allocators keep their memory for the next pass. The host waits where it reads an output, and nowhere else: images are
 * uploaded while it queues the pass, and it waits for them only where it asks for `input` again before it has read anything.
 */
import { Resources } from '../../base/resources.ts';
import type { KernelTime, Parameters, Plan, PlanOptions } from '../core/backend.ts';
import { foldNetwork, inputsOfFolded, type FoldedNode } from '../core/fold.ts';
import { gradientNeeds, type GradientNeeds } from '../core/gradients.ts';
import { inferShapes, INPUT, type Network, type ValueShape } from '../core/network.ts';
import { bindParameters, type BoundParameters } from '../core/parameters.ts';
import { checkPlanOptions } from '../core/plan-options.ts';
import { giveBack } from '../native/heap.ts';
import { onProcessors } from '../native/processors.ts';
import { lastReads, layerOf } from './forward.ts';
import { disposeAll, type Compilation, type Layer } from './layers/common.ts';
import type { DataType, HostTensor, Runtime, Upload } from './native/runtime.ts';
import type { Tensor } from './native/tensor.ts';
import { PlanParameters } from './plan-parameters.ts';
import { Shown } from './shown.ts';

export class TorchPlan implements Plan {
  readonly batch: number;
  readonly bytes: number;
  readonly #scope: Resources;
  readonly #runtime: Runtime;
  readonly #shapes: ReadonlyMap<string, ValueShape>;
  readonly #mapType: DataType;
  readonly #isTraining: boolean;
  readonly #nodes: readonly FoldedNode[];
  readonly #layers: readonly Layer[];
  readonly #needs: GradientNeeds;
  readonly #parameters: PlanParameters;
  readonly #releases: ReadonlyMap<number, readonly string[]>;
  readonly #hostInput: HostTensor;
  /** Of the last pass's images, which the device may still be reading. */
  #upload: Upload | null = null;
  readonly #outputs: ReadonlySet<string>;
  readonly #taps: ReadonlySet<string>;
  readonly #outputGradients = new Map<string, HostTensor>();
  readonly #shownValues: Shown;
  readonly #shownGradients: Shown;
  readonly #times: Map<string, { calls: number; seconds: number }> | null;
  readonly #values = new Map<string, Tensor>();
  readonly #tapGradients = new Map<string, Tensor>();
  #activationsKept = false;

  constructor(
    runtime: Runtime,
    network: Network,
    parameters: Parameters,
    options: PlanOptions,
    profile: boolean,
  ) {
    using opening = new Resources();
    const { batch, mode, precision, taps = [], fold = false } = options;
    this.batch = batch;
    this.#runtime = runtime;
    this.#shapes = inferShapes(network);
    checkPlanOptions(network, this.#shapes, options);
    this.#isTraining = mode === 'train';
    this.#mapType = precision;
    this.#outputs = new Set(network.outputs);
    this.#taps = new Set(taps);
    const trainable = this.#isTraining ? (options.trainable ?? (() => true)) : () => false;
    this.#needs = gradientNeeds(network, trainable, this.#isTraining ? taps : []);
    this.#parameters = opening.use(new PlanParameters(runtime, network, parameters, this.#needs));
    this.#nodes = fold ? foldNetwork(network, taps) : network.nodes;
    const compilation: Compilation = {
      ...{ runtime, batch, mode, mapType: precision, normGroups: options.normGroups ?? 1 },
      normRanks: this.#isTraining ? options.normRanks : undefined,
      shapeOf: (value) => [batch, ...this.#shapes.get(value)!],
      own: (tensor) => opening.use(tensor),
      parameter: (name) => this.#parameters.value(name),
      statistic: (name) => this.#parameters.statistic(name),
      trainable: (name) => this.#needs.parameters.has(name),
      frozenNorm: (node) => options.frozenNorms?.(node) === true,
      deliver: (name, gradient) => {
        this.#parameters.deliver(name, gradient);
      },
    };
    const bound = once(() => boundOnHost(network, parameters));
    this.#layers = this.#nodes.map((node) => opening.use(layerOf(compilation, node, bound)));
    this.#releases = lastReads(
      this.#nodes,
      this.#layers,
      (value) => this.#outputs.has(value) || this.#taps.has(value),
      (node) => this.#isTraining && this.#needs.values.has(node),
    );
    this.#hostInput = opening.use(runtime.host(this.#length(INPUT)));
    if (this.#isTraining)
      for (const name of network.outputs)
        this.#outputGradients.set(name, opening.use(runtime.host(this.#length(name))));
    this.#shownValues = opening.use(new Shown(runtime, (name) => this.#shape(name)));
    this.#shownGradients = opening.use(new Shown(runtime, (name) => this.#shape(name)));
    this.#times = profile ? new Map() : null;
    this.bytes = this.#estimate();
    opening.defer(() => {
      this.#clear();
    });
    this.#scope = opening.move();
  }

  get input(): Float32Array {
    if (this.#upload !== null) this.#runtime.waitFor(this.#upload);
    this.#upload = null;
    return this.#hostInput.data;
  }

  forward(): void {
    onProcessors(this.#runtime.processors, () => {
      this.#forward();
    });
  }

  #forward(): void {
    this.#clear();
    this.#shownValues.expire();
    this.#values.set(INPUT, this.#uploaded(INPUT, this.#hostInput));
    this.#nodes.forEach((node, position) => {
      const inputs = inputsOfFolded(node).map((name) => this.#values.get(name)!);
      this.#values.set(
        node.name,
        this.#timed(node.name, 'forward', () => this.#layers[position]!.forward(inputs)),
      );
      for (const name of this.#releases.get(position) ?? []) this.#release(name);
    });
    this.#activationsKept = true;
  }

  output(name: string): Float32Array {
    if (!this.#outputs.has(name)) return notShown(name);
    return this.#shownValues.show(name, () => this.#values.get(name));
  }

  outputGradient(name: string): Float32Array {
    return this.#outputGradients.get(name)?.data ?? notShown(name);
  }

  value(tap: string): Float32Array {
    if (!this.#taps.has(tap)) return notShown(tap);
    return this.#shownValues.show(tap, () => this.#values.get(tap));
  }

  valueGradient(tap: string): Float32Array {
    if (!this.#isTraining || !this.#taps.has(tap)) return notShown(tap);
    return this.#shownGradients.show(tap, () => this.#tapGradients.get(tap));
  }

  backward(options: { readonly accumulate?: boolean } = {}): void {
    if (!this.#isTraining) throw new RangeError('an inference plan has no backward pass');
    // Values are given back on the way down: what a second pass would read is gone.
    if (!this.#activationsKept) throw new RangeError('backward needs a forward pass of its own');
    this.#activationsKept = false;
    this.#shownGradients.expire();
    disposeAll(this.#tapGradients.values());
    this.#tapGradients.clear();
    this.#parameters.begin(options.accumulate === true);
    onProcessors(this.#runtime.processors, () => {
      this.#backward();
    });
    this.#parameters.end();
  }

  #backward(): void {
    const arrived = new Map<string, Tensor>();
    try {
      for (const [name, host] of this.#outputGradients)
        if (this.#needs.values.has(name)) arrived.set(name, this.#uploaded(name, host));
      for (let position = this.#nodes.length - 1; position >= 0; position--)
        this.#backwardNode(position, arrived);
      this.#keepTapped(INPUT, arrived.get(INPUT));
    } finally {
      disposeAll(arrived.values());
    }
  }

  profile(): readonly KernelTime[] {
    return [...(this.#times ?? [])].map(([key, time]) => {
      const [node = '', kernel = ''] = key.split(' ');
      return { node, kernel, ...time };
    });
  }

  [Symbol.dispose](): void {
    this.#scope[Symbol.dispose]();
    giveBack();
  }

  #backwardNode(position: number, arrived: Map<string, Tensor>): void {
    const node = this.#nodes[position]!;
    const gradient = arrived.get(node.name);
    if (gradient === undefined) {
      this.#release(node.name);
      return;
    }
    arrived.delete(node.name);
    using own = gradient;
    this.#keepTapped(node.name, own);
    const names = inputsOfFolded(node);
    const wanted = names.map((name) => this.#needs.values.has(name));
    const trains = ['weight', 'bias'].some((part) => this.#needs.parameters.has(`${node.name}.${part}`));
    if (trains || wanted.includes(true)) {
      const results = this.#timed(node.name, 'backward', () =>
        this.#layers[position]!.backward({
          gradient: own,
          inputs: names.map((name) => this.#values.get(name)!),
          output: this.#values.get(node.name)!,
          mayOverwrite: !this.#isVisible(node.name),
          wanted,
        }),
      );
      names.forEach((name, index) => {
        this.#deliver(arrived, name, wanted[index] === true, results[index]);
      });
    }
    if (!this.#isVisible(node.name)) this.#release(node.name);
  }

  /** Adds a gradient to those that have arrived at a value. Takes it over. */
  #deliver(arrived: Map<string, Tensor>, name: string, isWanted: boolean, made: Tensor | undefined): void {
    if (made === undefined) return;
    const before = arrived.get(name);
    if (!isWanted) made[Symbol.dispose]();
    else if (before === undefined) arrived.set(name, made);
    else {
      arrived.set(name, this.#runtime.add(before, made));
      disposeAll([before, made]);
    }
  }

  #keepTapped(name: string, gradient: Tensor | undefined): void {
    if (gradient !== undefined && this.#taps.has(name))
      this.#tapGradients.set(name, this.#runtime.share(gradient));
  }

  /** The host's numbers as a value or a gradient has them on the device. */
  #uploaded(name: string, host: HostTensor): Tensor {
    const runtime = this.#runtime;
    const shape = this.#shape(name);
    const isMap = shape.length === 4;
    const result = runtime.empty(shape, isMap ? this.#mapType : 'f32');
    if (runtime.isShared) {
      using shaped = runtime.view(host.tensor, shape);
      runtime.copy(shaped, result);
      return result;
    }
    // Across as it is, which is fastest; the device makes the layout and type of a map.
    using crossed = isMap
      ? runtime.empty([host.data.length], 'f32')
      : runtime.view(result, [host.data.length]);
    if (name === INPUT) this.#upload = runtime.upload(host, crossed);
    else runtime.copy(host.tensor, crossed);
    if (!isMap) return result;
    using there = runtime.view(crossed, shape);
    runtime.copy(there, result);
    return result;
  }

  #isVisible(name: string): boolean {
    return this.#outputs.has(name) || this.#taps.has(name);
  }

  #shape(name: string): readonly number[] {
    return [this.batch, ...this.#shapes.get(name)!];
  }

  #length(name: string): number {
    return this.#shape(name).reduce((product, side) => product * side, 1);
  }

  #release(name: string): void {
    this.#values.get(name)?.[Symbol.dispose]();
    this.#values.delete(name);
  }

  #clear(): void {
    disposeAll(this.#values.values());
    this.#values.clear();
    disposeAll(this.#tapGradients.values());
    this.#tapGradients.clear();
  }

  /** Values that a pass keeps, the compute copies of weights and the host's arrays; kernels' own memory is PyTorch's affair. */
  #estimate(): number {
    const released = new Set([...this.#releases.values()].flat());
    const size = (name: string): number =>
      this.#length(name) * (this.#shape(name).length === 4 && this.#mapType === 'bf16' ? 2 : 4);
    const made = [INPUT, ...this.#nodes.map(({ name }) => name)];
    const kept = made.filter((name) => !released.has(name)).reduce((sum, name) => sum + size(name), 0);
    const host =
      4 * (this.#length(INPUT) + [...this.#outputs].reduce((sum, name) => sum + this.#length(name), 0));
    const copies = this.#mapType === 'bf16' ? 2 * this.#parameters.convElements : 0;
    return kept + host + copies;
  }

  #timed<Result>(node: string, kernel: string, action: () => Result): Result {
    if (this.#times === null) return action();
    this.#runtime.synchronize();
    const start = performance.now();
    const result = action();
    this.#runtime.synchronize();
    const key = `${node} ${kernel}`;
    const time = this.#times.get(key) ?? { calls: 0, seconds: 0 };
    time.calls += 1;
    time.seconds += (performance.now() - start) / 1000;
    this.#times.set(key, time);
    return result;
  }
}

function boundOnHost(network: Network, parameters: Parameters): BoundParameters {
  const { specs, statisticSpecs, values, statistics } = parameters;
  const arrays = { values: values.read(), gradients: new Float32Array(0), statistics: statistics.read() };
  return bindParameters(network, { specs, statisticSpecs, ...arrays });
}

function once<Value>(make: () => Value): () => Value {
  let made: { readonly value: Value } | undefined;
  return () => (made ??= { value: make() }).value;
}

function notShown(name: string): never {
  throw new RangeError(`the plan does not show a value called "${name}"`);
}
