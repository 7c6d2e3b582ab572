/**
 * The geometry of an image: crop, flip, resize, rotation and affine map, change of the probe. A frame becomes the pixels
 * of a view. Pixels are resampled once; once more where the view is turned or bent.
 */
import type { Augmentation } from './draw.ts';
import { after, type Affine } from './field/affine.ts';
import { type Bend, unbentPoint } from './field/bend.ts';
import type { Extent } from './field/crops.ts';
import type { Rectangle } from './field/outline.ts';
import { type Axis, createAxis, setAxis } from './resample.ts';
import { resize } from './resize.ts';
import { nodesAlong, sampleNodes, warpPlane } from './spatial.ts';
import { NODE_STEP } from './vectors/sample-code.ts';

/** Where in the frame, bent where it is, a point of the view lies; both in pixels, the first one's centre at (½, ½). */
export function placementOf(
  { box, flipped, warp }: Pick<Augmentation, 'box' | 'flipped' | 'warp'>,
  size: number,
): Affine {
  const across = (box.right - box.left) / size;
  const down = (box.bottom - box.top) / size;
  const crop: Affine = [flipped ? -across : across, 0, flipped ? box.right : box.left, 0, down, box.top];
  if (warp === null) return crop;
  const half = size / 2;
  return after(crop, after([1, 0, half, 0, 1, half], after(warp, [1, 0, -half, 0, 1, -half])));
}

/** Places frames [channels, height, width] as pixels [channels, size, size]. */
export interface Placer {
  place(planes: Uint8Array, frame: Extent, augmentation: Augmentation, pixels: Uint8Array): void;
}

/** A placer with buffers that live on; `turns` where views may be turned or bent. */
export function createPlacer(size: number, channels: number, turns: boolean): Placer {
  const area = size * size;
  const [x, y] = [createAxis(size), createAxis(size)];
  const resized = new Uint8Array(turns ? channels * area : 0);
  const side = nodesAlong(size);
  const nodes = new Float64Array(turns ? 2 * side * side : 0);

  const resample = (planes: Uint8Array, { width, height }: Extent, target: Uint8Array): void => {
    for (let c = 0; c < channels; c++) resize(planes, c * width * height, width, x, y, target, c * area);
  };

  return {
    place(planes, frame, augmentation, pixels) {
      const { box, flipped, warp, bend } = augmentation;
      if (bend === null) {
        setAxis(x, frame.width, box.left, box.right, flipped);
        setAxis(y, frame.height, box.top, box.bottom, false);
        resample(planes, frame, warp === null ? pixels : resized);
        if (warp === null) return;
        for (let c = 0; c < channels; c++) warpPlane(resized, pixels, c * area, size, warp);
        return;
      }
      unbendNodes(bend, placementOf(augmentation, size), side, nodes);
      const source = boundsOfNodes(nodes, frame, size);
      if (source === null) {
        pixels.fill(0);
        return;
      }
      setAxis(x, frame.width, source.left, source.right, false);
      setAxis(y, frame.height, source.top, source.bottom, false);
      resample(planes, frame, resized);
      toPixels(nodes, source, x, y);
      for (let c = 0; c < channels; c++) sampleNodes(resized, pixels, c * area, size, nodes);
    },
  };
}

/** Fills `nodes` [side, side, 2] with the points of the stored frame that every `NODE_STEP`th point of the view came from. */
function unbendNodes(bend: Bend, [a, b, c, d, e, f]: Affine, side: number, nodes: Float64Array): void {
  const at = new Float64Array(2);
  for (let row = 0, n = 0; row < side; row++)
    for (let column = 0; column < side; column++, n += 2) {
      const [u, v] = [column * NODE_STEP, row * NODE_STEP];
      unbentPoint(bend, a * u + b * v + c, d * u + e * v + f, at);
      nodes[n] = at[0]!;
      nodes[n + 1] = at[1]!;
    }
}

/** The part of the frame that the nodes lie in, and a pixel of the view more on each side; null where they lie outside. */
function boundsOfNodes(nodes: Float64Array, { width, height }: Extent, size: number): Rectangle | null {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (let n = 0; n < nodes.length; n += 2) {
    const x = nodes[n]!;
    const y = nodes[n + 1]!;
    if (x < left) left = x;
    if (x > right) right = x;
    if (y < top) top = y;
    if (y > bottom) bottom = y;
  }
  const across = 1 + (right - left) / size;
  const down = 1 + (bottom - top) / size;
  const bounds = {
    left: Math.max(0, left - across),
    top: Math.max(0, top - down),
    right: Math.min(width, right + across),
    bottom: Math.min(height, bottom + down),
  };
  return bounds.left < bounds.right && bounds.top < bounds.bottom ? bounds : null;
}

/** Points of the frame to pixels of its resampled part: places of centres, the first one at 0. */
function toPixels(nodes: Float64Array, { left, top, right, bottom }: Rectangle, x: Axis, y: Axis): void {
  const across = x.start.length / (right - left);
  const down = y.start.length / (bottom - top);
  for (let n = 0; n < nodes.length; n += 2) {
    nodes[n] = (nodes[n]! - left) * across - 0.5;
    nodes[n + 1] = (nodes[n + 1]! - top) * down - 0.5;
  }
}
