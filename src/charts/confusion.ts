/** A confusion matrix: a row for each true class, shaded by the share of that row, counts in the cells. */
import { px, tickText } from './plot.ts';
import { type Html, html } from './markup.ts';
import { heatStep } from './palette.ts';

export interface ConfusionChart {
  readonly label: string;
  readonly classes: readonly string[];
  /** [true class][predicted class]. */
  readonly counts: readonly (readonly number[])[];
}

const WIDTH = 360;
const HEAD = 80;
const LEFT = 112;

/** The matrix. Many classes make cells small; then counts give way to shades, and the table has the numbers. */
export function confusionChart({ label, classes, counts }: ConfusionChart): Html {
  const side = Math.min(70, (WIDTH - LEFT - 30) / classes.length);
  const high = Math.min(52, side);
  const letters = side >= 26;
  const height = HEAD + classes.length * high + 6;
  return html`<svg viewBox="0 0 ${WIDTH} ${px(height)}" role="img" aria-label="${label}">
    <text class="name" x="${px(LEFT + (side * classes.length) / 2)}" y="12" text-anchor="middle">
      predicted
    </text>
    <text
      class="name"
      x="${px(-(HEAD + (high * classes.length) / 2))}"
      y="12"
      transform="rotate(-90)"
      text-anchor="middle"
    >
      true
    </text>
    ${classes.map((one, c) => {
      const x = LEFT + (c + 0.5) * side;
      const turned = one.length * 6.4 > side;
      return turned
        ? html`<text transform="translate(${px(x + 3)} ${HEAD - 7}) rotate(-32)">${short(one, 14)}</text> `
        : html`<text x="${px(x)}" y="${HEAD - 8}" text-anchor="middle">${one}</text> `;
    })}${counts.map((row, r) => {
      const total = row.reduce((sum, value) => sum + value, 0);
      const y = HEAD + r * high;
      return html`<text x="${LEFT - 8}" y="${px(y + high / 2 + 4)}" text-anchor="end"
          >${short(classes[r]!, 14)}</text
        >
        ${row.map((value, c) => {
          const share = total === 0 ? 0 : value / total;
          const x = LEFT + c * side;
          const step = heatStep(share);
          return html`<rect
              class="h${step}"
              x="${px(x + 1)}"
              y="${px(y + 1)}"
              width="${px(side - 2)}"
              height="${px(high - 2)}"
              rx="2"
            />${
              letters &&
              html`<text
                class="i${step}${r === c ? ' right' : ''}"
                x="${px(x + side / 2)}"
                y="${px(y + high / 2 + 4)}"
                text-anchor="middle"
                >${tickText(Math.round(10 * value) / 10)}</text
              >`
            } `;
        })}`;
    })}
  </svg>`;
}

function short(text: string, letters: number): string {
  return text.length <= letters ? text : `${text.slice(0, letters - 1)}…`;
}
