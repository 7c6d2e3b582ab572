/** Contrast and colour blindness, computed. */
import { describe, expect, test } from 'vitest';
import { contrast, DARK, heatStep, LIGHT, linearLight, type Scheme } from '../../src/charts/palette.ts';
import { COLOUR_VISIONS } from '../colour-vision.ts';

/** Distance in OKLab (Ottosson 2020) as seen with that colour vision. */
function distance(a: string, b: string, vision: readonly (readonly number[])[]): number {
  const lab = (colour: string): readonly number[] => {
    const light = linearLight(colour);
    const [r, g, bl] = vision.map((row) =>
      Math.min(
        1,
        Math.max(
          0,
          row.reduce((sum, factor, i) => sum + factor * light[i]!, 0),
        ),
      ),
    ) as [number, number, number];
    const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * bl);
    const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * bl);
    const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * bl);
    return [
      0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
      1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
      0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
    ];
  };
  const [x, y] = [lab(a), lab(b)];
  return Math.hypot(...x.map((value, i) => value - y[i]!));
}

const SCHEMES: readonly (readonly [string, Scheme])[] = [
  ['light', LIGHT],
  ['dark', DARK],
];

test('contrast is that of WCAG', () => {
  expect(contrast('#000000', '#ffffff')).toBeCloseTo(21, 6);
  expect(contrast('#767676', '#ffffff')).toBeCloseTo(4.54, 2);
  expect(contrast('#abcdef', '#abcdef')).toBe(1);
});

describe.each(SCHEMES)('the %s scheme', (_, scheme) => {
  test('has text at 4.5 to 1 wherever text stands', () => {
    for (const ink of [scheme.ink, scheme.soft, scheme.link])
      for (const paper of [scheme.paper, scheme.surface])
        expect(contrast(ink, paper), `${ink} on ${paper}`).toBeGreaterThanOrEqual(4.5);
    expect(contrast(scheme.warnInk, scheme.warnPaper)).toBeGreaterThanOrEqual(4.5);
    expect(contrast(scheme.goodInk, scheme.goodPaper)).toBeGreaterThanOrEqual(4.5);
    for (const [paper, ink] of scheme.heat)
      expect(contrast(ink, paper), `${ink} on ${paper}`).toBeGreaterThanOrEqual(4.5);
  });

  test('has lines at 3 to 1', () => {
    for (const line of scheme.series)
      for (const paper of [scheme.paper, scheme.surface])
        expect(contrast(line, paper), `${line} on ${paper}`).toBeGreaterThanOrEqual(3);
  });

  test.each(Object.entries(COLOUR_VISIONS))('has series that differ with %s', (_vision, matrix) => {
    for (const [i, a] of scheme.series.entries())
      for (const b of scheme.series.slice(i + 1))
        expect(distance(a, b, matrix), `${a} and ${b}`).toBeGreaterThan(0.1);
  });

  test('has heat that changes evenly in one direction', () => {
    const towards = scheme.heat.map(([paper]) => contrast(paper, scheme.paper));
    expect(towards).toEqual([...towards].sort((a, b) => a - b));
  });
});

test('only an empty cell has the colour of nothing', () => {
  expect(heatStep(0)).toBe(0);
  expect(heatStep(0.0001)).toBe(1);
  expect(heatStep(1)).toBe(LIGHT.heat.length - 1);
});
