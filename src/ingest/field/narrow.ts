/**
 * A declared region is a rectangle around the picture, and the corners beside a fan may hold letters. Where the finder
 * is sure of a fan in it, the region is cut along the fan's two sides, which reach as deep as the region does: what
 * lies in the dark below the last echo may still be field. It promises never to keep a pixel that is not declared, and
 * to leave the declaration as it is wherever anything is in doubt.
 */
import type { Field } from '../../dataset/types.ts';
import { findField } from './find.ts';
import { areaOf, boundsOf, rasterize, type Rectangle } from './raster.ts';
import { hundredths, type Size } from '../../video/geometry.ts';

type Outline = Field['outlines'][number];

/** A side of a fan: x = at + slope · y. */
interface Side {
  readonly at: number;
  readonly slope: number;
}

/** Kept beside the fan's sides, as a share of the region's width: an edge of speckle is no line. */
const MARGIN = 0.01;

/** A vertex of the outline may lie this far on the other side of a line that bounds it; outlines are rounded. */
const ROUNDED = 1;

/** Less of the declared region than this is a part of the picture that the finder took for all of it. */
const FEW = 0.35;

/**
 * The declared field, or what of it lies between the sides of the fan that is found in [height, width, channels] u8
 * frames with at least the confidence `sure`; its confidence is then the finder's. Fields of several outlines stay.
 */
export function narrowedField(
  declared: Field,
  frames: readonly Uint8Array[],
  size: Size,
  channels: 1 | 3,
  sure: number,
): Field {
  const [outline, ...more] = declared.outlines;
  if (outline === undefined || more.length > 0 || frames.length === 0) return declared;
  const mask = rasterize([outline], size);
  const box = boundsOf(mask, size);
  // Only of a rectangle is the inside a picture of its own.
  if (box === null || areaOf(mask) !== box.width * box.height) return declared;
  const pictures = frames.map((frame) => cutOut(frame, box, size, channels));
  const found = findField(pictures, box, channels);
  if (found === null || found.confidence < sure || !['sector', 'convex'].includes(found.shape))
    return declared;
  const [left, right] = [sideOf(found.outlines[0]!, -1), sideOf(found.outlines[0]!, 1)];
  if (left === null || right === null) return declared;
  const narrowed = between(left, right, box);
  const kept = rasterize([narrowed], size);
  const area = areaOf(kept);
  if (area < FEW * areaOf(mask) || area === areaOf(mask)) return declared;
  if (kept.some((value, i) => value > mask[i]!)) return declared;
  return { ...declared, shape: found.shape, outlines: [narrowed], confidence: found.confidence };
}

/** The longest edge of the outline that has all of it on one side and leans outwards: left (−1) or right (1). */
function sideOf(outline: Outline, direction: -1 | 1): Side | null {
  let best: { readonly side: Side; readonly length: number } | null = null;
  for (const [i, [x0, y0]] of outline.entries()) {
    const [x1, y1] = outline[(i + 1) % outline.length]!;
    const length = Math.abs(y1 - y0);
    if (length <= (best?.length ?? ROUNDED)) continue;
    const slope = (x1 - x0) / (y1 - y0);
    const side = { at: x0 - slope * y0, slope };
    const isOutside = ([x, y]: Outline[number]): boolean => direction * (x - side.at - slope * y) > ROUNDED;
    if (direction * slope > 0 && !outline.some(isOutside)) best = { side, length };
  }
  return best?.side ?? null;
}

/** What of the box lies between the sides (in the box's pixels), in pixels of the picture. */
function between(left: Side, right: Side, { x, y, width, height }: Rectangle): Outline {
  const margin = Math.max(2, MARGIN * width);
  const leftAt = (row: number): number => Math.max(0, left.at + left.slope * row - margin);
  const rightAt = (row: number): number => Math.min(width, right.at + right.slope * row + margin);
  const crossing = (left.at - right.at - 2 * margin) / (right.slope - left.slope);
  const top = Math.max(0, crossing);
  const bends = [(margin - left.at) / left.slope, (width - margin - right.at) / right.slope];
  const rows = [top, ...bends.filter((row) => row > top && row < height).sort((a, b) => a - b), height];
  const point = (column: number, row: number): [number, number] => [
    hundredths(x + column),
    hundredths(y + row),
  ];
  return [
    ...rows.map((row) => point(leftAt(row), row)),
    ...rows.toReversed().map((row) => point(rightAt(row), row)),
  ];
}

function cutOut(frame: Uint8Array, box: Rectangle, size: Size, channels: 1 | 3): Uint8Array {
  const row = box.width * channels;
  const result = new Uint8Array(row * box.height);
  for (let y = 0; y < box.height; y++) {
    const from = ((box.y + y) * size.width + box.x) * channels;
    result.set(frame.subarray(from, from + row), y * row);
  }
  return result;
}
