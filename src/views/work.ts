/**
 * The two kinds of work a loader's threads do, pairs of views of clips and single frames, and what a loader and its
 * threads say to each other. A thread is started for one kind; the calling thread itself paints in the same way where
 * there are no threads. A thread is given work ahead and answers each job once; pixels travel in shared memory, so a
 * message is a few numbers.
 */
import type { PortableError } from '../base/thread.ts';
import { imageLength, type FrameViewConfig, type ViewConfig } from './config.ts';
import { framePainter, type FrameRow } from './frames.ts';
import type { FrameSource } from './image.ts';
import { mixImages, type Mixing } from './mixup.ts';
import { pairPainter } from './pairs.ts';

/** What is the same for all batches. */
export type Work =
  | { readonly kind: 'pairs'; readonly seed: number; readonly view: ViewConfig }
  | { readonly kind: 'frames'; readonly seed: number; readonly view: FrameViewConfig };

/** What one batch is made of. */
export type Task =
  | { readonly kind: 'pairs'; readonly epoch: number; readonly clips: readonly number[] }
  | {
      readonly kind: 'frames';
      readonly epoch: number;
      readonly rows: readonly FrameRow[];
      readonly mixing: Mixing | null;
    };

/** Paints a task of its kind of work; the target is as long as the task's images. */
export type Painter = (task: Task, target: Float32Array) => void;

export function openPainter(dataset: FrameSource, work: Work): Painter {
  const { seed } = work;
  const mismatch = (task: Task): Error => new Error(`A painter of ${work.kind} was asked for ${task.kind}.`);
  if (work.kind === 'pairs') {
    const paint = pairPainter(dataset, work.view);
    return (task, target) => {
      if (task.kind !== 'pairs') throw mismatch(task);
      paint(task.clips, seed, task.epoch, target);
    };
  }
  const paint = framePainter(dataset, work.view);
  const length = imageLength(work.view);
  return (task, target) => {
    if (task.kind !== 'frames') throw mismatch(task);
    paint(task.rows, seed, task.epoch, target);
    if (task.mixing !== null) mixImages(target, length, task.mixing);
  };
}

/** Images that a task makes. */
export function imagesOf(task: Task): number {
  return task.kind === 'pairs' ? 2 * task.clips.length : task.rows.length;
}

/** Handed to a worker at its start. */
export interface WorkerStart {
  readonly folder: string;
  readonly work: Work;
  /** One buffer a slot, each large enough for the largest batch of images. */
  readonly slots: readonly SharedArrayBuffer[];
  /** One number a slot: `finished` of the latest job in it. */
  readonly states: SharedArrayBuffer;
}

/** A batch to paint; null: the end. */
export type ToWorker = { readonly job: number; readonly slot: number; readonly task: Task } | null;

export interface FromWorker {
  readonly job: number;
  readonly error: PortableError | null;
}

/** The state of a slot in which `job` is finished; jobs count from 0. */
export function finished(job: number): number {
  return job + 1;
}
