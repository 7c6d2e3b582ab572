/**
 * The folds of a probe, each worked on by itself, in this thread or in several. The answers are in the order of the
 * jobs and the same with any number of threads.
 */
import { setImmediate } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';
import { UsclError } from '../base/errors.ts';
import { fromPortable, type PortableError, startThread } from '../base/thread.ts';
import { type FoldJob, type FoldPrediction, type FoldWork, predictFold } from './fold-predictions.ts';

export type { FoldJob, FoldWork } from './fold-predictions.ts';

/** What a thread is started with; the features are shared by all of them. */
export interface FoldStart extends Omit<FoldWork, 'features'> {
  readonly features: SharedArrayBuffer;
}

export interface FoldOrder {
  readonly index: number;
  readonly job: FoldJob;
}

export type FoldAnswer =
  | { readonly index: number; readonly prediction: FoldPrediction }
  | { readonly index: number; readonly error: PortableError };

/** Numbers that a thread has to go through to be worth its start: below, it would take longer than its work. */
const WORTH_A_THREAD = 2_000_000;

/**
 * Predicts every job. `onProgress` hears how many are done.
 * Errors: of the first job that has one, `PROBE_THREAD_LOST` when a thread dies; the signal's reason when aborted.
 */
export async function predictFolds(
  work: FoldWork,
  jobs: readonly FoldJob[],
  options: {
    readonly threads: number;
    readonly signal: AbortSignal | undefined;
    readonly onProgress: (done: number) => void;
  },
): Promise<readonly FoldPrediction[]> {
  const { signal, onProgress } = options;
  const worth = Math.floor((jobs.length * work.features.length) / WORTH_A_THREAD);
  const threads = Math.min(options.threads, jobs.length, worth);
  if (threads > 1) return await inThreads(work, jobs, threads, signal, onProgress);
  const predictions: FoldPrediction[] = [];
  for (const job of jobs) {
    signal?.throwIfAborted();
    predictions.push(predictFold(work, job));
    onProgress(predictions.length);
    // Lets a signal or a timer of the caller be heard between folds.
    await setImmediate();
  }
  return predictions;
}

async function inThreads(
  work: FoldWork,
  jobs: readonly FoldJob[],
  threads: number,
  signal: AbortSignal | undefined,
  onProgress: (done: number) => void,
): Promise<readonly FoldPrediction[]> {
  signal?.throwIfAborted();
  const features = new SharedArrayBuffer(work.features.byteLength);
  new Float32Array(features).set(work.features);
  const start: FoldStart = { ...work, features };
  const workers = Array.from({ length: threads }, () =>
    startThread(import.meta.url, './fold-worker', 'uscl-probe', start),
  );
  const predictions = new Map<number, FoldPrediction>();
  const errors = new Map<number, PortableError>();
  let next = 0;
  /** Works until nothing is left. Jobs are begun in their order, so the first that fails is always met. */
  const employ = async (worker: Worker): Promise<void> => {
    while (next < jobs.length && errors.size === 0) {
      const index = next++;
      const answer = await ask(worker, { index, job: jobs[index]! }, signal);
      if ('error' in answer) errors.set(index, answer.error);
      else {
        predictions.set(index, answer.prediction);
        onProgress(predictions.size);
      }
    }
  };
  try {
    await Promise.all(workers.map(employ));
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
  if (errors.size > 0) throw fromPortable(errors.get(Math.min(...errors.keys()))!);
  return jobs.map((_, index) => predictions.get(index)!);
}

function ask(worker: Worker, order: FoldOrder, signal: AbortSignal | undefined): Promise<FoldAnswer> {
  return new Promise((resolve, reject) => {
    const done = (): void => {
      worker.off('message', answered).off('error', lost).off('exit', exited);
      signal?.removeEventListener('abort', aborted);
    };
    const answered = (answer: FoldAnswer): void => {
      done();
      resolve(answer);
    };
    const lost = (thrown: unknown): void => {
      done();
      reject(threadLost(thrown instanceof Error ? thrown.message : String(thrown), thrown));
    };
    const exited = (code: number): void => {
      lost(`it exited with code ${code}`);
    };
    const aborted = (): void => {
      done();
      reject(signal?.reason instanceof Error ? signal.reason : new Error(String(signal?.reason)));
    };
    worker.on('message', answered).on('error', lost).on('exit', exited);
    signal?.addEventListener('abort', aborted);
    if (signal?.aborted === true) aborted();
    else worker.postMessage(order);
  });
}

function threadLost(reason: string, cause: unknown): UsclError {
  return new UsclError({
    kind: 'resource',
    code: 'PROBE_THREAD_LOST',
    message: `A thread of the probe stopped: ${reason}.`,
    remedy: 'Out of memory is the usual cause: embed fewer frames a clip, or give the program more memory.',
    cause,
  });
}
