/**
 * What a writer takes over from earlier ones of the same folder. The temporary folder of a killed writer whose entries
 * are the very beginning of this ingest is adopted: its clips stay where they lie, and the journal grows on behind
 * them. From other leftovers, and from the dataset that is replaced, clips are copied. Without keys nothing is looked
 * for and no journal is kept.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { guardWrites } from '../base/files.ts';
import { Resources } from '../base/resources.ts';
import {
  addToJournal,
  cutJournal,
  readJournal,
  syncJournal,
  type JournalEntry,
  type JournalLine,
} from './journal.ts';
import type { Store } from './store.ts';
import { dropTarget, openTarget, type Target } from './target.ts';
import { FILES, frameBytes, type ClipRecord } from './types.ts';

/** One piece of bytes is read before others get their turn. */
const PIECE = 4 * 2 ** 20;

/** A clip or refusal that an earlier writer noted, and the folder it is in. */
export interface PreviousClip extends JournalEntry {
  readonly folder: string;
}

/** A clip of an earlier writer, not a refusal. */
type TakenClip = PreviousClip & { readonly record: ClipRecord };

export class Takeover implements Disposable {
  readonly target: Target;
  readonly #keepsJournal: boolean;
  /** What earlier writers left, by its key, and its files as far as they were opened. */
  readonly #previous = new Map<string, PreviousClip>();
  readonly #files = new Map<string, number>();
  /** Entries of the adopted folder; those behind the first `#noted` are still to be asked for. */
  #adopted: readonly JournalEntry[] = [];
  /** Lines of the journal that are about this ingest. */
  #noted = 0;

  /** Opens the target of a writer. Errors: those of `openTarget`; `WRITE_FAILED`, `DISK_FULL`. */
  constructor(folder: string, overwrite: boolean, keys: readonly string[] | undefined, reuse: boolean) {
    let adopted: readonly JournalEntry[] = [];
    this.target = openTarget(folder, overwrite, {
      resume: keys !== undefined && reuse,
      adopts: (leftover) => {
        const entries = readJournal(leftover);
        // Only what is the very beginning of this ingest can grow on; from others, clips are copied.
        if (entries.length === 0 || !entries.every(({ line }, i) => line.key === keys?.[i])) return false;
        adopted = entries;
        return true;
      },
    });
    this.#keepsJournal = keys !== undefined;
    try {
      const { temporary, leftovers } = this.target;
      guardWrites(folder, () => {
        if (adopted.length > 0) cutJournal(temporary, adopted);
      });
      this.#adopted = adopted;
      this.#know(temporary, adopted);
      for (const leftover of leftovers) this.#know(leftover, readJournal(leftover));
      // What was refused then may be taken now: a disk mended, a tool installed.
      if (overwrite && keys !== undefined && reuse)
        this.#know(
          this.target.folder,
          readJournal(this.target.folder).filter(({ record }) => record !== null),
        );
    } catch (thrown) {
      dropTarget(this.target);
      throw thrown;
    }
  }

  /** The clip or refusal that an earlier writer noted under a key. */
  find(key: string): PreviousClip | undefined {
    return this.#previous.get(key);
  }

  /** Whether a clip lies in the adopted folder where the next one goes, so that nothing needs to be copied. */
  isInPlace({ line, record }: TakenClip, store: Store): boolean {
    return this.#isNext(line.key) && record.offset === store.frames;
  }

  /** Whether a clip lies in the adopted folder, in place or not. */
  isAdopted({ folder }: TakenClip): boolean {
    return folder === this.target.temporary;
  }

  /**
   * Puts a clip's frames and masks behind what is in the store; in place they are only read. False when they are not
   * what the journal says: then the store is to be rewound. `before` is called before each piece.
   */
  async take(clip: TakenClip, channels: number, store: Store, before: () => void): Promise<boolean> {
    const isInPlace = this.isInPlace(clip, store);
    const bytes = this.#bytes(clip, channels);
    for (;;) {
      const { done, value } = await bytes.next();
      if (done === true) return value;
      before();
      if (isInPlace) store.skip(value.of, value.bytes.length);
      else store.append(value.of, value.bytes);
    }
  }

  /** The next entry of the adopted folder is this ingest's too. */
  confirm(): void {
    this.#noted++;
  }

  /** Appends to the journal. */
  note(line: JournalLine, record: ClipRecord | null): void {
    if (this.#keepsJournal) addToJournal(this.target.temporary, line, record);
    this.#noted++;
  }

  noteRefusal(key: string, reason: string): void {
    if (this.#isNext(key)) {
      this.confirm();
      return;
    }
    this.forgetRest();
    this.note({ key, refused: reason }, null);
  }

  /** What does not go on where the adopted folder does overwrites the rest of it. */
  forgetRest(): void {
    if (this.#adopted.length === 0) return;
    const { temporary } = this.target;
    guardWrites(temporary, () => {
      cutJournal(temporary, this.#adopted.slice(0, this.#noted));
    });
    this.#adopted = [];
    for (const [key, entry] of this.#previous) if (entry.folder === temporary) this.#previous.delete(key);
  }

  /** Whether there is something for the next writer. */
  get isWorthLeaving(): boolean {
    return this.#keepsJournal && this.#noted > 0;
  }

  /** Makes the journal durable. */
  sync(): void {
    if (this.#keepsJournal) syncJournal(this.target.temporary);
  }

  #isNext(key: string): boolean {
    return this.#adopted[this.#noted]?.line.key === key;
  }

  /** Takes in the entries of a folder; those known already stay. */
  #know(folder: string, entries: readonly JournalEntry[]): void {
    for (const entry of entries)
      if (!this.#previous.has(entry.line.key)) this.#previous.set(entry.line.key, { ...entry, folder });
  }

  /**
   * The clip's frames, then its masks, in pieces; a piece is overwritten by the next. The last step says whether all
   * bytes were there and fit the checksum.
   */
  async *#bytes(
    { folder, record, line }: TakenClip,
    channels: number,
  ): AsyncGenerator<{ readonly of: 'frames' | 'masks'; readonly bytes: Uint8Array }, boolean, undefined> {
    const buffer = new Uint8Array(PIECE);
    let crc = 0;
    const parts: ['frames' | 'masks', number, number][] = [
      ['frames', record.offset, record.frames * frameBytes(record, channels)],
    ];
    if (record.mask !== null) parts.push(['masks', record.mask, record.frames * frameBytes(record, 1)]);
    for (const [of, offset, length] of parts) {
      for (let done = 0; done < length;) {
        const wanted = Math.min(PIECE, length - done);
        const count = this.#read(join(folder, FILES[of]), buffer, wanted, offset + done);
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
    using closing = new Resources();
    for (const file of this.#files.values())
      closing.defer(() => {
        closeSync(file);
      });
    this.#files.clear();
    this.#previous.clear();
  }
}
