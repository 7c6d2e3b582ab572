/**
 * The trainings of a run: which there are, in which order, and the file that each leaves when it is done. A fold is done
 * exactly when its file is there and says that it was made under the run's configuration.
 */
import { existsSync, readFileSync } from 'node:fs';
import { z } from 'zod';
import { UsclError } from '../../base/errors.ts';
import { writeFileAtomic } from '../../base/files.ts';
import { type PredictedClip, predictionsSchema } from '../../evaluation/predictions.ts';
import { type FinetuneConfig, seedsOf } from './config.ts';
import { CELL_FILES, type CellKey, cellName } from './run-files.ts';

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
  score: z
    .strictObject({ loss: z.number(), frameAccuracy: z.number(), balancedAccuracy: z.number() })
    .nullable(),
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
  let record: CellRecord;
  try {
    record = cellSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch (thrown) {
    throw new UsclError({
      kind: 'data',
      code: 'CELL_DAMAGED',
      message: `The result of the fold ${cellName(key)} cannot be read.`,
      where: path,
      remedy: 'Remove that file: with --resume this fold alone is trained again.',
      cause: thrown,
    });
  }
  if (record.configHash === configHash && cellName(record) === cellName(key)) return record;
  throw new UsclError({
    kind: 'usage',
    code: 'RESUME_CHANGED',
    message: `The fold ${cellName(key)} was trained under another configuration.`,
    where: path,
    remedy: 'Resume with what the run was started with, or start a new run in another folder.',
  });
}
