/**
 * A clip's frames to one small grid of what tells tissue from the rest of a screen: brightness, texture, change over
 * time and colour. A cell is a block of pixels; all later steps of the finder work on cells.
 */
import type { Size } from '../geometry.ts';

/** Cells along the longer side at most. */
const MAX_CELLS = 224;
/** Frames looked at, spread over those given. */
const MAX_FRAMES = 12;

export interface CellGrid {
  readonly columns: number;
  readonly rows: number;
  /** Side of a cell in pixels; pixels left over on the right and below belong to the last cells. */
  readonly cell: number;
  readonly frames: number;
}

export interface Features extends CellGrid {
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
  const chosen = spread(frames, MAX_FRAMES);
  const [mean, texture, motion, colour] = Array.from({ length: 4 }, () => new Float64Array(rows * columns));
  const counts = new Float64Array(rows * columns);
  const columnOf = Int32Array.from({ length: width }, (_, x) => Math.min(columns - 1, Math.floor(x / cell)));
  let before: Uint8Array | null = null;
  for (const frame of chosen) {
    const grey = channels === 1 ? frame : luminance(frame, width * height);
    // Every other line of large pictures is enough.
    const step = cell >= 4 ? 2 : 1;
    for (let y = 0; y < height; y += step) {
      const base = Math.min(rows - 1, Math.floor(y / cell)) * columns;
      const line = y * width;
      let previous = grey[line]!;
      for (let x = 0; x < width; x++) {
        const at = base + columnOf[x]!;
        const value = grey[line + x]!;
        mean![at]! += value;
        texture![at]! += Math.abs(value - previous);
        previous = value;
        counts[at]!++;
        if (before !== null) motion![at]! += Math.abs(value - before[line + x]!);
        if (channels === 3) {
          const pixel = (line + x) * 3;
          const [r, g, b] = [frame[pixel]!, frame[pixel + 1]!, frame[pixel + 2]!];
          colour![at]! += Math.max(r, g, b) - Math.min(r, g, b);
        }
      }
    }
    before = grey;
  }
  const pairs = chosen.length - 1;
  const average = (sum: Float64Array, share: number): Float32Array =>
    Float32Array.from(sum, (value, i) => (share === 0 ? 0 : value / (counts[i]! * share)));
  return {
    columns,
    rows,
    cell,
    frames: chosen.length,
    mean: average(mean!, 1),
    texture: average(texture!, 1),
    motion: average(motion!, pairs / chosen.length),
    colour: average(colour!, 1),
  };
}

/** Rec. 601 luma in integers, as ffmpeg's grey conversion has it. */
function luminance(frame: Uint8Array, pixels: number): Uint8Array {
  const grey = new Uint8Array(pixels);
  for (let i = 0, j = 0; i < pixels; i++, j += 3) {
    grey[i] = (frame[j]! * 77 + frame[j + 1]! * 150 + frame[j + 2]! * 29 + 128) >> 8;
  }
  return grey;
}

function spread<T>(items: readonly T[], most: number): readonly T[] {
  if (items.length <= most) return items;
  return Array.from({ length: most }, (_, i) => items[Math.floor((i * (items.length - 1)) / (most - 1))]!);
}
