/**
 * What is in a video file, by way of the system's ffprobe. To start a program takes as long as to decode a short clip, so
 * files that are asked for together are first looked into by one ffmpeg, and only those that are not plain are asked of
 * ffprobe one by one; what comes out is the same. Formats that point at other files are refused.
 */
import { StringDecoder } from 'node:string_decoder';
import { z } from 'zod';
import { isAnimatedPng } from './apng.ts';
import { captureOutput, drainOutputs, drainTogether, FIRST_PIPE, MAX_COMPLAINTS } from './command.ts';
import { fileUrl, PROBE_SECONDS, PROTOCOLS, reasonIn, unreadable } from './ffmpeg.ts';
import { displaySize, type Size, sizeComplaint } from './geometry.ts';

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

export interface VideoInfo extends Size {
  /** Which of the file's streams is the video, as ffmpeg's `-map` is told: `V` where there is only one. */
  readonly stream: string;
  /** Frames a second, or null when the file does not tell. */
  readonly fps: number | null;
  /** Coded pictures that are shown (at least 1): those that an edit list cuts off are not counted. */
  readonly frames: number;
  /** The reader that ffmpeg is told to use, where by itself it would take another one. */
  readonly reader?: 'apng' | undefined;
  /** What a person should know of how the file was read, as sentences without names. */
  readonly remarks: readonly string[];
}

/** How ffmpeg and ffprobe are told of a reader, before the file. */
export function readerOptions({ reader }: Pick<VideoInfo, 'reader'>): string[] {
  return reader === undefined ? [] : ['-f', reader];
}

/** Tells of the video at a path. */
export type VideoProbe = (path: string, signal?: AbortSignal) => Promise<VideoInfo>;

const rational = z.string().transform((text) => {
  const [numerator = NaN, denominator = 1] = text.split(/[/:]/).map(Number);
  const value = numerator / denominator;
  return Number.isFinite(value) && value > 0 ? value : null;
});
const numeric = z.coerce.number().positive().optional().catch(undefined);

const streamSchema = z.object({
  index: z.int().min(0),
  codec_name: z.string().optional(),
  width: z.int().optional(),
  height: z.int().optional(),
  sample_aspect_ratio: rational.optional().catch(undefined),
  avg_frame_rate: rational.optional().catch(undefined),
  duration: numeric,
  disposition: z.object({ attached_pic: z.number() }).partial().optional(),
  side_data_list: z.array(z.object({ rotation: z.number().optional() })).optional(),
});
type Stream = z.infer<typeof streamSchema>;

/** What ffprobe prints, as far as it is used, without its packets. */
const probeSchema = z.object({
  format: z.object({ format_name: z.string(), duration: numeric }),
  streams: z.array(streamSchema),
});

const ENTRIES = [
  'format=format_name,duration',
  'stream=index,codec_name,width,height,sample_aspect_ratio,avg_frame_rate,duration',
  'stream_disposition=attached_pic',
  'stream_side_data=rotation',
  'packet=stream_index,duration_time,flags',
];

/** Reads a file's streams. Errors: `VIDEO_UNREADABLE` with ffprobe's reason, `TOOL_MISSING`, `TOOL_SILENT`. */
export async function probeVideo(path: string, signal?: AbortSignal): Promise<VideoInfo> {
  // Behind long texts or colour profiles ffmpeg does not look for an animation, and takes a still.
  const reader = isAnimatedPng(path) ? 'apng' : undefined;
  const { code, complaints, output, shown } = await askFfprobe(path, reader, signal);
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
  const videos = streams.filter(({ disposition }) => disposition?.attached_pic !== 1);
  const [first] = videos;
  if (first === undefined) throw unreadable('it has no video stream');
  const isOnly = videos.length === 1;
  const stream = isOnly ? first : await chosenStream(path, videos, signal);
  if (!stream.width || !stream.height) {
    throw unreadable(
      reasonIn(complaints, path) ?? `its ${stream.codec_name ?? 'video'} stream has no picture size`,
    );
  }
  const { frames, seconds: lasting } = shown.get(stream.index) ?? NONE;
  if (frames === 0) throw unreadable('it holds no pictures');
  const rotation = stream.side_data_list?.find((data) => data.rotation !== undefined)?.rotation ?? 0;
  const coded = { width: stream.width, height: stream.height };
  const size = displaySize(coded, stream.sample_aspect_ratio ?? 1, rotation);
  const complaint = sizeComplaint(size);
  if (complaint !== undefined) throw unreadable(complaint);
  const seconds = stream.duration ?? format.duration ?? (lasting > 0 ? lasting : undefined);
  const fps = stream.avg_frame_rate ?? (seconds === undefined ? null : frames / seconds);
  return {
    stream: isOnly ? 'V' : String(stream.index),
    ...size,
    fps: frames > 1 ? fps : null,
    frames,
    reader,
    remarks: isOnly ? [] : [choiceIn(videos, stream, shown)],
  };
}

interface Shown {
  readonly frames: number;
  /** For how long, where every packet tells; else NaN. */
  readonly seconds: number;
}
const NONE: Shown = { frames: 0, seconds: 0 };

/** The line before the packets. */
const PACKETS = '    "packets": [';

/** A packet begins a line; D stands for one that is decoded and not shown. */
const PACKET = /^\s*\{ "stream_index": (\d+),(?: "duration_time": "([^"]*)",)? "flags": "([^"]*)"/;
const MAX_OUTPUT = 2 ** 20;

/** A long video has a million packets, so they are counted as they come. */
async function askFfprobe(path: string, reader: VideoInfo['reader'], signal: AbortSignal | undefined) {
  /** Of each stream the packets whose pictures are shown. */
  const shown = new Map<number, Shown>();
  const lines = new Lines();
  /** JSON without the packets. */
  let output = '';
  let isPackets = false;
  const keep = (line: string): void => {
    if (line === PACKETS) isPackets = true;
    else if (!isPackets) output += `${line}\n`;
    else if (line === '    ],') isPackets = false;
    else {
      // What a packet has beside its picture comes in lines of its own.
      const [, index, duration, flags] = PACKET.exec(line) ?? [];
      if (index === undefined || flags?.includes('D') !== false) return;
      const { frames, seconds } = shown.get(Number(index)) ?? NONE;
      shown.set(Number(index), { frames: frames + 1, seconds: seconds + Number(duration ?? NaN) });
    }
    if (output.length > MAX_OUTPUT) throw unreadable('ffprobe has more to say of it than a video needs');
  };
  const args = [
    ...['-v', 'error', ...PROTOCOLS, '-select_streams', 'v'],
    ...['-show_entries', ENTRIES.join(':'), '-print_format', 'json=compact=1'],
    ...[...readerOptions({ reader }), fileUrl(path)],
  ];
  const onOutput = (_: number, bytes: Uint8Array): boolean => {
    for (const line of lines.of(bytes)) keep(line);
    return true;
  };
  const ending = await drainOutputs('ffprobe', args, 0, { silenceSeconds: PROBE_SECONDS, signal, onOutput });
  keep(lines.rest());
  return { ...ending, output, shown };
}

/** Of several video streams, the one that ffmpeg takes when it is not told which: it is asked. */
async function chosenStream(
  path: string,
  videos: readonly Stream[],
  signal: AbortSignal | undefined,
): Promise<Stream> {
  const { complaints } = await captureOutput(
    'ffmpeg',
    [
      ...['-nostdin', '-hide_banner', '-nostats', '-v', 'info', ...PROTOCOLS, '-i', fileUrl(path)],
      ...['-an', '-sn', '-dn', '-c', 'copy', '-frames:v', '1', '-f', 'framecrc', 'pipe:1'],
    ],
    { silenceSeconds: PROBE_SECONDS, maxBytes: MAX_OUTPUT, signal },
  );
  const index = /^ *Stream #0:(\d+) -> #0:0/m.exec(complaints)?.[1];
  const stream = videos.find((one) => one.index === Number(index));
  if (stream === undefined) throw unreadable(`ffmpeg takes none of its ${videos.length} video streams`);
  return stream;
}

function choiceIn(videos: readonly Stream[], chosen: Stream, shown: ReadonlyMap<number, Shown>): string {
  const described = ({ index, width, height }: Stream): string => {
    const { frames } = shown.get(index) ?? NONE;
    return `number ${index} (${width}×${height}, ${frames === 1 ? '1 frame' : `${frames} frames`})`;
  };
  const others = videos.filter((one) => one !== chosen).map(described);
  return `it holds ${videos.length} video streams; ${described(chosen)} was read, as ffmpeg does, not ${others.join(', ')}`;
}

/** Files that one process looks into. */
const TOGETHER = 8;

/** Readers of ffmpeg that never follow what a file points at. */
const PLAIN_FORMATS = 'mov,avi,gif,mpeg,matroska';

/**
 * A probe that tells what `probeVideo` does, for the videos at `paths`, which are going to be asked for in about this
 * order: they are looked into some at a time, and a step ahead of whoever asks.
 */
export function probeAhead(paths: readonly string[]): VideoProbe {
  const positions = new Map(paths.map((path, i) => [path, i]));
  const batches = new Map<number, Batch>();
  const batchAt = (number: number, signal: AbortSignal | undefined): Batch => {
    const some = paths.slice(number * TOGETHER, (number + 1) * TOGETHER);
    const batch = batches.get(number) ?? { infos: probeTogether(some, signal), last: Promise.resolve() };
    // Failures are told to who asks.
    batch.infos.catch(() => undefined);
    batches.set(number, batch);
    return batch;
  };
  return async (path, signal) => {
    const position = positions.get(path);
    if (position === undefined) return probeVideo(path, signal);
    const number = Math.floor(position / TOGETHER);
    const batch = batchAt(number, signal);
    if ((number + 1) * TOGETHER < paths.length) batchAt(number + 1, signal);
    const info = (await batch.infos)[position % TOGETHER] ?? null;
    if (info !== null) return info;
    // One after the other, so that they take no more than one core.
    const asked = batch.last.then(() => probeVideo(path, signal));
    batch.last = asked.catch(() => undefined);
    return asked;
  };
}

interface Batch {
  readonly infos: Promise<readonly (VideoInfo | null)[]>;
  /** Settles when nothing of the batch is being asked of ffprobe. */
  last: Promise<unknown>;
}

/**
 * Tells of several videos with one process: what `probeVideo` does of each, or null where it takes ffprobe to tell
 * (nothing at all is told where one of them cannot be opened). An abort throws the signal's reason.
 */
export async function probeTogether(
  paths: readonly string[],
  signal?: AbortSignal,
): Promise<readonly (VideoInfo | null)[]> {
  const lists = paths.map(() => new PacketList());
  const args = [
    ...['-nostdin', '-hide_banner', '-nostats', '-v', 'info', '-copyts'],
    ...paths.flatMap((path) => [...PROTOCOLS, '-format_whitelist', PLAIN_FORMATS, '-i', fileUrl(path)]),
    ...paths.flatMap((_, i) => [
      ...['-map', `${i}:V`, '-c', 'copy', '-copyinkf', '-copypriorss', '1'],
      ...['-f', 'framecrc', `pipe:${FIRST_PIPE + i}`],
    ]),
  ];
  const ending = await drainTogether('ffmpeg', args, paths.length, {
    silenceSeconds: PROBE_SECONDS,
    signal,
    onOutput: (index, bytes) => {
      lists[index]!.add(bytes);
      return true;
    },
  });
  if (ending?.code !== 0) return paths.map(() => null);
  // Turned pictures are told of on the screen only; where that was cut short, of none can be said that it is not.
  const isUpright = ending.complaints.length < MAX_COMPLAINTS && !/rotation of/i.test(ending.complaints);
  return lists.map((list) => (isUpright ? list.info() : null));
}

/**
 * One file's list of packets, as ffmpeg's `framecrc` writes it. It tells of a file with one stream of pictures that are
 * all shown and equally far apart; of others it gives up.
 */
class PacketList {
  readonly #lines = new Lines();
  readonly #head = new Map<string, string>();
  #frames = 0;
  #isEven = true;
  #step = NaN;
  #last = NaN;

  add(bytes: Uint8Array): void {
    for (const line of this.#lines.of(bytes)) this.#line(line);
  }

  #line(line: string): void {
    const [, key = '', stream = '', value = ''] = /^#(\w+) (\d+): +(.*)$/.exec(line) ?? [];
    if (key !== '') this.#head.set(`${key} ${stream}`, value);
    if (line.startsWith('#')) return;
    const [stream0, decoded, , duration, bytes, , ...more] = line.split(',').map((text) => text.trim());
    const at = Number(decoded);
    if (this.#frames++ === 0) this.#step = Number(duration);
    else if (at - this.#last !== this.#step) this.#isEven = false;
    this.#last = at;
    const isShown = more.every((text) => !text.startsWith('F=') || text === 'F=0x0');
    if (stream0 !== '0' || Number(duration) !== this.#step || Number(bytes) === 0 || !isShown)
      this.#isEven = false;
  }

  info(): VideoInfo | null {
    const size = /^(\d+)x(\d+)$/.exec(this.#head.get('dimensions 0') ?? '');
    const [above = NaN, below = NaN] = (this.#head.get('tb 0') ?? '').split('/').map(Number);
    const fps = below / (above * this.#step);
    const isOnly = !this.#head.has('tb 1');
    if (size === null || !isOnly || !this.#isEven || this.#frames < 2 || !Number.isFinite(fps)) return null;
    const aspect = rational.parse(this.#head.get('sar 0') ?? '') ?? 1;
    const shown = displaySize({ width: Number(size[1]), height: Number(size[2]) }, aspect, 0);
    if (sizeComplaint(shown) !== undefined) return null;
    return { stream: 'V', ...shown, fps, frames: this.#frames, remarks: [] };
  }
}

/** Bytes as they come to whole lines. */
class Lines {
  readonly #decoder = new StringDecoder('utf8');
  #rest = '';

  /** The lines that these bytes end. */
  of(bytes: Uint8Array): string[] {
    const lines = (
      this.#rest + this.#decoder.write(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length))
    ).split('\n');
    this.#rest = lines.pop() ?? '';
    return lines;
  }

  rest(): string {
    return this.#rest + this.#decoder.end();
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
