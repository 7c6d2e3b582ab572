/**
 * Scatter charts as self-contained SVG: points of several kinds on a plane without axes, a legend beside it. Kinds differ
 * in colour and in shape, so that they can be told apart with any colour vision and in grey print; every colour has a
 * contrast of 3 : 1 or more on light and on dark paper. No fonts, scripts or network.
 */
import { escapeXml, px } from './axes.ts';

export interface ScatterPoint {
  readonly x: number;
  readonly y: number;
  /** What the point is one of; null for unknown. */
  readonly kind: string | null;
  /** What it is, shown when it is pointed at. */
  readonly title: string;
}

export interface ScatterOptions {
  readonly title: string;
  /** What the kinds are of, above the legend. */
  readonly legend: string;
  /** Kinds in this order; others follow as they come. Default: largest first. */
  readonly order?: readonly string[];
  /** Kinds told apart at most; with more, the smaller ones (and all of one point) share one mark. Default 20. */
  readonly kinds?: number;
  /** A line under the chart. */
  readonly note?: string;
  /** Side of the square plane in pixels. Default 520. */
  readonly size?: number;
}

/** Apart for colour-blind eyes in order of use (after Okabe & Ito), none too light or too dark for either paper. */
export const KIND_COLOURS = [
  '#0072b2',
  '#d55e00',
  '#00906a',
  '#b4558f',
  '#8a7000',
  '#3d8fd1',
  '#a0522d',
] as const;
const UNKNOWN = '#7d7d7d';
const SHAPES = ['circle', 'triangle', 'square', 'diamond', 'cross', 'down'] as const;
type Shape = (typeof SHAPES)[number];

const MARGIN = 16;
const HEAD = 34;
const LEGEND = 230;
const LINE = 19;

interface Mark {
  readonly colour: string;
  readonly shape: Shape;
}

/** The chart as an SVG document. Points that are not finite are left out; both axes have one scale. */
export function scatterChart(points: readonly ScatterPoint[], options: ScatterOptions): string {
  const { size = 520, kinds: most = 20 } = options;
  const shown = points.filter(({ x, y }) => Number.isFinite(x) && Number.isFinite(y));
  const counts = countKinds(shown);
  const names = [...counts.keys()];
  const known = options.order?.filter((name) => counts.has(name)) ?? [];
  const rest = names
    .filter((name) => !known.includes(name))
    .sort((a, b) => counts.get(b)! - counts.get(a)! || (a < b ? -1 : 1));
  const ordered = [...known, ...rest];
  // A mark that stands for one point tells nothing that its title does not.
  const telling = ordered.filter((name) => counts.get(name)! > 1);
  const told = ordered.length > most ? telling.slice(0, most - 1) : ordered;
  const marks = new Map<string, Mark>(
    told.map((name, i) => [
      name,
      { colour: KIND_COLOURS[i % KIND_COLOURS.length]!, shape: SHAPES[i % SHAPES.length]! },
    ]),
  );
  const others = ordered.slice(told.length);
  const entries = legendEntries(shown, told, others, marks, counts);
  const height = Math.max(HEAD + size + MARGIN, HEAD + (entries.length + 1) * LINE + MARGIN) + 20;
  const width = MARGIN + size + MARGIN + LEGEND;
  const place = placer(shown, size);
  const drawn = shown.map((point) => {
    const mark = markOf(marks, point.kind);
    const [x, y] = place(point);
    return `<g><title>${escapeXml(point.title)}</title>${shapeAt(mark, x, y)}</g>`;
  });
  const legendX = MARGIN + size + MARGIN;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeXml(options.title)}" font-family="system-ui, sans-serif" font-size="12">`,
    `<style>text{fill:#222}.axis{stroke:#888}.grid{stroke:#ddd}.paper{fill:#fff}@media(prefers-color-scheme:dark){text{fill:#ddd}.grid{stroke:#444}.paper{fill:#1a1a1a}}</style>`,
    `<rect class="paper" width="${width}" height="${height}"/>`,
    `<text x="${MARGIN}" y="20" font-size="15" font-weight="600">${escapeXml(options.title)}</text>`,
    `<rect class="grid" x="${MARGIN}" y="${HEAD}" width="${size}" height="${size}" fill="none"/>`,
    ...drawn,
    `<text x="${legendX}" y="${HEAD + 12}" font-weight="600">${escapeXml(options.legend)}</text>`,
    ...entries.map(({ mark, text }, i) => {
      const y = HEAD + 12 + (i + 1) * LINE;
      return `${shapeAt(mark, legendX + 7, y - 4)}<text x="${legendX + 20}" y="${y}">${escapeXml(text)}</text>`;
    }),
    ...(options.note === undefined
      ? []
      : [`<text x="${MARGIN}" y="${height - 8}" font-size="11">${escapeXml(options.note)}</text>`]),
    '</svg>\n',
  ].join('\n');
}

function countKinds(points: readonly ScatterPoint[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { kind } of points) if (kind !== null) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return counts;
}

function legendEntries(
  points: readonly ScatterPoint[],
  told: readonly string[],
  others: readonly string[],
  marks: ReadonlyMap<string, Mark>,
  counts: ReadonlyMap<string, number>,
): { mark: Mark; text: string }[] {
  const sum = others.reduce((total, name) => total + counts.get(name)!, 0);
  const unknown = points.filter(({ kind }) => kind === null).length;
  return [
    ...told.map((name) => ({ mark: markOf(marks, name), text: `${shorten(name)} (${counts.get(name)!})` })),
    ...(others.length === 0 ? [] : [{ mark: markOf(marks, null), text: `${others.length} others (${sum})` }]),
    ...(unknown === 0 ? [] : [{ mark: markOf(marks, null), text: `not known (${unknown})` }]),
  ];
}

function markOf(marks: ReadonlyMap<string, Mark>, kind: string | null): Mark {
  return (kind === null ? undefined : marks.get(kind)) ?? { colour: UNKNOWN, shape: 'circle' };
}

/** From the points' own plane to pixels: one scale for both axes, in the middle of the square. */
function placer(
  points: readonly ScatterPoint[],
  size: number,
): (point: ScatterPoint) => readonly [number, number] {
  const [left, right] = rangeOf(points.map(({ x }) => x));
  const [bottom, top] = rangeOf(points.map(({ y }) => y));
  const room = size - 24;
  const scale = room / Math.max(right - left, top - bottom, 1e-12);
  const x0 = MARGIN + size / 2 - (scale * (left + right)) / 2;
  const y0 = HEAD + size / 2 + (scale * (bottom + top)) / 2;
  return ({ x, y }) => [x0 + scale * x, y0 - scale * y];
}

function rangeOf(values: readonly number[]): readonly [number, number] {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return low > high ? [0, 0] : [low, high];
}

function shapeAt({ colour, shape }: Mark, x: number, y: number): string {
  const fill = `fill="${colour}" fill-opacity="0.85"`;
  const polygon = (...points: readonly (readonly [number, number])[]): string =>
    `<polygon ${fill} points="${points.map(([dx, dy]) => `${px(x + dx)},${px(y + dy)}`).join(' ')}"/>`;
  switch (shape) {
    case 'circle':
      return `<circle ${fill} cx="${px(x)}" cy="${px(y)}" r="4"/>`;
    case 'square':
      return polygon([-3.6, -3.6], [3.6, -3.6], [3.6, 3.6], [-3.6, 3.6]);
    case 'triangle':
      return polygon([0, -4.8], [4.6, 3.6], [-4.6, 3.6]);
    case 'down':
      return polygon([0, 4.8], [4.6, -3.6], [-4.6, -3.6]);
    case 'diamond':
      return polygon([0, -5.2], [5.2, 0], [0, 5.2], [-5.2, 0]);
    case 'cross':
      return `<path fill="none" stroke="${colour}" stroke-width="2.4" d="M${px(x - 4)} ${px(y - 4)}l8 8m0-8l-8 8"/>`;
  }
}

function shorten(text: string): string {
  return text.length <= 26 ? text : `${text.slice(0, 12)}…${text.slice(-13)}`;
}
