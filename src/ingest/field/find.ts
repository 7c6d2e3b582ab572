/**
 * Finds the ultrasound field of a clip by looking at its frames: what differs from the flat background of the screen
 * and is large and solid. Not told by any file; a person checks it (`uscl inspect`) and may overrule it.
 */
import type { Field } from '../../dataset/types.ts';
import type { Size } from '../geometry.ts';
import { measure } from './features.ts';
import { findTissue } from './tissue.ts';

/** Fields of less confidence are not given out. */
export const MIN_CONFIDENCE = 0.5;

/**
 * The field in [height, width, channels] u8 frames of one clip (a dozen spread over the clip are best, one is
 * enough); null where there is none that can be told with `MIN_CONFIDENCE`.
 */
export function findField(frames: readonly Uint8Array[], size: Size, channels: 1 | 3): Field | null {
  if (frames.length === 0) return null;
  const features = measure(frames, size, channels);
  const { tissue } = findTissue(features);
  const { columns, rows, cell } = features;
  let [left, right, top, bottom, area] = [columns, -1, rows, -1, 0];
  tissue.data.forEach((value, i) => {
    if (value === 0) return;
    const x = i % columns;
    const y = (i - x) / columns;
    [left, right, top, bottom] = [
      Math.min(left, x),
      Math.max(right, x),
      Math.min(top, y),
      Math.max(bottom, y),
    ];
    area++;
  });
  const confidence = area / ((right - left + 1) * (bottom - top + 1));
  if (right < 0 || confidence < MIN_CONFIDENCE) return null;
  const x1 = right === columns - 1 ? size.width : (right + 1) * cell;
  const y1 = bottom === rows - 1 ? size.height : (bottom + 1) * cell;
  const [x0, y0] = [left * cell, top * cell];
  return {
    shape: 'rectangle',
    outlines: [
      [
        [x0, y0],
        [x1, y0],
        [x1, y1],
        [x0, y1],
      ],
    ],
    confidence,
    from: 'found',
  };
}
