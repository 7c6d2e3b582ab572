/**
 * Vectors in memory that the host sees: those of backends that compute on the processor, and what methods keep between steps.
 * Only backends look at `data`; everyone else reads and writes, as with memory that the host does not see.
 */
import { requireFit, type Parameters, type Vector } from './backend.ts';
import type { ParameterArrays } from './parameters.ts';

export class HostVector implements Vector {
  /** The memory itself. */
  readonly data: Float32Array;
  readonly #release: () => void;

  /** `release` gives the memory back where the runtime does not. */
  constructor(data: Float32Array, release: () => void = () => undefined) {
    this.data = data;
    this.#release = release;
  }

  get length(): number {
    return this.data.length;
  }

  read(target = new Float32Array(this.length), start = 0): Float32Array {
    requireFit(this, target.length, start);
    target.set(this.data.subarray(start, start + target.length));
    return target;
  }

  write(source: Float32Array, start = 0): void {
    requireFit(this, source.length, start);
    this.data.set(source, start);
  }

  copyFrom(source: Vector): void {
    source.read(this.data);
  }

  clone(): Vector {
    return new HostVector(this.data.slice());
  }

  unordered(): Vector {
    return new HostVector(this.data);
  }

  [Symbol.dispose](): void {
    this.#release();
  }
}

/** The memory of a vector that the host sees. Error: `TypeError` for one of another memory. */
export function hostData(vector: Vector): Float32Array {
  if (vector instanceof HostVector) return vector.data;
  throw new TypeError('this vector belongs to another backend');
}

/** The memory of a set of parameters that the host sees. Error: as `hostData`. */
export function hostArrays({
  specs,
  statisticSpecs,
  ...vectors
}: Omit<Parameters, 'follow'>): ParameterArrays {
  return {
    ...{ specs, statisticSpecs },
    values: hostData(vectors.values),
    gradients: hostData(vectors.gradients),
    statistics: hostData(vectors.statistics),
  };
}
