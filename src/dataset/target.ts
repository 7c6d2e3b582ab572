/**
 * The place a dataset is written to: who may overwrite what, the temporary sibling folder it grows in, the swap at
 * the end, and the mending of what a killed process left behind. A reader sees the old dataset or the new one whole;
 * only a kill between the two renames of an overwrite leaves neither, and then the next writer puts the old one back.
 * A temporary folder belongs to the process named in its name, for as long as that process lives.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { hostname } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { guardWrites, syncFolder } from '../base/files.ts';
import { isOthers, STARTED } from '../base/processes.ts';
import { systemCode, usageError, UsclError } from '../base/errors.ts';
import { AUDIT_SHEET, CONTACT_SHEET, FILES, SPLITS } from './types.ts';

export interface Target {
  /** Absolute path of the dataset to be. */
  readonly folder: string;
  /** Absolute path of the temporary folder beside it. */
  readonly temporary: string;
  /** Folders of killed writers that may still be read; they go when the target is done with. */
  readonly leftovers: readonly string[];
}

/** Temporary folders of writers that live in this process. */
const alive = new Set<string>();
let made = 0;

/**
 * Checks that `folder` may be written, clears leftovers and makes the temporary folder. With `resume`, leftovers that
 * hold a journal are claimed instead of cleared; `adopts` may choose one of them to be the temporary folder.
 */
export function openTarget(
  folder: string,
  overwrite: boolean,
  { resume = false, adopts = () => false }: { resume?: boolean; adopts?: (leftover: string) => boolean } = {},
): Target {
  const absolute = resolve(folder);
  return guardWrites(folder, () => {
    const parent = dirname(absolute);
    requireFolders(parent);
    mkdirSync(parent, { recursive: true });
    const found = clearLeftovers(absolute, resume);
    requireWritable(absolute, overwrite);
    const leftovers = found.flatMap((leftover) => claim(leftover, absolute));
    const adopted = leftovers.find(adopts);
    const temporary = adopted ?? nextTemporary(absolute);
    if (adopted === undefined) mkdirSync(temporary);
    alive.add(temporary);
    return { folder: absolute, temporary, leftovers: leftovers.filter((leftover) => leftover !== adopted) };
  });
}

/** Leaves the temporary folder, and what it was going to use, for the next writer. */
export function leaveTarget(target: Target): void {
  for (const path of [target.temporary, ...target.leftovers]) alive.delete(path);
}

function nextTemporary(folder: string): string {
  return join(dirname(folder), `${prefix(folder)}${process.pid}-${STARTED}-${++made}.tmp`);
}

/** Makes a leftover this process's own; nothing when another process was faster. */
function claim(leftover: string, folder: string): string[] {
  const own = nextTemporary(folder);
  try {
    renameSync(leftover, own);
  } catch (thrown) {
    if (systemCode(thrown) === 'ENOENT') return [];
    throw thrown;
  }
  alive.add(own);
  return [own];
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
    for (const path of target.leftovers) rmSync(path, { recursive: true, force: true });
    leaveTarget(target);
    if (replaces) rmSync(replaced, { recursive: true, force: true });
  });
}

/** Removes the temporary folder. Never fails: it runs while another error is on its way up. */
export function dropTarget(target: Target): void {
  leaveTarget(target);
  for (const path of [target.temporary, ...target.leftovers]) {
    try {
      rmSync(path, { recursive: true, force: true });
    } catch {
      // The next writer of this target clears it.
    }
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
  const ours: readonly string[] = [...Object.values(FILES), CONTACT_SHEET, AUDIT_SHEET, SPLITS];
  const foreign = names.filter((name) => !ours.includes(name));
  if (foreign.length > 0)
    throw refuse(
      folder,
      `beside a dataset it holds ${foreign.length} other entries, such as ${JSON.stringify(foreign[0])}`,
    );
  if (overwrite) return;
  throw usageError(
    'DATASET_EXISTS',
    `There is already a dataset at ${folder}.`,
    'Choose another output folder, or say --overwrite to replace it.',
    { where: folder },
  );
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
  return usageError(
    'OUTPUT_NOT_OURS',
    `Will not write a dataset to ${folder}: ${reason}.`,
    'Choose another output folder, or move away what is there.',
    { where: folder },
  );
}

/** Start of the names of temporary siblings; names the host, because process ids mean nothing across hosts. */
function prefix(folder: string): string {
  return `.${basename(folder)}.${hostname().replaceAll(/[^A-Za-z0-9]/g, '_')}-`;
}

/** Mends and clears what dead processes left; returns the folders with a journal where `keepJournals`. */
function clearLeftovers(folder: string, keepJournals: boolean): string[] {
  const parent = dirname(folder);
  const start = prefix(folder);
  const kept: string[] = [];
  for (const name of readdirSync(parent).sort()) {
    const rest = name.startsWith(start)
      ? /^(\d+)-(?:(\d+)-)?\d+\.(tmp|old)$/.exec(name.slice(start.length))
      : null;
    if (rest === null) continue;
    const path = join(parent, name);
    const twin = path.replace(/\.old$/, '.tmp');
    if (alive.has(twin) || isOthers(Number(rest[1]), rest[2])) continue;
    if (rest[3] === 'old' && !existsSync(folder)) renameSync(path, folder);
    else if (keepJournals && rest[3] === 'tmp' && existsSync(join(path, FILES.journal))) kept.push(path);
    else rmSync(path, { recursive: true, force: true });
  }
  return kept;
}
