/** A forest plot: estimates with their intervals, one below the other, about a line of no difference. */
import { niceTicks, px, rangeOf, tickText } from './plot.ts';
import { type Html, html } from './markup.ts';
import { mark } from './marks.ts';

export interface ForestRow {
  readonly name: string;
  readonly estimate: number;
  readonly interval: readonly [number, number];
}

export interface ForestChart {
  readonly label: string;
  readonly rows: readonly ForestRow[];
  /** Under the axis: what lies to the left and to the right of zero. */
  readonly xTitle: string;
}

const WIDTH = 360;
const LEFT = 118;
const RIGHT = WIDTH - 14;
const ROW = 30;
const TOP = 8;

/** The plot. Intervals that hold zero are drawn hollow. */
export function forestChart({ label, rows, xTitle }: ForestChart): Html {
  const ticks = niceTicks(rangeOf([0, ...rows.flatMap(({ interval }) => [...interval])]), 4);
  const [low, high] = [ticks[0]!, ticks.at(-1)!];
  const x = (value: number): number => LEFT + ((value - low) / (high - low)) * (RIGHT - LEFT);
  const bottom = TOP + rows.length * ROW;
  return html`<svg viewBox="0 0 ${WIDTH} ${bottom + 44}" role="img" aria-label="${label}">
    ${ticks.map(
      (tick) =>
        html`<line class="grid" x1="${px(x(tick))}" x2="${px(x(tick))}" y1="${TOP}" y2="${bottom}" /><text
            x="${px(x(tick))}"
            y="${bottom + 16}"
            text-anchor="middle"
            >${tickText(tick).replace('-', '−')}</text
          > `,
    )}
    <line class="axis" x1="${px(x(0))}" x2="${px(x(0))}" y1="${TOP}" y2="${bottom}" />
    ${rows.map(({ name, estimate, interval: [from, to] }, i) => {
      const y = TOP + (i + 0.5) * ROW;
      const apart = from > 0 || to < 0;
      return html`<text x="${LEFT - 10}" y="${px(y + 4)}" text-anchor="end">${name}</text
        ><line class="line s0" x1="${px(x(from))}" x2="${px(x(to))}" y1="${px(y)}" y2="${px(y)}" />${
          apart
            ? mark(2, x(estimate), y, 5)
            : html`<rect
                class="hollow s0"
                x="${px(x(estimate) - 4.5)}"
                y="${px(y - 4.5)}"
                width="9"
                height="9"
              />`
        } `;
    })}
    <text class="name" x="${px((LEFT + RIGHT) / 2)}" y="${bottom + 37}" text-anchor="middle">${xTitle}</text>
  </svg>`;
}
