/**
 * A part of a dataset: the patients that a hash of their names deals to it. Groups that share pictures go together. The
 * same names give the same parts on every machine and in every order, so one part may choose what another confirms.
 */
import { createHash } from 'node:crypto';
import { dataError } from '../base/errors.ts';
import { openDataset } from '../dataset/reader.ts';
import type { Manifest } from '../dataset/types.ts';
import { createDataset } from './create-dataset.ts';
import { leakFreeUnits } from './duplicates.ts';
import { framesOf, masksOf } from './merge.ts';

/** Part `part` (from 0) of `of`. */
export interface Part {
  readonly of: number;
  readonly part: number;
}

/** The part that a name is dealt to. */
export function partOfName(name: string, parts: number): number {
  return createHash('sha256').update(name).digest().readUInt32BE(0) % parts;
}

/**
 * Writes a part of the dataset at `folder` to `out`, frames byte for byte. Errors: `PART_EMPTY`; those of `openDataset`
 * and `createDataset`; the signal's reason when aborted.
 */
export async function writePart(
  folder: string,
  out: string,
  { of, part }: Part,
  { overwrite = false, signal }: { readonly overwrite?: boolean; readonly signal?: AbortSignal } = {},
): Promise<Manifest> {
  using dataset = openDataset(folder);
  const { manifest, clips } = dataset;
  const { unitOf } = leakFreeUnits(clips);
  const chosen = clips.filter((_, i) => partOfName(unitOf[i]!, of) === part);
  if (chosen.length === 0)
    throw dataError(
      'PART_EMPTY',
      `Part ${part} of ${of} of ${manifest.name} has no clip: there are ${new Set(unitOf).size} patients.`,
      'Deal the patients into fewer parts.',
      { where: folder },
    );
  const { name, licence, citation, homepage, classes, structures, channels, size, made } = manifest;
  using writer = createDataset(
    out,
    {
      ...{ name: `${name} part ${part + 1} of ${of}`, licence, citation, homepage, classes, channels, size },
      ...(structures === undefined ? {} : { structures }),
      made: { command: 'part', of, part, from: { name, clips: clips.length, made } },
    },
    { overwrite },
  );
  for (const clip of chosen) {
    signal?.throwIfAborted();
    const masks = clip.mask === null ? undefined : () => masksOf(dataset, clip, 0);
    await writer.addClip(clip, framesOf(dataset, clip, channels), { masks });
  }
  return writer.finish();
}
