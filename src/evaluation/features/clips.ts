/**
 * What evaluation needs to know of a clip, and the step from class names to class indices. Unlabelled clips get
 * the index −1 and are left out of every score; whoever leaves them out also counts them.
 */
import { dataError } from '../../base/errors.ts';
import type { LabelledClip } from '../../dataset/types.ts';
import { embeddingsInvalid, requireEmbeddings, rowsOfClips, type ClipEmbeddings } from './embeddings.ts';

/** Labelled clips: their numbers among all, and of each the class index and its rows of features. */
export interface LabelledClips {
  readonly kept: readonly number[];
  readonly labels: readonly number[];
  readonly rows: readonly (readonly number[])[];
}

/**
 * Finds the labelled clips among `clips`.
 * @throws UsclError `LABEL_UNKNOWN` when a clip's label is not among `classes`, `EMBEDDINGS_INVALID` when a labelled clip
 *   has no row, and those of `requireEmbeddings`.
 */
export function labelledClips(
  embeddings: ClipEmbeddings,
  clips: readonly LabelledClip[],
  classes: readonly string[],
): LabelledClips {
  requireEmbeddings(embeddings, clips);
  const all = labelIndices(clips, classes);
  const kept = [...all.keys()].filter((i) => all[i]! >= 0);
  const rows = rowsOfClips(embeddings, clips.length);
  for (const i of kept)
    if (rows[i]!.length === 0)
      throw embeddingsInvalid('A labelled clip has no features.', `clip ${clips[i]!.id}`);
  return { kept, labels: kept.map((i) => all[i]!), rows: kept.map((i) => rows[i]!) };
}

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
    throw dataError(
      'LABEL_UNKNOWN',
      `The label '${clip.label}' is not one of the classes ${classes.map((c) => `'${c}'`).join(', ')}.`,
      'Correct the label, or add the class to the list of classes.',
      { where: `clip ${clip.id}` },
    );
  });
}
