/** Opens the source of a planned clip, whatever kind it is of. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { openDicomClip } from './dicom/clip.ts';
import { contentDigest, type PseudonymKey } from './dicom/identity.ts';
import type { VideoTools } from '../video/ffmpeg.ts';
import { openPictures } from './pictures/source.ts';
import { digestOfFile } from './common/paths.ts';
import type { PlannedClip } from './common/ingest-plan.ts';
import type { ClipSource } from './common/source.ts';
import { decodeVideo, type VideoDecoder } from './video/decode.ts';
import { probeVideo, type VideoProbe } from '../video/probe.ts';

export interface OpenSettings {
  /** Real path of the source folder. */
  readonly root: string;
  /** Null when no item needs a video decoder. */
  readonly tools: VideoTools | null;
  /** For the digests of DICOM clips. */
  readonly key: PseudonymKey | null;
  readonly signal: AbortSignal | undefined;
  /** Tells what is in video files; default: `probeVideo`. */
  readonly probe?: VideoProbe | undefined;
  /** Decodes video files; default: `decodeVideo`. */
  readonly decode?: VideoDecoder | undefined;
}

/** Errors: those of the reader for its kind; all of them name the trouble, not the path. */
export async function openSource(clip: PlannedClip, settings: OpenSettings): Promise<ClipSource> {
  const source = await openItem(clip, settings);
  if (clip.item.kind === 'dicom' || clip.name === undefined) return source;
  if (typeof clip.name === 'object' && 'as' in clip.name) return source;
  // What lies beside DICOM files is of the same origin: held to the same rule, named by the same key.
  const digest = source.sha256.bind(source);
  return Object.assign(source, {
    mayIdentify: typeof clip.name === 'object',
    sha256: async () => contentDigest(settings.key, await digest()),
  });
}

function openItem({ item }: PlannedClip, settings: OpenSettings): Promise<ClipSource> {
  const { root, tools, key, signal } = settings;
  switch (item.kind) {
    case 'video':
      if (tools === null) throw new Error('A video was planned without a decoder.');
      return openVideo(join(root, item.path), tools, settings);
    case 'still':
      return openPictures(root, [item.path]);
    case 'frames':
      return openPictures(root, item.files);
    case 'dicom':
      return openDicomClip(join(root, item.path), { key, tools, signal });
  }
}

/** A video file; frames are sampled, and scaled where that is asked for, by ffmpeg. */
async function openVideo(
  path: string,
  tools: VideoTools,
  { signal, probe = probeVideo, decode = decodeVideo }: OpenSettings,
): Promise<ClipSource> {
  const info = await probe(path, signal);
  let digest: Promise<string> | undefined;
  return {
    ...{ width: info.width, height: info.height, fps: info.fps, frameCount: info.frames },
    ...{ declaredField: null, mayIdentify: false, flags: [], remarks: info.remarks },
    frames(request) {
      // Read beside the decoder, which has the file in the cache.
      digest = digestOfFile(path);
      digest.catch(() => undefined);
      return decode(path, info, { ...request, size: request.size ?? info, tools });
    },
    sha256: () => (digest ??= digestOfFile(path)),
  };
}

/** Bytes that are held while a clip is decoded, beside its frames: DICOM files are read whole. */
export function heldBytes({ item }: PlannedClip, root: string): number {
  if (item.kind !== 'dicom') return 0;
  // One that is gone meanwhile is told when it is read.
  return statSync(join(root, item.path), { throwIfNoEntry: false })?.size ?? 0;
}
