/** Compiled plans as something that turns frames of a dataset into features. */
import type { Plan } from '../engine/backend.ts';
import { type ClipEmbeddings, type Embedder, embedRows, frameRows } from '../evaluation/embeddings.ts';
import { OUTPUTS } from '../models/heads.ts';
import type { Dataset } from '../dataset/reader.ts';
import type { ViewConfig } from '../views/config.ts';
import { FrameLoader } from '../views/loaders.ts';

/** The representation r of an inference plan. */
export function embedderOf(plan: Plan): Embedder {
  const dim = plan.output(OUTPUTS.features).length / plan.batch;
  return {
    batch: plan.batch,
    dim,
    input: plan.input,
    embed(images, count) {
      if (images !== plan.input) plan.input.set(images);
      plan.forward();
      return plan.output(OUTPUTS.features).subarray(0, count * dim);
    },
  };
}

export interface EmbedClipsOptions {
  readonly framesPerClip: number;
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** Images from which on a thread that makes them ahead is worth its start. */
const WORTH_A_THREAD = 256;
/** Batches of images that are made ahead. */
const AHEAD = 3;

/**
 * Features of whole frames (no crop, no randomness) of every clip of a dataset, by each of several plans of one batch
 * size. Images are made once for all of them, ahead, while the plans before compute.
 */
export async function embedClips(
  dataset: Dataset,
  plans: readonly Plan[],
  view: ViewConfig,
  options: EmbedClipsOptions,
): Promise<readonly ClipEmbeddings[]> {
  const rows = frameRows(dataset.clips, options.framesPerClip);
  const count = rows.clip.length;
  const batch = plans[0]?.batch ?? 1;
  const { size, channels, resize, normalise } = view;
  await using loader = FrameLoader.open(
    dataset.folder,
    { size, channels, resize, normalise, augment: null },
    {
      ...{ seed: 0, mixup: null, rows: batch, ahead: AHEAD, workers: count < WORTH_A_THREAD ? 0 : 1 },
      schedule: (step) => {
        const from = step * batch;
        if (from >= count) return null;
        const length = Math.min(batch, count - from);
        const wanted = Array.from({ length }, (_, i) => ({
          clip: rows.clip[from + i]!,
          frame: rows.frame[from + i]!,
        }));
        return { epoch: 0, index: step, rows: wanted };
      },
    },
  );
  const images = async (): Promise<Float32Array> => (await loader.next()).images;
  return await embedRows(dataset.clips, rows, plans.map(embedderOf), images, options);
}
