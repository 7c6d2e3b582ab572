/**
 * The record of a freeze: values by name, nested. What depends on the clock is left out of it, what depends on a place
 * is put under one name, and what is long becomes a digest, part by part, so that a difference can still be named.
 */
import { createHash } from 'node:crypto';

export type Value = string | number | boolean | null | readonly Value[] | Tree;
export interface Tree {
  readonly [name: string]: Value;
}

/** The first 16 hex digits of the SHA-256. */
export function sha(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex').slice(0, 16);
}

/** Keys whose values are times, rates, sizes of memory or versions of the machine. */
const UNSTEADY: readonly string[] = [
  ...['time', 'seconds', 'trainSeconds', 'scoreSeconds', 'secondsLeft', 'memory', 'dataWaitShare'],
  ...['pairsPerSecond', 'imagesPerSecond', 'ffmpeg', 'libvips', 'revision', 'node'],
];

/** A value of this many characters, as JSON, stands as it is. */
const SHORT = 200;
/** A list of the like becomes one digest. */
const LONG_LIST = 30;

export interface OutlineOptions {
  /** Unsteady keys that are steady here: `seconds` of a frame in its clip. */
  readonly keep?: readonly string[];
  /** Levels that are named one by one; what is longer below becomes a digest. */
  readonly depth?: number;
}

/** JSON without what is unsteady; parts that are long become digests. Elements of a list are named by their `id` or `name`. */
export function outline(value: unknown, options: OutlineOptions = {}): Value {
  return shortened(steady(value, options.keep ?? []), options.depth ?? 2);
}

/** JSON without what the clock and the machine put in. */
export function steady(value: unknown, keep: readonly string[] = []): Value {
  if (Array.isArray(value)) return value.map((one: unknown) => steady(one, keep));
  if (typeof value === 'object' && value !== null) {
    const kept = Object.entries(value).filter(([key]) => !UNSTEADY.includes(key) || keep.includes(key));
    return Object.fromEntries(kept.map(([key, one]) => [key, steady(one, keep)]));
  }
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value;
  return null;
}

function shortened(value: Value, depth: number): Value {
  const text = JSON.stringify(value);
  if (text.length <= SHORT || typeof value !== 'object' || value === null) return value;
  if (depth === 0) return sha(text);
  if (!isList(value))
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, shortened(one, depth - 1)]));
  if (value.length > LONG_LIST) return `${value.length} × ${sha(text)}`;
  const names = value.map((one, i) => nameOf(one) ?? String(i));
  const unique = new Set(names).size === names.length;
  return Object.fromEntries(
    value.map((one, i) => [unique ? names[i]! : String(i), shortened(one, depth - 1)]),
  );
}

function nameOf(value: Value): string | null {
  if (typeof value !== 'object' || value === null || isList(value)) return null;
  const name = value['id'] ?? value['name'];
  return typeof name === 'string' ? name : null;
}

export function isList(value: Value): value is readonly Value[] {
  return Array.isArray(value);
}

/** Progress off a terminal comes every few seconds, whenever those are. */
const PROGRESS = /^[\w -]+: \d+\/\d+ /;

/** Where in the code a defect was, which is not what it was. */
const STACK = /^ +at .*:\d+:\d+\)?$/;

/** Lines of what a program says: no progress, no durations, no addresses; `places` under their names. */
export function spoken(text: string, places: Readonly<Record<string, string>>): readonly string[] {
  let shown = text.replaceAll(/0x[0-9a-f]{6,}/g, '0x…');
  for (const [place, name] of Object.entries(places)) shown = shown.replaceAll(place, name);
  return shown
    .split('\n')
    .filter((line) => line.trim() !== '' && !PROGRESS.test(line) && !STACK.test(line))
    .map((line) =>
      line
        .replaceAll(/\b(in|of \d+,) \d+(\.\d+)? (s|min|h)\b( \d+ (s|min))?/g, '$1 # s')
        .replaceAll(/ in \d+ (s|min|h)$/g, ' in # s'),
    );
}

/** JSON on lines: an object or a list on one line where it fits. */
export function laidOut(value: Value, indent = ''): string {
  const text = JSON.stringify(value);
  if (typeof value !== 'object' || value === null || text.length + indent.length <= 118) return text;
  const inner = `${indent} `;
  const lines = isList(value)
    ? value.map((one) => `${inner}${laidOut(one, inner)}`)
    : Object.entries(value).map(([key, one]) => `${inner}${JSON.stringify(key)}: ${laidOut(one, inner)}`);
  const [open, close] = isList(value) ? ['[', ']'] : ['{', '}'];
  return `${open}\n${lines.join(',\n')}\n${indent}${close}`;
}
