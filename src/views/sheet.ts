/**
 * A picture of what training sees: for several clips the drawn frames and the two views that become of them. For
 * eyes, when an augmentation is chosen or doubted; nothing computes with it.
 */
import sharp from 'sharp';
import { writeFileAtomic } from '../base/files.ts';
import { imageLength, ofChannel, type ViewConfig } from './config.ts';
import type { FrameSource } from './image.ts';
import { fillPairImages } from './pairs.ts';
import { drawPair } from './sampling.ts';
import { fillWholeView } from './whole.ts';

/** Pixels between panels. */
const GAP = 4;
const COLUMNS = 5;

/**
 * Writes a PNG to `path`: a clip a row, `clips` of them spread over the dataset, as epoch `epoch` sees them. Columns:
 * frame x1, anchor x2 (dark where nothing is mixed), frame x3, view 0, view 1. Errors: those of `fillPairImages`,
 * `WRITE_FAILED`, `DISK_FULL`.
 */
export async function pairSheet(
  dataset: FrameSource,
  view: ViewConfig,
  seed: number,
  path: string,
  { clips = 6, epoch = 0 }: { readonly clips?: number; readonly epoch?: number } = {},
): Promise<void> {
  const rows = Math.min(clips, dataset.clips.length);
  const { size, channels } = view;
  const width = COLUMNS * (size + GAP) + GAP;
  const height = rows * (size + GAP) + GAP;
  const picture = new Uint8Array(width * height * channels).fill(40);
  const image = new Float32Array(imageLength(view));
  const views = new Float32Array(2 * image.length);
  const paste = (row: number, column: number, values: Float32Array): void => {
    for (let c = 0; c < channels; c++) {
      const mean = ofChannel(view.normalise.mean, c);
      const std = ofChannel(view.normalise.std, c);
      for (let y = 0; y < size; y++) {
        const line = (GAP + row * (size + GAP) + y) * width + GAP + column * (size + GAP);
        for (let x = 0; x < size; x++) {
          const intensity = values[(c * size + y) * size + x]! * std + mean;
          picture[(line + x) * channels + c] = Math.round(255 * Math.min(1, Math.max(0, intensity)));
        }
      }
    }
  };
  for (let row = 0; row < rows; row++) {
    const index = Math.floor((row * dataset.clips.length) / rows);
    const clip = dataset.clips[index]!;
    const draw = drawPair(clip, view.spg, seed, epoch);
    for (const [column, frame] of [draw.frame0, draw.anchor, draw.frame1].entries()) {
      if (frame === null) continue;
      fillWholeView(dataset.readFrame(clip, frame), clip, view, image, 0);
      paste(row, column, image);
    }
    fillPairImages(dataset, [index], view, seed, epoch, views);
    paste(row, 3, views.subarray(0, image.length));
    paste(row, 4, views.subarray(image.length));
  }
  const png = await sharp(picture, { raw: { width, height, channels } }).png().toBuffer();
  writeFileAtomic(path, [png]);
}
