/**
 * The folder of a run: its files, where a run may start, and the lock that lets one process write. `config.json` is
 * written whole, after the records of what the run began with. A folder is a run exactly when it has one.
 */
import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { dataError, messageOf, usageError, UsclError } from '../base/errors.ts';
import { guardWrites, writeFileAtomic } from '../base/files.ts';
import type { Dataset } from '../dataset/reader.ts';
import type { Ranks } from '../engine/ranks/communicator.ts';
import { isRunning } from '../base/processes.ts';
import { DEFAULT_METHOD, findMethod } from '../methods/registry.ts';
import { chosenMethod, type Config, configSchema } from './config.ts';
import type { Tree } from './config-errors.ts';
import { CONFIG_VERSION, upgraded } from './earlier-keys.ts';
import { publishedWeights } from './published-folder.ts';

export const RUN_FILES = {
  config: 'config.json',
  environment: 'environment.json',
  dataset: 'dataset.json',
  /** Where the weights came from that the run began with. */
  source: 'source.json',
  log: 'log.jsonl',
  metrics: 'metrics.json',
  curves: 'curves.svg',
  /** Results of `uscl probe`, one file for each dataset. */
  probes: 'probes',
  checkpoints: 'checkpoints',
  /** What ranks tell each other while they work. */
  ranks: 'ranks',
  lock: 'run.lock',
} as const;

/** Further files of a fine-tuning run; `finetune/fold-runs.ts` says what each is. */
export const FINETUNE_FILES = {
  folds: 'folds.json',
  /** The results of fold runs. The folder keeps the name of the first version, so that earlier runs are read. */
  foldRuns: 'cells',
  predictions: 'predictions.json',
  /** Pictures that were made of a run afterwards. */
  explain: 'explain',
} as const;

export type Task = 'pretrain' | 'finetune';

/** The task of the run in `folder`. Errors: `RUN_MISSING`, `RUN_DAMAGED`. */
export function taskOf(folder: string): Task {
  const { task } = readConfigAs(folder, z.looseObject({ task: z.unknown().optional() }));
  return task === 'finetune' ? 'finetune' : 'pretrain';
}

/** Whether `folder` holds a run. A published model has a file of that name too, and is none. */
export function isRun(folder: string): boolean {
  return existsSync(join(folder, RUN_FILES.config)) && publishedWeights(folder) === null;
}

/** Options of every training. */
export interface RunOptions<Event> {
  /** Dataset folder. */
  readonly dataset: string;
  /** Run folder to be written. */
  readonly out: string;
  /** Continue the run in `out` where there is one; start it otherwise. */
  readonly resume?: boolean;
  /** Replace the run in `out` where there is one. */
  readonly overwrite?: boolean;
  /** Aborting finishes the step, saves and returns a summary that is not complete. */
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: Event) => void;
  /** The processes that make this run together. Default: those that a launcher (mpirun, srun) started, or this one alone. */
  readonly ranks?: Ranks;
  /**
   * Threads that this process's kernels have already, a share of the processors; the run has no number of its own then.
   * @internal
   */
  readonly shareOfThreads?: number;
}

export type RunStart = 'new' | 'replaced' | 'resumed';

/**
 * Says how a run in `folder` would start, and refuses what must not be written to; writes nothing. `resume` starts
 * anew where there is no run yet. Errors: `RUN_EXISTS`, `OUTPUT_NOT_OURS`.
 */
export function checkRun(
  folder: string,
  { resume = false, overwrite = false }: Pick<RunOptions<never>, 'resume' | 'overwrite'>,
): RunStart {
  if (isRun(folder)) {
    if (resume) return 'resumed';
    if (overwrite) return 'replaced';
    throw usageError(
      'RUN_EXISTS',
      `There is already a run at ${folder}.`,
      'Say --resume to continue it, --overwrite to replace it, or choose another folder.',
      { where: folder },
    );
  }
  requireOurs(folder, 'a run', isOurs);
  return 'new';
}

/** Refuses a place that holds anything but what `isOurs` knows; returns the names there. Error: `OUTPUT_NOT_OURS`. */
export function requireOurs(
  folder: string,
  what: string,
  isOurs: (name: string) => boolean,
): readonly string[] {
  const state = guardWrites(folder, () => statSync(folder, { throwIfNoEntry: false }));
  if (state === undefined) return [];
  const names = state.isDirectory() ? readdirSync(folder) : [];
  const foreign = names.find((name) => !isOurs(name));
  if (state.isDirectory() && foreign === undefined) return names;
  const found = state.isDirectory()
    ? `it holds ${JSON.stringify(foreign)}, which is no part of one`
    : 'it is a file';
  throw usageError(
    'OUTPUT_NOT_OURS',
    `Will not write ${what} to ${folder}: ${found}.`,
    'Choose another output folder (--out).',
    { where: folder },
  );
}

/** Removes what an earlier run consists of and nothing else; its configuration first, so that half of it is no run. */
export function clearRun(folder: string): void {
  guardWrites(folder, () => {
    rmSync(join(folder, RUN_FILES.config), { force: true });
    for (const name of readdirSync(folder).filter((one) => isOurs(one) && one !== RUN_FILES.lock)) {
      const path = join(folder, name);
      rmSync(path, { recursive: statSync(path).isDirectory(), force: true });
    }
  });
}

/**
 * The complete configuration a pretraining run was started with. Errors: `RUN_MISSING`, `RUN_DAMAGED`, `RUN_KIND`,
 * `METHOD_MISSING`.
 */
export function readRunConfig(folder: string): Config {
  if (taskOf(folder) !== 'pretrain') throw wrongKind(folder, 'fine-tuning', 'pretraining');
  const { method } = readConfigAs(folder, z.looseObject({ method: chosenMethod.optional() }));
  const name = method?.name ?? DEFAULT_METHOD;
  const found = findMethod(name);
  if (found === undefined)
    throw usageError(
      'METHOD_MISSING',
      `The run at ${folder} was pretrained by the method "${name}", which is not installed.`,
      'Name the file that defines it: --method FILE (a program calls installMethod).',
      { where: join(folder, RUN_FILES.config) },
    );
  return readConfigAs(folder, configSchema(found));
}

/**
 * The configuration of the run in `folder`, of the kind `schema` says, in today's form whatever wrote it. Errors:
 * `RUN_MISSING`, `RUN_DAMAGED`.
 */
export function readConfigAs<Parsed>(folder: string, schema: z.ZodType<Parsed>): Parsed {
  const path = join(folder, RUN_FILES.config);
  if (!isRun(folder))
    throw dataError(
      'RUN_MISSING',
      `There is no run at ${folder}: it has no ${RUN_FILES.config}.`,
      'Give the folder that `uscl pretrain DATASET --out FOLDER` wrote.',
      { where: folder },
    );
  const remedy = 'Restore that file from a backup, or start a new run.';
  return readRunFile(path, z.unknown().transform(upgraded).pipe(schema), {
    what: 'The configuration of the run',
    remedy,
  });
}

/** Writes the configuration of a run, with the form it has. */
export function writeConfig({ folder, config }: { readonly folder: string; readonly config: Tree }): void {
  writeRunFile(folder, RUN_FILES.config, { version: CONFIG_VERSION, ...config });
}

/** `RUN_KIND`: a run of one kind where another is needed. */
export function wrongKind(folder: string, is: string, needed: string): UsclError {
  return usageError(
    'RUN_KIND',
    `The run at ${folder} is a ${is} run; a ${needed} run is needed here.`,
    `Give a run that \`uscl ${needed === 'pretraining' ? 'pretrain' : 'finetune'}\` wrote, or another output folder.`,
    { where: join(folder, RUN_FILES.config) },
  );
}

/** Removes files that a killed process had not finished writing, from the run and the folders in it. */
export function sweepRun(folder: string): void {
  guardWrites(folder, () => {
    for (const part of [
      folder,
      ...[RUN_FILES.checkpoints, FINETUNE_FILES.foldRuns].map((name) => join(folder, name)),
    ])
      if (existsSync(part))
        for (const name of readdirSync(part).filter(isUnfinished)) rmSync(join(part, name), { force: true });
  });
}

export function isUnfinished(name: string): boolean {
  return /^\..*\.tmp$/.test(name);
}

/** Writes a JSON file of the run, whole or not at all. */
export function writeRunFile(
  folder: string,
  file: 'config.json' | 'environment.json' | 'dataset.json' | 'metrics.json' | 'source.json' | 'folds.json',
  value: unknown,
): void {
  writeFileAtomic(join(folder, file), [`${JSON.stringify(value, null, 2)}\n`]);
}

/**
 * Reads a JSON file that a run keeps. Error: `RUN_DAMAGED` (or `code`) that says `what` cannot be read, why, and the
 * `remedy`.
 */
export function readRunFile<Parsed>(
  path: string,
  schema: z.ZodType<Parsed>,
  {
    what,
    remedy,
    code = 'RUN_DAMAGED',
  }: { readonly what: string; readonly remedy: string; readonly code?: string },
): Parsed {
  try {
    return schema.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch (cause) {
    const reason = cause instanceof z.ZodError ? z.prettifyError(cause) : messageOf(cause);
    throw dataError(code, `${what} cannot be read: ${reason}.`, remedy, { where: path, cause });
  }
}

/** Hash of a value that JSON can hold; key order counts. */
export function hashOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex');
}

/** SHA-256 of a file, hex. */
export function fileHash(path: string): string {
  const hash = createHash('sha256');
  const piece = Buffer.allocUnsafeSlow(HASHED_BYTES);
  const file = openSync(path, 'r');
  try {
    for (let count = readSync(file, piece); count > 0; count = readSync(file, piece))
      hash.update(piece.subarray(0, count));
  } finally {
    closeSync(file);
  }
  return hash.digest('hex');
}

/** Bytes that are hashed at once: a whole file in memory would cost as much time again, for its pages. */
const HASHED_BYTES = 2 ** 20;

/** Identity of a dataset's content: classes, channels and every clip's record (source digests included). */
export function datasetHash(dataset: Dataset): string {
  const { classes, channels, size, frames } = dataset.manifest;
  return hashOf({ classes, channels, size, frames, clips: dataset.clips });
}

/** Holds the run for this process until disposed of. Errors: `RUN_BUSY` when another process that lives holds it. */
export class RunLock implements Disposable {
  readonly #path: string;

  constructor(folder: string) {
    this.#path = join(folder, RUN_FILES.lock);
    const holder = existsSync(this.#path) ? Number(readFileSync(this.#path, 'utf8')) : 0;
    if (holder > 0 && holder !== process.pid && isRunning(holder))
      throw new UsclError({
        kind: 'resource',
        code: 'RUN_BUSY',
        message: `The run at ${folder} is being written by process ${holder}.`,
        where: this.#path,
        remedy: 'Wait for that process or stop it. If it has nothing to do with this run, remove that file.',
      });
    guardWrites(this.#path, () => {
      mkdirSync(folder, { recursive: true });
      writeFileSync(this.#path, String(process.pid));
    });
  }

  [Symbol.dispose](): void {
    rmSync(this.#path, { force: true });
  }
}

function isOurs(name: string): boolean {
  const files: readonly string[] = [...Object.values(RUN_FILES), ...Object.values(FINETUNE_FILES)];
  return files.includes(name) || name.startsWith('events.out.tfevents.') || isUnfinished(name);
}
