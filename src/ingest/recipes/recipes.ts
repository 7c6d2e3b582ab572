/**
 * Recipes for public sets: where they are to be had, under which licence the frames stand, where labels and groups are
 * and what they mean. One recipe a file in `recipes/`; this is the table of them.
 */
import { statSync } from 'node:fs';
import { told } from '../../base/collect.ts';
import { usageError } from '../../base/errors.ts';
import type { IngestPlan } from '../common/ingest-plan.ts';
import { busi } from './busi.ts';
import { covidBlues } from './covid-blues.ts';
import { gallbladder } from './gallbladder.ts';
import { frames } from './frames.ts';
import { masks } from './masks.ts';
import { pocus } from './pocus.ts';
import { folderError, type Recipe, type RecipeContext, type RecipeOptions } from './recipe.ts';
import { butterfly, us4 } from './us4.ts';

export { BLUES_LABELS } from './covid-blues.ts';
export { GALLBLADDER_PARTS } from './gallbladder.ts';
export type { Recipe, RecipeOptions } from './recipe.ts';

const TABLE = [pocus, covidBlues, gallbladder, us4, butterfly, busi, masks, frames] as const;

/** The name of a public set, as `--recipe` takes it. */
export type RecipeName = (typeof TABLE)[number]['name'];

/** All names, in the order in which they are listed. */
export const RECIPES: readonly RecipeName[] = TABLE.map(({ name }) => name);

/** What there is to know of a recipe, without running it. */
export function recipeOf(name: RecipeName): Recipe<RecipeName> {
  const found: Recipe<RecipeName> | undefined = TABLE.find((recipe) => recipe.name === name);
  if (found !== undefined) return found;
  throw new RangeError(`There is no recipe ${name}.`);
}

/** The recipe of the set that a folder (a real path) looks like, if any. */
export function recipeLike(root: string): Recipe<RecipeName> | undefined {
  if (!statSync(root).isDirectory()) return undefined;
  return TABLE.find((recipe) => recipe.recognises(root));
}

/**
 * Plans the ingest of a public set in `root` (a real path). Errors: `RECIPE_OPTION`, `RECIPE_FOLDER`, `RECIPE_ROW`,
 * those of `readCsv` and of label tables.
 */
export async function planRecipe(
  name: RecipeName,
  root: string,
  options: RecipeOptions = {},
  context: Omit<RecipeContext, 'root' | 'options'> = {},
): Promise<IngestPlan> {
  const recipe = recipeOf(name);
  checkOptions(recipe, options);
  if (!statSync(root).isDirectory()) throw folderError(name, root, recipe.layout, `${root} is a file`);
  const { licence, citation, homepage } = recipe;
  return {
    ...{ name, licence, citation, homepage },
    ...{ rejected: [], unmatchedLabels: [], withoutRow: [], ignored: 0 },
    ...(await recipe.plan({ ...context, root, options })),
  };
}

function checkOptions({ name, options: known }: Recipe, options: RecipeOptions): void {
  const { label, stills, part, labels } = options;
  const not = label === undefined ? '' : `; not "${label}"`;
  const parts = known.part === undefined ? 'no parts to choose from' : `the parts ${known.part.join(', ')}`;
  const [complaint] = told([
    known.label !== undefined &&
      (label === undefined || !known.label.includes(label)) &&
      `needs to know which label: ${known.label.join(', ')}${not}.`,
    label !== undefined && known.label === undefined && 'has one set of labels and takes no label option.',
    stills !== undefined && known.stills === undefined && 'has no stills to include or leave out.',
    part !== undefined && known.part?.includes(part) !== true && `has ${parts}; not "${part}".`,
    labels !== undefined && known.labels === undefined && 'brings its own labels and takes no label table.',
  ]);
  if (complaint === undefined) return;
  const taken = told([
    known.label !== undefined && `--label ${known.label.join('|')}`,
    known.stills !== undefined && '--stills',
    known.part !== undefined && `--part ${known.part.join('|')}`,
    known.labels !== undefined && '--labels FILE',
  ]);
  const remedy = `The recipe ${name} takes ${taken.length === 0 ? 'no options of its own' : taken.join(' and ')}.`;
  throw usageError('RECIPE_OPTION', `The recipe ${name} ${complaint}`, remedy, { where: name });
}
