/**
 * File names inside a source folder: relative, with `/`, compared the same way everywhere. A path is only handed to
 * a decoder after it was shown to lead to a regular file inside the source.
 */
import { realpathSync, statSync } from 'node:fs';
import { isAbsolute, join, relative, sep } from 'node:path';
import { messageOf, systemCode } from '../base/errors.ts';

/** Order of UTF-16 code units: independent of language settings. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Like `compareText`, but runs of digits compare as numbers: `frame9` before `frame10`. */
export function compareNatural(a: string, b: string): number {
  const [left, right] = [a.split(/(\d+)/), b.split(/(\d+)/)];
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    const [l, r] = [left[i]!, right[i]!];
    // Odd parts are the digits.
    const order = i % 2 === 1 ? compareDigits(l, r) : compareText(l, r);
    if (order !== 0) return order;
  }
  // Equal but for leading zeros.
  return left.length - right.length || compareText(a, b);
}

function compareDigits(a: string, b: string): number {
  const [left, right] = [a.replace(/^0+/, ''), b.replace(/^0+/, '')];
  return left.length - right.length || compareText(left, right);
}

/** Lower-case extension without the dot, or ''. */
export function extensionOf(path: string): string {
  return /\.([^./\\]+)$/.exec(path)?.[1]?.toLowerCase() ?? '';
}

/** File name without folders and without its last extension. */
export function stemOf(path: string): string {
  return fileNameOf(path).replace(/(?<=.)\.[^.]+$/, '');
}

export function fileNameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** Joins folder and name of a relative path (`''` is the source itself). */
export function joinRelative(folder: string, name: string): string {
  return folder === '' ? name : `${folder}/${name}`;
}

/** Why the file at `path` under `root` (a real path) must not or cannot be opened, or undefined. */
export function fileComplaint(root: string, path: string): string | undefined {
  const absolute = join(root, path);
  try {
    const inside = relative(root, realpathSync(absolute));
    if (inside.startsWith(`..${sep}`) || inside === '..' || isAbsolute(inside)) {
      return 'it is a link that leads out of the source folder';
    }
    if (!statSync(absolute).isFile()) return 'it is not a regular file';
    return undefined;
  } catch (thrown) {
    if (systemCode(thrown) !== 'ENOENT') return messageOf(thrown);
    return path.includes('\uFFFD') ? 'its name is not valid UTF-8; rename it' : 'there is no such file';
  }
}
