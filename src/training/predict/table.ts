/**
 * Predictions as comma-separated rows (RFC 4180), written as they come: of every clip a row, of its frames a row each,
 * and of a file that could not be read a row that says so.
 */
import type { FailedFile, FilePrediction } from './answers.ts';

/** What the rows are of. */
export type TableRows = 'clips' | 'frames' | 'all';

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
