/** Vectors of f32 on the device. Where that is the host's own memory they are read and written in place, else through a copy. */
import { requireFit, type Vector } from '../core/backend.ts';
import type { Runtime } from './native/runtime.ts';
import type { Tensor } from './native/tensor.ts';

export class TorchVector implements Vector {
  readonly length: number;
  readonly tensor: Tensor;
  readonly #runtime: Runtime;
  /** The memory itself, where the host sees it. */
  readonly #shared: Float32Array | null;

  /** Zeroed. */
  constructor(runtime: Runtime, length: number, isShared: boolean) {
    this.length = length;
    this.#runtime = runtime;
    this.tensor = runtime.empty([Math.max(1, length)], 'f32');
    runtime.zero(this.tensor);
    this.#shared = isShared ? runtime.hostData(this.tensor, length) : null;
  }

  read(target = new Float32Array(this.length), start = 0): Float32Array {
    requireFit(this, target.length, start);
    if (target.length === 0) return target;
    if (this.#shared !== null) {
      target.set(this.#shared.subarray(start, start + target.length));
      return target;
    }
    using part = this.part(start, target.length);
    using host = this.#runtime.host(target.length);
    this.#runtime.download(part, host.tensor);
    target.set(host.data);
    return target;
  }

  write(source: Float32Array, start = 0): void {
    requireFit(this, source.length, start);
    if (source.length === 0) return;
    if (this.#shared !== null) {
      this.#shared.set(source, start);
      return;
    }
    using part = this.part(start, source.length);
    using host = this.#runtime.host(source.length);
    host.data.set(source);
    this.#runtime.copy(host.tensor, part);
  }

  copyFrom(source: Vector): void {
    if (!(source instanceof TorchVector)) {
      this.write(source.read(new Float32Array(this.length)));
      return;
    }
    requireFit(source, this.length, 0);
    using part = source.part(0, Math.max(1, this.length));
    this.#runtime.copy(part, this.tensor);
  }

  clone(): Vector {
    const copy = new TorchVector(this.#runtime, this.length, this.#shared !== null);
    copy.copyFrom(this);
    return copy;
  }

  /** Numbers from `start` on, in the same memory. */
  part(start: number, length: number): Tensor {
    return this.#runtime.view(this.tensor, [length], start);
  }

  [Symbol.dispose](): void {
    this.tensor[Symbol.dispose]();
  }
}

/** A vector of this backend. Error: `TypeError` for one of another memory. */
export function torchVector(vector: Vector): TorchVector {
  if (vector instanceof TorchVector) return vector;
  throw new TypeError('this vector belongs to another backend');
}
