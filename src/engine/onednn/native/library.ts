/**
 * Loading oneDNN once per process: the search, the OpenMP environment before it, and the binding for the major that was
 * found. The library is kept in memory to the end: koffi unloads libraries at exit while OpenMP threads still run in
 * them, which ends the process with a segmentation fault.
 */
import type { LibraryHandle } from 'koffi';
import { loadForeign } from '../../native/foreign.ts';
import { loadedFiles, openMpFailure } from '../../native/openmp-runtimes.ts';
import { fixThreads, mayHaveOpenMp, prepareThreads } from '../../native/openmp.ts';
import { askForProcessors, type Processors } from '../../native/processors.ts';
import type { Binding } from './binding.ts';
import { bind2 } from './binding2.ts';
import { bind3 } from './binding3.ts';
import { nameOfIsa, thisProcessor, type Instructions } from './instructions.ts';
import { keep, lookAt } from './loader.ts';
import { candidatesOf, failureOf, search, thisMachine, type Major, type Searched } from './search.ts';
import { heldSignals, type Signals } from './signals.ts';
import { check } from './status.ts';

export interface Library {
  readonly binding: Binding;
  /** The file that was loaded. */
  readonly path: string;
  readonly version: string;
  /** The name of the instructions it uses. */
  readonly instructionSet: string;
  readonly instructions: Instructions;
  readonly threads: number;
  readonly processors: Processors;
  readonly signals: Signals;
}

const BINDINGS: Readonly<Record<Major, (native: LibraryHandle) => Binding>> = { 2: bind2, 3: bind3 };

let loaded: Library | undefined;
let looked: readonly Searched[] = [];

/** Where oneDNN was looked for in this process, in order; nothing before the first load. */
export function searchedLibraries(): readonly Searched[] {
  return looked;
}

/** Loads oneDNN once per process. Throws `ONEDNN_MISSING`, `ONEDNN_VERSION`, `THREADS_FIXED` or `OPENMP_TWICE`. */
export function loadLibrary(threads?: number): Library {
  const hasCompany = mayHaveOpenMp();
  const count = prepareThreads(threads);
  if (loaded !== undefined) return loaded;
  const placed = askForProcessors(count);
  const { searched, taken } = search(candidatesOf(thisMachine()), lookAt);
  looked = searched;
  if (taken === undefined) throw failureOf(searched);
  keep(taken.path);
  const failure = hasCompany ? openMpFailure(loadedFiles()) : null;
  if (failure !== null) throw failure;
  const native = loadForeign(taken.path);
  const processors = placed(native);
  const binding = BINDINGS[taken.version[0] as Major](native);
  const instructions = { ...thisProcessor(), isa: binding.functions.effectiveIsa() };
  loaded = {
    binding,
    path: taken.path,
    version: taken.version.join('.'),
    instructionSet: nameOfIsa(instructions, binding.numbers.x86),
    instructions,
    threads: count,
    processors,
    signals: heldSignals(),
  };
  fixThreads('oneDNN', count);
  // Plans own their primitives; a cache beside them would only keep dead ones alive.
  check(binding.functions.setPrimitiveCacheCapacity(0), 'dnnl_set_primitive_cache_capacity');
  return loaded;
}
