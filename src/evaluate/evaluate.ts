/**
 * Evaluates a finished model on a dataset that it has not seen: another hospital, other devices, other class names.
 * Every labelled clip is predicted from its stored frames and scored with intervals over groups. Clips that the model
 * or its pretraining was trained on are found.
 * An evaluation writes to a folder, whole or not at all: `evaluation.json` (model, dataset, classes, leaks),
 * `predictions.json` and `metrics.json`, the last two as in the folder of a fine-tuning run, so that `uscl compare-runs`
 * takes both.
 */
import { setImmediate } from 'node:timers/promises';
import { defined } from '../base/collect.ts';
import { dataError, usageError, type UsclError } from '../base/errors.ts';
import { openDataset, type Dataset } from '../dataset/reader.ts';
import { uniformFrames } from '../evaluation/features/uniform-frames.ts';
import { evaluatePredictions, type EvaluateOptions } from '../evaluation/scores/evaluate-predictions.ts';
import type { Evaluation } from '../evaluation/scores/evaluation-result.ts';
import {
  type PredictedClip,
  type Predictions,
  PREDICTIONS_FILE,
  writePredictions,
} from '../evaluation/scores/predictions.ts';
import type { Model } from '../trainer/classifier.ts';
import { labelLeaks, leakError, type Overlap, overlapWith } from '../runs/provenance.ts';
import {
  FrameBatcher,
  type ModelIdentity,
  type ModelUse,
  OpenedModel,
  requireFrames,
} from '../trainer/opened-model.ts';
import { datasetHash, requireOurs, RUN_FILES } from '../runs/run-folder.ts';
import { type ClassMap, fitClasses, type FittedClasses, readClassMap } from '../curation/class-map.ts';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { guardWrites, syncFolder, writeFileAtomic } from '../base/files.ts';

/** How a dataset goes through a final model, and how it is scored. */
export interface EvaluateRunOptions extends ModelUse, EvaluateOptions {
  /** File that says which of the dataset's classes is which of the model's. Without one, equal names. */
  readonly map?: string;
  /** Frames looked at of each clip, even in time. Default: all. */
  readonly frames?: number | 'all';
  /** Score clips whose labels the model or its pretraining was given, and say so in the result. */
  readonly allowLeaks?: boolean;
  /** In frames. */
  readonly onProgress?: (done: number, total: number, note?: string) => void;
  readonly signal?: AbortSignal;
}

/** The settings of an evaluation; with the evaluation, everything but the predictions. */
export interface ExternalEvaluation {
  readonly format: 'uscl-external-evaluation';
  readonly version: 1;
  readonly model: ModelIdentity & { readonly epoch: number };
  readonly dataset: { readonly folder: string; readonly name: string; readonly hash: string };
  readonly frames: number | 'all';
  readonly mapping: {
    /** The file, or null for equal names. */
    readonly path: string | null;
    /** Each class of the dataset → the class it is scored as, or null: left out. */
    readonly labels: Readonly<Record<string, string | null>>;
    /** Each class of the model → the class its probability counts for. */
    readonly model: Readonly<Record<string, string>>;
    /** Classes that the file names and no clip has. */
    readonly unused: readonly string[];
  };
  readonly clips: { readonly scored: number; readonly unlabelled: number; readonly leftOut: number };
  /** Null where it is not known what the weights were trained on. */
  readonly overlap: Overlap | null;
  /** Leaks that were allowed, in words. */
  readonly leaks: readonly string[];
  readonly evaluation: Evaluation;
}

/** Images at a time. */
const BATCH = 16;

/**
 * Predicts and scores the labelled clips of the dataset in `folder` by the model of `source` (a fine-tuning run or its
 * safetensors file). Errors: those of `openModel`, `openDataset`, `readClassMap` and `fitClasses` (`LABEL_UNKNOWN` among
 * them); `EVALUATE_OPTION`; `EVALUATE_EMPTY` (no labelled clip is left); `LEAK` (unless allowed) when the model or its
 * pretraining was given labels of these clips; `NON_FINITE`; the signal's reason when aborted.
 */
export async function evaluateRun(
  source: string,
  folder: string,
  options: EvaluateRunOptions = {},
): Promise<{ readonly result: ExternalEvaluation; readonly predictions: Predictions }> {
  const { map, frames = 'all', allowLeaks = false } = options;
  requireFrames('EVALUATE_OPTION', frames);
  const classMap = map === undefined ? null : readClassMap(map);
  using opened = new OpenedModel(source, BATCH, options);
  using dataset = openDataset(folder);
  const fitted = fitClasses(classMap, opened.model.classes, labelCounts(dataset));
  const scored = scoredClips(dataset, fitted);
  if (scored.length === 0) throw nothingToScore(dataset, folder);
  const tested = new Set(scored.map(({ index }) => index));
  const overlap = overlapWith(opened.model.path, dataset, (clip) => tested.has(clip));
  const leaks = labelLeaks(
    overlap,
    (count) => `the model or its pretraining was given labels of ${count} of these clips`,
  );
  if (leaks.length > 0 && !allowLeaks) throw leakError(leaks, folder, LEAK_REMEDY);
  const rows = await predictRows(dataset, scored, opened.model, fitted, options);
  const { checkpoint } = opened.model;
  const predictions: Predictions = {
    ...{ format: 'uscl-predictions', version: 1, protocol: 'external', classes: [...fitted.classes] },
    clips: scored.map(({ index, label }) => {
      const { id, group } = dataset.clips[index]!;
      return { id, group, label };
    }),
    cells: [{ labelRate: 1, seed: 0, fold: null, epoch: checkpoint.epoch, rows }],
  };
  const { resamples, confidence, seed, bins } = options;
  const evaluation = evaluatePredictions(predictions, defined({ resamples, confidence, seed, bins }));
  const labelled = dataset.clips.filter(({ label }) => label !== null).length;
  const result: ExternalEvaluation = {
    ...{ format: 'uscl-external-evaluation', version: 1, frames, leaks, evaluation },
    model: { ...opened.identity(), epoch: checkpoint.epoch },
    dataset: { folder, name: dataset.manifest.name, hash: datasetHash(dataset) },
    mapping: mappingOf(classMap, opened.model.classes, fitted),
    clips: {
      scored: scored.length,
      unlabelled: dataset.clips.length - labelled,
      leftOut: labelled - scored.length,
    },
    overlap: overlap === null ? null : { seen: overlap.seen, labelsSeen: overlap.labelsSeen },
  };
  return { result, predictions };
}

interface ScoredClip {
  /** In the dataset. */
  readonly index: number;
  /** In the classes that are scored. */
  readonly label: number;
}

function scoredClips(dataset: Dataset, { labelOf }: FittedClasses): ScoredClip[] {
  return dataset.clips.flatMap(({ label: theirs }, index) => {
    const label = theirs === null ? null : (labelOf.get(theirs) ?? null);
    return label === null ? [] : [{ index, label }];
  });
}

function labelCounts(dataset: Dataset): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { label } of dataset.clips) if (label !== null) counts.set(label, (counts.get(label) ?? 0) + 1);
  return counts;
}

/** Probabilities of the classes that are scored, for every frame of every clip. */
async function predictRows(
  dataset: Dataset,
  scored: readonly ScoredClip[],
  model: Model,
  { classes, placeOf }: FittedClasses,
  { frames = 'all', signal, onProgress }: EvaluateRunOptions,
): Promise<PredictedClip[]> {
  const chosen = scored.map(({ index }) => {
    const { frames: count } = dataset.clips[index]!;
    return uniformFrames(count, frames === 'all' ? count : frames);
  });
  const total = chosen.reduce((sum, numbers) => sum + numbers.length, 0);
  const batcher = new FrameBatcher(model);
  const rows = chosen.map((numbers, clip): PredictedClip => ({
    clip,
    frames: numbers,
    probabilities: numbers.map(() => new Array<number>(classes.length).fill(0)),
  }));
  let done = 0;
  onProgress?.(0, total);
  for (const [clip, { index }] of scored.entries()) {
    const record = dataset.clips[index]!;
    const { probabilities } = rows[clip]!;
    for (const [i, frame] of chosen[clip]!.entries()) {
      const hasRun = batcher.add(dataset.readFrame(record, frame), record, (ofModel) => {
        for (const [c, p] of ofModel.entries()) probabilities[i]![placeOf[c]!]! += p;
      });
      done++;
      if (!hasRun) continue;
      onProgress?.(done, total, record.id);
      // Lets a signal be heard between batches.
      await setImmediate();
      signal?.throwIfAborted();
    }
  }
  batcher.flush();
  onProgress?.(total, total);
  // Sums of several probabilities may round to a hair above 1.
  return rows.map((row) => ({
    ...row,
    probabilities: row.probabilities.map((ofFrame) => ofFrame.map((p) => Math.min(1, p))),
  }));
}

function mappingOf(
  map: ClassMap | null,
  model: readonly string[],
  { classes, placeOf, labelOf, unused }: FittedClasses,
): ExternalEvaluation['mapping'] {
  const labels = [...labelOf].map(([theirs, place]): [string, string | null] => [
    theirs,
    place === null ? null : classes[place]!,
  ]);
  return {
    path: map?.path ?? null,
    labels: Object.fromEntries(labels),
    model: Object.fromEntries(model.map((ours, c) => [ours, classes[placeOf[c]!]!])),
    unused,
  };
}

const LEAK_REMEDY =
  'Evaluate on clips of other patients (uscl audit tells which clips two datasets share), or say --allow-leaks ' +
  'and the result will say it too. For the dataset that it was fine-tuned on, the run holds honest scores already.';

function nothingToScore(dataset: Dataset, where: string): UsclError {
  const labelled = dataset.clips.filter(({ label }) => label !== null).length;
  const [message, remedy] =
    labelled === 0
      ? [
          `Not one of the ${dataset.clips.length} clips has a label.`,
          'Ingest with labels (uscl ingest … --labels FILE); for probabilities without scores there is uscl predict.',
        ]
      : [
          `All ${labelled} labelled clips are left out by the file of classes.`,
          'Say of at least one of their classes which of the model it is.',
        ];
  return dataError('EVALUATE_EMPTY', message, remedy, { where });
}

const ABOUT = 'evaluation.json';
const OURS: readonly string[] = [ABOUT, PREDICTIONS_FILE, RUN_FILES.metrics];

/**
 * Refuses a place that must not be written to; writes nothing. Errors: `EVALUATION_EXISTS`, `OUTPUT_NOT_OURS`.
 */
export function checkResultFolder(folder: string, overwrite: boolean): void {
  const names = requireOurs(folder, 'an evaluation', (name) => OURS.includes(name));
  if (names.length > 0 && !names.includes(ABOUT)) requireOurs(folder, 'an evaluation', () => false);
  if (names.length === 0 || overwrite) return;
  throw usageError(
    'EVALUATION_EXISTS',
    `There is already an evaluation at ${folder}.`,
    'Say --overwrite to replace it, or choose another folder.',
    { where: folder },
  );
}

/** Writes the folder. Errors: those of `checkResultFolder`; `DISK_FULL`, `WRITE_FAILED`. */
export function writeResultFolder(
  folder: string,
  { evaluation, ...about }: ExternalEvaluation,
  predictions: Predictions,
  overwrite: boolean,
): void {
  checkResultFolder(folder, overwrite);
  const place = resolve(folder);
  const parent = dirname(place);
  const text = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;
  const fresh = guardWrites(folder, () => {
    mkdirSync(parent, { recursive: true });
    return mkdtempSync(join(parent, `.${basename(place)}.`));
  });
  try {
    writeFileAtomic(join(fresh, ABOUT), [text(about)]);
    writePredictions(join(fresh, PREDICTIONS_FILE), predictions);
    writeFileAtomic(join(fresh, RUN_FILES.metrics), [text(evaluation)]);
    guardWrites(folder, () => {
      const old = `${fresh}.old`;
      if (existsSync(place)) renameSync(place, old);
      renameSync(fresh, place);
      rmSync(old, { recursive: true, force: true });
      syncFolder(parent);
    });
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}
