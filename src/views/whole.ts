/** The view of a frame in evaluation: the whole frame, nothing random, normalised as in training. */
import type { ClipRecord } from '../dataset/types.ts';
import { imageLength, ofChannel, type ViewConfig } from './config.ts';
import { toPlanes, writeTable } from './planes.ts';
import { createAxis, resamplePlane, setAxis } from './resample.ts';

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
  const { width, height } = clip;
  const { size } = view;
  const pixels = width * height;
  const stored = frame.length / pixels;
  if (stored !== 1 && stored !== 3)
    throw new RangeError(`A frame of ${width}×${height} cannot have ${frame.length} bytes.`);
  if (offset + imageLength(view) > target.length)
    throw new RangeError('The view does not fit into the target.');
  const channels = stored === 3 && view.channels === 3 ? 3 : 1;
  const planes = stored === 1 ? frame : new Uint8Array(pixels * channels);
  if (stored === 3) toPlanes(frame, pixels, stored, channels, planes);
  const x = createAxis(size);
  const y = createAxis(size);
  setAxis(x, width, 0, width, false);
  setAxis(y, height, 0, height, false);
  const middle = new Uint8Array(height * size);
  const resized = new Uint8Array(size * size);
  const table = new Float64Array(256);
  for (let c = 0; c < view.channels; c++) {
    if (c < channels) resamplePlane(planes, c * pixels, width, x, y, middle, resized, 0);
    const mean = ofChannel(view.normalise.mean, c);
    const std = ofChannel(view.normalise.std, c);
    for (let value = 0; value < 256; value++) table[value] = (value / 255 - mean) / std;
    writeTable(resized, table, target, offset + c * size * size);
  }
}
