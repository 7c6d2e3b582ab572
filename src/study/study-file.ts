/**
 * The study file: recipes of pretraining, the sets they learn from, targets that judge them, the protocols of judging, and
 * the endpoint that decides. Everything is read and checked before the first step: names that exist nowhere, keys of
 * configurations, methods.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parse as parseYaml } from 'yaml';
import { z } from 'zod';
import { messageOf, usageError, type UsclError } from '../base/errors.ts';

/** Names become parts of file names. */
const name = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]*$/i, 'letters, digits, dots, dashes and underscores only');
const settings = z.array(z.string().min(1)).default([]);
const rate = z.number().gt(0).lte(1);
/** Weights as they are initialised. */
export const RANDOM = 'random';

const recipeSchema = z.strictObject({
  name,
  /** What the report says of it. */
  about: z.string().default(''),
  /**
   * `random`: weights as they are initialised; the control. Else a file of weights or a run, beside this file or where `--weights`
   * says: judged as they are, or with a method what its pretraining starts from.
   */
  weights: z.string().min(1).optional(),
  /** Of weights from a file: how images are normalised, where the file does not say it (`uscl import --normalise`). */
  normalise: z.string().min(1).optional(),
  /** A method of pretraining (`uscl methods`). */
  method: z.string().min(1).optional(),
  preset: z.string().min(1).optional(),
  /** Sets to learn from, one after another; default: those of the study. */
  on: z.array(name).min(1).optional(),
  /** Configuration keys, as `--set` takes them; over those of `pretraining`. */
  set: settings,
  /** Configuration keys of fine-tuning these weights; over those of the protocol, under those of a candidate. */
  finetune: settings,
});

const targetSchema = z.strictObject({
  name,
  /** Name of the dataset's folder. */
  data: z.string().min(1),
  about: z.string().default(''),
  /** Part `part` (from 0) of `of` parts into which a hash of their names deals the patients. */
  groups: z.strictObject({ of: z.int().min(2).max(100), part: z.int().min(0) }).optional(),
  /** Clips of it are in a set that is learnt from, and the page is to say so. Labels that were read stay a leak. */
  inPool: z.boolean().default(false),
});

const probeSchema = z.strictObject({
  folds: z.int().min(2).default(5),
  /** Different foldings. */
  seeds: z.int().min(1).default(5),
  framesPerClip: z.int().min(1).default(8),
  /** Neighbours of the kNN. */
  k: z.int().min(1).default(10),
});

const candidateSchema = z.strictObject({ name, set: settings });

const finetuneSchema = z.strictObject({
  /** Configuration keys of fine-tuning. */
  set: settings,
  labelRates: z.array(rate).min(1).default([1]),
  /** Settings of which inner clips choose one for each fold, such as learning rates. */
  candidates: z
    .array(candidateSchema)
    .min(1)
    .default([{ name: 'default', set: [] }]),
});

/** Readers of scores: the two of a probe, and fine-tuning. */
export const READERS = ['linear', 'knn', 'finetune'] as const;
export type Reader = (typeof READERS)[number];

const endpointSchema = z.strictObject({
  reader: z.enum(READERS),
  /** Of fine-tuning: the mean over these. */
  labelRates: z.array(rate).min(1).default([1]),
  /** Differences are pooled over these by inverse variance. */
  targets: z.array(name).min(1),
});

const studySchema = z.strictObject({
  name,
  title: z.string().default(''),
  /** File of the registered plan, beside this one; its digest goes into every result. */
  plan: z.string().min(1).optional(),
  /** Seeds of pretraining: how many from 0, or which. */
  seeds: z.union([z.int().min(1).max(1000), z.array(z.int().min(0)).min(1)]).default(1),
  /** Shared by all recipes. */
  pretraining: z.strictObject({ on: z.array(name).min(1), set: settings }),
  recipes: z.array(recipeSchema).min(1),
  /** Adds the best recipes of a finished study, by its endpoint, its controls left out. */
  best: z
    .strictObject({
      /** Folder of its results, beside this file. */
      of: z.string().min(1),
      count: z.int().min(1),
    })
    .optional(),
  targets: z.array(targetSchema).min(1),
  protocols: z
    .strictObject({ probe: probeSchema.optional(), finetune: finetuneSchema.optional() })
    .refine(({ probe, finetune }) => probe !== undefined || finetune !== undefined, 'name probe or finetune'),
  endpoint: endpointSchema,
  /** Recipes that are no candidates: all others are compared with each of them. The first is the main one. */
  controls: z.array(name).min(1),
  /** How well features tell the source of a clip, of the sets learnt from; costs one probe a run. */
  shortcutMeter: z.boolean().default(true),
  /** Draws of the bootstrap. */
  resamples: z.int().min(100).max(1_000_000).default(4000),
});

export type Recipe = Readonly<z.infer<typeof recipeSchema>>;
export type StudyTarget = Readonly<z.infer<typeof targetSchema>>;
export type FinetuneProtocol = Readonly<z.infer<typeof finetuneSchema>>;
export type Endpoint = Readonly<z.infer<typeof endpointSchema>>;

/** A study as its file says it. */
export interface Study extends Readonly<Omit<z.infer<typeof studySchema>, 'seeds' | 'best' | 'plan'>> {
  /** Path of the file. */
  readonly path: string;
  readonly seeds: readonly number[];
  /** The registered plan; null without one. */
  readonly plan: { readonly path: string; readonly sha256: string } | null;
}

/** Whether a recipe takes weights from a file. */
export function isFromFile({ weights }: Recipe): boolean {
  return weights !== undefined && weights !== RANDOM;
}

/** What an earlier study left that this one builds on. */
export type FindBest = (folder: string, count: number) => readonly Recipe[];

/** Form of a recipe in a file that a study leaves. */
export const recipeRecord = recipeSchema;

/** Reads a study file. Errors: `STUDY_FILE`, those of `findBest`. */
export function readStudy(path: string, findBest: FindBest): Study {
  const raw = parsed(path);
  const result = studySchema.safeParse(raw);
  if (!result.success) throw firstProblem(path, result.error);
  const { seeds, best, plan, ...rest } = result.data;
  const beside = (file: string): string => join(dirname(path), file);
  const recipes =
    best === undefined ? rest.recipes : [...rest.recipes, ...findBest(beside(best.of), best.count)];
  const study: Study = {
    ...rest,
    recipes: recipes.filter((recipe, i) => best === undefined || isFirst(recipes, recipe, i)),
    path,
    seeds: typeof seeds === 'number' ? Array.from({ length: seeds }, (_, i) => i) : seeds,
    plan: plan === undefined ? null : { path: plan, sha256: digestOf(path, beside(plan)) },
  };
  requireNames(study);
  return study;
}

/** A recipe that an earlier study found may be named in this file already. */
function isFirst(recipes: readonly Recipe[], { name: own }: Recipe, at: number): boolean {
  return recipes.findIndex((recipe) => recipe.name === own) === at;
}

function parsed(path: string): unknown {
  try {
    return parseYaml(readFileSync(path, 'utf8'), { uniqueKeys: true }) as unknown;
  } catch (thrown) {
    throw studyError(path, '', `it cannot be read: ${messageOf(thrown)}`);
  }
}

function digestOf(path: string, plan: string): string {
  try {
    return createHash('sha256').update(readFileSync(plan)).digest('hex');
  } catch (thrown) {
    throw studyError(path, 'plan', messageOf(thrown));
  }
}

function firstProblem(path: string, { issues }: z.ZodError): UsclError {
  const issue = issues.find(({ code }) => code === 'unrecognized_keys') ?? issues[0]!;
  const at = issue.path.map(String).join('.');
  if (issue.code !== 'unrecognized_keys') return studyError(path, at, issue.message);
  return studyError(path, at, `there is no key ${issue.keys.map((key) => JSON.stringify(key)).join(', ')}`);
}

/** Names that are used exist, and no two things have one name. */
function requireNames(study: Study): void {
  const { path, recipes, targets, controls, endpoint, protocols } = study;
  const names = recipes.map((recipe) => recipe.name);
  const targetNames = targets.map((target) => target.name);
  requireDistinct(path, 'recipes', names);
  requireDistinct(path, 'targets', targetNames);
  requireDistinct(path, 'seeds', study.seeds.map(String));
  for (const one of controls) requireKnown(path, 'controls', one, names);
  for (const one of endpoint.targets) requireKnown(path, 'endpoint.targets', one, targetNames);
  for (const [i, recipe] of recipes.entries()) requireRecipe(path, `recipes.${i}`, recipe);
  requireNoInit(path, 'pretraining.set', study.pretraining.set);
  for (const [i, { groups }] of targets.entries())
    if (groups !== undefined && groups.part >= groups.of)
      throw studyError(path, `targets.${i}.groups.part`, `parts are numbered 0 to ${groups.of - 1}`);
  if (endpoint.reader === 'finetune') {
    const { finetune } = protocols;
    if (finetune === undefined)
      throw studyError(path, 'endpoint.reader', 'finetune is not among the protocols');
    for (const one of endpoint.labelRates)
      requireKnown(path, 'endpoint.labelRates', one, finetune.labelRates);
    requireDistinct(
      path,
      'protocols.finetune.candidates',
      finetune.candidates.map((one) => one.name),
    );
  } else if (protocols.probe === undefined)
    throw studyError(path, 'endpoint.reader', `${endpoint.reader} needs the protocol probe`);
}

/** A recipe has a method, weights, or both, and nothing that neither of them reads. */
function requireRecipe(path: string, at: string, recipe: Recipe): void {
  const { name: own, weights, method, preset, on, normalise, set } = recipe;
  if (weights === undefined && method === undefined)
    throw studyError(path, at, `"${own}" needs either method or weights: random, or weights: FILE`);
  if (weights === RANDOM && method !== undefined)
    throw studyError(
      path,
      at,
      `"${own}" has a method, which starts from random weights by itself: leave weights out`,
    );
  if (method === undefined && (preset ?? on) !== undefined)
    throw studyError(
      path,
      at,
      `"${own}" has ${weights === RANDOM ? 'random ' : ''}weights and learns from nothing`,
    );
  if (normalise !== undefined && !isFromFile(recipe))
    throw studyError(path, `${at}.normalise`, `"${own}" has no weights from a file`);
  requireNoInit(path, `${at}.set`, set);
}

function requireNoInit(path: string, at: string, set: readonly string[]): void {
  if (set.some((one) => one.startsWith('init=')))
    throw studyError(path, at, 'what a recipe starts from is said by weights: FILE');
}

function requireDistinct(path: string, key: string, names: readonly string[]): void {
  const twice = names.find((one, i) => names.indexOf(one) !== i);
  if (twice !== undefined) throw studyError(path, key, `"${twice}" is there twice`);
}

function requireKnown<Value extends string | number>(
  path: string,
  key: string,
  value: Value,
  known: readonly Value[],
): void {
  if (!known.includes(value))
    throw studyError(path, key, `there is no ${JSON.stringify(value)}; there are ${known.join(', ')}`);
}

/** `STUDY_FILE`: the study file cannot be used. */
export function studyError(path: string, key: string, reason: string): UsclError {
  return usageError(
    'STUDY_FILE',
    `The study file cannot be used: ${key === '' ? '' : `${key}: `}${reason}.`,
    'Mend that place in the file; docs/studies.md explains every key.',
    { where: key === '' ? path : `${path}, ${key}` },
  );
}
