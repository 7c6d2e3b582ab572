/** The header readers by the names of files. They spare starting a program for each file of the kinds that they know. */
import { readAviVideo } from './avi.ts';
import { readGifVideo } from './gif.ts';
import { readMp4Video } from './mp4.ts';
import { readMpegVideo } from './mpeg-ps.ts';
import type { ReadAt, VideoHeader } from './video-header.ts';

/** The reader of ffmpeg that knows a file. */
export type Demuxer = 'avi' | 'gif' | 'mov' | 'mpeg';

type Reader = (size: number, readAt: ReadAt) => Promise<VideoHeader | null>;

/**
 * By endings, because ffprobe lets them decide where the bytes leave a doubt. Those of MP4 and QuickTime leave none,
 * and files that are MP4 under another name are about.
 */
const BY_ENDING: Readonly<Record<string, readonly [Demuxer, Reader]>> = {
  '.avi': ['avi', readAviVideo],
  '.gif': ['gif', readGifVideo],
  '.mpg': ['mpeg', readMpegVideo],
  '.mpeg': ['mpeg', readMpegVideo],
};
const BY_BYTES: readonly [Demuxer, Reader] = ['mov', readMp4Video];

/**
 * What a file of `size` bytes holds, where it is plain; null for all others. `ending` is that of its name, in lower
 * case, with its dot. Rejects only where `readAt` does.
 */
export async function readPlainVideo(
  ending: string,
  size: number,
  readAt: ReadAt,
): Promise<{ readonly header: VideoHeader; readonly demuxer: Demuxer } | null> {
  const named = BY_ENDING[ending];
  for (const [demuxer, read] of named === undefined ? [BY_BYTES] : [named, BY_BYTES]) {
    const header = await read(size, readAt);
    if (header !== null) return { header, demuxer };
  }
  return null;
}
