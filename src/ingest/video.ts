/**
 * Video files to raw frames by way of the system's ffprobe and ffmpeg, as child processes: their decoders read
 * untrusted bytes outside this process, under limits of time, pixels and output. No network protocol is allowed and
 * formats that point at other files are refused.
 */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { extname } from 'node:path';
import { z } from 'zod';
import { systemCode, UsclError } from '../base/errors.ts';
import type { Demuxer } from '../formats/plain-video.ts';
import { readPlainVideo } from '../formats/plain-video.ts';
import { captureOutput, drainOutputs, FIRST_PIPE, streamOutput } from './command.ts';
import type { Size } from './geometry.ts';
import { displaySize, MAX_PIXELS, sizeComplaint } from './geometry.ts';

const PROBE_SECONDS = 60;
const SILENCE_SECONDS = 120;

/** Sampled frames a clip may have (eleven hours at 5 a second); a file that pretends to more is stopped there. */
const MAX_FRAMES = 200_000;
const PROTOCOLS = ['-protocol_whitelist', 'file,pipe'];

/** Containers that name other files, render text, or carry patient data that must be taken out first. */
const REFUSED: Readonly<Record<string, string>> = {
  hls: 'playlists are not followed',
  dash: 'playlists are not followed',
  concat: 'playlists are not followed',
  image2: 'file name patterns are not followed',
  sdp: 'network streams are not read',
  rtsp: 'network streams are not read',
  lavfi: 'filter descriptions are not media',
  tty: 'it is text, not video',
  dicom: 'DICOM files are not read; export the clip as a video',
};

export interface VideoTools {
  /** Version as ffmpeg tells it. */
  readonly version: string;
  /** Options that keep every frame's own time instead of repeating frames to a constant rate. */
  readonly keepTimes: readonly string[];
}

export interface VideoInfo extends Size {
  /** Index of the video stream in the file. */
  readonly stream: number;
  /** Frames a second, or null when the file does not tell. */
  readonly fps: number | null;
  /** Coded pictures in the file (at least 1). */
  readonly frames: number;
  /** The reader that knows the file, where it need not be found out. */
  readonly demuxer: Demuxer | null;
}

/** Looks for ffmpeg (ffprobe comes with it). Throws `TOOL_MISSING`. */
export async function findVideoTools(): Promise<VideoTools> {
  const bounds = { silenceSeconds: PROBE_SECONDS, maxBytes: 2 ** 20 };
  const { output } = await captureOutput('ffmpeg', ['-version'], bounds);
  const version = /^ffmpeg version (\S+)/.exec(output)?.[1] ?? 'unknown';
  // `-fps_mode` came with 5.1, `-vsync` went with 8.
  const [major = 9, minor = 0] = (/(\d+)\.(\d+)/.exec(version) ?? []).slice(1).map(Number);
  const old = major < 5 || (major === 5 && minor < 1);
  return { version, keepTimes: [old ? '-vsync' : '-fps_mode', 'passthrough'] };
}

const rational = z.string().transform((text) => {
  const [numerator = NaN, denominator = 1] = text.split(/[/:]/).map(Number);
  const value = numerator / denominator;
  return Number.isFinite(value) && value > 0 ? value : null;
});
const numeric = z.coerce.number().positive().optional().catch(undefined);

/** What ffprobe prints, as far as it is used. */
const probeSchema = z.object({
  format: z.object({ format_name: z.string(), duration: numeric }),
  streams: z.array(
    z.object({
      index: z.int().min(0),
      codec_name: z.string().optional(),
      width: z.int().optional(),
      height: z.int().optional(),
      sample_aspect_ratio: rational.optional().catch(undefined),
      avg_frame_rate: rational.optional().catch(undefined),
      duration: numeric,
      nb_read_packets: numeric,
      disposition: z.object({ attached_pic: z.number() }).partial().optional(),
      side_data_list: z.array(z.object({ rotation: z.number().optional() })).optional(),
    }),
  ),
});

/**
 * What is in a video file: of a plain one its own header tells, which saves starting a program for each; ffprobe tells
 * of all others. Errors: those of `probeVideo`.
 */
export async function readVideoInfo(path: string, signal?: AbortSignal): Promise<VideoInfo> {
  signal?.throwIfAborted();
  return (await plainVideo(path)) ?? probeVideo(path, signal);
}

/** The same as `probeVideo` gives, or null where the header does not tell it all. */
async function plainVideo(path: string): Promise<VideoInfo | null> {
  try {
    // Opening a pipe must not wait for somebody to write into it.
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const state = await file.stat();
    if (!state.isFile()) return null;
    const plain = await readPlainVideo(extname(path).toLowerCase(), state.size, async (offset, length) => {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, offset);
      return buffer.subarray(0, bytesRead);
    });
    if (plain === null) return null;
    const { header, demuxer } = plain;
    const { fps, frames, pixelAspect } = header;
    const size = usableSize(displaySize(header, pixelAspect ?? 1, 0));
    return { stream: 0, ...size, fps: frames > 1 ? fps : null, frames, demuxer };
  } catch (thrown) {
    if (thrown instanceof UsclError || systemCode(thrown) === undefined) throw thrown;
    // Gone or locked: ffprobe says it in its words.
    return null;
  }
}

/** Reads a file's streams. Errors: `VIDEO_UNREADABLE` with ffprobe's reason, `TOOL_MISSING`, `TOOL_SILENT`. */
export async function probeVideo(path: string, signal?: AbortSignal): Promise<VideoInfo> {
  const entries = [
    'format=format_name,duration',
    'stream=index,codec_name,width,height,sample_aspect_ratio,avg_frame_rate,duration,nb_read_packets',
    'stream_disposition=attached_pic',
    'stream_side_data=rotation',
  ];
  const { code, complaints, output } = await captureOutput(
    'ffprobe',
    [
      ...['-v', 'error', ...PROTOCOLS, '-select_streams', 'v', '-count_packets'],
      ...['-show_entries', entries.join(':'), '-print_format', 'json', input(path)],
    ],
    { silenceSeconds: PROBE_SECONDS, maxBytes: 2 ** 20, signal },
  );
  if (code !== 0) throw unreadable(reasonIn(complaints, path) ?? `ffprobe ended with code ${code}`);
  const probed = probeSchema.safeParse(parseJson(output));
  if (!probed.success) throw unreadable('ffprobe does not understand it');
  const { format, streams } = probed.data;
  const refusal = format.format_name
    .split(',')
    .map((name) => REFUSED[name])
    .find(Boolean);
  if (refusal !== undefined) throw unreadable(refusal);
  // Cover pictures of audio files are video streams too.
  const stream = streams.find((candidate) => candidate.disposition?.attached_pic !== 1);
  if (stream === undefined) throw unreadable('it has no video stream');
  if (!stream.width || !stream.height) {
    throw unreadable(
      reasonIn(complaints, path) ?? `its ${stream.codec_name ?? 'video'} stream has no picture size`,
    );
  }
  const frames = stream.nb_read_packets ?? 0;
  if (frames === 0) throw unreadable('it holds no pictures');
  const rotation = stream.side_data_list?.find((data) => data.rotation !== undefined)?.rotation ?? 0;
  const coded = { width: stream.width, height: stream.height };
  const size = usableSize(displaySize(coded, stream.sample_aspect_ratio ?? 1, rotation));
  const seconds = stream.duration ?? format.duration;
  const fps = stream.avg_frame_rate ?? (seconds === undefined ? null : frames / seconds);
  return { stream: stream.index, ...size, fps: frames > 1 ? fps : null, frames, demuxer: null };
}

function usableSize(size: Size): Size {
  const complaint = sizeComplaint(size);
  if (complaint !== undefined) throw unreadable(complaint);
  return size;
}

/** What `decodeVideo` is, and whatever stands in for it. */
export type VideoDecoder = typeof decodeVideo;

export interface DecodeOptions {
  readonly size: Size;
  readonly channels: 1 | 3;
  /** Frames a second to keep, or 'all'. A slower video keeps what it has. */
  readonly fps: number | 'all';
  readonly tools: VideoTools;
  readonly signal?: AbortSignal | undefined;
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
  const { size, channels } = options;
  const stream = streamOutput(
    'ffmpeg',
    [...GLOBAL, ...inputOptions(path, info), ...outputOptions(0, info, options), 'pipe:1'],
    { silenceSeconds: SILENCE_SECONDS, signal: options.signal },
  );
  const length = size.width * size.height * channels;
  let frame: Uint8Array = Buffer.allocUnsafeSlow(length);
  let filled = 0;
  let count = 0;
  try {
    for (;;) {
      const { done, value } = await stream.next();
      if (done === true) {
        const reason = reasonIn(value.complaints, path);
        if (count === 0) throw unreadable(reason ?? 'not one frame could be decoded');
        if (value.code !== 0 || filled > 0) return reason ?? `ffmpeg ended with code ${value.code}`;
        return reason;
      }
      for (let at = 0; at < value.length;) {
        const part = value.subarray(at, at + length - filled);
        frame.set(part, filled);
        filled += part.length;
        at += part.length;
        if (filled < length) continue;
        yield frame;
        if (++count === MAX_FRAMES) throw unreadable(`it has more than ${MAX_FRAMES} frames; cut it up`);
        frame = Buffer.allocUnsafeSlow(length);
        filled = 0;
      }
    }
  } finally {
    await stream.return({ code: null, complaints: '' });
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
  const signal = jobs[0]?.options.signal;
  const decoded = jobs.map(({ options: { size, channels }, maxFrames }) => ({
    length: size.width * size.height * channels,
    frames: [] as Uint8Array[],
    filled: 0,
    maxFrames,
  }));
  const args = [
    ...GLOBAL,
    ...jobs.flatMap(({ path, info }) => inputOptions(path, info)),
    ...jobs.flatMap(({ info, options }, i) => [...outputOptions(i, info, options), `pipe:${FIRST_PIPE + i}`]),
  ];
  try {
    const { code, complaints } = await drainOutputs('ffmpeg', args, jobs.length, {
      silenceSeconds: SILENCE_SECONDS,
      signal,
      onOutput: (index, bytes) => {
        const one = decoded[index]!;
        for (let at = 0; at < bytes.length;) {
          if (one.filled === 0) {
            if (one.frames.length === one.maxFrames) return false;
            one.frames.push(Buffer.allocUnsafeSlow(one.length));
          }
          const part = bytes.subarray(at, at + one.length - one.filled);
          one.frames.at(-1)!.set(part, one.filled);
          one.filled = (one.filled + part.length) % one.length;
          at += part.length;
        }
        return true;
      },
    });
    const isWhole = decoded.every(({ frames, filled }) => frames.length > 0 && filled === 0);
    return code === 0 && complaints === '' && isWhole ? decoded.map(({ frames }) => frames) : null;
  } catch (thrown) {
    signal?.throwIfAborted();
    if (thrown instanceof UsclError) return null;
    throw thrown;
  }
}

const GLOBAL = ['-nostdin', '-hide_banner', '-v', 'error', '-filter_threads', '1'];

function inputOptions(path: string, info: VideoInfo): string[] {
  return [
    ...PROTOCOLS,
    ...[
      '-threads',
      '1',
      '-err_detect',
      'explode',
      '-max_pixels',
      `${MAX_PIXELS}`,
      '-flags',
      '-output_corrupt',
    ],
    ...(info.demuxer === null ? [] : ['-f', info.demuxer]),
    ...['-i', input(path)],
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

/** As a URL of the file protocol, a name may start with a dash or hold colons, percent signs and newlines. */
function input(path: string): string {
  return `file:${path}`;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The first complaint without its address and the file's path, as one line. */
function reasonIn(complaints: string, path: string): string | undefined {
  const line = complaints
    .replaceAll(`file:${path}: `, '')
    .split('\n')
    .map((text) => text.replace(/^\[[^\]]*\] */, '').trim())
    .find((text) => text !== '');
  if (line === undefined) return undefined;
  return line.length > 300 ? `${line.slice(0, 297)}…` : line;
}

function unreadable(reason: string): UsclError {
  return new UsclError({
    kind: 'data',
    code: 'VIDEO_UNREADABLE',
    message: reason,
    remedy: 'Convert the file with another program, or leave it out.',
  });
}
