/**
 * What a study keeps: one small JSON file for each finished job, one for each failed one, and one for each target. They
 * hold numbers, no frames, weights, or names of clips and patients, so they may be published where the data may not, and
 * another machine can go on from them. Every file is written whole or not at all.
 */
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { dataError } from '../base/errors.ts';
import { guardWrites, writeFileAtomic } from '../base/files.ts';
import { readRunFile } from '../runs/run-folder.ts';
import { READERS } from './study-file.ts';

const madeSchema = z.strictObject({
  /** Commit of the program; null outside of a checkout. */
  revision: z.string().nullable(),
  version: z.string(),
  cpu: z.string(),
  /** Kernels and precision. */
  library: z.string(),
  /** When it was finished, ISO 8601. */
  at: z.string(),
  /** Wall time, and processor time of the process meanwhile. */
  seconds: z.number(),
  processorSeconds: z.number(),
});
export type WeightsRecord = Readonly<z.infer<typeof weightsSchema>>;
export type Made = Readonly<z.infer<typeof madeSchema>>;

const weightsSchema = z.strictObject({
  /** Name of the file or run. */
  file: z.string(),
  sha256: z.string(),
  /** Sets and their licences; null where nothing says so. */
  learntFrom: z.array(z.string()).nullable(),
});

const head = {
  version: z.literal(1),
  job: z.string(),
  variant: z.string(),
  seed: z.int(),
  /** Digest of all that decided the result. */
  key: z.string(),
  /** Digest of the registered plan; null without one. */
  plan: z.string().nullable(),
  /** Of a recipe that takes weights from a file. */
  weights: weightsSchema.optional(),
  made: madeSchema,
};

const curveSchema = z.array(z.tuple([z.number(), z.number()]));

const pretrainingSchema = z.strictObject({
  format: z.literal('uscl-study-pretraining'),
  ...head,
  set: z.string(),
  steps: z.int(),
  /** Training clips, and pairs (or samples) of a step. */
  clips: z.int(),
  batch: z.int(),
  /** Median over steps. */
  stepSeconds: z.number(),
  /** [step, value], thinned: the loss of training and what the method measures on held-out clips. */
  loss: curveSchema,
  validation: z.record(z.string(), curveSchema),
});

const predictedSchema = z.strictObject({
  reader: z.enum(READERS),
  /** 1 for a probe. */
  labelRate: z.number(),
  /** The predicted class of every clip of the target, a sign each (0–9, a–z; - where it was not tested), by folding. */
  predicted: z.array(z.string()).min(1),
  balancedAccuracy: z.number(),
  auroc: z.number().nullable(),
  /** Of fine-tuning: how often inner clips chose each candidate. */
  chosen: z.record(z.string(), z.int()).optional(),
});
export type Predicted = Readonly<z.infer<typeof predictedSchema>>;

const scoreSchema = z.strictObject({
  format: z.literal('uscl-study-score'),
  ...head,
  kind: z.enum(['probe', 'finetune', 'sources']),
  /** A target; of the shortcut meter, a set. */
  target: z.string(),
  /** Digest of the target's file: the clips that signs stand for. */
  clips: z.string(),
  readings: z.array(predictedSchema).min(1),
});

const failureSchema = z.strictObject({
  format: z.literal('uscl-study-failure'),
  ...head,
  error: z.strictObject({
    code: z.string(),
    message: z.string(),
    where: z.string().nullable(),
    remedy: z.string(),
  }),
});

/** A target's clips without their names. */
const targetSchema = z.strictObject({
  format: z.literal('uscl-study-target'),
  version: z.literal(1),
  name: z.string(),
  classes: z.array(z.string()).min(2).max(36),
  /** A sign each clip. */
  labels: z.string(),
  /** Number of each clip's group. */
  groups: z.array(z.int().min(0)),
});

export type PretrainingRecord = Readonly<z.infer<typeof pretrainingSchema>>;
export type ScoreRecord = Readonly<z.infer<typeof scoreSchema>>;
export type FailureRecord = Readonly<z.infer<typeof failureSchema>>;
export type TargetRecord = Readonly<z.infer<typeof targetSchema>>;
export type ResultRecord = PretrainingRecord | ScoreRecord;

const resultSchema = z.discriminatedUnion('format', [pretrainingSchema, scoreSchema]);

const REMEDY = 'Restore that file from a copy, or remove it: its job is then done again.';

/** The results of a study in one folder. */
export class Results {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
    guardWrites(folder, () => {
      for (const part of ['jobs', 'failed', 'targets']) mkdirSync(join(folder, part), { recursive: true });
    });
  }

  has(job: string): boolean {
    return existsSync(join(this.folder, 'jobs', `${job}.json`));
  }

  hasFailed(job: string): boolean {
    return existsSync(join(this.folder, 'failed', `${job}.json`));
  }

  /** The result of a job; null where it is not done. Error: `STUDY_DAMAGED`. */
  read(job: string): ResultRecord | null {
    return this.#read(join('jobs', `${job}.json`), resultSchema);
  }

  /** How a job failed; null where it did not. Error: `STUDY_DAMAGED`. */
  readFailure(job: string): FailureRecord | null {
    return this.#read(join('failed', `${job}.json`), failureSchema);
  }

  /** The clips of a target; null where they are not known yet. Error: `STUDY_DAMAGED`. */
  readTarget(name: string): TargetRecord | null {
    return this.#read(join('targets', `${name}.json`), targetSchema);
  }

  /** Keeps a result; a failure of the same job is forgotten. Errors: those of writing. */
  keep(record: ResultRecord): void {
    this.#write(join('jobs', `${record.job}.json`), record);
    this.forgetFailure(record.job);
  }

  keepFailure(record: FailureRecord): void {
    this.#write(join('failed', `${record.job}.json`), record);
  }

  keepTarget(record: TargetRecord): void {
    this.#write(join('targets', `${record.name}.json`), record);
  }

  forgetFailure(job: string): void {
    rmSync(join(this.folder, 'failed', `${job}.json`), { force: true });
  }

  #read<Parsed>(file: string, schema: z.ZodType<Parsed>): Parsed | null {
    const path = join(this.folder, file);
    if (!existsSync(path)) return null;
    return readRunFile(path, schema, {
      code: 'STUDY_DAMAGED',
      what: 'A result of the study',
      remedy: REMEDY,
    });
  }

  #write(file: string, value: unknown): void {
    writeFileAtomic(join(this.folder, file), [`${JSON.stringify(value)}\n`]);
  }
}

/** Signs of classes in order. */
const SIGNS = '0123456789abcdefghijklmnopqrstuvwxyz';
/** The sign of a clip that was not tested. */
const NOT_TESTED = '-';

/** Class numbers as signs; null: not tested. Error: `STUDY_CLASSES` beyond 36 classes. */
export function signsOf(classes: readonly (number | null)[]): string {
  return classes
    .map((number) => {
      const sign = number === null ? NOT_TESTED : SIGNS[number];
      if (sign !== undefined) return sign;
      throw dataError(
        'STUDY_CLASSES',
        `A study tells at most ${SIGNS.length} classes apart, and there are more.`,
        'Choose a target with fewer classes.',
      );
    })
    .join('');
}

/** Class numbers of signs; null: not tested. */
export function classesOf(signs: string): readonly (number | null)[] {
  return Array.from(signs, (sign) => (sign === NOT_TESTED ? null : SIGNS.indexOf(sign)));
}
