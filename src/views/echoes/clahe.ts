/**
 * Contrast-limited adaptive histogram equalisation (Zuiderveld, Graphics Gems IV, 1994). The view is divided into tiles;
 * each has a map of levels from its own histogram; a pixel goes through the maps of the four tiles around it,
 * interpolated. The histogram is cut at a limit and what was cut is spread over the levels below it, so no map is
 * steeper than the limit: at 1 nothing changes, without limit every tile is equalised.
 */
import { writeLuma } from '../../dataset/channels.ts';

export interface Clahe {
  /** Tiles along a side of the view. */
  readonly tiles: number;
  /** Largest slope of a map: the limit of a level's count over the mean count. */
  readonly limit: number;
}

const LEVELS = 256;

/**
 * Equalises `pixels` [channels, size, size] in place. Pixels that the mask [size, size] leaves out are not counted and
 * stay as they are. Colour is counted by its luma, and all channels go through the same maps.
 */
export function equalise(pixels: Uint8Array, size: number, { tiles, limit }: Clahe, mask: Uint8Array): void {
  const area = size * size;
  const counted = pixels.length === area ? pixels : lumaOf(pixels, area);
  const maps = new Float32Array(tiles * tiles * LEVELS);
  const counts = countsOf(counted, size, tiles, mask);
  for (let tile = 0; tile < tiles * tiles; tile++) {
    const [from, to] = [tile * LEVELS, (tile + 1) * LEVELS];
    writeMap(counts.subarray(from, to), limit, maps.subarray(from, to));
  }
  const { first, second, share } = neighbours(size, tiles);
  for (let y = 0; y < size; y++) {
    const upper = (first[y]! * tiles) | 0;
    const lower = (second[y]! * tiles) | 0;
    const down = share[y]!;
    for (let x = 0; x < size; x++) {
      const i = (y * size + x) | 0;
      if (mask[i] === 0) continue;
      const left = first[x]!;
      const right = second[x]!;
      const across = share[x]!;
      for (let p = i; p < pixels.length; p = (p + area) | 0) {
        const level = pixels[p]!;
        const above = maps[upper + left + level]! * (1 - across) + maps[upper + right + level]! * across;
        const below = maps[lower + left + level]! * (1 - across) + maps[lower + right + level]! * across;
        pixels[p] = above * (1 - down) + below * down + 0.5;
      }
    }
  }
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
  for (let y = 0; y < size; y++) {
    const row = tileOf[y]! * tiles;
    for (let x = 0; x < size; x++) {
      const i = (y * size + x) | 0;
      if (mask[i] === 1) counts[(row + tileOf[x]!) * LEVELS + counted[i]!]! += 1;
    }
  }
  return counts;
}

/**
 * Where the maps of the tiles before and after the centre of each pixel along a side begin, in a row of maps; and how far it is
 * from the first to the second.
 */
function neighbours(size: number, tiles: number) {
  const [first, second] = [new Int32Array(size), new Int32Array(size)];
  const share = new Float64Array(size);
  for (let i = 0; i < size; i++) {
    const place = ((i + 0.5) * tiles) / size - 0.5;
    const before = Math.floor(place);
    first[i] = LEVELS * Math.max(0, before);
    second[i] = LEVELS * Math.min(tiles - 1, before + 1);
    share[i] = place - before;
  }
  return { first, second, share };
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
      const full = counts[level]! + raised;
      if (full < ceiling) {
        held += full;
        room++;
      } else held += ceiling;
    }
    const left = total - held;
    if (room === 0 || left < 1e-6 * total) return raised;
    raised += left / room;
  }
}
