/**
 * Reads tables as RFC 4180 has them and as spreadsheets write them: quoted cells may hold separators, line breaks and
 * doubled quotes; lines end in LF, CRLF or CR; UTF-8, or UTF-16 with a byte-order mark. Cells are separated by what a
 * first line `sep=…` says, otherwise by the one of comma, semicolon and tab under which the header has the columns.
 * Strict and bounded; every complaint names file and line.
 */
import { CsvError, type CsvErrorCode, parse } from 'csv-parse/sync';
import { dataError, type UsclError } from '../base/errors.ts';
import { readBounded } from '../base/read-bounded.ts';

const MAX_BYTES = 64 * 2 ** 20;
const SEPARATOR_TOLD = /^"?sep=([^"])"?(?:\r\n|\n|\r|$)/i;

export interface CsvRow {
  /** 1-based line where the row starts. */
  readonly line: number;
  /** Trimmed cells under the lower-case, trimmed column names. */
  readonly cells: ReadonlyMap<string, string>;
}

/** Reads a table with a header row that has at least the `required` columns. Errors: `CSV_UNREADABLE`, `CSV_INVALID`. */
export function readCsv(path: string, required: readonly string[]): readonly CsvRow[] {
  return parseCsv(tableBytes(path), path, required);
}

/** As `readCsv`, from bytes; `path` is for messages. */
export function parseCsv(bytes: Uint8Array, path: string, required: readonly string[]): readonly CsvRow[] {
  const text = decoded(bytes, path);
  const [told = '', separator = separatorOf(text, required)] = SEPARATOR_TOLD.exec(text) ?? [];
  const [header, ...records] = recordsOf(text.slice(told.length), path, separator, 1 + lineEndsIn(told));
  const columns = `columns ${required.join(', ')}`;
  if (header === undefined)
    throw invalid(path, 'The table is empty.', `Its first line must name the ${columns}.`);
  const names = header.fields.map((name) => name.trim().toLowerCase());
  const place = `${path}, line ${header.line}`;
  const missing = required.find((name) => !names.includes(name));
  if (missing !== undefined) {
    const has = names.map((name) => JSON.stringify(name.slice(0, 40))).slice(0, 20);
    throw invalid(
      place,
      `The table has no column "${missing}"; it has ${has.join(', ')}.`,
      `The first line must name the ${columns}, separated by commas, semicolons or tabs.`,
    );
  }
  const doubled = names.find((name, i) => name !== '' && names.indexOf(name) !== i);
  if (doubled !== undefined)
    throw invalid(place, `Two columns are called "${doubled}".`, 'Name each column once.');
  return rowsOf(records, names, path);
}

/** Reads a table whose first line is a row already; `names` are its columns. Errors: as `readCsv`. */
export function readCsvWithoutHeader(path: string, names: readonly string[]): readonly CsvRow[] {
  return rowsOf(recordsOf(decoded(tableBytes(path), path), path, ',', 1), names, path);
}

function rowsOf(records: readonly CsvRecord[], names: readonly string[], path: string): CsvRow[] {
  return records.map(({ line, fields }) => {
    if (fields.length !== names.length)
      throw invalid(
        `${path}, line ${line}`,
        `The row has ${fields.length} cells; the header has ${names.length}.`,
        'Mend the row; cells that hold separators or line breaks need double quotes.',
      );
    return { line, cells: new Map(names.map((name, i) => [name, fields[i]!.trim()])) };
  });
}

interface CsvRecord {
  readonly line: number;
  readonly fields: readonly string[];
}

/** A record and the text it was read from, as the library gives them. */
interface RawRecord {
  readonly record: readonly string[];
  readonly raw: string;
}

/** The text of a table. Errors: `CSV_INVALID` for what is no text, with what it seems to be. */
function decoded(bytes: Uint8Array, path: string): string {
  const head = Buffer.from(bytes.subarray(0, 4)).toString('hex');
  const remedy = 'Save the table as CSV in UTF-8.';
  if (head === '504b0304' || head === 'd0cf11e0')
    throw invalid(path, 'It is a workbook of a spreadsheet program, not CSV.', remedy);
  const encoding = head.startsWith('fffe') ? 'utf-16le' : head.startsWith('feff') ? 'utf-16be' : 'utf-8';
  let text: string;
  try {
    text = new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch (thrown) {
    const name = encoding === 'utf-8' ? 'UTF-8' : 'whole UTF-16';
    throw invalid(path, `It is not ${name} text.`, remedy, thrown);
  }
  if (!text.includes('\0')) return text;
  throw invalid(path, 'It holds zero bytes, as UTF-16 without a byte-order mark does.', remedy);
}

/** The separator under which the header has the required columns; a comma where none has. */
function separatorOf(text: string, required: readonly string[]): string {
  const [header = ''] = text.split(/[\r\n]/, 1);
  const has = (separator: string): boolean => {
    const names = header.split(separator).map((name) => name.trim().toLowerCase());
    const bare = names.map((name) => name.replace(/^"(.*)"$/, '$1').trim());
    return required.every((name) => bare.includes(name));
  };
  return [',', ';', '\t'].find(has) ?? ',';
}

/** The records but for blank lines; the first of them begins in the line `first`. */
function recordsOf(text: string, path: string, delimiter: string, first: number): CsvRecord[] {
  let line = first;
  try {
    const read = parse(text, {
      delimiter,
      record_delimiter: ['\r\n', '\n', '\r'],
      relax_column_count: true,
      raw: true,
    });
    const records: CsvRecord[] = [];
    for (const { record: fields, raw } of read as unknown as readonly RawRecord[]) {
      if (fields.length > 1 || fields[0]?.trim() !== '') records.push({ line, fields });
      line += lineEndsIn(raw);
    }
    return records;
  } catch (thrown) {
    if (!(thrown instanceof CsvError)) throw thrown;
    const before = Buffer.from(text).toString('utf8', 0, Number(thrown['bytes_records']));
    const [message, remedy] = FAULTS[thrown.code] ?? [thrown.message, 'Mend the row.'];
    throw invalid(`${path}, line ${first + lineEndsIn(before)}`, message, remedy, thrown);
  }
}

const FAULTS: Partial<Record<CsvErrorCode, readonly [message: string, remedy: string]>> = {
  CSV_QUOTE_NOT_CLOSED: ['A double quote is opened and never closed.', 'Close it.'],
  CSV_INVALID_CLOSING_QUOTE: [
    'There is text after a closing double quote.',
    'Double the quotes inside a quoted cell.',
  ],
  INVALID_OPENING_QUOTE: [
    'A double quote stands inside an unquoted cell.',
    'Quote the whole cell and double the quotes inside it.',
  ],
};

function lineEndsIn(text: string): number {
  return text.match(/\r\n|\n|\r/g)?.length ?? 0;
}

function tableBytes(path: string): Uint8Array {
  return readBounded(path, MAX_BYTES, (reason, cause, isTooLarge) =>
    isTooLarge
      ? invalid(path, `The table cannot be read: ${reason}.`, 'Give a smaller table.')
      : dataError(
          'CSV_UNREADABLE',
          `Cannot read the table ${path}: ${reason}.`,
          'Check the path and its permissions.',
          { where: path, cause },
        ),
  );
}

function invalid(where: string, message: string, remedy: string, cause?: unknown): UsclError {
  return dataError('CSV_INVALID', message, remedy, { where, cause });
}
