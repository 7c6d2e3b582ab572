/**
 * Frozen features of a dataset's frames. A few frames of each clip, uniform in time, go through a backbone; what
 * comes back is one matrix with the clip and frame of each row. How a frame becomes a network's input is the
 * caller's (`fillView`), and so is the network (`embedder`): nothing here knows of either.
 */
import { setImmediate } from 'node:timers/promises';
import { dataError, usageError, UsclError } from '../../base/errors.ts';
import type { ClipRecord } from '../../dataset/types.ts';
import { uniformFrames } from './uniform-frames.ts';

/** Rows of features and where each comes from. */
export interface ClipEmbeddings {
  readonly dim: number;
  /** [rows, dim], row-major. */
  readonly features: Float32Array;
  /** Index of each row's clip in the dataset's `clips`. */
  readonly clip: Int32Array;
  /** Frame number of each row within its clip; absent where features did not come from frames. */
  readonly frame?: Int32Array;
}

/** A network that turns images into feature vectors, `batch` at a time. */
export interface Embedder {
  readonly batch: number;
  readonly dim: number;
  /** `[batch, channels, size, size]`: images are written here. */
  readonly input: Float32Array;
  /** Features [count, dim] of the first `count` images; valid until the next call. */
  embed(images: Float32Array, count: number): Float32Array;
}

/** The part of a dataset that embedding reads. */
export interface EmbeddingSource {
  readonly clips: readonly ClipRecord[];
  /** [height, width, channels] 8-bit. */
  readFrame(clip: ClipRecord, frame: number, target?: Uint8Array): Uint8Array;
}

/** Which frames are embedded, and how they become inputs. */
export interface EmbedOptions {
  /** Frames taken of each clip; all of a clip that has fewer. Default 8. */
  readonly framesPerClip?: number;
  /** Writes one frame as the network's input ([channels, size, size]) into `target` from `offset`. */
  readonly fillView: (frame: Uint8Array, clip: ClipRecord, target: Float32Array, offset: number) => void;
  /** Called after each batch with frames done and in all. */
  readonly onProgress?: (done: number, total: number, note?: string) => void;
  readonly signal?: AbortSignal;
}

/** The frames that are embedded: row by row, in the order of clips, then of time. */
export interface FrameRows {
  /** Index of each row's clip. */
  readonly clip: Int32Array;
  /** Frame number of each row within its clip. */
  readonly frame: Int32Array;
}

/**
 * Rows of up to `framesPerClip` frames of each clip, uniform in time.
 * @throws UsclError `EMBED_OPTION` for framesPerClip < 1, `EMBED_EMPTY` for a dataset without clips.
 */
export function frameRows(clips: readonly Pick<ClipRecord, 'frames'>[], framesPerClip: number): FrameRows {
  if (!Number.isInteger(framesPerClip) || framesPerClip < 1) {
    throw usageError(
      'EMBED_OPTION',
      `framesPerClip must be a whole number of at least 1, not ${framesPerClip}.`,
      'Use 8.',
      { where: 'framesPerClip' },
    );
  }
  const plan = clips.map((clip) => uniformFrames(clip.frames, framesPerClip));
  const frame = Int32Array.from(plan.flat());
  if (frame.length === 0) {
    throw dataError('EMBED_EMPTY', 'The dataset has no clip to embed.', 'Ingest at least one clip.');
  }
  return { clip: Int32Array.from(plan.flatMap((frames, clip) => frames.map(() => clip))), frame };
}

/**
 * Features of `rows` by each of several networks of one batch size and one kind of input, so that every image is made
 * once. `images(from, count)` are those of the rows from `from` on, [count, channels, size, size].
 * @throws UsclError `EMBED_NOT_FINITE` when a network answers with NaN or infinity; what `images` throws; the signal's
 *   reason when aborted.
 */
export async function embedRows(
  clips: readonly Pick<ClipRecord, 'id'>[],
  rows: FrameRows,
  embedders: readonly Embedder[],
  images: (from: number, count: number) => Float32Array | Promise<Float32Array>,
  options: Pick<EmbedOptions, 'onProgress' | 'signal'> = {},
): Promise<readonly ClipEmbeddings[]> {
  const { clip, frame } = rows;
  const [first] = embedders;
  if (first === undefined) return [];
  const results = embedders.map(({ dim }) => ({
    dim,
    features: new Float32Array(clip.length * dim),
    clip,
    frame,
  }));
  for (let from = 0; from < clip.length; from += first.batch) {
    options.signal?.throwIfAborted();
    const count = Math.min(first.batch, clip.length - from);
    const batch = await images(from, count);
    for (const [e, embedder] of embedders.entries()) {
      const { dim, features } = results[e]!;
      const answer = embedder.embed(batch, count);
      for (let i = 0; i < count * dim; i++) {
        if (Number.isFinite(answer[i]!)) continue;
        const row = from + Math.floor(i / dim);
        throw notFinite(clips[clip[row]!]!.id, frame[row]);
      }
      features.set(answer.subarray(0, count * dim), from * dim);
    }
    options.onProgress?.(from + count, clip.length);
    // Lets a signal or a timer of the caller be heard between batches.
    await setImmediate();
  }
  return results;
}

/**
 * Embeds every clip of a dataset, labelled or not, with views made in this thread.
 * @throws UsclError of `frameRows` and `embedRows`.
 */
export async function embedDataset(
  dataset: EmbeddingSource,
  embedder: Embedder,
  options: EmbedOptions,
): Promise<ClipEmbeddings> {
  const { framesPerClip = 8, fillView } = options;
  const rows = frameRows(dataset.clips, framesPerClip);
  const imageSize = embedder.input.length / embedder.batch;
  const images = (from: number, count: number): Float32Array => {
    const { input } = embedder;
    for (let i = 0; i < count; i++) {
      const clip = dataset.clips[rows.clip[from + i]!]!;
      fillView(dataset.readFrame(clip, rows.frame[from + i]!), clip, input, i * imageSize);
    }
    return input;
  };
  const [result] = await embedRows(dataset.clips, rows, [embedder], images, options);
  return result!;
}

/**
 * Refuses embeddings that do not fit the clips: shapes, clip numbers, values that are not finite.
 * @throws UsclError `EMBEDDINGS_INVALID`, `EMBED_NOT_FINITE`.
 */
export function requireEmbeddings(
  embeddings: ClipEmbeddings,
  clips: readonly { readonly id: string }[],
): void {
  const { dim, features, clip } = embeddings;
  if (!Number.isInteger(dim) || dim < 1 || features.length !== clip.length * dim) {
    throw embeddingsInvalid(`${features.length} feature values do not make ${clip.length} rows of ${dim}.`);
  }
  for (const index of clip) {
    if (index < 0 || index >= clips.length) {
      throw embeddingsInvalid(`A row belongs to clip number ${index}, but there are ${clips.length} clips.`);
    }
  }
  for (let i = 0; i < features.length; i++) {
    if (Number.isFinite(features[i]!)) continue;
    const row = Math.floor(i / dim);
    throw notFinite(clips[clip[row]!]!.id, embeddings.frame?.[row]);
  }
}

/** Row numbers of each clip, in order of rows. */
export function rowsOfClips(embeddings: ClipEmbeddings, clips: number): number[][] {
  const rows = Array.from({ length: clips }, (): number[] => []);
  embeddings.clip.forEach((clip, row) => rows[clip]!.push(row));
  return rows;
}

/** Mean features [clips, dim] over each clip's rows; a clip without rows stays zero. */
export function clipMeans(embeddings: ClipEmbeddings, clips: number): Float32Array {
  const { dim, features } = embeddings;
  const means = new Float32Array(clips * dim);
  const sum = new Float64Array(dim);
  rowsOfClips(embeddings, clips).forEach((rows, clip) => {
    sum.fill(0);
    for (const row of rows) for (let d = 0; d < dim; d++) sum[d]! += features[row * dim + d]!;
    for (let d = 0; d < dim; d++) means[clip * dim + d] = rows.length === 0 ? 0 : sum[d]! / rows.length;
  });
  return means;
}

function notFinite(clip: string, frame: number | undefined): UsclError {
  return new UsclError({
    kind: 'numeric',
    code: 'EMBED_NOT_FINITE',
    message: 'The backbone answered with features that are not finite.',
    where: frame === undefined ? `clip ${clip}` : `clip ${clip}, frame ${frame}`,
    remedy: 'The weights are probably broken: use an earlier checkpoint.',
  });
}

/** `EMBEDDINGS_INVALID`: features and clips do not belong together. */
export function embeddingsInvalid(message: string, where?: string): UsclError {
  return new UsclError({
    ...{ kind: 'data', code: 'EMBEDDINGS_INVALID', message },
    ...(where === undefined ? {} : { where }),
    remedy: 'Embed the same dataset again and pass its clips unchanged.',
  });
}
