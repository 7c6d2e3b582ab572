/** Datasets in memory and on disk for the tests of this room, and view configurations in brief. */
import { createDataset } from '../../src/curation/create-dataset.ts';
import type { ClipRecord } from '../../src/dataset/types.ts';
import { FORMAT_VERSION } from '../../src/dataset/types.ts';
import {
  frameViewSchema,
  viewSchema,
  type FrameViewConfig,
  type ViewConfig,
} from '../../src/views/config.ts';
import type { FrameSource } from '../../src/views/image.ts';
import type { z } from 'zod';

export type ViewInput = z.input<typeof viewSchema>;

export function viewOf(input: ViewInput = {}): ViewConfig {
  return viewSchema.parse({ size: 16, ...input });
}

export type FrameViewInput = z.input<typeof frameViewSchema>;

export function frameViewOf(input: FrameViewInput = {}): FrameViewConfig {
  return frameViewSchema.parse({ size: 16, ...input });
}

/** Everything random off but the choice and the mixing of frames; the crop is the whole frame. */
export const PLAIN: NonNullable<ViewInput['augment']> = {
  cropScale: [1, 1],
  cropRatio: [1, 1],
  flip: 0,
  brightness: 0,
  contrast: 0,
  saturation: 0,
  hue: 0,
};

export interface ClipShape {
  readonly frames: number;
  readonly width?: number;
  readonly height?: number;
  readonly group?: string;
  readonly label?: string | null;
  readonly fps?: number | null;
}

export function clipOf(id: string, shape: ClipShape, offset = 0): ClipRecord {
  const { frames, width = 20, height = 18, group = id, label = null, fps = 10 } = shape;
  return {
    id,
    group,
    label,
    source: `${id}.mp4`,
    sourceSha256: null,
    frames,
    width,
    height,
    offset,
    fps,
    original: { width, height, fps, frames },
    crop: null,
    field: null,
    hashes: [],
    mask: null,
    dropped: { black: 0, blank: 0, duplicate: 0 },
    flags: [],
  };
}

/** A smooth pattern that differs between clips, frames and channels. */
function patternFrame(
  clip: number,
  frame: number,
  width: number,
  height: number,
  channels: number,
): Uint8Array {
  const bytes = new Uint8Array(width * height * channels);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let c = 0; c < channels; c++) {
        const wave =
          Math.sin(0.5 * x + clip + 2 * c) * Math.cos(0.3 * y - frame) + 0.3 * Math.sin(x * y + frame);
        bytes[(y * width + x) * channels + c] = Math.round(127 + 90 * wave);
      }
  return bytes;
}

/** A dataset in memory; frames come from `frameOf` (default: the pattern). */
export function memoryDataset(
  shapes: readonly ClipShape[],
  channels: 1 | 3 = 1,
  frameOf: (clip: number, frame: number, record: ClipRecord) => Uint8Array = (
    clip,
    frame,
    { width, height },
  ) => patternFrame(clip, frame, width, height, channels),
): FrameSource {
  const clips = shapes.map((shape, index) => clipOf(`clip-${index}`, shape));
  return {
    manifest: {
      format: 'uscl-dataset',
      version: FORMAT_VERSION,
      name: 'memory',
      licence: null,
      citation: null,
      homepage: null,
      classes: ['a', 'b'],
      channels,
      size: 18,
      clips: clips.length,
      frames: clips.reduce((sum, clip) => sum + clip.frames, 0),
      made: {},
      rejected: [],
    },
    clips,
    readFrame(clip, frame, target) {
      const bytes = frameOf(clips.indexOf(clip), frame, clip);
      if (target === undefined) return bytes;
      target.set(bytes);
      return target.subarray(0, bytes.length);
    },
  };
}

/** The same dataset as a folder. */
export async function storeDataset(source: FrameSource, folder: string): Promise<void> {
  const { name, licence, citation, homepage, classes, channels, size, made } = source.manifest;
  using writer = createDataset(folder, { name, licence, citation, homepage, classes, channels, size, made });
  for (const clip of source.clips) {
    const { offset, frames, ...draft } = clip;
    if (offset !== 0) throw new Error('The store places frames by itself.');
    await writer.addClip(
      draft,
      Array.from({ length: frames }, (_, frame) => source.readFrame(clip, frame)),
    );
  }
  writer.finish();
}
