/**
 * From a picture on a canvas to a frame as an ingest stores it: the crop, grey by luma, the shorter side brought to the size
 * that the model's clips were stored with. Grey frames that shrink by less than two have the ingest's bytes; larger ones,
 * and those in colour, come from a filter that is as wide but rounds otherwise.
 */
import { writeLuma } from '../../dataset/channels.ts';
import type { Rectangle } from '../../ingest/field/raster.ts';
import { planShrink } from '../../ingest/field/shrink.ts';
import { type Size, storedSize } from '../../video/geometry.ts';
import { createAxis, resamplePlane, setAxis } from '../../views/resample.ts';

/** [height, width, channels], 8 bits. */
export interface Frame extends Size {
  readonly pixels: Uint8Array;
  readonly channels: 1 | 3;
}

const canvas = document.createElement('canvas');
const context = canvas.getContext('2d', { willReadFrequently: true });

/** The part `kept` of a picture of this size, red, green, blue and opacity of each pixel. */
export function pixelsOf(picture: CanvasImageSource, kept: Rectangle): Uint8ClampedArray {
  if (context === null) throw new Error('this browser draws no canvas');
  const { x, y, width, height } = kept;
  canvas.width = width;
  canvas.height = height;
  context.imageSmoothingEnabled = false;
  context.drawImage(picture, x, y, width, height, 0, 0, width, height);
  return context.getImageData(0, 0, width, height).data;
}

/** Pixels of `size` as a stored frame. */
export function storedFrame(rgba: Uint8ClampedArray, size: Size, channels: 1 | 3, shorter: number): Frame {
  const count = size.width * size.height;
  const colour = new Uint8Array(3 * count);
  for (let i = 0, p = 0, q = 0; i < count; i++, p += 3, q += 4) {
    colour[p] = rgba[q]!;
    colour[p + 1] = rgba[q + 1]!;
    colour[p + 2] = rgba[q + 2]!;
  }
  let pixels = colour;
  if (channels === 1) {
    pixels = new Uint8Array(count);
    writeLuma(colour, count, pixels);
  }
  const stored = storedSize(size, shorter);
  if (stored.width === size.width && stored.height === size.height) return { ...size, pixels, channels };
  const whole = { x: 0, y: 0, ...size };
  const exact = channels === 1 ? planShrink(size, whole, stored) : null;
  return { ...stored, channels, pixels: exact?.(pixels) ?? shrunk(pixels, size, stored, channels) };
}

/** Each channel through a triangle filter that is as wide as the reduction. */
function shrunk(pixels: Uint8Array, size: Size, stored: Size, channels: 1 | 3): Uint8Array {
  const across = createAxis(stored.width);
  const down = createAxis(stored.height);
  setAxis(across, size.width, 0, size.width, false);
  setAxis(down, size.height, 0, size.height, false);
  const middle = new Uint8Array(size.height * stored.width);
  const area = stored.width * stored.height;
  const result = new Uint8Array(area * channels);
  const source = new Uint8Array(size.width * size.height);
  const target = new Uint8Array(area);
  for (let c = 0; c < channels; c++) {
    for (let i = 0; i < source.length; i++) source[i] = pixels[i * channels + c]!;
    resamplePlane(source, 0, size.width, across, down, middle, target, 0);
    for (let i = 0; i < area; i++) result[i * channels + c] = target[i]!;
  }
  return result;
}
