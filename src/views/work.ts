/**
 * The two kinds of work a loader's threads do: pairs of views of clips, and single frames. A thread is started for one
 * kind; the calling thread itself paints in the same way where there are no threads.
 */
import { imageLength, type FrameViewConfig, type ViewConfig } from './config.ts';
import { FramePainter, type FrameRow } from './frames.ts';
import type { FrameSource } from './image.ts';
import { mixImages, type Mixing } from './mixup.ts';
import { PairPainter } from './pairs.ts';

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
  if (work.kind === 'pairs') {
    const painter = new PairPainter(dataset, work.view);
    return (task, target) => {
      if (task.kind !== 'pairs') throw mismatch(task, work);
      painter.paint(task.clips, seed, task.epoch, target);
    };
  }
  const painter = new FramePainter(dataset, work.view);
  const length = imageLength(work.view);
  return (task, target) => {
    if (task.kind !== 'frames') throw mismatch(task, work);
    painter.paint(task.rows, seed, task.epoch, target);
    if (task.mixing !== null) mixImages(target, length, task.mixing);
  };
}

/** Images that a task makes. */
export function imagesOf(task: Task): number {
  return task.kind === 'pairs' ? 2 * task.clips.length : task.rows.length;
}

function mismatch(task: Task, work: Work): Error {
  return new Error(`A painter of ${work.kind} was asked for ${task.kind}.`);
}
