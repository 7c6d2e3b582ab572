import { describe, expect, it } from 'vitest';
import { randomAt } from '../../src/base/random.ts';
import { inverseAffine } from '../../src/views/field/affine.ts';
import {
  blurPlanes,
  cutHoles,
  nodesAlong,
  paintOutside,
  sampleNodes,
  sharpenPlanes,
  warpPlane,
} from '../../src/views/spatial.ts';
import { picture } from './reference.ts';

const SIZE = 17;
const AREA = SIZE * SIZE;

function warp(source: Uint8Array, map: ReturnType<typeof inverseAffine>): Uint8Array {
  const target = new Uint8Array(source.length);
  warpPlane(source, target, 0, SIZE, map);
  return target;
}

type Affine6 = [number, number, number, number, number, number];

function planesOf(channels: number): Float32Array {
  return Float32Array.from(
    Array.from({ length: channels }, (_, channel) => [...picture(SIZE, SIZE, channel)]).flat(),
    (byte) => byte / 255,
  );
}

describe('warp', () => {
  const source = picture(SIZE, SIZE);
  const at = (image: Uint8Array, x: number, y: number): number =>
    x < 0 || y < 0 || x >= SIZE || y >= SIZE ? 0 : image[y * SIZE + x]!;

  it('turns clockwise about the centre', () => {
    const turned = warp(source, inverseAffine(90, 0, 0, 1, 0));
    for (let y = 0; y < SIZE; y++)
      for (let x = 0; x < SIZE; x++) expect(at(turned, SIZE - 1 - y, x)).toBe(at(source, x, y));
  });

  it('shifts right and down and blackens what is uncovered', () => {
    const shifted = warp(source, inverseAffine(0, 3, 2, 1, 0));
    for (let y = 0; y < SIZE; y++)
      for (let x = 0; x < SIZE; x++) expect(at(shifted, x, y)).toBe(at(source, x - 3, y - 2));
  });

  it('zooms in about the centre and interpolates between pixels', () => {
    const zoomed = warp(source, inverseAffine(0, 0, 0, 2, 0));
    expect(at(zoomed, 8, 8)).toBe(at(source, 8, 8));
    expect(at(zoomed, 10, 4)).toBe(at(source, 9, 6));
    expect(at(zoomed, 9, 8)).toBe(Math.floor((at(source, 8, 8) + at(source, 9, 8)) / 2 + 0.5));
  });

  it('works on the plane it is given', () => {
    const two = new Uint8Array(2 * AREA);
    two.set(source, AREA);
    const target = new Uint8Array(2 * AREA);
    warpPlane(two, target, AREA, SIZE, inverseAffine(0, 1, 0, 1, 0));
    expect(target.subarray(0, AREA)).toEqual(new Uint8Array(AREA));
    expect(target.subarray(AREA)).toEqual(warp(source, inverseAffine(0, 1, 0, 1, 0)));
  });
});

/** A number between two, in single precision. */
const between = (a: number, b: number, share: number): number =>
  Math.fround(a + Math.fround(Math.fround(b - a) * share));

/** A plane at a place, from the four pixels around, each 0 where it lies outside; not rounded. `mix` goes from one to another. */
function slowSample(
  source: Uint8Array,
  size: number,
  u: number,
  v: number,
  mix: (a: number, b: number, share: number) => number,
): number {
  const [left, top] = [Math.floor(u), Math.floor(v)];
  const [right, down] = [Math.fround(u - left), Math.fround(v - top)];
  const at = (x: number, y: number): number =>
    x < 0 || y < 0 || x >= size || y >= size ? 0 : source[y * size + x]!;
  const above = mix(at(left, top), at(left + 1, top), right);
  const below = mix(at(left, top + 1), at(left + 1, top + 1), right);
  return mix(above, below, down);
}

describe('samples at places', () => {
  it.each([5, 8, 17, 18])('of a warp are those of the four pixels around, rounded: %i pixels', (size) => {
    const [source, target] = [picture(size, size), new Uint8Array(size * size)];
    const exactly = (a: number, b: number, share: number): number => (1 - share) * a + share * b;
    for (let seed = 0; seed < 20; seed++) {
      const random = randomAt(seed, 'warp');
      // Some reach far beyond every border.
      const [a, b, c, d, e, f] = Array.from({ length: 6 }, () => random.between(-2, 2)) as Affine6;
      warpPlane(source, target, 0, size, [a, b, size * c, d, e, size * f]);
      const centre = (size - 1) / 2;
      for (let y = 0; y < size; y++)
        for (let x = 0; x < size; x++) {
          const u = a * (x - centre) + b * (y - centre) + size * c + centre;
          const v = d * (x - centre) + e * (y - centre) + size * f + centre;
          const exact = slowSample(source, size, u, v, exactly);
          // Half a level, and what places of single precision may move a half.
          expect(Math.abs(target[y * size + x]! - exact)).toBeLessThan(0.501);
        }
    }
  });

  it.each([5, 8, 17, 18])('between nodes are at places between those, to the bit: %i pixels', (size) => {
    const side = nodesAlong(size);
    expect(side).toBe(Math.ceil(size / 4) + 1);
    for (let seed = 0; seed < 20; seed++) {
      const random = randomAt(seed, 'nodes');
      const nodes = Float64Array.from({ length: 2 * side * side }, () =>
        Math.fround(random.between(-0.3 * size, 1.3 * size)),
      );
      // Places on the last row and column, and at 0, are no special case.
      nodes.set([0, 0, size - 1, size - 1, 0, size - 1]);
      const two = new Uint8Array(2 * size * size);
      two.set(picture(size, size), size * size);
      const target = new Uint8Array(two.length);
      sampleNodes(two, target, size * size, size, nodes);
      const place = (x: number, y: number, axis: 0 | 1): number => {
        const [column, row] = [Math.floor(x / 4), Math.floor(y / 4)];
        const [across, down] = [(x + 0.5) / 4 - column, (y + 0.5) / 4 - row];
        const node = (i: number, j: number): number => nodes[2 * (j * side + i) + axis]!;
        const above = between(node(column, row), node(column + 1, row), across);
        const below = between(node(column, row + 1), node(column + 1, row + 1), across);
        return between(above, below, down);
      };
      expect(new Set(target.subarray(0, size * size))).toEqual(new Set([0]));
      for (let y = 0; y < size; y++)
        for (let x = 0; x < size; x++) {
          const value = slowSample(picture(size, size), size, place(x, y, 0), place(x, y, 1), between);
          expect(target[size * size + y * size + x]).toBe(Math.floor(Math.fround(value + 0.5)));
        }
    }
  });
});

describe('blur', () => {
  it.each([
    [5, 3],
    [16, 5],
    [17, 7],
    [18, 21],
    [7, 31],
  ])(
    'is rows, then columns, summed from the first tap to the last in single precision, to the bit: %i pixels, %i taps',
    (size, kernel) => {
      const planes = Float32Array.from(
        [...picture(size, size), ...picture(size, size, 1)],
        (byte) => byte / 255,
      );
      const radius = (kernel - 1) / 2;
      const raw = Array.from({ length: kernel }, (_, i) => Math.exp(-((i - radius) ** 2) / (2 * 1.7 * 1.7)));
      const total = raw.reduce((a, b) => a + b, 0);
      const mirror = (i: number): number => {
        const within = Math.abs(i) % (2 * (size - 1));
        return Math.min(within, 2 * (size - 1) - within);
      };
      const pass = (of: (x: number, y: number) => number): number[] =>
        Array.from({ length: size * size }, (_, i) => {
          let sum = 0;
          for (let k = 0; k < kernel; k++)
            sum = Math.fround(
              sum +
                Math.fround(
                  Math.fround(raw[k]! / total) * of(mirror((i % size) + k - radius), Math.floor(i / size)),
                ),
            );
          return sum;
        });
      const expected = [0, 1].flatMap((channel) => {
        const across = pass((x, y) => planes[channel * size * size + y * size + x]!);
        const turned = pass((y, x) => across[y * size + x]!);
        return turned.map((_, i) => turned[(i % size) * size + Math.floor(i / size)]!);
      });
      blurPlanes(planes, size, 1.7, kernel);
      expect([...planes]).toEqual(expected);
    },
  );

  it('is the convolution with a Gaussian, borders mirrored', () => {
    const planes = planesOf(2);
    const blurred = planes.slice();
    blurPlanes(blurred, SIZE, 1.3, 7);
    const mirror = (i: number): number => (i < 0 ? -i : i >= SIZE ? 2 * (SIZE - 1) - i : i);
    for (const channel of [0, 1])
      for (const [x, y] of [
        [0, 0],
        [8, 8],
        [16, 3],
        [1, 16],
      ] as const) {
        let sum = 0;
        let total = 0;
        for (let j = -3; j <= 3; j++)
          for (let i = -3; i <= 3; i++) {
            const weight = Math.exp(-(i * i + j * j) / (2 * 1.3 * 1.3));
            total += weight;
            sum += weight * planes[channel * AREA + mirror(y + j) * SIZE + mirror(x + i)]!;
          }
        expect(blurred[channel * AREA + y * SIZE + x]).toBeCloseTo(sum / total, 5);
      }
  });

  it('leaves a constant view constant, even with a kernel larger than the view', () => {
    const planes = new Float32Array(AREA).fill(0.7);
    blurPlanes(planes, SIZE, 20, 41);
    for (const value of planes) expect(value).toBeCloseTo(0.7, 5);
  });
});

describe('sharpening', () => {
  const difference = (planes: Float32Array): number => {
    let sum = 0;
    for (let i = 1; i < planes.length; i++) sum += Math.abs(planes[i]! - planes[i - 1]!);
    return sum;
  };

  it.each([-1, 0, 1, 2, 3, 4, 5])('degree %i keeps flat parts flat', (degree) => {
    const planes = new Float32Array(2 * AREA).fill(0.3);
    sharpenPlanes(planes, SIZE, degree, new Float32Array(AREA));
    for (const value of planes) expect(value).toBeCloseTo(0.3, 5);
  });

  it('strengthens edges with its degree, and −1 softens them', () => {
    const soft = Float32Array.from({ length: AREA }, (_, i) => 0.5 + 0.03 * Math.sin(i % SIZE));
    const sharpened = (degree: number): number => {
      const planes = soft.slice();
      sharpenPlanes(planes, SIZE, degree, new Float32Array(AREA));
      return difference(planes);
    };
    expect(sharpened(-1)).toBeLessThan(sharpened(0));
    expect(sharpened(2)).toBeGreaterThan(sharpened(0));
    expect(sharpened(3)).toBeGreaterThan(sharpened(2));
    expect(sharpened(4)).toBeGreaterThan(sharpened(3));
    expect(sharpened(5)).toBeGreaterThan(sharpened(4));
  });

  it('is what nine pixels give, edges repeated, to the bit', () => {
    const planes = planesOf(2);
    const sharp = planes.slice();
    sharpenPlanes(sharp, SIZE, 1, new Float32Array(AREA));
    const held = (i: number): number => Math.min(SIZE - 1, Math.max(0, i));
    for (const [i, value] of sharp.entries()) {
      const [x, y] = [i % SIZE, Math.floor((i % AREA) / SIZE)];
      const p = (dx: number, dy: number): number =>
        planes[i - (i % AREA) + held(y + dy) * SIZE + held(x + dx)]!;
      const sum =
        1 * (p(-1, -1) + p(1, -1) + p(-1, 1) + p(1, 1)) +
        -2 * (p(0, -1) + p(0, 1) + p(-1, 0) + p(1, 0)) +
        5 * p(0, 0);
      // The kernel of degree 1 has the sum 1.
      expect(value).toBe(Math.fround(Math.min(1, Math.max(0, sum))));
    }
  });

  it('with degree 3 adds the Laplacian, clamped', () => {
    const planes = planesOf(1);
    const sharp = planes.slice();
    sharpenPlanes(sharp, SIZE, 3, new Float32Array(AREA));
    for (const [x, y] of [
      [5, 5],
      [1, 14],
    ] as const) {
      const p = (dx: number, dy: number): number => planes[(y + dy) * SIZE + x + dx]!;
      const value = 5 * p(0, 0) - p(1, 0) - p(-1, 0) - p(0, 1) - p(0, -1);
      expect(sharp[y * SIZE + x]).toBeCloseTo(Math.min(1, Math.max(0, value)), 5);
    }
  });
});

describe('erasing', () => {
  const rectangle = { left: 2, top: 5, right: 9, bottom: 8 };
  const inside = (i: number): boolean => {
    const x = i % SIZE;
    const y = Math.floor((i % AREA) / SIZE);
    return x >= 2 && x < 9 && y >= 5 && y < 8;
  };

  it('cuts the hole out of every channel and leaves the rest', () => {
    const planes = planesOf(3);
    const cut = planes.slice();
    cutHoles(cut, SIZE, [rectangle]);
    for (const [i, value] of cut.entries()) expect(value).toBe(inside(i) ? 0 : planes[i]!);
  });

  it('keeps the windows and paints uniform noise around them', () => {
    const planes = planesOf(3);
    const painted = planes.slice();
    paintOutside(painted, SIZE, [rectangle], randomAt(1, 'noise'));
    const noise: number[] = [];
    for (const [i, value] of painted.entries()) {
      if (inside(i)) expect(value).toBe(planes[i]!);
      else noise.push(value);
    }
    const stream = randomAt(1, 'noise');
    expect(noise).toEqual(noise.map(() => Math.fround(stream.uniform())));
    const mean = noise.reduce((a, b) => a + b) / noise.length;
    expect(mean).toBeCloseTo(0.5, 1);
    expect(noise.reduce((sum, value) => sum + (value - mean) ** 2, 0) / noise.length).toBeCloseTo(1 / 12, 1);
    expect(Math.min(...noise)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...noise)).toBeLessThan(1);
  });
});
