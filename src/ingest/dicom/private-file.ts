/**
 * Bytes of patients that a child process has to read from a file it can seek in. On Linux the file has lost its name
 * before the first byte is written, so that not even a kill leaves it behind; elsewhere it lies in a folder that only
 * this user can enter and goes away with the object, and at the latest with the process.
 */
import { closeSync, existsSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { guardWrites, writeAll } from '../../base/files.ts';

export class PrivateFile implements Disposable {
  /** Where this process and its children can read the bytes. */
  readonly path: string;
  readonly #file: number;
  readonly #remove: () => void;
  #isOpen = true;

  /** Writes `bytes` below `folder` (default: the system's folder for temporary files). Errors: `DISK_FULL`, `WRITE_FAILED`. */
  constructor(bytes: Uint8Array, folder: string = tmpdir()) {
    const { file, path, remove } = guardWrites(folder, () => openPrivately(folder));
    this.#file = file;
    this.path = path;
    this.#remove = remove;
    process.once('exit', remove);
    try {
      guardWrites(folder, () => {
        writeAll(file, bytes);
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
    process.off('exit', this.#remove);
  }
}

function openPrivately(parent: string): { file: number; path: string; remove: () => void } {
  const folder = mkdtempSync(join(parent, 'uscl-'));
  const remove = (): void => {
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const named = join(folder, 'clip');
    const file = openSync(named, 'wx+', 0o600);
    const nameless = `/proc/${process.pid}/fd/${file}`;
    if (!existsSync(nameless)) return { file, path: named, remove };
    remove();
    return { file, path: nameless, remove };
  } catch (thrown) {
    remove();
    throw thrown;
  }
}
