import { describe, expect, it } from 'vitest';
import { randomAt } from '../../../src/base/random.ts';
import { equalise } from '../../../src/views/echoes/clahe.ts';

const SIZE = 37;
const AREA = SIZE * SIZE;
const everywhere = new Uint8Array(AREA).fill(1);

/** A dim picture with bright spots. */
function picture(seed: number, planes = 1): Uint8Array {
  const random = randomAt(seed, 'picture');
  return Uint8Array.from({ length: planes * AREA }, (_, i) => {
    const place = i % AREA;
    const wave = Math.sin(0.3 * (place % SIZE)) * Math.cos(0.2 * Math.floor(place / SIZE));
    return Math.min(
      255,
      Math.max(0, 60 + 45 * wave + random.between(-15, 15) + (random.uniform() < 0.05 ? 120 : 0)),
    );
  });
}

/** A map of levels of one tile, by search for what counts are raised by, and by sums from the start. */
function slowMap(levels: readonly number[], limit: number): (level: number) => number {
  if (levels.length === 0) return (level) => level;
  const counts = Array.from({ length: 256 }, (_, level) => levels.filter((one) => one === level).length);
  const ceiling = (limit * levels.length) / 256;
  const cut = (raised: number): number[] => counts.map((count) => Math.min(ceiling, count + raised));
  const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
  let [low, high] = [0, ceiling];
  for (let k = 0; k < 60; k++) {
    const middle = (low + high) / 2;
    if (sum(cut(middle)) < levels.length) low = middle;
    else high = middle;
  }
  const spread = cut(high);
  return (level) => {
    const middle = (256 * (sum(spread.slice(0, level)) + spread[level]! / 2)) / levels.length - 0.5;
    return Math.min(255, Math.max(0, middle));
  };
}

/** A pixel at a time: the maps of the tiles whose centres are nearest, weighted by distance. */
function slow(pixels: Uint8Array, tiles: number, limit: number, mask: Uint8Array): number[] {
  const side = SIZE / tiles;
  const maps = Array.from({ length: tiles * tiles }, (_, tile) => {
    const [row, column] = [Math.floor(tile / tiles), tile % tiles];
    const inside = (i: number): boolean => {
      const [x, y] = [(i % SIZE) + 0.5, Math.floor(i / SIZE) + 0.5];
      return (
        mask[i] === 1 &&
        x >= column * side &&
        x < (column + 1) * side &&
        y >= row * side &&
        y < (row + 1) * side
      );
    };
    return slowMap(
      [...pixels].filter((_, i) => inside(i)),
      limit,
    );
  });
  const weight = (tile: number, place: number): number => {
    // Beyond the outermost centres the outermost tile counts alone.
    const at = Math.min(tiles - 1, Math.max(0, place / side - 0.5));
    return Math.max(0, 1 - Math.abs(tile - at));
  };
  return Array.from(pixels, (level, i) => {
    if (mask[i] === 0) return level;
    let value = 0;
    for (let row = 0; row < tiles; row++)
      for (let column = 0; column < tiles; column++) {
        const share = weight(row, Math.floor(i / SIZE) + 0.5) * weight(column, (i % SIZE) + 0.5);
        if (share > 0) value += share * maps[row * tiles + column]!(level);
      }
    return value;
  });
}

describe('equalisation', () => {
  it.each([
    [1, 2],
    [2, 3],
    [4, 1.5],
    [5, 256],
    [3, 10],
  ])('is what the slow way gives: %i tiles a side, limit %f', (tiles, limit) => {
    const random = randomAt(tiles, 'mask');
    const partly = Uint8Array.from({ length: AREA }, (_, i) =>
      i % SIZE > 9 && random.uniform() < 0.9 ? 1 : 0,
    );
    for (const mask of [everywhere, partly]) {
      const pixels = picture(tiles);
      const expected = slow(pixels, tiles, limit, mask);
      equalise(pixels, SIZE, { tiles, limit }, mask);
      for (const [i, value] of expected.entries()) expect(Math.abs(pixels[i]! - value)).toBeLessThan(0.51);
    }
  });

  it('with limit 1 changes nothing', () => {
    const pixels = picture(7);
    equalise(pixels, SIZE, { tiles: 4, limit: 1 }, everywhere);
    expect(pixels).toEqual(picture(7));
  });

  it('without a limit makes all levels equally common', () => {
    const pixels = picture(8);
    equalise(pixels, SIZE, { tiles: 1, limit: 256 }, everywhere);
    for (const level of [64, 128, 192]) {
      const below = pixels.filter((one) => one < level).length / AREA;
      expect(Math.abs(below - level / 256)).toBeLessThan(0.03);
    }
  });

  it('is never steeper than its limit', () => {
    for (const limit of [1.5, 3]) {
      const pixels = picture(9);
      equalise(pixels, SIZE, { tiles: 1, limit }, everywhere);
      const mapped = new Map([...picture(9)].map((level, i) => [level, pixels[i]!]));
      const levels = [...mapped.keys()].sort((a, b) => a - b);
      let steepest = 0;
      for (const [i, level] of levels.entries()) {
        const next = levels[i + 1];
        if (next === undefined) break;
        const rise = mapped.get(next)! - mapped.get(level)!;
        expect(rise).toBeLessThanOrEqual(limit * (next - level) + 1);
        steepest = Math.max(steepest, rise / (next - level));
      }
      expect(steepest).toBeGreaterThan(1);
    }
  });

  it('neither counts nor changes what the mask leaves out', () => {
    const mask = Uint8Array.from({ length: AREA }, (_, i) => (i % SIZE < 20 ? 1 : 0));
    const [dark, bright] = [picture(3), picture(3)];
    for (let i = 0; i < AREA; i++) if (mask[i] === 0) [dark[i], bright[i]] = [0, 255];
    for (const pixels of [dark, bright]) equalise(pixels, SIZE, { tiles: 2, limit: 3 }, mask);
    for (let i = 0; i < AREA; i++)
      if (mask[i] === 1) expect(dark[i]).toBe(bright[i]);
      else expect([dark[i], bright[i]]).toEqual([0, 255]);
    expect(dark).not.toEqual(picture(3));
  });

  it('takes colour through the maps of its luma', () => {
    const grey = picture(4);
    const alike = new Uint8Array(3 * AREA);
    for (let c = 0; c < 3; c++) alike.set(grey, c * AREA);
    equalise(alike, SIZE, { tiles: 3, limit: 3 }, everywhere);
    equalise(grey, SIZE, { tiles: 3, limit: 3 }, everywhere);
    for (let c = 0; c < 3; c++) expect(alike.subarray(c * AREA, (c + 1) * AREA)).toEqual(grey);

    // Pure green is counted at its luma; the map is then read at each channel's own level.
    const green = new Uint8Array(3 * AREA);
    green.set(picture(5), AREA);
    const luma = Uint8Array.from(picture(5), (level) => Math.round(0.587 * level));
    const expected = slowMap([...luma], 3);
    equalise(green, SIZE, { tiles: 1, limit: 3 }, everywhere);
    for (let i = 0; i < AREA; i++) {
      expect(Math.abs(green[i]! - expected(0))).toBeLessThan(1);
      expect(Math.abs(green[AREA + i]! - expected(picture(5)[i]!))).toBeLessThan(1.5);
    }
  });
});
