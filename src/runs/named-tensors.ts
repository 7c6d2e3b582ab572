/**
 * Tensors by name, and the flat vectors that they lie in: reading them out of a network and its optimizer, and putting them
 * back. Weights and running statistics have torchvision's names, optimizer state `optimizer.<vector>.<parameter>`.
 */
import { dataError, type UsclError } from '../base/errors.ts';
import type { Parameters, Vector } from '../engine/core/backend.ts';
import type { Optimizer } from '../engine/core/optimizer.ts';

/** A float32 tensor by name, row-major. */
export interface NamedArray {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** Tensors by name. */
export type Weights = ReadonlyMap<string, Pick<NamedArray, 'shape' | 'data'>>;

/** A vector of a backend, and the tensors that lie in it. */
export interface NamedVector {
  readonly vector: Vector;
  readonly tensors: readonly (Pick<NamedArray, 'name' | 'shape'> & {
    readonly offset: number;
    readonly length: number;
  })[];
}

/** The vectors of weights and running statistics, with those of an optimizer where one is given. */
export function namedVectors(parameters: Parameters, optimizer: Optimizer | null = null): NamedVector[] {
  const { specs, statisticSpecs, values, statistics } = parameters;
  const running = statisticSpecs.map((spec) => ({ ...spec, shape: [spec.length] }));
  const state = [...(optimizer?.state ?? [])].map(([kind, vector]) => {
    const tensors = specs.map((spec) => ({ ...spec, name: `optimizer.${kind}.${spec.name}` }));
    return { vector, tensors };
  });
  return [{ vector: values, tensors: specs }, { vector: statistics, tensors: running }, ...state];
}

/** The tensors in these vectors, as they are now: copies. */
export function tensorsIn(vectors: readonly NamedVector[]): NamedArray[] {
  return vectors.flatMap(({ vector, tensors }) => {
    const whole = vector.read();
    return tensors.map(({ name, shape, offset, length }) => {
      return { name, shape, data: whole.subarray(offset, offset + length) };
    });
  });
}

/** Weights and running statistics by name, with optimizer state where one is given: copies. */
export function namedTensors(parameters: Parameters, optimizer: Optimizer | null = null): NamedArray[] {
  return tensorsIn(namedVectors(parameters, optimizer));
}

/**
 * Writes tensors to their places in these vectors; what has no place there is passed over. Only what is `wanted` (default:
 * all). Error: `CHECKPOINT_MISMATCH` naming a tensor that is missing or of another shape; its vector is then untouched.
 */
export function restoreVectors(
  from: Weights,
  vectors: readonly NamedVector[],
  path: string,
  wanted: (name: string) => boolean = () => true,
): void {
  for (const { vector, tensors } of vectors) {
    const places = tensors.filter(({ name }) => wanted(name));
    if (places.length === 0) continue;
    const whole = vector.read();
    for (const { name, shape, offset } of places) {
      const tensor = from.get(name);
      if (tensor === undefined) throw mismatch(path, name, 'is missing');
      if (tensor.shape.join() !== shape.join())
        throw mismatch(path, name, `has the shape [${tensor.shape.join(', ')}], not [${shape.join(', ')}]`);
      whole.set(tensor.data, offset);
    }
    vector.write(whole);
  }
}

/**
 * Copies weights and running statistics into `parameters`; what `parameters` does not have is passed over. Only what is
 * `wanted` (default: all). Error: as `restoreVectors`.
 */
export function restoreWeights(
  weights: Weights,
  parameters: Parameters,
  path: string,
  wanted: (name: string) => boolean = () => true,
): void {
  restoreVectors(weights, namedVectors(parameters), path, wanted);
}

/** `CHECKPOINT_MISMATCH`: what a file holds under a name is not what the network has there. */
export function mismatch(path: string, name: string, reason: string): UsclError {
  return dataError(
    'CHECKPOINT_MISMATCH',
    `The checkpoint does not fit this network: ${name} ${reason}.`,
    'Use the configuration (backbone, heads, optimizer) that the checkpoint was made with.',
    { where: path },
  );
}
