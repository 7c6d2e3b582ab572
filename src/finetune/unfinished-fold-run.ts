/**
 * Saves an unfinished fold run, so that it can go on with the same bits. The state is a safetensors file with the
 * digest of its tensors. A file that is damaged, or of another configuration, is not used: the fold run starts over.
 */
import { existsSync, renameSync, rmSync } from 'node:fs';
import { z } from 'zod';
import { guardWrites } from '../base/files.ts';
import { jsonText, numberText, readTensors, writeTensors } from '../runs/checkpoint.ts';
import {
  type NamedArray,
  type NamedVector,
  namedVectors,
  restoreVectors,
  tensorsIn,
} from '../runs/named-tensors.ts';
import {
  FOLD_RUN_FILES,
  type FoldRunKey,
  foldRunName,
  type EpochScore,
  epochScoreSchema,
} from './fold-runs.ts';
import type { OpenRun } from './scoring.ts';
import type { Learner, Snapshot } from './learner.ts';

/** The best epoch so far. */
export interface BestEpoch {
  /** From 0. */
  readonly epoch: number;
  readonly score: EpochScore;
  readonly weights: Snapshot;
}

/** Sums over the steps of an epoch that is under way. */
const sumsSchema = z.strictObject({
  steps: z.int().min(0),
  loss: z.number(),
  /** Null where steps do not say it. */
  correct: z.int().min(0).nullable(),
  images: z.int().min(0),
  gradientNorm: z.number(),
  measured: z.record(z.string(), z.number()),
});
export const NO_SUMS: Readonly<z.infer<typeof sumsSchema>> = {
  steps: 0,
  loss: 0,
  correct: 0,
  images: 0,
  gradientNorm: 0,
  measured: {},
};

/** How far a fold run is: whole epochs, the best of them, and what was done of the next. */
export interface FoldRunProgress {
  readonly epochs: number;
  readonly best: BestEpoch | null;
  readonly sums: typeof NO_SUMS;
}

const metadataSchema = z.object({
  format: z.literal('uscl-finetune-partial'),
  /** 2: sums hold images and what a method measures. */
  version: z.literal('2'),
  /** Name of the fold run, under the key of the first version. */
  cell: z.string(),
  configHash: z.string(),
  epochs: numberText,
  sums: jsonText.pipe(sumsSchema),
  optimizerSteps: numberText,
  best: jsonText.pipe(z.strictObject({ epoch: z.int().min(0), score: epochScoreSchema }).nullable()),
  sha256: z.string(),
});

const BEST = { values: 'best.values', statistics: 'best.statistics' } as const;

type SavedFoldRun = Pick<OpenRun, 'run' | 'configHash' | 'learner'> & { readonly key: FoldRunKey };

/** What a started fold run changes from step to step. */
function changing({ weights, training: { optimizer, others } }: Learner): readonly NamedVector[] {
  return [...namedVectors(weights, optimizer), ...others];
}

/** Writes the state of the fold run, whole or not at all. Errors: `DISK_FULL`, `WRITE_FAILED`. */
export function savePartial(
  { run, key, configHash, learner }: SavedFoldRun,
  progress: FoldRunProgress,
): void {
  const { best } = progress;
  const flat = (name: string, data: Float32Array): NamedArray => ({ name, shape: [data.length], data });
  const tensors = [
    ...tensorsIn(changing(learner)),
    ...(best === null
      ? []
      : [flat(BEST.values, best.weights.values), flat(BEST.statistics, best.weights.statistics)]),
  ];
  writeTensors(FOLD_RUN_FILES.partial(run, key), tensors, {
    format: 'uscl-finetune-partial',
    version: '2',
    cell: foldRunName(key),
    configHash,
    epochs: String(progress.epochs),
    sums: JSON.stringify(progress.sums),
    optimizerSteps: String(learner.training.optimizer.steps),
    best: JSON.stringify(best === null ? null : { epoch: best.epoch, score: best.score }),
  });
}

/** Restores the saved state; null where nothing usable was saved of this fold run. `note` is told why, if known. */
export function restorePartial(
  { run, key, configHash, learner }: SavedFoldRun,
  note: (text: string) => void,
): FoldRunProgress | null {
  const path = FOLD_RUN_FILES.partial(run, key);
  if (!existsSync(path)) return null;
  const found = readPartial({ run, key, configHash });
  if (found === 'damaged') {
    note(
      `The state of the unfinished fold is damaged, or of an earlier version; ${foldRunName(key)} starts over.`,
    );
    return null;
  }
  if (found === 'other') return null;
  const { metadata, tensors } = found;
  const vectors = changing(learner);
  const places = vectors.flatMap((vector) => vector.tensors);
  if (places.some(({ name, length }) => tensors.get(name)?.data.length !== length)) return null;
  restoreVectors(tensors, vectors, path);
  learner.training.optimizer.steps = metadata.optimizerSteps;
  const [values, statistics] = [tensors.get(BEST.values), tensors.get(BEST.statistics)];
  const best =
    metadata.best === null || values === undefined || statistics === undefined
      ? null
      : { ...metadata.best, weights: { values: values.data, statistics: statistics.data } };
  return { epochs: metadata.epochs, best, sums: metadata.sums };
}

/** Whole epochs of the fold run in its saved state; 0 where nothing usable was saved. */
export function savedEpochs(saved: Omit<SavedFoldRun, 'learner'>): number {
  if (!existsSync(FOLD_RUN_FILES.partial(saved.run, saved.key))) return 0;
  const found = readPartial(saved);
  return typeof found === 'string' ? 0 : found.metadata.epochs;
}

/** The saved state as a file; or why it is of no use: damaged, or of another fold run or configuration. */
function readPartial({ run, key, configHash }: Omit<SavedFoldRun, 'learner'>) {
  let found;
  try {
    found = readTensors(FOLD_RUN_FILES.partial(run, key), metadataSchema);
  } catch {
    return 'damaged';
  }
  const { cell, configHash: hash } = found.metadata;
  return cell === foldRunName(key) && hash === configHash ? found : 'other';
}

/** Gives the state that an earlier version saved the name of its fold run: it was the first that is not done. */
export function renameEarlierPartial(run: string, first: FoldRunKey): void {
  const earlier = FOLD_RUN_FILES.earlierPartial(run);
  if (existsSync(earlier))
    guardWrites(earlier, () => {
      renameSync(earlier, FOLD_RUN_FILES.partial(run, first));
    });
}

/** Removes the saved state: the fold run is done, or starts over. */
export function removePartial(run: string, key: FoldRunKey): void {
  const path = FOLD_RUN_FILES.partial(run, key);
  guardWrites(path, () => {
    rmSync(path, { force: true });
  });
}
