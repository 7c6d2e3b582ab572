/** Small datasets with known fields, for tests of explanations. */
import type { ClipDraft } from '../../src/dataset/types.ts';
import { createDataset } from '../../src/curation/create-dataset.ts';

export interface FieldedClip {
  readonly id: string;
  readonly changes?: Partial<ClipDraft>;
  readonly frames?: readonly Uint8Array[];
}

export const WIDTH = 30;
export const HEIGHT = 20;

/** Speckle-free tissue that differs from frame to frame and clip to clip. */
export function pattern(seed: number, frame: number, width = WIDTH, height = HEIGHT): Uint8Array {
  return Uint8Array.from({ length: width * height }, (_, i) => {
    const [x, y] = [i % width, Math.floor(i / width)];
    return Math.round(120 + 60 * Math.sin(x / (2 + (seed % 4)) + frame) + 50 * Math.cos(y / 3 + seed));
  });
}

/** Writes clips of 30×20 (or of their own size) into `folder`. */
export async function fieldedDataset(folder: string, clips: readonly FieldedClip[]): Promise<string> {
  using writer = createDataset(folder, {
    ...{ name: 'fielded', licence: null, citation: null, homepage: null, classes: ['a', 'b'] },
    ...{ channels: 1, size: HEIGHT, made: { command: 'test' } },
  });
  for (const [index, { id, changes = {}, frames }] of clips.entries())
    await writer.addClip(
      {
        ...{ id, group: id, label: index % 2 === 0 ? 'a' : 'b', source: `ward/${id}`, sourceSha256: null },
        ...{ width: WIDTH, height: HEIGHT, fps: 5 },
        original: { width: 100, height: 80, fps: 25, frames: 20 },
        crop: null,
        dropped: { black: 0, blank: 0, duplicate: 0 },
        flags: [],
        ...changes,
      },
      frames ?? [pattern(index, 0), pattern(index, 1), pattern(index, 2)],
    );
  writer.finish();
  return folder;
}
