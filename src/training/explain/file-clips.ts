/**
 * Clips straight from files, for explaining what is in no dataset: read as an ingest reads them, under the same rules of
 * what may name a patient, into a dataset that lives as long as it is needed, in the folder where the pictures go.
 */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { UsclError } from '../../base/errors.ts';
import { guardWrites } from '../../base/files.ts';
import { type Dataset, openDataset } from '../../dataset/reader.ts';
import { createDataset } from '../../dataset/writer.ts';
import { DEFAULT_SIZE } from '../../ingest/options.ts';
import { type ReadOptions } from '../../ingest/options.ts';
import { readSources } from '../../ingest/reading.ts';

export type FileOptions = Pick<
  ReadOptions,
  'fps' | 'size' | 'crop' | 'fields' | 'allowUnmasked' | 'keyFile' | 'signal'
>;

/** A dataset that is removed from the disk when it is disposed of. */
export interface PassingDataset extends Disposable {
  readonly dataset: Dataset;
}

/** Hidden, and cleared by whoever comes next. */
const SCRATCH = '.clips.tmp';

/**
 * Reads the clips of `files`. What cannot be read is told of with its reason and the rest goes on. Errors: those of
 * `readSources` and `createDataset`, `FILES_UNREADABLE` where nothing is left.
 */
export async function clipsOfFiles(
  files: readonly string[],
  folder: string,
  options: FileOptions & {
    readonly channels: 1 | 3;
    readonly onProgress?: ((done: number, total: number, note?: string) => void) | undefined;
    readonly onNote?: ((text: string) => void) | undefined;
  },
): Promise<PassingDataset> {
  const { onProgress, onNote, ...reading } = options;
  const scratch = join(folder, SCRATCH);
  const remove = (): void => {
    rmSync(scratch, { recursive: true, force: true });
  };
  guardWrites(folder, () => {
    // What a killed process left there.
    remove();
    mkdirSync(scratch, { recursive: true });
  });
  try {
    const path = join(scratch, 'clips');
    using writer = createDataset(path, {
      ...{
        name: 'files',
        licence: null,
        citation: null,
        homepage: null,
        classes: [],
        channels: options.channels,
      },
      ...{ size: options.size ?? DEFAULT_SIZE, made: { command: 'explain' } },
    });
    let taken = 0;
    let reason = '';
    await readSources(files, reading, {
      clip: async (_found, decoding) => {
        await writer.addClip(() => ({ ...decoding.draft(), label: null }), decoding.frames);
        taken += 1;
      },
      refused: (one) => {
        // A reason may be a sentence already.
        const cause = one.reason.replace(/\.$/, '');
        reason ||= cause;
        onNote?.(`${one.path} was not read: ${cause}. ${one.remedy}`);
      },
      progress: (done, total, name) => onProgress?.(done, total, name),
    });
    if (taken === 0)
      throw new UsclError({
        kind: 'data',
        code: 'FILES_UNREADABLE',
        message: `Not one clip could be read: ${reason}.`,
        where: files[0] ?? '',
        remedy: 'Give videos, pictures, DICOM files, or datasets.',
      });
    writer.finish();
    const dataset = openDataset(path);
    return {
      dataset,
      [Symbol.dispose]() {
        dataset[Symbol.dispose]();
        remove();
      },
    };
  } catch (thrown) {
    remove();
    throw thrown;
  }
}
