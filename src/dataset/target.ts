/**
 * The place a dataset is written to: who may overwrite what, the temporary sibling folder it grows in, the swap at
 * the end, and the mending of what a killed process left behind. A reader sees the old dataset or the new one whole;
 * only a kill between the two renames of an overwrite leaves neither, and then the next writer puts the old one back.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { hostname } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { guardWrites, syncFolder } from '../base/files.ts';
import { systemCode, UsclError } from '../base/errors.ts';
import { CONTACT_SHEET, FILES } from './types.ts';

export interface Target {
  /** Absolute path of the dataset to be. */
  readonly folder: string;
  /** Absolute path of the temporary folder beside it. */
  readonly temporary: string;
}

/** Temporary folders of writers that live in this process. */
const alive = new Set<string>();
let made = 0;

/** Checks that `folder` may be written, clears leftovers and makes the temporary folder. */
export function openTarget(folder: string, overwrite: boolean): Target {
  const absolute = resolve(folder);
  return guardWrites(folder, () => {
    const parent = dirname(absolute);
    requireFolders(parent);
    mkdirSync(parent, { recursive: true });
    clearLeftovers(absolute);
    requireWritable(absolute, overwrite);
    const temporary = join(parent, `${prefix(absolute)}${process.pid}-${++made}.tmp`);
    mkdirSync(temporary);
    alive.add(temporary);
    return { folder: absolute, temporary };
  });
}

/** Puts the finished temporary folder in place of whatever is there. */
export function commitTarget(target: Target, overwrite: boolean): void {
  guardWrites(target.folder, () => {
    const parent = dirname(target.folder);
    syncFolder(target.temporary);
    // Somebody may have put something there since the writer was opened.
    requireWritable(target.folder, overwrite);
    const replaced = `${target.temporary.slice(0, -'.tmp'.length)}.old`;
    const replaces = existsSync(join(target.folder, FILES.manifest));
    if (replaces) renameSync(target.folder, replaced);
    try {
      renameSync(target.temporary, target.folder);
    } catch (thrown) {
      if (replaces) renameSync(replaced, target.folder);
      throw thrown;
    }
    syncFolder(parent);
    alive.delete(target.temporary);
    if (replaces) rmSync(replaced, { recursive: true, force: true });
  });
}

/** Removes the temporary folder. Never fails: it runs while another error is on its way up. */
export function dropTarget(target: Target): void {
  alive.delete(target.temporary);
  try {
    rmSync(target.temporary, { recursive: true, force: true });
  } catch {
    // The next writer of this target clears it.
  }
}

/** Whether `folder` holds a dataset manifest of ours (whatever its state). */
function isDataset(folder: string): boolean {
  try {
    const value: unknown = JSON.parse(readFileSync(join(folder, FILES.manifest), 'utf8'));
    return (
      typeof value === 'object' && value !== null && 'format' in value && value.format === 'uscl-dataset'
    );
  } catch {
    return false;
  }
}

function requireWritable(folder: string, overwrite: boolean): void {
  const stat = statSync(folder, { throwIfNoEntry: false });
  if (stat === undefined) return;
  if (!stat.isDirectory()) throw refuse(folder, 'it is a file');
  const names = readdirSync(folder);
  if (names.length === 0) return;
  if (!isDataset(folder)) throw refuse(folder, 'it is a folder that this program did not write');
  const ours: readonly string[] = [...Object.values(FILES), CONTACT_SHEET];
  const foreign = names.filter((name) => !ours.includes(name));
  if (foreign.length > 0) {
    throw refuse(
      folder,
      `beside a dataset it holds ${foreign.length} other entries, such as ${JSON.stringify(foreign[0])}`,
    );
  }
  if (overwrite) return;
  throw new UsclError({
    kind: 'usage',
    code: 'DATASET_EXISTS',
    message: `There is already a dataset at ${folder}.`,
    where: folder,
    remedy: 'Choose another output folder, or say --overwrite to replace it.',
  });
}

/** `mkdir` under a file fails with different codes on different systems; here it is one sentence. */
function requireFolders(path: string): void {
  let ancestor = path;
  while (!existsSync(ancestor) && dirname(ancestor) !== ancestor) ancestor = dirname(ancestor);
  if (statSync(ancestor).isDirectory()) return;
  throw new UsclError({
    kind: 'resource',
    code: 'WRITE_FAILED',
    message: `Cannot write to ${path}: ${ancestor} is a file, not a folder.`,
    where: ancestor,
    remedy: 'Choose another output path.',
  });
}

function refuse(folder: string, reason: string): UsclError {
  return new UsclError({
    kind: 'usage',
    code: 'OUTPUT_NOT_OURS',
    message: `Will not write a dataset to ${folder}: ${reason}.`,
    where: folder,
    remedy: 'Choose another output folder, or move away what is there.',
  });
}

/** Start of the names of temporary siblings; names the host, because process ids mean nothing across hosts. */
function prefix(folder: string): string {
  return `.${basename(folder)}.${hostname().replaceAll(/[^A-Za-z0-9]/g, '_')}-`;
}

function clearLeftovers(folder: string): void {
  const parent = dirname(folder);
  const start = prefix(folder);
  for (const name of readdirSync(parent)) {
    const rest = name.startsWith(start) ? /^(\d+)-\d+\.(tmp|old)$/.exec(name.slice(start.length)) : null;
    if (rest === null) continue;
    const path = join(parent, name);
    const twin = path.replace(/\.old$/, '.tmp');
    if (alive.has(twin) || (Number(rest[1]) !== process.pid && runs(Number(rest[1])))) continue;
    if (rest[2] === 'old' && !existsSync(folder)) renameSync(path, folder);
    else rmSync(path, { recursive: true, force: true });
  }
}

function runs(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    // EPERM: it runs, under another user.
    return systemCode(thrown) === 'EPERM';
  }
}
