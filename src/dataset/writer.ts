/**
 * Writes a clip dataset. Frames stream straight to the store (one frame in memory), clip by clip in the order of the
 * calls, so the bytes depend on the input alone. The folder appears whole at `finish()` or not at all. With keys, a
 * journal grows beside the clips, and clips of an earlier writer under the same keys can be taken over (`takeover.ts`).
 */
import { closeSync, fsyncSync, openSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { dataError, type UsclError } from '../base/errors.ts';
import { guardWrites, writeAll } from '../base/files.ts';
import { hashPositions, perceptualHash } from './perceptual-hash.ts';
import type { ClipNote } from './journal.ts';
import { Store } from './store.ts';
import { Takeover, type PreviousClip } from './takeover.ts';
import { commitTarget, dropTarget, leaveTarget } from './target.ts';
import type { ClipDraft, ClipRecord, Manifest } from './types.ts';
import { clipSchema, FILES, FORMAT_VERSION, frameBytes, manifestSchema } from './types.ts';

/** What is known of a dataset before its first clip. */
export type DatasetStart = Pick<
  Manifest,
  'name' | 'licence' | 'citation' | 'homepage' | 'classes' | 'structures' | 'channels' | 'size' | 'made'
>;

/** What may come with a clip beside its frames. */
export interface ClipExtras {
  /** Masks of all frames, [frames, height, width] u8: 0 outside, else the structure; asked for after the last frame. */
  readonly masks?: (() => Uint8Array | null) | undefined;
  /** @internal Has the clip noted in the journal; asked for after the last frame. */
  readonly note?: (() => Omit<ClipNote, 'crc'>) | undefined;
}

/** What a plan says of a clip; may change while its pixels stay. */
export type PlannedFacts = Pick<ClipRecord, 'id' | 'group' | 'label' | 'source' | 'flags'>;

/** What became of the splits of a dataset that was replaced. */
export interface CarriedSplits {
  /** Names, sorted. */
  readonly carried: readonly string[];
  readonly dropped: readonly string[];
}

/** Writes those splits of the dataset at `from` that fit `clips` into the folder `to`. */
export type SplitCarrier = (
  from: string,
  to: string,
  clips: readonly Pick<ClipRecord, 'id' | 'group'>[],
) => CarriedSplits;

/** What happens to a dataset that is there already. */
export interface DatasetOptions {
  readonly overwrite?: boolean;
  /**
   * Keys of the sources in the order in which they are going to come. With them a journal is kept, and what an earlier
   * writer left is looked for: killed ones, and with `overwrite` the dataset that is there.
   */
  readonly keys?: readonly string[] | undefined;
  /** Whether to look for it (default true); without, what killed writers left is cleared. */
  readonly reuse?: boolean;
}

/** Writes a dataset; made by `createDataset` of `curation`, which brings `carrySplits`. */
export class DatasetWriter implements Disposable {
  readonly #start: DatasetStart;
  readonly #overwrite: boolean;
  readonly #carrySplits: SplitCarrier;
  readonly #takeover: Takeover;
  readonly #store: Store;
  readonly #clips: ClipRecord[] = [];
  readonly #ids = new Set<string>();
  readonly #rejected: { source: string; reason: string }[] = [];
  #state: 'open' | 'adding' | 'closed' = 'open';
  /** What became of the splits of a replaced dataset; empty before `finish`. */
  splits: CarriedSplits = { carried: [], dropped: [] };

  constructor(
    folder: string,
    start: DatasetStart,
    { overwrite = false, keys, reuse = true }: DatasetOptions,
    carrySplits: SplitCarrier,
  ) {
    this.#start = start;
    this.#overwrite = overwrite;
    this.#carrySplits = carrySplits;
    this.#takeover = new Takeover(folder, overwrite, keys, reuse);
    const { target } = this.#takeover;
    try {
      this.#store = new Store(target.temporary, target.folder);
    } catch (thrown) {
      dropTarget(target);
      throw thrown;
    }
  }

  /**
   * Appends a clip. `clip` may be a function: it is called after the last frame, for facts that only the frames show
   * (how many were dropped). Frames are [height, width, channels] u8 arrays of one size; each is written before the
   * next is asked for, so its buffer may be reused. One clip at a time.
   *
   * If `frames` throws, nothing of the clip stays and the writer goes on. Errors: `CLIP_EMPTY` (no frame),
   * `CLIP_DUPLICATE` (id taken), `CLIP_LABEL` (no such class), `CLIP_FRAME_SIZE`, `CLIP_MASK`, `DISK_FULL`,
   * `WRITE_FAILED`.
   */
  async addClip(
    clip: ClipDraft | (() => ClipDraft),
    frames: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
    { masks, note }: ClipExtras = {},
  ): Promise<ClipRecord> {
    this.#takeover.forgetRest();
    return this.#adding(async () => {
      const store = this.#store;
      const offset = store.frames;
      const mask = store.masks;
      let count = 0;
      let length: number | undefined;
      let crc = 0;
      for await (const frame of frames) {
        length ??= frame.length;
        if (frame.length !== length)
          throw clipError(
            'CLIP_FRAME_SIZE',
            `Frame ${count} has ${frame.length} bytes; the first has ${length}.`,
          );
        this.#requireAdding();
        store.append('frames', frame);
        if (note !== undefined) crc = crc32(frame, crc);
        count++;
      }
      const draft = typeof clip === 'function' ? clip() : clip;
      if (length === undefined) throw clipError('CLIP_EMPTY', `Clip ${draft.id} has no frames.`);
      const own = { offset, frames: count, hashes: [], mask: null };
      const record = clipSchema.parse({ field: null, ...draft, ...own });
      this.#requireFit(record, length);
      const bytes = length;
      const hashes = hashPositions(count).map((position) => {
        const frame = store.readFrames(offset + position * bytes, bytes);
        return perceptualHash(frame, record.width, record.height, this.#start.channels);
      });
      const pixels = masks?.() ?? null;
      if (pixels !== null) {
        requireMasks(pixels, record, this.#start.structures?.length ?? 1);
        store.append('masks', pixels);
        if (note !== undefined) crc = crc32(pixels, crc);
      }
      const whole = { ...record, hashes, mask: pixels === null ? null : mask };
      if (note !== undefined) {
        const { key, found, damage, remarks } = note();
        this.#takeover.note({ key, crc, found, damage, remarks }, whole);
      }
      return whole;
    });
  }

  /** @internal The clip or refusal that an earlier writer noted under a key. */
  previous(key: string): PreviousClip | undefined {
    return this.#takeover.find(key);
  }

  /**
   * @internal Appends a clip of an earlier writer with what the plan says of it now. Null, with nothing appended, when its bytes
   * are not what the journal says. Errors: as `addClip`.
   */
  async reuse(previous: PreviousClip, plan: PlannedFacts): Promise<ClipRecord | null> {
    const { record: old, line } = previous;
    if (old === null || !('crc' in line)) throw new Error('A refusal was taken for a clip.');
    const takeover = this.#takeover;
    const store = this.#store;
    const clip = { ...previous, record: old };
    const isInPlace = takeover.isInPlace(clip, store);
    if (!isInPlace) {
      if (takeover.isAdopted(clip)) return null;
      takeover.forgetRest();
    }
    try {
      return await this.#adding(async () => {
        const { channels } = this.#start;
        const mask = old.mask === null ? null : store.masks;
        const record = clipSchema.parse({ ...old, ...plan, offset: store.frames, mask });
        this.#requireFit(record, frameBytes(old, channels));
        const isSound = await takeover.take(clip, channels, store, () => {
          this.#requireAdding();
        });
        if (!isSound) throw new DamagedClip();
        if (isInPlace) takeover.confirm();
        else takeover.note(line, record);
        return record;
      });
    } catch (thrown) {
      if (isInPlace) takeover.forgetRest();
      if (thrown instanceof DamagedClip) return null;
      throw thrown;
    }
  }

  /** Runs what appends one clip; when it fails, nothing of the clip stays. */
  async #adding(action: () => Promise<ClipRecord>): Promise<ClipRecord> {
    this.#requireOpen();
    this.#state = 'adding';
    const { frames, masks } = this.#store;
    try {
      const record = await action();
      this.#ids.add(record.id);
      this.#clips.push(record);
      return record;
    } catch (thrown) {
      if (this.#isAdding()) this.#store.rewind(frames, masks);
      throw thrown;
    } finally {
      if (this.#isAdding()) this.#state = 'open';
    }
  }

  /** Notes a source that did not become a clip. */
  reject(source: string, reason: string): void {
    this.#rejected.push({ source, reason });
  }

  /** @internal Notes in the journal that the source under `key` is refused; not in the manifest. */
  noteRefusal(key: string, reason: string): void {
    this.#takeover.noteRefusal(key, reason);
  }

  /**
   * Makes everything durable and puts the folder in place, with the splits of a replaced dataset that still fit. Throws
   * `DATASET_EMPTY` when no clip was added.
   */
  finish(): Manifest {
    this.#requireOpen();
    const { folder, temporary } = this.#takeover.target;
    if (this.#clips.length === 0) {
      this.abort();
      const [first] = this.#rejected;
      const rejected =
        first === undefined
          ? ''
          : ` (${this.#rejected.length} sources were rejected, the first, ${first.source}, because: ${first.reason})`;
      throw dataError(
        'DATASET_EMPTY',
        `Not one clip was found for ${folder}${rejected}; nothing was written.`,
        'Check that the source holds readable videos, images or frame folders.',
        { where: folder },
      );
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
      this.#takeover.forgetRest();
      this.#store.finish();
      guardWrites(folder, () => {
        writeDurably(
          join(temporary, FILES.clips),
          this.#clips.map((clip) => `${JSON.stringify(clip)}\n`),
        );
        this.#takeover.sync();
        writeDurably(join(temporary, FILES.manifest), [`${JSON.stringify(manifest, null, 2)}\n`]);
        this.splits = this.#carrySplits(folder, temporary, this.#clips);
      });
      commitTarget(this.#takeover.target, this.#overwrite);
      this.#close();
      return manifest;
    } catch (thrown) {
      this.abort();
      throw thrown;
    }
  }

  /** Leaves no trace. Also what disposing of an unfinished writer does. */
  abort(): void {
    if (this.#state === 'closed') return;
    this.#close();
    dropTarget(this.#takeover.target);
  }

  /** Stops and leaves what there is for the next writer of the same folder; like `abort` where there is no journal. */
  suspend(): void {
    if (!this.#takeover.isWorthLeaving) {
      this.abort();
      return;
    }
    if (this.#state === 'closed') return;
    this.#close();
    leaveTarget(this.#takeover.target);
  }

  #close(): void {
    this.#state = 'closed';
    using _takeover = this.#takeover;
    this.#store.close();
  }

  [Symbol.dispose](): void {
    this.abort();
  }

  /** Errors of a clip that cannot be in this dataset. */
  #requireFit(record: ClipRecord, length: number): void {
    const { id, label } = record;
    if (this.#ids.has(id)) throw clipError('CLIP_DUPLICATE', `There are two clips with the id ${id}.`);
    if (label !== null && !this.#start.classes.includes(label))
      throw clipError('CLIP_LABEL', `Clip ${id} has the label ${label}, which is not among the classes.`);
    const expected = frameBytes(record, this.#start.channels);
    if (length !== expected)
      throw clipError(
        'CLIP_FRAME_SIZE',
        `Frames of clip ${id} have ${length} bytes, not height × width × channels = ${expected}.`,
      );
  }

  #requireAdding(): void {
    if (!this.#isAdding()) throw new Error('The dataset writer was closed while a clip was being added.');
  }

  /** A method, because the compiler does not see that `abort` may run while a clip is awaited. */
  #isAdding(): boolean {
    return this.#state === 'adding';
  }

  #requireOpen(): void {
    if (this.#state === 'adding') throw new Error('A clip is still being added.');
    if (this.#state === 'closed') throw new Error('The dataset writer is closed.');
  }
}

/** Bytes of an earlier clip that are not what they were. */
class DamagedClip extends Error {}

function requireMasks(pixels: Uint8Array, { id, frames, width, height }: ClipRecord, most: number): void {
  if (pixels.length !== frames * width * height)
    throw clipError(
      'CLIP_MASK',
      `The masks of clip ${id} have ${pixels.length} bytes, not frames × height × width = ${frames * width * height}.`,
    );
  if (pixels.some((value) => value > most))
    throw clipError(
      'CLIP_MASK',
      `The masks of clip ${id} hold other values than 0 ${most === 1 ? 'and' : 'to'} ${most}.`,
    );
}

function clipError(code: string, message: string): UsclError {
  return dataError(code, message, 'Mend or leave out this clip.');
}

/** In place of what a journal left there, whole or not at all. */
function writeDurably(path: string, lines: readonly string[]): void {
  const temporary = `${path}.new`;
  const file = openSync(temporary, 'w');
  try {
    // Joined in portions: a line at a time is slow, everything at once is a large string.
    for (let i = 0; i < lines.length; i += 1024)
      writeAll(file, Buffer.from(lines.slice(i, i + 1024).join('')));
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(temporary, path);
}
