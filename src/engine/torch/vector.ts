/**
 * Vectors of f32 on the device, which the host reads and writes in its own order. Where the device computes in the host's memory and has
 * that order too, that happens in place, else through a copy.
 */
import { requireFit, type Vector } from '../core/backend.ts';
import { isSame, requireWhole, touches, type Layout } from './layout.ts';
import { stridesOf, type Runtime } from './native/runtime.ts';
import type { Tensor } from './native/tensor.ts';

export class TorchVector implements Vector {
  readonly length: number;
  readonly tensor: Tensor;
  readonly layout: Layout;
  readonly #runtime: Runtime;
  #view: Float32Array | undefined;

  /** Takes the tensor over. */
  constructor(runtime: Runtime, tensor: Tensor, length: number, layout: Layout) {
    this.#runtime = runtime;
    this.tensor = tensor;
    this.length = length;
    this.layout = layout;
  }

  /** Zeroed. */
  static make(runtime: Runtime, length: number, layout: Layout = []): TorchVector {
    const tensor = runtime.empty([Math.max(1, length)], 'f32');
    runtime.zero(tensor);
    return new TorchVector(runtime, tensor, length, layout);
  }

  read(target = new Float32Array(this.length), start = 0): Float32Array {
    requireFit(this, target.length, start);
    if (target.length === 0) return target;
    if (!touches(this.layout, start, start + target.length)) {
      this.#copyOut(target, start);
      return target;
    }
    using ordered = this.#inOrder();
    ordered.#copyOut(target, start);
    return target;
  }

  write(source: Float32Array, start = 0): void {
    requireFit(this, source.length, start);
    if (source.length === 0) return;
    if (!touches(this.layout, start, start + source.length)) {
      this.#copyIn(source, start);
      return;
    }
    using ordered = this.#inOrder();
    ordered.#copyIn(source, start);
    this.#runtime.copy(ordered.tensor, this.tensor);
    this.#turn(ordered, (there, here) => {
      this.#runtime.copy(there, here);
    });
  }

  copyFrom(source: Vector): void {
    if (!(source instanceof TorchVector) || !isSame(source.layout, this.layout)) {
      this.write(source.read(new Float32Array(this.length)));
      return;
    }
    requireFit(source, this.length, 0);
    using part = source.#numbers(0, Math.max(1, this.length));
    this.#runtime.copy(part, this.tensor);
  }

  clone(): Vector {
    const copy = TorchVector.make(this.#runtime, this.length, this.layout);
    copy.copyFrom(this);
    return copy;
  }

  unordered(): TorchVector {
    const unordered = new TorchVector(this.#runtime, this.#runtime.share(this.tensor), this.length, []);
    unordered.#view = this.#shared ?? undefined;
    return unordered;
  }

  /** Numbers from `start` on, in the same memory. Error: `RangeError` for a part of a weight that lies in an order of its own. */
  part(start: number, length: number): Tensor {
    requireWhole(this.layout, start, start + length);
    return this.#numbers(start, length);
  }

  [Symbol.dispose](): void {
    this.tensor[Symbol.dispose]();
  }

  #numbers(start: number, length: number): Tensor {
    return this.#runtime.view(this.tensor, [length], start);
  }

  /** A copy in the host's order. */
  #inOrder(): TorchVector {
    const ordered = TorchVector.make(this.#runtime, this.length);
    this.#runtime.copy(this.tensor, ordered.tensor);
    this.#turn(ordered, (there, here) => {
      this.#runtime.copy(here, there);
    });
    return ordered;
  }

  /** Each weight that is turned, as the host's order has it and as this vector has it. */
  #turn(ordered: TorchVector, each: (there: Tensor, here: Tensor) => void): void {
    for (const { offset, shape } of this.layout) {
      using there = this.#runtime.view(ordered.tensor, shape, offset);
      using here = this.#runtime.view(this.tensor, shape, offset, stridesOf(shape));
      each(there, here);
    }
  }

  /**
   * The memory itself, where the host sees it. Made when it is asked for, and once: the collector counts a view as memory of its own,
   * and a view of all weights in each step makes it run in each step.
   */
  get #shared(): Float32Array | null {
    if (!this.#runtime.isShared) return null;
    return (this.#view ??= this.#runtime.hostData(this.tensor, this.length));
  }

  /** Copies numbers to the host as they lie. */
  #copyOut(target: Float32Array, start: number): void {
    if (this.#shared !== null) {
      target.set(this.#shared.subarray(start, start + target.length));
      return;
    }
    using part = this.#numbers(start, target.length);
    using host = this.#runtime.host(target.length);
    this.#runtime.download(part, host.tensor);
    target.set(host.data);
  }

  /** Copies numbers from the host as they are. */
  #copyIn(source: Float32Array, start: number): void {
    if (this.#shared !== null) {
      this.#shared.set(source, start);
      return;
    }
    using part = this.#numbers(start, source.length);
    using host = this.#runtime.host(source.length);
    host.data.set(source);
    this.#runtime.copy(host.tensor, part);
  }
}

/** A vector of this backend. Error: `TypeError` for one of another memory. */
export function torchVector(vector: Vector): TorchVector {
  if (vector instanceof TorchVector) return vector;
  throw new TypeError('this vector belongs to another backend');
}
