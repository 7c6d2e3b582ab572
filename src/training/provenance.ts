/**
 * What a run was trained on, kept in the run folder, so that whoever evaluates it later can tell whether the clips of
 * a test were seen. Clips are recognised by the digest of their source, or by id where the dataset is the same one.
 */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { UsclError } from '../base/errors.ts';
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
      role: z.enum(['training', 'validation', 'unused']),
      labelled: z.boolean(),
    }),
  ),
});

/** Writes down which clips of the dataset train and validate, and whose label is used. */
export function recordProvenance(run: string, dataset: Dataset, split: Split, labelsRead: boolean): void {
  const training = new Set(split.training);
  const validation = new Set(split.validation);
  writeRunFile(run, RUN_FILES.dataset, {
    name: dataset.manifest.name,
    hash: datasetHash(dataset),
    clips: dataset.clips.map(({ id, sourceSha256 }, index) => ({
      id,
      sourceSha256,
      role: training.has(index) ? 'training' : validation.has(index) ? 'validation' : 'unused',
      labelled: labelsRead && split.labels[index]! >= 0,
    })),
  } satisfies z.infer<typeof provenanceSchema>);
}

/**
 * How many clips of `dataset` were trained on by the run of `source` (a run folder or a checkpoint in one); null for
 * weights whose run is not there. Errors: `RUN_DAMAGED`.
 */
export function overlapWith(
  source: string,
  dataset: Dataset,
): { readonly seen: number; readonly labelsSeen: number } | null {
  const run = isRun(source) ? source : join(dirname(source), '..');
  const path = join(run, RUN_FILES.dataset);
  if (!isRun(run) || !existsSync(path)) return null;
  const trained = read(path);
  const same = trained.hash === datasetHash(dataset);
  const used = trained.clips.filter(({ role }) => role === 'training');
  const keyOf = (clip: { readonly id: string; readonly sourceSha256: string | null }): string | null =>
    same ? `id ${clip.id}` : clip.sourceSha256;
  const known = new Map(used.map((clip) => [keyOf(clip), clip]));
  const met = dataset.clips.flatMap((clip) => {
    const key = keyOf(clip);
    const found = key === null ? undefined : known.get(key);
    return found === undefined ? [] : [found];
  });
  return { seen: met.length, labelsSeen: met.filter(({ labelled }) => labelled).length };
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
