/**
 * What a recipe is: the knowledge of one public set, from where to get it to which name means which label. A recipe
 * looks at names and tables, not at frames. Here is also what recipes have in common.
 */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { UsclError } from '../../base/errors.ts';
import type { CsvRow } from '../csv.ts';
import { compareText } from '../paths.ts';
import type { IngestPlan, PlannedClip } from '../plan.ts';

export interface RecipeOptions {
  /** What to label the clips with, where a set has several answers. */
  readonly label?: string | undefined;
  /** Whether single pictures become one-frame clips too (default: left out). */
  readonly stills?: boolean | undefined;
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

/** What a recipe finds in a folder. Name and licence only where they depend on what is in it. */
export type RecipePlan = Omit<IngestPlan, 'name' | 'licence' | 'citation' | 'homepage'> &
  Partial<Pick<IngestPlan, 'name' | 'licence'>>;

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
  /** Options it takes; for `label`, which values. */
  readonly options: {
    readonly label?: readonly string[];
    readonly stills?: true;
    readonly labels?: true;
  };
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
export function countsAsText(counts: ReadonlyMap<string, number>): string {
  const names = [...counts.keys()].sort(compareText);
  return names.map((name) => `${name} (${counts.get(name) ?? 0})`).join(', ');
}

/** Counts one more of `key`. */
export function count(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

/** Refuses a source that has not all of these names in it. Errors: `RECIPE_FOLDER`. */
export function requirePaths(recipe: string, root: string, names: readonly string[]): void {
  const missing = names.find((name) => !existsSync(join(root, name)));
  if (missing !== undefined)
    throw folderError(recipe, root, names.join(' and '), `${root} has no ${missing}`);
}

/** Refuses a source that is no folder. Errors: `RECIPE_FOLDER`. */
export function requireFolder(recipe: string, root: string, expected: string): void {
  if (!statSync(root).isDirectory()) throw folderError(recipe, root, expected, `${root} is a file`);
}

export function folderError(recipe: string, root: string, expected: string, found: string): UsclError {
  return new UsclError({
    kind: 'data',
    code: 'RECIPE_FOLDER',
    message: `The recipe ${recipe} expects a folder with ${expected}; ${found}.`,
    where: root,
    remedy: `Give the top folder of the set as it was published; "uscl recipes ${recipe}" says where to get it.`,
  });
}

export function rowError(table: string, row: CsvRow, message: string): UsclError {
  return new UsclError({
    kind: 'data',
    code: 'RECIPE_ROW',
    message,
    where: `${table}, line ${row.line}`,
    remedy: 'Mend the row or remove it.',
  });
}
