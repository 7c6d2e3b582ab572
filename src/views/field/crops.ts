/**
 * Crops in an ultrasound field: how much of a crop lies in it, the place where most does, and the largest crop of which
 * enough does. All of it is found by search and exact areas, without chance.
 */
import { areaInside, boundsOf, type Outline, type Rectangle } from './outline.ts';

/** Width and height of a frame, or of a crop in it. */
export interface Extent {
  readonly width: number;
  readonly height: number;
}

/** Share of the box that lies in the outlines, which do not overlap. */
export function shareInside(outlines: readonly Outline[], box: Rectangle): number {
  let area = 0;
  for (const outline of outlines) area += areaInside(outline, box);
  return area / ((box.right - box.left) * (box.bottom - box.top));
}

export interface Placed {
  readonly box: Rectangle;
  readonly share: number;
}

/** Places looked at along a side at first, and how often the distance between places is then halved. */
const PLACES = 5;
const HALVINGS = 5;

/**
 * The place in the frame at which the largest share of a crop lies in the outlines: the best of 5 × 5 places, then of
 * its neighbours at half the distance, five times. Of equal places the first is taken, row by row.
 */
export function bestPlace(outlines: readonly Outline[], crop: Extent, frame: Extent): Placed {
  const [roomX, roomY] = [frame.width - crop.width, frame.height - crop.height];
  const placed = (x: number, y: number): Placed => {
    const left = Math.min(roomX, Math.max(0, x));
    const top = Math.min(roomY, Math.max(0, y));
    const box = { left, top, right: left + crop.width, bottom: top + crop.height };
    return { box, share: shareInside(outlines, box) };
  };
  let [stepX, stepY] = [roomX / (PLACES - 1), roomY / (PLACES - 1)];
  let best = placed(0, 0);
  const look = (x: number, y: number): void => {
    const one = placed(x, y);
    if (one.share > best.share) best = one;
  };
  for (let row = 0; row < PLACES; row++)
    for (let column = 0; column < PLACES; column++) look(column * stepX, row * stepY);
  for (let k = 0; k < HALVINGS; k++) {
    const { left, top } = best.box;
    stepX /= 2;
    stepY /= 2;
    for (let row = -1; row <= 1; row++)
      for (let column = -1; column <= 1; column++) look(left + column * stepX, top + row * stepY);
  }
  return best;
}

/** Steps in which the largest crop is narrowed down: to 1/64 of its side. */
const BISECTIONS = 6;

/**
 * The largest crop of `ratio` (width over height) in the frame of which at least `share` lies in the outlines, by
 * bisection. Null where none is found, however small.
 */
export function largestCrop(
  outlines: readonly Outline[],
  ratio: number,
  share: number,
  frame: Extent,
): Rectangle | null {
  const { left, top, right, bottom } = boundsOf(outlines);
  const width = Math.min(
    frame.width,
    frame.height * ratio,
    (right - left) / share,
    ((bottom - top) / share) * ratio,
  );
  const attempt = (size: number): Rectangle | null => {
    const { box, share: inside } = bestPlace(
      outlines,
      { width: size * width, height: (size * width) / ratio },
      frame,
    );
    return inside >= share ? box : null;
  };
  let found = attempt(1);
  if (found !== null) return found;
  let [low, high] = [0, 1];
  for (let k = 0; k < BISECTIONS; k++) {
    const middle = (low + high) / 2;
    const box = attempt(middle);
    if (box === null) high = middle;
    else {
      found = box;
      low = middle;
    }
  }
  return found;
}
