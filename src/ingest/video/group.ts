/**
 * Short videos that are decoded in one process, because to start a program takes as long as to decode one of them. The
 * clips of a group ask for their frames as they are opened; when all have asked or gave up, one process decodes what is
 * small enough. Whatever does not go that way is decoded by itself, one after the other in the clips' order, so that a
 * group never uses more than one decoder at a time.
 */
import { setImmediate } from 'node:timers/promises';
import type { DecodeOptions, VideoDecoder, VideoJob } from './decode.ts';
import { decodeTogether, decodeVideo } from './decode.ts';
import type { VideoInfo } from '../../video/probe.ts';

/** Clips of a group. */
export const MAX_CLIPS = 8;
/** Bytes of frames that all groups of an ingest may have at a time, and that one group may: they wait in memory. */
const ALL_BYTES = 256 * 2 ** 20;
const GROUP_BYTES = 96 * 2 ** 20;
/** No clip may have more than this share of its group's bytes: long ones have little to gain. */
const CLIP_SHARE = 1 / 6;

interface Ask {
  readonly job: VideoJob;
  /** Bytes of the frames that it declares; infinite where it declares too little. */
  readonly bytes: number;
  /** Frames, or null: the clip is to be decoded by itself now. */
  readonly answer: (frames: Uint8Array[] | null) => void;
  readonly fail: (thrown: unknown) => void;
}

type Member = Ask | 'open' | 'gone';

/** A group of `size` clips, each of which is either added or skipped, where `decoders` groups are decoded at a time. */
export class VideoGroup {
  readonly #size: number;
  readonly #maxBytes: number;
  readonly #members: Member[] = [];
  readonly #resting: Promise<void>[] = [];
  #isOver = false;

  constructor(size: number, decoders: number) {
    this.#size = size;
    this.#maxBytes = Math.min(GROUP_BYTES, ALL_BYTES / decoders);
  }

  /** One of the clips needs no decoding. */
  skip(): void {
    this.#members.push('gone');
    this.#resting.push(Promise.resolve());
    this.#goOn();
  }

  /**
   * Adds the next clip. `begin` is given its decoder and starts it; the clip's `resting` settles when it has all
   * its frames, failed, or has to wait.
   */
  add<T extends { readonly frames: { readonly resting: Promise<void> } }>(
    begin: (decode: VideoDecoder) => T,
  ): T {
    const index = this.#members.push('open') - 1;
    const begun = begin((...asked) => this.#decode(index, ...asked));
    this.#resting.push(begun.frames.resting);
    void begun.frames.resting.then(() => {
      // It failed before it asked for frames.
      if (this.#members[index] === 'open') this.#members[index] = 'gone';
      this.#goOn();
    });
    return begun;
  }

  async *#decode(index: number, ...asked: Parameters<VideoDecoder>): ReturnType<VideoDecoder> {
    // Asked a second time, it has had its turn.
    const frames = this.#members[index] === 'open' ? await this.#ask(index, ...asked) : null;
    if (frames === null) return yield* decodeVideo(...asked);
    for (let frame = frames.shift(); frame !== undefined; frame = frames.shift()) {
      // Other decoders' output is to be read meanwhile.
      await setImmediate();
      yield frame;
    }
    return undefined;
  }

  #ask(index: number, ...[path, info, options]: Parameters<VideoDecoder>): Promise<Uint8Array[] | null> {
    return new Promise((answer, fail) => {
      const frames = framesOf(info, options);
      const { width, height } = options.size;
      const bytes = frames * width * height * options.channels;
      this.#members[index] = { job: { path, info, options, maxFrames: frames }, bytes, answer, fail };
      this.#goOn();
    });
  }

  #goOn(): void {
    if (this.#isOver || this.#members.length < this.#size || this.#members.includes('open')) return;
    this.#isOver = true;
    void this.#run();
  }

  async #run(): Promise<void> {
    const asks = this.#members.map((member) => (typeof member === 'string' ? null : member));
    const together: Ask[] = [];
    let bytes = 0;
    for (const ask of asks) {
      if (ask === null || ask.bytes > CLIP_SHARE * this.#maxBytes) continue;
      if (bytes + ask.bytes > this.#maxBytes) continue;
      bytes += ask.bytes;
      together.push(ask);
    }
    let decoded: Uint8Array[][] | null = null;
    try {
      if (together.length > 1) decoded = await decodeTogether(together.map(({ job }) => job));
    } catch (thrown) {
      for (const ask of asks) ask?.fail(thrown);
      return;
    }
    if (decoded !== null) for (const [i, ask] of together.entries()) ask.answer(decoded[i]!);
    for (const [index, ask] of asks.entries()) {
      if (ask === null || (decoded !== null && together.includes(ask))) continue;
      await Promise.all(this.#resting.slice(0, index));
      ask.answer(null);
    }
  }
}

/** Frames that sampling gives of what the file declares, and a few more; infinite where it does not tell. */
function framesOf({ frames, fps }: VideoInfo, options: DecodeOptions): number {
  if (options.fps === 'all') return frames;
  return fps === null ? Infinity : Math.min(frames, Math.ceil((frames * options.fps) / fps) + 2);
}

/**
 * How many clips to decode together: from each index on. Only videos are, and never so many that there is less than a
 * few groups for each decoder.
 */
export function runsOf(areVideos: readonly boolean[], decoders: number): (index: number) => number {
  const most = Math.min(MAX_CLIPS, Math.floor(areVideos.length / (3 * decoders)));
  return (index) => {
    let count = 0;
    while (count < most && areVideos[index + count] === true) count++;
    return Math.max(1, count);
  };
}
