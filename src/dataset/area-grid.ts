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
  for (let y = 0; y < height; y++)
    if (channels === 1) cutGrey(frame, y * width, width, y * GRID);
    else cutColour(frame, y * width * 3, width, y * GRID);
  const { starts, rowOf, shareOf } = plan;
  const area = (width / GRID) * (height / GRID);
  const cut = lines;
  grid.fill(0);
  for (let cell = 0; cell < GRID; cell++) {
    const to = cell * GRID;
    for (let k = starts[cell]!; k < starts[cell + 1]!; k++) {
      const from = rowOf[k]! * GRID;
      const share = shareOf[k]!;
      for (let x = 0; x < GRID; x++) grid[to + x]! += share * cut[from + x]!;
    }
    for (let x = 0; x < GRID; x++) grid[to + x]! /= area;
  }
}

/** How pixels fall into cells. For the size used last: the frames of a clip share it. */
interface Plan {
  readonly width: number;
  readonly height: number;
  /** Where the cells of a row end: whole pixels before it and the share of the next one. */
  readonly whole: Int32Array;
  readonly share: Float64Array;
  /** Rows that lie in each row of cells, wholly or in part, from `starts[cell]` on. */
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

/** Cuts a grey row into the sums of its cells, into `lines` from `to` on. Sums of whole pixels are whole numbers. */
function cutGrey(frame: Uint8Array, start: number, width: number, to: number): void {
  const { whole, share } = plan;
  const cut = lines;
  let [at, sum, before] = [start, 0, 0];
  for (let x = 0; x < GRID; x++) {
    for (const end = start + whole[x]!; at < end; at++) sum = (sum + frame[at]!) | 0;
    // The last cell ends with the row: there is no next pixel to share.
    const after = at < start + width ? sum + share[x]! * frame[at]! : sum;
    cut[to + x] = after - before;
    before = after;
  }
}

/** The same of a row in colour, by its luminance. */
function cutColour(frame: Uint8Array, start: number, width: number, to: number): void {
  const { whole, share } = plan;
  const luminance = (pixel: number): number => {
    const at = start + 3 * pixel;
    return LUMA[0] * frame[at]! + LUMA[1] * frame[at + 1]! + LUMA[2] * frame[at + 2]!;
  };
  let [at, sum, before] = [0, 0, 0];
  for (let x = 0; x < GRID; x++) {
    for (; at < whole[x]!; at++) sum += luminance(at);
    // As a running sum is read between its steps, rounding and all.
    const after = at < width ? sum + share[x]! * (sum + luminance(at) - sum) : sum;
    lines[to + x] = after - before;
    before = after;
  }
}
