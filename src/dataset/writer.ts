/**
 * Writes a clip dataset. Frames stream straight to the store (one frame in memory), clip by clip in the order of the
 * calls, so the bytes depend on the input alone. The folder appears whole at `finish()` or not at all.
 */
import { closeSync, fsyncSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { UsclError } from '../base/errors.ts';
import { guardWrites, writeAll, writeError } from '../base/files.ts';
import type { Target } from './target.ts';
import { commitTarget, dropTarget, openTarget } from './target.ts';
import type { ClipDraft, ClipRecord, Manifest } from './types.ts';
import { clipSchema, FILES, FORMAT_VERSION, frameBytes, manifestSchema } from './types.ts';

/** What is known of a dataset before its first clip. */
export type DatasetStart = Pick<
  Manifest,
  'name' | 'licence' | 'citation' | 'homepage' | 'classes' | 'channels' | 'size' | 'made'
>;

export interface DatasetWriter extends Disposable {
  /**
   * Appends a clip. `clip` may be a function: it is called after the last frame, for facts that only the frames show
   * (how many were dropped). Frames are [height, width, channels] u8 arrays of one size; each is written before the
   * next is asked for, so its buffer may be reused. One clip at a time.
   *
   * If `frames` throws, nothing of the clip stays and the writer goes on. Errors: `CLIP_EMPTY` (no frame),
   * `CLIP_DUPLICATE` (id taken), `CLIP_LABEL` (no such class), `CLIP_FRAME_SIZE`, `DISK_FULL`, `WRITE_FAILED`.
   */
  addClip(
    clip: ClipDraft | (() => ClipDraft),
    frames: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  ): Promise<ClipRecord>;
  /** Notes a source that did not become a clip. */
  reject(source: string, reason: string): void;
  /** Makes everything durable and puts the folder in place. Throws `DATASET_EMPTY` when no clip was added. */
  finish(): Manifest;
  /** Leaves no trace. Also what disposing of an unfinished writer does. */
  abort(): void;
}

/**
 * Starts a dataset at `folder`. Errors: `DATASET_EXISTS` (unless `overwrite`), `OUTPUT_NOT_OURS` (always, for a file
 * or a folder with anything in it that is no dataset), `WRITE_FAILED`, `DISK_FULL`.
 */
export function createDataset(
  folder: string,
  start: DatasetStart,
  options: { readonly overwrite?: boolean } = {},
): DatasetWriter {
  return new StoreWriter(folder, start, options.overwrite ?? false);
}

class StoreWriter implements DatasetWriter {
  readonly #start: DatasetStart;
  readonly #overwrite: boolean;
  readonly #target: Target;
  readonly #store: number;
  readonly #clips: ClipRecord[] = [];
  readonly #ids = new Set<string>();
  readonly #rejected: { source: string; reason: string }[] = [];
  #bytes = 0;
  #state: 'open' | 'adding' | 'closed' = 'open';

  constructor(folder: string, start: DatasetStart, overwrite: boolean) {
    this.#start = start;
    this.#overwrite = overwrite;
    this.#target = openTarget(folder, overwrite);
    try {
      this.#store = guardWrites(folder, () => openSync(join(this.#target.temporary, FILES.frames), 'wx'));
    } catch (thrown) {
      dropTarget(this.#target);
      throw thrown;
    }
  }

  async addClip(
    clip: ClipDraft | (() => ClipDraft),
    frames: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  ): Promise<ClipRecord> {
    this.#require('open');
    this.#state = 'adding';
    const offset = this.#bytes;
    try {
      let count = 0;
      let length: number | undefined;
      for await (const frame of frames) {
        length ??= frame.length;
        if (frame.length !== length) {
          throw dataError(
            'CLIP_FRAME_SIZE',
            `Frame ${count} has ${frame.length} bytes; the first has ${length}.`,
          );
        }
        this.#append(frame);
        count++;
      }
      const record = this.#record(typeof clip === 'function' ? clip() : clip, offset, count, length ?? 0);
      this.#ids.add(record.id);
      this.#clips.push(record);
      return record;
    } catch (thrown) {
      this.#rewind(offset);
      throw thrown;
    } finally {
      if (this.#isAdding()) this.#state = 'open';
    }
  }

  reject(source: string, reason: string): void {
    this.#rejected.push({ source, reason });
  }

  finish(): Manifest {
    this.#require('open');
    if (this.#clips.length === 0) {
      this.abort();
      throw new UsclError({
        kind: 'data',
        code: 'DATASET_EMPTY',
        message: `Not one clip was found for ${this.#target.folder}${this.#firstRejection()}; nothing was written.`,
        where: this.#target.folder,
        remedy: 'Check that the source holds readable videos, images or frame folders.',
      });
    }
    try {
      const manifest = manifestSchema.parse({
        format: 'uscl-dataset',
        version: FORMAT_VERSION,
        ...this.#start,
        clips: this.#clips.length,
        frames: this.#clips.reduce((sum, clip) => sum + clip.frames, 0),
        rejected: this.#rejected,
      });
      guardWrites(this.#target.folder, () => {
        fsyncSync(this.#store);
        writeDurably(
          join(this.#target.temporary, FILES.clips),
          this.#clips.map((clip) => `${JSON.stringify(clip)}\n`),
        );
        writeDurably(join(this.#target.temporary, FILES.manifest), [
          `${JSON.stringify(manifest, null, 2)}\n`,
        ]);
      });
      commitTarget(this.#target, this.#overwrite);
      this.#state = 'closed';
      closeSync(this.#store);
      return manifest;
    } catch (thrown) {
      this.abort();
      throw thrown;
    }
  }

  abort(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    closeSync(this.#store);
    dropTarget(this.#target);
  }

  [Symbol.dispose](): void {
    this.abort();
  }

  #record(draft: ClipDraft, offset: number, frames: number, length: number): ClipRecord {
    if (frames === 0) throw dataError('CLIP_EMPTY', `Clip ${draft.id} has no frames.`);
    if (this.#ids.has(draft.id))
      throw dataError('CLIP_DUPLICATE', `There are two clips with the id ${draft.id}.`);
    if (draft.label !== null && !this.#start.classes.includes(draft.label)) {
      throw dataError(
        'CLIP_LABEL',
        `Clip ${draft.id} has the label ${draft.label}, which is not among the classes.`,
      );
    }
    const expected = frameBytes(draft, this.#start.channels);
    if (length !== expected) {
      throw dataError(
        'CLIP_FRAME_SIZE',
        `Frames of clip ${draft.id} have ${length} bytes, not height × width × channels = ${expected}.`,
      );
    }
    return clipSchema.parse({ field: null, ...draft, offset, frames, hashes: [], mask: null });
  }

  #append(frame: Uint8Array): void {
    if (!this.#isAdding()) throw new Error('The dataset writer was closed while a clip was being added.');
    try {
      for (let done = 0; done < frame.length;) {
        const written = writeSync(this.#store, frame, done, frame.length - done, this.#bytes);
        done += written;
        this.#bytes += written;
      }
    } catch (thrown) {
      throw writeError(this.#target.folder, thrown) ?? thrown;
    }
  }

  #rewind(offset: number): void {
    this.#bytes = offset;
    if (this.#isAdding())
      guardWrites(this.#target.folder, () => {
        ftruncateSync(this.#store, offset);
      });
  }

  /** A method, because the compiler does not see that `abort` may run while a clip is awaited. */
  #isAdding(): boolean {
    return this.#state === 'adding';
  }

  #require(state: 'open'): void {
    if (this.#state === state) return;
    throw new Error(
      this.#state === 'adding' ? 'A clip is still being added.' : 'The dataset writer is closed.',
    );
  }

  #firstRejection(): string {
    const first = this.#rejected[0];
    if (first === undefined) return '';
    return ` (${this.#rejected.length} sources were rejected, the first, ${first.source}, because: ${first.reason})`;
  }
}

function dataError(code: string, message: string): UsclError {
  return new UsclError({ kind: 'data', code, message, remedy: 'Mend or leave out this clip.' });
}

function writeDurably(path: string, lines: readonly string[]): void {
  const file = openSync(path, 'wx');
  try {
    // Joined in portions: a line at a time is slow, everything at once is a large string.
    for (let i = 0; i < lines.length; i += 1024)
      writeAll(file, Buffer.from(lines.slice(i, i + 1024).join('')));
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
