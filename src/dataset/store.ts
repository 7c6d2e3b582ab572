/**
 * The packed files of a dataset that is being written: frames, and masks where there are any. Appending is all that
 * happens to them, and taking back what was appended last.
 */
import { closeSync, fsyncSync, ftruncateSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { guardWrites, readAll, writeAll } from '../base/files.ts';
import { Resources } from '../base/resources.ts';
import { FILES } from './types.ts';

export class Store {
  readonly #folder: string;
  /** Named in errors: the dataset, not the temporary folder. */
  readonly #shown: string;
  readonly #files = new Map<'frames' | 'masks', number>();
  /** Bytes so far. */
  frames = 0;
  masks = 0;

  /** Opens the store in a folder; what it holds already stays until it is overwritten or cut off. */
  constructor(folder: string, shown: string) {
    this.#folder = folder;
    this.#shown = shown;
    this.#open('frames');
  }

  append(to: 'frames' | 'masks', bytes: Uint8Array): void {
    guardWrites(this.#shown, () => {
      writeAll(this.#open(to), bytes, this[to]);
      this[to] += bytes.length;
    });
  }

  /** Takes bytes that are there already. */
  skip(of: 'frames' | 'masks', count: number): void {
    this.#open(of);
    this[of] += count;
  }

  /** Cuts off everything behind these lengths. */
  rewind(frames: number, masks: number): void {
    this.frames = frames;
    this.masks = masks;
    guardWrites(this.#shown, () => {
      for (const [name, file] of this.#files) ftruncateSync(file, this[name]);
    });
  }

  /** Bytes of frames that were appended, read back. */
  readFrames(offset: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    if (readAll(this.#open('frames'), bytes, offset) < length)
      throw new Error('The store is shorter than what was written to it.');
    return bytes;
  }

  /** Cuts off what is behind the last clip and makes the rest durable. */
  finish(): void {
    this.rewind(this.frames, this.masks);
    guardWrites(this.#shown, () => {
      for (const file of this.#files.values()) fsyncSync(file);
    });
  }

  close(): void {
    using closing = new Resources();
    for (const file of this.#files.values())
      closing.defer(() => {
        closeSync(file);
      });
    this.#files.clear();
  }

  #open(name: 'frames' | 'masks'): number {
    const open = this.#files.get(name);
    if (open !== undefined) return open;
    const path = join(this.#folder, FILES[name]);
    // Not cut: the folder may be that of a killed writer, whose bytes are still wanted.
    const file = guardWrites(this.#shown, () => {
      closeSync(openSync(path, 'a'));
      return openSync(path, 'r+');
    });
    this.#files.set(name, file);
    return file;
  }
}
