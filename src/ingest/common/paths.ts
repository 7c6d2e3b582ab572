/**
 * File names inside a source folder: relative, with `/`, compared the same way everywhere. A path is only handed to
 * a decoder after it was shown to lead to a regular file inside the source.
 */
import { createHash } from 'node:crypto';
import {
  closeSync,
  constants,
  createReadStream,
  existsSync,
  fstatSync,
  openSync,
  readSync,
  realpathSync,
  statSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { isAbsolute, join, relative, sep } from 'node:path';
import { compareText } from '../../base/collect.ts';
import { messageOf, systemCode } from '../../base/errors.ts';
import { kindComplaint } from '../../base/read-bounded.ts';

/** Like `compareText`, but runs of digits compare as numbers, of any length: `frame9` before `frame10`. */
export function compareNatural(a: string, b: string): number {
  let [i, j] = [0, 0];
  while (i < a.length && j < b.length) {
    const [left, right] = [a.charCodeAt(i), b.charCodeAt(j)];
    if (isDigit(left) && isDigit(right)) {
      const [p, q] = [skipZeros(a, i), skipZeros(b, j)];
      const [endA, endB] = [endOfDigits(a, p), endOfDigits(b, q)];
      // Without leading zeros, more digits are more, and as many compare like text.
      if (endA - p !== endB - q) return endA - p - (endB - q);
      for (let k = 0; k < endA - p; k++) {
        const difference = a.charCodeAt(p + k) - b.charCodeAt(q + k);
        if (difference !== 0) return difference;
      }
      [i, j] = [endA, endB];
    } else if (left !== right) return left - right;
    else {
      i++;
      j++;
    }
  }
  // The rest decides, and then leading zeros.
  return a.length - i - (b.length - j) || compareText(a, b);
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

function skipZeros(text: string, from: number): number {
  let at = from;
  while (text.charCodeAt(at) === 48) at++;
  return at;
}

function endOfDigits(text: string, from: number): number {
  let at = from;
  while (isDigit(text.charCodeAt(at))) at++;
  return at;
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

/** The folder that a relative path lies in; '' for the source itself. */
export function folderOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}

/** Joins folder and name of a relative path (`''` is the source itself). */
export function joinRelative(folder: string, name: string): string {
  return folder === '' ? name : `${folder}/${name}`;
}

/** Why the file at `path` under `root` (a real path) must not or cannot be opened, or undefined. Opens nothing. */
export function fileComplaint(root: string, path: string): string | undefined {
  const absolute = join(root, path);
  try {
    const inside = relative(root, realpathSync(absolute));
    if (inside.startsWith(`..${sep}`) || inside === '..' || isAbsolute(inside)) {
      return 'it is a link that leads out of the source folder';
    }
    return kindComplaint(statSync(absolute));
  } catch (thrown) {
    return accessComplaint(thrown, path);
  }
}

const COMPLAINTS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'you may not read it',
  EPERM: 'you may not read it',
  ELOOP: 'it is a link that leads to itself',
  ENAMETOOLONG: 'its path is too long for the system',
  ENXIO: 'it is not a regular file',
  ENODEV: 'it is not a regular file',
  ENOTDIR: 'it is not a folder',
};

/** What the system said about a file or folder, without the path that its messages hold. */
export function accessComplaint(thrown: unknown, path: string): string {
  const code = systemCode(thrown);
  if (code === undefined) return messageOf(thrown);
  // A name that is not UTF-8 reaches us with replacement characters, and no file has that name.
  if (code === 'ENOENT' && path.includes('\uFFFD')) return 'its name is not valid UTF-8; rename it';
  return COMPLAINTS[code] ?? `it cannot be read (${code})`;
}

/** A path of the source as the file system spells it: as it is, or in the other form of composed letters (ü, é). */
export function spellingOf(root: string, path: string): string {
  return (
    [path, path.normalize('NFC'), path.normalize('NFD')].find((form) => existsSync(join(root, form))) ?? path
  );
}

/**
 * Up to `buffer.length` bytes from the start of a regular file, a view of `buffer`; or why there are none. Never hangs,
 * also when the file became a pipe since it was listed.
 */
export function readHead(root: string, path: string, buffer: Uint8Array): Uint8Array | string {
  try {
    const file = openSync(join(root, path), constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const stat = fstatSync(file);
      const complaint = kindComplaint(stat);
      if (complaint !== undefined) return complaint;
      if (stat.size === 0) return 'it is empty';
      return buffer.subarray(0, readSync(file, buffer, 0, buffer.length, 0));
    } finally {
      closeSync(file);
    }
  } catch (thrown) {
    return accessComplaint(thrown, path);
  }
}

/** SHA-256 of a file's bytes, hex. */
export async function digestOfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20 })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/**
 * The size of a file and at most `length` bytes from its start; fewer where it shrank meanwhile, none where it has more
 * than `limit` bytes. Errors: the system's.
 */
export async function readStart(
  path: string,
  length: number,
  limit = Infinity,
): Promise<{ readonly size: number; readonly bytes: Uint8Array<ArrayBuffer> }> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const bytes = new Uint8Array(size > limit ? 0 : Math.min(size, length));
    let filled = 0;
    while (filled < bytes.length) {
      const { bytesRead } = await file.read(bytes, filled, bytes.length - filled, filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return { size, bytes: bytes.subarray(0, filled) };
  } finally {
    await file.close();
  }
}

/** Up to `count` indices of `length` items, evenly spread, first and last included. */
export function spread(length: number, count: number): number[] {
  if (length <= count) return Array.from({ length }, (_, index) => index);
  if (count === 1) return [Math.floor(length / 2)];
  return Array.from({ length: count }, (_, index) => Math.round((index * (length - 1)) / (count - 1)));
}

/** A name that says nothing of what it stands for: the first 16 hex digits of its SHA-256. */
export function opaque(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}
