/**
 * Labels and groups for a folder of clips: from a table (`clip`, `label`, optionally `group`) or from class folders.
 */
import { dataError } from '../../base/errors.ts';
import { readCsv } from '../../formats/csv.ts';
import { compareNatural, fileNameOf, stemOf } from '../common/paths.ts';
import type { IngestPlan, PlannedClip, SourceItem } from '../common/ingest-plan.ts';

type Labelled = Pick<IngestPlan, 'clips' | 'classes' | 'unmatchedLabels' | 'withoutRow'>;

/** Clips labelled by a table where there is one, else by class folders where they may be that, else not at all. */
export function labelsOf(
  items: readonly SourceItem[],
  table: string | undefined,
  mayBeFolders: boolean,
): Labelled & { readonly fromFolders: boolean } {
  const fromFolders = table === undefined && mayBeFolders && hasClassFolders(items);
  if (table !== undefined) return { ...labelsFromTable(items, table), fromFolders };
  const clips = items.map((item) => {
    return { item, label: fromFolders ? classFolderOf(item) : null, group: item.path, flags: [] };
  });
  return { clips, classes: classesOf(clips), unmatchedLabels: [], withoutRow: [], fromFolders };
}

/** Folders that say what is in them, or whose it is, but not of which class. */
const NO_CLASS =
  /^(train(ing)?|val(id(ation)?)?|test(ing)?|images?|imgs?|pictures?|frames?|clips?|videos?|data(set)?s?|masks?|labels?|annotations?|segmentations?|(.*[^a-z])?(patients?|pat|subj(ect)?|sub|person|pid|mrn|cases?|videos?|vid|series|study|scan|visit|exam)[^a-z]*\d+.*|[\d\W_]*)$/i;

/**
 * Whether the items lie in class folders: all of them clips of frames, or all stills, each in one of at least two
 * folders directly below the source (`<class>/<video>/<frame>`, the layout of the USCL reference code; or
 * `<class>/<picture>`), and no folder called like a part of a set (`train`, `masks`), a patient or a number.
 */
export function hasClassFolders(items: readonly SourceItem[]): boolean {
  const [first] = items;
  if (first === undefined || (first.kind !== 'frames' && first.kind !== 'still')) return false;
  if (!items.every(({ kind, path }) => kind === first.kind && path.split('/').length === 2)) return false;
  const folders = new Set(items.map(classFolderOf));
  return folders.size > 1 && ![...folders].some((name) => NO_CLASS.test(name));
}

function classFolderOf({ path }: SourceItem): string {
  return path.slice(0, path.indexOf('/'));
}

/**
 * Joins a table to the items. `clip` names the relative path, the file name or the name without extension, whichever
 * way its accents are composed; an empty label means unlabelled; without a group a clip is its own. Errors: those of
 * `readCsv`, `LABELS_DUPLICATE` (two rows for one clip), `LABELS_AMBIGUOUS` (one row for several clips),
 * `LABELS_NO_MATCH` (not one row fits).
 */
export function labelsFromTable(items: readonly SourceItem[], path: string): Labelled {
  const rows = readCsv(path, ['clip', 'label']);
  // Items under those of their names that are asked for: a table may be short and a source long.
  const byName = new Map<string, SourceItem[]>(rows.map(({ cells }) => [comparable(cells.get('clip')!), []]));
  for (const item of items) {
    const own = [item.path, fileNameOf(item.path), stemOf(item.path)].map(comparable);
    for (const name of new Set(own)) byName.get(name)?.push(item);
  }
  const rowOf = new Map<SourceItem, { line: number; label: string | null; group: string | null }>();
  const unmatchedLabels: string[] = [];
  for (const { line, cells } of rows) {
    const where = `${path}, line ${line}`;
    const name = cells.get('clip')!;
    const found = byName.get(comparable(name)) ?? [];
    // A full path wins over a file of the same name elsewhere.
    const alike = found.filter((item) => comparable(item.path) === comparable(name));
    const exact = found.find((item) => item.path === name) ?? (alike.length === 1 ? alike[0] : undefined);
    const item = exact ?? found[0];
    if (exact === undefined && found.length > 1) {
      throw dataError(
        'LABELS_AMBIGUOUS',
        `"${name}" fits ${found.length} clips, such as ${found[0]!.path} and ${found[1]!.path}.`,
        'Write the path relative to the source folder.',
        { where },
      );
    }
    if (item === undefined) {
      unmatchedLabels.push(name);
      continue;
    }
    const earlier = rowOf.get(item);
    if (earlier !== undefined) {
      const message = `The clip ${item.path} already has a row in line ${earlier.line}.`;
      throw dataError('LABELS_DUPLICATE', message, 'Keep one row a clip.', { where });
    }
    rowOf.set(item, { line, label: cells.get('label')! || null, group: (cells.get('group') ?? '') || null });
  }
  if (rowOf.size === 0 && items.length > 0) {
    throw dataError(
      'LABELS_NO_MATCH',
      rows.length === 0
        ? 'The label table has no rows.'
        : `Not one of ${rows.length} rows fits a clip: the first names "${unmatchedLabels[0]}", the first clip is ${items[0]!.path}.`,
      'The column "clip" must hold paths relative to the source, file names, or names without extension.',
      { where: path },
    );
  }
  const clips = items.map((item) => {
    const row = rowOf.get(item);
    return { item, label: row?.label ?? null, group: row?.group ?? item.path, flags: [] };
  });
  const withoutRow = items.filter((item) => !rowOf.has(item)).map((item) => item.path);
  return { clips, classes: classesOf(clips), unmatchedLabels, withoutRow };
}

/**
 * A name as it is compared: file systems and spreadsheets differ in how they compose accents, in the separator of
 * folders, and in whether blanks at the ends survive.
 */
function comparable(name: string): string {
  return name.normalize('NFC').replaceAll('\\', '/').replace(/^\.\//, '').trim();
}

function classesOf(clips: readonly PlannedClip[]): string[] {
  const labels = clips.flatMap(({ label }) => (label === null ? [] : [label]));
  return [...new Set(labels)].sort(compareNatural);
}
