/**
 * Video files to raw frames by way of the system's ffmpeg, as a child process: its decoders read untrusted bytes
 * outside this process, under limits of time, pixels and output.
 */
import { drainTogether, FIRST_PIPE, streamOutput } from '../../video/command.ts';
import { fileUrl, PROTOCOLS, reasonIn, unreadable, type VideoTools } from '../../video/ffmpeg.ts';
import { MAX_PIXELS, type Size } from '../../video/geometry.ts';
import type { FrameRequest } from '../common/source.ts';
import { readerOptions, type VideoInfo } from '../../video/probe.ts';

const SILENCE_SECONDS = 120;

/** Sampled frames a clip may have (eleven hours at 5 a second); a file that pretends to more is stopped there. */
const MAX_FRAMES = 200_000;

/** What `decodeVideo` is, and whatever stands in for it. */
export type VideoDecoder = typeof decodeVideo;

/** A slower video than asked for keeps the frames it has. */
export interface DecodeOptions extends FrameRequest {
  readonly size: Size;
  readonly tools: VideoTools;
}

/**
 * Decodes to [height, width, channels] u8 frames, each in its own array, and returns the decoder's first complaint
 * about damage, if it had one. Damaged pictures are left out rather than concealed.
 * Errors: `VIDEO_UNREADABLE` (not one frame, or the decoder gave up at the start), `TOOL_MISSING`, `TOOL_SILENT`.
 */
export async function* decodeVideo(
  path: string,
  info: VideoInfo,
  options: DecodeOptions,
): AsyncGenerator<Uint8Array, string | undefined, undefined> {
  const stream = streamOutput(
    'ffmpeg',
    [...GLOBAL, ...inputOptions(path, info), ...outputOptions(0, info, options), 'pipe:1'],
    { silenceSeconds: SILENCE_SECONDS, signal: options.signal },
  );
  const frames = new FrameCutter(options);
  let count = 0;
  try {
    for (;;) {
      const { done, value } = await stream.next();
      if (done === true) {
        const reason = reasonIn(value.complaints, path);
        if (count === 0) throw unreadable(reason ?? 'not one frame could be decoded');
        if (value.code !== 0 || !frames.areWhole) return reason ?? `ffmpeg ended with code ${value.code}`;
        return reason;
      }
      for (const frame of frames.of(value)) {
        yield frame;
        if (++count === MAX_FRAMES) throw unreadable(`it has more than ${MAX_FRAMES} frames; cut it up`);
      }
    }
  } finally {
    await stream.return({ code: null, complaints: '' });
  }
}

/** Bytes as they come to frames, each in its own array. */
class FrameCutter {
  readonly #length: number;
  #frame = new Uint8Array(0);
  #filled = 0;

  constructor({ size, channels }: DecodeOptions) {
    this.#length = size.width * size.height * channels;
  }

  /** The frames that these bytes end. */
  *of(bytes: Buffer): Generator<Uint8Array, void, undefined> {
    for (let at = 0; at < bytes.length;) {
      if (this.#filled === 0) this.#frame = Buffer.allocUnsafeSlow(this.#length);
      const part = bytes.subarray(at, at + this.#length - this.#filled);
      this.#frame.set(part, this.#filled);
      this.#filled = (this.#filled + part.length) % this.#length;
      at += part.length;
      if (this.#filled === 0) yield this.#frame;
    }
  }

  /** Whether no bytes of a frame are left over. */
  get areWhole(): boolean {
    return this.#filled === 0;
  }
}

/** One video to decode with others. */
export interface VideoJob {
  readonly path: string;
  readonly info: VideoInfo;
  readonly options: DecodeOptions;
  /** Frames that it may give; with more, none are taken. */
  readonly maxFrames: number;
}

/**
 * Decodes several short videos in one process, whose start costs as much as decoding one of them: the frames that
 * `decodeVideo` gives of each, in memory. Null where anything at all is out of order with any of them, as it cannot be
 * told of which; then `decodeVideo` says it of each. An abort throws the signal's reason.
 */
export async function decodeTogether(jobs: readonly VideoJob[]): Promise<Uint8Array[][] | null> {
  const decoded = jobs.map(({ options, maxFrames }) => ({
    cutter: new FrameCutter(options),
    frames: [] as Uint8Array[],
    maxFrames,
  }));
  const args = [
    ...GLOBAL,
    ...jobs.flatMap(({ path, info }) => inputOptions(path, info)),
    ...jobs.flatMap(({ info, options }, i) => [...outputOptions(i, info, options), `pipe:${FIRST_PIPE + i}`]),
  ];
  const ending = await drainTogether('ffmpeg', args, jobs.length, {
    silenceSeconds: SILENCE_SECONDS,
    signal: jobs[0]?.options.signal,
    onOutput: (index, bytes) => {
      const { cutter, frames, maxFrames } = decoded[index]!;
      frames.push(...cutter.of(bytes));
      return frames.length + (cutter.areWhole ? 0 : 1) <= maxFrames;
    },
  });
  const isWhole = decoded.every(({ frames, cutter }) => frames.length > 0 && cutter.areWhole);
  return ending?.code === 0 && ending.complaints === '' && isWhole
    ? decoded.map(({ frames }) => frames)
    : null;
}

const GLOBAL = ['-nostdin', '-hide_banner', '-v', 'error', '-filter_threads', '1'];

function inputOptions(path: string, info: VideoInfo): string[] {
  return [
    ...PROTOCOLS,
    ...['-threads', '1', '-err_detect', 'explode', '-max_pixels', `${MAX_PIXELS}`],
    ...['-flags', '-output_corrupt'],
    ...[...readerOptions(info), '-i', fileUrl(path)],
  ];
}

/** What is made of the input with this number, but for where it goes. */
function outputOptions(
  number: number,
  info: VideoInfo,
  { size, channels, fps, tools }: DecodeOptions,
): string[] {
  const filters = [
    ...(fps === 'all' ? [] : [sampling(fps, info.fps)]),
    // Area averaging keeps speckle from aliasing; the exact flags make the bytes independent of the CPU.
    `scale=${size.width}:${size.height}:flags=area+accurate_rnd+full_chroma_int+bitexact`,
    `format=${channels === 1 ? 'gray' : 'rgb24'}`,
  ];
  return [
    ...['-map', `${number}:${info.stream}`, '-an', '-sn', '-dn'],
    ...['-vf', filters.join(','), ...tools.keepTimes, '-f', 'rawvideo'],
  ];
}

/**
 * ffmpeg filter that keeps the first frame at or after every multiple of 1/fps seconds: uniform in time also where
 * the frame rate varies, and never repeating a frame. Files without times are thinned by counting.
 */
function sampling(fps: number, sourceFps: number | null): string {
  // A thousandth of a step forgives rounded time stamps.
  const step = (time: string): string => `floor((${time}-start_t)*${fps}+0.001)`;
  const every = Math.max(1, Math.round((sourceFps ?? fps) / fps));
  const timed = `isnan(prev_selected_t)+gt(${step('t')},${step('prev_selected_t')})`;
  return `select='if(isnan(t),not(mod(n,${every})),${timed})'`;
}
