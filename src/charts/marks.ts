/** Marks of points. The first six styles have a shape and a colour each, so that no one has to tell colours apart. */
import { px } from './plot.ts';
import { type Html, html } from './markup.ts';

/** Styles whose marks differ: six shapes, each in six colours. */
export const STYLES = 36;

/** The mark of a style around a place, `size` pixels to each side; a ring for null, what has no style of its own. */
export function mark(style: number | null, x: number, y: number, size = 4): Html {
  if (style === null) return html`<circle class="ring" cx="${px(x)}" cy="${px(y)}" r="${px(size * 0.8)}" />`;
  const fill = `f${style % 6}`;
  const polygon = (...corners: readonly (readonly [number, number])[]): Html =>
    html`<polygon
      class="${fill}"
      points="${corners.map(([dx, dy]) => `${px(x + dx * size)},${px(y + dy * size)}`).join(' ')}"
    />`;
  switch ((style + Math.floor(style / 6)) % 6) {
    case 0:
      return html`<circle class="${fill}" cx="${px(x)}" cy="${px(y)}" r="${px(size * 0.95)}" />`;
    case 1:
      return polygon([0, -1.2], [1.1, 0.85], [-1.1, 0.85]);
    case 2:
      return polygon([-0.9, -0.9], [0.9, -0.9], [0.9, 0.9], [-0.9, 0.9]);
    case 3:
      return polygon([0, -1.25], [1.25, 0], [0, 1.25], [-1.25, 0]);
    case 4:
      return polygon([0, 1.2], [1.1, -0.85], [-1.1, -0.85]);
    default:
      return polygon(
        [-0.4, -1.1],
        [0.4, -1.1],
        [0.4, -0.4],
        [1.1, -0.4],
        [1.1, 0.4],
        [0.4, 0.4],
        [0.4, 1.1],
        [-0.4, 1.1],
        [-0.4, 0.4],
        [-1.1, 0.4],
        [-1.1, -0.4],
        [-0.4, -0.4],
      );
  }
}
