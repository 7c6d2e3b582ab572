/**
 * Writing so that a file or folder exists whole or not at all: temporary name in the same folder, fsync, rename,
 * fsync of the folder. Full disks, missing rights and read-only mounts become `UsclError`s that name the path.
 */
import { mkdirSync, openSync, closeSync, fsyncSync, renameSync, rmSync, writeSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { messageOf, systemCode, UsclError } from './errors.ts';

/** Writes chunks to `path` atomically and durably. On any failure the previous file stays untouched. */
export function writeFileAtomic(path: string, chunks: readonly (Uint8Array | string)[]): void {
  const folder = dirname(path);
  const temporary = join(folder, `.${basename(path)}.${process.pid}.tmp`);
  guardWrites(path, () => {
    mkdirSync(folder, { recursive: true });
    try {
      const file = openSync(temporary, 'w');
      try {
        for (const chunk of chunks) writeAll(file, typeof chunk === 'string' ? Buffer.from(chunk) : chunk);
        fsyncSync(file);
      } finally {
        closeSync(file);
      }
      renameSync(temporary, path);
      syncFolder(folder);
    } catch (thrown) {
      rmSync(temporary, { force: true });
      throw thrown;
    }
  });
}

/** Makes a rename in `folder` durable. */
export function syncFolder(folder: string): void {
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/** Writes every byte; a short write (full disk) goes on until the system says why. */
export function writeAll(file: number, bytes: Uint8Array): void {
  let done = 0;
  while (done < bytes.byteLength) done += writeSync(file, bytes, done, bytes.byteLength - done);
}

/** Runs `action` and turns the system's complaint about writing to `path` into a `UsclError`. */
export function guardWrites<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (thrown) {
    throw writeError(path, thrown) ?? thrown;
  }
}

/** The `UsclError` for a failed write to `path`, or undefined when `thrown` is no system error. */
export function writeError(path: string, thrown: unknown): UsclError | undefined {
  const code = systemCode(thrown);
  if (code === undefined || thrown instanceof UsclError) return undefined;
  const [reason, remedy] = WRITE_FAILURES[code] ?? [
    messageOf(thrown),
    'Check the path and its folder, then run the same command again.',
  ];
  return new UsclError({
    kind: 'resource',
    code: code === 'ENOSPC' || code === 'EDQUOT' ? 'DISK_FULL' : 'WRITE_FAILED',
    message: `Cannot write ${path}: ${reason}.`,
    where: path,
    remedy,
    cause: thrown,
  });
}

const WRITE_FAILURES: Readonly<Record<string, readonly [reason: string, remedy: string]>> = {
  ENOSPC: [
    'the disk is full',
    'Free some space and run the same command again; what was there before is untouched.',
  ],
  EDQUOT: ['your disk quota is used up', 'Free some space and run the same command again.'],
  EROFS: ['the file system is read-only', 'Choose an output folder on a writable disk.'],
  EACCES: ['permission denied', 'Choose a folder you may write to, or change its permissions.'],
  EPERM: ['operation not permitted', 'Choose a folder you may write to, or change its permissions.'],
  ENOTDIR: ['a part of the path is a file, not a folder', 'Choose another output path.'],
  EISDIR: ['it is a folder', 'Choose another output path.'],
};
