import { describe, expect, it } from 'vitest';
import {
  addAlongDepth,
  depthCurve,
  gainTable,
  gammaTable,
  levelsTable,
  throughTable,
} from '../../../src/views/echoes/levels.ts';
import type { Affine } from '../../../src/views/field/affine.ts';
import { rangeAt } from '../../../src/views/field/beams.ts';

const held = (level: number): number => Math.min(255, Math.max(0, level));
const LEVELS = Array.from({ length: 256 }, (_, level) => level);

describe('a gain', () => {
  it.each([
    [6, 1],
    [-6, 1.1],
    [0, 0.7],
    [60, 1],
    [-13.7, 2.5],
  ])(
    'of %f dB and factor %f adds levels of 60 dB to the scaled ones, within black and white',
    (decibels, factor) => {
      const table = gainTable({ decibels, factor });
      for (const level of LEVELS)
        expect(Math.abs(table[level]! - held(factor * level + decibels * 4.25))).toBeLessThanOrEqual(
          0.5 + 1e-9,
        );
    },
  );

  it('of nothing changes nothing, and one of all decibels makes all of it white or black', () => {
    expect([...gainTable({ decibels: 0, factor: 1 })]).toEqual(LEVELS);
    expect(new Set(gainTable({ decibels: 60, factor: 1 }))).toEqual(new Set([255]));
    expect(new Set(gainTable({ decibels: -60, factor: 1 }))).toEqual(new Set([0]));
  });
});

describe('gamma', () => {
  it.each([0.1, 0.7, 1, 1.4, 10])('%f is the power of the level, black and white staying', (exponent) => {
    const table = gammaTable(exponent);
    for (const level of LEVELS) {
      const exact = 255 * Math.exp(exponent * Math.log(level / 255));
      expect(Math.abs(table[level]! - exact)).toBeLessThanOrEqual(0.5 + 1e-9);
    }
    expect([table[0], table[255]]).toEqual([0, 255]);
  });

  it('1 changes nothing, below it dim echoes are raised', () => {
    expect([...gammaTable(1)]).toEqual(LEVELS);
    expect(gammaTable(0.5)[64]).toBe(128);
    expect(gammaTable(2)[128]).toBe(64);
  });
});

describe('gain and grey map as one table', () => {
  const gain = { decibels: 3, factor: 0.9 };

  it('are first the one, where the mask is set, then the other everywhere', () => {
    const [gained, mapped] = [gainTable(gain), gammaTable(0.6)];
    const table = levelsTable(gain, 0.6);
    expect([...table.subarray(0, 256)]).toEqual([...mapped]);
    expect([...table.subarray(256)]).toEqual(LEVELS.map((level) => mapped[gained[level]!]!));
  });

  it('alone are each its own', () => {
    expect([...levelsTable(gain, null)]).toEqual([...LEVELS, ...gainTable(gain)]);
    expect([...levelsTable(null, 1.3)]).toEqual([...gammaTable(1.3), ...gammaTable(1.3)]);
    expect([...levelsTable(null, null)]).toEqual([...LEVELS, ...LEVELS]);
  });

  it.each([
    [1, 0],
    [7, 0],
    [64, 0],
    [67, 1],
    [66, 2],
    [64, 4],
  ])(
    'change every pixel of every plane by its own place in the mask: %i pixels, %i bytes on',
    (area, from) => {
      const table = Uint8Array.from({ length: 512 }, (_, i) => (i * 37 + (i >> 8) * 11) % 256);
      const bytes = Uint8Array.from({ length: from + 3 * area }, (_, i) => (i * 71 + 13) % 256);
      const pixels = bytes.subarray(from);
      const mask = Uint8Array.from({ length: area }, (_, i) => ((i * i) % 3) & 1);
      const expected = Array.from(pixels, (level, i) => table[256 * mask[i % area]! + level]!);
      throughTable(pixels, table, mask);
      expect([...pixels]).toEqual(expected);
      expect([...bytes.subarray(0, from)]).toEqual(
        [13, 84].slice(0, from).concat(from > 2 ? [155, 226] : []),
      );
    },
  );
});

describe('the curve of gain along depth', () => {
  const decibels = [8, -3, 5, 0, -7];

  it('goes through its values at equal distances, in levels of 60 dB', () => {
    const curve = depthCurve(decibels);
    expect(curve).toHaveLength(1025);
    for (const [i, value] of decibels.entries()) expect(curve[256 * i]).toBeCloseTo(value * 4.25, 9);
  });

  it('is half way in the middle between two, level at each, and never beyond them', () => {
    const curve = depthCurve(decibels);
    for (let part = 0; part < 4; part++) {
      const [from, to] = [decibels[part]! * 4.25, decibels[part + 1]! * 4.25];
      expect(curve[256 * part + 128]).toBeCloseTo((from + to) / 2, 9);
      // A cosine leaves its value with the square of the distance.
      const near = curve[256 * part + 1]! - from;
      expect(near / (to - from)).toBeCloseTo((Math.PI / 256) ** 2 / 4, 7);
      for (let i = 0; i <= 256; i++) {
        expect(curve[256 * part + i]).toBeGreaterThanOrEqual(Math.min(from, to) - 1e-9);
        expect(curve[256 * part + i]).toBeLessThanOrEqual(Math.max(from, to) + 1e-9);
      }
    }
  });

  it('of one value is constant', () => {
    for (const value of depthCurve([4, 4, 4])) expect(value).toBeCloseTo(17, 9);
  });
});

describe('gain along depth', () => {
  const SIZE = 24;
  const curve = depthCurve([6, -6, 9]);
  /** Twice as large as the view, turned by 90°, shifted. */
  const placement: Affine = [0, 2, 3, -2, 0, 60];
  const whole = new Uint8Array(SIZE * SIZE).fill(1);

  /** Changes pixels of 100 in two planes, and compares with the curve at a depth that the test knows. */
  function check(
    beams: Parameters<typeof addAlongDepth>[3]['beams'],
    depthAt: (x: number, y: number) => number,
  ): void {
    const mask = Uint8Array.from(whole, (_, i) => (i % 7 === 0 ? 0 : 1));
    const pixels = new Uint8Array(2 * SIZE * SIZE).fill(100);
    addAlongDepth(pixels, SIZE, curve, { beams, placement }, mask);
    const depths = new Set<number>();
    for (let i = 0; i < pixels.length; i++) {
      const at = i % (SIZE * SIZE);
      const [u, v] = [(at % SIZE) + 0.5, Math.floor(at / SIZE) + 0.5];
      const depth = Math.min(1, Math.max(0, depthAt(2 * v + 3, 60 - 2 * u)));
      depths.add(depth);
      const shift = mask[at] === 0 ? 0 : curve[Math.round(1024 * depth)]!;
      // Half a level from rounding, and where the curve is steepest a tenth from its samples.
      expect(Math.abs(pixels[i]! - 100 - shift)).toBeLessThan(0.65);
    }
    expect(depths.has(0) && depths.has(1) && depths.size > 20).toBe(true);
  }

  it('of parallel beams counts rows of the picture', () => {
    check({ x: 20, y: 35, curvature: 0, depth: 40, left: -20, right: 20 }, (_, y) => (y - 15) / 40);
  });

  it('of a fan counts the distance from where its beams meet', () => {
    // The apex lies 50 above the middle: echoes come from 30 to 70 away.
    check({ x: 20, y: 40, curvature: 1 / 50, depth: 40, left: -20, right: 20 }, (x, y) => {
      return (Math.hypot(x - 20, y + 10) - 30) / 40;
    });
  });

  it.each([0, 1 / 50])(
    'is the curve at the range that the beams have, to the bit: curvature %f',
    (curvature) => {
      const beams = { x: 20.3, y: 40.7, curvature, depth: 37, left: -20, right: 20 };
      const turned: Affine = [1.7, 0.4, 3, -0.3, 1.9, 6];
      for (const view of [turned, placement]) {
        const pixels = Uint8Array.from({ length: 3 * SIZE * SIZE }, (_, i) => (i * 89) % 256);
        const before = pixels.slice();
        addAlongDepth(pixels, SIZE, curve, { beams, placement: view }, whole);
        for (let i = 0; i < pixels.length; i++) {
          const at = i % (SIZE * SIZE);
          const [u, v] = [(at % SIZE) + 0.5, Math.floor(at / SIZE) + 0.5];
          const [a, b, c, d, e, f] = view;
          const depth = 0.5 + rangeAt(beams, a * u + b * v + c, d * u + e * v + f) / beams.depth;
          const shift = curve[Math.trunc(1024 * Math.min(1, Math.max(0, depth)) + 0.5)]!;
          expect(pixels[i]).toBe(Math.trunc(held(before[i]! + shift + 0.5)));
        }
      }
    },
  );

  it('of a view whose side is no multiple of four is that of its part of a larger one', () => {
    const beams = { x: 20, y: 40, curvature: 1 / 50, depth: 40, left: -20, right: 20 };
    const part = (image: Uint8Array, from: number, side: number): number[] =>
      Array.from({ length: 2 * 22 * 22 }, (_, i) => {
        const [plane, y, x] = [Math.floor(i / 484), Math.floor(i / 22) % 22, i % 22];
        return image[from + plane * side * side + y * side + x]!;
      });
    const large = Uint8Array.from({ length: 2 * SIZE * SIZE }, (_, i) => (i * 89) % 256);
    const mask = Uint8Array.from(whole, (_, i) => (i % 5 === 0 ? 0 : 1));
    const small = Uint8Array.from(part(large, 0, SIZE));
    const smallMask = Uint8Array.from(
      { length: 22 * 22 },
      (_, i) => mask[Math.floor(i / 22) * SIZE + (i % 22)]!,
    );
    addAlongDepth(large, SIZE, curve, { beams, placement }, mask);
    addAlongDepth(small, 22, curve, { beams, placement }, smallMask);
    expect([...small]).toEqual(part(large, 0, SIZE));
  });

  it('keeps within black and white', () => {
    const pixels = Uint8Array.of(250, 4);
    const beams = { x: 0, y: 0, curvature: 0, depth: 10, left: -5, right: 5 };
    for (const [decibels, ends] of [
      [9, [255, 42]],
      [-9, [212, 0]],
    ] as const) {
      const changed = new Uint8Array(4).fill(pixels[0]!);
      changed[1] = pixels[1]!;
      addAlongDepth(
        changed,
        2,
        depthCurve([decibels, decibels]),
        { beams, placement: [1, 0, 0, 0, 1, 0] },
        new Uint8Array(4).fill(1),
      );
      expect([...changed.subarray(0, 2)]).toEqual(ends);
    }
  });
});
