/**
 * Writing so that a file or folder exists whole or not at all: temporary name in the same folder, fsync, rename,
 * fsync of the folder. Full disks, missing rights and read-only mounts become `UsclError`s that name the path.
 */
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { messageOf, systemCode, usageError, UsclError } from './errors.ts';

/**
 * A file that is written piece by piece and appears at `commit`. Disposed of without a commit, nothing is left and what
 * was there stays.
 */
export class AtomicFile implements Disposable {
  readonly #path: string;
  readonly #temporary: string;
  #file: number | undefined;

  /** Errors, here and of all methods: `DISK_FULL`, `WRITE_FAILED`, naming `path`. */
  constructor(path: string) {
    this.#path = path;
    this.#temporary = join(dirname(path), `.${basename(path)}.${process.pid}.tmp`);
    this.#file = guardWrites(path, () => {
      mkdirSync(dirname(path), { recursive: true });
      return openSync(this.#temporary, 'w');
    });
  }

  write(chunk: Uint8Array | string): void {
    const file = this.#open();
    guardWrites(this.#path, () => {
      writeAll(file, typeof chunk === 'string' ? Buffer.from(chunk) : chunk);
    });
  }

  /** Puts the file in its place. The last call. */
  commit(): void {
    const file = this.#open();
    guardWrites(this.#path, () => {
      fsyncSync(file);
      this.#file = undefined;
      closeSync(file);
      renameSync(this.#temporary, this.#path);
      syncFolder(dirname(this.#path));
    });
  }

  #open(): number {
    if (this.#file === undefined) throw new Error(`The file ${this.#path} is written already.`);
    return this.#file;
  }

  [Symbol.dispose](): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
    rmSync(this.#temporary, { force: true });
  }
}

/** Writes chunks to `path` atomically and durably. On any failure the previous file stays untouched. */
export function writeFileAtomic(path: string, chunks: readonly (Uint8Array | string)[]): void {
  using file = new AtomicFile(path);
  for (const chunk of chunks) file.write(chunk);
  file.commit();
}

/** Refuses a path where a file would replace another, unless that is asked for, or a folder. Error: `OUTPUT_EXISTS`. */
export function requireFree(path: string, overwrite: boolean): void {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined || (overwrite && found.isFile())) return;
  throw usageError(
    'OUTPUT_EXISTS',
    found.isFile() ? `There is already a file at ${path}.` : `${path} is no file.`,
    found.isFile() ? 'Say --overwrite to replace it, or choose another name.' : 'Choose another name.',
    { where: path },
  );
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

/** One call of the system takes less than 2 GiB. */
const PIECE_BYTES = 2 ** 28;

/** Writes every byte, at `position` or where the file stands; a short write (full disk) goes on until the system says why. */
export function writeAll(file: number, bytes: Uint8Array, position: number | null = null): void {
  for (let done = 0; done < bytes.byteLength;) {
    const wanted = Math.min(PIECE_BYTES, bytes.byteLength - done);
    done += writeSync(file, bytes, done, wanted, position === null ? null : position + done);
  }
}

/** Fills `target` from `position` on; returns how many bytes there were, fewer where the file ends before. */
export function readAll(file: number, target: Uint8Array, position: number): number {
  let done = 0;
  while (done < target.byteLength) {
    const wanted = Math.min(PIECE_BYTES, target.byteLength - done);
    const count = readSync(file, target, done, wanted, position + done);
    if (count === 0) break;
    done += count;
  }
  return done;
}

/** Runs `action` and turns the system's complaint about writing to `path` into a `UsclError`. */
export function guardWrites<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (thrown) {
    const code = systemCode(thrown);
    if (code === undefined || thrown instanceof UsclError) throw thrown;
    const [reason, remedy] = WRITE_FAILURES[code] ?? [
      messageOf(thrown),
      'Check the path and its folder, then run the same command again.',
    ];
    throw new UsclError({
      kind: 'resource',
      code: code === 'ENOSPC' || code === 'EDQUOT' ? 'DISK_FULL' : 'WRITE_FAILED',
      message: `Cannot write ${path}: ${reason}.`,
      where: path,
      remedy,
      cause: thrown,
    });
  }
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
