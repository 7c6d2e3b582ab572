/** A video file as a `ClipSource`. Frames are sampled, and scaled where that is asked for, by ffmpeg. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { VideoTools } from './ffmpeg.ts';
import type { ClipSource, FrameRequest } from './source.ts';
import type { VideoDecoder } from './video.ts';
import { decodeVideo } from './video.ts';
import type { VideoProbe } from './video-probe.ts';
import { probeVideo } from './video-probe.ts';

interface VideoSettings {
  readonly tools: VideoTools;
  readonly signal: AbortSignal | undefined;
  readonly probe?: VideoProbe | undefined;
  readonly decode?: VideoDecoder | undefined;
}

/** Opens the video at an absolute path. Errors: those of `probeVideo`, and of `decodeVideo` while it is read. */
export async function openVideo(
  path: string,
  { tools, signal, probe = probeVideo, decode = decodeVideo }: VideoSettings,
): Promise<ClipSource> {
  const info = await probe(path, signal);
  let digest: Promise<string> | undefined;
  return {
    width: info.width,
    height: info.height,
    fps: info.fps,
    frameCount: info.frames,
    declaredField: null,
    mayIdentify: false,
    flags: [],
    remarks: info.remarks,
    frames(request: FrameRequest) {
      // Read beside the decoder, which has the file in the cache.
      digest = hashFile(path);
      digest.catch(() => undefined);
      return decode(path, info, { ...request, size: request.size ?? info, tools });
    },
    sha256: () => (digest ??= hashFile(path)),
  };
}

async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20 })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
