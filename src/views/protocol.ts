/**
 * What a loader and its workers say to each other. A worker is given work ahead and answers each job once; pixels
 * travel in shared memory, so a message is a few numbers. Errors keep their kind, code, place and way out.
 */
import type { PortableError } from '../base/thread.ts';
import type { Task, Work } from './work.ts';

/** Handed to a worker at its start. */
export interface WorkerStart {
  readonly folder: string;
  readonly work: Work;
  /** One buffer a slot, each large enough for the largest batch of images. */
  readonly slots: readonly SharedArrayBuffer[];
  /** One number a slot: `finished` of the latest job in it. */
  readonly states: SharedArrayBuffer;
}

export type ToWorker =
  | {
      readonly kind: 'paint';
      readonly job: number;
      readonly slot: number;
      readonly task: Task;
    }
  | { readonly kind: 'close' };

export type FromWorker =
  { readonly job: number; readonly error: null } | { readonly job: number; readonly error: PortableError };

/** The state of a slot in which `job` is finished; jobs count from 0. */
export function finished(job: number): number {
  return job + 1;
}
