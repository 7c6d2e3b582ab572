/**
 * Weights that a recipe takes from a file of whoever runs the study: found beside the study file, or where `--weights NAME=FILE`
 * says. A recipe whose file is not there is told as not given; the rest of the study goes on. What a result was made with stands in
 * it by SHA-256, so a table can be made again where the file is not.
 */
import { existsSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { usageError, UsclError } from '../base/errors.ts';
import { readStart } from '../trainer/starting-weights.ts';
import { normalisationOf } from '../views/normalisations.ts';
import type { ViewConfig } from '../views/config.ts';
import type { WeightsRecord } from './results.ts';
import { isFromFile, type Recipe, type Study, studyError } from './study-file.ts';

/** Weights of a recipe. */
export interface GivenWeights {
  /** Where they are; null where they are not there. */
  readonly path: string | null;
  /** What results say of them; null where nothing says it. */
  readonly record: WeightsRecord | null;
  /** How images are normalised for them; null: as the file says. */
  readonly normalise: ViewConfig['normalise'] | null;
}

/** By the names of their recipes. */
export type AllWeights = ReadonlyMap<string, GivenWeights>;

/**
 * Finds the weights of all recipes that take some, in the files `named` (`NAME=FILE`) first; `recorded` is what earlier results say of the others.
 * Errors: `OPTION_INVALID`, `STUDY_FILE`, those of `readStart` at the recipe.
 */
export async function findWeights(
  { path, recipes }: Study,
  named: readonly string[],
  recorded: (recipe: string) => WeightsRecord | null,
): Promise<AllWeights> {
  const wanted = recipes.filter(isFromFile);
  const files = new Map(named.map((one) => namedFile(one, wanted)));
  const found = new Map<string, GivenWeights>();
  for (const { name, weights = '', normalise } of wanted) {
    const at = `recipes, ${name}, normalise`;
    const view = normalise === undefined ? null : placed(path, at, () => normalisationOf(normalise, at));
    const file = files.get(name) ?? resolve(dirname(path), weights);
    if (existsSync(file)) {
      const { record } = await readStart(file, {});
      const terms = record.trainedOn?.map(
        (set) => `${set.name}: ${set.terms?.licence ?? 'licence not stated'}`,
      );
      const said = { file: basename(file), sha256: record.sha256 ?? '', learntFrom: terms ?? null };
      found.set(name, { path: file, record: said, normalise: view });
    } else if (files.has(name))
      throw studyError(path, `recipes, ${name}`, `there are no weights at ${file}, which --weights names`);
    else found.set(name, { path: null, record: recorded(name), normalise: view });
  }
  return found;
}

function namedFile(text: string, wanted: readonly Recipe[]): [string, string] {
  const at = text.indexOf('=');
  const name = text.slice(0, Math.max(0, at));
  if (wanted.some((recipe) => recipe.name === name) && at < text.length - 1)
    return [name, resolve(text.slice(at + 1))];
  throw usageError(
    'OPTION_INVALID',
    `There is no recipe that takes its weights from a file for "${text}".`,
    wanted.length === 0
      ? 'No recipe of this study has weights: FILE.'
      : `Write --weights NAME=FILE, with one of the names ${wanted.map((recipe) => recipe.name).join(', ')}.`,
    { where: '--weights' },
  );
}

function placed<Result>(path: string, place: string, action: () => Result): Result {
  try {
    return action();
  } catch (thrown) {
    if (!(thrown instanceof UsclError)) throw thrown;
    throw studyError(path, place, thrown.message.replace(/\.$/, ''));
  }
}
