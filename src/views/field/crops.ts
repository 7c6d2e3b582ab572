/**
 * Crops in an ultrasound field: how much of a crop lies in it, the place where most does, and the largest crop of which
 * enough does. All of it is found by search and exact areas, without chance.
 */
import { addAreasInside, areaInside, boundsOf, type Outline, type Rectangle } from './outline.ts';

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
  return searchedPlace(outlines, crop, frame, null);
}

/**
 * The search for the best place. It ends early where `enough` is given, with a place that has it or when no further step can reach
 * it: a place aside has at most that more of the crop inside by which it lies aside, as a share of the crop's sides.
 */
function searchedPlace(
  outlines: readonly Outline[],
  crop: Extent,
  frame: Extent,
  enough: number | null,
): Placed {
  const [roomX, roomY] = [frame.width - crop.width, frame.height - crop.height];
  const [lefts, rights, areas] = [0, 1, 2].map(() => new Float64Array(PLACES)) as [
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  let best: Placed | null = null;
  /** Looks at places in a row: `count` of them a step apart, `before` of them left of x. */
  const look = (x: number, before: number, count: number, y: number): void => {
    const top = Math.min(roomY, Math.max(0, y));
    const bottom = top + crop.height;
    let places = 0;
    for (let column = -before; column < count - before; column++) {
      const left = Math.min(roomX, Math.max(0, x + column * stepX));
      // Held at the frame's border it may be the place before once more.
      if (places > 0 && left === lefts[places - 1]!) continue;
      lefts[places] = left;
      rights[places] = left + crop.width;
      places++;
    }
    areas.fill(0);
    for (const outline of outlines) addAreasInside(outline, top, bottom, lefts, rights, places, areas);
    for (let n = 0; n < places; n++) {
      const [left, right] = [lefts[n]!, rights[n]!];
      const share = areas[n]! / ((right - left) * (bottom - top));
      if (best === null || share > best.share) best = { box: { left, top, right, bottom }, share };
    }
  };
  let [stepX, stepY] = [roomX / (PLACES - 1), roomY / (PLACES - 1)];
  const isDecided = (): boolean => {
    if (enough === null) return false;
    // All steps that are still to come together are no longer than the last one.
    const reach = stepX / crop.width + stepY / crop.height;
    return best!.share >= enough || best!.share + reach < enough - 1e-9;
  };
  for (let row = 0; row < PLACES; row++) {
    look(0, 0, PLACES, row * stepY);
    if (enough !== null && best!.share >= enough) return best!;
  }
  for (let k = 0; k < HALVINGS && !isDecided(); k++) {
    const { left, top } = best!.box;
    stepX /= 2;
    stepY /= 2;
    for (let row = -1; row <= 1; row++) look(left, 1, 3, top + row * stepY);
  }
  return best!;
}

/** Steps in which the largest crop is narrowed down: to 1/64 of its side. */
const BISECTIONS = 6;

/** What was found last in outlines, which nobody changes: those of a stored frame are asked for in every epoch. */
const FOUND = new WeakMap<readonly Outline[], { readonly asked: string; readonly crop: Rectangle | null }>();

/** `searchedCrop`, which is searched once where outlines and numbers are those of the last time. */
export function largestCrop(
  outlines: readonly Outline[],
  ratio: number,
  share: number,
  frame: Extent,
): Rectangle | null {
  const asked = [ratio, share, frame.width, frame.height].join();
  const found = FOUND.get(outlines);
  if (found?.asked === asked) return found.crop;
  const crop = searchedCrop(outlines, ratio, share, frame);
  FOUND.set(outlines, { asked, crop });
  return crop;
}

/**
 * The largest crop of `ratio` (width over height) in the frame of which at least `share` lies in the outlines, by
 * bisection. Null where none is found, however small.
 */
function searchedCrop(
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
  const sized = (size: number): Extent => ({ width: size * width, height: (size * width) / ratio });
  const fits = (size: number): boolean => searchedPlace(outlines, sized(size), frame, share).share >= share;
  if (fits(1)) return bestPlace(outlines, sized(1), frame).box;
  let [low, high] = [0, 1];
  for (let k = 0; k < BISECTIONS; k++) {
    const middle = (low + high) / 2;
    if (fits(middle)) low = middle;
    else high = middle;
  }
  return low === 0 ? null : bestPlace(outlines, sized(low), frame).box;
}
