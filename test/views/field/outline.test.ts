import { describe, expect, it } from 'vitest';
import { randomAt } from '../../../src/base/random.ts';
import { after, inverseAffine, inverseOf } from '../../../src/views/field/affine.ts';
import {
  addAreasInside,
  areaInside,
  boundsOf,
  distanceTo,
  divided,
  fillInside,
  moved,
  type Outline,
  rectangleOutline,
  sidesOf,
} from '../../../src/views/field/outline.ts';
import { liesInside, outlineOf, sampledShare } from './fans.ts';

/** A polygon around (50, 50) whose corners lie at drawn distances: seldom convex. */
function star(seed: number): Outline {
  const random = randomAt(seed, 'star');
  const corners = 3 + random.integer(12);
  return outlineOf(
    Array.from({ length: corners }, (_, i) => {
      const [angle, radius] = [(2 * Math.PI * i) / corners, random.between(10, 60)];
      return [50 + radius * Math.cos(angle), 50 + radius * Math.sin(angle)] as const;
    }),
  );
}

const areaOf = (outline: Outline): number =>
  Math.abs(sidesOf(outline).reduce((sum, [x0, y0, x1, y1]) => sum + (x0 * y1 - x1 * y0) / 2, 0));

describe('the area of a box inside an outline', () => {
  it('is that of many points, whatever the polygon', () => {
    for (let seed = 0; seed < 40; seed++) {
      const random = randomAt(seed, 'box');
      const [left, top] = [random.between(-20, 80), random.between(-20, 80)];
      const box = { left, top, right: left + random.between(5, 90), bottom: top + random.between(5, 90) };
      const share = areaInside(star(seed), box) / ((box.right - box.left) * (box.bottom - box.top));
      expect(Math.abs(share - sampledShare(star(seed), box))).toBeLessThan(0.006);
    }
  });

  it('of boxes in a row is that of each alone, to the bit, added to what was there', () => {
    for (let seed = 0; seed < 40; seed++) {
      const random = randomAt(seed, 'row');
      const [top, height] = [random.between(-20, 80), random.between(5, 90)];
      const lefts = Float64Array.from({ length: 5 }, () => random.between(-20, 80));
      const rights = lefts.map((left) => left + random.between(5, 90));
      const areas = new Float64Array(5).fill(7);
      addAreasInside(star(seed), top, top + height, lefts, rights, 4, areas);
      for (let n = 0; n < 4; n++) {
        const box = { left: lefts[n]!, top, right: rights[n]!, bottom: top + height };
        expect(areas[n]).toBe(7 + areaInside(star(seed), box));
      }
      expect(areas[4]).toBe(7);
    }
  });

  it('is the polygon’s where the box holds it, the box’s where it is held, and nothing apart', () => {
    for (let seed = 0; seed < 10; seed++)
      expect(areaInside(star(seed), { left: -20, top: -20, right: 120, bottom: 120 })).toBeCloseTo(
        areaOf(star(seed)),
        8,
      );
    const box = { left: 2, top: 3, right: 7, bottom: 5 };
    const around = rectangleOutline({ left: 0, top: 0, right: 9, bottom: 9 });
    expect(areaInside(around, box)).toBeCloseTo(10, 12);
    expect(areaInside(around.slice().reverse(), box)).toBeCloseTo(10, 12);
    expect(areaInside(rectangleOutline({ left: 7, top: 0, right: 9, bottom: 9 }), box)).toBe(0);
    // Half of the box lies under the diagonal.
    expect(
      areaInside(
        outlineOf([
          [0, 0],
          [6, 6],
          [0, 6],
        ]),
        { left: 1, top: 1, right: 5, bottom: 5 },
      ),
    ).toBeCloseTo(8, 12);
  });
});

describe('filling', () => {
  it('sets the pixels whose centre is inside, also of outlines that reach beyond the view', () => {
    const mask = new Uint8Array(70 * 70);
    for (let seed = 0; seed < 20; seed++) {
      const outline = star(seed);
      fillInside([outline], 70, mask);
      for (let y = 0; y < 70; y++)
        for (let x = 0; x < 70; x++)
          expect(mask[70 * y + x]).toBe(liesInside(outline, x + 0.5, y + 0.5) ? 1 : 0);
    }
  });

  it('takes several outlines together, overlapping or not', () => {
    const mask = new Uint8Array(10 * 10);
    const [a, b] = [
      { left: 1, top: 1, right: 5, bottom: 4 },
      { left: 3, top: 2, right: 9, bottom: 9 },
    ].map(rectangleOutline);
    fillInside([a!, b!], 10, mask);
    expect(mask.reduce((sum, value) => sum + value, 0)).toBe(4 * 3 + 6 * 7 - 2 * 2);
  });
});

describe('outlines', () => {
  it('keep their area and get sides as short as asked when they are divided', () => {
    const finer = divided(star(3), 5);
    expect(areaOf(finer)).toBeCloseTo(areaOf(star(3)), 8);
    for (const [x0, y0, x1, y1] of sidesOf(finer))
      expect(Math.hypot(x1 - x0, y1 - y0)).toBeLessThanOrEqual(5 + 1e-9);
  });

  it('know their bounds', () => {
    const square = rectangleOutline({ left: 1, top: 2, right: 3, bottom: 4 });
    expect(boundsOf([square, moved(square, [1, 0, 5, 0, 1, -1])])).toEqual({
      ...{ left: 1, top: 1, right: 8, bottom: 4 },
    });
  });

  it('are as far away as the nearest point of a side', () => {
    expect(distanceTo(3, 4, 0, 0, 0, 0)).toBe(5);
    expect(distanceTo(5, 3, 0, 0, 10, 0)).toBe(3);
    expect(distanceTo(-3, 4, 0, 0, 10, 0)).toBe(5);
    expect(distanceTo(13, 4, 0, 0, 10, 0)).toBe(5);
    expect(distanceTo(0, 2, 0, 0, 2, 2)).toBeCloseTo(Math.SQRT2, 12);
  });
});

it('an affine map is undone by its inverse', () => {
  const map = after([1, 0, 7, 0, -1, 3], inverseAffine(33, 5, -7, 1.4, 12));
  for (const whole of [after(map, inverseOf(map)), after(inverseOf(map), map)])
    [1, 0, 0, 0, 1, 0].forEach((value, i) => {
      expect(whole[i]).toBeCloseTo(value, 12);
    });
});
