/** The filter, the noise and the amplitudes of speckle, each beside a loop over single numbers. */
import { describe, expect, it } from 'vitest';
import { randomAt } from '../../../src/base/random.ts';
import { roundedUp, workspaceOf } from '../../../src/views/vectors/workspace.ts';

function drawn(purpose: string, length: number): Float32Array {
  const random = randomAt(1, purpose);
  return Float32Array.from({ length }, () => random.between(-1, 1));
}

describe('the filter', () => {
  it.each([
    [1, 16, 1, 1],
    [3, 32, 4, 1],
    [5, 16, 7, 2],
    [2, 48, 13, 20],
  ])(
    'is the sum over taps in their order, to the bit: %i rows of %i, %i taps, %i apart',
    (rows, width, taps, step) => {
      const stride = width + taps * step;
      const source = drawn('source', rows * stride + taps * step);
      const weights = drawn('weights', taps);
      const [sourceAt, targetAt] = [taps, taps + source.length];
      const { singles, loops } = workspaceOf(4 * (targetAt + rows * width));
      singles.set(weights);
      singles.set(source, sourceAt);
      loops.filter(4 * sourceAt, 4 * stride, 4 * targetAt, 4 * width, rows, 4 * width, 0, 4 * taps, 4 * step);
      for (let y = 0; y < rows; y++)
        for (let x = 0; x < width; x++) {
          let sum = 0;
          for (let k = 0; k < taps; k++)
            sum = Math.fround(sum + Math.fround(weights[k]! * source[y * stride + x + k * step]!));
          expect(singles[targetAt + y * width + x]).toBe(sum);
        }
    },
  );
});

describe('white noise', () => {
  const LENGTH = 4096;

  /** Words of sfc32, the generator of `randomAt`, from a state. */
  function* wordsOf([a, b, c, counter]: readonly number[]): Generator<number> {
    let state = [a!, b!, c!, counter!] as const;
    for (;;) {
      const [p, q, r, n] = state;
      const word = (p + q + n) >>> 0;
      yield word;
      const turned = ((r << 21) | (r >>> 11)) + word;
      state = [(q ^ (q >>> 9)) >>> 0, (r + (r << 3)) >>> 0, turned >>> 0, (n + 1) >>> 0];
    }
  }

  function noise(seed: number): { readonly values: Float32Array; readonly state: Uint32Array } {
    const state = new Uint32Array(16);
    randomAt(seed, 'noise').fillWords(state);
    const { ints, singles, loops } = workspaceOf(64 + 4 * LENGTH);
    ints.set(state);
    loops.noise(64, 4 * LENGTH, 0, 1);
    return { values: singles.slice(16, 16 + LENGTH), state };
  }

  it('is the bytes of four generators in turns, two a number', () => {
    const { values, state } = noise(1);
    const lanes = [0, 1, 2, 3].map((lane) => wordsOf([0, 4, 8, 12].map((part) => state[part + lane]!)));
    for (let i = 0; i < LENGTH; i += 2) {
      const word = lanes[(i / 2) % 4]!.next().value as number;
      expect(values[i]).toBe((word & 255) + ((word >>> 8) & 255) - 255);
      expect(values[i + 1]).toBe(((word >>> 16) & 255) + (word >>> 24) - 255);
    }
  });

  it('has mean 0, the variance of two bytes, and no correlation of neighbours or lanes', () => {
    const [count, variance] = [60 * LENGTH, (256 ** 2 - 1) / 6];
    const sums = new Map<number, number>([0, 1, 2, 4, 8].map((lag) => [lag, 0]));
    let sum = 0;
    for (let seed = 0; seed < 60; seed++) {
      const { values } = noise(seed);
      for (let i = 0; i < LENGTH; i++) {
        sum += values[i]!;
        for (const [lag, part] of sums) sums.set(lag, part + values[i]! * values[(i + lag) % LENGTH]!);
      }
    }
    // Four deviations of a mean of so many.
    const error = 4 / Math.sqrt(count);
    expect(Math.abs(sum / count) / Math.sqrt(variance)).toBeLessThan(error);
    for (const [lag, part] of sums)
      expect(Math.abs(part / count / variance - Number(lag === 0))).toBeLessThan(error);
  });
});

it.each([1, 5, 17])('amplitudes are base + scale · |z|: %i numbers a row', (width) => {
  const [rows, stride] = [3, roundedUp(width, 4)];
  const source = drawn('complex', 2 * rows * stride);
  const { singles, loops } = workspaceOf(4 * (source.length + rows * stride));
  singles.set(source);
  loops.amplitudes(0, 8 * stride, 4 * source.length, 4 * stride, rows, 4 * stride, 0.75, 0.5);
  for (let i = 0; i < rows * stride; i++)
    expect(singles[source.length + i]).toBeCloseTo(
      0.75 + 0.5 * Math.hypot(source[2 * i]!, source[2 * i + 1]!),
      6,
    );
});

it('levels are multiplied, rounded, and held at white, in any number', () => {
  const levels = Uint8Array.from({ length: 48 }, (_, i) => (i * 37) % 256);
  const factors = drawn('factors', 48).map((value) => 1 + value);
  const { bytes, singles, loops } = workspaceOf(5 * 48);
  singles.set(factors);
  bytes.set(levels, 4 * 48);
  loops.multiplyLevels(4 * 48, 0, 48);
  for (let i = 0; i < 48; i++) {
    const exact = Math.min(255, levels[i]! * factors[i]!);
    expect(Math.abs(bytes[4 * 48 + i]! - exact)).toBeLessThan(0.501);
  }
});
