/**
 * A file that is written piece by piece and appears whole or not at all: under a temporary name in the same folder
 * until `commit`, with fsync before the rename. Disposed of without a commit, nothing is left and what was there stays.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { guardWrites, syncFolder, writeAll } from './files.ts';

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

  write(text: string): void {
    const file = this.#open();
    guardWrites(this.#path, () => {
      writeAll(file, Buffer.from(text));
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
