/**
 * Loading libtorch once per process: the search, OpenMP's environment before it, the binding, derivatives off (backward operators
 * are called as such). The libraries are kept in memory to the end, as oneDNN is: threads of theirs run until then.
 */
import type { LibraryHandle } from 'koffi';
import { join } from 'node:path';
import { messageOf, UsclError } from '../../../base/errors.ts';
import { loadForeign } from '../../native/foreign.ts';
import { NULL, systemLibrary } from '../../native/memory.ts';
import { fixThreads, prepareThreads } from '../../native/openmp.ts';
import { bindCommon, bindExtras, type Extras, type Functions } from './binding.ts';
import { thisMachine } from './machine.ts';
import {
  failureOf,
  fileNameOf,
  hasLibrary,
  INSTALL,
  isSupported,
  searchTorch,
  versionFailure,
  type SearchedTorch,
} from './search.ts';

export interface Library {
  readonly functions: Functions;
  readonly extras: Extras;
  /** The folder of the libraries. */
  readonly folder: string;
  readonly version: string;
  readonly threads: number;
  /** Whether the folder has a library, as `torch_cuda`. */
  has(library: string): boolean;
  /** Loads a library of the folder and keeps it. Error: `TORCH_MISSING` with the system's reason. */
  load(library: string): LibraryHandle;
}

let loaded: Library | undefined;
let looked: readonly SearchedTorch[] = [];

/** Where PyTorch was looked for in this process, in order; nothing before the first search. */
export function searchedTorch(): readonly SearchedTorch[] {
  return looked;
}

/** The folder that would be taken, or undefined; loads nothing. */
export function findTorch(): ReturnType<typeof searchTorch>['taken'] {
  const { searched, taken } = searchTorch(thisMachine());
  looked = searched;
  return taken;
}

/** Loads libtorch once per process. Throws `TORCH_MISSING`, `TORCH_VERSION` or `THREADS_FIXED`. */
export function loadTorch(threads?: number): Library {
  const count = prepareThreads(threads);
  if (loaded !== undefined) return loaded;
  const taken = findTorch();
  if (taken === undefined) throw failureOf(looked);
  const { folder } = taken;
  if (process.platform === 'win32')
    for (const name of ['c10', 'torch_global_deps']) loadFrom(folder, name, true);
  const native = loadFrom(folder, 'torch_cpu', false);
  const version = versionOf(native, taken.version);
  if (!isSupported(version)) throw versionFailure(version, folder);
  const extras = bindExtras(native);
  const functions = bindCommon(native);
  // OpenMP's own number was read when it loaded, perhaps by another library before this one.
  extras.setThreads?.(count);
  functions.setGradMode(0);
  loaded = {
    functions,
    extras,
    folder,
    version,
    threads: count,
    has: (library) => hasLibrary(thisMachine(), folder, library),
    load: (library) => loadFrom(folder, library, false),
  };
  fixThreads('PyTorch', count);
  return loaded;
}

/** The package's own words where they are there; else the number of the interface, which every library tells. */
function versionOf(native: LibraryHandle, told: string | null): string {
  let ask: () => number | bigint;
  try {
    ask = native.func('uint64_t aoti_torch_abi_version()') as typeof ask;
  } catch {
    return told ?? 'of an unknown version, without a stable interface,';
  }
  const packed = BigInt(ask());
  return told ?? [56n, 48n, 40n].map((shift) => Number((packed >> shift) & 0xffn)).join('.');
}

const RTLD_KEPT = process.platform === 'darwin' ? 0x82 : 0x1002;

function loadFrom(folder: string, library: string, isOptional: boolean): LibraryHandle {
  const file = join(folder, fileNameOf(process.platform, library));
  try {
    if (process.platform !== 'win32') {
      const { dlopen, dlerror } = systemLibrary();
      if (dlopen(file, RTLD_KEPT) === NULL) throw new Error(dlerror() ?? 'no reason given');
    }
    return loadForeign(file);
  } catch (thrown) {
    if (isOptional) return loadForeign(null);
    throw new UsclError({
      kind: 'resource',
      code: 'TORCH_MISSING',
      message: `${file} cannot be loaded: ${messageOf(thrown)}.`,
      where: folder,
      remedy: INSTALL,
    });
  }
}
