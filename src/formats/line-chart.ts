/**
 * Line charts as self-contained SVG: stacked panels over one shared x axis. Numbers in, text out; no fonts, scripts
 * or network, readable on paper and in a browser, light or dark.
 */

import { escapeXml, niceTicks, px, type Range, rangeOf, tickText } from './axes.ts';

export interface Series {
  readonly name: string;
  /** CSS colour. */
  readonly colour: string;
  /** Drawn thin and pale: raw values behind a smoothed line. */
  readonly faint?: boolean;
  /** Points in order of x; a non-finite y interrupts the line. */
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface Panel {
  /** What the y axis shows, with its unit. */
  readonly title: string;
  readonly series: readonly Series[];
}

export interface ChartOptions {
  readonly title: string;
  readonly xTitle: string;
  /** Pixels; default 760. */
  readonly width?: number;
  /** Pixels a panel; default 180. */
  readonly panelHeight?: number;
}

const MARGIN = { left: 64, right: 16, top: 46, bottom: 40, between: 40 } as const;

/** The chart as an SVG document. Panels without any finite point are left out. */
export function lineChart(panels: readonly Panel[], options: ChartOptions): string {
  const { width = 760, panelHeight = 180 } = options;
  const shown = panels.filter((panel) => finitePoints(panel).length > 0);
  const xs = shown.flatMap(finitePoints).map(([x]) => x);
  const xRange = rangeOf(xs);
  const height =
    MARGIN.top + shown.length * panelHeight + (shown.length - 1) * MARGIN.between + MARGIN.bottom;
  const parts = shown.map((panel, index) => {
    const top = MARGIN.top + index * (panelHeight + MARGIN.between);
    return drawPanel(panel, xRange, {
      left: MARGIN.left,
      top,
      width: width - MARGIN.left - MARGIN.right,
      height: panelHeight,
    });
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeXml(options.title)}" font-family="system-ui, sans-serif" font-size="12">`,
    `<style>text{fill:#222}.axis{stroke:#888}.grid{stroke:#ddd}.paper{fill:#fff}@media(prefers-color-scheme:dark){text{fill:#ddd}.grid{stroke:#444}.paper{fill:#1a1a1a}}</style>`,
    `<rect class="paper" width="${width}" height="${height}"/>`,
    `<text x="${MARGIN.left}" y="20" font-size="15" font-weight="600">${escapeXml(options.title)}</text>`,
    ...parts,
    `<text x="${MARGIN.left + (width - MARGIN.left - MARGIN.right) / 2}" y="${height - 6}" text-anchor="middle">${escapeXml(options.xTitle)}</text>`,
    '</svg>\n',
  ].join('\n');
}

interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

function drawPanel(panel: Panel, xRange: Range, box: Box): string {
  const yTicks = niceTicks(rangeOf(finitePoints(panel).map(([, y]) => y)), 4);
  const yRange: Range = [yTicks[0]!, yTicks.at(-1)!];
  const x = (value: number): number => box.left + ((value - xRange[0]) / (xRange[1] - xRange[0])) * box.width;
  const y = (value: number): number =>
    box.top + box.height - ((value - yRange[0]) / (yRange[1] - yRange[0])) * box.height;
  const lines: string[] = [];
  for (const tick of yTicks)
    lines.push(
      `<line class="grid" x1="${box.left}" x2="${box.left + box.width}" y1="${px(y(tick))}" y2="${px(y(tick))}"/>`,
      `<text x="${box.left - 8}" y="${px(y(tick) + 4)}" text-anchor="end">${tickText(tick)}</text>`,
    );
  for (const tick of niceTicks(xRange, 6).filter((value) => value >= xRange[0] && value <= xRange[1]))
    lines.push(
      `<text x="${px(x(tick))}" y="${box.top + box.height + 16}" text-anchor="middle">${tickText(tick)}</text>`,
    );
  lines.push(
    `<line class="axis" x1="${box.left}" x2="${box.left + box.width}" y1="${box.top + box.height}" y2="${box.top + box.height}"/>`,
    `<text x="${box.left}" y="${box.top - 8}" font-weight="600">${escapeXml(panel.title)}</text>`,
  );
  const named = panel.series.filter(({ faint }) => faint !== true);
  let at = box.left + box.width - named.reduce((sum, { name }) => sum + legendWidth(name), 0);
  for (const { name, colour } of named) {
    lines.push(
      `<line x1="${at}" x2="${at + 18}" y1="${box.top - 12}" y2="${box.top - 12}" stroke="${colour}" stroke-width="2"/>`,
      `<text x="${at + 24}" y="${box.top - 8}">${escapeXml(name)}</text>`,
    );
    at += legendWidth(name);
  }
  for (const { points, colour, faint } of panel.series)
    for (const run of unbroken(points))
      lines.push(
        `<polyline fill="none" stroke="${colour}" stroke-width="${faint === true ? 0.8 : 1.8}"${faint === true ? ' opacity="0.35"' : ''} points="${run.map(([a, b]) => `${px(x(a))},${px(y(b))}`).join(' ')}"/>`,
      );
  return lines.join('\n');
}

/** Pixels of a legend's entry: even for short names, enough for long ones. */
function legendWidth(name: string): number {
  return Math.max(130, 42 + 7 * name.length);
}

/** Runs of consecutive finite points. */
function unbroken(points: Series['points']): (readonly [number, number])[][] {
  const runs: (readonly [number, number])[][] = [[]];
  for (const point of points)
    if (Number.isFinite(point[1])) runs.at(-1)!.push(point);
    else if (runs.at(-1)!.length > 0) runs.push([]);
  return runs.filter((run) => run.length > 0);
}

function finitePoints(panel: Panel): (readonly [number, number])[] {
  return panel.series.flatMap(({ points }) => points.filter((point) => point.every(Number.isFinite)));
}
