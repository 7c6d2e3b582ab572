/**
 * The operator's field file: for clips where the finder is wrong or unsure, a person says where the ultrasound is.
 * YAML, or CSV with the columns `clip,field`. Read strictly: a line that cannot be meant is an error, and patterns
 * that match nothing can be asked for.
 */
import { parse, YAMLParseError } from 'yaml';
import { z } from 'zod';
import { dataError, messageOf, type UsclError, usageError } from '../../base/errors.ts';
import { readBounded } from '../../base/read-bounded.ts';
import type { Field } from '../../dataset/types.ts';
import { parseCsv } from '../../formats/csv.ts';
import { rectangleOutline, type Size } from '../../video/geometry.ts';

const MAX_BYTES = 16 * 2 ** 20;

/** What a person says of a clip. `none`: no field is to be looked for. `whole`: all of the picture is ultrasound. */
export type GivenField =
  { readonly kind: 'field'; readonly field: Field } | { readonly kind: 'whole' } | { readonly kind: 'none' };

export interface FieldFile {
  /** What holds for a clip, by its path relative to the source: the first entry that matches; undefined for none. */
  find(source: string): GivenField | undefined;
  /** Patterns that no call of `find` has matched so far. */
  unused(): readonly string[];
}

/** The field of a picture that is ultrasound from edge to edge. */
export function wholeField({ width, height }: Size): Field {
  return rectangleField(0, 0, width, height);
}

const clips = z.string().min(1);
const positive = z.number().positive();
const polygon = z
  .array(z.tuple([z.number(), z.number()]))
  .min(3)
  .max(10_000);
const entrySchema = z.union([
  z.strictObject({ clips, rectangle: z.tuple([z.number(), z.number(), positive, positive]) }),
  z.strictObject({ clips, polygon }),
  z.strictObject({ clips, polygons: z.array(polygon).min(1).max(100) }),
  z.strictObject({ clips, field: z.enum(['whole', 'none']) }),
]);
const fileSchema = z.strictObject({ fields: z.array(entrySchema) });

interface Entry {
  readonly pattern: string;
  readonly given: GivenField;
}

/** Reads a field file, CSV by its ending and YAML otherwise. Errors: `FIELDS_UNREADABLE`, `FIELDS_INVALID`, `CSV_INVALID`. */
export function readFieldFile(path: string): FieldFile {
  const bytes = readBounded(path, MAX_BYTES, (reason, cause, isTooLarge) =>
    isTooLarge
      ? invalid(path, `The file cannot be read: ${reason}.`)
      : usageError(
          'FIELDS_UNREADABLE',
          `Cannot read the field file ${path}: ${reason}.`,
          'Check the path and its permissions.',
          { where: path, cause },
        ),
  );
  const entries = path.toLowerCase().endsWith('.csv') ? fromCsv(bytes, path) : fromYaml(bytes, path);
  const tests = entries.map((entry) => ({ ...entry, matches: matcher(entry.pattern) }));
  const used = new Set<string>();
  return {
    find(source) {
      const found = tests.find(({ pattern, matches }) => pattern === source || matches(source));
      if (found !== undefined) used.add(found.pattern);
      return found?.given;
    },
    unused: () => [...new Set(entries.map(({ pattern }) => pattern))].filter((pattern) => !used.has(pattern)),
  };
}

function fromYaml(bytes: Buffer, path: string): readonly Entry[] {
  let content: unknown;
  try {
    content = parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes), { maxAliasCount: 0 });
  } catch (thrown) {
    const line = thrown instanceof YAMLParseError ? thrown.linePos?.[0].line : undefined;
    throw invalid(line === undefined ? path : `${path}, line ${line}`, messageOf(thrown), thrown);
  }
  const read = fileSchema.safeParse(content);
  if (!read.success) {
    const issue = read.error.issues[0];
    const place = issue?.path.join('.') ?? '';
    throw invalid(
      place === '' ? path : `${path}, ${place}`,
      issue?.message === 'Invalid input'
        ? 'An entry needs `clips` and one of `rectangle`, `polygon`, `polygons` and `field`.'
        : (issue?.message ?? 'It cannot be understood.'),
    );
  }
  return read.data.fields.map(entryOf);
}

/** Cells: `whole`, `none`, `rectangle X Y WIDTH HEIGHT`, `polygon X Y X Y X Y …`. */
function fromCsv(bytes: Buffer, path: string): readonly Entry[] {
  return parseCsv(bytes, path, ['clip', 'field']).map(({ line, cells }) => {
    const clips = cells.get('clip')!;
    const field = cells.get('field')!;
    const where = `${path}, line ${line}`;
    if (clips === '') throw invalid(where, 'The cell of the clip is empty.');
    const [word, ...rest] = field.split(/\s+/);
    const numbers = rest.map(Number);
    const pairs = numbers.flatMap((x, i) => (i % 2 === 0 ? [[x, numbers[i + 1]]] : []));
    const said =
      word === 'rectangle' ? { rectangle: numbers } : word === 'polygon' ? { polygon: pairs } : { field };
    const read = entrySchema.safeParse({ clips, ...said });
    if (read.success) return entryOf(read.data);
    throw invalid(where, `The field ${JSON.stringify(field.slice(0, 80))} cannot be understood.`);
  });
}

function entryOf(entry: z.infer<typeof entrySchema>): Entry {
  const pattern = entry.clips;
  if ('field' in entry) return { pattern, given: { kind: entry.field } };
  if ('rectangle' in entry)
    return { pattern, given: { kind: 'field', field: rectangleField(...entry.rectangle) } };
  const outlines = 'polygon' in entry ? [entry.polygon] : entry.polygons;
  return {
    pattern,
    given: { kind: 'field', field: { shape: 'polygon', outlines, confidence: 1, from: 'given' } },
  };
}

function rectangleField(x: number, y: number, width: number, height: number): Field {
  const outlines = [rectangleOutline(x, y, x + width, y + height)];
  return { shape: 'rectangle', outlines, confidence: 1, from: 'given' };
}

/**
 * `*` is any run of characters but `/`, `**` any run, `?` one character but `/`; all others mean themselves, brackets
 * and plus too. Time grows with length of pattern times length of name.
 */
function matcher(pattern: string): (source: string) => boolean {
  const tokens = pattern.match(/\*\*\/|\*\*|\*|\?|[^*?]/gsu) ?? [];
  return (source) => {
    const characters = Array.from(source);
    // reach[i]: the tokens so far match the first i characters.
    let reach = characters.map(() => false);
    reach.unshift(true);
    for (const token of tokens) reach = advance(token, reach, characters);
    return reach[characters.length] === true;
  };
}

function advance(token: string, reach: readonly boolean[], characters: readonly string[]): boolean[] {
  const next = reach.map(() => false);
  let running = false;
  for (let i = 0; i < next.length; i++) {
    const before = i > 0 ? characters[i - 1] : undefined;
    switch (token) {
      case '**':
      case '*':
        running = reach[i] === true || (running && (token === '**' || before !== '/'));
        next[i] = running;
        break;
      case '**/':
        // Any number of folders, or none.
        next[i] = reach[i] === true || (running && before === '/');
        running ||= reach[i] === true;
        break;
      case '?':
        next[i] = i > 0 && reach[i - 1] === true && before !== '/';
        break;
      default:
        next[i] = i > 0 && reach[i - 1] === true && before === token;
    }
  }
  return next;
}

function invalid(where: string, message: string, cause?: unknown): UsclError {
  const remedy = 'The documentation of fields shows what such a file holds.';
  return dataError('FIELDS_INVALID', message, remedy, { where, cause });
}
