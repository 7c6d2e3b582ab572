/**
 * A table of features as files of other programs: CSV, Parquet, or a NumPy matrix with the names of its rows beside it.
 * Whatever the form, columns and rows are the same and in one order.
 */
import { parquetWriteBuffer } from 'hyparquet-writer';
import { AtomicFile, writeFileAtomic } from '../base/files.ts';
import { npyChunks } from '../formats/npy.ts';

/** What a row is of. */
export interface RowNames {
  readonly clip: string;
  /** Number of the frame in its clip; null where a row is a whole clip. */
  readonly frame: number | null;
  /** The patient. */
  readonly group: string;
  readonly label: string | null;
  /** The dataset that the clip was merged from, or its own. */
  readonly source: string;
}

export interface FeatureTable {
  readonly rows: readonly RowNames[];
  readonly dim: number;
  /** [rows, dim]. */
  readonly features: Float32Array;
  /** What readers may have to know: written where the form has a place for it. */
  readonly about: Readonly<Record<string, string>>;
}

/** Forms by the ends of file names. */
export const TABLE_FORMATS = ['csv', 'npy', 'parquet'] as const;
export type TableFormat = (typeof TABLE_FORMATS)[number];

/** The file beside a NumPy matrix that names its rows; null for forms with names of their own. */
export function rowsFileOf(out: string, format: TableFormat): string | null {
  return format === 'npy' ? out.replace(/(\.npy)?$/i, '.rows.csv') : null;
}

/** Writes a table. Each file appears whole; names of rows before their matrix. Errors: `DISK_FULL`, `WRITE_FAILED`. */
export function writeTable(table: FeatureTable, out: string, format: TableFormat): void {
  WRITERS[format](table, out);
}

const WRITERS: Readonly<Record<TableFormat, (table: FeatureTable, out: string) => void>> = {
  csv(table, out) {
    writeCsv(table, out, table.dim);
  },
  npy(table, out) {
    writeCsv(table, rowsFileOf(out, 'npy')!, 0);
    writeFileAtomic(out, npyChunks(table.features, table.rows.length, table.dim));
  },
  parquet({ rows, dim, features, about }, out) {
    const texts = (['clip', 'group', 'label', 'source'] as const).map((name) => ({
      ...({ name, type: 'STRING', data: rows.map((row) => row[name]), nullable: name === 'label' } as const),
    }));
    const frames = rows.map(({ frame }) => frame).filter((frame) => frame !== null);
    const frame = { name: 'frame', type: 'INT32', data: Int32Array.from(frames), nullable: false } as const;
    const numbers = Array.from({ length: dim }, (_, feature) => ({
      ...({ name: nameOf(feature), type: 'FLOAT', nullable: false } as const),
      data: Float32Array.from(rows, (__, row) => features[row * dim + feature]!),
    }));
    const bytes = parquetWriteBuffer({
      columnData: [texts[0]!, ...(frames.length === 0 ? [] : [frame]), ...texts.slice(1), ...numbers],
      kvMetadata: Object.entries(about).map(([key, value]) => ({ key, value })),
      createdBy: 'uscl',
    });
    writeFileAtomic(out, [new Uint8Array(bytes)]);
  },
};

const nameOf = (feature: number): string => `f${feature}`;

/** Rows that are put together before they are written. */
const ROWS_AT_ONCE = 256;

/** A header and a row a line, with the first `dim` features; all numbers are read again to the same f32. */
function writeCsv({ rows, dim: stride, features }: FeatureTable, out: string, dim: number): void {
  const framed = rows.some(({ frame }) => frame !== null);
  const header = ['clip', ...(framed ? ['frame'] : []), 'group', 'label', 'source'];
  using file = new AtomicFile(out);
  file.write(`${[...header, ...Array.from({ length: dim }, (_, i) => nameOf(i))].join(',')}\n`);
  for (let from = 0; from < rows.length; from += ROWS_AT_ONCE) {
    const lines = rows.slice(from, from + ROWS_AT_ONCE).map(({ clip, frame, group, label, source }, i) => {
      const names = [clip, ...(framed ? [String(frame)] : []), group, label ?? '', source].map(cell);
      const start = (from + i) * stride;
      const numbers = Array.from(features.subarray(start, start + dim), (value) =>
        String(Number(value.toPrecision(9))),
      );
      return `${[...names, ...numbers].join(',')}\n`;
    });
    file.write(lines.join(''));
  }
  file.commit();
}

/** RFC 4180. */
function cell(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
