/**
 * Errors of configurations. They name the key, the value and what is allowed, and for an unknown key the nearest one
 * that exists.
 */
import type { z } from 'zod';
import { usageError, type UsclError } from '../base/errors.ts';

export type Tree = Readonly<Record<string, unknown>>;

/** Whether `value` is an object with named parts (no array, no null). */
export function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Every key path of a complete configuration, inner ones included: `objective`, `objective.temperature`, … */
export function keyPaths(tree: Tree, prefix = ''): string[] {
  return Object.entries(tree).flatMap(([key, value]) => {
    const path = prefix === '' ? key : `${prefix}.${key}`;
    return isTree(value) ? [path, ...keyPaths(value, path)] : [path];
  });
}

/** The value at a key path, or undefined. */
export function valueAt(tree: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((inner, key) => {
    if (Array.isArray(inner)) return inner[Number(key)] as unknown;
    return isTree(inner) ? inner[String(key)] : undefined;
  }, tree);
}

/** What is known of the keys of a configuration. */
export interface KnownKeys {
  /** Every valid key path. */
  readonly known: readonly string[];
  /** Old key → new key. */
  readonly renamed: Readonly<Record<string, string>>;
  /** Page that explains every key. */
  readonly guide: string;
}

/** `CONFIG_UNKNOWN_KEY` with what the key is called now, or with the nearest one that is known. */
export function unknownKey(path: string, { known, renamed, guide }: KnownKeys, where: string): UsclError {
  const now = Object.hasOwn(renamed, path) ? renamed[path] : undefined;
  const nearest = now === undefined ? nearestKey(path, known) : undefined;
  const hint = nearest === undefined ? '' : `Did you mean "${nearest}"? `;
  return usageError(
    'CONFIG_UNKNOWN_KEY',
    now === undefined
      ? `There is no configuration key "${path}".`
      : `The configuration key "${path}" is called "${now}" now.`,
    `${now === undefined ? hint : `Write "${now}". `}See ${guide} for every key.`,
    { where },
  );
}

/** The error for the first problem zod found in `input`. */
export function configError(error: z.ZodError, input: unknown, keys: KnownKeys, where: string): UsclError {
  // An unknown key first: it often explains the others.
  const issue = error.issues.find(({ code }) => code === 'unrecognized_keys') ?? error.issues[0]!;
  const place = issue.path.map(String).join('.');
  if (issue.code === 'unrecognized_keys')
    return unknownKey([...issue.path.map(String), issue.keys[0] ?? ''].join('.'), keys, where);
  const value = valueAt(input, issue.path);
  // A group that was one number before.
  if (Object.hasOwn(keys.renamed, place) && !isTree(value)) return unknownKey(place, keys, where);
  const shown = value === undefined ? 'left out' : JSON.stringify(value);
  return usageError(
    'CONFIG_INVALID',
    `The configuration key "${place}" cannot be ${shown}: ${allowed(issue)}.`,
    `Change "${place}"; ${keys.guide} says what it means.`,
    { where: `${where}, key ${place}` },
  );
}

function allowed(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_value':
      return `allowed are ${issue.values.map((value) => JSON.stringify(value)).join(', ')}`;
    case 'too_small':
      return `it must be ${issue.inclusive === true ? 'at least' : 'more than'} ${issue.minimum}${counted(issue.origin)}`;
    case 'too_big':
      return `it must be ${issue.inclusive === true ? 'at most' : 'less than'} ${issue.maximum}${counted(issue.origin)}`;
    case 'invalid_union': {
      const options = issue.errors.map((errors) => errors[0]).filter((first) => first !== undefined);
      return options.length === 0
        ? 'it has the wrong form'
        : [...new Set(options.map(allowed))].join(', or ');
    }
    case 'invalid_type':
      return `it must be ${article(issue.expected)}`;
    case 'custom':
    case 'invalid_element':
    case 'invalid_format':
    case 'invalid_key':
    case 'not_multiple_of':
    case 'unrecognized_keys':
      return issue.message.charAt(0).toLowerCase() + issue.message.slice(1);
  }
}

function counted(origin: string): string {
  return origin === 'array' ? ' items long' : origin === 'string' ? ' characters long' : '';
}

function article(type: string): string {
  const names: Readonly<Record<string, string>> = {
    int: 'a whole number',
    number: 'a number',
    string: 'a text',
    boolean: 'true or false',
    array: 'a list',
    object: 'a group of keys',
    tuple: 'a list',
  };
  return names[type] ?? type;
}

/**
 * The known path closest to `path`: a misspelt last part (up to a third of its letters), or the right last part under
 * another parent. Undefined where nothing is near.
 */
export function nearestKey(path: string, known: readonly string[]): string | undefined {
  const last = path.slice(path.lastIndexOf('.') + 1);
  let best: { readonly path: string; readonly cost: number } | undefined;
  for (const candidate of known) {
    const name = candidate.slice(candidate.lastIndexOf('.') + 1);
    const spelling = editDistance(last.toLowerCase(), name.toLowerCase());
    if (spelling > Math.max(1, Math.floor(Math.max(last.length, name.length) / 3))) continue;
    const cost = spelling * 100 + editDistance(path, candidate);
    if (best === undefined || cost < best.cost) best = { path: candidate, cost };
  }
  return best?.path;
}

/** Insertions, deletions, replacements and swaps of neighbours between two words (optimal string alignment). */
export function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        cost = Math.min(cost, beforeLast[j - 2]! + 1);
      row.push(cost);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length]!;
}
