/** The resize on vectors beside the plain one, which `resample.test.ts` holds to Pillow. */
import { describe, expect, it } from 'vitest';
import { randomAt } from '../../src/base/random.ts';
import { createAxis, resamplePlane, setAxis } from '../../src/views/resample.ts';
import { resize } from '../../src/views/resize.ts';

const BEFORE = 3;

function resized(
  how: typeof resize,
  [width, height, size]: readonly [number, number, number],
  box: readonly [left: number, top: number, right: number, bottom: number],
  mirrored: boolean,
): Uint8Array {
  const random = randomAt(width, 'picture');
  const words = new Uint32Array(width * height + 5);
  random.fillWords(words);
  // The darkest and the brightest pixels are common: their sums are the smallest and the largest.
  const source = Uint8Array.from(words, (word) => [0, 255, word >>> 24, word >>> 16][word & 3]!);
  const [x, y] = [createAxis(size), createAxis(size)];
  setAxis(x, width, box[0] * width, box[2] * width, mirrored);
  setAxis(y, height, box[1] * height, box[3] * height, false);
  const target = new Uint8Array(BEFORE + size * size + 2).fill(77);
  how(source, 5, width, x, y, target, BEFORE);
  return target;
}

const plain: typeof resize = (source, offset, width, x, y, target, to) => {
  resamplePlane(source, offset, width, x, y, new Uint8Array((y.to - y.from) * x.start.length), target, to);
};

describe('the resize on vectors', () => {
  it.each([
    [256, 256, 224],
    [256, 256, 112],
    [256, 192, 16],
    [37, 50, 17],
    [300, 200, 33],
    [5, 7, 40],
    [1, 1, 6],
    // Too wide for one vector: left to the plain one.
    [900, 300, 64],
    [900, 300, 18],
  ] as const)('has every bit of the plain one: %i × %i to %i pixels', (...sizes) => {
    for (const mirrored of [false, true])
      for (const box of [
        [0, 0, 1, 1],
        [0.13, 0.07, 0.91, 0.83],
        [0.4, 0.3, 0.5, 0.45],
      ] as const) {
        const expected = resized(plain, sizes, box, mirrored);
        expect(resized(resize, sizes, box, mirrored)).toEqual(expected);
      }
  });
});
