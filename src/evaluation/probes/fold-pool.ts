/**
 * The folds of a probe, each worked on by itself, in this thread or in several. What is said of a fold is a function of
 * its job, so the answers are the same with any number of threads; they come in the order of the jobs.
 */
import { once } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';
import { messageOf, UsclError } from '../../base/errors.ts';
import { defined } from '../../base/collect.ts';
import { fromPortable, type PortableError, startThread, toPortable } from '../../base/thread.ts';
import { isWorthCurvature, joinMoments, type Moments, momentsOf, sampleRows } from './curvature.ts';
import { knnProbabilities } from './knn.ts';
import { fitLogisticRegression, predictLogistic } from './logistic.ts';
import { takeRows } from '../features/matrix.ts';
import type { Products } from '../features/products.ts';
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
  /** Of rows that its regression learns from. */
  readonly moments?: Moments;
}

export interface FoldPrediction {
  /** Rows that were tested; none where the fold is empty. */
  readonly rows: readonly number[];
  /** Class probabilities [rows, classes] of the regression and of the neighbours. */
  readonly linear: Float64Array;
  readonly knn: Float64Array;
}

/** What reads a class from features: the regression, the nearest neighbours. */
export type Reader = 'linear' | 'knn';

/**
 * Class probabilities [tested rows, classes] that one reader gives the rows of a fold: learnt from the rows of the other
 * folds. Errors: those of `fitLogisticRegression` and `knnProbabilities`.
 */
export function readFold(work: FoldWork, job: FoldJob, reader: Reader, products?: Products): Float64Array {
  const { dim, features, classes, settings } = work;
  const { fold, number } = job;
  const trainClips: number[] = [];
  const trainLabels: number[] = [];
  const trainRows: number[] = [];
  work.rows.forEach((rows, clip) => {
    if (fold[clip] === number || fold[clip] === LEFT_OUT) return;
    trainRows.push(...rows);
    trainClips.push(...rows.map(() => clip));
    trainLabels.push(...rows.map(() => work.labels[clip]!));
  });
  const testRows = testedRows(work, job);
  // The greedy assignment can leave a fold empty when a few groups hold most clips.
  if (testRows.length === 0) return new Float64Array(0);
  const train = takeRows(features, dim, trainRows);
  const test = takeRows(features, dim, testRows);
  const { C, classWeight, standardise, k, temperature, neighbours } = settings;
  if (reader === 'linear') {
    const model = fitLogisticRegression(train, trainLabels, dim, classes, {
      ...{ C, classWeight, standardise },
      ...defined({ moments: job.moments }),
    });
    return predictLogistic(model, test);
  }
  const options = { k, temperature, standardise, ...(neighbours === 'clips' ? { trainClips } : {}) };
  return knnProbabilities(train, trainLabels, test, dim, classes, { ...options, ...defined({ products }) });
}

/** Rows of the clips that a fold tests; none where the fold is empty. */
function testedRows({ rows }: FoldWork, { fold, number }: FoldJob): readonly number[] {
  return rows.flatMap((own, clip) => (fold[clip] === number ? own : []));
}

/** What a thread is started with; the features are shared by all of them. */
export interface FoldStart extends Omit<FoldWork, 'features'> {
  readonly features: SharedArrayBuffer;
  /** What the thread is asked for. */
  readonly readers: readonly Reader[];
}

/** What readers say of one fold, or why they cannot. */
export type FoldAnswer =
  { readonly read: Partial<Record<Reader, Float64Array>> } | { readonly error: PortableError };

export function answerFold(
  work: FoldWork,
  job: FoldJob,
  readers: readonly Reader[],
  products?: Products,
): FoldAnswer {
  try {
    const read: Partial<Record<Reader, Float64Array>> = {};
    for (const reader of readers) read[reader] = readFold(work, job, reader, products);
    return { read };
  } catch (thrown) {
    return { error: toPortable(thrown) };
  }
}

export interface FoldOptions {
  readonly threads: number;
  /** With kernels for it, neighbours are found in the calling thread while others fit. */
  readonly products?: Products | undefined;
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
  const prepared = foldPreparation(work);
  if (threads > 1) return await inThreads(work, jobs, prepared, { ...options, threads });
  const predictions: FoldPrediction[] = [];
  for (const given of jobs) {
    signal?.throwIfAborted();
    const job = prepared(given);
    predictions.push({
      rows: testedRows(work, job),
      linear: readFold(work, job, 'linear'),
      knn: readFold(work, job, 'knn', options.products),
    });
    onProgress(predictions.length);
    // Lets a signal or a timer of the caller be heard between folds.
    await setImmediate();
  }
  return predictions;
}

/** Rows a column that the folds of one folding share for their curvatures. */
const SAMPLE = 4;

/** Gives each job the moments of sampled rows that it learns from: sums over the other folds of its folding. */
function foldPreparation({ dim, features, rows }: FoldWork): (job: FoldJob) => FoldJob {
  const labelled = rows.flatMap((own, clip) => own.map((row) => ({ row, clip })));
  if (!isWorthCurvature(labelled.length, dim)) return (job) => job;
  const sample = sampleRows(labelled.length, dim, SAMPLE).map((i) => labelled[i]!);
  const blocksOf = (fold: Int32Array): ReadonlyMap<number, Moments> => {
    const numbers = new Map<number, number[]>();
    for (const { row, clip } of sample) {
      const own = numbers.get(fold[clip]!) ?? [];
      own.push(row);
      numbers.set(fold[clip]!, own);
    }
    return new Map([...numbers].map(([number, own]) => [number, momentsOf(features, dim, own)]));
  };
  let folding: { readonly fold: Int32Array; readonly blocks: ReadonlyMap<number, Moments> } | undefined;
  return (job) => {
    const { fold, number } = job;
    if (folding?.fold !== fold) folding = { fold, blocks: blocksOf(fold) };
    const learnt = [...folding.blocks].filter(([block]) => block !== number && block !== LEFT_OUT);
    const blocks = learnt.map(([, moments]) => moments);
    return blocks.length === 0 ? job : { ...job, moments: joinMoments(blocks, dim) };
  };
}

async function inThreads(
  work: FoldWork,
  jobs: readonly FoldJob[],
  prepared: (job: FoldJob) => FoldJob,
  { threads, products, signal, onProgress }: FoldOptions,
): Promise<readonly FoldPrediction[]> {
  signal?.throwIfAborted();
  const features = new SharedArrayBuffer(work.features.byteLength);
  new Float32Array(features).set(work.features);
  const readers: readonly Reader[] = products === undefined ? ['linear', 'knn'] : ['linear'];
  const start: FoldStart = { ...work, features, readers };
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
      const job = prepared(jobs[index]!);
      const asked = ask(worker, job, signal);
      const own: FoldAnswer =
        products === undefined ? { read: {} } : answerFold(work, job, ['knn'], products);
      const answer = await asked;
      const failed = [answer, own].find((one) => 'error' in one);
      if (failed !== undefined) {
        errors.set(index, failed.error);
        return;
      }
      const { linear, knn } = {
        ...('read' in answer ? answer.read : {}),
        ...('read' in own ? own.read : {}),
      };
      predictions.set(index, { rows: testedRows(work, job), linear: linear!, knn: knn! });
      onProgress(predictions.size);
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
