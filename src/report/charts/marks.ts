/** Marks of points: one shape a style, so that no one has to tell colours apart. */
import { px } from '../../formats/axes.ts';
import { type Html, html } from '../html.ts';

/** The mark of a style around a place, `size` pixels to each side. */
export function mark(style: number, x: number, y: number, size = 4): Html {
  const fill = `f${style % 6}`;
  const polygon = (...corners: readonly (readonly [number, number])[]): Html =>
    html`<polygon
      class="${fill}"
      points="${corners.map(([dx, dy]) => `${px(x + dx * size)},${px(y + dy * size)}`).join(' ')}"
    />`;
  switch (style % 6) {
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
