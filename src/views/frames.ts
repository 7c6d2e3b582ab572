/**
 * Renders normalised images of single frames, for training on labels. A frame is augmented by its own address (seed,
 * epoch, clip, frame), or rendered whole as evaluation sees it. Images are a function of those inputs alone.
 */
import type { ClipRecord } from '../dataset/types.ts';
import { imageLength, type FrameViewConfig, type ImageConfig } from './config.ts';
import { drawAugmentation } from './draw.ts';
import { clipAt, imageMaker, requireTarget, type FrameSource } from './image.ts';
import { wholeViewer } from './whole.ts';

/** One frame of one clip. */
export interface FrameRow {
  /** Index into the dataset's clips. */
  readonly clip: number;
  /** Frame of the clip, from 0. */
  readonly frame: number;
}

/**
 * Returns a function that renders rows of an epoch into `target` [N, channels, size, size], with buffers that live on between batches. An
 * image depends on its clip, its frame, the view config, the seed and the epoch, not on the other rows; with
 * `augment: null` it is `fillWholeView`'s and depends on clip, frame and view alone.
 * Errors: `RangeError` for a target of another length, a clip or a frame that is not there; those of reading.
 */
export function frameRenderer(
  dataset: FrameSource,
  view: FrameViewConfig,
): (rows: readonly FrameRow[], seed: number, epoch: number, target: Float32Array) => void {
  const length = imageLength(view);
  const { augment } = view;
  const augmenting = augment === null ? null : augmentingOf(dataset, { ...view, augment });
  const whole = wholeViewer(view);
  let frame = new Uint8Array(0);
  return (rows, seed, epoch, target) => {
    requireTarget(target, rows.length * length, `${rows.length} frames`);
    for (const [i, row] of rows.entries()) {
      const clip = clipAt(dataset, row.clip);
      if (augmenting !== null) {
        augmenting(clip, row.frame, seed, epoch, target, i * length);
        continue;
      }
      // Enough for any frame of the clip, in grey or colour.
      const most = 3 * clip.width * clip.height;
      if (frame.length < most) frame = new Uint8Array(most);
      whole(dataset.readFrame(clip, row.frame, frame), clip, target, i * length);
    }
  };
}

function augmentingOf(
  dataset: FrameSource,
  view: ImageConfig,
): (
  clip: ClipRecord,
  number: number,
  seed: number,
  epoch: number,
  target: Float32Array,
  offset: number,
) => void {
  const maker = imageMaker(dataset, view);
  const [frame, image] = [maker.createFrame(), maker.createImage()];
  return (clip, number, seed, epoch, target, offset) => {
    maker.load(clip, number, frame);
    const slot = `frame ${number}` as const;
    const augmentation = drawAugmentation(view, clip, seed, epoch, slot);
    maker.render(frame, clip, augmentation, image);
    maker.write(image, target, offset);
  };
}
