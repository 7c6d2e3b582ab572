/** Batches of view pairs, made ahead by worker threads; see `image-loader.ts` for what that promises. */
import type { Dataset } from '../dataset/reader.ts';
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
  /** [N] class index in the dataset's manifest, −1 where the clip has no label. */
  readonly labels: Int32Array;
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
      batchOf: ({ epoch, index, clips }, _task, images, dataset) => {
        const labels = Int32Array.from(clips, (clip) => classOf(dataset, clip));
        return { epoch, index, clips, labels, images };
      },
    };
    return new PairLoader(folder, kind, options).begin();
  }
}

function classOf({ manifest, clips }: Dataset, clip: number): number {
  const label = clips[clip]?.label ?? null;
  return label === null ? -1 : manifest.classes.indexOf(label);
}
