/** Two freezes held side by side: every value that differs, by its name. */
import { isList, type Tree, type Value } from './record.ts';

export interface Freeze {
  readonly format: 'uscl-freeze';
  /** Commit of the checkout, with `+` where files differ from it; null where it is not known. */
  readonly revision: Value;
  /** What the values hang on beside the program: processor, libraries, versions. */
  readonly machine: Tree;
  readonly values: Tree;
}

export interface Difference {
  /** Names from the chapter down, with / between. */
  readonly name: string;
  /** Undefined: not there. */
  readonly before: string | undefined;
  readonly after: string | undefined;
}

/** A freeze from the text of its file. */
export function parseFreeze(text: string, path: string): Freeze {
  const value: unknown = JSON.parse(text);
  if (!isFreeze(value)) throw new Error(`${path} is no file that \`npm run freeze\` wrote.`);
  return value;
}

function isFreeze(value: unknown): value is Freeze {
  return typeof value === 'object' && value !== null && 'format' in value && value.format === 'uscl-freeze';
}

/** Every leaf that is not the same, in the order of the first file; what only the second has comes at the end. */
export function differences(before: Value, after: Value): readonly Difference[] {
  const [left, right] = [leavesOf(before), leavesOf(after)];
  const names = new Set([...left.keys(), ...right.keys()]);
  return [...names]
    .map((name) => ({ name, before: left.get(name), after: right.get(name) }))
    .filter((one) => one.before !== one.after);
}

function leavesOf(value: Value): ReadonlyMap<string, string> {
  const leaves = new Map<string, string>();
  const walk = (one: Value, name: string): void => {
    const isBranch = typeof one === 'object' && one !== null && Object.keys(one).length > 0;
    if (!isBranch) leaves.set(name, JSON.stringify(one));
    else
      for (const [key, part] of isList(one) ? one.entries() : Object.entries(one))
        walk(part, name === '' ? String(key) : `${name}/${key}`);
  };
  walk(value, '');
  return leaves;
}

/** A chapter that only one of them has is one difference. */
function byChapter(before: Tree, after: Tree): readonly Difference[] {
  const whole = (values: Tree, name: string): string | undefined =>
    Object.hasOwn(values, name) ? '(a chapter)' : undefined;
  return [...new Set([...Object.keys(before), ...Object.keys(after)])].flatMap((name) => {
    const one = { name, before: whole(before, name), after: whole(after, name) };
    if (one.before !== one.after) return [one];
    return differences({ [name]: before[name]! }, { [name]: after[name]! });
  });
}

/** What a person reads: the machines where they differ, every difference, and how many there are in each chapter. */
export function comparison(before: Freeze, after: Freeze): { readonly text: string; readonly same: boolean } {
  const found = byChapter(before.values, after.values);
  const machines = differences(before.machine, after.machine).map(described);
  const chapters = new Map<string, number>();
  for (const { name } of found) {
    const chapter = name.split('/').slice(0, 2).join('/');
    chapters.set(chapter, (chapters.get(chapter) ?? 0) + 1);
  }
  const lines = [
    ...(machines.length > 0
      ? ['The machines differ, and values of training may differ for that alone:', ...machines, '']
      : []),
    ...found.map(described),
    ...(found.length > 0 ? ['', ...[...chapters].map(([name, count]) => `${count} in ${name}`)] : []),
    found.length === 0 ? 'No value differs.' : `${found.length} values differ.`,
  ];
  return { text: lines.join('\n'), same: found.length === 0 };
}

function described({ name, before = '(not there)', after = '(not there)' }: Difference): string {
  return `${name}: ${before} → ${after}`;
}
