/**
 * The functions of NCCL that are called, and its numbers (`nccl.h` of 2.30; the same since 2.4). Each returns a status.
 * A communicator and a stream are addresses; numbers lie in the memory of a GPU.
 */
import koffi, { type TypeObject } from 'koffi';
import { loadForeign } from '../../native/foreign.ts';
import { type Address, NULL, systemLibrary } from '../../native/memory.ts';

/** `ncclFloat32`, `ncclSum`. */
export const FLOAT32 = 7;
export const SUM = 0;
/** `NCCL_UNIQUE_ID_BYTES`. */
export const ID_BYTES = 128;

/** Statuses by their numbers; 0 is success. */
export const STATUSES: readonly string[] = [
  'ncclSuccess',
  'ncclUnhandledCudaError',
  'ncclSystemError',
  'ncclInternalError',
  'ncclInvalidArgument',
  'ncclInvalidUsage',
  'ncclRemoteError',
  'ncclInProgress',
  'ncclTimeout',
];

export interface Functions {
  readonly version: (version: Int32Array) => number;
  readonly uniqueId: (id: Uint8Array) => number;
  /** Takes the id by value. Writes the communicator's address. */
  readonly initRank: (
    communicator: BigUint64Array,
    size: number,
    id: { readonly internal: Uint8Array },
    rank: number,
  ) => number;
  readonly allReduce: (
    from: Address,
    to: Address,
    count: number,
    type: number,
    operation: number,
    communicator: Address,
    stream: Address,
  ) => number;
  readonly asyncError: (communicator: Address, status: Int32Array) => number;
  readonly abort: (communicator: Address) => number;
  /** The words of the last failure of this process. */
  readonly lastError: (communicator: Address) => string | null;
}

const RTLD_KEPT = 0x1002;

/** Loads NCCL for good; null where the file cannot be loaded, or is another library. PyTorch's own, where that is loaded. */
export function loadNccl(file: string): Functions | null {
  const { dlopen, dlsym } = systemLibrary();
  const handle = dlopen(file, RTLD_KEPT);
  if (handle === NULL || dlsym(handle, 'ncclCommInitRank') === NULL) return null;
  const native = loadForeign(file);
  const id = koffi.struct({ internal: koffi.array('uint8_t', ID_BYTES, 'Typed') });
  const bind = (name: string, parameters: readonly (string | TypeObject)[], result = 'int'): never =>
    native.func(name, result, [...parameters]) as never;
  const address = 'uintptr_t';
  return {
    version: bind('ncclGetVersion', ['_Out_ int *']),
    uniqueId: bind('ncclGetUniqueId', ['_Out_ uint8_t *']),
    initRank: bind('ncclCommInitRank', ['_Out_ uint64_t *', 'int', id, 'int']),
    allReduce: bind('ncclAllReduce', [address, address, 'size_t', 'int', 'int', address, address]),
    asyncError: bind('ncclCommGetAsyncError', [address, '_Out_ int *']),
    abort: bind('ncclCommAbort', [address]),
    lastError: bind('ncclGetLastError', [address], 'const char *'),
  };
}
