/**
 * Tables that lie beside the pictures of a set and that its recipe does not read. A dataset has a place for classes and
 * groups and none for measures (the size of a pixel, a circumference), so they are not taken; which tables there are,
 * and which of their columns are left, is told.
 */
import { realpathSync } from 'node:fs';
import { opendir } from 'node:fs/promises';
import { join } from 'node:path';
import { isDataError, systemCode } from '../../base/errors.ts';
import { type CsvRow, readCsv } from '../../formats/csv.ts';
import { compareNatural, extensionOf, fileNameOf, folderOf, joinRelative, stemOf } from '../common/paths.ts';
import { cell } from './recipe.ts';

/** Sets with a table for each picture have thousands of them. */
const MOST_TABLES = 8;
const MOST_COLUMNS = 12;

/**
 * A sentence for each table in the folders of these pictures (by relative path) and those above them, but for the one at
 * the path `labels`, which is read.
 */
export async function tableNotes(
  root: string,
  pictures: readonly string[],
  labels: string | undefined,
): Promise<readonly string[]> {
  const read = labels === undefined ? undefined : realpathSync(labels);
  const tables: string[] = [];
  for (const folder of foldersAbove(pictures)) tables.push(...(await tablesIn(root, folder)));
  // `root` is a real path, and no link leads to where these lie.
  const others = tables.filter((path) => join(root, path) !== read).sort(compareNatural);
  const more = others.length - MOST_TABLES;
  return [
    ...others.slice(0, MOST_TABLES).map((path) => noteOn(root, path, pictures)),
    ...(more > 0 ? [`${more} more tables lie beside the pictures and were not looked at.`] : []),
  ];
}

function noteOn(root: string, path: string, pictures: readonly string[]): string {
  let rows: readonly CsvRow[];
  try {
    rows = rowsOf(join(root, path));
  } catch (thrown) {
    if (!isDataError(thrown)) throw thrown;
    return `${path} lies beside the pictures and was not read: ${thrown.message}`;
  }
  const columns = [...(rows[0]?.cells.keys() ?? [])];
  const named = columns.slice(0, MOST_COLUMNS).map((column) => countNamed(rows, column, pictures));
  const most = Math.max(0, ...named);
  const naming = most === 0 ? undefined : columns[named.indexOf(most)];
  const left = columns.filter((column) => column !== naming).map((column) => `"${column}"`);
  const about =
    naming === undefined
      ? 'lies beside the pictures and names none of them'
      : `names ${most} of ${pictures.length} pictures in its column "${naming}"`;
  if (left.length === 0) return `${path} ${about}; nothing of it was taken.`;
  const more = left.length - MOST_COLUMNS;
  return (
    `${path} ${about}; not taken: ${left.slice(0, MOST_COLUMNS).join(', ')}` +
    `${more > 0 ? ` and ${more} more columns` : ''}. A dataset has no place for measures; labels and groups are read from ` +
    'the table given with --labels.'
  );
}

/** How many pictures the cells of a column name, by path, file name or stem. */
function countNamed(rows: readonly CsvRow[], column: string, pictures: readonly string[]): number {
  const cells = new Set(rows.map((row) => cell(row, column).normalize('NFC')));
  return pictures.filter((path) =>
    [path, fileNameOf(path), stemOf(path)].some((name) => cells.has(name.normalize('NFC'))),
  ).length;
}

/** Rows, whatever separates their cells. */
function rowsOf(path: string): readonly CsvRow[] {
  const rows = readCsv(path, []);
  const [only = '', ...others] = rows[0]?.cells.keys() ?? [];
  const [first = ''] = only.split(/[;\t]/);
  return others.length > 0 || first === only ? rows : readCsv(path, [first.trim()]);
}

async function tablesIn(root: string, folder: string): Promise<string[]> {
  const found: string[] = [];
  try {
    for await (const entry of await opendir(join(root, folder)))
      if (entry.isFile() && !entry.name.startsWith('.') && ['csv', 'tsv'].includes(extensionOf(entry.name)))
        found.push(joinRelative(folder, entry.name));
  } catch (thrown) {
    // It could be listed when its pictures were found; who opens these says what is wrong with it now.
    if (systemCode(thrown) === undefined) throw thrown;
  }
  return found;
}

function foldersAbove(paths: readonly string[]): ReadonlySet<string> {
  const folders = new Set(['']);
  for (const path of paths) for (let at = folderOf(path); at !== ''; at = folderOf(at)) folders.add(at);
  return folders;
}
