/**
 * The mapping between the classes of a dataset and of a model. A file says which of their classes is which of ours
 * and which is left out. It may merge several of ours where theirs are coarser; their probabilities are then added.
 * Only equal names match without a file. A label that matches nothing is an error, never left out.
 */
import { parse, YAMLParseError } from 'yaml';
import { z } from 'zod';
import { dataError, messageOf, usageError, UsclError } from '../base/errors.ts';
import { readBounded } from '../base/read-bounded.ts';
import { readCsv } from '../formats/csv.ts';

const MAX_BYTES = 2 ** 20;

/** The word that leaves a class out. */
export const DROP = 'drop';

/** The contents of a file of classes. */
export interface ClassMap {
  readonly path: string;
  /** Their class → ours, or null for one that is left out. */
  readonly classes: ReadonlyMap<string, string | null>;
  /** A name for several of ours together. */
  readonly merge: ReadonlyMap<string, readonly string[]>;
}

/** A map fitted to a model and a dataset. */
export interface FittedClasses {
  /** Names that are scored, in the order of the model's. */
  readonly classes: readonly string[];
  /** Of each class of the model: its place in `classes`. */
  readonly placeOf: readonly number[];
  /** Of each class of the dataset that has clips: its place in `classes`, or null where it is left out. */
  readonly labelOf: ReadonlyMap<string, number | null>;
  /** Classes that the file names and no clip has. */
  readonly unused: readonly string[];
}

const name = z.string().min(1);
const fileSchema = z
  .strictObject({
    classes: z.record(name, name).default({}),
    merge: z.record(name, z.array(name).min(2)).default({}),
  })
  .refine(({ classes, merge }) => Object.keys(classes).length + Object.keys(merge).length > 0);

/**
 * Reads a map: YAML (`classes:` their class: ours, optionally `merge:` name: [ours, ours]), or by its ending CSV with
 * the columns `theirs,ours`. Errors: `MAP_UNREADABLE`, `MAP_INVALID`, `CSV_UNREADABLE`, `CSV_INVALID`.
 */
export function readClassMap(path: string): ClassMap {
  return path.toLowerCase().endsWith('.csv') ? fromCsv(path) : fromYaml(path);
}

function fromYaml(path: string): ClassMap {
  let content: unknown;
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(
      readBounded(path, MAX_BYTES, (reason, cause, isTooLarge) =>
        isTooLarge ? invalid(path, `The file cannot be read: ${reason}.`) : unreadable(path, reason, cause),
      ),
    );
    // Without YAML's own types: a class called `no` or `1` is a name.
    content = parse(text, { maxAliasCount: 0, schema: 'failsafe' });
  } catch (thrown) {
    if (thrown instanceof UsclError) throw thrown;
    const line = thrown instanceof YAMLParseError ? thrown.linePos?.[0].line : undefined;
    throw invalid(line === undefined ? path : `${path}, line ${line}`, messageOf(thrown), thrown);
  }
  const read = fileSchema.safeParse(content);
  if (!read.success) {
    const [issue] = read.error.issues;
    const place = issue?.path.map(String).join('.') ?? '';
    throw invalid(
      place === '' ? path : `${path}, ${place}`,
      place === ''
        ? 'It needs `classes:` with lines of their class and ours, or `merge:`.'
        : (issue?.message ?? ''),
    );
  }
  return {
    path,
    classes: new Map(Object.entries(read.data.classes).map(([theirs, ours]) => [theirs, targetOf(ours)])),
    merge: new Map(Object.entries(read.data.merge)),
  };
}

function fromCsv(path: string): ClassMap {
  const classes = new Map<string, string | null>();
  for (const { line, cells } of readCsv(path, ['theirs', 'ours'])) {
    const theirs = cells.get('theirs') ?? '';
    const ours = cells.get('ours') ?? '';
    const where = `${path}, line ${line}`;
    if (theirs === '' || ours === '')
      throw invalid(where, `A cell is empty; to leave a class out, write "${DROP}".`);
    if (classes.has(theirs)) throw invalid(where, `The class ${quoted(theirs)} has two rows.`);
    classes.set(theirs, targetOf(ours));
  }
  return { path, classes, merge: new Map() };
}

function targetOf(ours: string): string | null {
  return ours === DROP ? null : ours;
}

/**
 * Fits a map (null: equal names only) to the classes of a model and to those that clips of the dataset have, with
 * their number of clips. Errors: `MAP_UNKNOWN_CLASS` (ours is no class of the model), `MAP_INVALID` (a class in two
 * merges, or fewer than two classes left), `LABEL_UNKNOWN` (a label that is neither the model's nor in the map).
 */
export function fitClasses(
  map: ClassMap | null,
  model: readonly string[],
  labels: ReadonlyMap<string, number>,
): FittedClasses {
  const { classes, placeOf } = merged(map, model);
  const place = (ours: string): number | undefined => {
    const own = classes.indexOf(ours);
    const inModel = model.indexOf(ours);
    return own !== -1 ? own : inModel === -1 ? undefined : placeOf[inModel];
  };
  for (const [theirs, ours] of map?.classes ?? []) {
    if (ours === null && model.includes(DROP))
      throw invalid(
        map?.path ?? '',
        `"${DROP}" leaves ${quoted(theirs)} out, but the model has a class of that name.`,
      );
    if (ours !== null && place(ours) === undefined)
      throw unknownClass(map?.path ?? '', `${quoted(theirs)} is said to be ${quoted(ours)}`, model);
  }
  const labelOf = new Map<string, number | null>();
  const unknown: string[] = [];
  for (const [theirs, clips] of labels) {
    const ours = map?.classes.get(theirs);
    const found = ours === undefined ? place(theirs) : ours === null ? null : place(ours);
    if (found === undefined) unknown.push(`${quoted(theirs)} (${clips} ${clips === 1 ? 'clip' : 'clips'})`);
    else labelOf.set(theirs, found);
  }
  if (unknown.length > 0) throw unknownLabels(unknown, map, classes);
  const unused = [...(map?.classes.keys() ?? [])].filter((theirs) => !labels.has(theirs));
  return { classes, placeOf, labelOf, unused };
}

/** The model's classes with those that are brought together as one, in the place of the first of them. */
function merged(map: ClassMap | null, model: readonly string[]): Pick<FittedClasses, 'classes' | 'placeOf'> {
  const jointOf = new Map<string, string>();
  for (const [joint, members] of map?.merge ?? []) {
    const where = `${map?.path ?? ''}, merge.${joint}`;
    if (model.includes(joint) && !members.includes(joint))
      throw invalid(
        where,
        `${quoted(joint)} is a class of the model, but not one of those brought together.`,
      );
    for (const member of members) {
      if (!model.includes(member)) throw unknownClass(where, `It names ${quoted(member)}`, model);
      if (jointOf.has(member)) throw invalid(where, `${quoted(member)} is brought together twice.`);
      jointOf.set(member, joint);
    }
  }
  const named = model.map((one) => jointOf.get(one) ?? one);
  const classes = [...new Set(named)];
  if (classes.length < 2)
    throw invalid(
      map?.path ?? '',
      'All classes of the model are brought together; nothing is left to tell apart.',
    );
  return { classes, placeOf: named.map((one) => classes.indexOf(one)) };
}

function unknownClass(where: string, what: string, model: readonly string[]): UsclError {
  return dataError(
    'MAP_UNKNOWN_CLASS',
    `${what}, which is no class of the model.`,
    `The model tells apart ${model.map(quoted).join(', ')}; to leave a class out, write "${DROP}".`,
    { where },
  );
}

function unknownLabels(
  unknown: readonly string[],
  map: ClassMap | null,
  classes: readonly string[],
): UsclError {
  return dataError(
    'LABEL_UNKNOWN',
    `The dataset has labels that the model does not know: ${unknown.join(', ')}.`,
    `${map === null ? 'Give a file with --map that says' : 'Say in that file'} which of ${classes.map(quoted).join(', ')} ` +
      `each of them is, or "${DROP}" to leave its clips out.`,
    { where: map?.path ?? 'labels' },
  );
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 77)}…` : text);
}

function invalid(where: string, message: string, cause?: unknown): UsclError {
  return dataError('MAP_INVALID', message, 'docs/predicting.md shows what such a file holds.', {
    where,
    cause,
  });
}

function unreadable(path: string, reason: string, cause: unknown): UsclError {
  return usageError(
    'MAP_UNREADABLE',
    `Cannot read the file of classes ${path}: ${reason}.`,
    'Check the path and its permissions.',
    { where: path, cause },
  );
}
