/**
 * The folds of a probe, each worked on by itself, in this thread or in several. What is said of a fold is a function of
 * its job, so the answers are the same with any number of threads; they come in the order of the jobs.
 */
import { once } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';
import { messageOf, UsclError } from '../../base/errors.ts';
import { fromPortable, type PortableError, startThread } from '../../base/thread.ts';
import { knnProbabilities } from './knn.ts';
import { fitLogisticRegression, predictLogistic } from './logistic.ts';
import { takeRows } from '../features/matrix.ts';
import type { ProbeSettings } from './probe-result.ts';

/** Fold of a clip that is learnt from and never tested. */
export const TRAIN_ONLY = -1;
/** Fold of a clip that is neither learnt from nor tested. */
export const LEFT_OUT = -2;

/** What is the same for all folds of a probe. */
export interface FoldWork {
  readonly dim: number;
  /** [rows, dim]. */
  readonly features: Float32Array;
  /** Rows of each labelled clip. */
  readonly rows: readonly (readonly number[])[];
  /** Class index of each labelled clip. */
  readonly labels: readonly number[];
  readonly classes: number;
  readonly settings: ProbeSettings;
}

export interface FoldJob {
  /** Fold of each labelled clip. */
  readonly fold: Int32Array;
  /** The fold that is tested. */
  readonly number: number;
}

export interface FoldPrediction {
  /** Rows that were tested; none where the fold is empty. */
  readonly rows: readonly number[];
  /** Class probabilities [rows, classes] of the regression and of the neighbours. */
  readonly linear: Float64Array;
  readonly knn: Float64Array;
}

/**
 * What the readers of a probe say of one fold: learnt from the rows of the other folds, told of its own. Errors: those of `fitLogisticRegression` and
 * `knnProbabilities`.
 */
export function predictFold(work: FoldWork, { fold, number }: FoldJob): FoldPrediction {
  const { dim, features, classes, settings } = work;
  const trainClips: number[] = [];
  const trainLabels: number[] = [];
  const trainRows: number[] = [];
  const testRows: number[] = [];
  work.rows.forEach((rows, clip) => {
    if (fold[clip] === number) testRows.push(...rows);
    else if (fold[clip] !== LEFT_OUT) {
      trainRows.push(...rows);
      trainClips.push(...rows.map(() => clip));
      trainLabels.push(...rows.map(() => work.labels[clip]!));
    }
  });
  // The greedy assignment can leave a fold empty when a few groups hold most clips.
  if (testRows.length === 0) return { rows: [], linear: new Float64Array(0), knn: new Float64Array(0) };
  const train = takeRows(features, dim, trainRows);
  const test = takeRows(features, dim, testRows);
  const { C, classWeight, standardise, k, temperature, neighbours } = settings;
  const model = fitLogisticRegression(train, trainLabels, dim, classes, { C, classWeight, standardise });
  const options = { k, temperature, standardise, ...(neighbours === 'clips' ? { trainClips } : {}) };
  return {
    rows: testRows,
    linear: predictLogistic(model, test),
    knn: knnProbabilities(train, trainLabels, test, dim, classes, options),
  };
}

/** What a thread is started with; the features are shared by all of them. */
export interface FoldStart extends Omit<FoldWork, 'features'> {
  readonly features: SharedArrayBuffer;
}

export type FoldAnswer = { readonly prediction: FoldPrediction } | { readonly error: PortableError };

export interface FoldOptions {
  readonly threads: number;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: (done: number) => void;
}

/** Numbers that a thread has to go through to be worth its start: below, it would take longer than its work. */
const WORTH_A_THREAD = 2_000_000;

/**
 * Predicts every job. `onProgress` hears how many are done.
 * Errors: of the first job that has one, `PROBE_THREAD_LOST` when a thread dies; the signal's reason when aborted.
 */
export async function predictFolds(
  work: FoldWork,
  jobs: readonly FoldJob[],
  options: FoldOptions,
): Promise<readonly FoldPrediction[]> {
  const { signal, onProgress } = options;
  const worth = Math.floor((jobs.length * work.features.length) / WORTH_A_THREAD);
  const threads = Math.min(options.threads, jobs.length, worth);
  if (threads > 1) return await inThreads(work, jobs, { ...options, threads });
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
  { threads, signal, onProgress }: FoldOptions,
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
      const answer = await ask(worker, jobs[index]!, signal);
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

/** Errors: `PROBE_THREAD_LOST`; the signal's reason when aborted. */
async function ask(worker: Worker, job: FoldJob, signal: AbortSignal | undefined): Promise<FoldAnswer> {
  const over = new AbortController();
  const heard = { signal: AbortSignal.any(signal === undefined ? [over.signal] : [over.signal, signal]) };
  try {
    const answered = once(worker, 'message', heard).then(([answer]: FoldAnswer[]) => answer!);
    const exited = once(worker, 'exit', heard).then(([code]: number[]) => {
      throw new Error(`it exited with code ${code}`);
    });
    worker.postMessage(job);
    return await Promise.race([answered, exited]);
  } catch (thrown) {
    signal?.throwIfAborted();
    throw threadLost(messageOf(thrown), thrown);
  } finally {
    over.abort();
  }
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
