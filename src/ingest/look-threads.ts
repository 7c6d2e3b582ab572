/**
 * Looks done in threads of their own, so that the main thread goes on reading decoders meanwhile. What comes out does
 * not depend on how many there are.
 */
import type { Worker } from 'node:worker_threads';
import { startThread } from '../base/thread.ts';
import type { Field } from '../dataset/types.ts';
import type { Look } from './look.ts';
import { packFrames } from './look.ts';

/** What a thread is given, and what it answers. */
export interface LookOrder {
  readonly look: Look;
  readonly packed: Uint8Array;
}
export type LookAnswer = { readonly field: Field | null } | { readonly failure: string };

interface Pending {
  readonly resolve: (field: Field | null) => void;
  readonly reject: (reason: Error) => void;
}

interface Thread {
  readonly worker: Worker;
  /** Orders under way, the oldest first: a thread answers in order. */
  readonly pending: Pending[];
}

/** At most `count` threads, started as they are needed. */
export class LookThreads implements AsyncDisposable {
  readonly #count: number;
  #threads: readonly Thread[] = [];
  #isClosed = false;

  constructor(count: number) {
    this.#count = count;
  }

  /** A look by the thread that has least to do. Rejects where the look fails or its thread is lost. */
  readonly look = (look: Look, frames: readonly Uint8Array[]): Promise<Field | null> => {
    const packed = packFrames(look, frames);
    return new Promise((resolve, reject) => {
      if (this.#isClosed) throw new Error('The threads that look for fields are closed.');
      const { worker, pending } = this.#idlest();
      pending.push({ resolve, reject });
      worker.ref();
      worker.postMessage({ look, packed } satisfies LookOrder, [packed.buffer]);
    });
  };

  #idlest(): Thread {
    const [first] = this.#threads.toSorted((a, b) => a.pending.length - b.pending.length);
    if (first !== undefined && (first.pending.length === 0 || this.#threads.length >= this.#count))
      return first;
    const thread: Thread = {
      worker: startThread(import.meta.url, './look-worker', 'uscl-look'),
      pending: [],
    };
    this.#threads = [...this.#threads, thread];
    this.#listen(thread);
    return thread;
  }

  #listen(thread: Thread): void {
    const { worker, pending } = thread;
    worker.on('message', (answer: LookAnswer) => {
      const one = pending.shift();
      // Only somebody who waits keeps the process alive.
      if (pending.length === 0) worker.unref();
      if ('failure' in answer) one?.reject(new Error(answer.failure));
      else one?.resolve(answer.field);
    });
    const lose = (reason: Error): void => {
      for (const one of pending.splice(0)) one.reject(reason);
    };
    worker.on('error', (thrown: unknown) => {
      lose(thrown instanceof Error ? thrown : new Error(String(thrown)));
    });
    worker.on('exit', (code) => {
      this.#threads = this.#threads.filter((one) => one !== thread);
      lose(new Error(`A thread that looks for fields exited with code ${code}.`));
    });
  }

  /** Ends the threads; looks under way reject. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.#threads.map(({ worker }) => worker.terminate()));
  }
}
