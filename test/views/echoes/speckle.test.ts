import { describe, expect, it } from 'vitest';
import { randomAt } from '../../../src/base/random.ts';
import { multiply, type Speckle, speckleMaker } from '../../../src/views/echoes/speckle.ts';

const SIZE = 62;
const AREA = SIZE * SIZE;
const make = speckleMaker(SIZE);

function factors(
  seed: number,
  { strength, grain }: Omit<Speckle, 'noise'>,
  maker = make,
  size = SIZE,
): Float32Array {
  const result = new Float32Array(size * size);
  maker({ strength, grain, noise: randomAt(seed, 'speckle-noise') }, result);
  return result;
}

const mean = (values: Iterable<number>): number => {
  const all = [...values];
  return all.reduce((sum, value) => sum + value, 0) / all.length;
};

/** Many independent pictures of one grain, end to end. */
function many(grain: number, strength = 1, count = 60): Float32Array {
  const result = new Float32Array(count * AREA);
  for (let seed = 0; seed < count; seed++) result.set(factors(seed, { strength, grain }), seed * AREA);
  return result;
}

describe('speckle', () => {
  it.each([1, 1.5, 2, 3])(
    'of grain %f has the mean, the spread and the quantiles of Rayleigh noise',
    (grain) => {
      const values = many(grain);
      // 60 pictures of (62 / 2 grain)² independent grains or more; three deviations of their mean, and what few taps leave.
      const error = 3 * (0.523 / Math.sqrt(60 * (SIZE / (2 * grain)) ** 2)) + (grain === 1 ? 0.015 : 0.005);
      expect(Math.abs(mean(values) - 1)).toBeLessThan(error);
      const variance = mean(values.map((value) => (value - 1) ** 2));
      expect(Math.abs(variance / (4 / Math.PI - 1) - 1)).toBeLessThan(grain === 1 ? 0.1 : 0.06);
      for (const level of [0.3, 0.6, 1, 1.5, 2]) {
        const below = mean(values.map((value) => (value < level ? 1 : 0)));
        expect(Math.abs(below - (1 - Math.exp((-Math.PI * level * level) / 4)))).toBeLessThan(0.02);
      }
    },
  );

  it('is drawn towards 1 by its strength, and with none is 1', () => {
    const [full, half] = [1, 0.5].map((strength) => factors(3, { strength, grain: 2 }));
    for (let i = 0; i < AREA; i++) expect(half![i]! - 1).toBeCloseTo((full![i]! - 1) / 2, 5);
    expect(new Set(factors(3, { strength: 0, grain: 2 }))).toEqual(new Set([1]));
  });

  it.each([1, 2, 3, 4])(
    'is correlated by 1/e after a grain of %i pixels, across, down and hardly at three',
    (grain) => {
      const values = many(grain);
      const middle = mean(values);
      const variance = mean(values.map((value) => (value - middle) ** 2));
      const correlation = (dx: number, dy: number): number => {
        let [sum, count] = [0, 0];
        for (let from = 0; from < values.length; from += AREA)
          for (let y = 0; y + dy < SIZE; y++)
            for (let x = 0; x + dx < SIZE; x++, count++)
              sum +=
                (values[from + y * SIZE + x]! - middle) * (values[from + (y + dy) * SIZE + x + dx]! - middle);
        return sum / count / variance;
      };
      // An amplitude is a little less correlated than the square of its parts: 0.345 where that is 1/e.
      for (const [dx, dy] of [
        [grain, 0],
        [0, grain],
      ] as const)
        expect(Math.abs(correlation(dx, dy) - 0.345)).toBeLessThan(0.04);
      expect(Math.abs(correlation(3 * grain, 0))).toBeLessThan(0.05);
    },
  );

  it('is alike at the border and in the middle', () => {
    const values = many(4, 1, 150);
    const border: number[] = [];
    for (let from = 0; from < values.length; from += AREA)
      for (let i = 0; i < SIZE; i++)
        border.push(
          values[from + i]!,
          values[from + AREA - 1 - i]!,
          values[from + i * SIZE]!,
          values[from + i * SIZE + SIZE - 1]!,
        );
    expect(Math.abs(mean(border) - 1)).toBeLessThan(0.03);
    expect(Math.abs(mean(border.map((value) => (value - 1) ** 2)) / (4 / Math.PI - 1) - 1)).toBeLessThan(0.1);
  });

  it('is the same at the same address whatever was made before, and another elsewhere', () => {
    const one = factors(5, { strength: 0.8, grain: 1.7 }, speckleMaker(SIZE));
    factors(6, { strength: 1, grain: 8 });
    expect(factors(5, { strength: 0.8, grain: 1.7 })).toEqual(one);
    expect(factors(6, { strength: 0.8, grain: 1.7 })).not.toEqual(one);
  });

  it('fills views whose side is no multiple of four', () => {
    for (const size of [16, 17, 18, 19]) {
      const filled = factors(1, { strength: 1, grain: 8 }, speckleMaker(size), size);
      expect(filled).toHaveLength(size * size);
      for (const factor of filled) expect(factor).toBeGreaterThan(0);
    }
  });
});

it('multiplies every plane, rounds, and keeps white', () => {
  const pixels = Uint8Array.of(100, 200, 255, 0, 3, 10);
  multiply(pixels, Float32Array.of(0.5, 1.5, 1.004));
  expect([...pixels]).toEqual([50, 255, 255, 0, 5, 10]);
});
