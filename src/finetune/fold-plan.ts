/**
 * The clips of each fold run: those that train, those that choose the epoch, and those that are tested. The choice is a
 * function of the seed and of clip and group names. No clip is dropped silently: an impossible choice is an error that
 * says what is possible.
 */
import { z } from 'zod';
import { dataError, usageError } from '../base/errors.ts';
import { randomAt } from '../base/random.ts';
import { groupedFolds } from '../curation/folds.ts';
import { leakFreeUnits } from '../curation/duplicates.ts';
import type { Dataset } from '../dataset/reader.ts';
import { evenParts, partOfClips, readSplit } from '../curation/splits.ts';
import { type Overlap, splitLeaks } from '../runs/provenance.ts';
import { nestedSubset } from '../runs/training-clips.ts';
import { type FinetuneConfig, seedsOf } from './config.ts';
import type { FoldRunKey } from './fold-runs.ts';
import { type ClassSelection, selectClasses } from './class-selection.ts';

/** Fold of a clip that always trains. */
const TRAIN_ONLY = -1;
/** Fold of a clip that takes no part in training or testing: it has no label of a class. */
const LEFT_OUT = -2;

/** The folds of one seed. */
export interface Folding {
  readonly seed: number;
  /** Fold in which each clip of the dataset is tested, `TRAIN_ONLY` or `LEFT_OUT`. */
  readonly fold: Int32Array;
}

export interface FoldPlan extends ClassSelection {
  /** The leak-free unit of each clip: its group, joined with groups that share pictures. */
  readonly unitOf: readonly string[];
  readonly joined: readonly (readonly string[])[];
  readonly folds: number;
  readonly foldings: readonly Folding[];
  /** Clips of classes that take no part: their labels are known, so they are not shown as unlabelled ones either. */
  readonly otherClasses: ReadonlySet<number>;
  /** The role of each clip in a split, labelled or not: a fold, or `TRAIN_ONLY`; null for folds drawn anew. */
  readonly roles: readonly number[] | null;
  /** Clips that a split names for choosing the epoch. */
  readonly inner: ReadonlySet<number> | null;
  /** Clips that a split keeps for the test: the final model does not train on them. */
  readonly kept: ReadonlySet<number>;
  /** Leaks of a split that was asked for, in words. */
  readonly leaks: readonly string[];
}

/** Clips of one fold run: indices into the dataset, ascending. */
export interface FoldRunClips {
  readonly training: readonly number[];
  /** Clips that choose the epoch; empty where too few clips are labelled to hold any out. */
  readonly inner: readonly number[];
  readonly test: readonly number[];
  /**
   * Clips that may be shown without a label: those that have none and those beyond the label rate, but none of a unit that is
   * tested or chooses the epoch.
   */
  readonly unlabelled: readonly number[];
}

/**
 * Plans all folds. Errors: those of `selectClasses`, `groupedFolds` and `readSplit`; `FOLDS_ONE_CLASS`, `FOLD_EMPTY`,
 * `SPLIT_UNEVEN`, `CONFIG_INVALID` for class weights that are not one a class.
 */
export function planFolds(dataset: Dataset, config: FinetuneConfig): FoldPlan {
  const base = selectClasses(dataset, config);
  requireTwo(base.classes, dataset);
  requireWeights(config, base.classes);
  const plan =
    config.split === null
      ? drawnFolds(dataset, config, base)
      : splitFolds(dataset, config.split, config, base);
  for (const folding of plan.foldings) requireFolding(plan, folding, dataset, config.split === null);
  return plan;
}

/** Clips of the fold run `key`. */
export function foldRunClips(
  plan: FoldPlan,
  dataset: Dataset,
  config: FinetuneConfig,
  key: FoldRunKey,
): FoldRunClips {
  const folding = plan.foldings.find(({ seed }) => seed === key.seed);
  if (folding === undefined) throw new RangeError(`The run has no seed ${key.seed}.`);
  const { fold } = folding;
  const all = dataset.clips.map((_, clip) => clip);
  const test = key.fold === null ? [] : all.filter((clip) => fold[clip] === key.fold);
  const free = all.filter(
    (clip) => fold[clip] !== LEFT_OUT && (key.fold === null ? !plan.kept.has(clip) : fold[clip] !== key.fold),
  );
  const budget = labelSubset(plan, dataset, free, key);
  // The published protocol holds nothing out: it looks at the test instead.
  if (config.protocol === 'legacy' && key.fold !== null)
    return { training: budget, inner: [], test, unlabelled: [] };
  const inner = new Set(innerClips(plan, budget, config.innerFraction, key));
  const training = budget.filter((clip) => !inner.has(clip));
  const unlabelled = unlabelledClips(plan, all, { training, inner: [...inner], test }, key);
  return { training, inner: budget.filter((clip) => inner.has(clip)), test, unlabelled };
}

/** What `FoldRunClips.unlabelled` says. */
function unlabelledClips(
  { unitOf, otherClasses, roles, kept, inner: choosing }: FoldPlan,
  all: readonly number[],
  { training, inner, test }: Omit<FoldRunClips, 'unlabelled'>,
  { fold }: FoldRunKey,
): readonly number[] {
  const taught = new Set(training);
  const heldOut = new Set([...test, ...inner, ...(choosing ?? [])].map((clip) => unitOf[clip]!));
  for (const clip of fold === null ? kept : []) heldOut.add(unitOf[clip]!);
  const isTested = (clip: number): boolean => fold !== null && roles?.[clip] === fold;
  return all.filter(
    (clip) => !taught.has(clip) && !otherClasses.has(clip) && !heldOut.has(unitOf[clip]!) && !isTested(clip),
  );
}

function drawnFolds(dataset: Dataset, config: FinetuneConfig, base: ClassSelection): FoldPlan {
  const { clips } = dataset;
  const legacy = config.protocol === 'legacy';
  const units = legacy ? { unitOf: clips.map(({ id }) => id), joined: [] } : leakFreeUnits(clips);
  const named = clips.map(({ id }, i) => ({
    id,
    label: base.classes[base.labels[i]!] ?? null,
    group: units.unitOf[i]!,
  }));
  const foldings = seedsOf(config).map((seed) => ({
    seed,
    fold: groupedFolds(named, config.folds, seed).map((fold) => (fold < 0 ? LEFT_OUT : fold)),
  }));
  return {
    ...base,
    unitOf: units.unitOf,
    joined: units.joined,
    folds: config.folds,
    foldings,
    otherClasses: otherClasses(dataset, base),
    roles: null,
    inner: null,
    kept: new Set(),
    leaks: [],
  };
}

function splitFolds(dataset: Dataset, name: string, config: FinetuneConfig, base: ClassSelection): FoldPlan {
  const { clips } = dataset;
  const split = readSplit(dataset, name);
  const partOf = partOfClips(split, clips);
  const parts = split.parts.map((part) => part.name);
  const isFolds = split.kind === 'folds';
  const roles = parts.map((part, index) => (isFolds ? index : part === 'test' ? 0 : TRAIN_ONLY));
  const labelled = (clip: number): boolean => base.labels[clip]! >= 0;
  const fold = partOf.map((part, clip) => (labelled(clip) ? roles[part]! : LEFT_OUT));
  const val = parts.indexOf('val');
  const sides = partOf.map((part, clip) => (labelled(clip) ? part : -1));
  const inPart = (part: number): ReadonlySet<number> =>
    new Set([...clips.keys()].filter((clip) => partOf[clip] === part));
  return {
    ...base,
    ...leakFreeUnits(clips),
    joined: [],
    folds: isFolds ? parts.length : 1,
    foldings: seedsOf(config).map((seed) => ({ seed, fold })),
    otherClasses: otherClasses(dataset, base),
    roles: Array.from(partOf, (part) => roles[part]!),
    inner: val === -1 || isFolds ? null : inPart(val),
    kept: isFolds ? new Set() : inPart(parts.indexOf('test')),
    leaks: splitLeaks(clips, sides, name),
  };
}

function otherClasses({ clips }: Dataset, { labels }: ClassSelection): ReadonlySet<number> {
  return new Set([...clips.keys()].filter((clip) => labels[clip]! < 0 && clips[clip]!.label !== null));
}

/** The clips of each class with the smallest draws, at least one a class: nested in the subset of any higher rate. */
function labelSubset(
  plan: FoldPlan,
  dataset: Dataset,
  free: readonly number[],
  { labelRate, seed }: FoldRunKey,
): readonly number[] {
  if (labelRate === 1) return free;
  const drawOf = (clip: number): number => randomAt(seed, 'label-rate', dataset.clips[clip]!.id).uniform();
  const taken = plan.classes.flatMap((_, c) => {
    const mine = free.filter((clip) => plan.labels[clip] === c);
    return nestedSubset(mine, labelRate, drawOf, 1);
  });
  return taken.sort((a, b) => a - b);
}

/** Whole units with a clip of every class on both sides; none where that is impossible. */
function innerClips(
  plan: FoldPlan,
  budget: readonly number[],
  fraction: number,
  { seed, fold }: FoldRunKey,
): readonly number[] {
  const { labels, unitOf, inner } = plan;
  if (inner !== null) {
    const held = budget.filter((clip) => inner.has(clip));
    return everyClass(plan, held) &&
      everyClass(
        plan,
        budget.filter((clip) => !inner.has(clip)),
      )
      ? held
      : [];
  }
  const units = [...new Set(budget.map((clip) => unitOf[clip]!))].sort();
  const at = new Map(units.map((unit, i) => [unit, i]));
  const counts = units.map(() => new Float64Array(plan.classes.length));
  for (const clip of budget) counts[at.get(unitOf[clip]!)!]![labels[clip]!]! += 1;
  if (units.length < 2) return [];
  const { partOf, complete } = evenParts(counts, [1 - fraction, fraction], plan.classes.length, (attempt) =>
    randomAt(seed, 'inner-split', fold ?? 'final', attempt).shuffled([...units.keys()]),
  );
  return complete ? budget.filter((clip) => partOf[at.get(unitOf[clip]!)!] === 1) : [];
}

function everyClass(plan: FoldPlan, clips: readonly number[]): boolean {
  return new Set(clips.map((clip) => plan.labels[clip])).size === plan.classes.length;
}

function requireFolding(plan: FoldPlan, { seed, fold }: Folding, dataset: Dataset, drawn: boolean): void {
  const { classes, labels, folds } = plan;
  for (let f = 0; f < folds; f++) {
    if (!fold.includes(f))
      throw dataError(
        'FOLD_EMPTY',
        `Fold ${f + 1} of ${folds} (seed ${seed}) has no labelled clip to test: a few groups hold most clips.`,
        drawn
          ? 'Ask for fewer folds (--set folds=3), another seed (--set seed=1), or label clips of more groups.'
          : 'Label clips of that part, or make the split again: uscl split DATASET --name NAME --overwrite',
        { where: dataset.folder },
      );
    const missing = classes.find((_, c) => labels.every((label, i) => label !== c || fold[i] === f));
    if (missing !== undefined)
      throw dataError(
        'SPLIT_UNEVEN',
        `Without fold ${f + 1} (seed ${seed}) no clip of the class '${missing}' is left to learn it from.`,
        drawn
          ? 'Ask for more folds (--set folds=8) or another seed (--set seed=1), label clips of more groups of that class, or leave it out (--classes).'
          : 'Label clips of more groups of that class, leave it out (--classes), or make the split again with other shares: uscl split DATASET --name NAME --overwrite',
        { where: dataset.folder },
      );
  }
}

function requireTwo(classes: readonly string[], dataset: Dataset): void {
  if (classes.length >= 2) return;
  const found = classes.length === 0 ? 'no labelled clip' : `labels of one class only, '${classes[0]!}'`;
  throw dataError(
    'FOLDS_ONE_CLASS',
    `A classifier tells at least two classes apart, and the dataset has ${found}.`,
    'Ingest it with labels (--labels FILE), or use another dataset.',
    { where: dataset.folder },
  );
}

function requireWeights({ classWeights }: FinetuneConfig, classes: readonly string[]): void {
  if (typeof classWeights === 'string' || classWeights.length === classes.length) return;
  throw usageError(
    'CONFIG_INVALID',
    `There are ${classWeights.length} class weights for the ${classes.length} classes ${classes.join(', ')}.`,
    'Give one weight a class in that order, or "balanced".',
    { where: 'key classWeights' },
  );
}

/** `folds.json`: which clip is tested in which fold, and what is known of leaks, for whoever reads a run later. */
export const foldsRecordSchema = z.strictObject({
  format: z.literal('uscl-folds'),
  version: z.literal(1),
  protocol: z.enum(['honest', 'legacy']),
  /** Of the dataset; null for folds drawn anew. */
  split: z.string().nullable(),
  classes: z.array(z.string()),
  folds: z.int(),
  /** Groups that share pictures and were therefore never parted. */
  joined: z.array(z.array(z.string())),
  /** Leaks that were allowed, in words. */
  leaks: z.array(z.string()),
  /** Tested clips that the weights had seen before; null where that is not known (or nothing to be known: random). */
  overlap: z.strictObject({ seen: z.int(), labelsSeen: z.int() }).nullable(),
  /** Every clip; `label` −1 for none; `fold` by seed: −1 always trains, −2 takes no part. */
  clips: z.array(
    z.strictObject({ id: z.string(), unit: z.string(), label: z.int(), fold: z.array(z.int()) }),
  ),
});
export type FoldsRecord = Readonly<z.infer<typeof foldsRecordSchema>>;

export function foldsRecord(
  dataset: Dataset,
  config: FinetuneConfig,
  plan: FoldPlan,
  found: { readonly leaks: readonly string[]; readonly overlap: Overlap | null },
): FoldsRecord {
  const { overlap } = found;
  return {
    format: 'uscl-folds',
    version: 1,
    protocol: config.protocol,
    split: config.split,
    classes: [...plan.classes],
    folds: plan.folds,
    joined: plan.joined.map((groups) => [...groups]),
    leaks: [...found.leaks],
    overlap: overlap === null ? null : { seen: overlap.seen, labelsSeen: overlap.labelsSeen },
    clips: dataset.clips.map(({ id }, clip) => ({
      id,
      unit: plan.unitOf[clip]!,
      label: plan.labels[clip]!,
      fold: plan.foldings.map(({ fold }) => fold[clip]!),
    })),
  };
}
