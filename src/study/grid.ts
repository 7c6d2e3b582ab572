/**
 * The grid of a study as jobs, in the order that gives a full table earliest: all recipes with the first seed, then all
 * with the second. A job has a name, which is that of its files, and a key: the digest of all that decides its result.
 */
import { posix } from 'node:path';
import { UsclError } from '../base/errors.ts';
import { type FinetuneConfig, resolveFinetune } from '../finetune/config.ts';
import { resultConfig } from '../finetune/resume.ts';
import { type Config, resolveConfig } from '../runs/config.ts';
import { hashOf } from '../runs/run-folder.ts';
import { type FinetuneProtocol, isFromFile, type Recipe, type Study } from './study-file.ts';

/** A recipe on one set: a row of the table. */
export interface Variant {
  /** The recipe's; with the set where the recipe learns from several. */
  readonly name: string;
  readonly recipe: Recipe;
  /** The set that is learnt from; null for weights that are judged as they are. */
  readonly set: string | null;
}

interface Of {
  readonly name: string;
  readonly key: string;
  readonly variant: Variant;
  readonly seed: number;
}

/** Something that one process does in one go, and that leaves one file. */
export type Job =
  | (Of & { readonly kind: 'pretrain'; readonly set: string })
  | (Of & { readonly kind: 'probe'; readonly target: string })
  | (Of & { readonly kind: 'finetune'; readonly target: string })
  /** The shortcut meter: the source of the clips of a set, told from frozen features. */
  | (Of & { readonly kind: 'sources'; readonly set: string });

/** A job of one kind. */
export type JobOf<Kind extends Job['kind']> = Extract<Job, { readonly kind: Kind }>;

/** Hashes of datasets: of sets by name, of targets by name. */
export interface DataHashes {
  readonly sets: ReadonlyMap<string, string>;
  readonly targets: ReadonlyMap<string, string>;
  /** SHA-256 of weights from files, by the names of their recipes. */
  readonly weights?: ReadonlyMap<string, string>;
}

/** Rows of the table, in the order of the file. */
export function variantsOf({ recipes, pretraining }: Study): readonly Variant[] {
  return recipes.flatMap((recipe): readonly Variant[] => {
    if (recipe.method === undefined) return [{ name: recipe.name, recipe, set: null }];
    const sets = recipe.on ?? pretraining.on;
    return sets.map((set) => ({
      name: sets.length === 1 ? recipe.name : `${recipe.name}@${set}`,
      recipe,
      set,
    }));
  });
}

/** Every set that something is learnt from, and for the shortcut meter of random weights the study's first. */
export function setsOf(study: Study): readonly string[] {
  return [
    ...new Set([...variantsOf(study).flatMap(({ set }) => set ?? []), ...study.pretraining.on.slice(0, 1)]),
  ];
}

/**
 * The configuration of a pretraining, complete but for what the machine decides. Of random weights: that of the network
 * which the others have. Errors: those of `resolveConfig`, with the recipe's place.
 */
export function pretrainConfig(study: Study, { recipe }: Variant, seed: number): Config {
  const set = [...study.pretraining.set, ...recipe.set, `seed=${seed}`];
  const { method, preset } = recipe;
  return placed(study, `recipe ${recipe.name}`, () =>
    resolveConfig({
      ...(method === undefined ? {} : { method }),
      ...(preset === undefined ? {} : { preset }),
      set,
    }),
  );
}

/** Settings of one fine-tuning of a recipe's weights: one seed, the candidate's own settings last. */
export function finetuneSettings(
  protocol: FinetuneProtocol,
  { finetune }: Recipe,
  candidate: FinetuneProtocol['candidates'][number],
  seed: number,
): readonly string[] {
  const own = [`labelRates=${JSON.stringify(protocol.labelRates)}`, 'seeds=1', 'finalModel=false'];
  return [...protocol.set, ...finetune, ...candidate.set, ...own, `seed=${seed}`];
}

function finetuneConfigs(study: Study, recipe: Recipe, seed: number): readonly FinetuneConfig[] {
  const { finetune } = study.protocols;
  if (finetune === undefined) return [];
  return finetune.candidates.map((candidate) =>
    placed(study, `protocols.finetune, recipe ${recipe.name}, candidate ${candidate.name}`, () =>
      resolveFinetune({ set: finetuneSettings(finetune, recipe, candidate, seed) }),
    ),
  );
}

function placed<Result>({ path }: Study, place: string, resolve: () => Result): Result {
  try {
    return resolve();
  } catch (thrown) {
    if (!(thrown instanceof UsclError)) throw thrown;
    const { kind, code, message, where = '', remedy } = thrown;
    throw new UsclError({ kind, code, message, remedy, where: `${path}, ${place}, ${where}`, cause: thrown });
  }
}

/** All jobs in order. Errors: those of `pretrainConfig` and `resolveFinetune`. */
export function jobsOf(study: Study, hashes: DataHashes): readonly Job[] {
  const variants = variantsOf(study);
  return study.seeds.flatMap((seed) =>
    variants.flatMap((variant) => jobsOfRun(study, variant, seed, hashes)),
  );
}

function jobsOfRun(
  study: Study,
  variant: Variant,
  seed: number,
  { sets, targets, weights: files }: DataHashes,
): readonly Job[] {
  const { protocols, shortcutMeter, pretraining } = study;
  const config = withoutMachine(pretrainConfig(study, variant, seed));
  const { set } = variant;
  const { recipe } = variant;
  // Keys of recipes without a file are what they were before there were such recipes.
  const file = isFromFile(recipe) ? [{ file: files?.get(recipe.name), normalise: recipe.normalise }] : [];
  const weights = hashOf([
    ...file,
    ...(set === null ? [...(file.length > 0 ? [] : ['random']), config] : [config, sets.get(set)]),
  ]);
  const of = (kind: string, rest: readonly string[], about: unknown): Of => ({
    name: [variant.name, `s${seed}`, kind, ...rest].join('.'),
    key: hashOf([weights, kind, about]),
    variant,
    seed,
  });
  const measured = set ?? pretraining.on[0]!;
  const tuned = finetuneConfigs(study, recipe, seed).map(resultConfig);
  return [
    ...(set === null ? [] : [{ kind: 'pretrain' as const, set, ...of('pretrain', [], null) }]),
    ...study.targets.flatMap(({ name: target }) => {
      const data = targets.get(target);
      return [
        ...(protocols.probe === undefined
          ? []
          : [{ kind: 'probe' as const, target, ...of('probe', [target], [data, protocols.probe]) }]),
        ...(protocols.finetune === undefined
          ? []
          : [{ kind: 'finetune' as const, target, ...of('finetune', [target], [data, tuned]) }]),
      ];
    }),
    ...(shortcutMeter
      ? [{ kind: 'sources' as const, set: measured, ...of('sources', [measured], sets.get(measured)) }]
      : []),
  ];
}

/** What the machine decides changes last digits and no protocol: a result may come from another machine. */
function withoutMachine(config: Config): unknown {
  const {
    backend: _backend,
    threads: _threads,
    precision: _precision,
    loader: _loader,
    ...settings
  } = config;
  // The weights that a recipe starts from count by their content.
  const { init: _init, ...rest } = settings;
  return rest;
}

/** The pretraining that a job needs; null for weights that are judged as they are. */
export function pretrainingOf(job: Job, jobs: readonly Job[]): Job | null {
  if (job.variant.set === null) return null;
  return (
    jobs.find(
      ({ kind, variant, seed }) =>
        kind === 'pretrain' && variant.name === job.variant.name && seed === job.seed,
    ) ?? null
  );
}

/** Folder of a pretraining run among others of the work folder. */
export function runFolder({ variant, seed }: Pick<Job, 'variant' | 'seed'>): string {
  return posix.join('runs', `${variant.name}.s${seed}`);
}
