/**
 * Loading libtorch on each system: which files, in which order, by which call, and what is asked of them before the first kernel. What the
 * system itself does is given, so that tests load on systems that they do not run on.
 */
import type { LibraryHandle } from 'koffi';
import { messageOf, UsclError } from '../../../base/errors.ts';
import { loadForeign } from '../../native/foreign.ts';
import { NULL, systemLibrary } from '../../native/memory.ts';
import { loadedFiles, openMpAmong, openMpFailure } from '../../native/openmp-runtimes.ts';
import { bindCommon, bindExtras, type Extras, type Functions } from './binding.ts';
import { thisMachine } from './machine.ts';
import {
  fileNameOf,
  hasLibrary,
  INSTALL,
  isSupported,
  pathsOf,
  versionFailure,
  type Machine,
  type TakenTorch,
} from './search.ts';

/** What loading hangs on: given in tests. */
export interface System extends Pick<Machine, 'platform' | 'exists'> {
  /** Keeps a file in memory to the end, with the flags of `dlopen`; the system's words where it cannot. Not called on Windows. */
  readonly keep: (file: string, flags: number) => string | null;
  /** Throws the system's reason. */
  readonly load: (file: string) => LibraryHandle;
  /** Files that the process has loaded. */
  readonly loaded: () => readonly string[];
}

export function thisSystem(): System {
  const { platform, exists } = thisMachine();
  return {
    ...{ platform, exists },
    keep: (file, flags) => {
      const { dlopen, dlerror } = systemLibrary();
      return dlopen(file, flags) === NULL ? (dlerror() ?? 'no reason given') : null;
    },
    load: loadForeign,
    loaded: loadedFiles,
  };
}

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

/** `RTLD_NOW | RTLD_NODELETE`. */
const KEPT = { darwin: 0x82, other: 0x1002 } as const;

/**
 * What torch_cpu.dll needs of its folder. Windows looks for what a library needs in the folders of the path before its own, where other
 * programs may have theirs; what is loaded already is taken before either.
 */
const BEFORE_ON_WINDOWS = ['libiomp5md', 'c10'] as const;

/** Names of OpenMP's runtimes as PyTorch's packages carry them. */
const OPENMP: Readonly<Record<'win32' | 'darwin' | 'other', readonly string[]>> = {
  win32: ['libiomp5md.dll'],
  darwin: ['libomp.dylib', 'libiomp5.dylib'],
  other: ['libgomp.so.1', 'libomp.so', 'libiomp5.so'],
};

/** Runtimes of OpenMP that this process has, and those that the libraries of a folder would bring. */
export interface OpenMpBeside {
  readonly loaded: readonly string[];
  readonly coming: readonly string[];
  /** `OPENMP_TWICE` where they cannot run together. */
  readonly failure: UsclError | null;
}

/** What would come of loading the libraries of a folder now. Linux takes a libgomp that is loaded for the one that comes. */
export function openMpBeside(
  { platform, exists, loaded }: Pick<System, 'platform' | 'exists' | 'loaded'>,
  folder: string,
): OpenMpBeside {
  const names = OPENMP[platform === 'win32' || platform === 'darwin' ? platform : 'other'];
  const files = names.map((name) => pathsOf(platform).join(folder, name)).filter(exists);
  const own = openMpAmong(files);
  const there = openMpAmong(files.length === 0 ? [] : loaded());
  return {
    loaded: [...there.llvm, ...there.gcc],
    coming: [...own.llvm, ...(there.gcc.length === 0 ? own.gcc : [])],
    failure: openMpFailure([...there.llvm, ...own.llvm]),
  };
}

/** Throws `TORCH_MISSING`, `TORCH_VERSION` or `OPENMP_TWICE`. OpenMP's environment is set before. */
export function loadLibraries(
  system: System,
  { folder, version: told }: TakenTorch,
  threads: number,
): Library {
  const { failure } = openMpBeside(system, folder);
  if (failure !== null) throw failure;
  if (system.platform === 'win32')
    for (const name of BEFORE_ON_WINDOWS)
      if (hasLibrary(system, folder, name)) loadFrom(system, folder, name);
  const native = loadFrom(system, folder, 'torch_cpu');
  const version = versionOf(native, told);
  if (!isSupported(version)) throw versionFailure(version, folder);
  const extras = bindExtras(native, system.platform);
  const functions = bindCommon(native);
  // OpenMP's own number was read when it loaded, perhaps by another library before this one.
  extras.setThreads?.(threads);
  functions.setGradMode(0);
  return {
    ...{ functions, extras, folder, version, threads },
    has: (library) => hasLibrary(system, folder, library),
    load: (library) => loadFrom(system, folder, library),
  };
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

function loadFrom(system: System, folder: string, library: string): LibraryHandle {
  const { platform } = system;
  const file = pathsOf(platform).join(folder, fileNameOf(platform, library));
  try {
    if (platform !== 'win32') {
      const failed = system.keep(file, platform === 'darwin' ? KEPT.darwin : KEPT.other);
      if (failed !== null) throw new Error(failed);
    }
    return system.load(file);
  } catch (thrown) {
    throw new UsclError({
      kind: 'resource',
      code: 'TORCH_MISSING',
      message: `${file} cannot be loaded: ${messageOf(thrown)}.`,
      where: folder,
      remedy:
        platform === 'win32'
          ? `PyTorch needs the Microsoft Visual C++ Redistributable (2015 to 2022). ${INSTALL}`
          : INSTALL,
    });
  }
}
