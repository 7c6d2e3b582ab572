/** Fields with known geometry, and the slow truth about polygons. */
import type { ClipRecord, Field } from '../../../src/dataset/types.ts';
import type { Outline, Rectangle } from '../../../src/views/field/outline.ts';
import { clipOf } from '../helpers.ts';

export interface Fan {
  /** Apex. */
  readonly x: number;
  readonly y: number;
  readonly near: number;
  readonly far: number;
  /** Half of the opening angle in radians. */
  readonly half: number;
}

/** Points along both arcs of a fan, every other degree or so. */
export function fanPoints({ x, y, near, far, half }: Fan, parts = 40): [number, number][] {
  const at = (radius: number, share: number): [number, number] => {
    const angle = half * (2 * share - 1);
    return [x + radius * Math.sin(angle), y + radius * Math.cos(angle)];
  };
  const shares = Array.from({ length: parts + 1 }, (_, i) => i / parts);
  return [...shares.map((share) => at(near, share)), ...shares.toReversed().map((share) => at(far, share))];
}

export const outlineOf = (points: readonly (readonly [number, number])[]): Outline =>
  Float64Array.from(points.flat());

/** A clip of this stored size with a field in its original pixels, which are the stored ones unless a crop is given. */
export function clipWithField(
  shape: Field['shape'],
  outlines: [number, number][][],
  { width, height, ...more }: Pick<ClipRecord, 'width' | 'height'> & Partial<ClipRecord>,
): ClipRecord {
  const clip = clipOf('clip', { frames: 3, width, height });
  return { ...clip, ...more, field: { shape, outlines, confidence: 1, from: 'given' } };
}

/** Even-odd rule by a ray to the right. */
export function liesInside(outline: Outline, x: number, y: number): boolean {
  let inside = false;
  for (let i = 0; i < outline.length; i += 2) {
    const [x0, y0] = [outline[i]!, outline[i + 1]!];
    const [x1, y1] = [outline[(i + 2) % outline.length]!, outline[(i + 3) % outline.length]!];
    if (y0 > y !== y1 > y && x < x0 + ((y - y0) / (y1 - y0)) * (x1 - x0)) inside = !inside;
  }
  return inside;
}

/** Share of a box inside an outline, by `side`² points. */
export function sampledShare(outline: Outline, box: Rectangle, side = 200): number {
  let inside = 0;
  for (let row = 0; row < side; row++)
    for (let column = 0; column < side; column++) {
      const x = box.left + ((column + 0.5) / side) * (box.right - box.left);
      const y = box.top + ((row + 0.5) / side) * (box.bottom - box.top);
      if (liesInside(outline, x, y)) inside++;
    }
  return inside / side ** 2;
}
