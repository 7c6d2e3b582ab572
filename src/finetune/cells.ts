/**
 * The trainings of a run: which there are, in which order, and the file that each leaves when it is done. A fold is done
 * exactly when its file is there and says that it was made under the run's configuration. In the folder of a run:
 *
 *     config.json         FinetuneConfig, complete; "task": "finetune"
 *     environment.json    as of pretraining
 *     dataset.json        provenance: every clip of the dataset, role and whether its label was used
 *     source.json         where the weights came from, and the provenance of the run that made them
 *     folds.json          which clip is tested in which fold of which seed; leaks found and allowed
 *     log.jsonl           an entry an epoch (`EpochEntry`)
 *     cells/NAME.json     one fold done: its predictions of the test clips at the chosen epoch
 *     predictions.json    those of all folds (`predictions.ts` of evaluation)
 *     metrics.json        the evaluation of them
 *     curves.svg
 *     checkpoints/best.safetensors   the final model, trained on all labelled clips
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { writeFileAtomic } from '../base/files.ts';
import { type PredictedClip, predictionsSchema } from '../evaluation/scores/predictions.ts';
import { resumeChanged } from '../runs/resume.ts';
import { FINETUNE_FILES, readRunFile } from '../runs/run-folder.ts';
import { type FinetuneConfig, seedsOf } from './config.ts';

/** One training: a label rate, a seed and a fold; `fold` null: the final model, on all labelled clips. */
export interface CellKey {
  readonly labelRate: number;
  readonly seed: number;
  readonly fold: number | null;
}

/** `0.25-s0-f3`, `1-s0-final`. */
export function cellName({ labelRate, seed, fold }: CellKey): string {
  return `${labelRate}-s${seed}-${fold === null ? 'final' : `f${fold}`}`;
}

export const CELL_FILES = {
  done: (run: string, key: CellKey): string => join(run, FINETUNE_FILES.cells, `${cellName(key)}.json`),
  /** Weights of the chosen epoch, where models are kept. */
  model: (run: string, key: CellKey): string =>
    join(run, FINETUNE_FILES.cells, `${cellName(key)}.safetensors`),
  /** Where an unfinished fold stands. */
  partial: (run: string): string => join(run, FINETUNE_FILES.cells, 'partial.safetensors'),
} as const;

/** What an epoch is chosen by. */
export const epochScoreSchema = z.strictObject({
  /** Mean over frames of −ln of the probability of the label. */
  loss: z.number(),
  /** Share of frames predicted right. */
  frameAccuracy: z.number(),
  /** Balanced accuracy of clips by mean probability, over the classes that occur. */
  balancedAccuracy: z.number(),
});
export type EpochScore = Readonly<z.infer<typeof epochScoreSchema>>;

const cellSchema = z.strictObject({
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
  /** Of training this fold, over all calls. */
  seconds: z.number(),
  /** `clip` indexes the dataset's clips. */
  rows: predictionsSchema.shape.cells.element.shape.rows,
});
export type CellRecord = Readonly<z.infer<typeof cellSchema>> & { readonly rows: readonly PredictedClip[] };

/** Every training of a run, in the order they are made: seeds outermost, since random weights change with the seed. */
export function cellKeys(config: FinetuneConfig, folds: number): readonly CellKey[] {
  const keys = seedsOf(config).flatMap((seed) =>
    config.labelRates.flatMap((labelRate) =>
      Array.from({ length: folds }, (_, fold) => ({ labelRate, seed, fold })),
    ),
  );
  const final: CellKey = { labelRate: Math.max(...config.labelRates), seed: config.seed, fold: null };
  return config.finalModel ? [...keys, final] : keys;
}

/** Writes a done training, whole or not at all. */
export function writeCell(run: string, record: Omit<CellRecord, 'format' | 'version'>): void {
  const whole = { format: 'uscl-finetune-cell', version: 1, ...record };
  writeFileAtomic(CELL_FILES.done(run, record), [`${JSON.stringify(whole)}\n`]);
}

/** The done training `key`; null where it is not done. Errors: `CELL_DAMAGED`, `RESUME_CHANGED`. */
export function readCell(run: string, key: CellKey, configHash: string): CellRecord | null {
  const path = CELL_FILES.done(run, key);
  if (!existsSync(path)) return null;
  const record: CellRecord = readRunFile(path, cellSchema, {
    code: 'CELL_DAMAGED',
    what: `The result of the fold ${cellName(key)}`,
    remedy: 'Remove that file: with --resume this fold alone is trained again.',
  });
  if (record.configHash === configHash && cellName(record) === cellName(key)) return record;
  throw resumeChanged(path, `The fold ${cellName(key)} was trained under another configuration.`);
}
