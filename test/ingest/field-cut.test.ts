import { describe, expect, test } from 'vitest';
import type { Field } from '../../src/dataset/types.ts';
import { planCut } from '../../src/ingest/field/cut.ts';
import { wholeField } from '../../src/ingest/field/file.ts';
import { rasterize } from '../../src/ingest/field/raster.ts';
import { failure } from './media.ts';

const SIZE = { width: 60, height: 40 };

function polygon(...outlines: [number, number][][]): Field {
  return { shape: 'polygon', outlines, confidence: 1, from: 'given' };
}

const RECTANGLE = polygon([
  [10, 5],
  [50, 5],
  [50, 35],
  [10, 35],
]);
const TRIANGLE = polygon([
  [30, 2],
  [55, 38],
  [5, 38],
]);

const filled = (value: number, channels = 1): Uint8Array => new Uint8Array(60 * 40 * channels).fill(value);

describe('rasterizing', () => {
  test('takes pixels whose centres are inside; a shared edge belongs to one side only', () => {
    const left = rasterize(
      [
        [
          [0, 0],
          [2.5, 0],
          [2.5, 4],
          [0, 4],
        ],
      ],
      { width: 5, height: 4 },
    );
    const right = rasterize(
      [
        [
          [2.5, 0],
          [5, 0],
          [5, 4],
          [2.5, 4],
        ],
      ],
      { width: 5, height: 4 },
    );
    expect([...left].map((value, i) => value + right[i]!)).toEqual(Array.from({ length: 20 }, () => 1));
  });

  test('unites outlines and clips them to the picture', () => {
    const mask = rasterize(
      [
        [
          [-5, -5],
          [2, -5],
          [2, 99],
          [-5, 99],
        ],
        [
          [1, 0],
          [3, 0],
          [3, 1],
          [1, 1],
        ],
      ],
      {
        width: 4,
        height: 2,
      },
    );
    expect([...mask]).toEqual([1, 1, 1, 0, 1, 1, 0, 0]);
  });
});

describe('the cut', () => {
  test('without a field keeps the frame as it is', async () => {
    const cut = planCut(null, SIZE, 1, 100, true);
    expect(cut).toMatchObject({ crop: null, stored: SIZE });
    expect([...(await cut.apply(filled(9)))]).toEqual([...filled(9)]);
  });

  test('crops to the bounds of the field and keeps its pixels', async () => {
    const cut = planCut(RECTANGLE, SIZE, 1, 100, true);
    expect(cut.crop).toEqual({ x: 10, y: 5, width: 40, height: 30 });
    expect(cut.stored).toEqual({ width: 40, height: 30 });
    const frame = Uint8Array.from({ length: 2400 }, (_, i) => (i * 7) % 251);
    const expected = Array.from(
      { length: 1200 },
      (_, i) => (((Math.floor(i / 40) + 5) * 60 + (i % 40) + 10) * 7) % 251,
    );
    expect([...(await cut.apply(frame))]).toEqual(expected);
  });

  test.each([1, 3] as const)('nothing from outside is left after scaling, %d channels', async (channels) => {
    for (const crop of [true, false]) {
      const cut = planCut(TRIANGLE, SIZE, channels, 16, crop);
      const mask = rasterize(TRIANGLE.outlines, SIZE);
      const frame = filled(0, channels).map((_, i) => (mask[Math.floor(i / channels)] === 1 ? 0 : 255));
      const stored = await cut.apply(frame);
      expect(stored).toHaveLength(cut.stored.width * cut.stored.height * channels);
      expect(Math.max(...stored)).toBe(0);
    }
  });

  test('blanking alone keeps the size', async () => {
    const cut = planCut(TRIANGLE, SIZE, 1, 100, false);
    expect(cut).toMatchObject({ crop: null, stored: SIZE });
    expect([...(await cut.apply(filled(1)))]).toEqual([...rasterize(TRIANGLE.outlines, SIZE)]);
  });

  test('scaling keeps an even shade even and the shorter side as asked', async () => {
    const cut = planCut(RECTANGLE, SIZE, 3, 16, true);
    expect(cut.stored).toEqual({ width: 21, height: 16 });
    expect(new Set(await cut.apply(filled(77, 3)))).toEqual(new Set([77]));
  });

  test('masks go the same way and stay 0 and 1', async () => {
    const cut = planCut(RECTANGLE, SIZE, 1, 16, true);
    const half = Uint8Array.from({ length: 2400 }, (_, i) => (i % 60 < 30 ? 1 : 0));
    const mask = cut.applyMask(half);
    const picture = await cut.apply(half.map((value) => value * 200));
    mask.forEach((value, i) => {
      const x = i % 21;
      // But for the column where the shades meet.
      if (Math.abs(x - 10) > 1) expect(value).toBe(picture[i]! > 100 ? 1 : 0);
    });
    expect(planCut(TRIANGLE, SIZE, 1, 100, false).applyMask(filled(1))).toEqual(
      rasterize(TRIANGLE.outlines, SIZE),
    );
  });

  test('a field beside the picture, or of a few pixels only, is an error', () => {
    const beside = polygon([
      [70, 0],
      [90, 0],
      [90, 30],
    ]);
    expect(failure(() => planCut(beside, SIZE, 1, 16, true))).toMatchObject({
      code: 'FIELD_OUTSIDE',
      exitCode: 3,
    });
    const small = polygon([
      [0, 0],
      [12, 0],
      [12, 30],
      [0, 30],
    ]);
    expect(failure(() => planCut(small, SIZE, 1, 16, true))).toMatchObject({ code: 'FIELD_OUTSIDE' });
    expect(planCut(wholeField(SIZE), SIZE, 1, 16, true).crop).toBeNull();
  });
});
