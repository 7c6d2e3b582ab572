/**
 * Renders the images that a method asks for of each clip: a pair of views (`pairs.ts`), or views of single frames,
 * each with its own augmentation. The images are a function of (dataset, clips, view config, seed, epoch) alone.
 */
import type { ClipRecord } from '../dataset/types.ts';
import { type AugmentConfig, imageLength, type ViewConfig } from './config.ts';
import { drawAugmentation } from './draw.ts';
import { clipAt, type FrameSource, imageMaker, requireTarget } from './image.ts';
import { type ClipRenderer, pairRenderer } from './pairs.ts';
import { drawFrames, drawPair } from './sampling.ts';

/** One image of a clip. */
export interface FrameView {
  /** Number of the drawn frame, from 0: views with the same number show the same frame. */
  readonly frame: number;
  readonly augment: AugmentConfig;
  /** Side of its images in pixels. Default: `view.size`. */
  readonly size?: number;
}

/** Images of each clip of a stream: two views as `view.spg` says, or one a frame view. */
export type ClipViews = 'pair' | readonly FrameView[];

/** Images of one clip. */
export function viewCount(views: ClipViews): number {
  return views === 'pair' ? 2 : views.length;
}

/** Sides of the images of one clip, view by view. */
export function viewSizes(views: ClipViews, { size }: Pick<ViewConfig, 'size'>): readonly number[] {
  return views === 'pair' ? [size, size] : views.map((view) => view.size ?? size);
}

/** Numbers of all images of one clip. */
export function clipLength(views: ClipViews, view: Pick<ViewConfig, 'channels' | 'size'>): number {
  return viewSizes(views, view).reduce((sum, size) => sum + imageLength({ ...view, size }), 0);
}

/** Different frames that are drawn of one clip. */
export function framesWanted(views: ClipViews): number {
  return views === 'pair' ? 1 : views.reduce((most, { frame }) => Math.max(most, frame + 1), 1);
}

/**
 * The times of the frames that the views of a clip show, one a view, in seconds from its first frame: of a mixed view that of
 * the frame beside the anchor. NaN where a clip of several frames has no frame rate. `partner` is shown by all views but the first. Error: `VIEW_WINDOW_WITHOUT_RATE`.
 */
export function timesShown(
  clip: ClipRecord,
  partner: ClipRecord,
  view: Pick<ViewConfig, 'spg'>,
  views: ClipViews,
  at: { readonly seed: number; readonly epoch: number },
): readonly number[] {
  const { seed, epoch } = at;
  const framesOf = (shown: ClipRecord): readonly number[] => {
    if (views !== 'pair') {
      const { windowSeconds } = view.spg;
      const frames = drawFrames(shown, framesWanted(views), windowSeconds, seed, epoch, clip.id);
      return views.map(({ frame }) => frames[frame]!);
    }
    const { frame0, frame1 } = drawPair(shown, view.spg, seed, epoch, clip.id);
    return [frame0, frame1];
  };
  const timesOf = (shown: ClipRecord): readonly number[] =>
    framesOf(shown).map((frame) => (shown.frames === 1 ? 0 : frame / (shown.fps ?? NaN)));
  const own = timesOf(clip);
  return partner === clip ? own : [own[0]!, ...timesOf(partner).slice(1)];
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
  let before = 0;
  const renderers = views.map(({ frame, augment, size = view.size }, number) => {
    const config = { ...view, augment, size };
    const length = imageLength(config);
    const from = before;
    before += length;
    const maker = imageMaker(dataset, config);
    const [planes, image] = [maker.createFrame(), maker.createImage()];
    const slot = `view ${number}` as const;
    return (
      shown: ClipRecord,
      frames: readonly number[],
      at: { readonly seed: number; readonly epoch: number; readonly id: string },
      target: Float32Array,
      row: number,
      rows: number,
    ): void => {
      const augmentation = drawAugmentation(config, { ...shown, id: at.id }, at.seed, at.epoch, slot);
      maker.load(shown, frames[frame]!, planes);
      maker.render(planes, shown, augmentation, image);
      maker.write(image, target, from * rows + row * length);
    };
  });
  const length = clipLength(views, view);
  const wanted = framesWanted(views);
  return (clipIndices, seed, epoch, target, partners = clipIndices) => {
    const count = clipIndices.length;
    requireTarget(target, count * length, `${count} clips`);
    for (const [i, index] of clipIndices.entries()) {
      const [own, other] = [clipAt(dataset, index), clipAt(dataset, partners[i] ?? index)];
      const { id } = own;
      const framesOf = (shown: ClipRecord): readonly number[] =>
        drawFrames(shown, wanted, view.spg.windowSeconds, seed, epoch, id);
      const ownFrames = framesOf(own);
      const otherFrames = other === own ? ownFrames : framesOf(other);
      for (const [number, render] of renderers.entries()) {
        const [shown, frames] = number === 0 ? [own, ownFrames] : [other, otherFrames];
        render(shown, frames, { seed, epoch, id }, target, i, count);
      }
    }
  };
}
