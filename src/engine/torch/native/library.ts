/**
 * libtorch once per process: the search, OpenMP's environment, loading. The libraries are kept in memory to the end, as oneDNN is: threads
 * of theirs run until then. Derivatives are off: backward operators are called as such.
 */
import { keepFreedMemory } from '../../native/heap.ts';
import { fixThreads, prepareThreads } from '../../native/openmp.ts';
import { askForProcessors, type Processors } from '../../native/processors.ts';
import { type Library, loadLibraries, thisSystem } from './loading.ts';
import { thisMachine } from './machine.ts';
import { failureOf, searchTorch, type SearchedTorch } from './search.ts';

export type { Library } from './loading.ts';

let loaded: LoadedTorch | undefined;
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

/** libtorch in this process. */
export interface LoadedTorch extends Library {
  /** For what the processor computes. */
  readonly processors: Processors;
}

/** Loads libtorch once per process. Throws `TORCH_MISSING`, `TORCH_VERSION`, `THREADS_FIXED` or `OPENMP_TWICE`. */
export function loadTorch(threads?: number): LoadedTorch {
  const count = prepareThreads(threads);
  if (loaded !== undefined) return loaded;
  const taken = findTorch();
  if (taken === undefined) throw failureOf(looked);
  const placed = askForProcessors(count);
  const library = loadLibraries(thisSystem(), taken, count);
  loaded = { ...library, processors: placed(library.load('torch_cpu')) };
  fixThreads('PyTorch', count);
  keepFreedMemory();
  return loaded;
}
