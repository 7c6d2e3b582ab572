/** What of a picture its declared ultrasound regions allow to keep. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Field } from '../../src/dataset/types.ts';
import type { UltrasoundRegion } from '../../src/ingest/dicom/regions.ts';
import { fieldOfRegions } from '../../src/ingest/dicom/regions.ts';

const PICTURE = { width: 800, height: 600 };

function region(
  x0: number,
  y0: number,
  x1: number,
  y1: number,
  more: Partial<UltrasoundRegion> = {},
): UltrasoundRegion {
  return { format: 1, dataType: 1, flags: 0, x0, y0, x1, y1, ...more };
}

/** Tells whether the middle of pixel (x, y) lies in an outline; outlines here are upright rectangles. */
function keeper({ outlines }: Field): (x: number, y: number) => boolean {
  const boxes = outlines.map(([from, , to]) => ({ x0: from![0], y0: from![1], x1: to![0], y1: to![1] }));
  return (x, y) =>
    boxes.some(({ x0, y0, x1, y1 }) => x + 0.5 > x0 && x + 0.5 < x1 && y + 0.5 > y0 && y + 0.5 < y1);
}

function keeps(regions: readonly UltrasoundRegion[], x: number, y: number): boolean {
  const field = fieldOfRegions(regions, PICTURE);
  return field !== null && keeper(field)(x, y);
}

describe('a tissue region', () => {
  test('is the field, with certainty', () => {
    expect(fieldOfRegions([region(120, 60, 700, 518)], PICTURE)).toEqual({
      shape: 'rectangle',
      outlines: [
        [
          [120, 60],
          [700, 60],
          [700, 518],
          [120, 518],
        ],
      ],
      confidence: 1,
      from: 'declared',
    });
  });

  test('may end one behind the last pixel, as some devices write it', () => {
    expect(fieldOfRegions([region(120, 60, 800, 518)], PICTURE)).not.toBeNull();
  });

  test('beside another one gives two outlines', () => {
    const field = fieldOfRegions([region(400, 24, 700, 415), region(32, 24, 335, 415)], PICTURE);
    expect(field?.shape).toBe('rectangle');
    expect(field?.outlines.map(([first]) => first)).toEqual([
      [32, 24],
      [400, 24],
    ]);
  });

  test('takes in the colour flow region inside of it', () => {
    const regions = [region(100, 100, 500, 500), region(200, 200, 300, 300, { dataType: 2 })];
    expect(fieldOfRegions(regions, PICTURE)?.outlines).toHaveLength(1);
  });
});

describe('what is no tissue', () => {
  const ecg = { format: 4, dataType: 10 };

  test('is left out: traces, Doppler, M-mode, bars, graphics, nothing at all', () => {
    const kinds = [
      ecg,
      { format: 3, dataType: 3 },
      { format: 2, dataType: 1 },
      { format: 0, dataType: 13 },
      { format: 1, dataType: 14 },
      { format: 5, dataType: 0 },
      { format: 0, dataType: 0 },
    ];
    for (const kind of kinds) {
      expect(fieldOfRegions([region(100, 100, 500, 500, kind)], PICTURE)).toBeNull();
    }
  });

  test('is cut out of the tissue it is drawn over', () => {
    const regions = [region(100, 100, 500, 500), region(100, 450, 600, 550, ecg)];
    expect(keeps(regions, 300, 449)).toBe(true);
    expect(keeps(regions, 300, 450)).toBe(false);
    const bar = [region(32, 24, 335, 415), region(32, 40, 63, 103, { format: 0, dataType: 13 })];
    expect(keeps(bar, 40, 50)).toBe(false);
    expect(keeps(bar, 64, 50)).toBe(true);
    expect(keeps(bar, 40, 30)).toBe(true);
    expect(keeps(bar, 40, 300)).toBe(true);
    expect(fieldOfRegions(bar, PICTURE)?.shape).toBe('polygon');
  });

  test('under the tissue takes nothing away', () => {
    const under = region(0, 0, 800, 600, { format: 0, dataType: 0, flags: 1 });
    expect(fieldOfRegions([region(100, 100, 500, 500), under], PICTURE)?.outlines).toHaveLength(1);
  });

  test('of equal priority that covers all of the tissue leaves no field', () => {
    const over = region(0, 0, 800, 600, { format: 5, dataType: 0, flags: 1 });
    const tissue = region(100, 100, 500, 500, { flags: 1 });
    expect(fieldOfRegions([tissue, over], PICTURE)).toBeNull();
  });
});

describe('a declaration that proves nothing gives no field', () => {
  test.each([
    ['no regions', []],
    ['of another picture size', [region(84, 31, 900, 414)]],
    [
      'with one region of another picture size',
      [region(84, 31, 500, 414), region(0, 0, 10, 700, { format: 4, dataType: 10 })],
    ],
    ['the whole picture', [region(0, 0, 800, 600)]],
    ['the whole picture but for a line', [region(0, 10, 799, 599)]],
    ['the whole picture in two halves', [region(0, 0, 400, 600), region(400, 0, 799, 599)]],
    ['empty', [region(100, 100, 100, 100)]],
    ['inside out', [region(500, 500, 100, 100)]],
    ['a thumbnail', [region(10, 10, 20, 20)]],
    ['numbers that are none', [region(NaN, 0, 100, 100)]],
    ['thousands', Array.from({ length: 5000 }, () => region(10, 10, 300, 300))],
  ] as const)('%s', (_name, regions) => {
    expect(fieldOfRegions(regions, PICTURE)).toBeNull();
  });
});

test('whatever is declared, a pixel is kept only in a tissue region and under nothing', () => {
  const span = fc
    .tuple(fc.integer({ min: 0, max: 12 }), fc.integer({ min: 1, max: 12 }))
    .map(([from, length]) => [from * 25, (from + length) * 25] as const);
  const any = fc
    .record({
      format: fc.constantFrom(0, 1, 1, 1, 2, 4),
      dataType: fc.constantFrom(1, 1, 2, 10, 13),
      flags: fc.constantFrom(0, 1),
      xs: span,
      ys: span,
    })
    .map(({ xs, ys, ...kind }) => ({ ...kind, x0: xs[0], y0: ys[0], x1: xs[1], y1: ys[1] }));
  const isTissue = ({ format, dataType }: UltrasoundRegion): boolean =>
    format === 1 && (dataType === 1 || dataType === 2);
  const holds = ({ x0, y0, x1, y1 }: UltrasoundRegion, x: number, y: number): boolean =>
    x0 <= x && x < x1 && y0 <= y && y < y1;
  let fields = 0;
  fc.assert(
    fc.property(fc.array(any, { minLength: 1, maxLength: 6 }), (regions) => {
      const field = fieldOfRegions(regions, PICTURE);
      if (field === null) return;
      fields++;
      const allHigh = regions.filter(isTissue).every(({ flags }) => flags === 0);
      const over = regions.filter((one) => !isTissue(one) && (one.flags === 0 || !allHigh));
      const kept = keeper(field);
      const wrong: string[] = [];
      for (let y = 12; y < 600; y += 25)
        for (let x = 12; x < 600; x += 25) {
          const inside = regions.some((one) => isTissue(one) && holds(one, x, y));
          const covered = over.some((one) => holds(one, x, y));
          if (kept(x, y) !== (inside && !covered)) wrong.push(`${x},${y}`);
        }
      expect(wrong).toEqual([]);
      // Outlines do not overlap, so a filler that counts crossings agrees with one that unites.
      for (const [i, a] of field.outlines.entries())
        for (const b of field.outlines.slice(i + 1)) {
          const [ax0, ay0, ax1, ay1] = [...a[0]!, ...a[2]!];
          const [bx0, by0, bx1, by1] = [...b[0]!, ...b[2]!];
          expect(ax0 < bx1 && bx0 < ax1 && ay0 < by1 && by0 < ay1).toBe(false);
        }
    }),
    { numRuns: 150, seed: 3 },
  );
  expect(fields).toBeGreaterThan(50);
});
