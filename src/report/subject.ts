/**
 * What a report tells of: one run, read from its folder and checked. A report computes no score; what a run has not got
 * is null here, and the page says how to make it.
 */
import { existsSync, statSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { z } from 'zod';
import { dataError, usageError, type UsclError } from '../base/errors.ts';
import { type Evaluation, evaluationSchema } from '../evaluation/scores/evaluation-result.ts';
import {
  type Explanation,
  EXPLANATION_FOLDER,
  readExplanation,
} from '../evaluation/explanations/explanation.ts';
import { type Predictions, PREDICTIONS_FILE, readPredictions } from '../evaluation/scores/predictions.ts';
import type { Config } from '../runs/config.ts';
import { type FinetuneConfig, finetuneSchema } from '../finetune/config.ts';
import { type EpochEntry, readEpochLog } from '../finetune/epoch-log.ts';
import { foldsRecordSchema } from '../finetune/fold-plan.ts';
import { type LogEntry, readLog } from '../runs/log.ts';
import { readProbes, type RunProbe } from '../probe/probe-run.ts';
import { type Provenance, provenanceSchema, type Source, sourceSchema } from '../runs/provenance.ts';
import {
  FINETUNE_FILES,
  isRun,
  readConfigAs,
  readRunConfig,
  readRunFile,
  RUN_FILES,
  taskOf,
} from '../runs/run-folder.ts';

const environmentSchema = z.object({
  uscl: z.string(),
  node: z.string(),
  system: z.string(),
  cpu: z.string(),
  processors: z.number(),
  memory: z.number(),
  backend: z.object({
    name: z.string(),
    library: z.string(),
    instructionSet: z.string(),
    threads: z.number(),
  }),
  revision: z.string().nullable(),
});

const overlapSchema = z.object({ seen: z.int(), labelsSeen: z.int() }).nullable();

/** What `uscl evaluate --out` says about itself. */
const aboutSchema = z.object({
  model: z.object({ path: z.string(), sha256: z.string() }).partial().loose(),
  dataset: z.object({ name: z.string(), hash: z.string() }),
  frames: z.union([z.int(), z.literal('all')]),
  mapping: z.object({ labels: z.record(z.string(), z.string().nullable()) }),
  clips: z.object({ scored: z.int(), unlabelled: z.int(), leftOut: z.int() }),
  overlap: overlapSchema,
  leaks: z.array(z.string()),
});
type About = Readonly<z.infer<typeof aboutSchema>>;
const ABOUT = 'evaluation.json';

/** What was found about tested clips that a training had met before; overlap null where that is not known. */
type LeakAudit = Pick<z.infer<typeof foldsRecordSchema>, 'leaks' | 'overlap' | 'joined'>;

interface Common {
  readonly folder: string;
  /** How the page calls it: the folder's own name. */
  readonly name: string;
  readonly environment: z.infer<typeof environmentSchema> | null;
  /** The clips it went through; null where the run has not said. */
  readonly data: Provenance | null;
  readonly explanation: Explanation | null;
}

/** A pretraining run. */
export interface PretrainSubject extends Common {
  readonly kind: 'pretraining';
  readonly config: Config;
  readonly log: readonly LogEntry[];
  /** The weights that it started from; null for random ones. */
  readonly source: Source | null;
  /** What `uscl probe` found, a dataset each. */
  readonly probes: readonly RunProbe[];
  /** Whether it came to its end. */
  readonly complete: boolean;
}

/** Predictions and what they are worth. */
interface Scored {
  readonly evaluation: Evaluation;
  readonly predictions: Predictions;
  /** Null where the run has not said. */
  readonly audit: LeakAudit | null;
}

/** A fine-tuning run. */
export interface FinetuneSubject extends Common, Scored {
  readonly kind: 'finetuning';
  readonly config: FinetuneConfig;
  readonly log: readonly EpochEntry[];
  /** Where its weights came from; null where the run has not said. */
  readonly source: Source | null;
}

/** A finished model put to a dataset; `audit` says what of it training had seen. */
interface ExternalSubject extends Common, Scored {
  readonly kind: 'evaluation';
  readonly about: About | null;
}

export type Subject = PretrainSubject | FinetuneSubject | ExternalSubject;
export type ScoredSubject = FinetuneSubject | ExternalSubject;

/** Whether there are scores to tell of. */
export function isScored(subject: Subject): subject is ScoredSubject {
  return subject.kind !== 'pretraining';
}

/**
 * Reads the run in `folder`, or what `uscl evaluate --out` left there.
 * Errors: `REPORT_NO_RUN`, `REPORT_UNFINISHED`, `RUN_DAMAGED`, `PREDICTIONS_INVALID`, `EXPLANATION_DAMAGED`.
 */
export function readSubject(folder: string): Subject {
  if (!isRun(folder) && !existsSync(join(folder, PREDICTIONS_FILE))) throw noRun(folder);
  const common: Common = {
    folder,
    name: basename(resolve(folder)),
    environment: readOptional(join(folder, RUN_FILES.environment), environmentSchema),
    data: readOptional(join(folder, RUN_FILES.dataset), provenanceSchema),
    explanation: readExplanation(join(folder, EXPLANATION_FOLDER)),
  };
  if (!isRun(folder)) return readExternal(folder, common);
  if (taskOf(folder) === 'pretrain')
    return {
      ...common,
      kind: 'pretraining',
      config: readRunConfig(folder),
      source: readOptional(join(folder, RUN_FILES.source), sourceSchema),
      log: readLog(folder),
      probes: readProbes(folder),
      complete: existsSync(join(folder, RUN_FILES.metrics)),
    };
  const config = readConfigAs(folder, finetuneSchema);
  return {
    ...common,
    ...readScored(folder),
    kind: 'finetuning',
    config,
    log: readEpochLog(folder),
    source: readOptional(join(folder, RUN_FILES.source), sourceSchema),
    audit: readOptional(join(folder, FINETUNE_FILES.folds), foldsRecordSchema),
  };
}

function readExternal(folder: string, common: Common): ExternalSubject {
  const about = readOptional(join(folder, ABOUT), aboutSchema);
  return {
    ...common,
    ...readScored(folder),
    kind: 'evaluation',
    data: about === null ? null : { ...about.dataset, by: null, terms: null, clips: [] },
    about,
    audit: about === null ? null : { leaks: about.leaks, overlap: about.overlap, joined: [] },
  };
}

function readScored(folder: string): Omit<Scored, 'audit'> {
  const evaluation = readOptional(join(folder, RUN_FILES.metrics), evaluationSchema);
  if (evaluation === null || !existsSync(join(folder, PREDICTIONS_FILE))) throw unfinished(folder);
  return { evaluation, predictions: readPredictions(folder) };
}

/** A JSON file of the run; null where it is not there. Error: `RUN_DAMAGED`. */
function readOptional<Parsed>(path: string, schema: z.ZodType<Parsed>): Parsed | null {
  if (!existsSync(path)) return null;
  const remedy = 'Restore that file from a copy, or make the run again.';
  return readRunFile(path, schema, { what: basename(path), remedy });
}

function noRun(folder: string): UsclError {
  const found = statSync(folder, { throwIfNoEntry: false });
  const what =
    found === undefined
      ? `There is nothing at ${folder}.`
      : found.isDirectory()
        ? `${folder} is no run: it has neither ${RUN_FILES.config} nor ${PREDICTIONS_FILE}.`
        : `${folder} is a file; a run is a folder.`;
  return usageError(
    'REPORT_NO_RUN',
    what,
    'Give folders that `uscl pretrain`, `uscl finetune` or `uscl evaluate --out` wrote.',
    { where: folder },
  );
}

function unfinished(folder: string): UsclError {
  return dataError(
    'REPORT_UNFINISHED',
    `The run at ${folder} has not finished: it has no ${existsSync(join(folder, PREDICTIONS_FILE)) ? RUN_FILES.metrics : PREDICTIONS_FILE}.`,
    'Finish it first: give its command again with --resume.',
    { where: folder },
  );
}
