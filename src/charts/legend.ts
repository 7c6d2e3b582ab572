/** What the marks of a chart stand for: as a list under a chart in a page, or drawn into a picture of its own. */
import { type Html, html, name } from './markup.ts';

export interface LegendEntry {
  readonly text: string;
  /** What is drawn, on a plane of `width` by 12 pixels. */
  readonly mark: Html;
  readonly width: number;
}

/** The legend as a list; nothing for no entry. */
export function legendList(entries: readonly LegendEntry[]): Html | null {
  if (entries.length === 0) return null;
  return html`<ul class="legend">
    ${entries.map(
      ({ text, mark, width }) =>
        html`<li>
          <svg viewBox="0 0 ${width} 12" ${width < 20 && html` class="dot"`} aria-hidden="true">${mark}</svg
          ><span>${name(text)}</span>
        </li>`,
    )}
  </ul>`;
}

/** Pixels that a drawn entry takes, its gap included: letters of the chart's font are about 6.5 wide. */
function widthOf({ text, width }: LegendEntry): number {
  return width + 24 + Math.ceil(6.5 * text.length);
}

const LINE = 18;

/** The legend drawn in lines of at most `room` pixels from a place downwards, with its height. */
export function drawnLegend(
  entries: readonly LegendEntry[],
  [left, top]: readonly [number, number],
  room: number,
): { readonly drawn: Html; readonly height: number } {
  let x = left;
  let y = top;
  const placed = entries.map((entry) => {
    if (x > left && x + widthOf(entry) > left + room) [x, y] = [left, y + LINE];
    const at = [x, y] as const;
    x += widthOf(entry);
    return { entry, at };
  });
  return {
    drawn: html`${placed.map(
      ({ entry: { text, mark, width }, at: [a, b] }) =>
        html`<g transform="translate(${a} ${b})">${mark}</g
          ><text x="${a + width + 6}" y="${b + 10}">${text}</text> `,
    )}`,
    height: entries.length === 0 ? 0 : y - top + LINE,
  };
}
