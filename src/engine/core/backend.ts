/**
 * The interface every backend stands behind. Above it a backend's name is a setting that is passed on to
 * `openBackend`, recorded with a run, or looked for by `doctor`: nothing is computed in another way because of it.
 *
 * Memory: parameters, gradients, statistics and optimizer state are vectors in the backend's own memory, which may be a
 * device's. The host has copies of them, made by `read` and `write`. A plan's inputs, outputs and their gradients are arrays
 * of the host.
 *
 * Ordering promise: calls take effect in the order they are made. What the host reads is complete when the call returns;
 * other work may still go on, until `Backend.synchronize`. One thread owns a backend.
 */
import type { Network, ParameterSpec, StatisticSpec } from './network.ts';

/** What a plan computes in. Its input, outputs and gradients, and parameters, are f32 in both. */
export type Precision = 'f32' | 'bf16';

/** A vector of f32 in the memory of a backend. Owns that memory: dispose of it. */
export interface Vector extends Disposable {
  readonly length: number;
  /**
   * Copies numbers from `start` on (default 0) into `target`, which it fills and returns. Default: a new array of all of them.
   * Error: `RangeError` for a place outside of the vector.
   */
  read(target?: Float32Array, start?: number): Float32Array;
  /** Copies `source` into the vector, from `start` on (default 0). Error: as `read`. */
  write(source: Float32Array, start?: number): void;
  /** Copies a vector as long as this one, without the host where both lie in one memory. Error: as `read`. */
  copyFrom(source: Vector): void;
  /** A vector of its own with the same numbers, in the same memory. */
  clone(): Vector;
  /**
   * The same memory, its numbers in the order in which the backend keeps them, for what treats all numbers alike: no work to read
   * or write. Vectors that were made alike have them in one order. Dispose of it before the vector.
   */
  unordered(): Vector;
}

/** Where a vector lies in the memory of a CUDA device. */
export interface CudaNumbers {
  /** Of f32. */
  readonly address: number;
  readonly length: number;
  /** The stream that the backend's kernels are queued on. */
  readonly stream: number;
}

/** Throws `RangeError` where `count` numbers from `start` on do not lie in the vector. */
export function requireFit({ length }: Pick<Vector, 'length'>, count: number, start: number): void {
  if (start < 0 || start + count > length)
    throw new RangeError(`${count} numbers from ${start} on do not lie in a vector of ${length}.`);
}

/** Weights of one network: f32 masters, gradients and running statistics, each one flat vector. */
export interface Parameters extends Disposable {
  readonly specs: readonly ParameterSpec[];
  readonly statisticSpecs: readonly StatisticSpec[];
  /** All trainable parameters, each at its spec's offset, row-major in its spec's shape. */
  readonly values: Vector;
  /** Same layout as `values`; filled by `Plan.backward`. */
  readonly gradients: Vector;
  readonly statistics: Vector;
  /**
   * θ ← keep·θ + (1 − keep)·θ_source for every parameter, found by name in the source, which may hold more; statistics stay. Of
   * two sets of one backend. Error: `RangeError` for a parameter that the source lacks or has in another size.
   */
  follow(source: Parameters, keep: number): void;
}

/** Half-open element ranges [start, end) of a flat vector, ascending and disjoint. */
export type Ranges = readonly (readonly [start: number, end: number])[];

/**
 * Processes that run a plan of the same network at once, each on as many images of one batch: `Ranks` of several. All of them call
 * in the same order, which is that of the network's norms.
 */
export interface NormRanks {
  readonly size: number;
  /** The parts of all, one after the other in the order of ranks. The parts are of one length. */
  gather(part: Float32Array): Float32Array;
}

/** How a network is compiled. */
export interface PlanOptions {
  /** Images in one execution. */
  readonly batch: number;
  /**
   * `train`: batch statistics, running statistics updated, activations kept for `backward`.
   * `infer`: running statistics, nothing kept.
   */
  readonly mode: 'train' | 'infer';
  /** Storage of activations and compute copies of weights; masters, statistics and gradients stay f32. */
  readonly precision: Precision;
  /**
   * Batch norm normalises each of this many equal consecutive parts of the batch on its own, so that two views in
   * one execution behave as two forward passes. Default 1.
   */
  readonly normGroups?: number;
  /**
   * Train plans: batch norms normalise with the statistics of the batches of all these processes together, each part with the
   * parts of the same number, and pass on the gradient of that. Gradients of parameters are those of this process's
   * images alone. Default: of its own batch.
   */
  readonly normRanks?: NormRanks | undefined;
  /** Parameters for which this is false get no gradient, and nothing below the lowest trainable one is computed. */
  readonly trainable?: (parameter: string) => boolean;
  /**
   * Train plans: batch norms (by node name) for which this is true normalise with their running statistics, as in
   * inference, and leave them untouched; their gradient is that of an affine map. Default: none.
   */
  readonly frozenNorms?: (node: string) => boolean;
  /**
   * Values (maps, vectors, also `input`) that the host may look at: `Plan.value` after a forward pass and, in train
   * plans, `Plan.valueGradient` after a backward pass, which then reaches down to them even where nothing is trainable.
   */
  readonly taps?: readonly string[];
  /**
   * Inference plans: batch norms become part of the convolutions before them, sums and ReLUs their epilogue, and
   * weights are prepared once, in `compile`: parameters and statistics must not change afterwards. Default false.
   */
  readonly fold?: boolean;
  /**
   * Folded plans in f32: 3 × 3 convolutions of stride 1 may go by Winograd's minimal filtering, F(4 × 4, 3 × 3) (Lavin and
   * Gray, CVPR 2016), where the backend has kernels for it and the tiles are worth it. The network is about twice as fast and
   * its values are the same but for rounding, some 10⁻⁶ of the largest instead of some 10⁻⁷. Default false.
   */
  readonly winograd?: boolean;
}

/** A network compiled for one batch size. Owns native memory: dispose of it. */
export interface Plan extends Disposable {
  readonly batch: number;
  /**
   * [batch, ...shape of the network's input] f32, row-major: ask for it for each batch, write the images there, then call `forward`.
   * It keeps what was written. Who holds it across a pass may write what a device has not read yet.
   */
  readonly input: Float32Array;
  forward(): void;
  /** [batch, ...shape] f32, row-major, of a network output; ask for it after each `forward`, it is valid until the next one. */
  output(name: string): Float32Array;
  /** [batch, ...shape] f32 to be filled with ∂loss/∂output before `backward`. */
  outputGradient(name: string): Float32Array;
  /** [batch, ...shape] f32, row-major, of a tapped value; as `output`. */
  value(tap: string): Float32Array;
  /**
   * ∂loss/∂value of a tapped value, [batch, ...shape] f32; ask for it after each `backward`, it is valid until the next one.
   * Zero where no output with a gradient depends on the value. Train plans only.
   */
  valueGradient(tap: string): Float32Array;
  /**
   * Writes (or, with `accumulate`, adds) parameter gradients to `Parameters.gradients`. Train plans only, once after
   * each `forward`: the activations are spent.
   */
  backward(options?: { readonly accumulate?: boolean }): void;
  /** Bytes held by activations, workspaces and compute weights. */
  readonly bytes: number;
  /** Seconds spent per node and kernel since the plan was compiled, when the backend was opened with `profile`. */
  profile(): readonly KernelTime[];
}

/** Seconds in one kernel of one node, over all its calls. */
export interface KernelTime {
  readonly node: string;
  readonly kernel: string;
  readonly calls: number;
  readonly seconds: number;
}

/** One update by Adam or AdamW, in place, as PyTorch defines them. */
export interface AdamStep {
  readonly values: Vector;
  readonly gradients: Vector;
  /** First and second moment, same layout as `values`. */
  readonly first: Vector;
  readonly second: Vector;
  readonly ranges: Ranges;
  readonly learningRate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
  /** `coupled` adds weightDecay·θ to the gradient (Adam), `decoupled` shrinks θ by lr·weightDecay first (AdamW). */
  readonly decay: 'coupled' | 'decoupled';
  /** 1 for the first update. */
  readonly step: number;
  /** Gradients are multiplied by this first (clipping, accumulation). Afterwards they may be as they were, or multiplied. */
  readonly gradientScale: number;
}

/** One update by SGD, in place, as PyTorch defines it; the first `step` is 1. */
export interface SgdStep {
  readonly values: Vector;
  readonly gradients: Vector;
  readonly momentumBuffer: Vector;
  readonly ranges: Ranges;
  readonly learningRate: number;
  readonly momentum: number;
  readonly nesterov: boolean;
  readonly weightDecay: number;
  readonly step: number;
  readonly gradientScale: number;
}

/** The backends there are, by the names that settings have for them. */
export const BACKENDS = ['onednn', 'torch', 'reference'] as const;
export type BackendKind = (typeof BACKENDS)[number];

/** What a backend computes on, by the names that settings have for it. Only `torch` has others than the processor. */
export const DEVICES = ['cpu', 'cuda', 'mps', 'xpu'] as const;
export type DeviceKind = (typeof DEVICES)[number];

/** What a setting may say: a device, or the best one that the machine has. */
export const DEVICE_CHOICES = ['auto', ...DEVICES] as const;
export type DeviceChoice = (typeof DEVICE_CHOICES)[number];

/** What a setting may say: a backend, or that the machine decides. */
export const BACKEND_CHOICES = ['auto', ...BACKENDS] as const;
export type BackendChoice = (typeof BACKEND_CHOICES)[number];

/** What a backend runs on. */
export interface BackendDescription {
  readonly name: BackendKind;
  /** Library and version, e.g. `oneDNN 2.6.3`. */
  readonly library: string;
  readonly device: DeviceKind;
  readonly instructionSet: string;
  readonly threads: number;
  /** Precisions that run at hardware speed here, best first. */
  readonly precisions: readonly Precision[];
}

/**
 * What computes: makes parameters, compiles networks, updates vectors. Owns native memory: dispose of it
 * last.
 */
export interface Backend extends Disposable {
  describe(): BackendDescription;
  /** Zeroed; initialise through `models`. */
  createParameters(network: Network): Parameters;
  /** `network` may be a part of the network `parameters` were made for: names are matched. */
  compile(network: Network, parameters: Parameters, options: PlanOptions): Plan;
  /** Zeroed: of so many numbers, or as long as a vector of parameters and kept as that is. */
  allocate(like: number | Vector): Vector;
  /** Σ x² over the ranges, accumulated so that the same data give the same bits. */
  sumOfSquares(vector: Vector, ranges: Ranges): number;
  adam(step: AdamStep): void;
  sgd(step: SgdStep): void;
  /** Returns when everything that was asked for is done; what is timed without it may not be. */
  synchronize(): void;
  /** Of a backend on CUDA: where a vector of it lies. Missing: there is none on CUDA. */
  readonly onCuda?: (vector: Vector) => CudaNumbers;
}
