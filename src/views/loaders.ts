/**
 * Batches of view pairs, and of single frames for training on labels, made ahead by worker threads; see
 * `image-loader.ts` for what that promises. Labels are none of their business: which of them may be seen, which frames
 * are asked for and what their targets are is the caller's.
 */
import type { FrameViewConfig, ViewConfig } from './config.ts';
import type { FrameRow } from './frames.ts';
import {
  ImageLoader,
  requireCount,
  requireFit,
  type LoaderKind,
  type LoaderOptions,
} from './image-loader.ts';
import { drawMixing, type Mixing } from './mixup.ts';

/** What a batch is made of. */
export interface BatchRequest {
  readonly epoch: number;
  /** Number of the batch in its epoch; handed through. */
  readonly index: number;
  /** Indices into the dataset's clips; from one to `pairs` of them. */
  readonly clips: readonly number[];
}

export interface PairBatch extends BatchRequest {
  /** [2N, channels, size, size], view 0 of all clips, then view 1; normalised. Overwritten after the next `next()`. */
  readonly images: Float32Array;
}

export interface PairLoaderOptions extends LoaderOptions<BatchRequest> {
  readonly seed: number;
  /** Most clips in a batch. */
  readonly pairs: number;
}

export class PairLoader extends ImageLoader<BatchRequest, PairBatch> {
  /**
   * Opens the dataset and starts the workers, which begin at once with the first batches.
   * Errors: those of `openDataset`; `LOADER_MEMORY`; `RangeError` for counts that make no sense.
   */
  static open(folder: string, view: ViewConfig, options: PairLoaderOptions): PairLoader {
    const { seed, pairs } = options;
    requireCount('pairs', pairs, 1, 65536);
    const kind: LoaderKind<BatchRequest, PairBatch> = {
      work: { kind: 'pairs', seed, view },
      capacity: 2 * pairs,
      taskOf: ({ epoch, clips }, step) => {
        requireFit(clips.length, pairs, 'pairs', step);
        return { kind: 'pairs', epoch, clips };
      },
      batchOf: ({ epoch, index, clips }, _task, images) => ({ epoch, index, clips, images }),
    };
    return new PairLoader(folder, kind, options).begin();
  }
}

/** What a batch of frames is made of. */
export interface FrameRequest {
  /** Address of the augmentations: the same frame in another epoch is augmented otherwise. */
  readonly epoch: number;
  /** Number of the batch in its epoch: address of the mixing. */
  readonly index: number;
  /** From one to `rows` frames. */
  readonly rows: readonly FrameRow[];
}

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
      capacity: most,
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
