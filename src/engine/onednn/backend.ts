/** The oneDNN backend: vendor kernels on the processor's cores, f32 and (where the hardware has it) bf16. */
import type { AdamStep, Backend, Parameters, PlanOptions, SgdStep, Vector } from '../core/backend.ts';
import { hostData, HostVector } from '../core/host-vector.ts';
import type { Network } from '../core/network.ts';
import { sumOfSquares } from '../reference/updates.ts';
import { Context } from './native/context.ts';
import { loadLibrary } from './native/library.ts';
import { allocateZeros, floatView } from '../native/memory.ts';
import { createNativeParameters, type NativeParameters } from './native/parameters.ts';
import { compileOneDnn } from './plan.ts';
import { fastPrecisions, requirePrecision } from './precision.ts';
import { VectorUpdates } from './updates.ts';

export function openOneDnn(threads: number | undefined, profile: boolean): Backend {
  const library = loadLibrary(threads);
  const context = new Context(library);
  const updates = new VectorUpdates(context);
  const mine = new WeakMap<Parameters, NativeParameters>();
  const nativeOf = (parameters: Parameters): NativeParameters => {
    const native = mine.get(parameters);
    if (native === undefined) throw new TypeError('these parameters belong to another backend');
    return native;
  };
  return {
    describe: () => ({
      name: 'onednn',
      library: `oneDNN ${library.version}`,
      device: 'cpu',
      instructionSet: library.instructionSet,
      threads: library.threads,
      precisions: fastPrecisions(context),
    }),
    createParameters(network: Network): Parameters {
      const native = createNativeParameters(network);
      const parameters: Parameters = {
        specs: native.specs,
        statisticSpecs: native.statisticSpecs,
        values: new HostVector(native.values),
        gradients: new HostVector(native.gradients),
        statistics: new HostVector(native.statistics),
        follow: (source, keep) => {
          updates.follow(native, nativeOf(source), keep);
        },
        [Symbol.dispose]: () => {
          native[Symbol.dispose]();
        },
      };
      mine.set(parameters, native);
      return parameters;
    },
    compile(network: Network, parameters: Parameters, options: PlanOptions) {
      const native = nativeOf(parameters);
      requirePrecision(context, options.precision);
      return compileOneDnn(context, network, native, options, profile);
    },
    allocate(like): Vector {
      const length = typeof like === 'number' ? like : like.length;
      const block = allocateZeros(4 * Math.max(1, length));
      return new HostVector(floatView(block.address, length), () => {
        block[Symbol.dispose]();
      });
    },
    sumOfSquares: (vector, ranges) => sumOfSquares(hostData(vector), ranges),
    adam: (step: AdamStep) => {
      updates.adam(step);
    },
    sgd: (step: SgdStep) => {
      updates.sgd(step);
    },
    // Calls return when their kernels have.
    synchronize: () => undefined,
    [Symbol.dispose]: () => {
      using _context = context;
      updates[Symbol.dispose]();
    },
  };
}
