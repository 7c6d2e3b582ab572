/**
 * The loaders of clip views and of single frames, rendered ahead by worker threads (`image-loader.ts`). Loaders know
 * no labels: the caller decides which labels may be seen, which frames are asked for and what their targets are.
 */
import { clipLength, type ClipViews } from './clip-views.ts';
import { type FrameViewConfig, imageLength, type ViewConfig } from './config.ts';
import type { FrameRow } from './frames.ts';
import {
  ImageLoader,
  requireCount,
  requireFit,
  type LoaderKind,
  type LoaderOptions,
} from './image-loader.ts';
import { drawMixing, type Mixing } from './mixup.ts';
import type { ClipPart } from './work.ts';

/** A request for a batch of views of clips. */
export interface ClipRequest {
  readonly epoch: number;
  /** Number of the batch in its epoch; handed through. */
  readonly index: number;
  /** The clips of each stream, at least one and no more than the stream's `most`. */
  readonly parts: readonly ClipPart[];
}

/** A batch of views of clips. */
export interface ClipBatch extends ClipRequest {
  /**
   * Normalised images [channels, size, size]: stream by stream, of each stream view 0 of all clips, then view 1, …, each of
   * its own size.
   * Overwritten after the next `next()`.
   */
  readonly images: Float32Array;
}

/** Clips that come into every batch with the same views. */
export interface ClipStream {
  readonly views: ClipViews;
  /** Most clips of it in a batch. */
  readonly most: number;
}

export interface ClipLoaderOptions extends LoaderOptions<ClipRequest> {
  readonly seed: number;
  readonly streams: readonly ClipStream[];
}

/** Views of clips, in batches of one or several streams. */
export class ClipLoader extends ImageLoader<ClipRequest, ClipBatch> {
  /**
   * Opens the dataset and starts the workers, which begin at once with the first batches.
   * Errors: those of `openDataset`; `LOADER_MEMORY`; `RangeError` for counts that make no sense.
   */
  static open(folder: string, view: ViewConfig, options: ClipLoaderOptions): ClipLoader {
    const { seed, streams } = options;
    for (const { most } of streams) requireCount('most', most, 1, 65536);
    const kind: LoaderKind<ClipRequest, ClipBatch> = {
      work: { kind: 'clips', seed, view, streams: streams.map(({ views }) => views) },
      capacity: streams.reduce((sum, { views, most }) => sum + clipLength(views, view) * most, 0),
      taskOf: ({ parts }, step) => {
        requireCount('parts', parts.length, streams.length, streams.length);
        for (const [i, { clips }] of parts.entries())
          requireFit(clips.length, streams[i]!.most, 'clips', step);
        return { kind: 'clips', parts };
      },
      batchOf: ({ epoch, index, parts }, _task, images) => ({ epoch, index, parts, images }),
    };
    return new ClipLoader(folder, kind, options).begin();
  }
}

/** A request for a batch of frames. */
export interface FrameRequest {
  /** Address of the augmentations: the same frame in another epoch is augmented otherwise. */
  readonly epoch: number;
  /** Number of the batch in its epoch: address of the mixing. */
  readonly index: number;
  /** From one to `rows` frames. */
  readonly rows: readonly FrameRow[];
}

/** A batch of frames. */
export interface FrameBatch extends FrameRequest {
  /** [N, channels, size, size], normalised, mixed where asked. Overwritten after the next `next()`. */
  readonly images: Float32Array;
  /** How rows were mixed, for their targets (`softTargets`); null without mixup. */
  readonly mixing: Mixing | null;
}

export interface FrameLoaderOptions extends LoaderOptions<FrameRequest> {
  readonly seed: number;
  /** Most frames in a batch. */
  readonly rows: number;
  /** α > 0 of mixup's Beta(α, α); null: no mixing. */
  readonly mixup: number | null;
}

/** Augmented single frames, in batches, mixed where it is asked for. */
export class FrameLoader extends ImageLoader<FrameRequest, FrameBatch> {
  /**
   * Opens the dataset and starts the workers, which begin at once with the first batches.
   * Errors: those of `openDataset`; `LOADER_MEMORY`; `RangeError` for counts that make no sense and a mixup that is
   * not above 0.
   */
  static open(folder: string, view: FrameViewConfig, options: FrameLoaderOptions): FrameLoader {
    const { seed, rows: most, mixup } = options;
    requireCount('rows', most, 1, 65536);
    if (mixup !== null && !(mixup > 0 && mixup <= 1000))
      throw new RangeError(`mixup must be above 0 and at most 1000, or null, not ${mixup}.`);
    const kind: LoaderKind<FrameRequest, FrameBatch> = {
      work: { kind: 'frames', seed, view },
      capacity: most * imageLength(view),
      taskOf: ({ epoch, index, rows }, step) => {
        requireFit(rows.length, most, 'frames', step);
        const mixing = mixup === null ? null : drawMixing(rows.length, mixup, seed, epoch, index);
        return { kind: 'frames', epoch, rows, mixing };
      },
      batchOf: ({ epoch, index, rows }, task, images) => {
        return { epoch, index, rows, images, mixing: task.kind === 'frames' ? task.mixing : null };
      },
    };
    return new FrameLoader(folder, kind, options).begin();
  }
}
