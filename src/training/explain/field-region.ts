/**
 * Where in a stored frame there is ultrasound: the dataset's field, brought from the original picture to the stored one;
 * or, for a clip that was stored whole, the field that can be found now. Whole pictures are where it matters most: there
 * text and rulers are left for a network to look at.
 */
import type { Field } from '../../dataset/types.ts';
import { uniformFrames } from '../../evaluation/embeddings.ts';
import { LOOK_AT } from '../../ingest/contact-sheet.ts';
import { findField } from '../../ingest/field/find.ts';
import { rasterize } from '../../ingest/field/raster.ts';
import type { PooledClip } from './clip-pool.ts';

export interface FieldRegion {
  /** [height, width] of the stored frame, 1 inside. */
  readonly inside: Uint8Array;
  /** In pixels of the stored frame. */
  readonly outlines: Field['outlines'];
  /** Whether it was looked for now. */
  readonly foundNow: boolean;
}

/** Frames in which a field is looked for. */
const LOOKED_AT = 12;

/** Null where no field is known and none can be found with confidence. */
export function fieldRegion({ dataset, record }: PooledClip): FieldRegion | null {
  const { width, height, field } = record;
  if (field !== null) {
    const kept = record.crop ?? { x: 0, y: 0, ...record.original };
    const [scaleX, scaleY] = [width / kept.width, height / kept.height];
    const outlines = field.outlines.map((outline) =>
      outline.map(([x, y]): [number, number] => [(x - kept.x) * scaleX, (y - kept.y) * scaleY]),
    );
    return { outlines, inside: rasterize(outlines, { width, height }), foundNow: false };
  }
  const frames = uniformFrames(record.frames, LOOKED_AT).map((frame) => dataset.readFrame(record, frame));
  const found = findField(frames, { width, height }, dataset.manifest.channels);
  if (found === null || found.confidence < LOOK_AT) return null;
  const inside = rasterize(found.outlines, { width, height });
  // A guess that leaves nothing out tells nothing.
  return inside.includes(0) ? { outlines: found.outlines, inside, foundNow: true } : null;
}
