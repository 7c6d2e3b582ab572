/**
 * Batches of view pairs, made ahead by worker threads; see `image-loader.ts` for what that promises. Labels are none of
 * its business: which of them may be seen is decided where clips are split.
 */
import type { ViewConfig } from './config.ts';
import {
  ImageLoader,
  requireCount,
  requireFit,
  type LoaderKind,
  type LoaderOptions,
} from './image-loader.ts';

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
