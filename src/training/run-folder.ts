/**
 * The folder of a run: what is in it, who may start one where, and that only one process writes to it.
 * `config.json` is written whole, after the records of what the run began with; a folder is a run exactly when it has one.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { UsclError } from '../base/errors.ts';
import { guardWrites, writeFileAtomic } from '../base/files.ts';
import type { Dataset } from '../dataset/reader.ts';
import { type Config, configSchema } from './config.ts';

export const RUN_FILES = {
  config: 'config.json',
  environment: 'environment.json',
  dataset: 'dataset.json',
  log: 'log.jsonl',
  metrics: 'metrics.json',
  curves: 'curves.svg',
  /** What `uscl probe` found, a file a dataset. */
  probes: 'probes',
  checkpoints: 'checkpoints',
  lock: 'run.lock',
} as const;

/** What else is in the folder of a fine-tuning run; `finetune/cells.ts` says what each is. */
export const FINETUNE_FILES = {
  source: 'source.json',
  folds: 'folds.json',
  cells: 'cells',
  predictions: 'predictions.json',
  /** Pictures that were made of a run afterwards. */
  explain: 'explain',
} as const;

export type Task = 'pretrain' | 'finetune';

/** What the run in `folder` does. Errors: `RUN_MISSING`, `RUN_DAMAGED`. */
export function taskOf(folder: string): Task {
  const task = z.object({ task: z.string().optional() }).loose().safeParse(readConfigFile(folder));
  return task.success && task.data.task === 'finetune' ? 'finetune' : 'pretrain';
}

/** Whether `folder` holds a run. */
export function isRun(folder: string): boolean {
  return existsSync(join(folder, RUN_FILES.config));
}

export type RunStart = 'new' | 'replaced' | 'resumed';

/**
 * Says how a run in `folder` would start, and refuses what must not be written to; writes nothing. `resume` starts
 * anew where there is no run yet. Errors: `RUN_EXISTS`, `OUTPUT_NOT_OURS`.
 */
export function checkRun(
  folder: string,
  options: { readonly resume: boolean; readonly overwrite: boolean },
): RunStart {
  if (isRun(folder)) {
    if (options.resume) return 'resumed';
    if (options.overwrite) return 'replaced';
    throw new UsclError({
      kind: 'usage',
      code: 'RUN_EXISTS',
      message: `There is already a run at ${folder}.`,
      where: folder,
      remedy: 'Say --resume to continue it, --overwrite to replace it, or choose another folder.',
    });
  }
  const isFolder = guardWrites(folder, () => statSync(folder, { throwIfNoEntry: false })?.isDirectory());
  const foreign = isFolder === true ? readdirSync(folder).filter((name) => !isOurs(name)) : [];
  if (isFolder === false || foreign.length > 0)
    throw new UsclError({
      kind: 'usage',
      code: 'OUTPUT_NOT_OURS',
      message:
        `Will not write a run to ${folder}: ` +
        (isFolder === false
          ? 'it is a file.'
          : `it is not empty and no run (it holds ${JSON.stringify(foreign[0])}).`),
      where: folder,
      remedy: 'Choose another output folder.',
    });
  return 'new';
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

/** The complete configuration a pretraining run was started with. Errors: `RUN_MISSING`, `RUN_DAMAGED`, `RUN_KIND`. */
export function readRunConfig(folder: string): Config {
  if (taskOf(folder) !== 'pretrain') throw wrongKind(folder, 'fine-tuning', 'pretraining');
  return readConfigAs(folder, configSchema);
}

/** The configuration of the run in `folder`, of the kind `schema` says. Errors: `RUN_MISSING`, `RUN_DAMAGED`. */
export function readConfigAs<Parsed>(folder: string, schema: z.ZodType<Parsed>): Parsed {
  const config = schema.safeParse(readConfigFile(folder));
  if (config.success) return config.data;
  const issue = config.error.issues[0];
  throw damagedRun(
    join(folder, RUN_FILES.config),
    `"${issue?.path.join('.') ?? ''}" is not valid: ${issue?.message ?? ''}`,
    config.error,
  );
}

function readConfigFile(folder: string): unknown {
  const path = join(folder, RUN_FILES.config);
  if (!existsSync(path))
    throw new UsclError({
      kind: 'data',
      code: 'RUN_MISSING',
      message: `There is no run at ${folder}: it has no ${RUN_FILES.config}.`,
      where: folder,
      remedy: 'Give the folder that `uscl pretrain DATASET --out FOLDER` wrote.',
    });
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (thrown) {
    throw damagedRun(path, 'it is not valid JSON', thrown);
  }
}

/** `RUN_KIND`: a run of one kind where another is needed. */
export function wrongKind(folder: string, is: string, needed: string): UsclError {
  return new UsclError({
    kind: 'usage',
    code: 'RUN_KIND',
    message: `The run at ${folder} is a ${is} run; a ${needed} run is needed here.`,
    where: join(folder, RUN_FILES.config),
    remedy: `Give a run that \`uscl ${needed === 'pretraining' ? 'pretrain' : 'finetune'}\` wrote, or another output folder.`,
  });
}

/** Removes files that a killed process had not finished writing, from the run and the folders in it. */
export function sweepRun(folder: string): void {
  guardWrites(folder, () => {
    for (const part of [
      folder,
      ...[RUN_FILES.checkpoints, FINETUNE_FILES.cells].map((name) => join(folder, name)),
    ])
      if (existsSync(part))
        for (const name of readdirSync(part).filter(isUnfinished)) rmSync(join(part, name), { force: true });
  });
}

function isUnfinished(name: string): boolean {
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

/** Hash of a value that JSON can hold; key order counts. */
export function hashOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex');
}

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
    if (holder > 0 && holder !== process.pid && lives(holder))
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

function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function isOurs(name: string): boolean {
  const files: readonly string[] = [...Object.values(RUN_FILES), ...Object.values(FINETUNE_FILES)];
  return files.includes(name) || name.startsWith('events.out.tfevents.') || isUnfinished(name);
}

function damagedRun(path: string, reason: string, cause: unknown): UsclError {
  return new UsclError({
    kind: 'data',
    code: 'RUN_DAMAGED',
    message: `The configuration of the run cannot be read: ${reason}.`,
    where: path,
    remedy: 'Restore that file from a backup, or start a new run.',
    cause,
  });
}
