/** The backend of PyTorch's kernels (ATen through libtorch's C interface): one way for its processors and GPUs. */
import type {
  AdamStep,
  Backend,
  DeviceKind,
  Parameters,
  PlanOptions,
  SgdStep,
  Vector,
} from '../core/backend.ts';
import type { Network } from '../core/network.ts';
import { freeProcessors } from '../native/processors.ts';
import { cudaNumbers } from './native/cuda.ts';
import { openDevice } from './native/device.ts';
import { loadTorch } from './native/library.ts';
import { Runtime } from './native/runtime.ts';
import { createTorchParameters } from './parameters.ts';
import { TorchPlan } from './plan.ts';
import { fastPrecisions } from './precision.ts';
import { torchAdam, torchSgd, torchSumOfSquares } from './updates.ts';
import { torchVector, TorchVector } from './vector.ts';

export interface TorchOptions {
  readonly device: DeviceKind;
  readonly threads?: number | undefined;
  readonly profile?: boolean;
  /** Copy between host and device as a GPU needs it, also where one memory would do. For tests. */
  readonly staged?: boolean;
}

/** Throws `TORCH_MISSING`, `TORCH_VERSION` or `TORCH_DEVICE`. */
export function openTorch({ device: name, threads, profile = false, staged = false }: TorchOptions): Backend {
  const library = loadTorch(threads);
  const host = openDevice(library, 'cpu');
  const device = name === 'cpu' ? host : openDevice(library, name);
  const isShared = name === 'cpu' && !staged;
  const processors = name === 'cpu' ? library.processors : freeProcessors();
  const runtime = new Runtime(library, device, host.type, isShared, processors);
  const compile = (network: Network, parameters: Parameters, options: PlanOptions): TorchPlan =>
    new TorchPlan(runtime, network, parameters, options, profile);
  const createParameters = (network: Network): Parameters => createTorchParameters(runtime, network);
  const synchronize = (): void => {
    runtime.synchronize();
  };
  const placeOf = name === 'cuda' ? cudaNumbers(library) : null;
  return {
    describe: () => ({
      name: 'torch',
      library: `PyTorch ${library.version} on ${name}`,
      device: name,
      instructionSet: name === 'cpu' ? 'chosen by PyTorch' : name,
      threads: library.threads,
      precisions: fastPrecisions(name, { createParameters, compile, synchronize }),
    }),
    createParameters,
    compile,
    allocate: (like): Vector =>
      typeof like === 'number'
        ? TorchVector.make(runtime, like)
        : TorchVector.make(runtime, like.length, torchVector(like).layout),
    sumOfSquares: (vector, ranges) => torchSumOfSquares(runtime, vector, ranges),
    adam: (step: AdamStep) => {
      torchAdam(runtime, step);
    },
    sgd: (step: SgdStep) => {
      torchSgd(runtime, step);
    },
    synchronize,
    ...(placeOf === null
      ? {}
      : { onCuda: (vector: Vector) => placeOf(torchVector(vector).tensor, vector.length) }),
    [Symbol.dispose]: () => undefined,
  };
}
