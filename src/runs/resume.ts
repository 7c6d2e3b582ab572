/**
 * Checks that a run is resumed with what it was started with. The caller names the keys that may change. Every error
 * names the key and both values.
 */
import { usageError, type UsclError } from '../base/errors.ts';
import { isTree, type Tree } from './config-errors.ts';

/** Refuses configurations that differ in a key that is not `free` to change. Error: `RESUME_CHANGED` naming the key. */
export function requireSameKeys(saved: Tree, config: Tree, free: readonly string[]): void {
  const [changed] = differences(saved, config, free);
  if (changed !== undefined) throw changedKey(changed);
}

interface Difference {
  readonly key: string;
  readonly before: unknown;
  readonly after: unknown;
}

/** The keys, inner ones included, that are not the same and not free to change. */
export function differences(before: Tree, after: Tree, free: readonly string[], prefix = ''): Difference[] {
  return [...new Set([...Object.keys(before), ...Object.keys(after)])].flatMap((name) => {
    const key = prefix + name;
    const [one, other] = [before[name], after[name]];
    if (free.includes(key)) return [];
    if (isTree(one) && isTree(other)) return differences(one, other, free, `${key}.`);
    return JSON.stringify(one) === JSON.stringify(other) ? [] : [{ key, before: one, after: other }];
  });
}

/** The error of one difference. */
export function changedKey(
  { key, before, after }: Difference,
  remedy = 'Leave it as it was, or start a new run in another folder.',
): UsclError {
  const [was, is] = [before, after].map((value) => JSON.stringify(value) as string | undefined);
  const message = `The run was started with ${key}=${was ?? 'nothing'}, not ${is ?? 'nothing'}.`;
  return resumeChanged(`key ${key}`, message, remedy);
}

/** `RESUME_CHANGED`: what a run is to go on with is not what it was started with. */
export function resumeChanged(
  where: string,
  message: string,
  remedy = 'Resume with what the run was started with, or start a new run in another folder.',
): UsclError {
  return usageError('RESUME_CHANGED', message, remedy, { where });
}
