/**
 * What evaluation needs to know of a clip, and the step from class names to class indices. Unlabelled clips get
 * the index −1 and are left out of every score; whoever leaves them out also counts them.
 */
import { UsclError } from '../base/errors.ts';
import type { ClipRecord } from '../dataset/types.ts';

/** Identity, the unit that must not be split (a patient), and the class name or null. */
export type LabelledClip = Pick<ClipRecord, 'id' | 'group' | 'label'>;

/**
 * Class index of each clip, −1 for unlabelled.
 * @throws UsclError `LABEL_UNKNOWN` when a clip's label is not among `classes`.
 */
export function labelIndices(clips: readonly LabelledClip[], classes: readonly string[]): Int32Array {
  const index = new Map(classes.map((name, i) => [name, i]));
  return Int32Array.from(clips, (clip) => {
    if (clip.label === null) return -1;
    const found = index.get(clip.label);
    if (found !== undefined) return found;
    throw new UsclError({
      kind: 'data',
      code: 'LABEL_UNKNOWN',
      message: `The label '${clip.label}' is not one of the classes ${classes.map((c) => `'${c}'`).join(', ')}.`,
      where: `clip ${clip.id}`,
      remedy: 'Correct the label, or add the class to the list of classes.',
    });
  });
}
