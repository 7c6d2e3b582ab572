/** Points of several kinds on a plane without axes: a map of clips. Kinds differ in colour and shape. */
import { px, rangeOf } from '../../formats/axes.ts';
import { type Html, html, name as nameOf } from '../html.ts';
import { counted } from '../numbers.ts';
import { mark } from './marks.ts';

export interface ScatterPoint {
  readonly x: number;
  readonly y: number;
  /** What it is one of; null for unknown. */
  readonly kind: string | null;
  /** Shown where it is pointed at. */
  readonly title: string;
}

/** Kinds that are told apart; the rest share the last mark. */
const APART = 6;
const SIZE = 360;

/** The plane and its legend. Kinds in the given order; both axes have one scale. */
export function scatterChart(
  label: string,
  points: readonly ScatterPoint[],
  order: readonly string[],
): { readonly plot: Html; readonly legend: Html } {
  const told = order.length > APART ? order.slice(0, APART - 1) : order;
  const styleOf = (kind: string | null): number => {
    const at = kind === null ? -1 : told.indexOf(kind);
    return at === -1 ? APART - 1 : at;
  };
  const [left, right] = rangeOf(points.map(({ x }) => x));
  const [low, high] = rangeOf(points.map(({ y }) => y));
  const scale = (SIZE - 24) / Math.max(right - left, high - low);
  const at = ({ x, y }: ScatterPoint): readonly [number, number] => [
    SIZE / 2 + scale * (x - (left + right) / 2),
    SIZE / 2 - scale * (y - (low + high) / 2),
  ];
  const plot = html`<svg viewBox="0 0 ${SIZE} ${SIZE}" role="img" aria-label="${label}">
    <rect class="box" x="0.5" y="0.5" width="${SIZE - 1}" height="${SIZE - 1}" />
    ${points.map((point) => {
      const [x, y] = at(point);
      return html`<g
        ><title>${point.title}</title>${mark(styleOf(point.kind), Number(px(x)), Number(px(y)), 3.6)}</g
      > `;
    })}
  </svg>`;
  const counts = (kind: string): number => points.filter((point) => point.kind === kind).length;
  const rest = points.filter(({ kind }) => kind === null || !told.includes(kind)).length;
  const entry = (style: number, text: Html): Html =>
    html`<li>
      <svg viewBox="0 0 12 12" class="dot" aria-hidden="true">${mark(style, 6, 6)}</svg><span>${text}</span>
    </li>`;
  return {
    plot,
    legend: html`<ul class="legend">
      ${told.map((kind, i) => entry(i, html`${nameOf(kind)} (${counts(kind)})`))}${
        rest > 0 &&
        entry(
          APART - 1,
          html`${order.length > told.length ? counted(order.length - told.length, 'other') : 'not known'}
          (${rest})`,
        )
      }
    </ul>`,
  };
}
