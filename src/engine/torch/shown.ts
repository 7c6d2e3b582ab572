/** Values that the host looks at: copied, row-major and in f32, when they are asked for first after a pass. */
import { Resources } from '../../base/resources.ts';
import type { HostTensor, Runtime } from './native/runtime.ts';
import type { Tensor } from './native/tensor.ts';

export class Shown implements Disposable {
  readonly #scope = new Resources();
  readonly #runtime: Runtime;
  readonly #shapeOf: (name: string) => readonly number[];
  readonly #arrays = new Map<string, HostTensor>();
  readonly #current = new Set<string>();

  constructor(runtime: Runtime, shapeOf: (name: string) => readonly number[]) {
    this.#runtime = runtime;
    this.#shapeOf = shapeOf;
  }

  /** The host's array of a value; zeros where there is none. The same array each time. */
  show(name: string, find: () => Tensor | undefined): Float32Array {
    const shape = this.#shapeOf(name);
    let host = this.#arrays.get(name);
    if (host === undefined) {
      host = this.#scope.use(this.#runtime.host(shape.reduce((product, side) => product * side, 1)));
      this.#arrays.set(name, host);
    }
    if (this.#current.has(name)) return host.data;
    const value = find();
    if (value === undefined) host.data.fill(0);
    else {
      using target = this.#runtime.view(host.tensor, shape);
      this.#runtime.download(value, target);
    }
    this.#current.add(name);
    return host.data;
  }

  /** What was shown is out of date. */
  expire(): void {
    this.#current.clear();
  }

  [Symbol.dispose](): void {
    this.#scope[Symbol.dispose]();
  }
}
