/**
 * Batches of single frames for training on labels, made ahead by worker threads; see `image-loader.ts` for what that
 * promises. Which frames, and what their targets are, is the caller's.
 */
import type { FrameViewConfig } from './config.ts';
import type { FrameRow } from './frames.ts';
import {
  ImageLoader,
  requireCount,
  requireFit,
  type LoaderKind,
  type LoaderOptions,
} from './image-loader.ts';
import { drawMixing, type Mixing } from './mixup.ts';

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
