/**
 * Perceptual hashes of ultrasound frames: 64 bits that stay nearly the same when a frame is encoded again, scaled,
 * made a little brighter or cut to its field, and differ between frames of different scans. All frames of a probe share
 * the shape of the fan and the darkening with depth, so a hash of plain brightness calls them all alike; here the
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
/** A cell is lit above this share of the brightest cells; it is what counts as picture. */
const LIT = 0.08;
/** Share of lit cells left out on each side when the picture's box is looked for: text and marks in the margin. */
const TRIM = 0.01;
/** Half width of the surroundings, in cells of the transformed picture. */
const RADIUS = 5;

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

  /** The hashes of the frames so far, in order of time. */
  hashes(): readonly string[] {
    const count = Math.min(HASHES_PER_CLIP, this.#kept.length);
    return Array.from(
      { length: count },
      (_, i) => this.#kept[Math.floor(((i + 0.5) * this.#kept.length) / count)]!,
    );
  }
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

/** [SIDE, SIDE] local contrast within the picture's box; null where there is none. */
function detailOf(frame: Uint8Array, width: number, height: number, channels: 1 | 3): Float64Array | null {
  const grid = average(frame, width, height, channels);
  const lit = LIT * brightest(grid);
  if (!(lit > 0)) return null;
  const columns = new Float64Array(GRID);
  const rows = new Float64Array(GRID);
  for (let y = 0, at = 0; y < GRID; y++) {
    for (let x = 0; x < GRID; x++, at++) {
      if (grid[at]! <= lit) continue;
      columns[x]! += 1;
      rows[y]! += 1;
    }
  }
  const picture = boxed(grid, extent(columns), extent(rows));
  return localContrast(picture, lit);
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

/** The level that 1 % of the cells are above. */
function brightest(grid: Float64Array): number {
  return Float64Array.from(grid).sort()[Math.floor(0.99 * grid.length)]!;
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

/** The box of the grid as a [SIDE, SIDE] picture, bilinear between the centres of cells. */
function boxed(
  grid: Float64Array,
  [left, right]: readonly [number, number],
  [top, bottom]: readonly [number, number],
): Float64Array {
  const picture = new Float64Array(SIDE * SIDE);
  const place = (at: number, from: number, to: number): readonly [low: number, share: number] => {
    const centre = Math.min(Math.max(from + ((at + 0.5) / SIDE) * (to - from) - 0.5, 0), GRID - 1.000001);
    return [Math.floor(centre), centre - Math.floor(centre)];
  };
  const across = Array.from({ length: SIDE }, (_, x) => place(x, left, right));
  for (let y = 0; y < SIDE; y++) {
    const [row, down] = place(y, top, bottom);
    for (let x = 0; x < SIDE; x++) {
      const [column, aside] = across[x]!;
      const at = row * GRID + column;
      const above = grid[at]! * (1 - aside) + grid[at + 1]! * aside;
      const below = grid[at + GRID]! * (1 - aside) + grid[at + GRID + 1]! * aside;
      picture[y * SIDE + x] = above * (1 - down) + below * down;
    }
  }
  return picture;
}

/** Brightness less that of the lit surroundings, over their spread; 0 where the picture is dark. */
function localContrast(picture: Float64Array, lit: number): Float64Array | null {
  const count = new Float64Array(picture.length);
  const sum = new Float64Array(picture.length);
  const square = new Float64Array(picture.length);
  for (let i = 0; i < picture.length; i++) {
    const value = picture[i]!;
    if (value <= lit) continue;
    count[i] = 1;
    sum[i] = value;
    square[i] = value * value;
  }
  for (const values of [count, sum, square]) boxSum(values);
  const result = new Float64Array(picture.length);
  let any = false;
  for (let i = 0; i < picture.length; i++) {
    if (picture[i]! <= lit) continue;
    const mean = sum[i]! / count[i]!;
    const variance = Math.max(0, square[i]! / count[i]! - mean * mean);
    const value = (picture[i]! - mean) / (Math.sqrt(variance) + 2);
    result[i] = value;
    any ||= Math.abs(value) > 0.01;
  }
  return any ? result : null;
}

/** Replaces each value by the sum over the (2 · RADIUS + 1)² square around it. */
function boxSum(values: Float64Array): void {
  const line = new Float64Array(SIDE + 1);
  const along = (start: number, step: number): void => {
    for (let i = 0; i < SIDE; i++) line[i + 1] = line[i]! + values[start + i * step]!;
    for (let i = 0; i < SIDE; i++)
      values[start + i * step] = line[Math.min(i + RADIUS + 1, SIDE)]! - line[Math.max(i - RADIUS, 0)]!;
  };
  for (let i = 0; i < SIDE; i++) along(i * SIDE, 1);
  for (let i = 0; i < SIDE; i++) along(i, SIDE);
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
