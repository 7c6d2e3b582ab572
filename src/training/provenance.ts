/**
 * What a run was trained on, kept in the run folder, so that whoever evaluates it later can tell whether the clips of
 * a test were seen. Clips are recognised by the digest of their source and by their pictures, or by id where the
 * dataset is the same one.
 */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { UsclError } from '../base/errors.ts';
import { ALIKE_DISTANCE, findAlike } from '../dataset/near-duplicates.ts';
import type { Dataset } from '../dataset/reader.ts';
import { datasetHash, isRun, RUN_FILES, writeRunFile } from './run-folder.ts';
import type { Split } from './splits.ts';

const provenanceSchema = z.object({
  name: z.string(),
  hash: z.string(),
  clips: z.array(
    z.object({
      id: z.string(),
      sourceSha256: z.string().nullable(),
      /** Perceptual hashes; runs of earlier versions have none. */
      hashes: z.array(z.string()).default([]),
      role: z.enum(['training', 'validation', 'unused']),
      labelled: z.boolean(),
    }),
  ),
});

function rolesIn(split: Split): (clip: number) => 'training' | 'validation' | 'unused' {
  const training = new Set(split.training);
  const validation = new Set(split.validation);
  return (clip) => (training.has(clip) ? 'training' : validation.has(clip) ? 'validation' : 'unused');
}

/** Writes down which clips of the dataset train and validate, and whose label is used. */
export function recordProvenance(run: string, dataset: Dataset, split: Split, labelsRead: boolean): void {
  const roleOf = rolesIn(split);
  writeRunFile(run, RUN_FILES.dataset, {
    name: dataset.manifest.name,
    hash: datasetHash(dataset),
    clips: dataset.clips.map(({ id, sourceSha256, hashes }, index) => ({
      id,
      sourceSha256,
      hashes,
      role: roleOf(index),
      labelled: labelsRead && split.labels[index]! >= 0,
    })),
  } satisfies z.infer<typeof provenanceSchema>);
}

/**
 * Refuses to go on with other clips than the run began with: a named split may have been made again since. Error:
 * `RESUME_CHANGED`.
 */
export function requireSameClips(run: string, dataset: Dataset, split: Split): void {
  const path = join(run, RUN_FILES.dataset);
  if (!existsSync(path)) return;
  const roleOf = rolesIn(split);
  const before = new Map(read(path).clips.map(({ id, role }) => [id, role]));
  const changed = dataset.clips.findIndex(({ id }, index) => before.get(id) !== roleOf(index));
  if (changed === -1) return;
  const { id } = dataset.clips[changed]!;
  throw new UsclError({
    kind: 'usage',
    code: 'RESUME_CHANGED',
    message: `The run began with other clips: ${id} was ${before.get(id) ?? 'not there'} and would now be ${roleOf(changed)}.`,
    where: path,
    remedy: 'Restore the split that the run began with, or start a new run in another folder.',
  });
}

/** How the tested clips and those of pretraining meet. */
export interface Overlap {
  /** Tested clips that pretraining went through: the same clip, the same bytes, or the same pictures. */
  readonly seen: number;
  /** Those of them whose label it was given. */
  readonly labelsSeen: number;
}

/** An overlap and the clips (ids of the tested dataset) whose labels were given. */
export interface OverlapFound extends Overlap {
  readonly labelled: readonly string[];
}

/**
 * How many of the `tested` clips of `dataset` were trained on by the run of `source` (a run folder or a checkpoint in
 * one); null for weights whose run is not there. Errors: `RUN_DAMAGED`.
 */
export function overlapWith(
  source: string,
  dataset: Dataset,
  tested: (clip: number) => boolean = () => true,
): OverlapFound | null {
  const run = isRun(source) ? source : join(dirname(source), '..');
  const path = join(run, RUN_FILES.dataset);
  if (!isRun(run) || !existsSync(path)) return null;
  const trained = read(path);
  const used = trained.clips.filter(({ role }) => role === 'training');
  const indices = [...dataset.clips.keys()].filter(tested);
  const clips = indices.map((index) => dataset.clips[index]!);
  const seen = new Set<number>();
  const labelled = new Set<number>();
  const meet = (clip: number, by: { readonly labelled: boolean }): void => {
    seen.add(clip);
    if (by.labelled) labelled.add(clip);
  };
  if (trained.hash === datasetHash(dataset)) {
    const byId = new Map(used.map((clip) => [clip.id, clip]));
    for (const [i, { id }] of clips.entries()) {
      const same = byId.get(id);
      if (same !== undefined) meet(i, same);
    }
  }
  findAlike(clips, used, ALIKE_DISTANCE, ({ a, b }) => {
    meet(a, used[b]!);
  });
  return {
    seen: seen.size,
    labelsSeen: labelled.size,
    labelled: [...labelled].sort((a, b) => a - b).map((i) => clips[i]!.id),
  };
}

function read(path: string): z.infer<typeof provenanceSchema> {
  try {
    return provenanceSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch (thrown) {
    throw new UsclError({
      kind: 'data',
      code: 'RUN_DAMAGED',
      message: 'What the run was trained on cannot be read.',
      where: path,
      remedy: 'Restore that file from a backup, or move it away to go on without knowing.',
      cause: thrown,
    });
  }
}
