import { describe, expect, it } from 'vitest';
import { KIND_COLOURS, scatterChart, type ScatterPoint } from '../../src/formats/scatter-chart.ts';

const OPTIONS = { title: 'A & B < C', legend: 'kind', size: 300 };

function point(x: number, y: number, kind: string | null = 'k', title = 't'): ScatterPoint {
  return { x, y, kind, title };
}

/** Centres of the circles before the legend. */
function circles(svg: string): number[][] {
  const plane = svg.slice(0, svg.indexOf('>kind<'));
  return [...plane.matchAll(/<circle[^>]* cx="([^"]*)" cy="([^"]*)"/g)].map(([, x, y]) => [
    Number(x),
    Number(y),
  ]);
}

function luminance(colour: string): number {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const value = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
}

describe('a scatter chart', () => {
  it('keeps every point on the plane, one scale for both axes, larger y higher up', () => {
    const found = circles(scatterChart([point(0, 0), point(10, 0), point(0, 5), point(2, NaN)], OPTIONS));
    expect(found).toHaveLength(3);
    for (const [x = 0, y = 0] of found) {
      expect(x).toBeGreaterThan(16);
      expect(x).toBeLessThan(316);
      expect(y).toBeGreaterThan(34);
      expect(y).toBeLessThan(334);
    }
    const [origin = [], right = [], above = []] = found;
    expect(right[0]! - origin[0]!).toBeCloseTo(2 * (origin[1]! - above[1]!), 0);
  });

  it('puts points that are all at one place, and none at all, in a whole picture', () => {
    expect(
      circles(scatterChart([point(3, 3), point(3, 3)], OPTIONS))
        .flat()
        .every(Number.isFinite),
    ).toBe(true);
    expect(scatterChart([], OPTIONS)).toContain('</svg>');
  });

  it('tells kinds by colour and by shape, in the order asked for, with their counts', () => {
    const svg = scatterChart([point(0, 0, 'b'), point(1, 1, 'a'), point(2, 2, 'a'), point(3, 3, null)], {
      ...OPTIONS,
      order: ['b', 'never seen'],
    });
    const texts = [...svg.matchAll(/<text[^>]*>([^<]*)</g)].map(([, text]) => text);
    expect(texts.slice(1)).toEqual(['kind', 'b (1)', 'a (2)', 'not known (1)']);
    const triangles = [...svg.matchAll(/<polygon[^>]* fill="([^"]*)"/g)].map(([, colour]) => colour);
    expect(triangles).toEqual(new Array(3).fill(KIND_COLOURS[1]));
  });

  it('gives many kinds different marks, and one to those that are too small', () => {
    const many = Array.from({ length: 60 }, (_, i) => point(i, i, `kind ${String(i % 40).padStart(2, '0')}`));
    const svg = scatterChart(many, { ...OPTIONS, kinds: 15 });
    const legend = svg.slice(svg.indexOf('>kind<'));
    const marks = [...legend.matchAll(/<(circle|polygon|path)[^>]*(?:fill|stroke)="(#[^"]*)"/g)];
    expect(legend).toContain('26 others (32)');
    expect(marks).toHaveLength(15);
  });

  it('cannot be broken out of by a name', () => {
    const svg = scatterChart([point(0, 0, '<script>', '"</title><script>')], OPTIONS);
    expect(svg).not.toContain('<script');
    expect(svg).toContain('A &amp; B &lt; C');
  });

  it.each(KIND_COLOURS)('%s has a contrast of 3 on light and on dark paper', (colour) => {
    const contrast = (a: number, b: number): number => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    expect(contrast(luminance(colour), 1)).toBeGreaterThanOrEqual(3);
    expect(contrast(luminance(colour), luminance('#1a1a1a'))).toBeGreaterThanOrEqual(3);
  });
});
