/** A compiled plan as something that turns frames of a dataset into features. */
import type { Plan } from '../engine/backend.ts';
import type { ClipRecord } from '../dataset/types.ts';
import { type ClipEmbeddings, embedDataset, type Embedder } from '../evaluation/embeddings.ts';
import { OUTPUTS } from '../models/heads.ts';
import type { Dataset } from '../dataset/reader.ts';
import type { ViewConfig } from '../views/config.ts';
import { fillWholeView } from '../views/whole.ts';

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

/** Features of whole frames (no crop, no randomness) of every clip of a dataset. */
export function embedClips(
  dataset: Dataset,
  plan: Plan,
  view: ViewConfig,
  options: EmbedClipsOptions,
): Promise<ClipEmbeddings> {
  return embedDataset(dataset, embedderOf(plan), {
    ...options,
    fillView: (frame: Uint8Array, clip: ClipRecord, target: Float32Array, offset: number) => {
      fillWholeView(frame, clip, view, target, offset);
    },
  });
}
