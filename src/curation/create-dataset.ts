/**
 * Starts a dataset, and decides about the splits of a dataset that it replaces. A split is kept if it still names
 * exactly the clips of the new dataset, in the same groups. Any other split is dropped, because it could leak.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { told } from '../base/collect.ts';
import { UsclError } from '../base/errors.ts';
import { openDataset } from '../dataset/reader.ts';
import { readSplit, splitNames, writeSplit } from './splits.ts';
import { type ClipRecord, SPLITS } from '../dataset/types.ts';
import {
  type CarriedSplits,
  type DatasetOptions,
  type DatasetStart,
  DatasetWriter,
} from '../dataset/writer.ts';

/**
 * Starts a dataset at `folder`; splits of one that it replaces go over where they still fit. Errors: `DATASET_EXISTS`
 * (unless `overwrite`), `OUTPUT_NOT_OURS` (always, for a file or a folder with anything in it that is no dataset),
 * `WRITE_FAILED`, `DISK_FULL`.
 */
export function createDataset(
  folder: string,
  start: DatasetStart,
  options: DatasetOptions = {},
): DatasetWriter {
  return new DatasetWriter(folder, start, options, carrySplits);
}

/** Writes the splits of the dataset at `from` that fit `clips` into the folder `to`, and none else. */
function carrySplits(
  from: string,
  to: string,
  clips: readonly Pick<ClipRecord, 'id' | 'group'>[],
): CarriedSplits {
  // A killed writer may have got as far as this.
  rmSync(join(to, SPLITS), { recursive: true, force: true });
  const names = splitNames(from);
  const carried = names.length === 0 ? [] : fittingSplits(from, to, names, clips);
  return { carried, dropped: names.filter((name) => !carried.includes(name)) };
}

/** One sentence for each thing that happened. */
export function carryNotes({ carried, dropped }: CarriedSplits): readonly string[] {
  const list = (names: readonly string[]): string =>
    `${names.length === 1 ? 'The split' : 'The splits'} ${names.join(', ')}`;
  const was = (names: readonly string[]): string => (names.length === 1 ? 'was' : 'were');
  const them = dropped.length === 1 ? 'it' : 'them';
  return told([
    carried.length > 0 && `${list(carried)} ${was(carried)} kept: clips and groups are what they were.`,
    dropped.length > 0 &&
      `${list(dropped)} ${was(dropped)} dropped: clips or groups have changed; make ${them} again with uscl split.`,
  ]);
}

function fittingSplits(
  from: string,
  to: string,
  names: readonly string[],
  clips: readonly Pick<ClipRecord, 'id' | 'group'>[],
): readonly string[] {
  return unlessDamaged([], () => {
    using dataset = openDataset(from);
    const groupOf = new Map(dataset.clips.map(({ id, group }) => [id, group]));
    if (groupOf.size !== clips.length || clips.some(({ id, group }) => groupOf.get(id) !== group)) return [];
    return names.filter((name) => {
      const split = unlessDamaged(null, () => readSplit(dataset, name));
      // A file that was renamed says another name than its own.
      if (split?.name !== name) return false;
      writeSplit(to, split);
      return true;
    });
  });
}

/** A dataset or a split that cannot be read has nothing to carry over. */
function unlessDamaged<T>(otherwise: T, action: () => T): T {
  try {
    return action();
  } catch (thrown) {
    if (thrown instanceof UsclError && thrown.kind !== 'resource') return otherwise;
    throw thrown;
  }
}
