/**
 * What a recipe is: the knowledge of one public set, from where to get it to which name means which label. A recipe
 * looks at names and tables, not at frames. Here is also what recipes have in common.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { compareText, groupBy } from '../../base/collect.ts';
import { dataError, type UsclError } from '../../base/errors.ts';
import type { CsvRow } from '../../formats/csv.ts';
import { accessComplaint, compareNatural, joinRelative } from '../common/paths.ts';
import type { IngestPlan, PlannedClip, Rejection } from '../common/ingest-plan.ts';

/** What can be chosen of a public set. */
export interface RecipeOptions {
  /** What to label the clips with, where a set has several answers. */
  readonly label?: string | undefined;
  /** Whether single pictures become one-frame clips too (default: left out). */
  readonly stills?: boolean | undefined;
  /** Which part of a set that its authors divided (default: all of it). */
  readonly part?: string | undefined;
  /** Path of a table with the columns clip, label and optionally group. */
  readonly labels?: string | undefined;
}

export interface RecipeContext {
  /** Real path of the source. */
  readonly root: string;
  readonly options: RecipeOptions;
  /** Absolute path that is not looked into: where the dataset is going to be. */
  readonly skip?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What a recipe finds in a folder. Name, licence and origin only where they depend on what is in it; lists are empty by default. */
export type RecipePlan = Partial<IngestPlan> & Pick<IngestPlan, 'classes' | 'clips' | 'notes'>;

/** What is known of a public set: what it is, where it is from, its terms, how it is read. */
export interface Recipe<Name extends string = string> {
  readonly name: Name;
  /** What the set is, in one line. */
  readonly about: string;
  /** What the folder must hold. */
  readonly layout: string;
  /** How a person gets it; null for one's own data. */
  readonly from: string | null;
  /** Terms of the frames; null where there is nothing to say. Stored in the dataset. */
  readonly licence: string | null;
  readonly citation: string | null;
  readonly homepage: string | null;
  readonly classes: string;
  /** What `group` is made of. */
  readonly groups: string;
  /** What a user of the set should know. */
  readonly caution: string | null;
  /** Options it takes; for `label` and `part`, which values. */
  readonly options: {
    readonly label?: readonly string[];
    readonly stills?: true;
    readonly part?: readonly string[];
    readonly labels?: true;
  };
  /** Commands from the published set to a dataset, as they are typed. */
  readonly commands: readonly string[];
  /** Whether a folder looks like this set, by a few names in it; opens nothing large. */
  readonly recognises: (root: string) => boolean;
  /** @internal What becomes of a folder of this set. */
  readonly plan: (context: RecipeContext) => RecipePlan | Promise<RecipePlan>;
}

/** A cell's text, '' where there is none. */
export function cell(row: CsvRow, column: string): string {
  return row.cells.get(column) ?? '';
}

/** Clips in the order of their paths. */
export function sorted(clips: readonly PlannedClip[]): PlannedClip[] {
  return [...clips].sort((a, b) => compareText(a.item.path, b.item.path));
}

/** `name (3), other (1)`, in the order of names. */
export function countsAsText(names: readonly string[]): string {
  const counts = [...groupBy(names, (name) => name)].sort(([a], [b]) => compareText(a, b));
  return counts.map(([name, own]) => `${name} (${own.length})`).join(', ');
}

/** Files below a folder of the source, in natural order, without hidden ones; links to folders are not followed. */
export function filesBelow(root: string, folder: string, rejected: Rejection[]): string[] {
  let entries;
  try {
    entries = readdirSync(join(root, folder), { withFileTypes: true });
  } catch (thrown) {
    rejected.push({ source: folder, reason: accessComplaint(thrown, folder) });
    return [];
  }
  const shown = entries.filter(({ name }) => !name.startsWith('.'));
  const files = shown.filter((entry) => !entry.isDirectory()).map(({ name }) => joinRelative(folder, name));
  const folders = shown.filter((entry) => entry.isDirectory()).map(({ name }) => joinRelative(folder, name));
  return [...files, ...folders.flatMap((name) => filesBelow(root, name, rejected))].sort(compareNatural);
}

/** For each item the first (by name) of all keys that are joined to its own, in chains; an item has a key or more. */
export function joined(keys: readonly (readonly string[])[]): readonly string[] {
  const above = new Map<string, string>();
  const top = (key: string): string => {
    let at = key;
    for (let next = above.get(at); next !== undefined; next = above.get(at)) at = next;
    return at;
  };
  for (const [first, ...others] of keys)
    for (const other of others) {
      const [a, b] = [top(first!), top(other)].sort(compareText) as [string, string];
      if (a !== b) above.set(b, a);
    }
  return keys.map(([first]) => top(first!));
}

/** Refuses a source that has not all of these names in it. Errors: `RECIPE_FOLDER`. */
export function requirePaths(recipe: string, root: string, names: readonly string[]): void {
  const missing = names.find((name) => !existsSync(join(root, name)));
  if (missing !== undefined)
    throw folderError(recipe, root, names.join(' and '), `${root} has no ${missing}${contentsOf(root)}`);
}

/** `; it holds a, b and 3 more`: what is there in the place of what was expected. */
export function contentsOf(root: string): string {
  let names: string[];
  try {
    names = readdirSync(root).filter((name) => !name.startsWith('.'));
  } catch {
    // A file, or a folder that may not be read: whoever opens it says so.
    return '';
  }
  if (names.length === 0) return '; it is empty';
  const shown = names.sort(compareNatural).slice(0, 6).join(', ');
  return `; it holds ${shown}${names.length > 6 ? ` and ${names.length - 6} more` : ''}`;
}

export function folderError(recipe: string, root: string, expected: string, found: string): UsclError {
  return dataError(
    'RECIPE_FOLDER',
    `The recipe ${recipe} expects a folder with ${expected}; ${found}.`,
    `Give the top folder of the set as it was published; "uscl recipes ${recipe}" says where to get it.`,
    { where: root },
  );
}

export function rowError(table: string, row: CsvRow, message: string): UsclError {
  const where = `${table}, line ${row.line}`;
  return dataError('RECIPE_ROW', message, 'Mend the row or remove it.', { where });
}
