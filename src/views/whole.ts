/** The view of a frame in evaluation: the whole frame, nothing random, normalised as in training. */
import type { ClipRecord } from '../dataset/types.ts';
import { imageLength, ofChannel, type ViewConfig } from './config.ts';
import { toPlanes, writeTable } from './planes.ts';
import { createAxis, resamplePlane, setAxis } from './resample.ts';

/** Writes the whole view of a frame; see `fillWholeView`. */
export type WholeViewer = (
  frame: Uint8Array,
  clip: Pick<ClipRecord, 'width' | 'height'>,
  target: Float32Array,
  offset: number,
) => void;

/**
 * The evaluation view of a frame: all of it stretched to size × size (antialiased), normalised, nothing random.
 * `frame` is [height, width, channels] as `readFrame` gives it; written to `target[offset…]` as [channels, size, size].
 */
export function fillWholeView(
  frame: Uint8Array,
  clip: Pick<ClipRecord, 'width' | 'height'>,
  view: Pick<ViewConfig, 'size' | 'channels' | 'normalise'>,
  target: Float32Array,
  offset: number,
): void {
  wholeViewer(view)(frame, clip, target, offset);
}

/** The same for many frames: weights of the resampling, tables and buffers live on from frame to frame. */
export function wholeViewer(view: Pick<ViewConfig, 'size' | 'channels' | 'normalise'>): WholeViewer {
  const { size } = view;
  const [x, y] = [createAxis(size), createAxis(size)];
  let [axesWidth, axesHeight] = [0, 0];
  let middle = new Uint8Array(0);
  let split = new Uint8Array(0);
  const resized = new Uint8Array(size * size);
  /** What each of 256 grey levels becomes, channel by channel. */
  const tables = Array.from({ length: view.channels }, (_, c) => {
    const mean = ofChannel(view.normalise.mean, c);
    const std = ofChannel(view.normalise.std, c);
    return Float64Array.from({ length: 256 }, (__, value) => (value / 255 - mean) / std);
  });
  return (frame, { width, height }, target, offset) => {
    const pixels = width * height;
    const stored = frame.length / pixels;
    if (stored !== 1 && stored !== 3)
      throw new RangeError(`A frame of ${width}×${height} cannot have ${frame.length} bytes.`);
    if (offset + imageLength(view) > target.length)
      throw new RangeError('The view does not fit into the target.');
    if (width !== axesWidth || height !== axesHeight) {
      setAxis(x, width, 0, width, false);
      setAxis(y, height, 0, height, false);
      [axesWidth, axesHeight] = [width, height];
      if (middle.length < height * size) middle = new Uint8Array(height * size);
    }
    const channels = stored === 3 && view.channels === 3 ? 3 : 1;
    if (stored === 3) {
      if (split.length < pixels * channels) split = new Uint8Array(pixels * channels);
      toPlanes(frame, pixels, stored, channels, split);
    }
    const planes = stored === 1 ? frame : split;
    for (const [c, table] of tables.entries()) {
      if (c < channels) resamplePlane(planes, c * pixels, width, x, y, middle, resized, 0);
      writeTable(resized, table, target, offset + c * size * size);
    }
  };
}
