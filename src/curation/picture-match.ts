/**
 * Decides by pixels whether two frames are one picture, which may have been cut, stretched, re-encoded, written on
 * or changed in contrast. Audits use it for pairs whose perceptual hashes are too far apart to count and too near to
 * be chance. The local contrast of one frame is aligned with that of the other where it correlates best (scale and
 * shift across and down, by a coarse search and a climb). The same picture then agrees in most of its parts;
 * look-alikes do not. docs/audit.md has the figures behind the limits.
 */
import { averageGrid, GRID_SIDE } from '../dataset/area-grid.ts';

/** Correlation of all, and median of that of the tiles, from which on two frames are the same picture. */
export const SAME_CORRELATION = 0.6;
export const SAME_TILES = 0.6;

/** Tiles across and down; fewer than `MIN_TILES` of them to compare are too few. */
const TILES = 6;
const MIN_TILES = 10;
/** Share of the picture that has to lie within the other. */
const OVERLAP = 0.6;
/** Scales and shifts (in shares of the frame) that the search begins with; those that stretch by more are left out. */
const SCALES = [0.84, 0.92, 1, 1.09, 1.19];
const SHIFTS = [-0.08, -0.04, 0, 0.04, 0.08];
const STRETCH = 1.22;
/** How many of the best beginnings are followed, and the steps of the climb. */
const CLIMBS = 3;
const STEPS = [0.03, 0.015, 0.0075, 0.00375];

/** Local contrast at one size: [side, side] values, and 1 where they belong to the picture. */
interface Layer {
  readonly side: number;
  readonly values: Float64Array;
  readonly inside: Uint8Array;
}

/** A frame made ready to be compared. */
export interface MatchPicture {
  readonly coarse: Layer;
  readonly fine: Layer;
}

/** Where a point of one picture lies in the other: u = x · scaleX + shiftX, from the middle, in shares of the frame. */
type Placement = readonly [scaleX: number, scaleY: number, shiftX: number, shiftY: number];

/** How two frames agree at the best placement. -1 where too little overlaps. */
export interface PictureMatch {
  readonly correlation: number;
  readonly tiles: number;
}

/** Makes a [height, width, channels] u8 frame ready; `mirrored` left to right. */
export function matchPicture(
  frame: Uint8Array,
  width: number,
  height: number,
  channels: 1 | 3,
  mirrored = false,
): MatchPicture {
  const grid = new Float64Array(GRID_SIDE * GRID_SIDE);
  averageGrid(frame, width, height, channels, grid);
  if (mirrored)
    for (let y = 0; y < GRID_SIDE; y++) grid.subarray(y * GRID_SIDE, (y + 1) * GRID_SIDE).reverse();
  return { coarse: layerOf(grid, 24, 3), fine: layerOf(grid, 48, 4) };
}

/** Compares two frames at the placement that suits them best. */
export function comparePictures(a: MatchPicture, b: MatchPicture): PictureMatch {
  const starts: { readonly value: number; readonly placement: Placement }[] = [];
  for (const scaleX of SCALES) {
    for (const scaleY of SCALES) {
      if (Math.max(scaleX / scaleY, scaleY / scaleX) > STRETCH) continue;
      for (const shiftX of SHIFTS) {
        for (const shiftY of SHIFTS) {
          const placement = [scaleX, scaleY, shiftX, shiftY] as const;
          starts.push({ value: correlate(a.coarse, b.coarse, placement), placement });
        }
      }
    }
  }
  starts.sort((x, y) => y.value - x.value);
  let best: { readonly value: number; readonly placement: Placement } = {
    value: -1,
    placement: [1, 1, 0, 0],
  };
  for (const { placement } of starts.slice(0, CLIMBS)) {
    const top = climb(a.fine, b.fine, placement);
    if (top.value > best.value) best = top;
  }
  if (best.value < 0) return { correlation: best.value, tiles: -1 };
  return { correlation: best.value, tiles: tilesAgree(a.fine, b.fine, best.placement) };
}

/** Whether two frames that agree so are the same picture. */
export function isSamePicture({ correlation, tiles }: PictureMatch): boolean {
  return correlation >= SAME_CORRELATION && tiles >= SAME_TILES;
}

/** Brightness less that of the surroundings, over their spread, on a grid of `side` cells. */
function layerOf(grid: Float64Array, side: number, radius: number): Layer {
  const step = GRID_SIDE / side;
  const cells = new Float64Array(side * side);
  for (let y = 0; y < GRID_SIDE; y++)
    for (let x = 0; x < GRID_SIDE; x++)
      cells[Math.floor(y / step) * side + Math.floor(x / step)]! += grid[y * GRID_SIDE + x]! / step ** 2;
  const sorted = cells.slice().sort();
  const low = sorted[Math.floor(0.02 * cells.length)]!;
  const range = Math.max(4, sorted[Math.floor(0.99 * cells.length)]! - low);
  const values = new Float64Array(cells.length);
  const inside = new Uint8Array(cells.length);
  for (let y = 0, at = 0; y < side; y++) {
    const [top, bottom] = [Math.max(0, y - radius), Math.min(side - 1, y + radius)];
    for (let x = 0; x < side; x++, at++) {
      const [left, right] = [Math.max(0, x - radius), Math.min(side - 1, x + radius)];
      let sum = 0;
      let squares = 0;
      for (let j = top; j <= bottom; j++) {
        for (let i = left; i <= right; i++) {
          const value = cells[j * side + i]!;
          sum += value;
          squares += value * value;
        }
      }
      const n = (right - left + 1) * (bottom - top + 1);
      const mean = sum / n;
      const spread = Math.sqrt(Math.max(0, squares / n - mean * mean));
      values[at] = (cells[at]! - mean) / (spread + 0.02 * range);
      inside[at] = cells[at]! - low > 0.04 * range || spread > 0.03 * range ? 1 : 0;
    }
  }
  return { side, values, inside };
}

/** Sums of both, of their squares and of their product, over the points they share: n, a, b, aa, bb, ab. */
type Moments = Float64Array;

function correlation(m: Moments, from: number, floor: number): number {
  const n = m[from]!;
  const [a, b] = [m[from + 1]! / n, m[from + 2]! / n];
  const spreads = (m[from + 3]! / n - a * a + floor) * (m[from + 4]! / n - b * b + floor);
  return (m[from + 5]! / n - a * b) / Math.sqrt(spreads + 1e-12);
}

/** Adds up the moments at a placement by tile (`tiles` across and down); returns the points of `a` that count. */
function overlay(a: Layer, b: Layer, placement: Placement, tiles: number, into: Moments): number {
  const { side } = a;
  const [scaleX, scaleY, shiftX, shiftY] = placement;
  into.fill(0, 0, 6 * tiles * tiles);
  const [mine, theirs, inside] = [a.values, b.values, a.inside];
  let points = 0;
  for (let y = 0; y < side; y++) {
    const v = (((y + 0.5) / side - 0.5) * scaleY + shiftY + 0.5) * side - 0.5;
    const j = Math.floor(v);
    const down = v - j;
    const outside = j < 0 || j >= side - 1;
    const rowOfTiles = Math.floor((y * tiles) / side) * tiles;
    for (let x = 0; x < side; x++) {
      if (inside[y * side + x] === 0) continue;
      points += 1;
      const u = (((x + 0.5) / side - 0.5) * scaleX + shiftX + 0.5) * side - 0.5;
      const i = Math.floor(u);
      if (outside || i < 0 || i >= side - 1) continue;
      const aside = u - i;
      const at = j * side + i;
      const above = theirs[at]! * (1 - aside) + theirs[at + 1]! * aside;
      const below = theirs[at + side]! * (1 - aside) + theirs[at + side + 1]! * aside;
      const q = above * (1 - down) + below * down;
      const p = mine[y * side + x]!;
      const to = 6 * (rowOfTiles + Math.floor((x * tiles) / side));
      into[to]! += 1;
      into[to + 1]! += p;
      into[to + 2]! += q;
      into[to + 3]! += p * p;
      into[to + 4]! += q * q;
      into[to + 5]! += p * q;
    }
  }
  return points;
}

const scratch = new Float64Array(6 * TILES * TILES);

function correlate(a: Layer, b: Layer, placement: Placement): number {
  const points = overlay(a, b, placement, 1, scratch);
  if (scratch[0]! < Math.max(100, OVERLAP * points)) return -1;
  return correlation(scratch, 0, 0);
}

/** Goes uphill from a placement, one number at a time, in ever smaller steps. */
function climb(
  a: Layer,
  b: Layer,
  from: Placement,
): { readonly value: number; readonly placement: Placement } {
  let placement = from;
  let value = correlate(a, b, placement);
  for (const step of STEPS) {
    for (let round = 0, moved = true; moved && round < 4; round++) {
      moved = false;
      for (let k = 0; k < 8; k++) {
        const [sx, sy, tx, ty] = placement;
        const by = k % 2 === 0 ? -step : step;
        const next: Placement =
          k < 2
            ? [sx + by, sy, tx, ty]
            : k < 4
              ? [sx, sy + by, tx, ty]
              : k < 6
                ? [sx, sy, tx + by / 2, ty]
                : [sx, sy, tx, ty + by / 2];
        const higher = correlate(a, b, next);
        if (higher <= value) continue;
        [value, placement, moved] = [higher, next, true];
      }
    }
  }
  return { value, placement };
}

/** Median of the correlations of the tiles: marks drawn over some of them do not count. */
function tilesAgree(a: Layer, b: Layer, placement: Placement): number {
  overlay(a, b, placement, TILES, scratch);
  const enough = 0.5 * (a.side / TILES) ** 2;
  const all: number[] = [];
  // The floor keeps noise in flat tiles from counting as texture.
  for (let at = 0; at < scratch.length; at += 6)
    if (scratch[at]! >= enough) all.push(correlation(scratch, at, 0.05));
  if (all.length < MIN_TILES) return -1;
  return all.sort((x, y) => x - y)[Math.floor(all.length / 2)]!;
}
