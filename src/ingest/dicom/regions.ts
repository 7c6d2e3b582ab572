/**
 * From the regions that an ultrasound file declares (PS3.3 C.8.5.5, Sequence of Ultrasound Regions) to the field that
 * may be kept. Pure geometry. It promises to err on the side of keeping less: what is not declared as a picture of
 * tissue is left out, and declarations that cannot be true of the picture, or that would mask nothing, give no field.
 */
import type { Field } from '../../dataset/types.ts';
import { rectangleOutline, type Size } from '../../video/geometry.ts';

interface Box {
  readonly x0: number;
  readonly y0: number;
  readonly x1: number;
  readonly y1: number;
}

/** One item of the sequence, as declared. Corners are pixels of the picture, the second one as the file has it. */
export interface UltrasoundRegion extends Box {
  /** Region Spatial Format (0018,6012): 1 is two-dimensional. */
  readonly format: number;
  /** Region Data Type (0018,6014): 1 tissue, 2 colour flow, 15 integrated backscatter, all others no tissue. */
  readonly dataType: number;
  /** Region Flags (0018,6016); bit 0 set: other regions are drawn over this one. */
  readonly flags: number;
}

const TWO_DIMENSIONAL = 1;
const TISSUE: readonly number[] = [1, 2, 15];
const LOW_PRIORITY = 1;

/** A tissue region thinner than this is a mistake or a thumbnail. */
const MIN_SIDE = 16;

/** Regions of at least this share of the picture leave no room for a frame of text around them, so they prove nothing. */
const WHOLE = 0.95;

const MAX_REGIONS = 64;

/**
 * The tissue regions less whatever else is drawn over them (traces, grey and colour bars, graphics), as outlines that
 * do not overlap; null where there is none, where a region reaches out of the picture and so belongs to another one,
 * or where they cover the picture and so mask nothing. The second corner counts as outside: some devices write the
 * last pixel, some the one after it, and a row of tissue is a smaller loss than a row of text.
 */
export function fieldOfRegions(regions: readonly UltrasoundRegion[], { width, height }: Size): Field | null {
  if (regions.length > MAX_REGIONS) return null;
  if (!regions.every(({ x0, y0, x1, y1 }) => x0 >= 0 && y0 >= 0 && x1 <= width && y1 <= height)) return null;
  const tissue = withoutContained(regions.filter((region) => isTissue(region) && isLargeEnough(region)));
  const over = regions.filter((region) => !isTissue(region) && isDrawnOver(region, regions));
  const isPlain = (box: Box): boolean => !isOverlapped(box, tissue) && !isOverlapped(box, over);
  const plain = tissue.filter(isPlain);
  const mixed = tissue.filter((box) => !isPlain(box));
  const kept = [...plain, ...difference(mixed, over)]
    .filter(isLargeEnough)
    .sort((a, b) => a.x0 - b.x0 || a.y0 - b.y0);
  const area = kept.reduce((sum, { x0, y0, x1, y1 }) => sum + (x1 - x0) * (y1 - y0), 0);
  if (kept.length === 0 || area >= WHOLE * width * height) return null;
  return {
    shape: mixed.length > 0 ? 'polygon' : 'rectangle',
    outlines: kept.map(({ x0, y0, x1, y1 }) => rectangleOutline(x0, y0, x1, y1)),
    confidence: 1,
    from: 'declared',
  };
}

/** Pixels of the stored picture mix with their neighbours where it is scaled; the field keeps this far from its edge. */
const MARGIN = 2;

/** A declared field for the picture scaled from one size to another, a little smaller where that changes anything. */
export function scaledField(field: Field, from: Size, to: Size): Field {
  if (from.width === to.width && from.height === to.height) return field;
  const across = to.width / from.width;
  const down = to.height / from.height;
  const outlines = field.outlines.flatMap((outline): [number, number][][] => {
    const xs = outline.map(([x]) => x * across);
    const ys = outline.map(([, y]) => y * down);
    const [x0, x1] = [Math.ceil(Math.min(...xs)) + MARGIN, Math.floor(Math.max(...xs)) - MARGIN];
    const [y0, y1] = [Math.ceil(Math.min(...ys)) + MARGIN, Math.floor(Math.max(...ys)) - MARGIN];
    return x1 > x0 && y1 > y0 ? [rectangleOutline(x0, y0, x1, y1)] : [];
  });
  return { ...field, outlines };
}

function isTissue({ format, dataType }: UltrasoundRegion): boolean {
  return format === TWO_DIMENSIONAL && TISSUE.includes(dataType);
}

/** A region of low priority lies under the tissue of high priority, so its pixels are not seen there. */
function isDrawnOver(region: UltrasoundRegion, all: readonly UltrasoundRegion[]): boolean {
  if ((region.flags & LOW_PRIORITY) === 0) return true;
  return !all.every((other) => !isTissue(other) || (other.flags & LOW_PRIORITY) === 0);
}

function isLargeEnough({ x0, y0, x1, y1 }: Box): boolean {
  return x1 - x0 >= MIN_SIDE && y1 - y0 >= MIN_SIDE;
}

/** Boxes that no other one contains, each once: a colour flow region lies inside of its tissue region. */
function withoutContained(boxes: readonly Box[]): Box[] {
  const contains = (a: Box, b: Box): boolean => a.x0 <= b.x0 && a.y0 <= b.y0 && a.x1 >= b.x1 && a.y1 >= b.y1;
  return boxes.filter(
    (box, i) =>
      !boxes.some((other, j) => i !== j && contains(other, box) && (j < i || !contains(box, other))),
  );
}

function isOverlapped(box: Box, others: readonly Box[]): boolean {
  return others.some(
    (other) =>
      other !== box && other.x0 < box.x1 && box.x0 < other.x1 && other.y0 < box.y1 && box.y0 < other.y1,
  );
}

/** `boxes` less `holes` as boxes that do not overlap: runs of equal rows between all edges. */
function difference(boxes: readonly Box[], holes: readonly Box[]): Box[] {
  const edges = (of: (box: Box) => readonly number[]): number[] =>
    [...new Set([...boxes, ...holes].flatMap(of))].sort((a, b) => a - b);
  const xs = edges(({ x0, x1 }) => [x0, x1]);
  const ys = edges(({ y0, y1 }) => [y0, y1]);
  const covers = (list: readonly Box[], x: number, y: number): boolean =>
    list.some(({ x0, y0, x1, y1 }) => x0 <= x && x < x1 && y0 <= y && y < y1);
  const done: Box[] = [];
  let open: Box[] = [];
  for (let row = 0; row + 1 < ys.length; row++) {
    const [y0, y1] = [ys[row]!, ys[row + 1]!];
    const runs: Box[] = [];
    for (let column = 0; column + 1 < xs.length; column++) {
      const [x0, x1] = [xs[column]!, xs[column + 1]!];
      if (!covers(boxes, x0, y0) || covers(holes, x0, y0)) continue;
      const last = runs.at(-1);
      if (last?.x1 === x0) runs[runs.length - 1] = { ...last, x1 };
      else runs.push({ x0, y0, x1, y1 });
    }
    const isSame =
      runs.length === open.length && runs.every(({ x0, x1 }, i) => x0 === open[i]!.x0 && x1 === open[i]!.x1);
    if (isSame) open = open.map((box) => ({ ...box, y1 }));
    else {
      done.push(...open);
      open = runs;
    }
  }
  return [...done, ...open];
}
