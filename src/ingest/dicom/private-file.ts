/**
 * Bytes of patients that a child process has to read from a file it can seek in. On Linux the file has lost its name
 * before the first byte is written, so that not even a kill leaves it behind; elsewhere it lies in a folder that only
 * this user can enter and goes away with the object, and at the latest with the process.
 */
import { closeSync, existsSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { guardWrites, writeAll } from '../../base/files.ts';

/** Folders of named files that are open now; cleared when the process ends. */
const named = new Set<string>();

export class PrivateFile implements Disposable {
  /** Where this process and its children can read the bytes. */
  readonly path: string;
  readonly #file: number;
  readonly #folder: string;
  #isOpen = true;

  /** Writes `parts` below `parent` (default: the system's folder for temporary files). Errors: `DISK_FULL`, `WRITE_FAILED`. */
  constructor(parts: Iterable<Uint8Array>, parent: string = tmpdir()) {
    this.#folder = guardWrites(parent, () => mkdtempSync(join(parent, 'uscl-')));
    if (named.size === 0) process.once('exit', clear);
    named.add(this.#folder);
    try {
      const path = join(this.#folder, 'clip');
      this.#file = guardWrites(parent, () => openSync(path, 'wx+', 0o600));
    } catch (thrown) {
      this.#remove();
      throw thrown;
    }
    const nameless = `/proc/${process.pid}/fd/${this.#file}`;
    const canDoWithout = existsSync(nameless);
    this.path = canDoWithout ? nameless : join(this.#folder, 'clip');
    if (canDoWithout) this.#remove();
    try {
      guardWrites(parent, () => {
        for (const part of parts) writeAll(this.#file, part);
      });
    } catch (thrown) {
      this[Symbol.dispose]();
      throw thrown;
    }
  }

  [Symbol.dispose](): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    closeSync(this.#file);
    this.#remove();
  }

  #remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
    if (named.delete(this.#folder) && named.size === 0) process.off('exit', clear);
  }
}

function clear(): void {
  for (const folder of named) rmSync(folder, { recursive: true, force: true });
}
