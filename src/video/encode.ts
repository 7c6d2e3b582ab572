/**
 * Drawn frames to a video file by way of the system's ffmpeg, as a child process that is fed through a pipe. The file is
 * written under a temporary name: it is there whole or not at all.
 */
import { once } from 'node:events';
import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { UsclError } from '../base/errors.ts';
import { guardWrites } from '../base/files.ts';
import { startProgram } from './command.ts';

export const VIDEO_FORMATS = ['mp4', 'gif'] as const;
export type VideoFormat = (typeof VIDEO_FORMATS)[number];

export interface VideoSettings {
  readonly format: VideoFormat;
  /** Even, for mp4. */
  readonly width: number;
  readonly height: number;
  readonly fps: number;
  readonly signal?: AbortSignal | undefined;
}

/** H.264 that every browser shows; or a palette of the clip's own colours. No tag tells when or by what it was made. */
const ENCODERS: Readonly<Record<VideoFormat, readonly string[]>> = {
  mp4: [
    ...['-c:v', 'libx264', '-preset', 'veryfast', '-crf', '20', '-pix_fmt', 'yuv420p'],
    ...['-movflags', '+faststart', '-f', 'mp4'],
  ],
  gif: [
    ...['-filter_complex', '[0:v]split[a][b];[a]palettegen=stats_mode=diff[p];[b][p]paletteuse=dither=bayer'],
    ...['-loop', '0', '-f', 'gif'],
  ],
};

/**
 * Encodes [height, width, 3] frames as they come. Errors: `TOOL_MISSING`, `VIDEO_NOT_WRITTEN` with ffmpeg's reason,
 * `WRITE_FAILED`; the signal's reason when aborted.
 */
export async function encodeVideo(
  path: string,
  settings: VideoSettings,
  frames: AsyncIterable<Uint8Array>,
): Promise<void> {
  const { format, width, height, fps, signal } = settings;
  signal?.throwIfAborted();
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.tmp`);
  guardWrites(path, () => mkdirSync(dirname(path), { recursive: true }));
  const program = startProgram(
    'ffmpeg',
    [
      ...['-nostdin', '-hide_banner', '-v', 'error', '-y', '-threads', '1'],
      ...['-f', 'rawvideo', '-pix_fmt', 'rgb24', '-s', `${width}x${height}`, '-r', `${fps}`, '-i', 'pipe:0'],
      ...ENCODERS[format],
      ...['-threads', '1', '-map_metadata', '-1', '-fflags', '+bitexact', '-flags:v', '+bitexact'],
      `file:${temporary}`,
    ],
    ['pipe', 'ignore', 'pipe'],
    {
      ...{ signal, silenceSeconds: Infinity },
      remedy: 'Install ffmpeg (Debian: apt-get install ffmpeg), or go without videos.',
    },
  );
  const pipe = program.child.stdin!;
  // A pipe that breaks because ffmpeg gave up is told of by its exit code.
  pipe.on('error', () => undefined);
  try {
    for await (const frame of frames) {
      signal?.throwIfAborted();
      if (!pipe.writable) break;
      if (!pipe.write(frame))
        await Promise.race(['drain', 'close'].map((event) => once(pipe, event).catch(() => null)));
    }
    pipe.end();
    const { code, complaints } = await program.ending();
    if (code !== 0) throw notWritten(path, complaints.trim().split('\n')[0] ?? '', code, format);
    guardWrites(path, () => {
      renameSync(temporary, path);
    });
  } finally {
    await program.end();
    rmSync(temporary, { force: true });
  }
}

function notWritten(path: string, complaint: string, code: number | null, format: VideoFormat): UsclError {
  const without = /unknown encoder/i.test(complaint);
  return new UsclError({
    kind: 'resource',
    code: 'VIDEO_NOT_WRITTEN',
    message: `ffmpeg could not write the video: ${complaint === '' ? `it ended with code ${code ?? 'none'}` : complaint}.`,
    where: path,
    remedy:
      without && format === 'mp4'
        ? 'This ffmpeg has no H.264 encoder: use gif, or install another build.'
        : 'Check the disk and the folder, or use another format (mp4, gif).',
  });
}
