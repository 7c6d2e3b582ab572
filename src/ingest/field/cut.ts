/**
 * From a field to what is done to every frame of the clip: outside of the field everything becomes 0 at the original
 * resolution, then the frame is cropped to the field, then scaled. Blanking comes first, so that scaling cannot carry
 * a letter from outside over the border.
 */
import sharp from 'sharp';
import { dataError } from '../../base/errors.ts';
import type { Field } from '../../dataset/types.ts';
import { type Size, storedSize } from '../../video/geometry.ts';
import { boundsOf, rasterize, type Rectangle } from './raster.ts';
import { planShrink } from './shrink.ts';

/** Fields smaller than this on a side are mistakes. */
const MIN_SIDE = 16;

export interface Cut {
  /** What is kept of the original, in original pixels; null for all of it. */
  readonly crop: Rectangle | null;
  readonly stored: Size;
  /**
   * [height, width, channels] u8 of the original size to the stored size. The frame is the cut's from then on:
   * pixels outside of the field are blanked in it.
   */
  apply(frame: Uint8Array): Promise<Uint8Array>;
  /** The same way for a mask [height, width] of 0 and 1, nearest pixel; outside of the field it becomes 0. */
  applyMask(mask: Uint8Array): Uint8Array;
}

/**
 * Plans the way of a clip's frames. `field` null: nothing is blanked or cropped. `crop` false: blanked, but not
 * cropped. The shorter side becomes `shorter` where it is longer. Errors: `FIELD_OUTSIDE` where less than 16 × 16 pixels
 * of the field are in the picture.
 */
export function planCut(
  field: Field | null,
  original: Size,
  channels: 1 | 3,
  shorter: number,
  crop: boolean,
): Cut {
  const mask = field === null ? null : rasterize(field.outlines, original);
  const bounds = mask === null ? null : boundsOf(mask, original);
  if (mask !== null && (bounds === null || Math.min(bounds.width, bounds.height) < MIN_SIDE)) {
    const kept = bounds === null ? 'nothing' : `only ${bounds.width}×${bounds.height} pixels`;
    throw dataError(
      'FIELD_OUTSIDE',
      `The field keeps ${kept} of the picture of ${original.width}×${original.height}.`,
      'Give the field in pixels of the original picture, at least 16 on a side.',
    );
  }
  const whole = { x: 0, y: 0, width: original.width, height: original.height };
  const kept = crop && bounds !== null ? bounds : whole;
  const stored = storedSize(kept, shorter);
  const blank = mask === null ? null : blankRuns(mask, original, kept);
  const isWhole = kept.width === original.width && kept.height === original.height;
  const isStored = isWhole && stored.width === original.width && stored.height === original.height;
  const shrink = isStored || channels === 3 ? null : planShrink(original, kept, stored);
  const raw = { width: original.width, height: original.height, channels };
  const shrinkByLibrary = async (frame: Uint8Array): Promise<Uint8Array> => {
    const { data } = await sharp(frame, { raw, limitInputPixels: false })
      .extract({ left: kept.x, top: kept.y, width: kept.width, height: kept.height })
      .resize(stored.width, stored.height, { fit: 'fill', kernel: 'linear' })
      .toColourspace(channels === 1 ? 'b-w' : 'srgb')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    if (data.length === stored.width * stored.height * channels) return data;
    throw new Error(`A frame was scaled to ${data.length} bytes, not ${stored.width}×${stored.height}.`);
  };
  return {
    crop: isWhole ? null : kept,
    stored,
    async apply(frame) {
      const expected = original.width * original.height * channels;
      if (frame.length !== expected) {
        throw new Error(`A frame of ${frame.length} bytes came where ${expected} were planned.`);
      }
      if (blank !== null) {
        for (let i = 0; i < blank.length; i += 2) {
          frame.fill(0, blank[i]! * channels, blank[i + 1]! * channels);
        }
      }
      if (isStored) return frame;
      return shrink === null ? shrinkByLibrary(frame) : shrink(frame);
    },
    applyMask(picture) {
      const result = new Uint8Array(stored.width * stored.height);
      for (let y = 0; y < stored.height; y++) {
        const row = (kept.y + nearest(y, kept.height, stored.height)) * original.width + kept.x;
        for (let x = 0; x < stored.width; x++) {
          const at = row + nearest(x, kept.width, stored.width);
          if (mask === null || mask[at] === 1) result[y * stored.width + x] = picture[at]!;
        }
      }
      return result;
    },
  };
}

/** Runs of pixels [from, to) outside of the field, in the rows that are kept. */
function blankRuns(mask: Uint8Array, { width }: Size, kept: Rectangle): Int32Array {
  const runs: number[] = [];
  const end = (kept.y + kept.height) * width;
  for (let at = kept.y * width; at < end;) {
    const from = mask.indexOf(0, at);
    if (from === -1 || from >= end) break;
    const next = mask.indexOf(1, from);
    const to = next === -1 ? end : Math.min(next, end);
    runs.push(from, to);
    at = to;
  }
  return Int32Array.from(runs);
}

/** Index of the source pixel whose place is nearest to the centre of target pixel `index`. */
function nearest(index: number, from: number, to: number): number {
  return Math.min(from - 1, Math.floor(((index + 0.5) * from) / to));
}
