/**
 * The classes of a fine-tuning. `classMap` renames and merges the labels of the dataset, and `classes` selects some
 * of them. A clip whose class is left out counts as unlabelled everywhere else. A name that the dataset does not
 * have is an error.
 */
import { dataError, usageError, type UsclError } from '../base/errors.ts';
import type { Dataset } from '../dataset/reader.ts';
import { labelIndices } from '../evaluation/features/clips.ts';
import { type ClassMap, DROP } from '../curation/class-map.ts';
import type { FinetuneConfig } from './config.ts';

export interface ClassSelection {
  /** Classes with a labelled clip: in the order of `classes` where it is given, else in the dataset's. */
  readonly classes: readonly string[];
  /** Classes without one. */
  readonly emptyClasses: readonly string[];
  /** Class index of each clip of the dataset, −1 without a label or left out. */
  readonly labels: Int32Array;
  /** Labelled clips whose class takes no part. */
  readonly leftOut: number;
}

/** Errors: `MAP_UNKNOWN_CLASS`, `CLASS_UNKNOWN`, `LABEL_UNKNOWN`. */
export function selectClasses(
  dataset: Dataset,
  { classMap, classes: asked }: Pick<FinetuneConfig, 'classMap' | 'classes'>,
): ClassSelection {
  const { clips, manifest } = dataset;
  const theirs = manifest.classes;
  for (const name of Object.keys(classMap)) if (!theirs.includes(name)) throw unknownInMap(name, theirs);
  if (theirs.includes(DROP) && Object.values(classMap).includes(null))
    throw invalid(
      'key classMap',
      `"${DROP}" leaves a class out, but the dataset has a class of that name.`,
      'Name the classes to tell apart with --classes instead.',
    );
  const ours = new Map(Object.entries(classMap));
  const named = theirs.map((name) => {
    const target = ours.get(name);
    return target === undefined ? name : target;
  });
  const known = [...new Set(named.filter((name) => name !== null))];
  const unknown = asked?.find((name) => !known.includes(name));
  if (unknown !== undefined) throw unknownClass(unknown, known);
  const wanted = asked ?? known;
  const all = labelIndices(clips, theirs);
  const places = Array.from(all, (c) => (c < 0 ? -1 : wanted.indexOf(named[c] ?? '')));
  const occurring = wanted.filter((_, c) => places.includes(c));
  return {
    classes: occurring,
    emptyClasses: wanted.filter((name) => !occurring.includes(name)),
    labels: Int32Array.from(places, (c) => (c < 0 ? -1 : occurring.indexOf(wanted[c]!))),
    leftOut: places.filter((place, clip) => place < 0 && all[clip]! >= 0).length,
  };
}

/** A file of classes as the configuration key `classMap`. `merge` brings classes together under a name. */
export function classMapOf({ path, classes, merge }: ClassMap): Record<string, string | null> {
  const jointOf = new Map(
    [...merge].flatMap(([joint, members]) => members.map((one) => [one, joint] as const)),
  );
  const twice = [...jointOf.keys()].find((member) => classes.has(member));
  if (twice !== undefined || jointOf.size < [...merge.values()].flat().length)
    throw invalid(
      path,
      `It says twice what ${twice === undefined ? 'a class' : JSON.stringify(twice)} is.`,
      SAY_ONCE,
    );
  // A class that others are renamed to takes them along.
  const renamed = [...classes].map(([theirs, ours]) => [theirs, jointOf.get(ours ?? '') ?? ours] as const);
  return Object.fromEntries([...renamed, ...jointOf]);
}

function unknownInMap(name: string, classes: readonly string[]): UsclError {
  return dataError(
    'MAP_UNKNOWN_CLASS',
    `${JSON.stringify(name)} is no class of the dataset.`,
    `Its classes are ${classes.map((one) => JSON.stringify(one)).join(', ')}; to leave one out, write "${DROP}" in the file of --map, or null in the key.`,
    { where: 'key classMap' },
  );
}

function unknownClass(name: string, classes: readonly string[]): UsclError {
  return usageError(
    'CLASS_UNKNOWN',
    `${JSON.stringify(name)} is no class that could be told apart.`,
    `Give names out of ${classes.map((one) => JSON.stringify(one)).join(', ')}.`,
    { where: 'key classes' },
  );
}

const SAY_ONCE = 'Say it once; docs/finetuning.md shows what such a file holds.';

function invalid(where: string, message: string, remedy: string): UsclError {
  return dataError('MAP_INVALID', message, remedy, { where });
}
