/**
 * Clips that an earlier ingest left: in the folder of one that was killed, or in the dataset that is going to be
 * replaced. They are found by their key, and their bytes are checked against the journal before they are believed.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import type { JournalEntry } from './journal.ts';
import { readJournal } from './journal.ts';
import type { ClipRecord } from './types.ts';
import { FILES, frameBytes } from './types.ts';

/** One piece of bytes is read before others get their turn. */
const PIECE = 4 * 2 ** 20;

export interface PreviousClip extends JournalEntry {
  readonly folder: string;
}

export class PreviousClips implements Disposable {
  readonly #entries = new Map<string, PreviousClip>();
  readonly #files = new Map<string, number>();

  /** Takes in the entries of a folder; those known already stay. */
  add(folder: string, entries: readonly JournalEntry[] = readJournal(folder)): void {
    for (const entry of entries)
      if (!this.#entries.has(entry.line.key)) this.#entries.set(entry.line.key, { ...entry, folder });
  }

  find(key: string): PreviousClip | undefined {
    return this.#entries.get(key);
  }

  /** After a folder was renamed, or its bytes turned out to be wrong (`to` null). */
  forget(folder: string): void {
    for (const [key, entry] of this.#entries) if (entry.folder === folder) this.#entries.delete(key);
  }

  /**
   * The clip's frames, then its masks, in pieces; a piece is overwritten by the next. The last step says whether all
   * bytes were there and fit the checksum.
   */
  async *bytes(
    { folder, record, line }: PreviousClip & { readonly record: ClipRecord },
    channels: number,
  ): AsyncGenerator<{ readonly of: 'frames' | 'masks'; readonly bytes: Uint8Array }, boolean, undefined> {
    const buffer = new Uint8Array(PIECE);
    let crc = 0;
    const parts = [['frames', record.offset, record.frames * frameBytes(record, channels)]] as [
      'frames' | 'masks',
      number,
      number,
    ][];
    if (record.mask !== null) parts.push(['masks', record.mask, record.frames * frameBytes(record, 1)]);
    for (const [of, offset, length] of parts) {
      for (let done = 0; done < length;) {
        const count = this.#read(
          join(folder, FILES[of]),
          buffer,
          Math.min(PIECE, length - done),
          offset + done,
        );
        if (count === 0) return false;
        const bytes = buffer.subarray(0, count);
        crc = crc32(bytes, crc);
        yield { of, bytes };
        done += count;
        await setImmediate();
      }
    }
    return 'crc' in line && line.crc === crc;
  }

  #read(path: string, buffer: Uint8Array, length: number, position: number): number {
    try {
      const file = this.#files.get(path) ?? openSync(path, 'r');
      this.#files.set(path, file);
      return readSync(file, buffer, 0, length, position);
    } catch {
      return 0;
    }
  }

  [Symbol.dispose](): void {
    for (const file of this.#files.values()) closeSync(file);
    this.#files.clear();
    this.#entries.clear();
  }
}
