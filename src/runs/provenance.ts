/**
 * The provenance of a run: the clips that it was trained on. A later evaluation reads it to find tested clips that
 * were seen, and refuses to score them. Clips are recognised by the digest of their source and by their pictures, or
 * by id within the same dataset.
 */
import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { dataError, type UsclError } from '../base/errors.ts';
import { DUPLICATE_DISTANCE, findDuplicates } from '../curation/duplicates.ts';
import type { Dataset } from '../dataset/reader.ts';
import { leaksBetween } from '../curation/splits.ts';
import { DEFAULT_METHOD } from '../methods/registry.ts';
import type { ClipRecord } from '../dataset/types.ts';
import { resumeChanged } from './resume.ts';
import { datasetHash, isRun, readRunFile, RUN_FILES, taskOf, writeRunFile } from './run-folder.ts';
import { clipsInTraining, type Split } from './training-clips.ts';

export const provenanceSchema = z.object({
  name: z.string(),
  hash: z.string(),
  /**
   * What went through these clips: a method of pretraining (`uscl`), `finetuning`, or `unknown` for what weights from
   * outside were trained on, of which no clip is known. Null where an earlier version did not say.
   */
  by: z.string().nullable().default(null),
  /** The dataset's licence and citation, null where it states none; null where an earlier version did not write them. */
  terms: z
    .object({ licence: z.string().nullable(), citation: z.string().nullable() })
    .nullable()
    .default(null),
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

/** The clips that a run went through. */
export type Provenance = z.infer<typeof provenanceSchema>;

/** What has entered training counts as training, held out or not. */
function rolesIn(split: Split): (clip: number) => 'training' | 'validation' | 'unused' {
  const training = clipsInTraining(split);
  const validation = new Set(split.validation);
  return (clip) => (training.has(clip) ? 'training' : validation.has(clip) ? 'validation' : 'unused');
}

/**
 * Writes down which clips of the dataset train and validate, and whose label is used: in training, or of a held-out clip
 * (`heldOutLabels`, null for none) to choose a checkpoint.
 */
export function recordProvenance(
  run: string,
  dataset: Dataset,
  split: Split,
  heldOutLabels: Int32Array | null,
  method: string,
): void {
  const roleOf = rolesIn(split);
  const labelled = (index: number): boolean =>
    (roleOf(index) === 'training' && split.labels[index]! >= 0) || (heldOutLabels?.[index] ?? -1) >= 0;
  writeRunFile(run, RUN_FILES.dataset, provenanceOf(dataset, roleOf, labelled, method));
}

/** The provenance of a run on `dataset` in which clips have these roles. */
export function provenanceOf(
  dataset: Dataset,
  roleOf: (clip: number) => 'training' | 'validation' | 'unused',
  labelled: (clip: number) => boolean,
  by: string,
): Provenance {
  const { name, licence, citation } = dataset.manifest;
  return {
    ...{ name, hash: datasetHash(dataset), by, terms: { licence, citation } },
    clips: dataset.clips.map(({ id, sourceSha256, hashes }, index) => ({
      ...{ id, sourceSha256, hashes: [...hashes] },
      role: roleOf(index),
      labelled: labelled(index),
    })),
  };
}

/**
 * Refuses to go on with other clips than the run began with: a named split may have been made again since. Error:
 * `RESUME_CHANGED`.
 */
export function requireSameClips(run: string, dataset: Dataset, split: Split): void {
  const path = join(run, RUN_FILES.dataset);
  if (!existsSync(path)) return;
  const roleOf = rolesIn(split);
  const before = new Map(readRunFile(path, provenanceSchema, SAID).clips.map(({ id, role }) => [id, role]));
  const changed = dataset.clips.findIndex(({ id }, index) => before.get(id) !== roleOf(index));
  if (changed === -1) return;
  const { id } = dataset.clips[changed]!;
  throw resumeChanged(
    path,
    `The run began with other clips: ${id} was ${before.get(id) ?? 'not there'} and would now be ${roleOf(changed)}.`,
    'Restore the split that the run began with, or start a new run in another folder.',
  );
}

/** The overlap of tested clips with those of pretraining. */
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

/** The run that `source` is, or whose checkpoint it is; null where it is neither. */
export function runOf(source: string): string | null {
  const run = isRun(source) ? source : join(dirname(source), '..');
  return isRun(run) ? run : null;
}

/**
 * What the weights of `source` (a run folder or a checkpoint in one) were trained on: the dataset of the run and, where it
 * began with weights, that of the trainings before it. Null for weights whose run is not there. Errors: `RUN_DAMAGED`.
 */
export function trainedOn(source: string): readonly Provenance[] | null {
  const run = runOf(source);
  if (run === null) return null;
  const path = join(run, RUN_FILES.dataset);
  if (!existsSync(path)) return null;
  const before = join(run, RUN_FILES.source);
  const own = readRunFile(path, provenanceSchema, SAID);
  // Earlier versions knew these two ways only.
  const named = { ...own, by: own.by ?? (taskOf(run) === 'finetune' ? FINETUNING : DEFAULT_METHOD) };
  if (!existsSync(before)) return [named];
  const { kind, given, trainedOn: sets } = readRunFile(before, SOURCE, SAID);
  if (sets !== null) return [named, ...sets];
  return kind === 'random' ? [named] : [named, fromOutside(basename(given), null)];
}

/** What weights from outside were trained on: no clip of it is known, its terms perhaps. */
export function fromOutside(name: string, terms: Provenance['terms']): Provenance {
  return { name, hash: '', by: UNKNOWN, terms, clips: [] };
}

/** `by` of a fine-tuning, and of what nobody knows. */
export const FINETUNING = 'finetuning';
export const UNKNOWN = 'unknown';

/** `source.json` of a run: where the weights came from that it began with. */
export const sourceSchema = z.object({
  kind: z.enum(['random', 'weights']),
  /** The source as given: `random`, a run folder or a file. */
  given: z.string(),
  sha256: z.string().nullable(),
  /** Of a checkpoint of this program. */
  step: z.int().nullable(),
  epoch: z.int().nullable(),
  /** The data that the weights were trained on, where it is known. */
  trainedOn: z.array(provenanceSchema).nullable(),
  /** Of weights for three channels that were folded into one: how the images of the three were normalised. */
  folded: z
    .object({
      mean: z.union([z.number(), z.array(z.number())]),
      std: z.union([z.number(), z.array(z.number())]),
    })
    .optional(),
});
export type Source = Readonly<z.infer<typeof sourceSchema>>;
const SOURCE = sourceSchema.pick({ kind: true, given: true, trainedOn: true });

/**
 * How many of the `tested` clips of `dataset` were trained on by the run of `source` and those before it; null for
 * weights whose run is not there, or that began with such weights when nothing was found. Errors: `RUN_DAMAGED`.
 */
export function overlapWith(
  source: string,
  dataset: Dataset,
  tested: (clip: number) => boolean = () => true,
): OverlapFound | null {
  const sets = trainedOn(source);
  if (sets === null) return null;
  const indices = [...dataset.clips.keys()].filter(tested);
  const clips = indices.map((index) => dataset.clips[index]!);
  const seen = new Set<number>();
  const labelled = new Set<number>();
  const meet = (clip: number, by: { readonly labelled: boolean }): void => {
    seen.add(clip);
    if (by.labelled) labelled.add(clip);
  };
  for (const trained of sets) {
    const used = trained.clips.filter(({ role }) => role === 'training');
    if (trained.hash === datasetHash(dataset)) {
      const byId = new Map(used.map((clip) => [clip.id, clip]));
      for (const [i, { id }] of clips.entries()) {
        const same = byId.get(id);
        if (same !== undefined) meet(i, same);
      }
    }
    findDuplicates(clips, used, DUPLICATE_DISTANCE, ({ a, b }) => {
      meet(a, used[b]!);
    });
  }
  if (seen.size === 0 && sets.some(({ by }) => by === UNKNOWN)) return null;
  return {
    seen: seen.size,
    labelsSeen: labelled.size,
    labelled: [...labelled].sort((a, b) => a - b).map((i) => clips[i]!.id),
  };
}

const SAID = {
  what: 'What the run was trained on',
  remedy: 'Restore that file from a backup, or move it away to go on without knowing.',
};

/** Leaks across the sides of the split `name` (−1: in none), the first five and how many more. */
export function splitLeaks(clips: readonly ClipRecord[], sides: Int32Array, name: string): readonly string[] {
  const found = leaksBetween(clips, sides);
  const leaks = found.slice(0, 5).map(({ a, b, reason, distance }) => {
    const [one, other] = [clips[a]!, clips[b]!];
    const bits = distance === null ? '' : ` (${distance} bits apart)`;
    return `split ${name}: ${one.id} and ${other.id} are on different sides and have the ${reason}${bits}`;
  });
  if (found.length > leaks.length)
    leaks.push(`split ${name}: ${found.length - leaks.length} more such pairs`);
  return leaks;
}

/** The labels of tested clips that were given in training, as a leak in words; none where there are none. */
export function labelLeaks(
  overlap: OverlapFound | null,
  said = (count: number) => `pretraining was given the labels of ${count} of the tested clips`,
): readonly string[] {
  if (overlap === null || overlap.labelsSeen === 0) return [];
  const some = overlap.labelled.slice(0, 3).join(', ');
  const more = overlap.labelled.length > 3 ? ', …' : '';
  return [`${said(overlap.labelsSeen)} (${some}${more})`];
}

/** `LEAK`: scores that would be no test of generalisation. */
export function leakError(leaks: readonly string[], folder: string, remedy = OTHER_PATIENTS): UsclError {
  const message = `These scores would be no test of generalisation: ${leaks.join('; ')}.`;
  return dataError('LEAK', message, remedy, { where: folder });
}

const OTHER_PATIENTS =
  'Test on clips of other patients: another dataset, or the test part of a split (uscl split DATASET --test 0.2 ' +
  '--name main; uscl pretrain … --set data.split=main; uscl probe or finetune … --split main). Or pretrain without labels ' +
  '(data.labelRate=0), or say --allow-leaks.';
