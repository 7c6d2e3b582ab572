/**
 * One planned clip to clean frames and the facts about it: open the source, decode, drop what carries nothing.
 * Decoding starts at once and runs ahead of the writer; the facts are complete when the frames have ended.
 */
import { join } from 'node:path';
import { messageOf, systemCode, UsclError } from '../base/errors.ts';
import type { ClipDraft } from '../dataset/types.ts';
import { AheadQueue } from './ahead.ts';
import type { DropCounts } from './clean.ts';
import { withoutEmptyFrames } from './clean.ts';
import type { Size } from './geometry.ts';
import { storedSize } from './geometry.ts';
import { openPictures } from './picture-source.ts';
import type { PlannedClip } from './plan.ts';
import type { ClipSource } from './source.ts';
import type { VideoTools } from './video.ts';
import { openVideo } from './video-source.ts';

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
  readonly original: ClipDraft['original'];
  readonly stored: Size;
  readonly fps: number | null;
  readonly sha256: string;
  readonly damage: string | undefined;
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

  async *#decode(): AsyncGenerator<Uint8Array, void, undefined> {
    const { size, channels, signal } = this.#settings;
    const source = await this.#open();
    const fps = denseEnough(this.#settings.fps, source);
    const stored = storedSize(source, size);
    const decoding = source.frames({ channels, fps, size: stored, signal });
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
      original: {
        width: source.width,
        height: source.height,
        fps: source.fps,
        frames: Math.max(source.frameCount, decoded),
      },
      stored,
      fps: source.fps === null || fps === 'all' ? source.fps : Math.min(fps, source.fps),
      sha256: await source.sha256(),
      damage,
    };
  }

  #open(): Promise<ClipSource> {
    const { root, tools, signal } = this.#settings;
    const { item } = this.clip;
    switch (item.kind) {
      case 'video':
        if (tools === null) throw new Error('A video was planned without a decoder.');
        return openVideo(join(root, item.path), tools, signal);
      case 'still':
        return openPictures(root, [item.path]);
      case 'frames':
        return openPictures(root, item.files);
      case 'dicom':
        throw new Error(`No reader takes the DICOM file ${item.path}.`);
    }
  }
}

/** The rate to sample at: the one asked for, raised for a clip that would keep fewer than three frames. */
function denseEnough(fps: number | 'all', source: ClipSource): number | 'all' {
  if (fps === 'all' || source.fps === null) return fps;
  return Math.min(Math.max(fps, (FEW_FRAMES * source.fps) / source.frameCount), Math.max(fps, source.fps));
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
