/** Simulated scans and copies of them as they turn up in other sets: encoded again, scaled, brighter, with margins. */
import sharp, { type Sharp } from 'sharp';
import type { Dataset } from '../../src/dataset/reader.ts';
import type { ClipDraft } from '../../src/dataset/types.ts';
import { createDataset } from '../../src/curation/create-dataset.ts';
import { draft, START } from '../dataset/helpers.ts';

export interface Picture {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
}

type Change = (picture: Sharp, width: number, height: number) => Sharp;

export const COPIES: Readonly<Record<string, Change>> = {
  'JPEG, quality 40': (s) => s.jpeg({ quality: 40 }),
  'half the size': (s, w, h) => s.resize(Math.round(w / 2), Math.round(h / 2)),
  'larger, wider': (s, w, h) => s.resize(Math.round(w * 1.6), Math.round(h * 1.3), { fit: 'fill' }),
  'less gain': (s) => s.linear(0.75, 0),
  brighter: (s) => s.linear(1, 12),
  'black margins': (s, w) =>
    s.extend({ left: Math.round(w / 8), right: Math.round(w / 16), top: 5, bottom: 0, background: '#000' }),
};

/** A copy of a grey picture. */
export async function copyOf(picture: Picture, change: Change): Promise<Picture> {
  const { width, height } = picture;
  const source = sharp(picture.data, { raw: { width, height, channels: 1 } });
  // PNG where the change itself does not encode.
  const encoded = await change(source.png(), width, height).toBuffer();
  const { data, info } = await sharp(encoded).greyscale().raw().toBuffer({ resolveWithObject: true });
  return { data: new Uint8Array(data), width: info.width, height: info.height };
}

/** Frame `frame` of a clip as a picture. */
export function pictureOf(dataset: Dataset, clip: number, frame: number): Picture {
  const record = dataset.clips[clip]!;
  return { data: dataset.readFrame(record, frame), width: record.width, height: record.height };
}

/** Writes a dataset of the clips given. */
export async function writeClips(
  folder: string,
  clips: readonly {
    readonly id: string;
    readonly pictures: readonly Picture[];
    readonly facts?: Partial<ClipDraft>;
  }[],
): Promise<void> {
  using writer = createDataset(folder, START);
  for (const { id, pictures, facts } of clips) {
    const { width, height } = pictures[0]!;
    await writer.addClip(
      draft(id, { width, height, ...facts }),
      pictures.map(({ data }) => data),
    );
  }
  writer.finish();
}
