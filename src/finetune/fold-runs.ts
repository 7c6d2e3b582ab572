/**
 * The fold runs of a fine-tuning: their order, and the file that each writes when it is done. A fold run is one training
 * of the classifier, with one label rate, seed and fold. It is done exactly when its file exists and names the run's
 * configuration. The folder of a fine-tuning run holds:
 *
 *     config.json         FinetuneConfig, complete; "task": "finetune"
 *     environment.json    as of pretraining
 *     dataset.json        provenance: every clip of the dataset, role and whether its label was used
 *     source.json         where the weights came from, and the provenance of the run that made them
 *     folds.json          which clip is tested in which fold of which seed; leaks found and allowed
 *     log.jsonl           an entry an epoch (`EpochEntry`)
 *     cells/NAME.json     one fold run done: its predictions of the test clips at the chosen epoch
 *     cells/NAME.partial.safetensors   one that is not done: its state, until it is
 *     predictions.json    those of all folds (`predictions.ts` of evaluation)
 *     metrics.json        the evaluation of them
 *     curves.svg
 *     checkpoints/best.safetensors   the final model, trained on all labelled clips
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { writeFileAtomic } from '../base/files.ts';
import { type PredictedClip, predictionsSchema } from '../evaluation/scores/predictions.ts';
import { resumeChanged } from '../runs/resume.ts';
import { FINETUNE_FILES, readRunFile } from '../runs/run-folder.ts';
import { type FinetuneConfig, seedsOf } from './config.ts';

/** The identity of a fold run. `fold` is null for the final model, which trains on all labelled clips. */
export interface FoldRunKey {
  readonly labelRate: number;
  readonly seed: number;
  readonly fold: number | null;
}

/** Name of a fold run in file names: `0.25-s0-f3`, `1-s0-final`. */
export function foldRunName({ labelRate, seed, fold }: FoldRunKey): string {
  return `${labelRate}-s${seed}-${fold === null ? 'final' : `f${fold}`}`;
}

export const FOLD_RUN_FILES = {
  done: (run: string, key: FoldRunKey): string =>
    join(run, FINETUNE_FILES.foldRuns, `${foldRunName(key)}.json`),
  /** Weights of the chosen epoch, where models are kept. */
  model: (run: string, key: FoldRunKey): string =>
    join(run, FINETUNE_FILES.foldRuns, `${foldRunName(key)}.safetensors`),
  /** The state of an unfinished fold run. */
  partial: (run: string, key: FoldRunKey): string =>
    join(run, FINETUNE_FILES.foldRuns, `${foldRunName(key)}.partial.safetensors`),
  /** The same of earlier versions, which had one at a time. */
  earlierPartial: (run: string): string => join(run, FINETUNE_FILES.foldRuns, 'partial.safetensors'),
} as const;

/** The scores that choose an epoch. */
export const epochScoreSchema = z.strictObject({
  /** Mean over frames of −ln of the probability of the label. */
  loss: z.number(),
  /** Share of frames predicted right. */
  frameAccuracy: z.number(),
  /** Balanced accuracy of clips by mean probability, over the classes that occur. */
  balancedAccuracy: z.number(),
});
export type EpochScore = Readonly<z.infer<typeof epochScoreSchema>>;

const foldRunSchema = z.strictObject({
  format: z.literal('uscl-finetune-cell'),
  version: z.literal(1),
  labelRate: z.number(),
  seed: z.int(),
  fold: z.int().nullable(),
  configHash: z.string(),
  /** The chosen epoch, from 0. */
  epoch: z.int().min(0),
  /** Epochs trained. */
  epochs: z.int().min(1),
  /** Which clips chose it; `nothing`: too few were labelled, so the last epoch is taken. */
  chosenOn: z.enum(['inner', 'test', 'nothing']),
  score: epochScoreSchema.nullable(),
  trainingClips: z.int().min(1),
  innerClips: z.int().min(0),
  testClips: z.int().min(0),
  /** Clips that were shown without a label; where a method learns from them. */
  unlabelledClips: z.int().min(0).optional(),
  /** Training time of this fold run, over all calls. */
  seconds: z.number(),
  /** `clip` indexes the dataset's clips. */
  rows: predictionsSchema.shape.cells.element.shape.rows,
});
export type FoldRunRecord = Readonly<z.infer<typeof foldRunSchema>> & {
  readonly rows: readonly PredictedClip[];
};

/** All fold runs in the order of training. Seeds are outermost, since random weights change with the seed. */
export function foldRunKeys(config: FinetuneConfig, folds: number): readonly FoldRunKey[] {
  const keys = seedsOf(config).flatMap((seed) =>
    config.labelRates.flatMap((labelRate) =>
      Array.from({ length: folds }, (_, fold) => ({ labelRate, seed, fold })),
    ),
  );
  const final: FoldRunKey = { labelRate: Math.max(...config.labelRates), seed: config.seed, fold: null };
  return config.finalModel ? [...keys, final] : keys;
}

/** Writes a finished fold run, whole or not at all. */
export function writeFoldRun(run: string, record: Omit<FoldRunRecord, 'format' | 'version'>): void {
  const whole = { format: 'uscl-finetune-cell', version: 1, ...record };
  writeFileAtomic(FOLD_RUN_FILES.done(run, record), [`${JSON.stringify(whole)}\n`]);
}

/** Reads the finished fold run `key`; null where it is not done. Errors: `FOLD_RUN_DAMAGED`, `RESUME_CHANGED`. */
export function readFoldRun(run: string, key: FoldRunKey, configHash: string): FoldRunRecord | null {
  const path = FOLD_RUN_FILES.done(run, key);
  if (!existsSync(path)) return null;
  const record = recordAt(path, foldRunName(key));
  if (record.configHash === configHash && foldRunName(record) === foldRunName(key)) return record;
  throw resumeChanged(path, `The fold ${foldRunName(key)} was trained under another configuration.`);
}

/** All finished fold runs of a run, in the order of their names. Error: `FOLD_RUN_DAMAGED`. */
export function finishedFoldRuns(run: string): readonly FoldRunRecord[] {
  const folder = join(run, FINETUNE_FILES.foldRuns);
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json') && !name.startsWith('.'))
    .sort()
    .map((name) => recordAt(join(folder, name), name));
}

function recordAt(path: string, name: string): FoldRunRecord {
  return readRunFile(path, foldRunSchema, {
    code: 'FOLD_RUN_DAMAGED',
    what: `The result of the fold ${name}`,
    remedy: 'Remove that file: with --resume this fold alone is trained again.',
  });
}
