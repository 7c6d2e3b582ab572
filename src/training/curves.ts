/** The course of a run as a picture: loss, whether pairs find each other, and whether the features keep their rank. */
import { join } from 'node:path';
import { writeFileAtomic } from '../base/files.ts';
import { lineChart, type Series } from '../formats/line-chart.ts';
import { readLog, type LogEntry, type StepEntry, type ValidationEntry } from './log.ts';
import { RUN_FILES } from './run-folder.ts';

/** Draws `curves.svg` from the run's log and returns its path. Written whenever a run ends or is interrupted. */
export function writeCurves(run: string): string {
  const path = join(run, RUN_FILES.curves);
  writeFileAtomic(path, [drawCurves(readLog(run))]);
  return path;
}

/** The SVG for a log. */
export function drawCurves(log: readonly LogEntry[]): string {
  const steps = log.filter((entry) => entry.kind === 'step');
  const scores = log.filter((entry) => entry.kind === 'validation');
  const knn = log.filter((entry) => entry.kind === 'knn');
  const training = (name: string, colour: string, value: (entry: StepEntry) => number): Series[] => {
    const raw = steps.map((entry) => [entry.step, value(entry)] as const);
    return [
      { name: `${name} (raw)`, colour, faint: true, points: raw },
      { name, colour, points: smoothed(raw) },
    ];
  };
  const held = (name: string, colour: string, value: (entry: ValidationEntry) => number): Series => ({
    name,
    colour,
    points: scores.map((entry) => [entry.step, value(entry)]),
  });
  return lineChart(
    [
      {
        title: 'loss',
        series: [...training('training', BLUE, (e) => e.loss), held('held out', ORANGE, (e) => e.loss)],
      },
      {
        title: 'share of views that find their partner',
        series: [
          ...training('training', BLUE, (e) => e.pairAccuracy),
          held('held out', ORANGE, (e) => e.pairAccuracy),
        ],
      },
      {
        title: 'alignment and uniformity (training)',
        series: [
          ...training('alignment', BLUE, (e) => e.alignment),
          ...training('uniformity', GREEN, (e) => e.uniformity),
        ],
      },
      {
        title: 'effective rank of held-out features',
        series: [held('rank', ORANGE, (e) => e.effectiveRank)],
      },
      {
        title: 'kNN balanced accuracy',
        series: [{ name: 'kNN', colour: GREEN, points: knn.map((e) => [e.step, e.balancedAccuracy]) }],
      },
    ],
    { title: 'Pretraining', xTitle: 'optimizer step' },
  );
}

// Told apart by the colour-blind too (Okabe & Ito).
const BLUE = '#0072b2';
const ORANGE = '#d55e00';
const GREEN = '#009e73';

/** Running mean over about a fiftieth of the run. */
function smoothed(points: readonly (readonly [number, number])[]): (readonly [number, number])[] {
  const window = Math.max(1, Math.round(points.length / 50));
  let sum = 0;
  return points.map(([x, y], i) => {
    sum += y - (i >= window ? points[i - window]![1] : 0);
    return [x, sum / Math.min(i + 1, window)] as const;
  });
}
