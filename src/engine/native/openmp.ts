/**
 * OpenMP's threads. Their environment is read once, when OpenMP's library loads: later is too late. Libraries of kernels share that library,
 * and one number of threads is fixed for all of them when the first one runs. What the user set is kept.
 */
import { availableParallelism } from 'node:os';
import { UsclError } from '../../base/errors.ts';

let running: { readonly library: string; readonly threads: number } | undefined;
let isPrepared = false;

/** Whether a library was prepared before: it may have loaded an OpenMP of its own, even where it failed afterwards. */
export function mayHaveOpenMp(): boolean {
  return isPrepared;
}

/**
 * The number of threads that a library is to run with, which OpenMP is told: the one that was asked for, else that of a library
 * that runs, else the processors of this process. Error: `THREADS_FIXED` where a library runs with another number.
 */
export function prepareThreads(asked: number | undefined): number {
  if (running !== undefined && asked !== undefined && asked !== running.threads)
    throw new UsclError({
      kind: 'usage',
      code: 'THREADS_FIXED',
      message: `${running.library} already runs with ${running.threads} threads in this process; it cannot change to ${asked}.`,
      remedy: 'Choose the number of threads before the first backend is opened.',
    });
  isPrepared = true;
  const threads = asked ?? running?.threads ?? availableParallelism();
  process.env['OMP_NUM_THREADS'] = String(threads);
  // Idle threads must sleep soon. One that spins uses up its share of a processor while it does nothing, and then waits
  // behind every other busy program: See docs/engine.md, "Other busy processes".
  process.env['OMP_WAIT_POLICY'] ??= 'passive';
  process.env['GOMP_SPINCOUNT'] ??= '1000';
  return threads;
}

/** A library has loaded and runs with so many threads, as they were prepared, until the process ends. */
export function fixThreads(library: string, threads: number): void {
  running ??= { library, threads };
}
