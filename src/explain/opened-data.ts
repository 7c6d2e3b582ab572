/**
 * What is explained, opened: the network (a fine-tuned one with its classes, or a pretrained backbone without any) and
 * its clips: datasets as they are, or files as a dataset for the time being. Files are read as an ingest reads them, under
 * the same rules of what may name a patient, into the folder where the pictures go.
 */
import { existsSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { defined } from '../base/collect.ts';
import { dataError, usageError } from '../base/errors.ts';
import { guardWrites } from '../base/files.ts';
import { Resources } from '../base/resources.ts';
import { type Dataset, openDataset } from '../dataset/reader.ts';
import { FILES } from '../dataset/types.ts';
import { createDataset } from '../curation/create-dataset.ts';
import { DEFAULT_SIZE, type ReadOptions } from '../ingest/options.ts';
import { readSources } from '../ingest/reading.ts';
import { basename, join } from 'node:path';
import type { Backend, Parameters } from '../engine/core/backend.ts';
import type { Network } from '../engine/core/network.ts';
import { readSafetensorsHeader } from '../formats/safetensors.ts';
import type { ViewConfig } from '../views/config.ts';
import { isForeign } from '../trainer/foreign-weights.ts';
import { readBackbone, type WhichCheckpoint } from '../trainer/backbone.ts';
import { CHECKPOINTS } from '../runs/checkpoint.ts';
import { restoreWeights } from '../runs/named-tensors.ts';
import { openModel } from '../trainer/classifier.ts';
import type { Ingested } from '../runs/ingested.ts';
import { backboneOf } from '../models/backbone.ts';
import { fileHash, RUN_FILES } from '../runs/run-folder.ts';

/** How files that are no dataset are read, as for an ingest. */
export type FileOptions = Pick<
  ReadOptions,
  'fps' | 'size' | 'crop' | 'fields' | 'allowUnmasked' | 'keyFile' | 'signal'
>;

/** Datasets that are closed, and where they were made of files removed from the disk, when this is disposed of. */
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

/** Errors: `DATA_NONE`, `DATA_MIXED`, those of `openDataset` and of reading files. */
export async function openData(
  data: readonly string[],
  subject: Subject,
  folder: string,
  options: OpenDataOptions,
): Promise<OpenedData> {
  if (data.length === 0)
    throw usageError(
      'DATA_NONE',
      'There is nothing to explain.',
      'Give datasets, or files and folders of clips.',
    );
  const isDataset = (path: string): boolean => existsSync(join(path, FILES.manifest));
  const folders = data.filter(isDataset);
  if (folders.length === data.length) return openAll(folders);
  if (folders.length > 0)
    throw usageError(
      'DATA_MIXED',
      `${folders[0] ?? ''} is a dataset and ${data.find((path) => !isDataset(path)) ?? ''} is not.`,
      'Give datasets, or files and folders of clips, in one command.',
    );
  return await clipsOfFiles(data, folder, subject, options);
}

function openAll(folders: readonly string[]): OpenedData {
  using opening = new Resources();
  const datasets = folders.map((path) => opening.use(openDataset(path)));
  return openedData(datasets, opening.move());
}

function openedData(datasets: readonly Dataset[], open: Resources): OpenedData {
  return {
    datasets,
    [Symbol.dispose]() {
      open[Symbol.dispose]();
    },
  };
}

/** Hidden, and cleared by whoever comes next. */
const SCRATCH = '.clips.tmp';

/**
 * Reads the clips of `files`. What cannot be read is told of with its reason and the rest goes on. Errors: those of
 * `readSources` and `createDataset`, `FILES_UNREADABLE` where nothing is left.
 */
async function clipsOfFiles(
  files: readonly string[],
  folder: string,
  { view, ingested }: Subject,
  { files: asked, onProgress, onNote, signal }: OpenDataOptions,
): Promise<OpenedData> {
  const reading = { channels: view.channels, ...ingested, ...asked, ...defined({ signal }) };
  const scratch = join(folder, SCRATCH);
  const remove = (): void => {
    rmSync(scratch, { recursive: true, force: true });
  };
  guardWrites(folder, () => {
    // What a killed process left there.
    remove();
    mkdirSync(scratch, { recursive: true });
  });
  using opening = new Resources();
  opening.defer(remove);
  const path = join(scratch, 'clips');
  using writer = createDataset(path, {
    ...{ name: 'files', licence: null, citation: null, homepage: null, classes: [] },
    ...{ channels: reading.channels, size: reading.size ?? DEFAULT_SIZE, made: { command: 'explain' } },
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
    progress: (done, total, name) => onProgress?.(done, total, `reading: ${name}`),
  });
  if (taken === 0)
    throw dataError(
      'FILES_UNREADABLE',
      `Not one clip could be read: ${reason}.`,
      'Give videos, pictures, DICOM files, or datasets.',
      { where: files[0] ?? '' },
    );
  writer.finish();
  const dataset = opening.use(openDataset(path));
  return openedData([dataset], opening.move());
}

/** What is needed of a view to take a whole frame. */
export type WholeView = Pick<ViewConfig, 'size' | 'channels' | 'normalise'>;

/** Owns native memory: dispose of it (the backend is the caller's). */
export interface Subject extends Disposable {
  readonly network: Network;
  readonly parameters: Parameters;
  readonly view: WholeView;
  /** Null for a backbone that was not fine-tuned. */
  readonly classes: readonly string[] | null;
  /** How the clips were stored that it learned its classes from; null where nobody said. */
  readonly ingested: Ingested | null;
  readonly weights: {
    readonly file: string;
    readonly sha256: string;
    readonly step: number | null;
    readonly epoch: number | null;
  };
}

/**
 * Opens a run folder (of pretraining or fine-tuning), a checkpoint, or a safetensors or PyTorch file of a ResNet. Errors: those of
 * `openModel` and `readBackbone`.
 */
export async function openSubject(
  source: string,
  backend: Backend,
  which: WhichCheckpoint = 'best',
): Promise<Subject> {
  if (isFineTuned(source)) {
    const model = openModel(source, backend, { batch: 1 });
    const { network, parameters, view, classes, checkpoint } = model;
    return {
      ...{ network, parameters, view, classes, ingested: checkpoint.classifier?.ingest ?? null },
      weights: { ...fileOf(model.path), step: checkpoint.step, epoch: checkpoint.epoch },
      [Symbol.dispose]() {
        model[Symbol.dispose]();
      },
    };
  }
  const { path, config, checkpoint, weights } = await readBackbone(source, which);
  const network = backboneOf(config);
  const parameters = backend.createParameters(network);
  try {
    restoreWeights(weights, parameters, path);
  } catch (thrown) {
    parameters[Symbol.dispose]();
    throw thrown;
  }
  return {
    ...{ network, parameters, view: config.view, classes: null, ingested: null },
    weights: { ...fileOf(path), step: checkpoint?.step ?? null, epoch: checkpoint?.epoch ?? null },
    [Symbol.dispose]() {
      parameters[Symbol.dispose]();
    },
  };
}

/** Whether the weights carry classes. */
function isFineTuned(source: string): boolean {
  const isFile = statSync(source, { throwIfNoEntry: false })?.isFile() === true;
  const path = isFile ? source : join(source, RUN_FILES.checkpoints, CHECKPOINTS.best);
  // A file of another tool carries none that are known here.
  if (!existsSync(path) || isForeign(path)) return false;
  return readSafetensorsHeader(path).metadata['classifier'] !== undefined;
}

function fileOf(path: string): { readonly file: string; readonly sha256: string } {
  return { file: basename(path), sha256: fileHash(path) };
}
