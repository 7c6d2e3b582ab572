/**
 * Perceptual hashes of ultrasound frames: 64 bits that stay nearly the same when a frame is encoded again, scaled,
 * made a little brighter or cut to its field, and differ between frames of different scans. All frames of a probe share
 * the shape of the fan and the darkening with depth, which makes them alike to hashes of plain brightness; here the
 * brightness of the surroundings is taken out first, and the bits are signs of what is left (coarse texture of tissue).
 * Hashes depend on pixels alone. Every stored dataset holds them: a change here needs a new dataset version.
 */

/** Hashes kept of a clip, at most. */
export const HASHES_PER_CLIP = 16;

/** The hash of a frame with nothing in it; never counts as alike. */
export const FLAT_HASH = '0000000000000000';

/** Side of the grid that a frame is first averaged to, and of the picture that is transformed. */
const GRID = 96;
const SIDE = 32;
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

/**
 * Hash of a [height, width, channels] u8 frame as 16 hex digits. Errors: `RangeError` for a frame of another length.
 */
export function perceptualHash(frame: Uint8Array, width: number, height: number, channels: 1 | 3): string {
  if (frame.length !== width * height * channels)
    throw new RangeError(`A ${width}×${height}×${channels} frame has not ${frame.length} bytes.`);
  const detail = detailOf(frame, width, height, channels);
  return detail === null ? FLAT_HASH : signs(detail);
}

/**
 * Chooses and hashes the frames of one clip as they stream by: at most `HASHES_PER_CLIP`, evenly over the clip's
 * length, whatever that turns out to be. Hashes few more frames than it keeps.
 */
export class ClipHasher {
  readonly #width: number;
  readonly #height: number;
  readonly #channels: 1 | 3;
  #kept: string[] = [];
  #stride = 1;
  #frames = 0;

  constructor(width: number, height: number, channels: 1 | 3) {
    this.#width = width;
    this.#height = height;
    this.#channels = channels;
  }

  /** Takes the next frame of the clip; its buffer may be reused. */
  add(frame: Uint8Array): void {
    if (this.#frames++ % this.#stride !== 0) return;
    this.#kept.push(perceptualHash(frame, this.#width, this.#height, this.#channels));
    if (this.#kept.length < 2 * HASHES_PER_CLIP) return;
    this.#kept = this.#kept.filter((_, index) => index % 2 === 0);
    this.#stride *= 2;
  }

  /** The hashes of the frames so far, in order of time: those at `hashPositions`. */
  hashes(): readonly string[] {
    return hashPositions(this.#frames).map((position) => this.#kept[position / this.#stride]!);
  }
}

/** Which frames of a clip of `frames` frames are hashed: at most `HASHES_PER_CLIP`, ascending. */
export function hashPositions(frames: number): readonly number[] {
  let stride = 1;
  while (Math.ceil(frames / stride) >= 2 * HASHES_PER_CLIP) stride *= 2;
  const kept = Math.ceil(frames / stride);
  const count = Math.min(HASHES_PER_CLIP, kept);
  return Array.from({ length: count }, (_, i) => stride * Math.floor(((i + 0.5) * kept) / count));
}

/** Hashes of a clip's frames, as `ClipHasher` chooses them. */
export function hashesOfClip(
  frames: Iterable<Uint8Array>,
  width: number,
  height: number,
  channels: 1 | 3,
): readonly string[] {
  const hasher = new ClipHasher(width, height, channels);
  for (const frame of frames) hasher.add(frame);
  return hasher.hashes();
}

/** What is dark and what is bright in a frame; both move with the gain. */
interface Range {
  readonly low: number;
  readonly width: number;
}

/** [SIDE, SIDE] local contrast within the picture's box; null where there is none. */
function detailOf(frame: Uint8Array, width: number, height: number, channels: 1 | 3): Float64Array | null {
  const grid = average(frame, width, height, channels);
  const range = rangeOf(grid);
  if (range.width < FLAT) return null;
  const columns = new Float64Array(GRID);
  const rows = new Float64Array(GRID);
  for (let y = 0, at = 0; y < GRID; y++) {
    for (let x = 0; x < GRID; x++, at++) {
      const weight = belongs(grid[at]!, range);
      columns[x]! += weight;
      rows[y]! += weight;
    }
  }
  return localContrast(boxed(grid, extent(columns), extent(rows)), range);
}

/** The levels that 2 % of the cells are below and 1 % above, by a histogram in steps of a quarter of a level. */
function rangeOf(grid: Float64Array): Range {
  const histogram = new Uint32Array(1024);
  for (const value of grid) histogram[Math.min(1023, Math.floor(4 * value + 0.5))]! += 1;
  const level = (share: number): number => {
    let left = share * grid.length;
    let at = 0;
    while (left >= histogram[at]!) left -= histogram[at++]!;
    return at / 4;
  };
  const low = level(0.02);
  return { low, width: level(0.99) - low };
}

/** 0 for background to 1 for picture; a slope, because a step would turn small changes of gain into large ones. */
function belongs(value: number, { low, width }: Range): number {
  return Math.min(1, Math.max(0, ((value - low) / width - DARK) / (LIT - DARK)));
}

/** Area average of the luminance on a GRID × GRID raster, whatever the size of the frame. */
function average(frame: Uint8Array, width: number, height: number, channels: 1 | 3): Float64Array {
  const grid = new Float64Array(GRID * GRID);
  const sums = new Float64Array(width + 1);
  const line = new Float64Array(GRID);
  const rowsPerCell = height / GRID;
  for (let y = 0; y < height; y++) {
    const start = y * width * channels;
    let sum = 0;
    if (channels === 1) {
      for (let x = 0; x < width; x++) {
        sum += frame[start + x]!;
        sums[x + 1] = sum;
      }
    } else {
      for (let x = 0, at = start; x < width; x++, at += 3) {
        sum += 0.299 * frame[at]! + 0.587 * frame[at + 1]! + 0.114 * frame[at + 2]!;
        sums[x + 1] = sum;
      }
    }
    let before = 0;
    for (let x = 0; x < GRID; x++) {
      const after = between(sums, ((x + 1) * width) / GRID);
      line[x] = after - before;
      before = after;
    }
    // A row of pixels lies in one cell or, at a border of cells (and in small frames), in several.
    for (let cell = Math.floor(y / rowsPerCell); cell < GRID; cell++) {
      const share = Math.min(y + 1, (cell + 1) * rowsPerCell) - Math.max(y, cell * rowsPerCell);
      if (share <= 0) break;
      for (let x = 0, at = cell * GRID; x < GRID; x++, at++) grid[at]! += share * line[x]!;
    }
  }
  const area = (width / GRID) * rowsPerCell;
  for (let i = 0; i < grid.length; i++) grid[i]! /= area;
  return grid;
}

/** A running sum read between its steps. */
function between(sums: Float64Array, at: number): number {
  const index = Math.min(Math.floor(at), sums.length - 1);
  const low = sums[index]!;
  return index + 1 < sums.length ? low + (at - index) * (sums[index + 1]! - low) : low;
}

/** Where, in cells, a marginal holds all but `TRIM` of its sum on each side. */
function extent(marginal: Float64Array): readonly [from: number, to: number] {
  const total = marginal.reduce((sum, value) => sum + value, 0);
  const cut = TRIM * total;
  const edge = (values: Float64Array): number => {
    let sum = 0;
    for (let i = 0; i < values.length; i++) {
      if (sum + values[i]! > cut) return i + (cut - sum) / values[i]!;
      sum += values[i]!;
    }
    return 0;
  };
  const from = edge(marginal);
  return [from, Math.max(GRID - edge(Float64Array.from(marginal).reverse()), from + 1)];
}

/** The box of the grid, area-averaged to [SIDE, SIDE]. */
function boxed(
  grid: Float64Array,
  [left, right]: readonly [number, number],
  [top, bottom]: readonly [number, number],
): Float64Array {
  const sums = summed(grid, GRID);
  const upTo = (x: number, y: number): number => {
    const column = Math.min(Math.floor(x), GRID - 1);
    const row = Math.min(Math.floor(y), GRID - 1);
    const [aside, down, at] = [x - column, y - row, row * (GRID + 1) + column];
    const above = sums[at]! * (1 - aside) + sums[at + 1]! * aside;
    const below = sums[at + GRID + 1]! * (1 - aside) + sums[at + GRID + 2]! * aside;
    return above * (1 - down) + below * down;
  };
  const [stepX, stepY] = [(right - left) / SIDE, (bottom - top) / SIDE];
  const picture = new Float64Array(SIDE * SIDE);
  for (let y = 0; y < SIDE; y++) {
    const [y0, y1] = [top + y * stepY, top + (y + 1) * stepY];
    for (let x = 0; x < SIDE; x++) {
      const [x0, x1] = [left + x * stepX, left + (x + 1) * stepX];
      const sum = upTo(x1, y1) - upTo(x0, y1) - upTo(x1, y0) + upTo(x0, y0);
      picture[y * SIDE + x] = sum / (stepX * stepY);
    }
  }
  return picture;
}

/** Brightness less that of the surroundings, over their spread; background neither counts nor remains. */
function localContrast(picture: Float64Array, range: Range): Float64Array {
  const weights = picture.map((value) => belongs(value, range));
  const count = summed(weights, SIDE);
  const first = summed(
    weights.map((weight, i) => weight * picture[i]!),
    SIDE,
  );
  const second = summed(
    weights.map((weight, i) => weight * picture[i]! ** 2),
    SIDE,
  );
  const result = new Float64Array(picture.length);
  for (let y = 0, at = 0; y < SIDE; y++) {
    const [top, bottom] = [Math.max(0, y - RADIUS), Math.min(SIDE, y + RADIUS + 1)];
    for (let x = 0; x < SIDE; x++, at++) {
      if (weights[at] === 0) continue;
      const [left, right] = [Math.max(0, x - RADIUS), Math.min(SIDE, x + RADIUS + 1)];
      const around = (sums: Float64Array): number => {
        const [above, below] = [top * (SIDE + 1), bottom * (SIDE + 1)];
        return sums[below + right]! - sums[above + right]! - sums[below + left]! + sums[above + left]!;
      };
      const n = around(count);
      const mean = around(first) / n;
      const spread = Math.sqrt(Math.max(0, around(second) / n - mean * mean));
      result[at] = (weights[at]! * (picture[at]! - mean)) / (spread + NOISE * range.width);
    }
  }
  return result;
}

/** Summed-area table, [side + 1, side + 1]. */
function summed(values: Float64Array, side: number): Float64Array {
  const sums = new Float64Array((side + 1) * (side + 1));
  for (let y = 0; y < side; y++) {
    let line = 0;
    for (let x = 0; x < side; x++) {
      line += values[y * side + x]!;
      const at = (y + 1) * (side + 1) + x + 1;
      sums[at] = sums[at - side - 1]! + line;
    }
  }
  return sums;
}

/** Frequencies of the cosine transform (half waves down, across) that give the bits. */
const BITS = (() => {
  const all: { readonly u: number; readonly v: number }[] = [];
  for (let v = 0; v < SIDE / 2; v++)
    for (let u = 0; u < SIDE / 2; u++) if (u * u + v * v >= 4) all.push({ u, v });
  return all.sort((a, b) => a.u * a.u + a.v * a.v - (b.u * b.u + b.v * b.v) || a.u - b.u).slice(0, 64);
})();

const WAVES = Array.from({ length: SIDE / 2 }, (_, u) =>
  Float64Array.from({ length: SIDE }, (_, x) => Math.cos((Math.PI * u * (x + 0.5)) / SIDE)),
);

/** Signs of 64 coefficients of the cosine transform, as hex. */
function signs(detail: Float64Array): string {
  const highest = Math.max(...BITS.map(({ u }) => u));
  const rows = new Float64Array((highest + 1) * SIDE);
  for (let u = 0; u <= highest; u++) {
    const wave = WAVES[u]!;
    for (let y = 0; y < SIDE; y++) {
      let sum = 0;
      for (let x = 0; x < SIDE; x++) sum += wave[x]! * detail[y * SIDE + x]!;
      rows[u * SIDE + y] = sum;
    }
  }
  let hex = '';
  for (let i = 0; i < 64; i += 4) {
    let digit = 0;
    for (let j = i; j < i + 4; j++) {
      const { u, v } = BITS[j]!;
      const wave = WAVES[v]!;
      let sum = 0;
      for (let y = 0; y < SIDE; y++) sum += wave[y]! * rows[u * SIDE + y]!;
      digit = 2 * digit + (sum > 0 ? 1 : 0);
    }
    hex += digit.toString(16);
  }
  return hex;
}
