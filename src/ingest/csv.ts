/**
 * Reads tables as RFC 4180 has them and as spreadsheets write them: quoted cells may hold separators, line breaks and
 * doubled quotes; lines end in LF, CRLF or CR; UTF-8, or UTF-16 with a byte-order mark. Cells are separated by what a
 * first line `sep=…` says, otherwise by the one of comma, semicolon and tab under which the header has the columns.
 * Strict and bounded; every complaint names file and line.
 */
import { dataError, type UsclError } from '../base/errors.ts';
import { readBounded } from '../base/read-bounded.ts';

const MAX_BYTES = 64 * 2 ** 20;

const LINE_END = /\r\n|\n|\r/g;

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
  const told = /^"?sep=(.)"?(?:\r\n|\n|\r|$)/i.exec(text);
  const separator = told?.[1] ?? separatorOf(text, required);
  const from = { at: told?.[0].length ?? 0, line: told === null ? 1 : 2 };
  const records = splitRecords(text, path, separator, from).filter(
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
    throw invalid(
      `${path}, line ${header.line}`,
      `The table has no column "${missing}"; it has ${names
        .map((name) => JSON.stringify(name.slice(0, 40)))
        .slice(0, 20)
        .join(', ')}.`,
      `The first line must name the columns ${required.join(', ')}, separated by commas, semicolons or tabs.`,
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
        'Mend the row; cells that hold separators or line breaks need double quotes.',
      );
    }
    return { line, cells: new Map(names.map((name, i) => [name, fields[i]!.trim()])) };
  });
}

/** Reads a table whose first line is a row already; `names` are the columns it must have. Errors: as `readCsv`. */
export function readCsvWithoutHeader(path: string, names: readonly string[]): readonly CsvRow[] {
  const header = new TextEncoder().encode(`${names.join(',')}\n`);
  const bytes = tableBytes(path);
  const rest = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? bytes.subarray(3) : bytes;
  const whole = new Uint8Array(header.length + rest.length);
  whole.set(header);
  whole.set(rest, header.length);
  return parseCsv(whole, path, names).map(({ line, cells }) => ({ line: line - 1, cells }));
}

interface CsvRecord {
  readonly line: number;
  readonly fields: string[];
}

/** The text of a table. Errors: `CSV_INVALID` for what is no text, with what it seems to be. */
function decoded(bytes: Uint8Array, path: string): string {
  const head = Buffer.from(bytes.subarray(0, 4)).toString('hex');
  if (head === '504b0304' || head === 'd0cf11e0')
    throw invalid(
      path,
      'It is a workbook of a spreadsheet program, not CSV.',
      'Save the table as CSV in UTF-8.',
    );
  const encoding = head.startsWith('fffe') ? 'utf-16le' : head.startsWith('feff') ? 'utf-16be' : 'utf-8';
  let text: string;
  try {
    text = new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch (thrown) {
    const name = encoding === 'utf-8' ? 'UTF-8' : 'whole UTF-16';
    throw invalid(path, `It is not ${name} text.`, 'Save the table as CSV in UTF-8.', thrown);
  }
  if (text.includes('\0')) {
    throw invalid(
      path,
      'It holds zero bytes, as UTF-16 without a byte-order mark does.',
      'Save the table as CSV in UTF-8.',
    );
  }
  return text;
}

/** The separator under which the header has the required columns; a comma where none has. */
function separatorOf(text: string, required: readonly string[]): string {
  const [header = ''] = text.split(/[\r\n]/, 1);
  const has = (separator: string): boolean => {
    const names = header.split(separator).map((name) =>
      name
        .trim()
        .replace(/^"(.*)"$/, '$1')
        .trim(),
    );
    return required.every((name) => names.some((one) => one.toLowerCase() === name));
  };
  return [',', ';', '\t'].find(has) ?? ',';
}

function splitRecords(
  text: string,
  path: string,
  separator: string,
  from: { readonly at: number; readonly line: number },
): CsvRecord[] {
  const records: CsvRecord[] = [];
  let { at, line } = from;
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
        line += field.match(LINE_END)?.length ?? 0;
        at = end + 1;
        if (at < text.length && ![separator, '\r', '\n'].includes(text[at]!)) {
          throw invalid(
            `${path}, line ${line}`,
            'There is text after a closing double quote.',
            'Double the quotes inside a quoted cell.',
          );
        }
      } else {
        const start = at;
        while (at < text.length && ![separator, '\r', '\n'].includes(text[at]!)) at++;
        field = text.slice(start, at);
        if (field.includes('"')) {
          throw invalid(
            `${path}, line ${line}`,
            `A double quote stands inside an unquoted cell.`,
            'Quote the whole cell and double the quotes inside it.',
          );
        }
      }
      record.fields.push(field);
      if (text[at] !== separator) break;
      at++;
    }
    at += text.startsWith('\r\n', at) ? 2 : 1;
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
