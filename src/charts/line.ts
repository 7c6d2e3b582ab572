/** Lines over one pair of axes: learning curves, ROC, label efficiency. With bands, marks and a diagonal where asked. */
import type { LegendEntry } from './legend.ts';
import { mark } from './marks.ts';
import { type Html, html, type Part } from './markup.ts';
import { DASHES } from './palette.ts';
import { type Frame, path, plot, type Scales, px } from './plot.ts';

type Point = readonly [x: number, y: number];

export interface Line {
  readonly name: string;
  /** Which colour, dash and mark; see `palette.ts`. */
  readonly style: number;
  /** In order of x; a value that is not finite interrupts the line. */
  readonly points: readonly Point[];
  /** Between the lower and the upper value at an x. */
  readonly band?: readonly (readonly [x: number, low: number, high: number])[];
  /** Thin and pale: raw values behind a smooth line, single seeds behind their mean. Not in the legend. */
  readonly faint?: boolean;
  /** A mark on each point. */
  readonly marked?: boolean;
}

export interface LineChart extends Frame {
  readonly lines: readonly Line[];
  /** A dashed line of y = x: chance, or perfect calibration. */
  readonly diagonal?: boolean;
  /** Dashed levels across, such as that of a constant answer. */
  readonly levels?: readonly number[];
}

/** The chart. */
export function lineChart(chart: LineChart): Html {
  const { lines, diagonal = false, levels = [] } = chart;
  return plot(chart, (scales) => [
    diagonal && guide([0, 0], [1, 1], scales),
    levels.map((level) => guide([chart.x.range[0], level], [chart.x.range[1], level], scales)),
    lines.map(({ band, style }) => band !== undefined && bandOf(band, style, scales)),
    lines.map((line) => unbroken(line.points).map((run) => drawn(line, run, scales))),
  ]);
}

/** What each line is, with its colour and dash, and what each dashed level is; empty for a single line. */
export function lineLegend(lines: readonly Line[], levels: readonly string[] = []): readonly LegendEntry[] {
  const named = lines.filter(({ faint }) => faint !== true);
  if (named.length + levels.length < 2) return [];
  return [
    ...named.map(({ name, style, marked }) => ({
      text: name,
      width: 30,
      mark: html`<line class="line s${style % 6}" ${dash(style)} x1="1" x2="29" y1="6" y2="6" />
        ${marked === true && mark(style, 15, 6)}`,
    })),
    ...levels.map((text) => ({
      text,
      width: 30,
      mark: html`<line class="guide" x1="1" x2="29" y1="6" y2="6" />`,
    })),
  ];
}

function drawn(line: Line, run: readonly Point[], scales: Scales): Part {
  const { style, faint = false, marked = false } = line;
  const kind = faint ? 'line faint' : 'line';
  const [first] = run;
  return [
    run.length === 1 && first !== undefined && !marked
      ? html`<circle
          class="f${style % 6}"
          cx="${px(scales.x(first[0]))}"
          cy="${px(scales.y(first[1]))}"
          r="${faint ? 1.2 : 2.5}"
        />`
      : html`<polyline class="${kind} s${style % 6}" ${dash(style)} points="${path(run, scales)}" />`,
    marked && run.map(([a, b]) => mark(style, scales.x(a), scales.y(b))),
    '\n',
  ];
}

function bandOf(band: NonNullable<Line['band']>, style: number, scales: Scales): Part {
  if (band.length === 1) {
    const [[at, low, high]] = band as [readonly [number, number, number]];
    return html`<line
      class="line s${style % 6}"
      x1="${px(scales.x(at))}"
      x2="${px(scales.x(at))}"
      y1="${px(scales.y(low))}"
      y2="${px(scales.y(high))}"
    /> `;
  }
  const lower = band.map(([x, low]) => [x, low] as const);
  const upper = band.map(([x, , high]) => [x, high] as const);
  return html`<polygon
    class="band f${style % 6}"
    points="${path([...lower, ...upper.reverse()], scales)}"
  /> `;
}

function guide(from: Point, to: Point, scales: Scales): Part {
  return html`<polyline class="guide" points="${path([from, to], scales)}" /> `;
}

function dash(style: number): Part {
  const pattern = DASHES[style % DASHES.length]!;
  return pattern !== '' && html`stroke-dasharray="${pattern}"`;
}

/** Runs of consecutive finite points. */
function unbroken(points: readonly Point[]): Point[][] {
  const runs: Point[][] = [[]];
  for (const point of points)
    if (point.every(Number.isFinite)) runs.at(-1)!.push(point);
    else if (runs.at(-1)!.length > 0) runs.push([]);
  return runs.filter((run) => run.length > 0);
}
