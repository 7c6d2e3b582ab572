/**
 * Charts as one SVG file that stands alone: a title, panels one below the other, each with its name and legend. It
 * brings its colours along, light and dark; no fonts, scripts or network.
 */
import { drawnLegend, type LegendEntry } from './legend.ts';
import { type Html, html, trusted } from './markup.ts';
import { CHART_RULES, colourTokens, DARK, LIGHT, type Scheme } from './palette.ts';

export interface DocumentPanel {
  readonly title: string;
  /** An `<svg>` of `width` by `height` pixels. */
  readonly plot: Html;
  readonly width: number;
  readonly height: number;
  readonly legend: readonly LegendEntry[];
}

const MARGIN = 16;
const GAP = 14;

/** The file's text, with lines of a note at its foot. */
export function svgDocument(
  title: string,
  panels: readonly DocumentPanel[],
  note: readonly string[] = [],
): string {
  const width = 2 * MARGIN + Math.max(360, ...panels.map((panel) => panel.width));
  let y = 40;
  const drawn = panels.map((panel) => {
    const top = y;
    const legend = drawnLegend(panel.legend, [MARGIN, top + 20], width - 2 * MARGIN);
    const plotTop = top + 24 + legend.height;
    y = plotTop + panel.height + GAP;
    return html`<text class="title" x="${MARGIN}" y="${top + 12}">${panel.title}</text>
      ${legend.drawn}
      <svg x="${MARGIN}" y="${plotTop}" width="${panel.width}" height="${panel.height}">${panel.plot}</svg> `;
  });
  const height = y + 18 * note.length;
  const picture = html`<svg
    xmlns="http://www.w3.org/2000/svg"
    width="${width}"
    height="${height}"
    viewBox="0 0 ${width} ${height}"
    role="img"
    aria-label="${title}"
    font-family="system-ui, sans-serif"
  >
    <style>
      ${trusted(`${rulesOf(LIGHT)}@media (prefers-color-scheme:dark){${rulesOf(DARK)}}`)}
    </style>
    <rect class="paper" width="${width}" height="${height}" />
    <text class="title" x="${MARGIN}" y="22" style="font-size:15px">${title}</text>
    ${drawn}
    ${note.map((line, i) => html`<text class="name" x="${MARGIN}" y="${y + 6 + 18 * i}">${line}</text> `)}
  </svg>`;
  return `${picture.toString()}\n`;
}

/** The rules in the colours of a scheme themselves: viewers other than browsers know no CSS properties. */
function rulesOf(scheme: Scheme): string {
  const colours = new Map(colourTokens(scheme));
  return `${CHART_RULES}.paper{fill:var(--paper)}svg .title{font-weight:600}\n`.replaceAll(
    /var\(--([a-z0-9-]+)\)/g,
    (_, name: string) => colours.get(name)!,
  );
}
