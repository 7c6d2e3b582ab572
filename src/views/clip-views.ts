/**
 * Renders the images that a method asks for of each clip: a pair of views (`pairs.ts`), or views of single frames,
 * each with its own augmentation. The images are a function of (dataset, clips, view config, seed, epoch) alone.
 */
import type { ClipRecord } from '../dataset/types.ts';
import { type AugmentConfig, imageLength, type ViewConfig } from './config.ts';
import { drawAugmentation } from './draw.ts';
import { clipAt, type FrameSource, imageMaker, requireTarget } from './image.ts';
import { pairRenderer } from './pairs.ts';
import { drawFrames } from './sampling.ts';

/** One image of a clip. */
export interface FrameView {
  /** Number of the drawn frame, from 0: views with the same number show the same frame. */
  readonly frame: number;
  readonly augment: AugmentConfig;
}

/** Images of each clip of a stream: two views as `view.spg` says, or one a frame view. */
export type ClipViews = 'pair' | readonly FrameView[];

/** Renders views of clips into `target`, view 0 of all clips, then view 1, …: [views·N, channels, size, size]. */
export type ClipRenderer = (
  clipIndices: readonly number[],
  seed: number,
  epoch: number,
  target: Float32Array,
) => void;

/** Images of one clip. */
export function viewCount(views: ClipViews): number {
  return views === 'pair' ? 2 : views.length;
}

/** Different frames that are drawn of one clip. */
export function framesWanted(views: ClipViews): number {
  return views === 'pair' ? 1 : views.reduce((most, { frame }) => Math.max(most, frame + 1), 1);
}

/** A renderer with buffers that live on between batches. Errors of the renderer: those of `pairRenderer`. */
export function clipRenderer(dataset: FrameSource, view: ViewConfig, views: ClipViews): ClipRenderer {
  return views === 'pair' ? pairRenderer(dataset, view) : frameViewRenderer(dataset, view, views);
}

function frameViewRenderer(
  dataset: FrameSource,
  view: ViewConfig,
  views: readonly FrameView[],
): ClipRenderer {
  const renderers = views.map(({ frame, augment }, number) => {
    const config = { ...view, augment };
    const maker = imageMaker(dataset, config);
    const [planes, image] = [maker.createFrame(), maker.createImage()];
    const slot = `view ${number}` as const;
    return (
      clip: ClipRecord,
      frames: readonly number[],
      at: { readonly seed: number; readonly epoch: number },
      target: Float32Array,
      offset: number,
    ): void => {
      maker.load(clip, frames[frame]!, planes);
      maker.render(planes, clip, drawAugmentation(config, clip, at.seed, at.epoch, slot), image);
      maker.write(image, target, offset);
    };
  });
  const length = imageLength(view);
  const wanted = framesWanted(views);
  return (clipIndices, seed, epoch, target) => {
    const count = clipIndices.length;
    requireTarget(target, views.length * count * length, `${count} clips`);
    for (const [i, index] of clipIndices.entries()) {
      const clip = clipAt(dataset, index);
      const frames = drawFrames(clip, wanted, view.spg.windowSeconds, seed, epoch);
      for (const [number, render] of renderers.entries())
        render(clip, frames, { seed, epoch }, target, (number * count + i) * length);
    }
  };
}
