/**
 * The log of a fine-tuning run, with one entry for each epoch of each fold run. `log.jsonl` and TensorBoard events
 * hold the same numbers. A resumed run logs every epoch once. Of several processes one writes the log; what it hears of the others
 * comes between its own, and at the end all is put into the order of the fold runs. The log is also drawn as curves: the mean
 * over folds and seeds at each epoch, with single fold runs behind it.
 */
import { z } from 'zod';
import { EntryLog, readEntries } from '../runs/log.ts';
import { type FoldRunKey, foldRunName } from './fold-runs.ts';
import { join } from 'node:path';
import { groupBy, mean } from '../base/collect.ts';
import { writeFileAtomic } from '../base/files.ts';
import type { Line } from '../charts/line.ts';
import type { Chart } from '../methods/method.ts';
import { type CurvePanel, drawPanels, panels } from '../runs/curves.ts';
import { RUN_FILES } from '../runs/run-folder.ts';

export const entrySchema = z.object({
  kind: z.literal('epoch'),
  labelRate: z.number(),
  seed: z.int(),
  /** Null: the final model. */
  fold: z.int().nullable(),
  /** From 0. */
  epoch: z.int().min(0),
  /** Epochs of all folds so far: the step of the TensorBoard events. */
  step: z.int().min(1),
  /** Seconds since 1970. */
  time: z.number(),
  /** Loss and accuracy on the images as trained on: augmented, weighted, mixed. */
  trainLoss: z.number(),
  /** Null where a method says what is learnt, and from what. */
  trainAccuracy: z.number().nullable(),
  /** What that method measures, over the steps of the epoch. */
  measured: z.record(z.string(), z.number()).optional(),
  /** Scores of the clips that choose the epoch; null where there are none. */
  innerLoss: z.number().nullable(),
  innerAccuracy: z.number().nullable(),
  innerBalancedAccuracy: z.number().nullable(),
  /** The clips that choose the epoch: held out of training, or (legacy) the test clips themselves. */
  chosenOn: z.enum(['inner', 'test', 'nothing']),
  /** The best epoch so far. */
  best: z.boolean(),
  learningRate: z.number(),
  /** Mean over steps, before clipping. */
  gradientNorm: z.number(),
  steps: z.int(),
  images: z.int(),
  /** Time of training and of scoring. */
  trainSeconds: z.number(),
  scoreSeconds: z.number(),
  imagesPerSecond: z.number(),
  /** Resident memory in bytes. */
  memory: z.number(),
});
/**
 * One epoch of one fold.
 * @interface
 */
export type EpochEntry = Readonly<z.infer<typeof entrySchema>>;

/** Every whole entry of a fine-tuning run's log, in order. */
export function readEpochLog(run: string): readonly EpochEntry[] {
  return readEntries(join(run, RUN_FILES.log), entrySchema);
}

/** Whether an entry belongs to this fold run. */
export function belongsTo(entry: FoldRunKey, key: FoldRunKey): boolean {
  return entry.labelRate === key.labelRate && entry.seed === key.seed && entry.fold === key.fold;
}

const EVENTS = ['trainLoss', 'trainAccuracy', 'innerLoss', 'innerBalancedAccuracy', 'learningRate'] as const;

/** What a fold run logs into. */
export interface EpochSink {
  /** Logs an epoch with these values, and returns its entry. */
  add(values: EpochValues): EpochEntry;
  /** Hands everything to the system, before a save. */
  flush(): void;
}
export type EpochValues = Omit<EpochEntry, 'step' | 'kind' | 'time'>;

/** An entry with these values, made now. */
export function entryOf(step: number, values: EpochValues): EpochEntry {
  return { kind: 'epoch', step, time: Date.now() / 1000, ...values };
}

export class EpochLog extends EntryLog<EpochEntry> implements EpochSink {
  readonly #run: string;
  #step: number;

  /**
   * Goes on after the entries of earlier calls that `keep` says are still true; `told` are those that processes had told and that
   * may not have been logged.
   */
  constructor(run: string, keep: (entry: EpochEntry) => boolean, told: readonly EpochEntry[] = []) {
    const all = [...readEpochLog(run), ...told].filter(keep);
    const first = new Map([...all].reverse().map((entry) => [epochName(entry), entry]));
    const kept = all
      .filter((entry) => first.get(epochName(entry)) === entry)
      .map((entry, i) => ({ ...entry, step: i + 1 }));
    super(run, kept.length, kept, (entry) =>
      EVENTS.flatMap((name) => {
        const value = entry[name];
        return value === null ? [] : [[`${name}/${foldRunName(entry)}`, value] as const];
      }),
    );
    this.#run = run;
    this.#step = kept.length;
  }

  add(values: EpochValues): EpochEntry {
    return this.take(entryOf(1, values));
  }

  /** Appends an entry of another process as the next one, and returns it so. */
  take(other: EpochEntry): EpochEntry {
    this.#step += 1;
    const entry = { ...other, step: this.#step };
    this.append(entry);
    return entry;
  }

  /** Puts all entries into the order of these fold runs, where they are in another. */
  sort(order: readonly FoldRunKey[]): void {
    const place = new Map(order.map((key, i) => [foldRunName(key), i]));
    const placeOf = (entry: EpochEntry): number => place.get(foldRunName(entry)) ?? order.length;
    const found = readEpochLog(this.#run);
    const sorted = [...found].sort((a, b) => placeOf(a) - placeOf(b) || a.epoch - b.epoch);
    if (sorted.every((entry, i) => entry === found[i])) return;
    this.replace(sorted.map((entry, i) => ({ ...entry, step: i + 1 })));
  }
}

function epochName(entry: EpochEntry): string {
  return `${foldRunName(entry)} ${entry.epoch}`;
}

/** Draws `curves.svg` from the run's log and returns its path. */
export function writeFinetuneCurves(run: string, charts: readonly Chart[] = []): string {
  const path = join(run, RUN_FILES.curves);
  writeFileAtomic(path, [drawFinetuneCurves(readEpochLog(run), charts)]);
  return path;
}

/** The SVG for a log: the panels of every label rate, the highest first. */
export function drawFinetuneCurves(log: readonly EpochEntry[], charts: readonly Chart[] = []): string {
  const rates = [...new Set(log.map(({ labelRate }) => labelRate))].sort((a, b) => b - a);
  return drawPanels(
    'Fine-tuning',
    rates.flatMap((rate) =>
      finetunePanels(log, rate, charts).map((panel) => ({
        ...panel,
        title: rates.length === 1 ? panel.title : `${panel.title} (label rate ${rate})`,
      })),
    ),
  );
}

/** The panels of one label rate, with those of a method that learns from clips without a label; the final model is left out. */
export function finetunePanels(
  log: readonly EpochEntry[],
  rate: number,
  charts: readonly Chart[] = [],
): readonly CurvePanel[] {
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
    ...charts.map(({ title, axis, caption, shows }) => ({
      ...{ title, yTitle: axis, caption },
      lines: shows.flatMap((name, i) => lines(name, i, (e) => e.measured?.[name] ?? null)),
    })),
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
