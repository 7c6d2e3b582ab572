/** An MPI library in this process: looking into files, loading one, and its functions. */
import koffi from 'koffi';
import { loadForeign } from '../../native/foreign.ts';
import { type Address, NULL, systemLibrary } from '../../native/memory.ts';
import { Scope } from '../../native/scope.ts';
import { type Constants, constantsOf } from './abi.ts';
import { abiOf, type Found, type Look } from './search.ts';

const RTLD_NOW = 2;
/** Open MPI's parts look for each other among global symbols; a library is kept until the process ends. */
const RTLD_SHARED = process.platform === 'darwin' ? 0x8a : 0x1102;

/**
 * Before any file of MPI is loaded. UCX, which many builds of MPI load, takes malloc over for the whole process to hear of memory that is
 * given back, and then two allocators move one heap: Node.js, whose threads allocate all the time, ends with a segmentation fault now and
 * then. Vectors here are summed by copies, which need no such news. What the user set is kept.
 */
function leaveMallocAlone(): void {
  process.env['UCX_MEM_EVENTS'] ??= 'no';
}

/**
 * Before any file of MPI is loaded. UCX ends a process that reads from one that was killed, and tells of it in thirty lines, a trace of
 * calls among them: they bury the one that says which process is gone. What the user set is kept.
 */
function leaveOutTraces(): void {
  process.env['UCX_HANDLE_ERRORS'] ??= 'none';
}

/** What a file is. It is loaded for that, and let go again. */
export function lookAt(file: string): Look {
  const { dlopen, dlclose, dlsym, dlerror } = systemLibrary();
  leaveMallocAlone();
  leaveOutTraces();
  const library = dlopen(file, RTLD_NOW);
  if (library === NULL) return { reason: reasonOf(dlerror(), file) };
  try {
    const abi = abiOf(file, (symbol) => dlsym(library, symbol) !== NULL);
    return abi === null ? { reason: 'it has no function MPI_Init_thread' } : { abi };
  } finally {
    dlclose(library);
  }
}

/** The system's own words, where the file is there and cannot be loaded. */
function reasonOf(error: string | null, file: string): string {
  return error === null || error.startsWith(`${file}: cannot open`) ? 'not there' : error;
}

/** The functions of MPI that are used. Each returns 0, or its errors end the job: that is MPI's default. */
export interface Functions {
  readonly initThread: (count: Address, words: Address, wanted: number, granted: Address) => number;
  readonly finalize: () => number;
  readonly abort: (world: number, code: number) => number;
  readonly commRank: (world: number, rank: Address) => number;
  readonly commSize: (world: number, size: Address) => number;
  readonly version: (text: Address, length: Address) => number;
  readonly allreduce: (
    from: bigint,
    to: Address,
    count: number,
    type: number,
    operation: number,
    world: number,
  ) => number;
  readonly allgather: (
    from: Address,
    count: number,
    type: number,
    to: Address,
    countEach: number,
    typeEach: number,
    world: number,
  ) => number;
}

/** Loads a library that `lookAt` has seen, for good. Handles travel as addresses, which an int fits into. */
export function load({ abi, file }: Found): { readonly functions: Functions; readonly constants: Constants } {
  const { dlopen, dlsym } = systemLibrary();
  leaveMallocAlone();
  leaveOutTraces();
  const handle = dlopen(file, RTLD_SHARED);
  const native = loadForeign(file);
  const bind = (declaration: string): never => native.func(declaration) as never;
  const functions: Functions = {
    initThread: bind('int MPI_Init_thread(uintptr_t, uintptr_t, int, uintptr_t)'),
    finalize: bind('int MPI_Finalize()'),
    abort: bind('int MPI_Abort(uintptr_t, int)'),
    commRank: bind('int MPI_Comm_rank(uintptr_t, uintptr_t)'),
    commSize: bind('int MPI_Comm_size(uintptr_t, uintptr_t)'),
    version: bind('int MPI_Get_library_version(uintptr_t, uintptr_t)'),
    allreduce: bind('int MPI_Allreduce(uintptr_t, uintptr_t, int, uintptr_t, uintptr_t, uintptr_t)'),
    allgather: bind('int MPI_Allgather(uintptr_t, int, uintptr_t, uintptr_t, int, uintptr_t, uintptr_t)'),
  };
  return { functions, constants: constantsOf(abi, (name) => dlsym(handle, name)) };
}

/** `MPICH 4.0.2`, `Open MPI v4.1.4`: the first line of what a library says of itself. Before it is begun too. */
export function nameOf({ version }: Pick<Functions, 'version'>): string {
  using scope = new Scope();
  const [text, length] = [scope.zeros(VERSION_BYTES).address, scope.zeros(64).address];
  version(text, length);
  const said = (koffi.decode(text, 'char', VERSION_BYTES - 1) as string).replace(/\0[\s\S]*$/, '');
  return said
    .split(/[\n,]/)[0]!
    .replace(/^MPICH Version:\s*/, 'MPICH ')
    .trim();
}

/** More than `MPI_MAX_LIBRARY_VERSION_STRING` of any library: 256, 8192. */
const VERSION_BYTES = 16384;
