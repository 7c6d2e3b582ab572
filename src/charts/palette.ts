/**
 * Colours of the page in both schemes, and how charts look in them: classes of lines, marks and cells. Text stands at 4.5 : 1 against what is behind it and lines at 3 : 1 (WCAG 2.2,
 * AA), and the colours of series differ for the colour-blind too; a test computes both from this file.
 */

export interface Scheme {
  readonly paper: string;
  /** Behind boxes, table heads and code. */
  readonly surface: string;
  readonly ink: string;
  /** Captions, notes, axes. */
  readonly soft: string;
  /** Hairlines that carry no meaning. */
  readonly rule: string;
  readonly link: string;
  readonly warnInk: string;
  readonly warnPaper: string;
  readonly goodInk: string;
  readonly goodPaper: string;
  /** Lines and marks of series, in order. */
  readonly series: readonly string[];
  /** Cells from empty to full, each with the ink that is read on it. */
  readonly heat: readonly (readonly [paper: string, ink: string])[];
}

export const LIGHT: Scheme = {
  paper: '#fdfdfb',
  surface: '#f4f4f0',
  ink: '#1c1e22',
  soft: '#575c64',
  rule: '#dcdcd6',
  link: '#075e94',
  warnInk: '#7a3200',
  warnPaper: '#fff1e0',
  goodInk: '#0b5138',
  goodPaper: '#e6f4ec',
  series: ['#0059c2', '#ef5105', '#149b6b', '#904b7e', '#562e0e', '#203154'],
  heat: [
    ['#f4f4f0', '#1c1e22'],
    ['#dde9f1', '#1c1e22'],
    ['#bcd7e8', '#1c1e22'],
    ['#94c1dd', '#1c1e22'],
    ['#66a7cf', '#10151a'],
    ['#2a78ab', '#ffffff'],
    ['#0a5c8f', '#ffffff'],
    ['#06436b', '#ffffff'],
  ],
};

export const DARK: Scheme = {
  paper: '#15171b',
  surface: '#1e2127',
  ink: '#e7e7e3',
  soft: '#a9aeb7',
  rule: '#363a42',
  link: '#86c5f2',
  warnInk: '#ffc48f',
  warnPaper: '#33251a',
  goodInk: '#9fdfbf',
  goodPaper: '#16291f',
  series: ['#4ab4fe', '#ed6131', '#1aa378', '#ea7ebe', '#ded172', '#cdf6f5'],
  heat: [
    ['#1e2127', '#e7e7e3'],
    ['#1f3040', '#e7e7e3'],
    ['#21405a', '#e7e7e3'],
    ['#225376', '#f2f2ef'],
    ['#246894', '#ffffff'],
    ['#4d9fd4', '#0a1016'],
    ['#7fc0ec', '#0a1016'],
    ['#b8dff8', '#0a1016'],
  ],
};

/** Dashes that tell series apart without colour. */
export const DASHES = ['', '7 3', '2 3', '9 3 2 3', '5 2', '1 2'] as const;

/** Class of a cell whose share of the most is `share` (0 … 1); empty cells alone have the lowest. */
export function heatStep(share: number): number {
  const steps = LIGHT.heat.length;
  return share <= 0 ? 0 : Math.min(steps - 1, 1 + Math.floor(share * (steps - 1)));
}

/** Contrast of two colours by WCAG 2.2: 1 for equal ones, 21 for black on white. */
export function contrast(a: string, b: string): number {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y) as [number, number];
  return (high + 0.05) / (low + 0.05);
}

/** Red, green and blue of `#rrggbb` as linear light, 0 … 1. */
export function linearLight(colour: string): readonly [number, number, number] {
  const part = (at: number): number => {
    const value = parseInt(colour.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  };
  return [part(1), part(3), part(5)];
}

function luminance(colour: string): number {
  const [red, green, blue] = linearLight(colour);
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

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
