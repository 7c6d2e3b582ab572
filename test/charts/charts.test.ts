/** Charts show each value where it belongs, whatever the values are and whatever people write. */
import { describe, expect, test } from 'vitest';
import { svgDocument } from '../../src/charts/document.ts';
import { drawnLegend, legendList } from '../../src/charts/legend.ts';
import { type Line, lineChart, lineLegend } from '../../src/charts/line.ts';
import { mark, STYLES } from '../../src/charts/marks.ts';
import { html } from '../../src/charts/markup.ts';
import { roundAxis, tightAxis } from '../../src/charts/plot.ts';
import { scatterChart, type ScatterPoint } from '../../src/charts/scatter.ts';

const line = (points: Line['points'], more: Partial<Line> = {}): Line => ({
  ...{ name: 'l', style: 0, points },
  ...more,
});

function chartOf(lines: readonly Line[], size = {}): string {
  const points = lines.flatMap((one) => one.points);
  return lineChart({
    ...size,
    label: 'A & B < C',
    x: tightAxis(
      'x',
      points.map(([x]) => x),
      5,
    ),
    y: roundAxis(
      'y',
      points.map(([, y]) => y),
      4,
    ),
    lines,
  }).toString();
}

function polylines(svg: string): number[][][] {
  return [...svg.matchAll(/<polyline[^>]* points="([^"]*)"/g)].map(([, points = '']) =>
    points.split(' ').map((pair) => pair.split(',').map(Number)),
  );
}

describe('a line chart', () => {
  test('puts every point where its value is on the axes', () => {
    const values = Array.from({ length: 50 }, (_, i) => [i, Math.sin(i) * 7 - 3] as const);
    const [drawn = []] = polylines(chartOf([line(values)], { width: 400, height: 150 }));
    // The plane lies between the margins 50, 12 and 12, 44; x goes from 0 to 49, y from −10 to 5 by its round ticks.
    values.forEach(([x, y], i) => {
      expect(drawn[i]![0]).toBeCloseTo(50 + (x / 49) * (400 - 62), 0);
      expect(drawn[i]![1]).toBeCloseTo(106 - ((y + 10) / 15) * 94, 0);
    });
  });

  test('interrupts a line where a value is missing', () => {
    const svg = chartOf([
      line([
        [0, 1],
        [0.5, 2],
        [1, NaN],
        [2, 3],
        [3, 4],
      ]),
    ]);
    expect(polylines(svg).map((run) => run.length)).toEqual([2, 2]);
  });

  test('survives a constant, and no data at all', () => {
    expect(
      chartOf([
        line([
          [5, 2],
          [6, 2],
        ]),
      ]),
    ).not.toMatch(/NaN|Infinity/);
    expect(chartOf([])).not.toMatch(/NaN|Infinity/);
  });

  test('labels the axis with round numbers that enclose the data', () => {
    const svg = chartOf([
      line([
        [0, 0.13],
        [1, 0.87],
      ]),
    ]);
    const labels = [...svg.matchAll(/text-anchor="end"\s*>([^<]*)</g)].map(([, text]) => Number(text));
    expect(labels).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1]);
  });

  test('has a legend of what is named, and none for a single line', () => {
    const [a, b] = [line([[0, 1]], { name: 'a' }), line([[0, 1]], { name: 'b', style: 1 })];
    expect(lineLegend([a, { ...a, faint: true }])).toEqual([]);
    expect(lineLegend([a, { ...a, faint: true }, b], ['chance']).map(({ text }) => text)).toEqual([
      'a',
      'b',
      'chance',
    ]);
  });
});

describe('a scatter chart', () => {
  const point = (x: number, y: number, kind: string | null = 'k', title = 't'): ScatterPoint => ({
    ...{ x, y, kind, title },
  });
  const circles = (svg: string): number[][] =>
    [...svg.matchAll(/<circle[^>]* cx="([^"]*)" cy="([^"]*)"/g)].map(([, x, y]) => [Number(x), Number(y)]);

  test('keeps every point on the plane, one scale for both axes, larger y higher up', () => {
    const { plot } = scatterChart([point(0, 0), point(10, 0), point(0, 5), point(2, NaN)], {
      ...{ label: 'm', size: 300 },
    });
    // The greater extent, 10, takes the plane's 300 pixels less 24.
    expect(circles(plot.toString())).toEqual([
      [12, 219],
      [288, 219],
      [12, 81],
    ]);
  });

  test('puts points that are all at one place, and none at all, in a whole picture', () => {
    const { plot } = scatterChart([point(3, 3), point(3, 3)], { label: 'm' });
    expect(circles(plot.toString())).toEqual([
      [180, 180],
      [180, 180],
    ]);
    expect(scatterChart([], { label: 'm' }).plot.toString()).toContain('</svg>');
  });

  test('tells kinds in the order asked for, then by size, with their counts', () => {
    const points = [
      point(0, 0, 'b'),
      point(1, 1, 'a'),
      point(2, 2, 'a'),
      point(3, 3, 'c'),
      point(3, 3, null),
    ];
    const { legend } = scatterChart(points, { label: 'm', order: ['b', 'never seen'] });
    expect(legend.map(({ text }) => text)).toEqual(['b (1)', 'a (2)', 'c (1)', 'not known (1)']);
    expect(legend.map(({ mark: drawn }) => drawn.toString())).toEqual([
      ...[0, 1, 2].map((style) => mark(style, 6, 6).toString()),
      mark(null, 6, 6).toString(),
    ]);
  });

  test('gives many kinds different marks, and one to those that are too small', () => {
    const many = Array.from({ length: 60 }, (_, i) => point(i, i, `kind ${String(i % 40).padStart(2, '0')}`));
    const { legend } = scatterChart(many, { label: 'm', apart: 15 });
    expect(legend.at(-1)?.text).toBe('26 others (32)');
    expect(new Set(legend.map(({ mark: drawn }) => drawn.toString())).size).toBe(15);
  });
});

test('marks of all styles differ', () => {
  const marks = Array.from({ length: STYLES }, (_, style) => mark(style, 10, 10).toString());
  expect(new Set([...marks, mark(null, 10, 10).toString()]).size).toBe(STYLES + 1);
});

describe('a legend', () => {
  const entries = ['mean of folds and seeds', 'label rate 0.25', 'a', 'another name that is long'].map(
    (text) => ({
      ...{ text, width: 30, mark: html`<line />` },
    }),
  );

  test('keeps long names within its width, one beside the other, and says how high it is', () => {
    const { drawn, height } = drawnLegend(entries, [16, 20], 400);
    const at = [...drawn.toString().matchAll(/<text x="([\d.]+)" y="([\d.]+)">([^<]*)</g)].map(
      ([, x, y, text]) => ({ x: Number(x), y: Number(y), end: Number(x) + 6.5 * text!.length }),
    );
    expect(at).toHaveLength(4);
    for (const [i, one] of at.entries()) {
      expect(one.end).toBeLessThanOrEqual(16 + 400);
      const next = at[i + 1];
      if (next?.y === one.y) expect(next.x).toBeGreaterThan(one.end + 30);
    }
    expect(new Set(at.map(({ y }) => y)).size).toBe(2);
    expect(height).toBe(36);
  });

  test('is nothing without entries', () => {
    expect(legendList([])).toBeNull();
    expect(drawnLegend([], [0, 0], 100).height).toBe(0);
  });
});

describe('a picture of its own', () => {
  const { plot, legend } = scatterChart([{ x: 0, y: 0, kind: '<script>', title: '"</title><script>' }], {
    label: 'm',
  });
  const svg = svgDocument('A & B < C', [{ title: '<b>', plot, legend, width: 360, height: 360 }], ['a note']);

  test('cannot be broken out of by a name', () => {
    expect(svg).not.toMatch(/<script|<b>/);
    expect(svg).toContain('A &amp; B &lt; C');
  });

  test('brings its colours along, for viewers that know no CSS properties too', () => {
    expect(svg).not.toContain('var(');
    expect(svg).toContain('@media (prefers-color-scheme:dark)');
    expect(svg).toMatch(/^<svg\s[\s\S]*<\/svg>\n$/);
  });

  test('has room for all of its panels', () => {
    const [, height] = /viewBox="0 0 \d+ (\d+)"/.exec(svg)!;
    const [, top, plotHeight] = /<svg x="\d+" y="(\d+)" width="360" height="(\d+)"/.exec(svg)!;
    expect(Number(top) + Number(plotHeight)).toBeLessThan(Number(height));
  });
});
