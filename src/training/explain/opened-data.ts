/** What is explained, opened: datasets as they are, or files as a dataset for the time being. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { UsclError } from '../../base/errors.ts';
import { type Dataset, openDataset } from '../../dataset/reader.ts';
import { FILES } from '../../dataset/types.ts';
import { clipsOfFiles, type FileOptions } from './file-clips.ts';
import type { Subject } from './subject.ts';

export interface OpenedData extends Disposable {
  readonly datasets: readonly Dataset[];
}

export interface OpenDataOptions {
  /** How files are read; by default as what the network learned from. */
  readonly files?: FileOptions;
  readonly onProgress?: (done: number, total: number, note?: string) => void;
  readonly onNote?: (text: string) => void;
  readonly signal?: AbortSignal;
}

/** Errors: `DATA_NONE`, `DATA_MIXED`, those of `openDataset` and `clipsOfFiles`. */
export async function openData(
  data: readonly string[],
  { view, ingested }: Subject,
  folder: string,
  { files, onProgress, onNote, signal }: OpenDataOptions,
): Promise<OpenedData> {
  if (data.length === 0)
    throw new UsclError({
      kind: 'usage',
      code: 'DATA_NONE',
      message: 'There is nothing to explain.',
      remedy: 'Give datasets, or files and folders of clips.',
    });
  const isDataset = (path: string): boolean => existsSync(join(path, FILES.manifest));
  const folders = data.filter(isDataset);
  if (folders.length === data.length) return openAll(folders);
  if (folders.length > 0)
    throw new UsclError({
      kind: 'usage',
      code: 'DATA_MIXED',
      message: `${folders[0] ?? ''} is a dataset and ${data.find((path) => !isDataset(path)) ?? ''} is not.`,
      remedy: 'Give datasets, or files and folders of clips, in one command.',
    });
  const passing = await clipsOfFiles(data, folder, {
    ...(ingested ?? { channels: view.channels }),
    ...files,
    ...(signal === undefined ? {} : { signal }),
    onNote,
    onProgress: (done, total, note) => onProgress?.(done, total, `reading: ${note ?? ''}`),
  });
  return {
    datasets: [passing.dataset],
    [Symbol.dispose]() {
      passing[Symbol.dispose]();
    },
  };
}

function openAll(folders: readonly string[]): OpenedData {
  const datasets: Dataset[] = [];
  const close = (): void => {
    for (const dataset of datasets) dataset[Symbol.dispose]();
  };
  try {
    for (const path of folders) datasets.push(openDataset(path));
  } catch (thrown) {
    close();
    throw thrown;
  }
  return { datasets, [Symbol.dispose]: close };
}
