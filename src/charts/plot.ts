/**
 * The frame of a chart: paper of fixed proportions, axes with round ticks, titles. Drawn narrow enough for a phone, so
 * that letters keep their size on every screen; wide screens set several side by side. Colours are the page's own
 * (`.s0`, `.f0` …), so a chart follows light, dark and print.
 */
import { type Html, html, type Part } from './markup.ts';

export type Range = readonly [low: number, high: number];

/** Smallest range that holds all values, never empty: 0 to 1 for no value, half a unit around a single one. */
export function rangeOf(values: readonly number[]): Range {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (low > high) return [0, 1];
  return low === high ? [low - 0.5, high + 0.5] : [low, high];
}

/** About `wanted` round numbers (1, 2 or 5 times a power of ten apart) that enclose the range. */
export function niceTicks([low, high]: Range, wanted: number): number[] {
  const raw = (high - low) / wanted;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= raw * 0.999)!;
  const first = Math.floor(low / step + 1e-9);
  const last = Math.ceil(high / step - 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
}

/** A tick as text, without the noise of binary fractions. */
export function tickText(value: number): string {
  return Number(value.toPrecision(6)).toString();
}

/** A coordinate to a tenth of a pixel. */
export function px(value: number): string {
  return value.toFixed(1);
}

export interface Axis {
  readonly title: string;
  readonly range: Range;
  readonly ticks: readonly number[];
  /** Default: as `tickText`. */
  readonly label?: (tick: number) => string;
  readonly log?: boolean;
}

export interface Frame {
  /** What the chart shows, in words, for those who do not see it. */
  readonly label: string;
  readonly x: Axis;
  readonly y: Axis;
  /** Pixels; default 360 by 250. */
  readonly width?: number;
  readonly height?: number;
}

/** From values to pixels of the chart. */
export interface Scales {
  readonly x: (value: number) => number;
  readonly y: (value: number) => number;
}

const MARGIN = { left: 50, right: 12, top: 12, bottom: 44 } as const;

/** A chart with what `draw` puts into it. */
export function plot(frame: Frame, draw: (scales: Scales) => Part): Html {
  const { label, width = 360, height = 250 } = frame;
  const [left, right] = [MARGIN.left, width - MARGIN.right];
  const [top, bottom] = [MARGIN.top, height - MARGIN.bottom];
  const x = scale(frame.x, left, right);
  const y = scale(frame.y, bottom, top);
  const textOf = (axis: Axis): ((tick: number) => string) => axis.label ?? tickText;
  return html`<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${label}">
    ${frame.y.ticks.map(
      (tick) =>
        html`<line
            class="grid"
            x1="${px(left)}"
            x2="${px(right)}"
            y1="${px(y(tick))}"
            y2="${px(y(tick))}"
          /><text x="${px(left - 7)}" y="${px(y(tick) + 4)}" text-anchor="end"
            >${textOf(frame.y)(tick)}</text
          > `,
    )}${frame.x.ticks.map(
      (tick) =>
        html`<line
            class="tick"
            x1="${px(x(tick))}"
            x2="${px(x(tick))}"
            y1="${px(bottom)}"
            y2="${px(bottom + 4)}"
          /><text x="${px(x(tick))}" y="${px(bottom + 17)}" text-anchor="middle"
            >${textOf(frame.x)(tick)}</text
          > `,
    )}
    <line class="axis" x1="${px(left)}" x2="${px(right)}" y1="${px(bottom)}" y2="${px(bottom)}" />
    <text class="name" x="${px((left + right) / 2)}" y="${px(height - 6)}" text-anchor="middle">
      ${frame.x.title}
    </text>
    <text class="name" x="${px(-(top + bottom) / 2)}" y="12" transform="rotate(-90)" text-anchor="middle">
      ${frame.y.title}
    </text>
    ${draw({ x, y })}
  </svg>`;
}

function scale({ range, log = false }: Axis, from: number, to: number): (value: number) => number {
  const at = (value: number): number => (log ? Math.log10(value) : value);
  const [low, high] = [at(range[0]), at(range[1])];
  return (value) => from + ((at(value) - low) / (high - low)) * (to - from);
}

/** An axis with round ends around the values; `hold` are values it must show too. */
export function roundAxis(
  title: string,
  values: readonly number[],
  ticks: number,
  hold: readonly number[] = [],
): Axis {
  const found = niceTicks(rangeOf([...values.filter(Number.isFinite), ...hold]), ticks);
  return { title, range: [found[0]!, found.at(-1)!], ticks: found };
}

/** An axis from the least to the greatest value, ticks inside. */
export function tightAxis(title: string, values: readonly number[], ticks: number): Axis {
  const range = rangeOf(values.filter(Number.isFinite));
  const inside = niceTicks(range, ticks).filter((tick) => tick >= range[0] && tick <= range[1]);
  return { title, range, ticks: inside };
}

/** An axis of shares, 0 to 1. */
export function shareAxis(title: string): Axis {
  return { title, range: [0, 1], ticks: [0, 0.2, 0.4, 0.6, 0.8, 1] };
}

/** `x,y x,y …` as polylines want it. */
export function path(points: readonly (readonly [number, number])[], { x, y }: Scales): string {
  return points.map(([a, b]) => `${px(x(a))},${px(y(b))}`).join(' ');
}
