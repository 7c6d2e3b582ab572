/**
 * Splits that are stored with a dataset: k folds, or training, validation and test. A leak-free unit (a group, or
 * groups that share pictures) stays on one side. Classes are as even as whole units allow, and the same seed gives
 * the same split. A split names clips by id, so that one that no longer fits the dataset is found out.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { dataError, usageError, UsclError } from '../base/errors.ts';
import { writeFileAtomic } from '../base/files.ts';
import { randomAt } from '../base/random.ts';
import { assignGroups, countLabels } from './folds.ts';
import { DUPLICATE_DISTANCE, findDuplicates, leakFreeUnits } from './duplicates.ts';
import type { Dataset } from '../dataset/reader.ts';
import { type ClipRecord, SPLITS } from '../dataset/types.ts';

const splitSchema = z.strictObject({
  format: z.literal('uscl-split'),
  version: z.literal(1),
  name: z.string(),
  /** `folds`: each part is tested once, the others train; `parts`: training, validation (if any) and test. */
  kind: z.enum(['folds', 'parts']),
  seed: z.int(),
  /** Bits up to which hashes counted as the same picture when groups were joined. */
  distance: z.int(),
  /** Groups that share pictures and were therefore kept together. */
  joined: z.array(z.array(z.string())),
  parts: z.array(z.strictObject({ name: z.string(), clips: z.array(z.string()) })).min(2),
});

/**
 * Which clips are on which side, by their ids: the form of a dataset’s `splits/NAME.json`.
 * @interface
 */
export type NamedSplit = Readonly<z.infer<typeof splitSchema>>;

/** What parts a split has: folds, or training, test and validation. */
export type SplitRequest =
  | { readonly kind: 'folds'; readonly folds: number }
  /** Shares of the clips; the rest trains. */
  | { readonly kind: 'parts'; readonly test: number; readonly validation: number };

/** Orders of groups that are tried; the most even assignment is taken. */
const ATTEMPTS = 24;

/** Largest split file that is read. */
const MAX_BYTES = 256 * 2 ** 20;

/**
 * Makes a split. Errors: `SPLIT_OPTION` (impossible shares, folds or name), `SPLIT_TOO_FEW_GROUPS` when a class occurs
 * in fewer units than there are parts, `SPLIT_UNEVEN` when whole groups leave a part without a class.
 */
export function makeSplit(
  clips: readonly ClipRecord[],
  name: string,
  request: SplitRequest,
  options: { readonly seed?: number; readonly distance?: number } = {},
): NamedSplit {
  requireName(name);
  const parts = partsOf(request);
  const { seed = 0, distance = DUPLICATE_DISTANCE } = options;
  const { unitOf, joined } = leakFreeUnits(clips, distance);
  const units = [...new Set(unitOf)].sort();
  // Unlabelled clips are spread as if they were a class of their own.
  const labels = [...new Set(clips.map(({ label }) => label))];
  const named = labels.filter((label) => label !== null).sort();
  const classes = labels.includes(null) ? [...named, null] : named;
  const counts = countLabels(clips, unitOf, units, classes);
  requireUnits(counts, classes, parts.length, joined.length);

  const best = evenParts(
    counts,
    parts.map(({ share }) => share),
    named.length,
    (attempt) => randomAt(seed, 'split', parts.length, attempt).shuffled([...units.keys()]),
  );
  if (!best.complete)
    throw dataError(
      'SPLIT_UNEVEN',
      `In ${ATTEMPTS} attempts no way was found to give each of ${parts.map((part) => part.name).join(', ')} clips of every class without cutting a group in two.`,
      'Ask for fewer folds or larger shares, or label clips of more groups.',
    );
  const partOf = new Map(units.map((unit, i) => [unit, best.partOf[i]]));
  return {
    format: 'uscl-split',
    version: 1,
    name,
    kind: request.kind,
    seed,
    distance,
    joined: joined.map((groups) => [...groups]),
    parts: parts.map((part, p) => ({
      name: part.name,
      clips: clips.filter((_, i) => partOf.get(unitOf[i]!) === p).map(({ id }) => id),
    })),
  };
}

/**
 * Deals whole units to parts of these shares, as even in class counts [unit][class] as the best of several orders gets
 * them. `complete`: every part has something, and of each of the first `named` classes.
 */
export function evenParts(
  counts: readonly Float64Array[],
  shares: readonly number[],
  named: number,
  orderOf: (attempt: number) => readonly number[],
): { readonly partOf: Int32Array; readonly complete: boolean } {
  let best = { partOf: new Int32Array(counts.length), cost: Infinity };
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const order = orderOf(attempt);
    const assigned = assignGroups(
      order.map((i) => counts[i]!),
      shares.length,
      shares.map((share) => share * shares.length),
    );
    const partOf = new Int32Array(counts.length);
    for (const [i, unit] of order.entries()) partOf[unit] = assigned[i]!;
    const cost = unevenness(counts, partOf, shares, named);
    if (cost < best.cost) best = { partOf, cost };
  }
  return { partOf: best.partOf, complete: best.cost < INCOMPLETE };
}

/**
 * Writes a split into its dataset, whole or not at all, or to the file `out`, where the dataset may not be written.
 * Errors: `SPLIT_EXISTS` unless `overwrite`, `WRITE_FAILED`.
 */
export function writeSplit(folder: string, split: NamedSplit, overwrite = false, out?: string): string {
  const path = out ?? splitPath(folder, split.name);
  if (existsSync(path) && !overwrite)
    throw usageError(
      'SPLIT_EXISTS',
      out === undefined
        ? `The dataset already has a split named ${split.name}.`
        : `There is already something at ${out}.`,
      `Give another ${out === undefined ? '--name' : '--out'}, or say --overwrite to replace it.`,
      { where: path },
    );
  try {
    writeFileAtomic(path, [`${JSON.stringify(split, null, 1)}\n`]);
  } catch (thrown) {
    if (out !== undefined || !(thrown instanceof UsclError) || thrown.code !== 'WRITE_FAILED') throw thrown;
    throw new UsclError({
      kind: thrown.kind,
      code: thrown.code,
      message: thrown.message,
      where: path,
      remedy: `Write the split elsewhere with --out FILE.json; --split takes that path in place of a name.`,
      cause: thrown,
    });
  }
  return path;
}

/**
 * Reads a split of a dataset by its name, or by the path of a split that lies elsewhere: what holds a separator of
 * folders, or ends in `.json` and is there. Errors: `SPLIT_MISSING` (names those there are), `SPLIT_DAMAGED`,
 * `SPLIT_STALE` when it does not name exactly the clips that the dataset has.
 */
export function readSplit(dataset: Dataset, nameOrPath: string): NamedSplit {
  const isPath = /[/\\]/.test(nameOrPath);
  if (!isPath) requireName(nameOrPath);
  const inside = isPath ? nameOrPath : splitPath(dataset.folder, nameOrPath);
  const isBeside = !existsSync(inside) && nameOrPath.endsWith('.json') && existsSync(nameOrPath);
  const path = isBeside ? nameOrPath : inside;
  const name = nameOrPath;
  if (!existsSync(path)) {
    const known = splitNames(dataset.folder);
    throw usageError(
      'SPLIT_MISSING',
      isPath ? `There is no split at ${name}.` : `The dataset has no split named ${name}.`,
      isPath
        ? `Make it: uscl split ${dataset.folder} --folds 5 --out ${name}`
        : known.length === 0
          ? `Make it: uscl split ${dataset.folder} --folds 5 --name ${name}`
          : `It has ${known.join(', ')}.`,
      { where: path },
    );
  }
  const split = parseSplit(path);
  const ids = split.parts.flatMap(({ clips }) => clips);
  const there = new Set(dataset.clips.map(({ id }) => id));
  const stranger = ids.find((id) => !there.has(id));
  const twice = new Set(ids).size !== ids.length;
  if (stranger !== undefined || twice || ids.length !== there.size) {
    const reason = twice
      ? 'names a clip twice'
      : stranger === undefined
        ? `names ${ids.length} of the ${there.size} clips`
        : `names a clip that is not there, ${JSON.stringify(stranger)}`;
    throw dataError(
      'SPLIT_STALE',
      `The split ${name} does not fit the dataset: it ${reason}.`,
      'The dataset has changed since: make the split again with `uscl split … --overwrite`.',
      { where: path },
    );
  }
  return split;
}

/** Names of the splits kept with a dataset, sorted. */
export function splitNames(folder: string): readonly string[] {
  const splits = join(folder, SPLITS);
  if (!existsSync(splits)) return [];
  return readdirSync(splits)
    .filter((file) => file.endsWith('.json') && !file.startsWith('.'))
    .map((file) => file.slice(0, -'.json'.length))
    .sort();
}

/** Index of the part of each clip. */
export function partOfClips(split: NamedSplit, clips: readonly Pick<ClipRecord, 'id'>[]): Int32Array {
  const partOf = new Map(split.parts.flatMap(({ clips: ids }, part) => ids.map((id) => [id, part])));
  return Int32Array.from(clips, ({ id }) => partOf.get(id) ?? -1);
}

/** Two clips of different parts that should not be apart. */
export interface SplitLeak {
  readonly a: number;
  readonly b: number;
  readonly reason: 'same group' | 'same content' | 'same picture';
  /** Bits between their hashes, for `same picture`. */
  readonly distance: number | null;
}

/**
 * What leaks across the parts of a split: a group on two sides (one pair each), equal bytes, pictures that are alike.
 * Clips of the part −1 are in no part. Errors: `DISTANCE_INVALID`.
 */
export function leaksBetween(
  clips: readonly ClipRecord[],
  partOf: Int32Array,
  distance = DUPLICATE_DISTANCE,
): readonly SplitLeak[] {
  const leaks: SplitLeak[] = [];
  const firstOf = new Map<string, number>();
  const told = new Set<string>();
  for (const [b, { group }] of clips.entries()) {
    if (partOf[b] === -1) continue;
    const a = firstOf.get(group);
    if (a === undefined) firstOf.set(group, b);
    else if (partOf[a] !== partOf[b] && !told.has(group)) {
      told.add(group);
      leaks.push({ a, b, reason: 'same group', distance: null });
    }
  }
  findDuplicates(clips, null, distance, ({ a, b, sameContent, distance: bits }) => {
    if (partOf[a] === partOf[b] || partOf[a] === -1 || partOf[b] === -1) return;
    leaks.push({ a, b, reason: sameContent ? 'same content' : 'same picture', distance: bits });
  });
  return leaks;
}

interface Part {
  readonly name: string;
  readonly share: number;
}

function partsOf(request: SplitRequest): readonly Part[] {
  if (request.kind === 'folds') {
    const { folds } = request;
    if (!Number.isInteger(folds) || folds < 2)
      throw optionError(`A split needs a whole number of folds, at least 2, not ${folds}.`, 'Use 5.');
    return Array.from({ length: folds }, (_, i) => ({ name: `fold-${i + 1}`, share: 1 / folds }));
  }
  const { test, validation } = request;
  if (!(test > 0 && validation >= 0 && test + validation < 1))
    throw optionError(
      `Shares of ${test} for the test and ${validation} for validation leave nothing to train on, or nothing to test.`,
      'Use --test 0.2 --val 0.1: both are shares of the clips, and the rest trains.',
    );
  return [
    { name: 'train', share: 1 - test - validation },
    ...(validation > 0 ? [{ name: 'val', share: validation }] : []),
    { name: 'test', share: test },
  ];
}

function requireUnits(
  counts: readonly Float64Array[],
  classes: readonly (string | null)[],
  parts: number,
  joined: number,
): void {
  const note =
    joined === 0 ? '' : ` (groups that share pictures count as one; there are ${joined} such cases)`;
  const complain = (what: string, has: number): UsclError =>
    dataError(
      'SPLIT_TOO_FEW_GROUPS',
      `${what} in ${has} ${has === 1 ? 'group' : 'groups'}${note}, too few for ${parts} parts.`,
      `${
        has >= 2
          ? `Ask for at most ${has} parts, or add clips of other groups.`
          : 'Add clips of other groups; a group is never cut in two.'
      } If one group holds several patients, because one Patient ID or one folder stands for all of them, ingest again with --labels and name the patients in its column group.`,
    );
  if (counts.length < parts) throw complain('The clips are', counts.length);
  for (const [c, label] of classes.entries()) {
    const has = counts.filter((unit) => unit[c]! > 0).length;
    if (label !== null && has < parts) throw complain(`The class ${JSON.stringify(label)} occurs`, has);
  }
}

const INCOMPLETE = 1e6;

/** Squared distance of the class shares of the parts from what they should be; much more where something is missing. */
function unevenness(
  counts: readonly Float64Array[],
  partOf: Int32Array,
  shares: readonly number[],
  named: number,
): number {
  const classes = counts[0]!.length;
  const held = shares.map(() => new Float64Array(classes));
  for (const [unit, count] of counts.entries())
    for (let c = 0; c < classes; c++) held[partOf[unit]!]![c]! += count[c]!;
  let cost = 0;
  for (let c = 0; c < classes; c++) {
    const total = held.reduce((sum, part) => sum + part[c]!, 0);
    for (const [p, part] of held.entries()) {
      cost += (part[c]! / total / shares[p]! - 1) ** 2;
      if (c < named && part[c] === 0) cost += INCOMPLETE;
    }
  }
  for (const part of held) if (part.every((count) => count === 0)) cost += INCOMPLETE;
  return cost;
}

function parseSplit(path: string): NamedSplit {
  let cause: unknown;
  let reason = 'it is too large';
  if (statSync(path).size <= MAX_BYTES) {
    try {
      const result = splitSchema.safeParse(JSON.parse(readFileSync(path, 'utf8')));
      if (result.success) return result.data;
      const issue = result.error.issues[0];
      cause = result.error;
      reason = `"${issue?.path.map(String).join('.') ?? ''}": ${issue?.message ?? ''}`;
    } catch (thrown) {
      cause = thrown;
      reason = 'it is no JSON';
    }
  }
  throw dataError(
    'SPLIT_DAMAGED',
    `The split cannot be read: ${reason}.`,
    'Make it again with `uscl split … --overwrite`.',
    { where: path, cause },
  );
}

function splitPath(folder: string, name: string): string {
  return join(folder, SPLITS, `${name}.json`);
}

function requireName(name: string): void {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name)) return;
  throw optionError(
    `A split cannot be named ${JSON.stringify(name.slice(0, 80))}.`,
    'Use up to 64 letters, digits, dots, hyphens and underscores, starting with a letter or digit.',
  );
}

function optionError(message: string, remedy: string): UsclError {
  return usageError('SPLIT_OPTION', message, remedy);
}
