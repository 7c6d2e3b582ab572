import { describe, expect, it } from 'vitest';
import { randomAt } from '../../src/base/random.ts';
import { inverseAffine } from '../../src/views/field/affine.ts';
import { blurPlanes, cutHoles, paintOutside, sharpenPlanes, warpPlane } from '../../src/views/spatial.ts';
import { picture } from './reference.ts';

const SIZE = 17;
const AREA = SIZE * SIZE;

function warp(source: Uint8Array, map: ReturnType<typeof inverseAffine>): Uint8Array {
  const target = new Uint8Array(source.length);
  warpPlane(source, target, 0, SIZE, map);
  return target;
}

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

describe('blur', () => {
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
    const mean = noise.reduce((a, b) => a + b) / noise.length;
    expect(mean).toBeCloseTo(0.5, 1);
    expect(noise.reduce((sum, value) => sum + (value - mean) ** 2, 0) / noise.length).toBeCloseTo(1 / 12, 1);
    expect(Math.min(...noise)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...noise)).toBeLessThan(1);
  });
});
