/** The course of a fine-tuning: the mean over folds and seeds at each epoch, single trainings behind it. */
import { join } from 'node:path';
import { groupBy, mean } from '../../base/collect.ts';
import { writeFileAtomic } from '../../base/files.ts';
import type { Line } from '../../charts/line.ts';
import { type CurvePanel, drawPanels, panels } from '../curves.ts';
import { RUN_FILES } from '../run-folder.ts';
import { type EpochEntry, readEpochLog } from './epoch-log.ts';

/** Draws `curves.svg` from the run's log and returns its path. */
export function writeFinetuneCurves(run: string): string {
  const path = join(run, RUN_FILES.curves);
  writeFileAtomic(path, [drawFinetuneCurves(readEpochLog(run))]);
  return path;
}

/** The SVG for a log: the panels of every label rate, the highest first. */
export function drawFinetuneCurves(log: readonly EpochEntry[]): string {
  const rates = [...new Set(log.map(({ labelRate }) => labelRate))].sort((a, b) => b - a);
  return drawPanels(
    'Fine-tuning',
    rates.flatMap((rate) =>
      finetunePanels(log, rate).map((panel) => ({
        ...panel,
        title: rates.length === 1 ? panel.title : `${panel.title} (label rate ${rate})`,
      })),
    ),
  );
}

/** The panels of one label rate; the final model is left out. */
export function finetunePanels(log: readonly EpochEntry[], rate: number): readonly CurvePanel[] {
  const entries = log.filter(({ labelRate, fold }) => labelRate === rate && fold !== null);
  const onTest = entries.some(({ chosenOn }) => chosenOn === 'test');
  const where = onTest ? 'test fold' : 'inner split';
  const trainings = [...groupBy(entries, ({ seed, fold }) => `${seed} ${fold ?? ''}`).values()];
  const lines = (name: string, style: number, value: (entry: EpochEntry) => number | null): Line[] => {
    const single = trainings.map((own) =>
      own.map((entry) => [entry.epoch + 1, value(entry) ?? NaN] as const),
    );
    return [
      ...single.map((points): Line => ({ name, style, points, faint: true })),
      { name, style, points: meanByEpoch(single.flat()) },
    ];
  };
  return panels('epoch', [
    {
      title: 'Loss',
      yTitle: 'loss',
      lines: [...lines('training', 0, (e) => e.trainLoss), ...lines(where, 1, (e) => e.innerLoss)],
      caption: 'Thin: single folds; thick: mean of those still training.',
    },
    {
      title: 'What the epoch is chosen by',
      yTitle: 'score',
      lines: [
        ...lines('training accuracy', 0, (e) => e.trainAccuracy),
        ...lines(`balanced accuracy, ${where}`, 1, (e) => e.innerBalancedAccuracy),
      ],
      caption: `Frames. ${onTest ? 'Chosen on the test fold: optimistic.' : 'Never the test fold.'}`,
      hold: [0, 1],
    },
    {
      title: 'Learning rate',
      yTitle: 'rate',
      lines: lines('learning rate', 2, (e) => e.learningRate),
      caption: '',
      hold: [0],
    },
  ]);
}

/** Means over the trainings that reached an epoch; early stopping makes later ones the mean of fewer. */
function meanByEpoch(points: readonly (readonly [number, number])[]): (readonly [number, number])[] {
  const finite = points.filter(([, y]) => Number.isFinite(y));
  return [...groupBy(finite, ([x]) => x)]
    .sort(([a], [b]) => a - b)
    .map(([x, own]) => [x, mean(own.map(([, y]) => y))] as const);
}
