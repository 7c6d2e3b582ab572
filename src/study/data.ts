/**
 * The data of a study: the sets that are learnt from and the targets, found by name in one folder, with what they share.
 * A target whose clips are learnt from unsaid, and labels of a target that a recipe reads, are found before the first
 * step.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { usageError } from '../base/errors.ts';
import { DUPLICATE_DISTANCE, findDuplicates } from '../curation/duplicates.ts';
import { writePart } from '../curation/part.ts';
import { sourcesOf } from '../curation/sources.ts';
import { type Dataset, openDataset } from '../dataset/reader.ts';
import { FILES } from '../dataset/types.ts';
import { datasetHash } from '../runs/run-folder.ts';
import type { Claims } from './claims.ts';
import { setsOf } from './grid.ts';
import type { Study, StudyTarget } from './study-file.ts';

/** A dataset of the study. */
export interface StudyData {
  readonly folder: string;
  readonly hash: string;
  readonly clips: number;
  readonly groups: number;
  /** Datasets it was merged from. */
  readonly sources: readonly string[];
  readonly licence: string | null;
  readonly citation: string | null;
}

/** What a target shares with a set. */
export interface Shared {
  /** Clips of the target that are learnt from, and those of them whose label can be read. */
  readonly seen: number;
  readonly labelled: number;
}

export interface OpenData {
  readonly sets: ReadonlyMap<string, StudyData>;
  readonly targets: ReadonlyMap<string, StudyData>;
  /** By target, then set. */
  readonly shared: ReadonlyMap<string, ReadonlyMap<string, Shared>>;
}

/** Where the data are, and where and by whom parts of them are written. */
export interface DataPlaces {
  readonly data: string;
  readonly work: string;
  readonly claims: Claims;
  readonly signal?: AbortSignal;
}

/**
 * Finds all data of a study in the folder `data`; parts of targets are written below `work`. Errors: `STUDY_DATA`,
 * `STUDY_LEAK`, those of `openDataset` and `writePart`.
 */
export async function openData(study: Study, places: DataPlaces): Promise<OpenData> {
  const { data } = places;
  const sets = new Map(setsOf(study).map((name) => [name, described(located(study, data, name))]));
  const targets = new Map<string, StudyData>();
  for (const target of study.targets)
    targets.set(target.name, described(await targetFolder(study, target, places)));
  const shared = new Map(
    study.targets.map((target) => [
      target.name,
      new Map(
        [...sets].map(([set, { folder }]) => {
          const found = sharedClips(targets.get(target.name)!.folder, folder);
          if (found.seen > 0 && !target.inPool) throw leak(study, target, set, found);
          return [set, found];
        }),
      ),
    ]),
  );
  return { sets, targets, shared };
}

function located({ path }: Study, data: string, name: string): string {
  const folder = join(data, name);
  if (existsSync(join(folder, FILES.manifest))) return folder;
  throw usageError(
    'STUDY_DATA',
    `There is no dataset ${name} in ${data}, which ${path} asks for.`,
    `Ingest it to ${folder} (uscl ingest, uscl merge), or give the folder that holds it with --data.`,
    { where: folder },
  );
}

/** The folder of a target; of a part, one that is written once, by one of the processes that work on the study. */
async function targetFolder(
  study: Study,
  { name, data: source, groups }: StudyTarget,
  { data, work, claims, signal }: DataPlaces,
): Promise<string> {
  const whole = located(study, data, source);
  if (groups === undefined) return whole;
  using dataset = openDataset(whole);
  const { of, part } = groups;
  // Its content is in its name: a new ingest gives a new folder.
  const hash = datasetHash(dataset).slice(0, 12);
  const folder = join(work, 'targets', `${name}-${part}-of-${of}-${hash}`);
  const isWritten = (): boolean => existsSync(join(folder, FILES.manifest));
  while (!isWritten()) {
    signal?.throwIfAborted();
    using claim = claims.take(`target.${name}`);
    if (claim === null) await claims.pause(signal);
    // Another process may have written it since.
    else if (!isWritten()) await writePart(whole, folder, groups, signal === undefined ? {} : { signal });
  }
  return folder;
}

function described(folder: string): StudyData {
  using dataset = openDataset(folder);
  const { clips, manifest } = dataset;
  return {
    folder,
    hash: datasetHash(dataset),
    clips: clips.length,
    groups: new Set(clips.map(({ group }) => group)).size,
    sources: isMerged(dataset) ? sourcesOf(dataset).names : [manifest.name],
    licence: manifest.licence,
    citation: manifest.citation,
  };
}

function isMerged({ manifest }: Dataset): boolean {
  return manifest.made['command'] === 'merge';
}

/** Clips that two datasets share, by their pictures. */
function sharedClips(target: string, set: string): Shared {
  using tested = openDataset(target);
  using learnt = openDataset(set);
  const seen = new Set<number>();
  const labelled = new Set<number>();
  findDuplicates(tested.clips, learnt.clips, DUPLICATE_DISTANCE, ({ a, b }) => {
    seen.add(a);
    if (learnt.clips[b]!.label !== null) labelled.add(a);
  });
  return { seen: seen.size, labelled: labelled.size };
}

function leak({ path }: Study, { name }: StudyTarget, set: string, { seen }: Shared): Error {
  return usageError(
    'STUDY_LEAK',
    `The target ${name} leaks: ${seen} of its clips are in ${set}, which is learnt from.`,
    `Take them out of ${set}, choose another target, or write inPool: true at the target: the report then says it.`,
    { where: `${path}, targets, ${name}` },
  );
}
