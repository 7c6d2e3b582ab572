import { describe, expect, it } from 'vitest';
import { blankOutside, narrow } from '../../../src/views/field/edge.ts';
import { distanceTo, fillInside, type Outline, sidesOf } from '../../../src/views/field/outline.ts';
import { fanPoints, liesInside, outlineOf } from './fans.ts';

const SIZE = 60;
const FAN = outlineOf(fanPoints({ x: 30, y: -6, near: 12, far: 70, half: 0.5 }));
const SQUARE = outlineOf([
  [10, 12],
  [50, 12],
  [50, 47.5],
  [10, 47.5],
]);

/** Pixels inside and at least `margin` from every side, one at a time. */
function slowMask(outline: Outline, margin: number): Uint8Array {
  return Uint8Array.from({ length: SIZE * SIZE }, (_, i) => {
    const [x, y] = [(i % SIZE) + 0.5, Math.floor(i / SIZE) + 0.5];
    const nearest = Math.min(...sidesOf(outline).map((side) => distanceTo(x, y, ...side)));
    return liesInside(outline, x, y) && nearest >= margin ? 1 : 0;
  });
}

/** A corner stands twice, as where an outline was rounded, and sides run in all directions. */
const BENT = outlineOf([
  [30, -8],
  [30, -8],
  [52.3, 9],
  [70, 31],
  [41, 55.5],
  [41, 40],
  [22, 40],
  [5.5, 58],
  [9, 21],
]);

describe('the edge of a field', () => {
  it.each([0, 0.4, 3, 7.3, 40])('moves inwards by %f pixels on every side', (margin) => {
    for (const outline of [FAN, SQUARE, BENT]) {
      const mask = new Uint8Array(SIZE * SIZE);
      fillInside([outline], SIZE, mask);
      narrow([outline], SIZE, margin, mask);
      expect(mask).toEqual(slowMask(outline, margin));
    }
  });

  it('leaves a square that is smaller by the margin on each side', () => {
    const mask = new Uint8Array(SIZE * SIZE);
    fillInside([SQUARE], SIZE, mask);
    narrow([SQUARE], SIZE, 5, mask);
    for (let i = 0; i < mask.length; i++) {
      const [x, y] = [(i % SIZE) + 0.5, Math.floor(i / SIZE) + 0.5];
      expect(mask[i]).toBe(x >= 15 && x <= 45 && y >= 17 && y <= 42.5 ? 1 : 0);
    }
  });
});

it('blanking blackens what is not in the mask, in every plane, and nothing else', () => {
  const pixels = Uint8Array.from({ length: 12 }, (_, i) => i + 1);
  blankOutside(pixels, Uint8Array.of(1, 0, 1, 0));
  expect([...pixels]).toEqual([1, 0, 3, 0, 5, 0, 7, 0, 9, 0, 11, 0]);

  // Planes of which the second begins inside a word, and a rest that is no whole one.
  const odd = Uint8Array.from({ length: 22 }, (_, i) => i + 1);
  const mask = Uint8Array.from({ length: 11 }, (_, i) => (i % 3 === 1 ? 0 : 1));
  blankOutside(odd, mask);
  expect([...odd]).toEqual(Array.from({ length: 22 }, (_, i) => ((i % 11) % 3 === 1 ? 0 : i + 1)));
});
