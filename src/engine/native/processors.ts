/**
 * A processor for each thread of the kernels, where there are as many threads as processors. Beside another busy process
 * a thread that sleeps between kernels otherwise wakes on the processor that is taken, and every kernel waits there for up to
 * a time slice: a step then keeps a quarter of its speed, where it could keep half (docs/engine.md, "Other busy processes").
 *
 * OpenMP binds its own threads. The thread of the program is bound only while kernels run: what it starts in between (loaders,
 * ffmpeg) may use every processor. Linux alone; elsewhere, and where the user binds threads, nothing is done.
 */
import { availableParallelism } from 'node:os';
import type { LibraryHandle } from 'koffi';
import { allocateBlock, byteView, systemLibrary, type Block } from './memory.ts';

/** Holds the calling thread on its processor while work runs. */
export interface Processors {
  bind(): void;
  release(): void;
}

const NOWHERE: Processors = { bind: () => undefined, release: () => undefined };

/** Bits of a mask: more than any machine has. */
const MASK_BYTES = 1024;

/** What a user may have said of the threads' places. */
const CHOSEN = ['OMP_PROC_BIND', 'OMP_PLACES', 'GOMP_CPU_AFFINITY', 'KMP_AFFINITY'] as const;

/**
 * Asks OpenMP to bind its threads, which it reads once, when its library loads: before a library of kernels is loaded. What comes back
 * is for the library afterwards; an OpenMP that was loaded earlier and has not heard binds nothing.
 */
export function askForProcessors(threads: number): (library: LibraryHandle) => Processors {
  const isOurs = CHOSEN.every((name) => process.env[name] === undefined);
  if (process.platform !== 'linux' || !isOurs || threads < 2 || threads !== availableParallelism())
    return freeProcessors;
  process.env['OMP_PROC_BIND'] = 'true';
  const allowed = allowedProcessors();
  return (library) => boundProcessors(library, allowed, threads);
}

/** Many kernels one after the other, each thread on its processor meanwhile. */
export function onProcessors(processors: Processors, kernels: () => void): void {
  processors.bind();
  try {
    kernels();
  } finally {
    processors.release();
  }
}

/** Nothing is bound. */
export function freeProcessors(): Processors {
  return NOWHERE;
}

/** `allowed` are the processors that this thread had before. */
function boundProcessors(library: LibraryHandle, allowed: Block, threads: number): Processors {
  const { schedSetAffinity } = systemLibrary();
  // It was read; a program that this one starts has threads of its own.
  delete process.env['OMP_PROC_BIND'];
  const release = (): void => {
    schedSetAffinity(0, MASK_BYTES, allowed.address);
  };
  // Loading it has bound this thread.
  release();
  if (!isBound(library, threads)) return NOWHERE;
  const first = allocateBlock(MASK_BYTES);
  firstOf(byteView(allowed.address, MASK_BYTES), byteView(first.address, MASK_BYTES));
  return {
    bind: () => {
      schedSetAffinity(0, MASK_BYTES, first.address);
    },
    release,
  };
}

/** The processors that this thread may use, as the system's mask. */
function allowedProcessors(): Block {
  const mask = allocateBlock(MASK_BYTES);
  byteView(mask.address, MASK_BYTES).fill(0);
  systemLibrary().schedGetAffinity(0, MASK_BYTES, mask.address);
  return mask;
}

function isBound(library: LibraryHandle, threads: number): boolean {
  try {
    const binding = library.func('int omp_get_proc_bind()') as () => number;
    const places = library.func('int omp_get_num_places()') as () => number;
    return binding() !== 0 && places() === threads;
  } catch {
    // A library that was built with other threads than OpenMP's.
    return false;
  }
}

/** Copies the lowest bit of a mask: the place of OpenMP's first thread. */
function firstOf(from: Uint8Array, to: Uint8Array): void {
  to.fill(0);
  const at = from.findIndex((byte) => byte !== 0);
  if (at !== -1) to[at] = from[at]! & -from[at]!;
}
