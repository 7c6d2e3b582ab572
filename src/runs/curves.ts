/** The curves of a run as panels of lines, for the run's own picture and for reports. */
import { join } from 'node:path';
import { writeFileAtomic } from '../base/files.ts';
import { svgDocument } from '../charts/document.ts';
import { type Line, lineChart, lineLegend } from '../charts/line.ts';
import { roundAxis, tightAxis } from '../charts/plot.ts';
import type { Html } from '../charts/markup.ts';
import type { Chart } from '../methods/method.ts';
import { type LogEntry, measured, readLog, type StepEntry } from './log.ts';
import { RUN_FILES } from './run-folder.ts';

type Points = readonly (readonly [number, number])[];

export interface CurvePanel {
  readonly title: string;
  readonly xTitle: string;
  readonly yTitle: string;
  /** How it is read. */
  readonly caption: string;
  /** Never empty: each has a finite point. */
  readonly lines: readonly Line[];
  /** Values that the y axis shows in any case. */
  readonly hold?: readonly number[];
}

/** Draws `curves.svg` from the run's log and returns its path. Whenever a run ends or is interrupted. */
export function writeCurves(run: string, charts: readonly Chart[]): string {
  const path = join(run, RUN_FILES.curves);
  writeFileAtomic(path, [drawPanels('Pretraining', pretrainPanels(readLog(run), charts))]);
  return path;
}

/** The panels of a pretraining: its loss, the charts of its method, whether the features keep their rank, and the kNN. */
export function pretrainPanels(log: readonly LogEntry[], charts: readonly Chart[]): readonly CurvePanel[] {
  const steps = log.filter((entry) => entry.kind === 'step');
  const held = log.filter((entry) => entry.kind === 'validation');
  const knn = log.filter((entry) => entry.kind === 'knn');
  const training = (name: string, style: number, value: (entry: StepEntry) => number | null): Line[] => {
    const raw = steps.map((entry) => [entry.step, value(entry) ?? NaN] as const);
    return [
      { name, style, points: thinned(raw), faint: true },
      { name, style, points: thinned(smoothed(raw)) },
    ];
  };
  const scored = <T extends { readonly step: number }>(
    name: string,
    style: number,
    entries: readonly T[],
    value: (entry: T) => number | null,
  ): Line => {
    const points = entries.map((entry) => [entry.step, value(entry) ?? NaN] as const);
    return { name, style, points: thinned(points) };
  };
  return panels('optimizer step', [
    {
      title: 'Loss',
      yTitle: 'loss',
      lines: [...training('training', 0, (e) => e.loss), scored('held out', 1, held, (e) => e.loss)],
      caption: 'Thin: every step; thick: running mean.',
    },
    ...charts.map(({ title, axis, caption, shows }) => ({
      ...{ title, yTitle: axis, caption },
      lines: shows.flatMap((name, i) =>
        shows.length === 1
          ? [
              ...training('training', 0, (e) => measured(e, name)),
              scored('held out', 1, held, (e) => measured(e, name)),
            ]
          : training(name, 2 * i, (e) => measured(e, name)),
      ),
    })),
    {
      title: 'Effective rank of held-out features',
      yTitle: 'rank',
      lines: [scored('rank', 1, held, (e) => e.effectiveRank)],
      caption: 'Near 1 is a collapse. Falling rank with good pairs is a shortcut being learnt.',
      hold: [0],
    },
    {
      title: 'kNN on the watched dataset',
      yTitle: 'balanced accuracy',
      lines: [scored('kNN balanced accuracy', 2, knn, (e) => e.balancedAccuracy)],
      caption: 'Selects the best checkpoint, so no test.',
      hold: [0, 1],
    },
  ]);
}

/** Panels with the lines that have a finite point; those without any line are left out. */
export function panels(xTitle: string, wanted: readonly Omit<CurvePanel, 'xTitle'>[]): readonly CurvePanel[] {
  return wanted
    .map((panel) => ({
      ...panel,
      xTitle,
      lines: panel.lines.filter(({ points }) => points.some((point) => point.every(Number.isFinite))),
    }))
    .filter(({ lines }) => lines.length > 0);
}

/** One panel as a chart; without a size as a report has them. */
export function drawPanel(
  { title, xTitle, yTitle, lines, hold = [] }: CurvePanel,
  size: { readonly width?: number; readonly height?: number } = {},
): Html {
  const points = lines.flatMap((line) => line.points).filter((point) => point.every(Number.isFinite));
  const named = lines.filter(({ faint }) => faint !== true);
  return lineChart({
    ...size,
    label: `${title} by ${xTitle}. ${named.map((line) => spoken(line)).join('; ')}.`,
    x: tightAxis(
      xTitle,
      points.map(([x]) => x),
      5,
    ),
    y: roundAxis(
      yTitle,
      points.map(([, y]) => y),
      4,
      hold,
    ),
    lines,
  });
}

/** All panels as a file of their own. */
export function drawPanels(title: string, wanted: readonly CurvePanel[]): string {
  const size = { width: 760, height: 230 };
  return svgDocument(
    title,
    wanted.map((panel) => ({
      ...size,
      title: panel.title,
      plot: drawPanel(panel, size),
      legend: lineLegend(panel.lines),
    })),
  );
}

function spoken({ name, points }: Line): string {
  const finite = points.filter(([, y]) => Number.isFinite(y));
  return `${name}: from ${finite[0]![1].toFixed(2)} to ${finite.at(-1)![1].toFixed(2)}`;
}

/** Running mean over about a fiftieth of the run. */
function smoothed(points: Points): Points {
  const window = Math.max(1, Math.round(points.length / 50));
  let sum = 0;
  return points.map(([x, y], i) => {
    sum += y - (i >= window ? points[i - window]![1] : 0);
    return [x, sum / Math.min(i + 1, window)] as const;
  });
}

/** Points of a line; more could not be told apart. */
const MOST_POINTS = 400;

/** Evenly chosen points, first and last included. */
export function thinned<T>(points: readonly T[], most = MOST_POINTS): readonly T[] {
  if (points.length <= most) return points;
  return Array.from({ length: most }, (_, i) => points[Math.round((i * (points.length - 1)) / (most - 1))]!);
}
