/**
 * Contrast-limited adaptive histogram equalisation (Zuiderveld, Graphics Gems IV, 1994). The view is divided into tiles;
 * each has a map of levels from its own histogram; a pixel goes through the maps of the four tiles around it,
 * interpolated. The histogram is cut at a limit and what was cut is spread over the levels below it, so no map is
 * steeper than the limit: at 1 nothing changes, without limit every tile is equalised.
 */
import { writeLuma } from '../../dataset/channels.ts';
import { COLUMN, ROW } from '../vectors/level-code.ts';
import { putRows, roundedUp, takeRows, workspaceOf } from '../vectors/workspace.ts';

export interface Clahe {
  /** Tiles along a side of the view. */
  readonly tiles: number;
  /** Largest slope of a map: the limit of a level's count over the mean count. */
  readonly limit: number;
}

const LEVELS = 256;
/** Bytes of a map. */
const MAP = 4 * LEVELS;

/**
 * Equalises `pixels` [channels, size, size] in place. Pixels that the mask [size, size] leaves out are not counted and
 * stay as they are. Colour is counted by its luma, and all channels go through the same maps.
 */
export function equalise(pixels: Uint8Array, size: number, { tiles, limit }: Clahe, mask: Uint8Array): void {
  const area = size * size;
  const counted = pixels.length === area ? pixels : lumaOf(pixels, area);
  const counts = countsOf(counted, size, tiles, mask);
  const stride = roundedUp(size, 4);
  const rowsAt = COLUMN * stride;
  const mapsAt = roundedUp(rowsAt + ROW * size, 16);
  const joinedAt = mapsAt + MAP * tiles * tiles;
  const maskAt = joinedAt + 4 * MAP * (tiles + 1) ** 2;
  const pixelsAt = maskAt + size * stride;
  const planes = pixels.length / area;
  const end = pixelsAt + planes * size * stride;
  const { bytes, ints, singles, loops } = workspaceOf(end);
  for (let tile = 0; tile < tiles * tiles; tile++) {
    const from = (mapsAt + MAP * tile) >> 2;
    writeMap(
      counts.subarray(LEVELS * tile, LEVELS * (tile + 1)),
      limit,
      singles.subarray(from, from + LEVELS),
    );
  }
  // Around a pixel lie four tiles, at the border of the view the same ones more than once. Their maps are joined.
  const held = (tile: number): number => Math.min(tiles - 1, Math.max(0, tile));
  const mapOf = (row: number, column: number): number => mapsAt + MAP * (held(row) * tiles + held(column));
  for (let row = 0; row <= tiles; row++)
    for (let column = 0; column <= tiles; column++)
      loops.joinMaps(
        ...([mapOf(row - 1, column - 1), mapOf(row - 1, column)] as const),
        ...([mapOf(row, column - 1), mapOf(row, column)] as const),
        joinedAt + 4 * MAP * (row * (tiles + 1) + column),
      );
  const { after, share } = neighbours(size, tiles);
  for (let i = 0; i < stride; i++) {
    const [column, row] = [(COLUMN >> 2) * i, (rowsAt + ROW * i) >> 2];
    // Columns beyond the view have a map as well, and its result is not taken.
    const place = Math.min(i, size - 1);
    ints[column] = 4 * MAP * after[place]!;
    for (let k = 0; k < 4; k++) singles[column + 4 + k] = k % 2 === 0 ? 1 - share[place]! : share[place]!;
    if (i >= size) continue;
    ints[row] = joinedAt + 4 * MAP * (tiles + 1) * after[i]!;
    singles[row + 1] = share[i]!;
  }
  putRows(bytes, maskAt, stride, mask, 0, size, size);
  putRows(bytes, pixelsAt, stride, pixels, 0, size, planes * size);
  loops.equaliseLevels(pixelsAt, maskAt, stride, size, size * stride, end, 0, rowsAt);
  takeRows(bytes, pixelsAt, stride, pixels, 0, size, planes * size);
}

function lumaOf(planes: Uint8Array, area: number): Uint8Array {
  const interleaved = new Uint8Array(planes.length);
  for (let i = 0; i < area; i++) for (let c = 0; c < 3; c++) interleaved[3 * i + c] = planes[c * area + i]!;
  const luma = new Uint8Array(area);
  writeLuma(interleaved, area, luma);
  return luma;
}

/** Histograms [tiles, tiles, LEVELS] of the pixels in the mask. A pixel belongs to the tile that its centre lies in. */
function countsOf(counted: Uint8Array, size: number, tiles: number, mask: Uint8Array): Uint32Array {
  const counts = new Uint32Array(tiles * tiles * LEVELS);
  const tileOf = Int32Array.from({ length: size }, (_, i) => Math.floor(((i + 0.5) * tiles) / size));
  const columns = tileOf.map((tile) => LEVELS * tile);
  for (let y = 0; y < size; y++) {
    const row = (LEVELS * tiles * tileOf[y]!) | 0;
    const from = (y * size) | 0;
    for (let x = 0; x < size; x++) {
      const i = (from + x) | 0;
      counts[row + columns[x]! + counted[i]!]! += mask[i]!;
    }
  }
  return counts;
}

/** The tile after each pixel along a side, counted by centres of tiles, and how far the pixel is from the one before to it. */
function neighbours(size: number, tiles: number) {
  const after = new Int32Array(size);
  const share = new Float64Array(size);
  for (let i = 0; i < size; i++) {
    const place = ((i + 0.5) * tiles) / size + 0.5;
    after[i] = Math.floor(place);
    share[i] = place - after[i]!;
  }
  return { after, share };
}

/**
 * The map of one tile. Level v stands for [v, v + 1) of 256; it goes to the middle of its part of the limited
 * histogram, so an even histogram gives the identity. A tile without a counted pixel changes nothing.
 */
function writeMap(counts: Uint32Array, limit: number, map: Float32Array): void {
  let total = 0;
  for (let level = 0; level < LEVELS; level++) total += counts[level]!;
  if (total === 0) {
    for (let level = 0; level < LEVELS; level++) map[level] = level;
    return;
  }
  const ceiling = (limit * total) / LEVELS;
  const raised = raiseOf(counts, total, ceiling);
  let below = 0;
  for (let level = 0; level < LEVELS; level++) {
    const full = counts[level]! + raised;
    const count = full < ceiling ? full : ceiling;
    const middle = (LEVELS * (below + count / 2)) / total - 0.5;
    map[level] = middle < 0 ? 0 : middle > LEVELS - 1 ? LEVELS - 1 : middle;
    below += count;
  }
}

/**
 * What every count below the ceiling is raised by, so that the cut histogram holds `total` again: what is left over is
 * spread evenly over the levels with room until nothing is.
 */
function raiseOf(counts: Uint32Array, total: number, ceiling: number): number {
  let raised = 0;
  for (;;) {
    let held = 0;
    let room = 0;
    for (let level = 0; level < LEVELS; level++) {
      // Without a branch, which would be guessed wrongly often.
      const full = counts[level]! + raised;
      held += Math.min(full, ceiling);
      room += Number(full < ceiling);
    }
    const left = total - held;
    if (room === 0 || left < 1e-6 * total) return raised;
    raised += left / room;
  }
}
