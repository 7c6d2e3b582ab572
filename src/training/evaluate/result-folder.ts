/**
 * What an evaluation leaves in a folder, whole or not at all: `evaluation.json` (model, dataset, classes, leaks),
 * `predictions.json` and `metrics.json`, the last two as in the folder of a fine-tuning run, so that `uscl compare-runs`
 * takes both.
 */
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { usageError } from '../../base/errors.ts';
import { guardWrites, syncFolder, writeFileAtomic } from '../../base/files.ts';
import { PREDICTIONS_FILE, type Predictions, writePredictions } from '../../evaluation/predictions.ts';
import { requireOurs, RUN_FILES } from '../run-folder.ts';
import type { ExternalEvaluation } from './evaluate.ts';

const ABOUT = 'evaluation.json';
const OURS: readonly string[] = [ABOUT, PREDICTIONS_FILE, RUN_FILES.metrics];

/**
 * Refuses a place that must not be written to; writes nothing. Errors: `EVALUATION_EXISTS`, `OUTPUT_NOT_OURS`.
 */
export function checkResultFolder(folder: string, overwrite: boolean): void {
  const names = requireOurs(folder, 'an evaluation', (name) => OURS.includes(name));
  if (names.length > 0 && !names.includes(ABOUT)) requireOurs(folder, 'an evaluation', () => false);
  if (names.length === 0 || overwrite) return;
  throw usageError(
    'EVALUATION_EXISTS',
    `There is already an evaluation at ${folder}.`,
    'Say --overwrite to replace it, or choose another folder.',
    { where: folder },
  );
}

/** Writes the folder. Errors: those of `checkResultFolder`; `DISK_FULL`, `WRITE_FAILED`. */
export function writeResultFolder(
  folder: string,
  { evaluation, ...about }: ExternalEvaluation,
  predictions: Predictions,
  overwrite: boolean,
): void {
  checkResultFolder(folder, overwrite);
  const place = resolve(folder);
  const parent = dirname(place);
  const text = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;
  const fresh = guardWrites(folder, () => {
    mkdirSync(parent, { recursive: true });
    return mkdtempSync(join(parent, `.${basename(place)}.`));
  });
  try {
    writeFileAtomic(join(fresh, ABOUT), [text(about)]);
    writePredictions(join(fresh, PREDICTIONS_FILE), predictions);
    writeFileAtomic(join(fresh, RUN_FILES.metrics), [text(evaluation)]);
    guardWrites(folder, () => {
      const old = `${fresh}.old`;
      if (existsSync(place)) renameSync(place, old);
      renameSync(fresh, place);
      rmSync(old, { recursive: true, force: true });
      syncFolder(parent);
    });
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}
