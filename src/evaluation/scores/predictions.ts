/**
 * What a run said about every clip it was tested on: `predictions.json`, the one file that all figures of a
 * fine-tuning or an evaluation are computed from. It holds probabilities by frame and no scores, so that scores can be
 * computed again, in another way, or against another run, years later. Everything is checked on the way in and out.
 */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { dataError, messageOf, systemCode, UsclError } from '../../base/errors.ts';
import { writeFileAtomic } from '../../base/files.ts';

export const PREDICTIONS_FILE = 'predictions.json';

/** Largest file that is read: a string of the engine holds no more. Enough for ten million frames. */
const MOST_BYTES = 500 * 10 ** 6;

/** How far the probabilities of a frame may sum from 1. */
const SUM_TOLERANCE = 1e-3;

const rowSchema = z.strictObject({
  /** Index into `clips`. */
  clip: z.int().min(0),
  /** Numbers of the frames looked at, rising. */
  frames: z.array(z.int().min(0)).min(1),
  /** Of each class [frame][class]; a frame's sum to 1. */
  probabilities: z.array(z.array(z.number().min(0).max(1))).min(1),
});
/** One clip as one model saw it. */
export type PredictedClip = Readonly<z.infer<typeof rowSchema>>;

const foldRunSchema = z.strictObject({
  /** Share of the training labels that were used. */
  labelRate: z.number().gt(0).lte(1),
  seed: z.int(),
  /** The fold these clips were tested in; null where there are no folds. */
  fold: z.int().min(0).nullable(),
  /** The epoch whose weights predicted, from 0; null where it is not known. */
  epoch: z.int().min(0).nullable(),
  rows: z.array(rowSchema),
});
/** What one trained model said about the clips it was tested on. */
export type FoldRunPredictions = Readonly<z.infer<typeof foldRunSchema>>;

/**
 * `honest`: the epoch was chosen without the test clips. `legacy`: it was chosen on them, so every score is
 * optimistic. `external`: a finished model on a dataset it has not seen.
 */
export const PROTOCOLS = ['honest', 'legacy', 'external'] as const;

export const predictionsSchema = z.strictObject({
  format: z.literal('uscl-predictions'),
  version: z.literal(1),
  classes: z.array(z.string().min(1)).min(2),
  protocol: z.enum(PROTOCOLS),
  /** The clips of the dataset; `label` indexes `classes`, null for unlabelled. */
  clips: z.array(
    z.strictObject({
      id: z.string().min(1),
      group: z.string().min(1),
      label: z.int().min(0).nullable(),
    }),
  ),
  /** The fold runs, under the key of the first version. A clip is in at most one for each label rate and seed. */
  cells: z.array(foldRunSchema),
});

/**
 * What a run said of which clip: the form of `predictions.json`.
 * @interface
 */
export type Predictions = Readonly<z.infer<typeof predictionsSchema>>;

/**
 * Reads predictions from a file, or from the run folder that holds `predictions.json`.
 * @throws UsclError `PREDICTIONS_MISSING`, `PREDICTIONS_INVALID`.
 */
export function readPredictions(path: string): Predictions {
  const file = fileOf(path);
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, 'utf8'));
  } catch (thrown) {
    throw invalid(file, `It cannot be read as JSON: ${messageOf(thrown)}.`, thrown);
  }
  const parsed = predictionsSchema.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw invalid(
      file,
      `"${issue?.path.map(String).join('.') ?? ''}": ${issue?.message ?? 'invalid'}.`,
      parsed.error,
    );
  }
  requirePredictions(parsed.data, file);
  return parsed.data;
}

/**
 * Writes predictions whole or not at all. Probabilities are kept as 32-bit numbers, in the fewest digits that say so;
 * scoring takes them as 32-bit too, so what is scored before writing and after reading is the same.
 * @throws UsclError `PREDICTIONS_INVALID`, `DISK_FULL`, `WRITE_FAILED`.
 */
export function writePredictions(path: string, predictions: Predictions): void {
  requirePredictions(predictions, path);
  const { cells, clips, ...head } = predictions;
  const list = (items: readonly string[], indent: string): string =>
    items.length === 0 ? '[]' : `[\n${items.map((item) => `${indent}  ${item}`).join(',\n')}\n${indent}]`;
  const chunks: string[] = [];
  chunks.push(
    `${JSON.stringify(head).slice(0, -1)},\n"clips": ${list(
      clips.map(({ id, group, label }) => JSON.stringify({ id, group, label })),
      '',
    )},\n"cells": [`,
  );
  cells.forEach(({ rows, ...foldRun }, i) => {
    const lines = rows.map(
      ({ clip, frames, probabilities }) =>
        `{"clip":${clip},"frames":${JSON.stringify(frames)},"probabilities":[${probabilities
          .map((frame) => `[${frame.map(shortest).join(',')}]`)
          .join(',')}]}`,
    );
    chunks.push(
      `${i === 0 ? '' : ','}\n  ${JSON.stringify(foldRun).slice(0, -1)},"rows": ${list(lines, '  ')}}`,
    );
  });
  chunks.push(`${cells.length === 0 ? '' : '\n'}]}\n`);
  writeFileAtomic(path, chunks);
}

/**
 * Checks what the schema cannot say: indices, lengths, sums, and that no clip is predicted twice.
 * @throws UsclError `PREDICTIONS_INVALID`; `where` is the place named in the error.
 */
export function requirePredictions(predictions: Predictions, where = 'predictions'): void {
  const { classes, clips, cells } = predictions;
  if (new Set(classes).size < classes.length) throw invalid(where, 'Two classes have the same name.');
  const ids = new Set<string>();
  for (const { id, label } of clips) {
    if (ids.has(id)) throw invalid(where, `The clip ${quoted(id)} is listed twice.`);
    ids.add(id);
    if (label !== null && label >= classes.length)
      throw invalid(where, `The clip ${quoted(id)} has label ${label} of ${classes.length} classes.`);
  }
  const predicted = new Map<string, Set<number>>();
  cells.forEach((foldRun, c) => {
    const name = `${foldRun.labelRate} ${foldRun.seed}`;
    const seen = predicted.get(name) ?? new Set<number>();
    predicted.set(name, seen);
    for (const row of foldRun.rows) {
      const clip = clips[row.clip];
      if (clip === undefined)
        throw invalid(where, `cells[${c}] predicts clip number ${row.clip} of ${clips.length}.`);
      if (seen.has(row.clip))
        throw invalid(
          where,
          `The clip ${quoted(clip.id)} is predicted twice at label rate ${foldRun.labelRate}, seed ${foldRun.seed}.`,
        );
      seen.add(row.clip);
      requireRow(row, classes.length, `${where}, cells[${c}], clip ${quoted(clip.id)}`);
    }
  });
}

function requireRow({ frames, probabilities }: PredictedClip, classes: number, where: string): void {
  if (frames.length === 0 || frames.length !== probabilities.length)
    throw invalid(where, `${frames.length} frames have ${probabilities.length} predictions.`);
  frames.forEach((frame, i) => {
    if (i > 0 && frame <= frames[i - 1]!)
      throw invalid(where, `Frame ${frame} comes after frame ${frames[i - 1]!}.`);
    const ofFrame = probabilities[i]!;
    if (ofFrame.length !== classes)
      throw invalid(where, `Frame ${frame} has ${ofFrame.length} probabilities for ${classes} classes.`);
    let sum = 0;
    for (const p of ofFrame) {
      // The negation refuses NaN too.
      if (!(p >= 0 && p <= 1)) throw invalid(where, `Frame ${frame} has the probability ${p}.`);
      sum += p;
    }
    if (Math.abs(sum - 1) > SUM_TOLERANCE)
      throw invalid(where, `The probabilities of frame ${frame} sum to ${sum}, not 1.`);
  });
}

/** The fewest significant digits that give the same 32-bit number. */
function shortest(value: number): string {
  const target = Math.fround(value);
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(target.toPrecision(digits));
    if (Math.fround(short) === target) return String(short);
  }
  return String(Number(target.toPrecision(9)));
}

function fileOf(path: string): string {
  try {
    const found = statSync(path);
    const file = found.isDirectory() ? join(path, PREDICTIONS_FILE) : path;
    const { size } = found.isDirectory() ? statSync(file) : found;
    if (size <= MOST_BYTES) return file;
    throw invalid(file, `It has ${size} bytes; at most ${MOST_BYTES} are read.`);
  } catch (thrown) {
    if (systemCode(thrown) === undefined || thrown instanceof UsclError) throw thrown;
    throw dataError(
      'PREDICTIONS_MISSING',
      `There are no predictions at ${path}: ${messageOf(thrown)}.`,
      `Give a run that \`uscl finetune\` or \`uscl evaluate\` finished, or its ${PREDICTIONS_FILE}.`,
      { where: path, cause: thrown },
    );
  }
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 120 ? `${text.slice(0, 117)}…` : text);
}

function invalid(where: string, message: string, cause?: unknown): UsclError {
  return dataError(
    'PREDICTIONS_INVALID',
    `These predictions cannot be used. ${message}`,
    'Make them again with `uscl finetune` or `uscl evaluate`, or restore the file from a copy.',
    { where, cause },
  );
}
