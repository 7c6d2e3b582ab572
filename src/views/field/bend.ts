/**
 * Another probe: the picture bent so that its beams open by another angle, a linear frame into a convex one or back.
 * A place keeps its lateral distance and its range (`beams.ts`); only the curvature changes. The new field then fills the
 * frame as far as the old one did, about the same centre. The map between the two pictures is exact both ways.
 */
import { type Beams, fromBeam, toBeam } from './beams.ts';
import type { Extent } from './crops.ts';
import type { FrameField } from './field.ts';
import { boundsOf, divided, mapped, type Rectangle } from './outline.ts';

export interface Bend {
  readonly from: Beams;
  readonly to: Beams;
  /** Distances in the new picture over those in the old one. */
  readonly scale: number;
}

/** The widest fan that is made, in degrees. */
const WIDEST = 150;
/** Pixels after which a straight side that bends gets a corner. */
const CORNERS = 12;

/**
 * The field bent so that its beams open by `degrees`, or as far as its proportions allow: beams do not cross above the
 * nearest echo.
 */
export function bentField(
  field: FrameField,
  degrees: number,
  frame: Extent,
): { readonly bend: Bend; readonly field: FrameField } {
  const from = field.beams;
  const width = from.right - from.left;
  const opening = (Math.min(WIDEST, degrees) * Math.PI) / 180;
  const curvature = Math.min(opening / width, 2 / from.depth);
  const outlines = field.outlines.map((outline) => divided(outline, CORNERS));
  const unscaled: Bend = { from, to: { ...from, x: 0, y: 0, curvature }, scale: 1 };
  const bent = (bend: Bend): FrameField['outlines'] =>
    outlines.map((outline) =>
      mapped(outline, (x, y, to) => {
        bentPoint(bend, x, y, to);
      }),
    );
  const before = boundsOf(field.outlines);
  const after = boundsOf(bent(unscaled));
  const scale = filling(before, frame) / filling(after, frame);
  const to: Beams = {
    x: (before.left + before.right - scale * (after.left + after.right)) / 2,
    y: (before.top + before.bottom - scale * (after.top + after.bottom)) / 2,
    curvature: curvature / scale,
    depth: scale * from.depth,
    left: scale * from.left,
    right: scale * from.right,
  };
  const bend = { from, to, scale };
  return { bend, field: { known: field.known, outlines: bent(bend), beams: to } };
}

/** How far a box fills the frame: the larger of its shares of the frame's width and height. */
function filling({ left, top, right, bottom }: Rectangle, { width, height }: Extent): number {
  return Math.max((right - left) / width, (bottom - top) / height);
}

/** Where a point of the old picture comes to lie in the new one. */
export function bentPoint({ from, to, scale }: Bend, x: number, y: number, result: Float64Array): void {
  toBeam(from, x, y, result);
  fromBeam(to, scale * result[0]!, scale * result[1]!, result);
}

/** Where a point of the new picture came from in the old one. */
export function unbentPoint({ from, to, scale }: Bend, x: number, y: number, result: Float64Array): void {
  toBeam(to, x, y, result);
  fromBeam(from, result[0]! / scale, result[1]! / scale, result);
}
