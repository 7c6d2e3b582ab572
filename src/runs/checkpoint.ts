/**
 * Checkpoints, each one safetensors file. Weights and running statistics have torchvision's names, so that any
 * reader of the format can take the backbone out. Optimizer state is beside them. Everything else is metadata. The file carries the SHA-256 of its tensors: a
 * damaged file is refused, never half-read.
 */
import { createHash } from 'node:crypto';
import { existsSync, linkSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { dataError, UsclError } from '../base/errors.ts';
import { guardWrites } from '../base/files.ts';
import type { Parameters } from '../engine/core/backend.ts';
import type { Optimizer } from '../engine/core/optimizer.ts';
import { readSafetensors, writeSafetensors } from '../formats/safetensors.ts';
import { frameViewSchema } from '../views/config.ts';
import { ingestedSchema } from './ingested.ts';
import {
  mismatch,
  type NamedArray,
  type NamedVector,
  namedVectors,
  restoreVectors,
  tensorsIn,
  type Weights,
} from './named-tensors.ts';

const FORMAT = 'uscl-checkpoint';

/** The best score so far and where it was reached. */
export interface Best {
  readonly step: number;
  readonly epoch: number;
  readonly score: number;
}

/** The network that the weights fit. */
const modelSchema = z.strictObject({
  backbone: z.enum(['resnet18', 'resnet34', 'resnet50']),
  width: z.int().min(1),
  channels: z.union([z.literal(1), z.literal(3)]),
  size: z.int().min(8),
});

/** Metadata are strings; these hold JSON. */
export const jsonText = z.string().transform((text, context): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    context.addIssue({ code: 'custom', message: 'not JSON' });
    return z.NEVER;
  }
});

/** These hold whole numbers. */
export const numberText = z.coerce.number().pipe(z.int().min(0));

const metadataSchema = z.object({
  format: z.literal(FORMAT),
  version: z.literal('1'),
  /** `full` can be resumed; `weights` has no optimizer state. */
  contents: z.enum(['full', 'weights']),
  step: numberText,
  epoch: numberText,
  optimizerSteps: numberText,
  configHash: z.string(),
  datasetHash: z.string(),
  best: jsonText.pipe(z.strictObject({ step: z.int(), epoch: z.int(), score: z.number() }).nullable()),
  model: jsonText.pipe(modelSchema),
  /** The epoch that ends here could not be scored yet. */
  unscored: z.literal('true').optional(),
  /** Of a fine-tuned network: what its scores mean and how its images are made, so that it predicts on its own. */
  classifier: jsonText
    .pipe(
      z.strictObject({
        classes: z.array(z.string()).min(2),
        view: frameViewSchema,
        /** Missing where nobody said. */
        ingest: ingestedSchema.optional(),
      }),
    )
    .optional(),
  sha256: z.string(),
});

/**
 * Where a run stood when the checkpoint was made.
 * @interface
 */
export type CheckpointState = Omit<
  z.infer<typeof metadataSchema>,
  'format' | 'version' | 'sha256' | 'contents'
>;

/** A checkpoint that was read and verified: where the run stood, and its tensors. */
export interface Checkpoint extends CheckpointState {
  readonly contents: 'full' | 'weights';
  readonly tensors: Weights;
}

/** Files of a run's `checkpoints` folder. */
export const CHECKPOINTS = {
  last: 'last.safetensors',
  /** The `last` before the last; taken when `last` turns out damaged. */
  previous: 'previous.safetensors',
  best: 'best.safetensors',
  kept: (epoch: number): string => `epoch-${String(epoch).padStart(5, '0')}.safetensors`,
} as const;

/** The state that training needs beyond the weights. */
export interface TrainingState {
  readonly optimizer: Optimizer;
  /** Other vectors that change from step to step. */
  readonly others: readonly NamedVector[];
}

/**
 * Writes a checkpoint, durably and whole or not at all. Without a training state only weights are written.
 * Errors: `DISK_FULL`, `WRITE_FAILED`; the file that was there is then untouched.
 */
export function saveCheckpoint(
  path: string,
  state: CheckpointState,
  parameters: Parameters,
  training: TrainingState | null,
): void {
  writeTensors(path, tensorsIn(allVectors(parameters, training)), {
    format: FORMAT,
    version: '1',
    contents: training === null ? 'weights' : 'full',
    step: String(state.step),
    epoch: String(state.epoch),
    optimizerSteps: String(state.optimizerSteps),
    configHash: state.configHash,
    datasetHash: state.datasetHash,
    best: JSON.stringify(state.best),
    model: JSON.stringify(state.model),
    ...(state.unscored === undefined ? {} : { unscored: state.unscored }),
    ...(state.classifier === undefined ? {} : { classifier: JSON.stringify(state.classifier) }),
  });
}

/** Writes tensors and metadata with the digest that `readTensors` checks. Errors: `DISK_FULL`, `WRITE_FAILED`. */
export function writeTensors(
  path: string,
  tensors: readonly NamedArray[],
  metadata: Readonly<Record<string, string>>,
): void {
  writeSafetensors(path, tensors, { ...metadata, sha256: digest(tensors) });
}

/** Saves `last`; the one before stays as `previous` (a second name of the same file, so no moment is without one). */
export function saveLast(
  folder: string,
  state: CheckpointState,
  parameters: Parameters,
  training: TrainingState,
): void {
  const last = join(folder, CHECKPOINTS.last);
  guardWrites(last, () => {
    mkdirSync(folder, { recursive: true });
    if (!existsSync(last)) return;
    const link = join(folder, '.previous.tmp');
    rmSync(link, { force: true });
    linkSync(last, link);
    renameSync(link, join(folder, CHECKPOINTS.previous));
  });
  saveCheckpoint(last, state, parameters, training);
}

/**
 * Reads and verifies a checkpoint. Errors: `CHECKPOINT_MISSING`, `CHECKPOINT_DAMAGED` (not whole, or its bytes do not
 * have the digest they were written with), `CHECKPOINT_FOREIGN` (a sound file that is no checkpoint of this program).
 */
export function readCheckpoint(path: string): Checkpoint {
  if (!existsSync(path))
    throw dataError(
      'CHECKPOINT_MISSING',
      `There is no checkpoint at ${path}.`,
      'Give a run folder that holds checkpoints/last.safetensors, or start the run anew.',
      { where: path },
    );
  const { metadata, tensors } = readTensors(path, metadataSchema);
  return { ...metadata, tensors };
}

/** Reads and verifies what `writeTensors` wrote. Errors: `CHECKPOINT_DAMAGED`, `CHECKPOINT_FOREIGN`. */
export function readTensors<Metadata extends { readonly sha256: string }>(
  path: string,
  schema: z.ZodType<Metadata>,
): { readonly metadata: Metadata; readonly tensors: ReadonlyMap<string, NamedArray> } {
  let file;
  try {
    file = readSafetensors(path);
  } catch (thrown) {
    if (!(thrown instanceof UsclError)) throw thrown;
    throw damaged(path, thrown.message, thrown);
  }
  const metadata = schema.safeParse(file.metadata);
  if (!metadata.success) {
    const issue = metadata.error.issues[0];
    throw dataError(
      'CHECKPOINT_FOREIGN',
      `${path} is not a checkpoint of this program: its metadata lack a valid "${issue?.path.join('.') ?? 'format'}".`,
      'Give a checkpoint that `uscl pretrain` wrote.',
      { where: path },
    );
  }
  const tensors = new Map<string, NamedArray>();
  for (const [name, { shape, data }] of file.tensors) {
    if (!(data instanceof Float32Array)) throw damaged(path, `the tensor ${name} is not f32`);
    tensors.set(name, { name, shape, data });
  }
  if (digest([...tensors.values()]) !== metadata.data.sha256)
    throw damaged(path, 'its bytes have changed since it was written');
  return { metadata: metadata.data, tensors };
}

/** Copies weights, statistics and training state. Errors: as `restoreWeights`, and for weights only. */
export function restoreAll(
  checkpoint: Checkpoint,
  parameters: Parameters,
  training: TrainingState,
  path: string,
): void {
  if (checkpoint.contents !== 'full')
    throw mismatch(
      path,
      'optimizer',
      'is missing: this checkpoint holds weights only, so it cannot be resumed',
    );
  restoreVectors(checkpoint.tensors, allVectors(parameters, training), path);
  training.optimizer.steps = checkpoint.optimizerSteps;
}

function allVectors(parameters: Parameters, training: TrainingState | null): NamedVector[] {
  return [...namedVectors(parameters, training?.optimizer ?? null), ...(training?.others ?? [])];
}

/** Over names and bytes in the order of names, so it does not depend on how a writer lays tensors out. */
function digest(tensors: readonly NamedArray[]): string {
  const hash = createHash('sha256');
  for (const { name, data } of [...tensors].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    hash.update(`${name}\n`);
    hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.digest('hex');
}

function damaged(path: string, reason: string, cause?: unknown): UsclError {
  return dataError(
    'CHECKPOINT_DAMAGED',
    `The checkpoint ${path} is damaged: ${reason}.`,
    'Use an earlier checkpoint of the run (previous, best or a kept epoch), or a backup.',
    { where: path, cause },
  );
}
