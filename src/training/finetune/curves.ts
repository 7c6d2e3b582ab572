/** The course of a fine-tuning as a picture: loss and scores by epoch, one line a label rate, folds and seeds averaged. */
import { join } from 'node:path';
import { writeFileAtomic } from '../../base/files.ts';
import { lineChart, type Series } from '../../formats/line-chart.ts';
import { RUN_FILES } from '../run-folder.ts';
import { type EpochEntry, readEpochLog } from './epoch-log.ts';

/** Draws `curves.svg` from the run's log and returns its path. */
export function writeFinetuneCurves(run: string): string {
  const path = join(run, RUN_FILES.curves);
  writeFileAtomic(path, [drawFinetuneCurves(readEpochLog(run))]);
  return path;
}

// Told apart by the colour-blind too (Okabe & Ito).
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9'] as const;

/** The SVG for a log; the final model is left out. */
export function drawFinetuneCurves(log: readonly EpochEntry[]): string {
  const folds = log.filter(({ fold }) => fold !== null);
  const rates = [...new Set(folds.map(({ labelRate }) => labelRate))].sort((a, b) => b - a);
  const lines = (value: (entry: EpochEntry) => number | null): Series[] =>
    rates.map((rate, i) => ({
      name: rates.length === 1 ? 'mean of folds and seeds' : `label rate ${rate}`,
      colour: COLOURS[i % COLOURS.length]!,
      points: meanByEpoch(
        folds.filter(({ labelRate }) => labelRate === rate),
        value,
      ),
    }));
  const onTest = folds.some(({ chosenOn }) => chosenOn === 'test');
  const held = onTest ? 'test clips, optimistic' : 'inner split';
  return lineChart(
    [
      { title: 'training loss', series: lines((entry) => entry.trainLoss) },
      { title: `loss (${held})`, series: lines((entry) => entry.innerLoss) },
      { title: 'training accuracy', series: lines((entry) => entry.trainAccuracy) },
      { title: `balanced accuracy (${held})`, series: lines((entry) => entry.innerBalancedAccuracy) },
    ],
    { title: 'Fine-tuning', xTitle: 'epoch' },
  );
}

/** Means over the folds that reached an epoch; early stopping makes later ones the mean of fewer. */
function meanByEpoch(
  entries: readonly EpochEntry[],
  value: (entry: EpochEntry) => number | null,
): (readonly [number, number])[] {
  const found = new Map<number, number[]>();
  for (const entry of entries) {
    const one = value(entry);
    if (one === null) continue;
    const known = found.get(entry.epoch);
    if (known === undefined) found.set(entry.epoch, [one]);
    else known.push(one);
  }
  return [...found]
    .sort(([a], [b]) => a - b)
    .map(
      ([epoch, values]) => [epoch + 1, values.reduce((sum, one) => sum + one, 0) / values.length] as const,
    );
}
