/**
 * What a writer takes over from earlier ones of the same folder. The temporary folder of a killed writer whose entries
 * are the very beginning of this ingest is adopted: its clips stay where they lie, and the journal grows on behind
 * them. From other leftovers, and from the dataset that is replaced, clips are copied. Without keys nothing is looked
 * for and no journal is kept.
 */
import { guardWrites } from '../base/files.ts';
import type { JournalEntry, JournalLine } from './journal.ts';
import { cutJournal, Journal, readJournal } from './journal.ts';
import type { PreviousClip } from './previous.ts';
import { PreviousClips } from './previous.ts';
import type { Store } from './store.ts';
import type { Target } from './target.ts';
import { dropTarget, openTarget } from './target.ts';
import type { ClipRecord } from './types.ts';

/** A clip of an earlier writer, not a refusal. */
export type TakenClip = PreviousClip & { readonly record: ClipRecord };

export class Takeover implements Disposable {
  readonly target: Target;
  readonly #journal: Journal | null;
  readonly #previous = new PreviousClips();
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
    try {
      const { temporary, leftovers } = this.target;
      guardWrites(folder, () => {
        if (adopted.length > 0) cutJournal(temporary, adopted);
      });
      this.#adopted = adopted;
      this.#previous.add(temporary, adopted);
      for (const leftover of leftovers) this.#previous.add(leftover);
      // What was refused then may be taken now: a disk mended, a tool installed.
      if (overwrite && keys !== undefined && reuse)
        this.#previous.add(this.target.folder, clipsOf(this.target.folder));
      this.#journal = keys === undefined ? null : new Journal(temporary);
    } catch (thrown) {
      dropTarget(this.target);
      throw thrown;
    }
  }

  /** The clip or refusal that an earlier writer noted under a key. */
  find(key: string): PreviousClip | undefined {
    return this.#previous.find(key);
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
    const bytes = this.#previous.bytes(clip, channels);
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
    this.#journal?.add(line, record);
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
    this.#previous.forget(temporary);
  }

  /** Whether there is something for the next writer. */
  get isWorthLeaving(): boolean {
    return this.#journal !== null && this.#noted > 0;
  }

  /** Makes the journal durable. */
  sync(): void {
    this.#journal?.sync();
  }

  #isNext(key: string): boolean {
    return this.#adopted[this.#noted]?.line.key === key;
  }

  [Symbol.dispose](): void {
    this.#previous[Symbol.dispose]();
  }
}

function clipsOf(dataset: string): readonly JournalEntry[] {
  return readJournal(dataset).filter(({ record }) => record !== null);
}
