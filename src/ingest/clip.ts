/**
 * One planned clip to clean frames and the facts about it. Decoding starts at once and runs ahead of the writer;
 * the facts are complete when the frames have ended.
 */
import { createHash } from 'node:crypto';
import type { Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { messageOf, systemCode, UsclError } from '../base/errors.ts';
import type { ClipDraft } from '../dataset/types.ts';
import { AheadQueue } from './ahead.ts';
import type { DropCounts } from './clean.ts';
import { withoutEmptyFrames } from './clean.ts';
import type { Size } from './geometry.ts';
import { storedSize } from './geometry.ts';
import { fileNameOf } from './paths.ts';
import type { PlannedClip } from './plan.ts';
import type { Still } from './still.ts';
import { decodeStill, openStill } from './still.ts';
import type { VideoInfo, VideoTools } from './video.ts';
import { decodeVideo, probeVideo } from './video.ts';

export interface DecodeSettings {
  /** Real path of the source folder. */
  readonly root: string;
  readonly size: number;
  readonly channels: 1 | 3;
  readonly fps: number | 'all';
  /** Null when no item is a video. */
  readonly tools: VideoTools | null;
  readonly signal: AbortSignal | undefined;
}

/**
 * SPG draws three frames of a clip and has less to mix with fewer, so a clip of a fraction of a second is sampled
 * densely enough to keep three, where it has them.
 */
const FEW_FRAMES = 3;

interface Facts {
  original: ClipDraft['original'];
  stored: Size;
  fps: number | null;
  sha256: string;
  damage: string | undefined;
}

/** A clip whose decoding is under way. */
export class ClipDecoding {
  readonly clip: PlannedClip;
  readonly frames: AheadQueue;
  readonly #settings: DecodeSettings;
  readonly #dropped: DropCounts = { black: 0, blank: 0, duplicate: 0 };
  #facts: Facts | undefined;
  #kept = 0;

  constructor(clip: PlannedClip, settings: DecodeSettings) {
    this.clip = clip;
    this.#settings = settings;
    this.frames = new AheadQueue(this.#clean());
  }

  /** The clip's record; only after the last frame. */
  draft(): ClipDraft {
    const { item, label, group, flags } = this.clip;
    if (this.#facts === undefined) throw new Error(`The clip ${item.path} is not decoded yet.`);
    const { original, stored, fps, sha256, damage } = this.#facts;
    return {
      id: item.path,
      group,
      label,
      source: item.path,
      sourceSha256: sha256,
      width: stored.width,
      height: stored.height,
      fps,
      original,
      crop: null,
      dropped: { ...this.#dropped },
      flags: [
        ...flags,
        ...(original.frames === 1 ? ['still'] : []),
        ...(original.frames > 1 && this.#kept < FEW_FRAMES ? ['few-frames'] : []),
        ...(this.#dropped.black > this.#kept ? ['mostly-black'] : []),
        ...(damage === undefined ? [] : ['damaged']),
        ...(Math.min(original.width, original.height) < this.#settings.size ? ['small'] : []),
      ],
    };
  }

  get dropped(): Readonly<DropCounts> {
    return this.#dropped;
  }

  /** What the decoder said about damage, if anything; only after the last frame. */
  get damage(): string | undefined {
    return this.#facts?.damage;
  }

  async *#clean(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for await (const frame of withoutEmptyFrames(this.#decode(), this.#dropped)) {
        this.#kept++;
        yield frame;
      }
    } catch (thrown) {
      if (systemCode(thrown) === undefined || thrown instanceof UsclError) throw thrown;
      throw unreadable(messageOf(thrown), thrown);
    }
    if (this.#kept > 0) return;
    const { black } = this.#dropped;
    throw unreadable(
      black === 1 ? 'its only frame is black' : `all of its ${black} sampled frames are black`,
    );
  }

  #decode(): AsyncGenerator<Uint8Array, void, undefined> {
    const { item } = this.clip;
    switch (item.kind) {
      case 'video':
        return this.#decodeVideo(item.path);
      case 'still':
        return this.#decodePictures([item.path]);
      case 'frames':
        return this.#decodePictures(item.files);
      case 'dicom':
        throw new Error(`No reader takes the DICOM file ${item.path}.`);
    }
  }

  async *#decodeVideo(path: string): AsyncGenerator<Uint8Array, void, undefined> {
    const { root, size, channels, tools, signal } = this.#settings;
    if (tools === null) throw new Error('A video was planned without a decoder.');
    const absolute = join(root, path);
    const info = await probeVideo(absolute, signal);
    const stored = storedSize(info, size);
    const { width, height, fps: sourceFps } = info;
    const fps = denseEnough(this.#settings.fps, info);
    const hash = hashFile(absolute);
    hash.catch(() => undefined);
    const decoding = decodeVideo(absolute, info, { size: stored, channels, fps, tools, signal });
    let damage: string | undefined;
    let decoded = 0;
    try {
      for (;;) {
        const { done, value } = await decoding.next();
        if (done === true) {
          damage = value;
          break;
        }
        decoded++;
        yield value;
      }
    } finally {
      await decoding.return(undefined);
    }
    this.#facts = {
      original: { width, height, fps: sourceFps, frames: Math.max(info.frames, decoded) },
      stored,
      fps: sourceFps === null || fps === 'all' ? sourceFps : Math.min(fps, sourceFps),
      sha256: await hash,
      damage,
    };
  }

  /** The pictures of one clip; the first one's size holds for all. */
  async *#decodePictures(paths: readonly string[]): AsyncGenerator<Uint8Array, void, undefined> {
    const { root, size, channels, signal } = this.#settings;
    const hash = createHash('sha256');
    const damage: string[] = [];
    let first: Still | undefined;
    let stored: Size | undefined;
    for (const path of paths) {
      signal?.throwIfAborted();
      try {
        const still = await openStill(join(root, path));
        first ??= still;
        stored ??= storedSize(still, size);
        if (still.width !== first.width || still.height !== first.height) {
          throw unreadable(
            `it has ${still.width}×${still.height} pixels, the first ${first.width}×${first.height}`,
          );
        }
        const frame = await decodeStill(still, stored, channels);
        addToHash(hash, paths.length > 1 ? fileNameOf(path) : '', still.bytes);
        yield frame;
      } catch (thrown) {
        if (paths.length === 1 || !(thrown instanceof UsclError || systemCode(thrown) !== undefined))
          throw thrown;
        damage.push(`${fileNameOf(path)}: ${messageOf(thrown)}`);
      }
    }
    if (first === undefined || stored === undefined || damage.length === paths.length) {
      throw unreadable(`none of its ${paths.length} pictures can be read; ${damage[0]}`);
    }
    this.#facts = {
      // Picture folders do not tell how fast they were taken.
      original: { width: first.width, height: first.height, fps: null, frames: paths.length },
      stored,
      fps: null,
      sha256: hash.digest('hex'),
      damage: damage.length > 1 ? `${damage[0]} (and ${damage.length - 1} more)` : damage[0],
    };
  }
}

/** The rate to sample at: the one asked for, raised for a clip that would keep fewer than three frames. */
function denseEnough(fps: number | 'all', info: VideoInfo): number | 'all' {
  if (fps === 'all' || info.fps === null) return fps;
  return Math.min(Math.max(fps, (FEW_FRAMES * info.fps) / info.frames), Math.max(fps, info.fps));
}

async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20 })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** The hash of a lone file is that of its bytes; in a folder, names and lengths keep files apart. */
function addToHash(hash: Hash, name: string, bytes: Buffer): void {
  if (name !== '') hash.update(`${name}\0${bytes.length}\0`);
  hash.update(bytes);
}

function unreadable(reason: string, cause?: unknown): UsclError {
  return new UsclError({
    kind: 'data',
    code: 'SOURCE_UNREADABLE',
    message: reason,
    remedy: 'Mend the file or leave it out.',
    cause,
  });
}
