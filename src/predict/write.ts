/**
 * Writes predictions of files: comma-separated rows as they come, or one JSON object. The file is written whole or
 * not at all.
 */
import { AtomicFile, requireFree } from '../base/files.ts';
import type { FailedFile, FilePrediction } from './answers.ts';
import type { Predictor, PredictOptions, PredictVisitor } from './predict.ts';

/** The kind of rows in a table. */
export type TableRows = 'clips' | 'frames' | 'all';
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
  const form =
    format === 'csv' ? tableForm(predictor.classes, rows) : jsonForm(JSON.stringify(predictor.head(options)));
  write(form.start);
  await predictor.each(files, options, {
    async clip(clip, path) {
      counts.clips++;
      counts.frames += clip.frames.length;
      if (clip.mean.answer === null) counts.withheld++;
      write(form.clip(clip));
      await visitor?.clip(clip, path);
    },
    async failed(file, path, reason) {
      counts.failed++;
      write(form.failed(file));
      await visitor?.failed(file, path, reason);
    },
  });
  write(form.end());
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
  const write = (text: string): void => {
    file.write(text);
  };
  const counts = await predictTo(write, predictor, files, options, how);
  file.commit();
  return counts;
}

/** Formats predictions as text, piece by piece. */
interface Form {
  readonly start: string;
  clip(clip: FilePrediction): string;
  failed(file: FailedFile): string;
  end(): string;
}

/** One object; a clip a line. */
function jsonForm(head: string): Form {
  const failed: FailedFile[] = [];
  let separator = '\n';
  return {
    start: `${head.slice(0, -1)},\n"clips": [`,
    clip(clip) {
      const text = `${separator}${JSON.stringify(clip)}`;
      separator = ',\n';
      return text;
    },
    failed(file) {
      failed.push(file);
      return '';
    },
    end: () => `\n],\n"failed": ${JSON.stringify(failed)}}\n`,
  };
}

/**
 * Comma-separated rows (RFC 4180): of every clip a row, of its frames a row each, and of a file that could not be read a
 * row that says so.
 */
function tableForm(classes: readonly string[], rows: TableRows): Form {
  return {
    start: tableHeader(classes),
    clip: (clip) => clipLines(clip, rows),
    failed: (file) => failedLine(file, classes),
    end: () => '',
  };
}

/** The header. `p:NAME` is the probability of a class; in a row of kind `vote`, its share of the frames. */
export function tableHeader(classes: readonly string[]): string {
  return line([
    ...['input', 'name', 'row', 'frame', 'seconds', 'answer', 'likeliest', 'confidence'],
    ...classes.map((name) => `p:${name}`),
    'note',
  ]);
}

/** The rows of one clip. */
export function clipLines(clip: FilePrediction, rows: TableRows): string {
  const { input, name, frames, mean, vote, flags } = clip;
  const start = [String(input), name];
  const said = ({ answer, likeliest, confidence, probabilities }: FilePrediction['mean']): string[] => [
    ...[answer ?? '', likeliest, digits(confidence)],
    ...probabilities.map(digits),
  ];
  const ofClip = [
    line([...start, 'clip', '', '', ...said(mean), flags.join(' ')]),
    line([
      ...[...start, 'vote', '', '', '', vote.likeliest, digits(Math.max(...vote.shares))],
      ...[...vote.shares.map(digits), ''],
    ]),
  ];
  const ofFrames = frames.map((frame) =>
    line([
      ...[...start, 'frame', String(frame.frame), frame.seconds === null ? '' : digits(frame.seconds)],
      ...[...said(frame), ''],
    ]),
  );
  return [...(rows === 'frames' ? [] : ofClip), ...(rows === 'clips' ? [] : ofFrames)].join('');
}

/** The row of a file that could not be read. */
export function failedLine({ input, name, code, reason }: FailedFile, classes: readonly string[]): string {
  const empty = new Array<string>(classes.length + 5).fill('');
  return line([String(input), name, 'failed', ...empty, `${code}: ${reason}`]);
}

/** Seven digits hold what a 32-bit number holds. */
function digits(value: number): string {
  return String(Number(value.toPrecision(7)));
}

function line(cells: readonly string[]): string {
  return `${cells.map(cell).join(',')}\n`;
}

function cell(text: string): string {
  return /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
