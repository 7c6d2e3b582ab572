import { describe, expect, it } from 'vitest';
import { lineChart, type Panel } from '../../src/formats/line-chart.ts';

const OPTIONS = { title: 'A & B < C', xTitle: 'step', width: 400, panelHeight: 100 };

function pointsOf(svg: string): number[][][] {
  return [...svg.matchAll(/<polyline[^>]* points="([^"]*)"/g)].map(([, points = '']) =>
    points.split(' ').map((pair) => pair.split(',').map(Number)),
  );
}

describe('a line chart', () => {
  it('keeps every point inside its panel, larger values higher up', () => {
    const panel: Panel = {
      title: 'loss',
      series: [
        {
          name: 'l',
          colour: 'red',
          points: Array.from({ length: 50 }, (_, i) => [i, Math.sin(i) * 7 - 3] as const),
        },
      ],
    };
    const [line = []] = pointsOf(lineChart([panel], OPTIONS));
    expect(line).toHaveLength(50);
    for (const [x = -1, y = -1] of line) {
      expect(x).toBeGreaterThanOrEqual(64);
      expect(x).toBeLessThanOrEqual(400 - 16);
      expect(y).toBeGreaterThanOrEqual(46);
      expect(y).toBeLessThanOrEqual(146);
    }
    const order = line.map((_, i) => i).sort((a, b) => Math.sin(a) - Math.sin(b));
    expect(line[order[0]!]![1]).toBeGreaterThan(line[order.at(-1)!]![1]!);
  });

  it('interrupts a line where a value is missing and leaves empty panels out', () => {
    const svg = lineChart(
      [
        {
          title: 'broken',
          series: [
            {
              name: 'b',
              colour: 'red',
              points: [
                [0, 1],
                [1, NaN],
                [2, 3],
                [3, 4],
              ],
            },
          ],
        },
        { title: 'nothing here', series: [{ name: 'n', colour: 'red', points: [[0, NaN]] }] },
      ],
      OPTIONS,
    );
    expect(pointsOf(svg).map((line) => line.length)).toEqual([1, 2]);
    expect(svg).not.toContain('nothing here');
  });

  it('survives a constant, and no data at all', () => {
    const constant = lineChart(
      [
        {
          title: 'c',
          series: [
            {
              name: 'c',
              colour: 'red',
              points: [
                [5, 2],
                [6, 2],
              ],
            },
          ],
        },
      ],
      OPTIONS,
    );
    expect(constant).not.toMatch(/NaN|Infinity/);
    expect(lineChart([], OPTIONS)).not.toMatch(/NaN|Infinity/);
  });

  it('escapes what people write', () => {
    expect(lineChart([], OPTIONS)).toContain('A &amp; B &lt; C');
  });

  it('labels the axis with round numbers that enclose the data', () => {
    const svg = lineChart(
      [
        {
          title: 'r',
          series: [
            {
              name: 'r',
              colour: 'red',
              points: [
                [0, 0.13],
                [1, 0.87],
              ],
            },
          ],
        },
      ],
      OPTIONS,
    );
    const labels = [...svg.matchAll(/text-anchor="end">([^<]*)</g)].map(([, text]) => Number(text));
    expect(labels).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1]);
  });

  it('keeps long names within its width, one beside the other', () => {
    const names = ['mean of folds and seeds', 'label rate 0.25', 'a'];
    const series = names.map((name) => ({
      ...{ name, colour: 'red' },
      points: [[0, 1] as const, [1, 2] as const],
    }));
    const svg = lineChart([{ title: 'loss', series }], { ...OPTIONS, width: 640 });
    const starts = names.map((name) => Number(new RegExp(`<text x="([0-9.]+)"[^>]*>${name}<`).exec(svg)![1]));
    // No glyph of the font is wider than 7 pixels on average over such words.
    const ends = names.map((name, i) => starts[i]! + 7 * name.length);
    for (const [i, start] of starts.slice(1).entries()) expect(start).toBeGreaterThan(ends[i]!);
    expect(ends.at(-1)).toBeLessThan(640 - 16);
  });
});
