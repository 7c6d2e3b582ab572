/**
 * The coarse texture of an ultrasound frame, without what all frames of a probe share: the margins and the brightness
 * of the surroundings. Everything works on the small grid that one pass over the bytes makes.
 * Results depend on pixels alone, to the last bit: perceptual hashes that datasets keep are made of them. Scratch is
 * allocated once; nothing here waits, so calls cannot mix.
 */
import { averageGrid, GRID_SIDE } from './area-grid.ts';

/** Own copies: an imported constant is looked up at every use. */
const GRID = GRID_SIDE;
/** Side of the picture of local contrast. */
export const DETAIL_SIDE = 32;
const SIDE = DETAIL_SIDE;
/** Between these shares of the range from dark to bright a cell goes from background to picture. */
const DARK = 0.04;
const LIT = 0.16;
/** Share of the picture left out on each side when its box is looked for: text and marks in the margin. */
const TRIM = 0.01;
/** Half width of the surroundings, in cells of the transformed picture. */
const RADIUS = 5;
/** Least spread of the surroundings, as a share of the range: below, there is noise and no texture. */
const NOISE = 0.02;
/** A frame whose range is less, in levels, holds nothing to go by. */
const FLAT = 4;

/** Scratch: the grid, its summed-area table, and the marginals. */
const grid = new Float64Array(GRID * GRID);
const gridSums = new Float64Array((GRID + 1) * (GRID + 1));
const columns = new Float64Array(GRID);
const rows = new Float64Array(GRID);
const histogram = new Uint32Array(1024);
/** Scratch of the small picture: sums up to the corners of its cells, itself, and its summed-area tables. */
const corners = new Float64Array((SIDE + 1) * (SIDE + 1));
const picture = new Float64Array(SIDE * SIDE);
const weights = new Float64Array(SIDE * SIDE);
const count = new Float64Array((SIDE + 1) * (SIDE + 1));
const first = new Float64Array((SIDE + 1) * (SIDE + 1));
const second = new Float64Array((SIDE + 1) * (SIDE + 1));
const detail = new Float64Array(SIDE * SIDE);

/** What is dark and what is bright in a frame; both move with the gain. */
interface Range {
  readonly low: number;
  readonly width: number;
}

/**
 * [DETAIL_SIDE, DETAIL_SIDE] local contrast of a [height, width, channels] u8 frame within the picture's box, 0 in the
 * background; null where there is nothing in it. The array is valid until the next call.
 */
export function localDetail(
  frame: Uint8Array,
  width: number,
  height: number,
  channels: 1 | 3,
): Float64Array | null {
  averageGrid(frame, width, height, channels, grid);
  const range = rangeOf();
  if (range.width < FLAT) return null;
  marginals(range);
  const [left, right] = extent(columns);
  const [top, bottom] = extent(rows);
  box(left, right, top, bottom);
  localContrast(range);
  return detail;
}

/** The levels that 2 % of the cells are below and 1 % above, by a histogram in steps of a quarter of a level. */
function rangeOf(): Range {
  histogram.fill(0);
  // A truncation is a floor here, and much faster.
  for (let i = 0; i < GRID * GRID; i++) histogram[(4 * grid[i]! + 0.5) | 0]! += 1;
  const low = level(0.02);
  return { low, width: level(0.99) - low };
}

function level(share: number): number {
  let left = share * GRID * GRID;
  let at = 0;
  while (left >= histogram[at]!) left -= histogram[at++]!;
  return at / 4;
}

/** 0 for background to 1 for picture; a slope, because a step would turn small changes of gain into large ones. */
function belongs(value: number, low: number, width: number): number {
  return Math.min(1, Math.max(0, ((value - low) / width - DARK) / (LIT - DARK)));
}

/** Fills `columns` and `rows` with the sums of what belongs to the picture, and `gridSums`. */
function marginals({ low, width }: Range): void {
  columns.fill(0);
  // Most cells are clearly background or clearly picture: only those between need the slope.
  const dark = low + 0.99 * DARK * width;
  const lit = low + 1.01 * LIT * width;
  const from = grid;
  const sums = gridSums;
  for (let y = 0, at = 0; y < GRID; y++) {
    let sum = 0;
    let across = 0;
    let to = (y + 1) * (GRID + 1) + 1;
    for (let x = 0; x < GRID; x++, at++, to++) {
      const value = from[at]!;
      sum += value;
      sums[to] = sums[to - GRID - 1]! + sum;
      if (value <= dark) continue;
      const weight = value >= lit ? 1 : belongs(value, low, width);
      columns[x]! += weight;
      across += weight;
    }
    rows[y] = across;
  }
}

/** Where, in cells, a marginal holds all but `TRIM` of its sum on each side. */
function extent(marginal: Float64Array): readonly [from: number, to: number] {
  let total = 0;
  for (let i = 0; i < GRID; i++) total += marginal[i]!;
  const cut = TRIM * total;
  const from = edge(marginal, cut, 0, 1);
  return [from, Math.max(GRID - edge(marginal, cut, GRID - 1, -1), from + 1)];
}

/** How many cells from `at` on, in steps of `step`, hold `cut`. */
function edge(values: Float64Array, cut: number, at: number, step: 1 | -1): number {
  let sum = 0;
  for (let i = 0; i < GRID; i++) {
    const value = values[at + step * i]!;
    if (sum + value > cut) return i + (cut - sum) / value;
    sum += value;
  }
  return 0;
}

/** Fills `picture` with the box of the grid, by area. */
function box(left: number, right: number, top: number, bottom: number): void {
  const [stepX, stepY] = [(right - left) / SIDE, (bottom - top) / SIDE];
  for (let j = 0, to = 0; j <= SIDE; j++) {
    const y = top + j * stepY;
    const row = Math.min(Math.floor(y), GRID - 1);
    const down = y - row;
    for (let i = 0; i <= SIDE; i++, to++) {
      const x = left + i * stepX;
      const column = Math.min(Math.floor(x), GRID - 1);
      const aside = x - column;
      const at = row * (GRID + 1) + column;
      const above = gridSums[at]! * (1 - aside) + gridSums[at + 1]! * aside;
      const below = gridSums[at + GRID + 1]! * (1 - aside) + gridSums[at + GRID + 2]! * aside;
      corners[to] = above * (1 - down) + below * down;
    }
  }
  const area = stepX * stepY;
  for (let y = 0, to = 0, at = 0; y < SIDE; y++, at++) {
    for (let x = 0; x < SIDE; x++, to++, at++) {
      const sum = corners[at + SIDE + 2]! - corners[at + SIDE + 1]! - corners[at + 1]! + corners[at]!;
      picture[to] = sum / area;
    }
  }
}

/** Fills `detail`: brightness less that of the surroundings, over their spread; background neither counts nor remains. */
function localContrast({ low, width }: Range): void {
  for (let y = 0, at = 0; y < SIDE; y++) {
    let n = 0;
    let sum = 0;
    let squares = 0;
    let to = (y + 1) * (SIDE + 1) + 1;
    for (let x = 0; x < SIDE; x++, at++, to++) {
      const value = picture[at]!;
      const weight = belongs(value, low, width);
      weights[at] = weight;
      n += weight;
      sum += weight * value;
      squares += weight * (value * value);
      count[to] = count[to - SIDE - 1]! + n;
      first[to] = first[to - SIDE - 1]! + sum;
      second[to] = second[to - SIDE - 1]! + squares;
    }
  }
  for (let y = 0, at = 0; y < SIDE; y++) {
    const above = Math.max(0, y - RADIUS) * (SIDE + 1);
    const below = Math.min(SIDE, y + RADIUS + 1) * (SIDE + 1);
    for (let x = 0; x < SIDE; x++, at++) {
      const weight = weights[at]!;
      detail[at] = 0;
      if (weight === 0) continue;
      const left = Math.max(0, x - RADIUS);
      const right = Math.min(SIDE, x + RADIUS + 1);
      const [a, b, c, d] = [below + right, above + right, below + left, above + left];
      const n = count[a]! - count[b]! - count[c]! + count[d]!;
      const mean = (first[a]! - first[b]! - first[c]! + first[d]!) / n;
      const square = (second[a]! - second[b]! - second[c]! + second[d]!) / n;
      const spread = Math.sqrt(Math.max(0, square - mean * mean));
      detail[at] = (weight * (picture[at]! - mean)) / (spread + NOISE * width);
    }
  }
}
