/**
 * Draws the crop of an image. The plain one is torchvision's RandomResizedCrop on the resized grid. A crop inside the
 * field keeps to the ultrasound: its area counts against that of the largest crop that the field holds.
 */
import type { Random } from '../base/random.ts';
import type { ImageConfig } from './config.ts';
import { bestPlace, type Extent, largestCrop, shareInside } from './field/crops.ts';
import type { Outline, Rectangle } from './field/outline.ts';

/** A crop as a box of the stored frame. */
export function drawCrop(view: ImageConfig, frame: Extent, random: Random): Rectangle {
  const grid = gridOf(view, frame);
  const [left, top, width, height] = drawGridCrop(view, grid, random);
  const scaleX = frame.width / grid.width;
  const scaleY = frame.height / grid.height;
  return {
    left: left * scaleX,
    top: top * scaleY,
    right: (left + width) * scaleX,
    bottom: (top + height) * scaleY,
  };
}

function gridOf({ size, resize }: ImageConfig, { width, height }: Extent): Extent {
  if (resize === 'square') return { width: size, height: size };
  if (width <= height) return { width: size, height: Math.trunc((size * height) / width) };
  return { width: Math.trunc((size * width) / height), height: size };
}

/**
 * Ten tries of an area uniform in `cropScale` and a ratio log-uniform in `cropRatio`; if none fits, the largest centred
 * crop of an allowed ratio.
 */
function drawGridCrop(
  { augment }: ImageConfig,
  { width, height }: Extent,
  random: Random,
): readonly [left: number, top: number, width: number, height: number] {
  const area = width * height;
  const lowRatio = Math.log(augment.cropRatio[0]);
  const highRatio = Math.log(augment.cropRatio[1]);
  for (let attempt = 0; attempt < 10; attempt++) {
    const target = area * random.between(...augment.cropScale);
    const ratio = Math.exp(random.between(lowRatio, highRatio));
    const w = Math.round(Math.sqrt(target * ratio));
    const h = Math.round(Math.sqrt(target / ratio));
    if (w < 1 || h < 1 || w > width || h > height) continue;
    const top = random.integer(height - h + 1);
    return [random.integer(width - w + 1), top, w, h];
  }
  const ratio = width / height;
  const w = ratio > augment.cropRatio[1] ? Math.max(1, Math.round(height * augment.cropRatio[1])) : width;
  const h = ratio < augment.cropRatio[0] ? Math.max(1, Math.round(width / augment.cropRatio[0])) : height;
  return [Math.floor((width - w) / 2), Math.floor((height - h) / 2), w, h];
}

/** Places that are drawn for a crop inside the field. */
const PLACES_DRAWN = 50;

/**
 * A crop of which at least `insideField.share` lies in the outlines, as a box of the stored frame. An area uniform in
 * `cropScale`, as a share of the largest such crop of the middle ratio, and a ratio log-uniform in `cropRatio` are drawn
 * once; then up to 50 places. If none will do: the place where most of that crop lies in the field; if that is not
 * enough, as for a ratio that does not fit, the largest crop itself. Null where the field holds no crop at all.
 */
export function drawCropInside(
  view: ImageConfig,
  outlines: readonly Outline[],
  frame: Extent,
  random: Random,
): Rectangle | null {
  const { cropScale, cropRatio, insideField } = view.augment;
  const grid = gridOf(view, frame);
  // Proportions are those on the grid; a square of it is this wide in a frame that was stretched.
  const stretch = (frame.width / grid.width) * (grid.height / frame.height);
  const [lowRatio, highRatio] = [Math.log(cropRatio[0]), Math.log(cropRatio[1])];
  const middle = Math.exp((lowRatio + highRatio) / 2);
  const largest = largestCrop(outlines, stretch * middle, insideField.share, frame);
  if (largest === null) return null;
  const area = (largest.right - largest.left) * (largest.bottom - largest.top) * random.between(...cropScale);
  const ratio = stretch * Math.exp(random.between(lowRatio, highRatio));
  const crop = { width: Math.sqrt(area * ratio), height: Math.sqrt(area / ratio) };
  if (crop.width > frame.width || crop.height > frame.height) return largest;
  for (let attempt = 0; attempt < PLACES_DRAWN; attempt++) {
    const left = random.between(0, frame.width - crop.width);
    const top = random.between(0, frame.height - crop.height);
    const box = { left, top, right: left + crop.width, bottom: top + crop.height };
    if (shareInside(outlines, box) >= insideField.share) return box;
  }
  const { box, share } = bestPlace(outlines, crop, frame);
  return share >= insideField.share ? box : largest;
}
