/** Going on with a fine-tuning run: what may have changed since it was started, and what may not. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { UsclError } from '../../base/errors.ts';
import { isTree, type Tree } from '../config-errors.ts';
import { FINETUNE_FILES, RUN_FILES } from '../run-folder.ts';
import type { FinetuneConfig } from './config.ts';
import type { SourceRecord } from './source.ts';

/** Keys that never change a result. */
const FREE: readonly string[] = ['loader', 'saveSeconds', 'cacheMegabytes', 'keepModels', 'finalModel'];

/** The part of a configuration that decides the predictions of a fold. */
export function resultConfig(config: FinetuneConfig): unknown {
  const {
    loader: _loader,
    saveSeconds: _saveSeconds,
    cacheMegabytes: _cache,
    keepModels: _keepModels,
    finalModel: _finalModel,
    classMap,
    classes,
    ...rest
  } = config;
  // Folds of runs that had no say in classes stay what they were.
  return {
    ...rest,
    ...(Object.keys(classMap).length > 0 ? { classMap } : {}),
    ...(classes === null ? {} : { classes }),
  };
}

/** Refuses to go on under another configuration, with other weights or on other clips. Error: `RESUME_CHANGED`. */
export function requireSameRun(
  run: string,
  saved: FinetuneConfig,
  config: FinetuneConfig,
  source: SourceRecord,
  dataset: string,
): void {
  const changed = firstDifference(saved, config);
  if (changed !== null)
    throw resumeChanged(
      `key ${changed.key}`,
      `The run was started with ${changed.key}=${shown(changed.before)}, not ${shown(changed.after)}.`,
    );
  const before = z
    .object({ sha256: z.string().nullable() })
    .parse(readJson(join(run, FINETUNE_FILES.source)));
  if (before.sha256 !== source.sha256)
    throw resumeChanged(FINETUNE_FILES.source, 'The weights are not those the run was started with.');
  const clips = z.object({ hash: z.string() }).parse(readJson(join(run, RUN_FILES.dataset)));
  if (clips.hash !== dataset)
    throw resumeChanged(RUN_FILES.dataset, 'The dataset is not the one the run was started with.');
}

interface Difference {
  readonly key: string;
  readonly before: unknown;
  readonly after: unknown;
}

/** The first key, inner ones included, that is not the same and not free to change. */
function firstDifference(before: Tree, after: Tree, prefix = ''): Difference | null {
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const key = prefix === '' ? name : `${prefix}.${name}`;
    if (FREE.includes(key)) continue;
    const [one, other] = [before[name], after[name]];
    if (isTree(one) && isTree(other)) {
      const inner = firstDifference(one, other, key);
      if (inner !== null) return inner;
    } else if (JSON.stringify(one) !== JSON.stringify(other)) return { key, before: one, after: other };
  }
  return null;
}

function shown(value: unknown): string {
  return value === undefined ? 'nothing' : JSON.stringify(value);
}

function resumeChanged(where: string, message: string): UsclError {
  return new UsclError({
    kind: 'usage',
    code: 'RESUME_CHANGED',
    message,
    where,
    remedy: 'Resume with what the run was started with, or start a new run in another folder.',
  });
}

function readJson(path: string): unknown {
  try {
    if (existsSync(path)) return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    // Said below: not there and not readable are the same to whoever wants to go on.
  }
  throw new UsclError({
    kind: 'data',
    code: 'RUN_DAMAGED',
    message: `The run cannot be continued: ${path} is missing or no JSON.`,
    where: path,
    remedy: 'Restore that file from a backup, or start a new run.',
  });
}
