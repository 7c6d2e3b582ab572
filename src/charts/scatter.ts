/** Points of several kinds on a plane without axes: a map of clips. Kinds differ in colour and shape. */
import { rangeOf } from './plot.ts';
import type { LegendEntry } from './legend.ts';
import { mark, STYLES } from './marks.ts';
import { type Html, html } from './markup.ts';

export interface ScatterPoint {
  readonly x: number;
  readonly y: number;
  /** What it is one of; null for unknown. */
  readonly kind: string | null;
  /** Shown where it is pointed at. */
  readonly title: string;
}

export interface ScatterOptions {
  /** What the chart shows, in words, for those who do not see it. */
  readonly label: string;
  /** Kinds in this order; others follow, the largest first. */
  readonly order?: readonly string[];
  /** Kinds told apart at most; with more, the smaller ones share a ring. Default 6, where colours alone differ. */
  readonly apart?: number;
  /** Side of the square plane in pixels. Default 360. */
  readonly size?: number;
}

/** The plane and its legend. Points that are not finite are left out; both axes have one scale. */
export function scatterChart(
  points: readonly ScatterPoint[],
  { label, order = [], apart = 6, size = 360 }: ScatterOptions,
): { readonly plot: Html; readonly legend: readonly LegendEntry[] } {
  const shown = points.filter(({ x, y }) => Number.isFinite(x) && Number.isFinite(y));
  const counts = new Map<string, number>();
  for (const { kind } of shown) if (kind !== null) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  const first = order.filter((kind) => counts.has(kind));
  const kinds = [
    ...first,
    ...[...counts.keys()]
      .filter((kind) => !first.includes(kind))
      .sort((a, b) => counts.get(b)! - counts.get(a)! || (a < b ? -1 : 1)),
  ];
  const most = Math.min(apart, STYLES);
  const told = kinds.length > most ? kinds.slice(0, most - 1) : kinds;
  const styles = new Map(told.map((kind, style) => [kind, style]));
  const styleOf = (kind: string | null): number | null => (kind === null ? null : (styles.get(kind) ?? null));
  const place = placer(shown, size);
  const plot = html`<svg viewBox="0 0 ${size} ${size}" role="img" aria-label="${label}">
    <rect class="box" x="0.5" y="0.5" width="${size - 1}" height="${size - 1}" />
    ${shown.map((point) => {
      const [x, y] = place(point);
      return html`<g><title>${point.title}</title>${mark(styleOf(point.kind), x, y, 3.6)}</g> `;
    })}
  </svg>`;
  const entry = (style: number | null, text: string): LegendEntry => ({
    text,
    mark: mark(style, 6, 6),
    width: 12,
  });
  const others = kinds.slice(told.length);
  const inOthers = others.reduce((sum, kind) => sum + counts.get(kind)!, 0);
  const unknown = shown.filter(({ kind }) => kind === null).length;
  return {
    plot,
    legend: [
      ...told.map((kind, style) => entry(style, `${kind} (${counts.get(kind)!})`)),
      ...(others.length === 0 ? [] : [entry(null, `${others.length} others (${inOthers})`)]),
      ...(unknown === 0 ? [] : [entry(null, `not known (${unknown})`)]),
    ],
  };
}

/** From the points' own plane to pixels: one scale for both axes, in the middle of the square. */
function placer(
  points: readonly ScatterPoint[],
  size: number,
): (point: ScatterPoint) => readonly [number, number] {
  const [left, right] = rangeOf(points.map(({ x }) => x));
  const [low, high] = rangeOf(points.map(({ y }) => y));
  const scale = (size - 24) / Math.max(right - left, high - low);
  return ({ x, y }) => [
    size / 2 + scale * (x - (left + right) / 2),
    size / 2 - scale * (y - (low + high) / 2),
  ];
}
