/** How charts look, in a page and alone: classes of lines, marks and cells over the colours of a scheme. */
import { LIGHT, type Scheme } from './palette.ts';

/** Name and colour of all that a scheme holds: `paper`, `ink`, `s0` (series), `h0` and `i0` (cells and their ink). */
export function colourTokens(scheme: Scheme): readonly (readonly [name: string, colour: string])[] {
  const { series, heat, ...named } = scheme;
  return [
    ...Object.entries(named).map(([name, value]) => [kebab(name), value] as const),
    ...series.map((value, i) => [`s${i}`, value] as const),
    ...heat.flatMap(([paper, ink], i) => [[`h${i}`, paper] as const, [`i${i}`, ink] as const]),
  ];
}

/** The same as CSS properties. */
export function tokens(scheme: Scheme): string {
  return colourTokens(scheme)
    .map(([name, value]) => `--${name}:${value}`)
    .join(';');
}

/** The rules; they need the `tokens` of a scheme around them. */
export const CHART_RULES = `svg text{font-size:12px;fill:var(--ink)}
svg .name{fill:var(--soft)}
svg .right{font-weight:700}
.grid{stroke:var(--rule);stroke-width:1}
.axis,.tick{stroke:var(--soft);stroke-width:1}
.box{fill:none;stroke:var(--rule)}
.bar{fill:var(--soft);opacity:.35}
.line{fill:none;stroke-width:1.9;stroke-linejoin:round;stroke-linecap:butt}
.faint{stroke-width:.9;opacity:.4}
.band{stroke:none;opacity:.16}
.guide{fill:none;stroke:var(--soft);stroke-width:1;stroke-dasharray:4 4}
.hollow{fill:var(--paper);stroke-width:1.7}
.ring{fill:var(--paper);stroke:var(--soft);stroke-width:1.4}
${LIGHT.heat.map((_, i) => `.h${i}{fill:var(--h${i})}svg .i${i}{fill:var(--i${i})}\n`).join('')}${LIGHT.series.map((_, i) => `.s${i}{stroke:var(--s${i})}.f${i}{fill:var(--s${i})}\n`).join('')}`;

function kebab(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
