/**
 * The machinery that the loaders of clips and frames share. Worker threads render batches of images ahead while the
 * caller computes. The caller's thread may be blocked for seconds: workers already hold their next jobs and write to
 * shared memory. The order and the bits of the batches do not depend on the number of workers.
 */
import type { Worker } from 'node:worker_threads';
import { messageOf, UsclError } from '../base/errors.ts';
import { fromPortable, startThread } from '../base/thread.ts';
import { openDataset, type Dataset } from '../dataset/reader.ts';
import { finished, lengthOf, openRenderer, type FromWorker, type Renderer } from './work.ts';
import type { Task, ToWorker, Work, WorkerStart } from './work.ts';

/** Options of every loader. */
export interface LoaderOptions<Request> {
  /** The batch of step 0, 1, 2, …; null: no more. A pure function, called once a step, ahead of time. */
  readonly schedule: (step: number) => Request | null;
  /** First step that is asked for; a resumed run starts here. Default 0. */
  readonly firstStep?: number;
  /** Threads; 0 renders in `next()` itself. */
  readonly workers: number;
  /** Batches that are under way or ready beyond the one handed out. */
  readonly ahead: number;
}

/** The parts that differ between kinds of loaders. */
export interface LoaderKind<Request, Batch> {
  readonly work: Work;
  /** Numbers of the images of the largest batch. */
  readonly capacity: number;
  /** The work of a request; throws `RangeError` for one that does not fit. */
  readonly taskOf: (request: Request, step: number) => Task;
  /** The batch that the caller gets; `images` [images, channels, size, size] are those of the task. */
  readonly batchOf: (request: Request, task: Task, images: Float32Array) => Batch;
}

interface Pending<Request> {
  readonly request: Request;
  readonly task: Task;
  readonly job: number;
  readonly slot: number;
  error: Error | null;
  wake: (() => void) | null;
}

/** Batches of images made ahead by threads. Owns threads and memory: `close` it, or dispose of it. */
export class ImageLoader<Request, Batch> implements AsyncDisposable {
  /** Seconds that callers of `next()` waited for a batch so far (with 0 workers: for its making). */
  secondsWaited = 0;

  readonly #kind: LoaderKind<Request, Batch>;
  readonly #options: LoaderOptions<Request>;
  readonly #dataset: Dataset;
  readonly #slots: readonly SharedArrayBuffer[];
  readonly #states: Int32Array;
  readonly #workers: readonly Worker[];
  readonly #exits: readonly Promise<void>[];
  readonly #renderer: Renderer | null;
  readonly #queue: Pending<Request>[] = [];
  #step: number;
  #jobs = 0;
  #ended = false;
  #closing: Promise<void> | null = null;
  #failure: Error | null = null;
  #waiting = false;

  /** @internal Each kind of loader has an `open`. */
  protected constructor(folder: string, kind: LoaderKind<Request, Batch>, options: LoaderOptions<Request>) {
    requireCount('workers', options.workers, 0, 64);
    requireCount('ahead', options.ahead, 1, 64);
    this.#kind = kind;
    this.#options = options;
    this.#step = options.firstStep ?? 0;
    const bytes = kind.capacity * Float32Array.BYTES_PER_ELEMENT;
    // One slot more than is ahead: the batch that the caller holds.
    const count = options.workers === 0 ? 1 : options.ahead + 1;
    this.#slots = Array.from({ length: count }, () => shared(bytes, count));
    const states = new SharedArrayBuffer(count * Int32Array.BYTES_PER_ELEMENT);
    this.#states = new Int32Array(states);
    this.#dataset = openDataset(folder);
    this.#renderer = options.workers === 0 ? openRenderer(this.#dataset, kind.work) : null;
    const start: WorkerStart = { folder, work: kind.work, slots: this.#slots, states };
    this.#workers = Array.from({ length: options.workers }, () =>
      startThread(import.meta.url, './worker', 'uscl-views', start),
    );
    this.#exits = this.#workers.map((worker) => this.#watch(worker));
  }

  /** Gives the workers their first batches. */
  protected begin(): this {
    try {
      if (this.#workers.length > 0) for (let i = 0; i < this.#options.ahead; i++) this.#order();
    } catch (thrown) {
      // The schedule's own error; no thread stays behind.
      void this.close();
      throw thrown;
    }
    return this;
  }

  /** Batches that are made and wait to be handed out. */
  get ready(): number {
    return this.#queue.filter((pending) => this.#isMade(pending)).length;
  }

  /**
   * The next batch in the order of the schedule. One call at a time; the images of the batch before become invalid.
   * Errors: whatever making this batch met (`UsclError` as in a direct call), `LOADER_WORKER_LOST` when a worker died;
   * `RangeError` for a clip or a frame that is not there and past the end of the schedule. A step that failed fails
   * again.
   */
  async next(): Promise<Batch> {
    if (this.#waiting) throw new Error('next() of a loader was called before the last call had ended.');
    this.#requireOpen();
    const began = performance.now();
    this.#waiting = true;
    try {
      return this.#renderer === null ? await this.#fromWorkers() : this.#renderHere(this.#renderer);
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

  #renderHere(render: Renderer): Batch {
    const next = this.#nextTask();
    if (next === null) throw this.#pastEnd();
    const images = this.#images(next.task, 0);
    try {
      render(next.task, images);
    } catch (thrown) {
      this.#step--;
      throw thrown;
    }
    return this.#kind.batchOf(next.request, next.task, images);
  }

  async #fromWorkers(): Promise<Batch> {
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
    const { request, task, slot } = pending;
    return this.#kind.batchOf(request, task, this.#images(task, slot));
  }

  #images(task: Task, slot: number): Float32Array {
    return new Float32Array(this.#slots[slot]!, 0, lengthOf(this.#kind.work, task));
  }

  #isMade(pending: Pending<Request>): boolean {
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
    const next = this.#nextTask();
    if (next === null) return;
    const job = this.#jobs++;
    const slot = job % this.#slots.length;
    this.#queue.push({ ...next, job, slot, error: null, wake: null });
    const message: ToWorker = { job, slot, task: next.task };
    this.#workers[job % this.#workers.length]!.postMessage(message);
  }

  #nextTask(): { readonly request: Request; readonly task: Task } | null {
    if (this.#ended) return null;
    const request = this.#options.schedule(this.#step);
    if (request === null) {
      this.#ended = true;
      return null;
    }
    const task = this.#kind.taskOf(request, this.#step);
    this.#step++;
    return { request, task };
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
    if (this.#closing !== null) throw new Error('The loader is closed.');
  }

  #pastEnd(): RangeError {
    return new RangeError(`The schedule has no step ${this.#step}.`);
  }

  async #close(): Promise<void> {
    for (const pending of this.#queue) pending.wake?.();
    for (const worker of this.#workers) worker.postMessage(null satisfies ToWorker);
    await this.#keepingAlive(Promise.all(this.#exits));
    this.#dataset[Symbol.dispose]();
  }
}

function shared(bytes: number, count: number): SharedArrayBuffer {
  try {
    return new SharedArrayBuffer(bytes);
  } catch (thrown) {
    throw new UsclError({
      kind: 'resource',
      code: 'LOADER_MEMORY',
      message: `There is no memory for ${count} batches of ${(bytes / 2 ** 20).toFixed(0)} MiB.`,
      remedy: 'Use fewer batches ahead, smaller batches, or a smaller view.',
      cause: thrown,
    });
  }
}

/** `RangeError` for a count that is no integer between `low` and `high`. */
export function requireCount(name: string, value: number, low: number, high: number): void {
  if (!Number.isInteger(value) || value < low || value > high)
    throw new RangeError(`${name} must be an integer from ${low} to ${high}, not ${value}.`);
}

/** `RangeError` for a request of more or fewer things than a batch may have. */
export function requireFit(count: number, most: number, things: string, step: number): void {
  if (count < 1 || count > most)
    throw new RangeError(`The schedule asks for ${count} ${things} in step ${step}; 1 to ${most} fit.`);
}
