/**
 * Finding oneDNN 2.x on this machine and declaring its C functions. Every status becomes an exception in one place
 * (`check`). Nothing is loaded before the OpenMP environment is set and the library is pinned in memory: koffi
 * unloads libraries at exit while OpenMP threads still run in them, which ends the process with a segmentation fault.
 */
import koffi, { type LibraryHandle } from 'koffi';
import { availableParallelism } from 'node:os';
import { messageOf, UsclError } from '../../../base/errors.ts';
import { CPU_ISA } from './constants.ts';
import { NULL, systemLibrary, type Address } from './memory.ts';
import {
  allowedProcessors,
  askForProcessors,
  boundProcessors,
  freeProcessors,
  type Processors,
} from './processors.ts';
import { heldSignals, type Signals } from './signals.ts';

// P = uintptr_t. One line a function: C name, result, parameters. Operations take the place of their descriptor first, then
// propagation, algorithm, layouts (source, weights, bias, destination; of gradients where it goes back) and windows.
const SIGNATURES = {
  engineCreate: ['dnnl_engine_create', 'int', 'P, int, size_t'],
  engineDestroy: ['dnnl_engine_destroy', 'int', 'P'],
  streamCreate: ['dnnl_stream_create', 'int', 'P, P, uint'],
  streamWait: ['dnnl_stream_wait', 'int', 'P'],
  streamDestroy: ['dnnl_stream_destroy', 'int', 'P'],
  memoryDescInitByTag: ['dnnl_memory_desc_init_by_tag', 'int', 'P, int, P, int, int'],
  memoryDescInitSubmemory: ['dnnl_memory_desc_init_submemory', 'int', 'P, P, P, P'],
  memoryDescGetSize: ['dnnl_memory_desc_get_size', 'size_t', 'P'],
  memoryDescEqual: ['dnnl_memory_desc_equal', 'int', 'P, P'],
  memoryCreate: ['dnnl_memory_create', 'int', 'P, P, P, P'],
  memorySetData: ['dnnl_memory_set_data_handle', 'int', 'P, P'],
  memoryDestroy: ['dnnl_memory_destroy', 'int', 'P'],
  convForward: ['dnnl_convolution_forward_desc_init', 'int', 'P, int, int, P, P, P, P, P, P, P'],
  convBackwardData: ['dnnl_convolution_backward_data_desc_init', 'int', 'P, int, P, P, P, P, P, P'],
  convBackwardWeights: ['dnnl_convolution_backward_weights_desc_init', 'int', 'P, int, P, P, P, P, P, P, P'],
  normForward: ['dnnl_batch_normalization_forward_desc_init', 'int', 'P, int, P, float, uint'],
  normBackward: ['dnnl_batch_normalization_backward_desc_init', 'int', 'P, int, P, P, float, uint'],
  poolForward: ['dnnl_pooling_forward_desc_init', 'int', 'P, int, int, P, P, P, P, P, P'],
  poolBackward: ['dnnl_pooling_backward_desc_init', 'int', 'P, int, P, P, P, P, P, P'],
  eltwiseForward: ['dnnl_eltwise_forward_desc_init', 'int', 'P, int, int, P, float, float'],
  eltwiseBackward: ['dnnl_eltwise_backward_desc_init', 'int', 'P, int, P, P, float, float'],
  binary: ['dnnl_binary_desc_init', 'int', 'P, int, P, P, P'],
  linearForward: ['dnnl_inner_product_forward_desc_init', 'int', 'P, int, P, P, P, P'],
  linearBackwardData: ['dnnl_inner_product_backward_data_desc_init', 'int', 'P, P, P, P'],
  linearBackwardWeights: ['dnnl_inner_product_backward_weights_desc_init', 'int', 'P, P, P, P, P'],
  attrCreate: ['dnnl_primitive_attr_create', 'int', 'P'],
  attrDestroy: ['dnnl_primitive_attr_destroy', 'int', 'P'],
  attrSetScratchpadMode: ['dnnl_primitive_attr_set_scratchpad_mode', 'int', 'P, int'],
  attrSetPostOps: ['dnnl_primitive_attr_set_post_ops', 'int', 'P, P'],
  postOpsCreate: ['dnnl_post_ops_create', 'int', 'P'],
  postOpsDestroy: ['dnnl_post_ops_destroy', 'int', 'P'],
  postOpsAppendSum: ['dnnl_post_ops_append_sum', 'int', 'P, float'],
  postOpsAppendEltwise: ['dnnl_post_ops_append_eltwise', 'int', 'P, float, int, float, float'],
  postOpsAppendBinary: ['dnnl_post_ops_append_binary', 'int', 'P, int, P'],
  reorderDescCreate: ['dnnl_reorder_primitive_desc_create', 'int', 'P, P, P, P, P, P'],
  primitiveDescCreate: ['dnnl_primitive_desc_create', 'int', 'P, P, P, P, P'],
  primitiveDescDestroy: ['dnnl_primitive_desc_destroy', 'int', 'P'],
  primitiveDescQueryMemory: ['dnnl_primitive_desc_query_md', 'P', 'P, int, int'],
  primitiveDescQuery: ['dnnl_primitive_desc_query', 'int', 'P, int, int, P'],
  primitiveCreate: ['dnnl_primitive_create', 'int', 'P, P'],
  primitiveDestroy: ['dnnl_primitive_destroy', 'int', 'P'],
  primitiveExecute: ['dnnl_primitive_execute', 'int', 'P, P, int, P'],
  setPrimitiveCacheCapacity: ['dnnl_set_primitive_cache_capacity', 'int', 'int'],
} as const;

/** The types of C as numbers: what is a handle, a pointer or an out-pointer is an address. */
type Native<Type extends string> = Type extends 'P' ? Address : number;
type NativeList<Types extends string> = Types extends `${infer First}, ${infer Rest}`
  ? [Native<First>, ...NativeList<Rest>]
  : [Native<Types>];
type Signatures = typeof SIGNATURES;

/** The functions of dnnl.h that the engine calls, as they are declared. */
export type Functions = {
  readonly [Name in keyof Signatures]: (
    ...args: NativeList<Signatures[Name][2]>
  ) => Native<Signatures[Name][1]>;
};

export interface Library {
  readonly functions: Functions;
  /** What was opened: the file's name or the path in USCL_DNNL. */
  readonly path: string;
  readonly version: string;
  readonly instructionSet: string;
  readonly threads: number;
  readonly processors: Processors;
  readonly signals: Signals;
}

/** oneDNN 2.x as Debian 12 and Ubuntu 22.04 ship it; the variable `USCL_DNNL` names another file. */
const CANDIDATES = ['libdnnl.so.2', 'libdnnl.2.dylib'] as const;
const INSTALL =
  'Install oneDNN 2.x (Debian 12, Ubuntu 22.04: "apt-get install libdnnl2") and run "npx uscl doctor".';

let loaded: Library | undefined;

/** Loads oneDNN once per process. Throws `ONEDNN_MISSING` or `ONEDNN_VERSION`. */
export function loadLibrary(threads?: number): Library {
  if (loaded !== undefined) {
    if (threads !== undefined && threads !== loaded.threads)
      throw new UsclError({
        kind: 'usage',
        code: 'THREADS_FIXED',
        message: `oneDNN already runs with ${loaded.threads} threads in this process; it cannot change to ${threads}.`,
        remedy: 'Choose the number of threads before the first backend is opened.',
      });
    return loaded;
  }
  const count = threads ?? availableParallelism();
  setOpenMp(count);
  const asked = askForProcessors(count);
  const allowed = asked ? allowedProcessors() : null;
  const path = pinLibrary();
  const native = koffi.load(path);
  const processors = allowed === null ? freeProcessors() : boundProcessors(native, allowed, count);
  const version = readVersion(native, path);
  const isa = (native.func('int dnnl_get_effective_cpu_isa()') as () => number)();
  loaded = {
    functions: declare(native),
    path,
    version,
    instructionSet: CPU_ISA[isa] ?? `unknown (0x${isa.toString(16)})`,
    threads: count,
    processors,
    signals: heldSignals(),
  };
  // Plans own their primitives; a cache beside them would only keep dead ones alive.
  check(loaded.functions.setPrimitiveCacheCapacity(0), 'dnnl_set_primitive_cache_capacity');
  return loaded;
}

/** OpenMP reads these once, when its library loads: later is too late. What the user set is kept. */
function setOpenMp(threads: number): void {
  process.env['OMP_NUM_THREADS'] = String(threads);
  // Idle threads must sleep soon. One that spins uses up its share of a processor while it does nothing, and then waits
  // behind every other busy program: See docs/engine.md, "Other busy processes".
  process.env['OMP_WAIT_POLICY'] ??= 'passive';
  process.env['GOMP_SPINCOUNT'] ??= '1000';
}

/** Opens the first candidate with RTLD_NOW | RTLD_NODELETE and returns its name. */
function pinLibrary(): string {
  const asked = process.env['USCL_DNNL'];
  const RTLD_NOW_NODELETE = process.platform === 'darwin' ? 0x82 : 0x1002;
  const candidates = asked === undefined || asked === '' ? CANDIDATES : [asked];
  for (const path of candidates) if (systemLibrary().dlopen(path, RTLD_NOW_NODELETE) !== NULL) return path;
  throw new UsclError({
    kind: 'resource',
    code: 'ONEDNN_MISSING',
    message: `oneDNN was not found: ${candidates.join(', ')} cannot be opened.`,
    where: asked === undefined || asked === '' ? 'system libraries' : 'environment variable USCL_DNNL',
    remedy: INSTALL,
  });
}

function readVersion(native: LibraryHandle, path: string): string {
  let address: Address;
  try {
    address = (native.func('uintptr_t dnnl_version()') as () => Address)();
  } catch (cause) {
    throw new UsclError({
      kind: 'resource',
      code: 'ONEDNN_VERSION',
      message: `${path} is not oneDNN: ${messageOf(cause)}`,
      where: path,
      remedy: INSTALL,
      cause,
    });
  }
  const [major = 0, minor = 0, patch = 0] = new Int32Array(koffi.view(address, 12));
  const version = `${major}.${minor}.${patch}`;
  if (major !== 2 || minor < 6)
    throw new UsclError({
      kind: 'resource',
      code: 'ONEDNN_VERSION',
      message: `${path} is oneDNN ${version}; this release drives 2.6 and later 2.x.`,
      where: path,
      remedy: INSTALL,
    });
  return version;
}

function declare(native: LibraryHandle): Functions {
  const entries = Object.entries(SIGNATURES).map(([key, [name, result, parameters]]) => {
    const types = (text: string): string => text.replaceAll('P', 'uintptr_t');
    return [key, native.func(`${types(result)} ${name}(${types(parameters)})`)];
  });
  return Object.fromEntries(entries) as Functions;
}

/** The status of an operation that the library has no kernel for. */
export const UNIMPLEMENTED = 3;

const STATUS: Readonly<Record<number, string>> = {
  1: 'out of memory',
  2: 'invalid arguments',
  [UNIMPLEMENTED]: 'not implemented for these shapes',
  4: 'no more implementations',
  5: 'run-time error',
  6: 'not required',
};

/** Turns a status that is not success into an exception that names the call. */
export function check(status: number, call: string): void {
  if (status !== 0) throw failure(status, call);
}

export function failure(status: number, call: string): UsclError {
  return new UsclError({
    kind: 'resource',
    code: status === 1 ? 'OUT_OF_MEMORY' : 'ONEDNN_FAILED',
    message: `oneDNN: ${STATUS[status] ?? `status ${status}`} in ${call}.`,
    where: call,
    remedy:
      status === 1
        ? 'Use a smaller batch (batch.size), a smaller image size (view.size) or precision bf16.'
        : 'Run "npx uscl doctor"; if oneDNN is fine there, this network does not suit it: try the reference backend.',
  });
}
