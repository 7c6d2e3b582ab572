/** The parameters of a plan: views of flat vectors in their shapes, and where gradients go. */
import { Resources } from '../../base/resources.ts';
import type { Parameters } from '../core/backend.ts';
import type { GradientNeeds } from '../core/gradients.ts';
import { parameterSpecs, statisticSpecs, type Network } from '../core/network.ts';
import { bindParameters } from '../core/parameters.ts';
import { stridesOf, type Runtime } from './native/runtime.ts';
import type { Tensor } from './native/tensor.ts';
import { torchVector, type TorchVector } from './vector.ts';

export class PlanParameters implements Disposable {
  readonly #scope = new Resources();
  readonly #runtime: Runtime;
  readonly #values = new Map<string, Tensor>();
  readonly #gradients = new Map<string, Tensor>();
  readonly #statistics = new Map<string, Tensor>();
  /** Numbers in the weights of convolutions. */
  readonly convElements: number;
  #accumulates = false;
  readonly #missing = new Set<string>();

  /** Error: that of `bindParameters`, and `TypeError` for parameters of another backend. */
  constructor(runtime: Runtime, network: Network, parameters: Parameters, needs: GradientNeeds) {
    this.#runtime = runtime;
    const { specs, statisticSpecs: statistics } = parameters;
    const none = new Float32Array(0);
    const arrays = { values: none, gradients: none, statistics: none };
    bindParameters(network, { specs, statisticSpecs: statistics, ...arrays });
    const [values, gradients, running] = [
      torchVector(parameters.values),
      torchVector(parameters.gradients),
      torchVector(parameters.statistics),
    ];
    const places = new Map([...specs, ...statistics].map(({ name, offset }) => [name, offset]));
    const view = ({ tensor }: TorchVector, name: string, shape: readonly number[]): Tensor => {
      const offset: number = places.get(name)!;
      return this.#scope.use(runtime.view(tensor, shape, offset, stridesOf(shape)));
    };
    let convElements = 0;
    for (const { name, shape, role, length } of parameterSpecs(network)) {
      this.#values.set(name, view(values, name, shape));
      if (needs.parameters.has(name)) this.#gradients.set(name, view(gradients, name, shape));
      if (role === 'convWeight') convElements += length;
    }
    for (const { name, length } of statisticSpecs(network))
      this.#statistics.set(name, view(running, name, [length]));
    this.convElements = convElements;
  }

  value(name: string): Tensor {
    return this.#values.get(name)!;
  }

  statistic(name: string): Tensor {
    return this.#statistics.get(name)!;
  }

  /** A backward pass begins, which writes gradients or adds them. */
  begin(accumulates: boolean): void {
    this.#accumulates = accumulates;
    for (const name of this.#gradients.keys()) this.#missing.add(name);
  }

  /** Takes what a layer has made: copies it, in whatever type it is. */
  deliver(name: string, gradient: Tensor): void {
    const target = this.#gradients.get(name)!;
    this.#missing.delete(name);
    if (!this.#accumulates) {
      this.#runtime.copy(gradient, target);
      return;
    }
    using sum = this.#runtime.add(target, gradient);
    this.#runtime.copy(sum, target);
  }

  /** The pass has ended: what no gradient came to has none. */
  end(): void {
    if (!this.#accumulates) for (const name of this.#missing) this.#runtime.zero(this.#gradients.get(name)!);
    this.#missing.clear();
  }

  [Symbol.dispose](): void {
    this.#scope[Symbol.dispose]();
  }
}
