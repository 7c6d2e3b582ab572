/**
 * How ffmpeg and ffprobe are called on a file of unknown bytes: as child processes, with no protocol but that of files,
 * and what they complain of in words for a person. What is asked of them is in `probe.ts` and `decode.ts`.
 */
import { dataError, type UsclError } from '../base/errors.ts';
import { captureOutput } from './command.ts';

/** Seconds that a program may say nothing while it looks into a file. */
export const PROBE_SECONDS = 60;
export const PROTOCOLS = ['-protocol_whitelist', 'file,pipe'];

export interface VideoTools {
  /** Version as ffmpeg tells it. */
  readonly version: string;
  /** Options that keep every frame's own time instead of repeating frames to a constant rate. */
  readonly keepTimes: readonly string[];
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

/** As a URL of the file protocol, a name may start with a dash or hold colons, percent signs and newlines. */
export function fileUrl(path: string): string {
  return `file:${path}`;
}

/** The first complaint without its address and the file's path, as one line. */
export function reasonIn(complaints: string, path: string): string | undefined {
  const line = complaints
    .replaceAll(`${fileUrl(path)}: `, '')
    .split('\n')
    .map((text) => text.replace(/^\[[^\]]*\] */, '').trim())
    .find((text) => text !== '');
  if (line === undefined) return undefined;
  return line.length > 300 ? `${line.slice(0, 297)}…` : line;
}

export function unreadable(reason: string): UsclError {
  return dataError('VIDEO_UNREADABLE', reason, 'Convert the file with another program, or leave it out.');
}
