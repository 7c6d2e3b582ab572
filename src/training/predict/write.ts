/** Predictions of files into a file: comma-separated rows as they come, or one JSON object; whole or not at all. */
import { statSync } from 'node:fs';
import { AtomicFile } from '../../base/files.ts';
import { UsclError } from '../../base/errors.ts';
import type { FailedFile, FilePrediction } from './answers.ts';
import type { Predictor, PredictOptions, PredictVisitor } from './predict.ts';
import { clipLines, failedLine, tableHeader, type TableRows } from './table.ts';

export type PredictionFormat = 'csv' | 'json';

/** What a long list came to. */
export interface PredictionCounts {
  readonly clips: number;
  readonly frames: number;
  /** Clips without an answer. */
  readonly withheld: number;
  readonly failed: number;
}

export interface WriteOptions {
  readonly format: PredictionFormat;
  /** Which rows a table has. Default `all`. */
  readonly rows?: TableRows;
  /** Hears of everything too. */
  readonly visitor?: PredictVisitor;
}

/**
 * Predicts `files` and hands the text to `write` piece by piece; not more than a clip is held. Errors: those of
 * `Predictor.each`, and whatever `write` throws.
 */
export async function predictTo(
  write: (text: string) => void,
  predictor: Predictor,
  files: readonly string[],
  options: PredictOptions,
  { format, rows = 'all', visitor }: WriteOptions,
): Promise<PredictionCounts> {
  const counts = { clips: 0, frames: 0, withheld: 0, failed: 0 };
  const writer =
    format === 'csv'
      ? tableWriter(write, predictor.classes, rows)
      : jsonWriter(write, JSON.stringify(predictor.head(options)));
  writer.start();
  await predictor.each(files, options, {
    async clip(clip, path) {
      counts.clips++;
      counts.frames += clip.frames.length;
      if (clip.mean.answer === null) counts.withheld++;
      writer.clip(clip);
      await visitor?.clip(clip, path);
    },
    async failed(file, path, reason) {
      counts.failed++;
      writer.failed(file);
      await visitor?.failed(file, path, reason);
    },
  });
  writer.end();
  return counts;
}

/**
 * `predictTo` into the file at `path`, which appears when all is done. Errors: `OUTPUT_EXISTS` (unless `overwrite`),
 * `DISK_FULL`, `WRITE_FAILED`, those of `predictTo`.
 */
export async function predictToFile(
  path: string,
  predictor: Predictor,
  files: readonly string[],
  options: PredictOptions,
  how: WriteOptions & { readonly overwrite?: boolean },
): Promise<PredictionCounts> {
  requireFree(path, how.overwrite ?? false);
  using file = new AtomicFile(path);
  const counts = await predictTo(
    (text) => {
      file.write(text);
    },
    predictor,
    files,
    options,
    how,
  );
  file.commit();
  return counts;
}

/** Error: `OUTPUT_EXISTS`. A folder is never replaced. */
export function requireFree(path: string, overwrite: boolean): void {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined || (overwrite && found.isFile())) return;
  throw new UsclError({
    kind: 'usage',
    code: 'OUTPUT_EXISTS',
    message: found.isFile() ? `There is already a file at ${path}.` : `${path} is no file.`,
    where: path,
    remedy: found.isFile()
      ? 'Say --overwrite to replace it, or choose another name.'
      : 'Choose another name.',
  });
}

interface Writer {
  start(): void;
  clip(clip: FilePrediction): void;
  failed(file: FailedFile): void;
  end(): void;
}

function tableWriter(write: (text: string) => void, classes: readonly string[], rows: TableRows): Writer {
  return {
    start() {
      write(tableHeader(classes));
    },
    clip(clip) {
      write(clipLines(clip, rows));
    },
    failed(file) {
      write(failedLine(file, classes));
    },
    end: () => undefined,
  };
}

/** One object; a clip a line. */
function jsonWriter(write: (text: string) => void, head: string): Writer {
  const failed: FailedFile[] = [];
  let isFirst = true;
  return {
    start() {
      write(`${head.slice(0, -1)},\n"clips": [`);
    },
    clip(clip) {
      write(`${isFirst ? '\n' : ',\n'}${JSON.stringify(clip)}`);
      isFirst = false;
    },
    failed(file) {
      failed.push(file);
    },
    end() {
      write(`\n],\n"failed": ${JSON.stringify(failed)}}\n`);
    },
  };
}
