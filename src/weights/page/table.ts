/** Readings as a table of the columns that `uscl predict --format csv` writes. */
import type { PageFailure } from './failure.ts';
import type { Reading, Said } from './classify.ts';

export interface Row {
  readonly name: string;
  readonly result: Reading | PageFailure;
}

/** Comma-separated rows (RFC 4180): of each file its clip, its vote and its frames, or why it was not read. */
export function csvOf(rows: readonly Row[], classes: readonly string[]): string {
  const header = [
    ...['input', 'name', 'row', 'frame', 'seconds', 'answer', 'likeliest', 'confidence'],
    ...classes.map((name) => `p:${name}`),
    'note',
  ];
  return [header, ...rows.flatMap((row, i) => rowsOf(row, i + 1, classes))].map(line).join('');
}

function rowsOf({ name, result }: Row, input: number, classes: readonly string[]): string[][] {
  const start = [String(input), name];
  if (result instanceof Error)
    return [[...start, 'failed', ...new Array<string>(classes.length + 5).fill(''), result.message]];
  const { frames, mean, votes } = result;
  const said = ({ probabilities, likeliest, confidence, isAnswered }: Said): string[] => [
    ...[isAnswered ? classes[likeliest]! : '', classes[likeliest]!, digits(confidence)],
    ...probabilities.map(digits),
    '',
  ];
  const most = Math.max(...votes);
  // Of classes with as many frames, the one of the larger mean.
  const voted = votes.reduce(
    (best, share, c) =>
      share === most && (best === -1 || mean.probabilities[c]! > mean.probabilities[best]!) ? c : best,
    -1,
  );
  return [
    [...start, 'clip', '', '', ...said(mean)],
    [...start, 'vote', '', '', '', classes[voted]!, digits(most), ...votes.map(digits), ''],
    ...frames.map((frame, i) => [
      ...[...start, 'frame', String(i), frame.seconds === null ? '' : frame.seconds.toFixed(3)],
      ...said(frame),
    ]),
  ];
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
