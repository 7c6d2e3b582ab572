/** A reliability diagram: how often answers of some confidence were right, over how many answers there were. */
import { type Html, html } from './markup.ts';
import { mark } from './marks.ts';
import { path, plot, shareAxis, px } from './plot.ts';

export interface ReliabilityBin {
  readonly low: number;
  readonly high: number;
  readonly count: number;
  /** Mean confidence, and share of right answers; null of an empty bin. */
  readonly confidence: number | null;
  readonly accuracy: number | null;
}

/** Height of the strip of counts, as a share of the plane. */
const STRIP = 0.16;

/** The diagram: points on the diagonal are calibrated, the strip at the foot shows where the answers are. */
export function reliabilityChart(label: string, bins: readonly ReliabilityBin[]): Html {
  const most = Math.max(1, ...bins.map(({ count }) => count));
  const frame = { label, x: shareAxis('confidence'), y: shareAxis('share that was right'), height: 300 };
  return plot(frame, (scales) => {
    const points = bins.flatMap(({ confidence, accuracy }) =>
      confidence === null || accuracy === null ? [] : [[confidence, accuracy] as const],
    );
    const diagonal = path(
      [
        [0, 0],
        [1, 1],
      ],
      scales,
    );
    return [
      bins.map(({ low, high, count }) => {
        const top = scales.y((STRIP * count) / most);
        return (
          count > 0 &&
          html`<rect
            class="bar"
            x="${px(scales.x(low) + 1)}"
            width="${px(scales.x(high) - scales.x(low) - 2)}"
            y="${px(top)}"
            height="${px(scales.y(0) - top)}"
          /> `
        );
      }),
      html`<polyline class="guide" points="${diagonal}" />
        <polyline class="line s0" points="${path(points, scales)}" /> `,
      points.map(([x, y]) => mark(0, scales.x(x), scales.y(y))),
    ];
  });
}
