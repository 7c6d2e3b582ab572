/**
 * Features of a dataset as a table: what a frozen backbone makes of frames or clips, with their names, labels and patients,
 * for programs that this one does not know.
 */
import { extname } from 'node:path';
import { defined } from '../base/collect.ts';
import { usageError } from '../base/errors.ts';
import { requireFree } from '../base/files.ts';
import { RESEARCH_USE } from '../base/research-use.ts';
import { sourcesOf } from '../curation/sources.ts';
import { type Dataset, openDataset } from '../dataset/reader.ts';
import type { BackendChoice, DeviceChoice } from '../engine/core/backend.ts';
import { openBackend } from '../engine/open.ts';
import { type ClipEmbeddings, clipMeans } from '../evaluation/features/embeddings.ts';
import { overlapWith } from '../runs/provenance.ts';
import { embedClips, loadBackbone, readBackbone, type WhichCheckpoint } from '../trainer/backbone.ts';
import { type RowNames, rowsFileOf, TABLE_FORMATS, type TableFormat, writeTable } from './tables.ts';

/** How a dataset is embedded. */
export interface EmbedFileOptions {
  /** Default: the end of the file's name. */
  readonly format?: TableFormat;
  /** What a row is of. A clip's features are the mean of those of its frames. Default `frame`. */
  readonly per?: 'frame' | 'clip';
  /** Frames of each clip, uniform in time; all of a clip that has fewer. Default 8. */
  readonly framesPerClip?: number;
  /** Of a run. Default `best`. */
  readonly checkpoint?: WhichCheckpoint;
  readonly backend?: BackendChoice;
  /** Of a backend that has several: `auto` takes a GPU where there is one. Default `auto`. */
  readonly device?: DeviceChoice;
  readonly overwrite?: boolean;
  readonly onProgress?: (done: number, total: number, note?: string) => void;
  readonly onNote?: (text: string) => void;
  readonly signal?: AbortSignal;
}

/** What was written. */
export interface EmbedSummary {
  readonly out: string;
  /** Names of the rows of a NumPy matrix; null where the table has them. */
  readonly rowsFile: string | null;
  readonly format: TableFormat;
  readonly per: 'frame' | 'clip';
  readonly rows: number;
  /** Features a row. */
  readonly dim: number;
  readonly clips: number;
  /** Clips without a label. */
  readonly unlabelled: number;
  readonly weights: { readonly path: string; readonly step: number | null };
  readonly dataset: string;
  /** Clips that the weights were trained on, and those whose labels they were told; null where that is not known. */
  readonly seen: number | null;
  readonly labelsSeen: number | null;
}

/**
 * Writes the features of every clip of the dataset at `folder`, by the backbone of `source`. Errors: those of `readBackbone`,
 * `openDataset` and `embedClips`; `OUTPUT_EXISTS`, `FORMAT_UNKNOWN` for a file name that says no form; `DISK_FULL`,
 * `WRITE_FAILED`; the signal's reason when aborted.
 */
export async function embedFile(
  source: string,
  folder: string,
  out: string,
  options: EmbedFileOptions = {},
): Promise<EmbedSummary> {
  const { per = 'frame', framesPerClip = 8, overwrite = false, onProgress, signal } = options;
  const format = options.format ?? formatOf(out);
  const rowsFile = rowsFileOf(out, format);
  for (const path of [out, ...(rowsFile === null ? [] : [rowsFile])]) requireFree(path, overwrite);
  const weights = await readBackbone(source, options.checkpoint ?? 'best');
  using dataset = openDataset(folder);
  using backend = openBackend({ kind: options.backend, device: options.device, onFallback: options.onNote });
  using network = loadBackbone(backend, weights);
  const [embeddings] = await embedClips(dataset, [network.plan], weights.config.view, {
    ...{ framesPerClip, ...defined({ onProgress, signal }) },
  });
  const { name } = dataset.manifest;
  const { dim, features } = per === 'frame' ? embeddings! : ofClips(embeddings!, dataset);
  const rows = namesOf(dataset, per === 'frame' ? embeddings! : null);
  const about = { weights: weights.path, dataset: name, use: RESEARCH_USE };
  writeTable({ rows, dim, features, about }, out, format);
  const overlap = overlapWith(source, dataset);
  return {
    ...{ out, rowsFile, format, per, rows: rows.length, dim, clips: dataset.clips.length },
    unlabelled: dataset.clips.filter(({ label }) => label === null).length,
    weights: { path: weights.path, step: weights.checkpoint?.step ?? null },
    ...{ dataset: name, seen: overlap?.seen ?? null, labelsSeen: overlap?.labelsSeen ?? null },
  };
}

function formatOf(out: string): TableFormat {
  const end = extname(out).slice(1).toLowerCase();
  const format = TABLE_FORMATS.find((one) => one === end);
  if (format !== undefined) return format;
  throw usageError(
    'FORMAT_UNKNOWN',
    `The name ${out} does not say which form of table is wanted.`,
    `Let it end in ${TABLE_FORMATS.map((one) => `.${one}`).join(', ')}, or say --format.`,
    { where: out },
  );
}

function ofClips(embeddings: ClipEmbeddings, { clips }: Dataset): Pick<ClipEmbeddings, 'dim' | 'features'> {
  return { dim: embeddings.dim, features: clipMeans(embeddings, clips.length) };
}

/** Names of the rows of frames, or of all clips. */
function namesOf(dataset: Dataset, frames: ClipEmbeddings | null): readonly RowNames[] {
  const { names, of } = sourcesOf(dataset);
  const row = (clip: number, frame: number | null): RowNames => {
    const { id, group, label } = dataset.clips[clip]!;
    return { clip: id, frame, group, label, source: names[of[clip]!]! };
  };
  return frames === null
    ? dataset.clips.map((_, clip) => row(clip, null))
    : Array.from(frames.clip, (clip, i) => row(clip, frames.frame![i]!));
}
