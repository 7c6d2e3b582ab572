/**
 * Reads comma-separated tables as RFC 4180 has them: quoted fields may hold commas, line breaks and doubled quotes;
 * LF or CRLF; an optional byte-order mark. Strict and bounded; every complaint names file and line.
 */
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { messageOf, UsclError } from '../base/errors.ts';
import { kindComplaint } from './paths.ts';

const MAX_BYTES = 64 * 2 ** 20;

export interface CsvRow {
  /** 1-based line where the row starts. */
  readonly line: number;
  /** Trimmed cells under the lower-case, trimmed column names. */
  readonly cells: ReadonlyMap<string, string>;
}

/** Reads a table with a header row that has at least the `required` columns. Errors: `CSV_UNREADABLE`, `CSV_INVALID`. */
export function readCsv(path: string, required: readonly string[]): readonly CsvRow[] {
  return parseCsv(readBounded(path), path, required);
}

/** As `readCsv`, from bytes; `path` is for messages. */
export function parseCsv(bytes: Uint8Array, path: string, required: readonly string[]): readonly CsvRow[] {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (thrown) {
    throw invalid(path, 'It is not UTF-8 text.', 'Save the table as CSV in UTF-8.', thrown);
  }
  const records = splitRecords(text, path).filter(
    ({ fields }) => fields.length > 1 || fields[0]?.trim() !== '',
  );
  const header = records.shift();
  if (header === undefined)
    throw invalid(
      path,
      'The table is empty.',
      `Its first line must name the columns ${required.join(', ')}.`,
    );
  const names = header.fields.map((name) => name.trim().toLowerCase());
  const missing = required.find((name) => !names.includes(name));
  if (missing !== undefined) {
    const semicolons =
      names.length === 1 && names[0]!.includes(';')
        ? ' The columns seem to be separated by semicolons; use commas.'
        : '';
    throw invalid(
      `${path}, line ${header.line}`,
      `The table has no column "${missing}"; it has ${names
        .map((name) => JSON.stringify(name.slice(0, 40)))
        .slice(0, 20)
        .join(', ')}.`,
      `The first line must name the columns ${required.join(', ')}.${semicolons}`,
    );
  }
  const doubled = names.find((name, i) => name !== '' && names.indexOf(name) !== i);
  if (doubled !== undefined) {
    throw invalid(
      `${path}, line ${header.line}`,
      `Two columns are called "${doubled}".`,
      'Name each column once.',
    );
  }
  return records.map(({ line, fields }) => {
    if (fields.length !== names.length) {
      throw invalid(
        `${path}, line ${line}`,
        `The row has ${fields.length} cells; the header has ${names.length}.`,
        'Mend the row; cells that hold commas or line breaks need double quotes.',
      );
    }
    return { line, cells: new Map(names.map((name, i) => [name, fields[i]!.trim()])) };
  });
}

interface CsvRecord {
  readonly line: number;
  readonly fields: string[];
}

function splitRecords(text: string, path: string): CsvRecord[] {
  const records: CsvRecord[] = [];
  let line = 1;
  let at = 0;
  while (at < text.length) {
    const record: CsvRecord = { line, fields: [] };
    records.push(record);
    for (;;) {
      let field: string;
      if (text[at] === '"') {
        const end = closingQuote(text, at);
        if (end === -1)
          throw invalid(`${path}, line ${line}`, 'A double quote is opened and never closed.', 'Close it.');
        field = text.slice(at + 1, end).replaceAll('""', '"');
        line += countLineFeeds(field);
        at = end + 1;
        if (at < text.length && !/[,\r\n]/.test(text[at]!)) {
          throw invalid(
            `${path}, line ${line}`,
            'There is text after a closing double quote.',
            'Double the quotes inside a quoted cell.',
          );
        }
      } else {
        const rest = /[,\n]/g;
        rest.lastIndex = at;
        const end = rest.exec(text)?.index ?? text.length;
        field = text.slice(at, end);
        if (text[end] !== ',' && field.endsWith('\r')) field = field.slice(0, -1);
        if (field.includes('"')) {
          throw invalid(
            `${path}, line ${line}`,
            `A double quote stands inside an unquoted cell.`,
            'Quote the whole cell and double the quotes inside it.',
          );
        }
        at = end;
      }
      record.fields.push(field);
      if (text[at] !== ',') break;
      at++;
    }
    if (text[at] === '\r') at++;
    if (at < text.length && text[at] !== '\n') {
      throw invalid(
        `${path}, line ${line}`,
        'A carriage return stands alone.',
        'Save the table with ordinary line ends.',
      );
    }
    at++;
    line++;
  }
  return records;
}

/** Index of the quote that closes the one at `open`, or -1. */
function closingQuote(text: string, open: number): number {
  for (let at = open + 1; ; at += 2) {
    at = text.indexOf('"', at);
    if (at === -1 || text[at + 1] !== '"') return at;
  }
}

function countLineFeeds(text: string): number {
  let count = 0;
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) count++;
  return count;
}

function readBounded(path: string): Uint8Array {
  try {
    // Without waiting: a pipe in the place of a table would never answer.
    const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const stat = fstatSync(file);
      const complaint = kindComplaint(stat);
      if (complaint !== undefined) throw new Error(complaint);
      const { size } = stat;
      if (size > MAX_BYTES)
        throw invalid(path, `It has ${size} bytes; at most ${MAX_BYTES} are read.`, 'Give a smaller table.');
      return readFileSync(file);
    } finally {
      closeSync(file);
    }
  } catch (thrown) {
    if (thrown instanceof UsclError) throw thrown;
    throw new UsclError({
      kind: 'data',
      code: 'CSV_UNREADABLE',
      message: `Cannot read the table ${path}: ${messageOf(thrown)}.`,
      where: path,
      remedy: 'Check the path and its permissions.',
      cause: thrown,
    });
  }
}

function invalid(where: string, message: string, remedy: string, cause?: unknown): UsclError {
  return new UsclError({ kind: 'data', code: 'CSV_INVALID', message, where, remedy, cause });
}
