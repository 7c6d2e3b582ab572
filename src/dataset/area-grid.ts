/**
 * Area reduction of a frame to a small grid in one pass over its bytes. The order of the additions is fixed: perceptual
 * hashes that datasets keep depend on the result to the last bit. Scratch is kept from call to call; nothing here waits,
 * so calls cannot mix.
 */
import { LUMA } from './channels.ts';

/** Side of the grid. */
export const GRID_SIDE = 96;
/** An exported constant is looked up at every use; a plain one is not. */
const GRID = GRID_SIDE;

/** Scratch: rows of pixels cut into cells, [height, GRID]. */
let lines = new Float64Array(0);
let plan = planFor(1, 1);

/** Fills `grid` ([GRID_SIDE, GRID_SIDE]) with area averages of the luminance of a [height, width, channels] u8 frame of any size. */
export function averageGrid(
  frame: Uint8Array,
  width: number,
  height: number,
  channels: 1 | 3,
  grid: Float64Array,
): void {
  if (plan.width !== width || plan.height !== height) plan = planFor(width, height);
  if (lines.length < height * GRID) lines = new Float64Array(height * GRID);
  let y = 0;
  if (channels === 1) for (; y + 4 <= height; y += 4) cutFourGrey(frame, y * width, width, y * GRID);
  for (; y < height; y++) cutRow(frame, y * width * channels, width, channels, y * GRID);
  const { starts, rowOf, shareOf } = plan;
  const area = (width / GRID) * (height / GRID);
  const cut = lines;
  for (let cell = 0; cell < GRID; cell++) {
    const to = cell * GRID;
    for (let k = starts[cell]!; k < starts[cell + 1]!; k += 4) {
      const [a, b, c, d] = [
        rowOf[k]! * GRID,
        rowOf[k + 1]! * GRID,
        rowOf[k + 2]! * GRID,
        rowOf[k + 3]! * GRID,
      ];
      const [p, q, r, s] = [shareOf[k]!, shareOf[k + 1]!, shareOf[k + 2]!, shareOf[k + 3]!];
      if (k === starts[cell]!) grid.fill(0, to, to + GRID);
      const divide = k + 4 === starts[cell + 1]! ? area : 1;
      for (let x = 0; x < GRID; x++) {
        const before = grid[to + x]! + p * cut[a + x]! + q * cut[b + x]!;
        grid[to + x] = (before + r * cut[c + x]! + s * cut[d + x]!) / divide;
      }
    }
  }
}

/** How pixels fall into cells. For the size used last: the frames of a clip share it. */
interface Plan {
  readonly width: number;
  readonly height: number;
  /** Where the cells of a row end: whole pixels before it and the share of the next one. */
  readonly whole: Int32Array;
  readonly share: Float64Array;
  /** Rows that lie in each row of cells, wholly or in part, from `starts[cell]` on, in fours (filled up with share 0). */
  readonly starts: Int32Array;
  readonly rowOf: Int32Array;
  readonly shareOf: Float64Array;
}

function planFor(width: number, height: number): Plan {
  const ends = Array.from({ length: GRID }, (_, x) => ((x + 1) * width) / GRID);
  const rowsPerCell = height / GRID;
  const cells = Array.from({ length: GRID }, (): { readonly row: number; readonly share: number }[] => []);
  for (let row = 0; row < height; row++) {
    for (let cell = Math.floor(row / rowsPerCell); cell < GRID; cell++) {
      const share = Math.min(row + 1, (cell + 1) * rowsPerCell) - Math.max(row, cell * rowsPerCell);
      if (share <= 0) break;
      cells[cell]!.push({ row, share });
    }
  }
  for (const rowsOfCell of cells)
    while (rowsOfCell.length === 0 || rowsOfCell.length % 4 !== 0) rowsOfCell.push({ row: 0, share: 0 });
  const starts = new Int32Array(GRID + 1);
  for (const [cell, rowsOfCell] of cells.entries()) starts[cell + 1] = starts[cell]! + rowsOfCell.length;
  const all = cells.flat();
  return {
    width,
    height,
    whole: Int32Array.from(ends, Math.floor),
    share: Float64Array.from(ends, (end) => end - Math.floor(end)),
    starts,
    rowOf: Int32Array.from(all, ({ row }) => row),
    shareOf: Float64Array.from(all, ({ share }) => share),
  };
}

/**
 * Cuts four grey rows into the sums of their cells, into `lines` from `to` on. Sums of whole pixels are whole numbers; four rows at once,
 * because a cell of one row is too short a loop.
 */
function cutFourGrey(frame: Uint8Array, start: number, width: number, to: number): void {
  const { whole, share } = plan;
  const cut = lines;
  let at = start;
  let [a, b, c, d] = [0, 0, 0, 0];
  let [beforeA, beforeB, beforeC, beforeD] = [0, 0, 0, 0];
  for (let x = 0; x < GRID; x++) {
    const end = start + whole[x]!;
    for (; at < end; at++) {
      a = (a + frame[at]!) | 0;
      b = (b + frame[at + width]!) | 0;
      c = (c + frame[at + 2 * width]!) | 0;
      d = (d + frame[at + 3 * width]!) | 0;
    }
    // The last cell ends with the row: there is no next pixel to share.
    const part = at < start + width ? share[x]! : 0;
    const next = part === 0 ? start : at;
    const afterA = a + part * frame[next]!;
    const afterB = b + part * frame[next + width]!;
    const afterC = c + part * frame[next + 2 * width]!;
    const afterD = d + part * frame[next + 3 * width]!;
    cut[to + x] = afterA - beforeA;
    cut[to + GRID + x] = afterB - beforeB;
    cut[to + 2 * GRID + x] = afterC - beforeC;
    cut[to + 3 * GRID + x] = afterD - beforeD;
    beforeA = afterA;
    beforeB = afterB;
    beforeC = afterC;
    beforeD = afterD;
  }
}

/** The same of one row, grey or in colour. */
function cutRow(frame: Uint8Array, start: number, width: number, channels: 1 | 3, to: number): void {
  const { whole, share } = plan;
  let [at, sum, before] = [0, 0, 0];
  for (let x = 0; x < GRID; x++) {
    for (; at < whole[x]!; at++) sum += luminance(frame, start + at * channels, channels);
    let after = sum;
    if (at < width) {
      // As a running sum is read between its steps, rounding and all.
      const next = sum + luminance(frame, start + at * channels, channels);
      after = sum + share[x]! * (next - sum);
    }
    lines[to + x] = after - before;
    before = after;
  }
}

function luminance(frame: Uint8Array, at: number, channels: 1 | 3): number {
  return channels === 1
    ? frame[at]!
    : LUMA[0] * frame[at]! + LUMA[1] * frame[at + 1]! + LUMA[2] * frame[at + 2]!;
}
