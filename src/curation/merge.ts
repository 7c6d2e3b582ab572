/**
 * Merges several datasets into one, for pretraining on all of them. Frames and masks are copied byte for byte,
 * unless channels are converted. Ids, groups and sources begin with the name of their dataset, so that clips and
 * groups of two datasets never meet by chance. Licences and citations are kept side by side.
 */
import { existsSync, realpathSync } from 'node:fs';
import { groupBy } from '../base/collect.ts';
import { usageError, type UsclError } from '../base/errors.ts';
import { Resources } from '../base/resources.ts';
import { withChannels } from '../dataset/channels.ts';
import { DUPLICATE_DISTANCE, findDuplicates } from './duplicates.ts';
import { openDataset, type Dataset } from '../dataset/reader.ts';
import { splitNames } from './splits.ts';
import { frameBytes, type ClipDraft, type ClipRecord, type Manifest } from '../dataset/types.ts';
import { createDataset } from './create-dataset.ts';

/** Which datasets are put together, and how. */
export interface MergeOptions {
  /** Folders of at least two datasets; clips follow one another in this order. */
  readonly datasets: readonly string[];
  readonly out: string;
  /** Name of the merged dataset; default: the names joined by `+`. */
  readonly name?: string | undefined;
  /** Prefixes of ids, groups and sources, one for each dataset; default: the names of the datasets. */
  readonly prefixes?: readonly string[] | undefined;
  /** Stored channels. Needed where the datasets differ: 1 takes the luma of colour, 3 repeats grey. */
  readonly channels?: 1 | 3 | undefined;
  /** Leave all labels out. Default: labels stay, the classes are the union in order. */
  readonly unlabelled?: boolean | undefined;
  /** Labels get the prefix too, for classes of one name that mean different things. Default false. */
  readonly separateClasses?: boolean | undefined;
  /** Groups keep their names: the same name is the same patient in every dataset. Default false. */
  readonly keepGroups?: boolean | undefined;
  readonly overwrite?: boolean | undefined;
  readonly onProgress?: ((done: number, total: number, note?: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The part of one dataset in the merge. */
export interface MergedPart {
  readonly folder: string;
  readonly prefix: string;
  readonly clips: number;
  readonly frames: number;
  /** Whether its frames had other channels than the merged dataset. */
  readonly converted: boolean;
  /** Its splits, which are not taken over: they say nothing of the other clips. */
  readonly splits: readonly string[];
}

/** What a merged dataset is made of. */
export interface MergeSummary {
  readonly folder: string;
  readonly manifest: Manifest;
  readonly parts: readonly MergedPart[];
  /** Clips of each class, in the order of the manifest's classes. */
  readonly classes: Readonly<Record<string, number>>;
  readonly unlabelled: number;
  readonly groups: number;
  /** Classes that several datasets have and that became one. */
  readonly sharedClasses: readonly string[];
  /** Groups that several datasets have, with `keepGroups`. */
  readonly sharedGroups: readonly string[];
  /** Lengths of the shorter side, where the datasets differ in it. */
  readonly sizes: readonly number[];
  /** Pairs of clips of different datasets and groups that show the same, and the first of them. */
  readonly alike: { readonly count: number; readonly pairs: readonly (readonly [string, string])[] };
}

/** Pairs named one by one; of more, `uscl audit` tells. */
const MAX_NAMED = 1000;

interface Part {
  readonly dataset: Dataset;
  readonly prefix: string;
}

/**
 * Merges datasets into a new one at `out`. The folder appears whole at the end or not at all.
 * Errors: `MERGE_FEW`, `MERGE_TWICE`, `MERGE_PREFIX`, `MERGE_CHANNELS`, `MERGE_INTO_ITSELF`; those of `openDataset`, of
 * reading frames and of `createDataset`; the signal's reason when aborted.
 */
export async function mergeDatasets(options: MergeOptions): Promise<MergeSummary> {
  const { datasets: folders, out, signal } = options;
  if (folders.length < 2)
    throw usageError(
      'MERGE_FEW',
      `There is nothing to merge: ${folders.length} dataset was given.`,
      'Give two datasets or more.',
    );
  using open = new Resources();
  const datasets = folders.map((folder) => open.use(openDataset(folder)));
  const parts = withPrefixes(datasets, options.prefixes);
  requireOtherFolder(out, datasets);
  const channels = channelsOf(datasets, options.channels);
  const structures = structuresOf(parts);
  const start = {
    name: options.name ?? parts.map(({ prefix }) => prefix).join('+'),
    licence: sideBySide(parts, ({ licence }) => licence, 'not stated'),
    citation: sideBySide(parts, ({ citation }) => citation, null),
    homepage: sideBySide(parts, ({ homepage }) => homepage, null),
    classes: classesOf(parts, options),
    ...(structures.names.length === 0 ? {} : { structures: [...structures.names] }),
    channels,
    size: Math.max(...datasets.map(({ manifest }) => manifest.size)),
    made: {
      command: 'merge',
      unlabelled: options.unlabelled ?? false,
      separateClasses: options.separateClasses ?? false,
      keepGroups: options.keepGroups ?? false,
      of: parts.map(({ dataset: { manifest }, prefix }) => ({
        prefix,
        name: manifest.name,
        channels: manifest.channels,
        size: manifest.size,
        clips: manifest.clips,
        made: manifest.made,
      })),
    },
  };
  using writer = createDataset(out, start, { overwrite: options.overwrite ?? false });
  const total = datasets.reduce((sum, { clips }) => sum + clips.length, 0);
  const merged: { readonly record: ClipRecord; readonly part: number }[] = [];
  for (const [number, part] of parts.entries()) {
    const { dataset, prefix } = part;
    for (const clip of dataset.clips) {
      signal?.throwIfAborted();
      const masks = clip.mask === null ? undefined : () => masksOf(dataset, clip, structures.before[number]!);
      const frames = framesOf(dataset, clip, channels);
      const record = await writer.addClip(draftOf(clip, part, options), frames, { masks });
      merged.push({ record, part: number });
      options.onProgress?.(merged.length, total, record.id);
    }
    for (const { source, reason } of dataset.manifest.rejected) writer.reject(`${prefix}/${source}`, reason);
  }
  const manifest = writer.finish();
  return { folder: out, manifest, ...summarise(parts, merged, manifest) };
}

function draftOf(clip: ClipRecord, { prefix }: Part, options: MergeOptions): ClipDraft {
  const { id, group, label, source } = clip;
  return {
    ...clip,
    id: `${prefix}/${id}`,
    group: options.keepGroups === true ? group : `${prefix}/${group}`,
    label: label === null ? null : labelOf(label, prefix, options),
    source: `${prefix}/${source}`,
  };
}

function labelOf(label: string, prefix: string, options: MergeOptions): string | null {
  if (options.unlabelled === true) return null;
  return options.separateClasses === true ? `${prefix}/${label}` : label;
}

function classesOf(parts: readonly Part[], options: MergeOptions): string[] {
  const all = parts.flatMap(({ dataset, prefix }) =>
    dataset.manifest.classes.flatMap((label) => labelOf(label, prefix, options) ?? []),
  );
  return [...new Set(all)];
}

/** The frames of a clip as a dataset of `channels` stores them. */
export function* framesOf(dataset: Dataset, clip: ClipRecord, channels: 1 | 3): Generator<Uint8Array> {
  const stored = dataset.manifest.channels;
  const buffer = new Uint8Array(frameBytes(clip, stored));
  for (let frame = 0; frame < clip.frames; frame++)
    yield withChannels(dataset.readFrame(clip, frame, buffer), stored, channels);
}

/**
 * Names of the structures in the masks, and how many of them come before those of each part. Parts may mean different
 * things by one name, so they keep their own, under their prefix. No names where no part has any.
 */
function structuresOf(parts: readonly Part[]): {
  readonly names: readonly string[];
  readonly before: readonly number[];
} {
  const named = parts.map(({ dataset: { manifest, clips }, prefix }) =>
    clips.every(({ mask }) => mask === null)
      ? []
      : (manifest.structures ?? ['inside']).map((name) => `${prefix}/${name}`),
  );
  if (parts.every(({ dataset }) => dataset.manifest.structures === undefined))
    return { names: [], before: parts.map(() => 0) };
  return {
    names: named.flat(),
    before: named.map((_, part) => named.slice(0, part).reduce((sum, { length }) => sum + length, 0)),
  };
}

/** The masks of a clip, its structures numbered after `before` others. */
export function masksOf(dataset: Dataset, clip: ClipRecord, before: number): Uint8Array {
  const length = frameBytes(clip, 1);
  const masks = new Uint8Array(clip.frames * length);
  for (let frame = 0; frame < clip.frames; frame++)
    dataset.readMask(clip, frame, masks.subarray(frame * length, (frame + 1) * length));
  return before === 0 ? masks : masks.map((value) => (value === 0 ? 0 : before + value));
}

/** `pocus: CC BY; busi: not stated`; null where nobody says anything. */
function sideBySide(
  parts: readonly Part[],
  textOf: (manifest: Manifest) => string | null,
  absent: string | null,
): string | null {
  if (parts.every(({ dataset }) => textOf(dataset.manifest) === null)) return null;
  const texts = parts.flatMap(({ dataset, prefix }) => {
    const text = textOf(dataset.manifest) ?? absent;
    return text === null ? [] : [`${prefix}: ${text}`];
  });
  return texts.join('; ');
}

function summarise(
  parts: readonly Part[],
  merged: readonly { readonly record: ClipRecord; readonly part: number }[],
  manifest: Manifest,
): Omit<MergeSummary, 'folder' | 'manifest'> {
  const sizes = [...new Set(parts.map(({ dataset }) => dataset.manifest.size))];
  const pairs: (readonly [string, string])[] = [];
  let count = 0;
  const records = merged.map(({ record }) => record);
  findDuplicates(records, null, DUPLICATE_DISTANCE, ({ a, b }) => {
    const [one, other] = [merged[a]!, merged[b]!];
    if (one.part === other.part || one.record.group === other.record.group) return;
    count++;
    if (pairs.length < MAX_NAMED) pairs.push([one.record.id, other.record.id]);
  });
  return {
    parts: parts.map(({ dataset, prefix }) => ({
      folder: dataset.folder,
      prefix,
      clips: dataset.clips.length,
      frames: dataset.manifest.frames,
      converted: dataset.manifest.channels !== manifest.channels,
      splits: splitNames(dataset.folder),
    })),
    classes: Object.fromEntries(
      manifest.classes.map((name) => [name, records.filter(({ label }) => label === name).length]),
    ),
    unlabelled: records.filter(({ label }) => label === null).length,
    groups: new Set(records.map(({ group }) => group)).size,
    sharedClasses: manifest.classes.filter(
      (name) => parts.filter(({ dataset }) => dataset.manifest.classes.includes(name)).length > 1,
    ),
    sharedGroups: [...groupBy(merged, ({ record }) => record.group)].flatMap(([group, clips]) =>
      clips.some(({ part }) => part !== clips[0]!.part) ? [group] : [],
    ),
    sizes: sizes.length > 1 ? sizes : [],
    alike: { count, pairs },
  };
}

function withPrefixes(datasets: readonly Dataset[], given: readonly string[] | undefined): readonly Part[] {
  const real = datasets.map(({ folder }) => realpathSync(folder));
  const twice = real.findIndex((folder, i) => real.indexOf(folder) !== i);
  if (twice !== -1)
    throw usageError(
      'MERGE_TWICE',
      `The dataset ${datasets[twice]!.folder} was given twice.`,
      'Give every dataset once.',
      { where: datasets[twice]!.folder },
    );
  if (given !== undefined && given.length !== datasets.length)
    throw prefixError(`There are ${given.length} prefixes for ${datasets.length} datasets.`);
  const prefixes = given ?? datasets.map(({ manifest }) => manifest.name);
  const empty = prefixes.findIndex((prefix) => prefix.trim() === '');
  if (empty !== -1) throw prefixError(`The prefix of ${datasets[empty]!.folder} is empty.`);
  const same = prefixes.findIndex((prefix, i) => prefixes.indexOf(prefix) !== i);
  if (same !== -1) {
    const first = datasets[prefixes.indexOf(prefixes[same]!)]!.folder;
    throw prefixError(
      `Ids of ${first} and ${datasets[same]!.folder} would both begin with "${prefixes[same]!}".`,
    );
  }
  return datasets.map((dataset, i) => ({ dataset, prefix: prefixes[i]! }));
}

function prefixError(message: string): UsclError {
  return usageError(
    'MERGE_PREFIX',
    message,
    'Give one name a dataset, all different, such as --prefixes first,second.',
    { where: '--prefixes' },
  );
}

function channelsOf(datasets: readonly Dataset[], wanted: 1 | 3 | undefined): 1 | 3 {
  const { channels } = datasets[0]!.manifest;
  if (wanted !== undefined) return wanted;
  const other = datasets.find(({ manifest }) => manifest.channels !== channels);
  if (other === undefined) return channels;
  throw usageError(
    'MERGE_CHANNELS',
    `${datasets[0]!.folder} has ${channels} channel${channels === 1 ? '' : 's'} and ${other.folder} has ${other.manifest.channels}.`,
    'Say --channels 1 to make colour grey, or --channels 3 to repeat grey three times.',
    { where: other.folder },
  );
}

/** The output must be none of the inputs: replacing what is being read is never what was meant. */
function requireOtherFolder(out: string, datasets: readonly Dataset[]): void {
  const target = existsSync(out) ? realpathSync(out) : null;
  const input = datasets.find(({ folder }) => realpathSync(folder) === target);
  if (input === undefined) return;
  throw usageError(
    'MERGE_INTO_ITSELF',
    `${out} is one of the datasets to merge.`,
    'Choose another output folder.',
    { where: out },
  );
}
