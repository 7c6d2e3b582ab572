/**
 * The work of a loader's threads, and the messages between a loader and its threads. There are two kinds of work:
 * views of clips and single frames. A thread is started for one kind. Without threads the caller's thread renders in
 * the same way. A thread receives jobs ahead and answers each once. Pixels travel in shared memory, so a message is
 * a few numbers.
 */
import type { PortableError } from '../base/thread.ts';
import { clipLength, clipRenderer, type ClipViews } from './clip-views.ts';
import { imageLength, type FrameViewConfig, type ViewConfig } from './config.ts';
import { frameRenderer, type FrameRow } from './frames.ts';
import type { FrameSource } from './image.ts';
import { mixImages, type Mixing } from './mixup.ts';

/** The work of a thread: everything that is the same for all batches. */
export type Work =
  | {
      readonly kind: 'clips';
      readonly seed: number;
      readonly view: ViewConfig;
      /** Views that each stream wants of its clips. */
      readonly streams: readonly ClipViews[];
    }
  | { readonly kind: 'frames'; readonly seed: number; readonly view: FrameViewConfig };

/** Clips of one stream in a batch. */
export interface ClipPart {
  /** Address of what is drawn: the same clip in another epoch is seen otherwise. */
  readonly epoch: number;
  /** Indices into the dataset's clips. */
  readonly clips: readonly number[];
  /** For each clip the one that its views but the first show; default: itself. */
  readonly partners?: readonly number[];
}

/** The task of one batch. */
export type Task =
  | { readonly kind: 'clips'; readonly parts: readonly ClipPart[] }
  | {
      readonly kind: 'frames';
      readonly epoch: number;
      readonly rows: readonly FrameRow[];
      readonly mixing: Mixing | null;
    };

/** Renders a task of its kind of work; the target is as long as the task's images. */
export type Renderer = (task: Task, target: Float32Array) => void;

export function openRenderer(dataset: FrameSource, work: Work): Renderer {
  const { seed } = work;
  const mismatch = (task: Task): Error => new Error(`A renderer of ${work.kind} was asked for ${task.kind}.`);
  const length = imageLength(work.view);
  if (work.kind === 'clips') {
    const streams = work.streams.map((views) => ({
      length: clipLength(views, work.view),
      render: clipRenderer(dataset, work.view, views),
    }));
    return (task, target) => {
      if (task.kind !== 'clips') throw mismatch(task);
      let at = 0;
      for (const [stream, { epoch, clips, partners }] of task.parts.entries()) {
        const { length: ofClip, render } = streams[stream]!;
        const end = at + clips.length * ofClip;
        render(clips, seed, epoch, target.subarray(at, end), partners);
        at = end;
      }
    };
  }
  const render = frameRenderer(dataset, work.view);
  return (task, target) => {
    if (task.kind !== 'frames') throw mismatch(task);
    render(task.rows, seed, task.epoch, target);
    if (task.mixing !== null) mixImages(target, length, task.mixing);
  };
}

/** Numbers of the images that a task of this work makes. */
export function lengthOf(work: Work, task: Task): number {
  if (task.kind === 'frames') return task.rows.length * imageLength(work.view);
  const streams = work.kind === 'clips' ? work.streams : [];
  return task.parts.reduce(
    (sum, { clips }, i) => sum + clips.length * clipLength(streams[i] ?? [], work.view),
    0,
  );
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

/** A batch to render; null: the end. */
export type ToWorker = { readonly job: number; readonly slot: number; readonly task: Task } | null;

export interface FromWorker {
  readonly job: number;
  readonly error: PortableError | null;
}

/** The state of a slot in which `job` is finished; jobs count from 0. */
export function finished(job: number): number {
  return job + 1;
}
