/**
 * The ultrasound field of a clip in pixels of its stored frames: where there is tissue, and how the beams run there.
 * Fields are known in pixels of the original; of it the clip's crop was kept and scaled.
 */
import type { ClipRecord, Field } from '../../dataset/types.ts';
import { type Beams, beamsOf } from './beams.ts';
import { mapped, type Outline, rectangleOutline } from './outline.ts';

/** What of a clip says where its field lies. */
export type Framed = Pick<ClipRecord, 'width' | 'height' | 'original' | 'crop' | 'field'>;

export interface FrameField {
  /** Whether the clip has a field. Else it is the whole frame. */
  readonly known: boolean;
  readonly outlines: readonly Outline[];
  /** From the point where the sides meet for a sector or convex field, else straight down. */
  readonly beams: Beams;
}

/** The fields that were asked for last, by the clip's own record of it: they are wanted in every epoch. */
const PLACED = new WeakMap<Field, { readonly asked: string; readonly placed: FrameField }>();

/** The field of a clip's stored frames. For the same record the same object, which nobody changes. */
export function fieldOf({ width, height, original, crop, field }: Framed): FrameField {
  if (field === null) {
    const outlines = [rectangleOutline({ left: 0, top: 0, right: width, bottom: height })];
    return { known: false, outlines, beams: beamsOf(outlines, false) };
  }
  const kept = crop ?? { x: 0, y: 0, width: original.width, height: original.height };
  const asked = [width, height, kept.x, kept.y, kept.width, kept.height].join();
  const found = PLACED.get(field);
  if (found?.asked === asked) return found.placed;
  const outlines = field.outlines.map((points) =>
    mapped(Float64Array.from(points.flat()), (x, y, to) => {
      to[0] = ((x - kept.x) * width) / kept.width;
      to[1] = ((y - kept.y) * height) / kept.height;
    }),
  );
  const isFan = field.shape === 'sector' || field.shape === 'convex';
  const placed = { known: true, outlines, beams: beamsOf(outlines, isFan) };
  PLACED.set(field, { asked, placed });
  return placed;
}
