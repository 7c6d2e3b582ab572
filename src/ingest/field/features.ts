/**
 * A clip's frames to one small grid of what tells tissue from the rest of a screen: brightness, texture, change over
 * time and colour. A cell is a block of pixels; all later steps of the finder work on cells.
 */
import { withChannels } from '../../dataset/channels.ts';
import type { Size } from '../../video/geometry.ts';

/** Cells along the longer side at most. */
const MAX_CELLS = 224;
/** Frames looked at, spread over those given. */
const MAX_FRAMES = 12;

export interface Features {
  readonly columns: number;
  readonly rows: number;
  /** Side of a cell in pixels; pixels left over on the right and below belong to the last cells. */
  readonly cell: number;
  readonly frames: number;
  /** [rows, columns] each. Mean luminance, 0 to 255. */
  readonly mean: Float32Array;
  /** Mean absolute difference of horizontal neighbours. */
  readonly texture: Float32Array;
  /** Mean absolute difference of a pixel between successive frames; 0 for one frame. */
  readonly motion: Float32Array;
  /** Mean difference between the strongest and the weakest colour channel; 0 for grey frames. */
  readonly colour: Float32Array;
}

/** Measures frames [height, width, channels] u8 of one size. */
export function measure(frames: readonly Uint8Array[], size: Size, channels: 1 | 3): Features {
  const { width, height } = size;
  const cell = Math.max(1, Math.ceil(Math.max(width, height) / MAX_CELLS));
  const columns = Math.max(1, Math.floor(width / cell));
  const rows = Math.max(1, Math.floor(height / cell));
  const chosen = chosenFrames(frames);
  const sums = { mean: new Float64Array(rows * columns), texture: new Float64Array(rows * columns) };
  const motionSum = new Float64Array(rows * columns);
  const colourSum = new Float64Array(rows * columns);
  const counts = new Float64Array(rows * columns);
  // Every other line of large pictures is enough.
  const step = cell >= 4 ? 2 : 1;
  let before: Uint8Array | null = null;
  for (const frame of chosen) {
    const grey = withChannels(frame, channels, 1);
    const past = before ?? grey;
    for (let y = 0; y < height; y += step) {
      const base = Math.min(rows - 1, Math.floor(y / cell)) * columns;
      const line = y * width;
      let previous = grey[line]!;
      for (let column = 0; column < columns; column++) {
        const from = column * cell;
        const to = column === columns - 1 ? width : from + cell;
        let mean = 0;
        let texture = 0;
        let motion = 0;
        for (let x = from; x < to; x++) {
          const value = grey[line + x]!;
          mean += value;
          texture += Math.abs(value - previous);
          motion += Math.abs(value - past[line + x]!);
          previous = value;
        }
        const at = base + column;
        sums.mean[at]! += mean;
        sums.texture[at]! += texture;
        motionSum[at]! += motion;
        counts[at]! += to - from;
        if (channels === 3) colourSum[at]! += spreadOfColours(frame, line + from, line + to);
      }
    }
    before = grey;
  }
  const pairs = chosen.length - 1;
  const average = (sum: Float64Array, share: number): Float32Array => {
    const result = new Float32Array(sum.length);
    if (share > 0) for (let i = 0; i < sum.length; i++) result[i] = sum[i]! / (counts[i]! * share);
    return result;
  };
  return {
    columns,
    rows,
    cell,
    frames: chosen.length,
    mean: average(sums.mean, 1),
    texture: average(sums.texture, 1),
    motion: average(motionSum, pairs / chosen.length),
    colour: average(colourSum, 1),
  };
}

/** Sum over pixels [from, to) of the difference between the strongest and the weakest channel. */
function spreadOfColours(frame: Uint8Array, from: number, to: number): number {
  let sum = 0;
  for (let i = 3 * from; i < 3 * to; i += 3) {
    const r = frame[i]!;
    const g = frame[i + 1]!;
    const b = frame[i + 2]!;
    const strongest = r > g ? (r > b ? r : b) : g > b ? g : b;
    const weakest = r < g ? (r < b ? r : b) : g < b ? g : b;
    sum += strongest - weakest;
  }
  return sum;
}

/** The frames that are looked at: a dozen, spread over those given. */
function chosenFrames(frames: readonly Uint8Array[]): readonly Uint8Array[] {
  if (frames.length <= MAX_FRAMES) return frames;
  const last = frames.length - 1;
  return Array.from({ length: MAX_FRAMES }, (_, i) => frames[Math.floor((i * last) / (MAX_FRAMES - 1))]!);
}
