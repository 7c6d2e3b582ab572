/**
 * Batches of view pairs, made ahead by worker threads while the caller computes. The caller's thread may be blocked
 * for seconds: workers hold their next jobs already and write to shared memory, so the batches are there afterwards.
 * The order and the bits of the batches do not depend on the number of workers.
 */
import { Worker } from 'node:worker_threads';
import { messageOf, UsclError } from '../base/errors.ts';
import { openDataset, type Dataset } from '../dataset/reader.ts';
import { imageLength, type ViewConfig } from './config.ts';
import { PairPainter } from './pairs.ts';
import { finished, fromPortable, type FromWorker, type ToWorker, type WorkerStart } from './protocol.ts';

/** What a batch is made of. */
export interface BatchRequest {
  readonly epoch: number;
  /** Number of the batch in its epoch; handed through. */
  readonly index: number;
  /** Indices into the dataset's clips; from one to `pairs` of them. */
  readonly clips: readonly number[];
}

export interface PairBatch extends BatchRequest {
  /** [N] class index in the dataset's manifest, −1 where the clip has no label. */
  readonly labels: Int32Array;
  /** [2N, channels, size, size], view 0 of all clips, then view 1; normalised. Overwritten after the next `next()`. */
  readonly images: Float32Array;
}

export interface PairLoaderOptions {
  readonly seed: number;
  /** The batch of step 0, 1, 2, …; null: no more. A pure function, called once a step, ahead of time. */
  readonly schedule: (step: number) => BatchRequest | null;
  /** First step that is asked for; a resumed run starts here. Default 0. */
  readonly firstStep?: number;
  /** Most clips in a batch. */
  readonly pairs: number;
  /** Threads; 0 paints in `next()` itself. */
  readonly workers: number;
  /** Batches that are under way or ready beyond the one handed out. */
  readonly ahead: number;
}

interface Pending {
  readonly request: BatchRequest;
  readonly job: number;
  readonly slot: number;
  error: Error | null;
  wake: (() => void) | null;
}

export class PairLoader implements AsyncDisposable {
  /** Seconds that callers of `next()` waited for a batch so far (with 0 workers: for its making). */
  secondsWaited = 0;

  readonly #view: ViewConfig;
  readonly #options: PairLoaderOptions;
  readonly #dataset: Dataset;
  readonly #classOf: Int32Array;
  readonly #slots: readonly SharedArrayBuffer[];
  readonly #states: Int32Array;
  readonly #workers: readonly Worker[];
  readonly #exits: readonly Promise<void>[];
  readonly #painter: PairPainter | null;
  readonly #queue: Pending[] = [];
  #step: number;
  #jobs = 0;
  #ended = false;
  #closing: Promise<void> | null = null;
  #failure: Error | null = null;
  #waiting = false;

  /**
   * Opens the dataset and starts the workers, which begin at once with the first batches.
   * Errors: those of `openDataset`; `RangeError` for counts that make no sense.
   */
  static open(folder: string, view: ViewConfig, options: PairLoaderOptions): PairLoader {
    requireCount('workers', options.workers, 0, 64);
    requireCount('ahead', options.ahead, 1, 64);
    requireCount('pairs', options.pairs, 1, 65536);
    const loader = new PairLoader(folder, view, options);
    try {
      if (options.workers > 0) for (let i = 0; i < options.ahead; i++) loader.#order();
    } catch (thrown) {
      // The schedule's own error; no thread stays behind.
      void loader.close();
      throw thrown;
    }
    return loader;
  }

  private constructor(folder: string, view: ViewConfig, options: PairLoaderOptions) {
    this.#view = view;
    this.#options = options;
    this.#step = options.firstStep ?? 0;
    this.#dataset = openDataset(folder);
    const classes = new Map(this.#dataset.manifest.classes.map((name, index) => [name, index]));
    this.#classOf = Int32Array.from(this.#dataset.clips, (clip) =>
      clip.label === null ? -1 : (classes.get(clip.label) ?? -1),
    );
    const bytes = 2 * options.pairs * imageLength(view) * Float32Array.BYTES_PER_ELEMENT;
    // One slot more than is ahead: the batch that the caller holds.
    const count = options.workers === 0 ? 1 : options.ahead + 1;
    this.#slots = Array.from({ length: count }, () => shared(bytes, count));
    const states = new SharedArrayBuffer(count * Int32Array.BYTES_PER_ELEMENT);
    this.#states = new Int32Array(states);
    this.#painter = options.workers === 0 ? new PairPainter(this.#dataset, view) : null;
    const start: WorkerStart = { folder, view, seed: options.seed, slots: this.#slots, states };
    this.#workers = Array.from({ length: options.workers }, () => startWorker(start));
    this.#exits = this.#workers.map((worker) => this.#watch(worker));
  }

  /** Batches that are made and wait to be handed out. */
  get ready(): number {
    return this.#queue.filter((pending) => this.#isMade(pending)).length;
  }

  /**
   * The next batch in the order of the schedule. One call at a time; the images of the batch before become invalid.
   * Errors: whatever making this batch met (`UsclError` as in a direct call), `LOADER_WORKER_LOST` when a worker died;
   * `RangeError` past the end of the schedule. A step that failed fails again.
   */
  async next(): Promise<PairBatch> {
    if (this.#waiting) throw new Error('PairLoader.next() was called before the last call had ended.');
    this.#requireOpen();
    const began = performance.now();
    this.#waiting = true;
    try {
      return this.#painter === null ? await this.#fromWorkers() : this.#paintHere(this.#painter);
    } finally {
      this.#waiting = false;
      this.secondsWaited += (performance.now() - began) / 1000;
    }
  }

  /** Stops the workers and frees the buffers. Waits for batches under way; safe to call twice. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #paintHere(painter: PairPainter): PairBatch {
    const request = this.#nextRequest();
    if (request === null) throw this.#pastEnd();
    const batch = this.#batch(request, 0);
    try {
      painter.paint(request.clips, this.#options.seed, request.epoch, batch.images);
    } catch (thrown) {
      this.#step--;
      throw thrown;
    }
    return batch;
  }

  async #fromWorkers(): Promise<PairBatch> {
    // The slot of the batch handed out before is free now: keep the workers busy.
    this.#order();
    const pending = this.#queue[0];
    if (pending === undefined) throw this.#pastEnd();
    if (!this.#isMade(pending) && pending.error === null && this.#failure === null) {
      await this.#keepingAlive(
        new Promise<void>((resolve) => {
          pending.wake = resolve;
        }),
      );
      this.#requireOpen();
    }
    if (!this.#isMade(pending))
      throw pending.error ?? this.#failure ?? new Error('A batch was answered but not made.');
    this.#queue.shift();
    return this.#batch(pending.request, pending.slot);
  }

  #isMade(pending: Pending): boolean {
    return Atomics.load(this.#states, pending.slot) === finished(pending.job);
  }

  /** Workers keep the process alive only while somebody waits for them. */
  async #keepingAlive(wait: Promise<unknown>): Promise<void> {
    for (const worker of this.#workers) worker.ref();
    try {
      await wait;
    } finally {
      for (const worker of this.#workers) worker.unref();
    }
  }

  /** Gives the next job of the schedule to a worker. */
  #order(): void {
    if (this.#failure !== null || this.#queue.length >= this.#slots.length) return;
    const request = this.#nextRequest();
    if (request === null) return;
    const job = this.#jobs++;
    const slot = job % this.#slots.length;
    this.#queue.push({ request, job, slot, error: null, wake: null });
    const message: ToWorker = { kind: 'paint', job, slot, epoch: request.epoch, clips: request.clips };
    this.#workers[job % this.#workers.length]!.postMessage(message);
  }

  #nextRequest(): BatchRequest | null {
    if (this.#ended) return null;
    const request = this.#options.schedule(this.#step);
    if (request === null) {
      this.#ended = true;
      return null;
    }
    const { length } = request.clips;
    if (length < 1 || length > this.#options.pairs)
      throw new RangeError(
        `The schedule asks for ${length} pairs in step ${this.#step}; 1 to ${this.#options.pairs} fit.`,
      );
    this.#step++;
    return request;
  }

  #batch(request: BatchRequest, slot: number): PairBatch {
    const { epoch, index, clips } = request;
    return {
      epoch,
      index,
      clips,
      labels: Int32Array.from(clips, (clip) => this.#classOf[clip] ?? -1),
      images: new Float32Array(this.#slots[slot]!, 0, 2 * clips.length * imageLength(this.#view)),
    };
  }

  /** Listens to a worker; resolves when it has exited. */
  #watch(worker: Worker): Promise<void> {
    worker.unref();
    worker.on('message', (answer: FromWorker) => {
      const pending = this.#queue.find((entry) => entry.job === answer.job);
      if (pending === undefined) return;
      if (answer.error !== null) pending.error = fromPortable(answer.error);
      pending.wake?.();
    });
    worker.on('error', (thrown: unknown) => {
      this.#lose(thrown);
    });
    return new Promise((resolve) => {
      worker.on('exit', (code) => {
        if (this.#closing === null) this.#lose(`it exited with code ${code}`);
        resolve();
      });
    });
  }

  #lose(reason: unknown): void {
    this.#failure ??= new UsclError({
      kind: 'resource',
      code: 'LOADER_WORKER_LOST',
      message: `A loader thread stopped: ${messageOf(reason)}.`,
      remedy: 'Out of memory is the usual cause: use fewer workers or batches ahead, or smaller batches.',
      cause: reason,
    });
    for (const pending of this.#queue) pending.wake?.();
  }

  #requireOpen(): void {
    if (this.#closing !== null) throw new Error('The PairLoader is closed.');
  }

  #pastEnd(): RangeError {
    return new RangeError(`The schedule has no step ${this.#step}.`);
  }

  async #close(): Promise<void> {
    for (const pending of this.#queue) pending.wake?.();
    const message: ToWorker = { kind: 'close' };
    for (const worker of this.#workers) worker.postMessage(message);
    await this.#keepingAlive(Promise.all(this.#exits));
    this.#dataset[Symbol.dispose]();
  }
}

/** Starts `worker.js` of the built package or, where this file itself is TypeScript, `worker.ts` through tsx. */
function startWorker(start: WorkerStart): Worker {
  // The parent's own flags may not be allowed in a worker.
  const options = { workerData: start, execArgv: [], name: 'uscl-views' };
  if (!import.meta.url.endsWith('.ts')) return new Worker(new URL('./worker.js', import.meta.url), options);
  // Loader hooks given on the command line do not reach worker threads in Node 20, so the thread registers them.
  const [tsx, worker] = ['tsx/esm/api', './worker.ts'].map((name) =>
    JSON.stringify(import.meta.resolve(name)),
  );
  const code = `import(${tsx}).then(({ register }) => { register(); return import(${worker}); });`;
  return new Worker(code, { ...options, eval: true });
}

function shared(bytes: number, count: number): SharedArrayBuffer {
  try {
    return new SharedArrayBuffer(bytes);
  } catch (thrown) {
    throw new UsclError({
      kind: 'resource',
      code: 'LOADER_MEMORY',
      message: `There is no memory for ${count} batches of ${(bytes / 2 ** 20).toFixed(0)} MiB.`,
      remedy: 'Use fewer batches ahead, fewer pairs in a batch, or a smaller view.',
      cause: thrown,
    });
  }
}

function requireCount(name: string, value: number, low: number, high: number): void {
  if (!Number.isInteger(value) || value < low || value > high)
    throw new RangeError(`${name} must be an integer from ${low} to ${high}, not ${value}.`);
}
