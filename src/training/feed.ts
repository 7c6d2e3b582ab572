/**
 * The batches of a run from a given step on, painted by worker threads while the step before is computed. Labels are
 * those of the split and no others; `splits.ts` decides which may be seen.
 */
import type { Dataset } from '../dataset/reader.ts';
import { PairLoader } from '../views/loaders.ts';
import type { Config } from './config.ts';
import type { Itinerary } from './itinerary.ts';
import type { StepBatch } from './learner.ts';
import type { Split } from './splits.ts';

export interface Feed extends AsyncDisposable {
  /** The next batch; its images are valid until the next call. */
  next(): Promise<StepBatch>;
}

/** Opens the feed. */
export function openFeed(
  dataset: Dataset,
  split: Split,
  config: Config,
  itinerary: Itinerary,
  firstStep: number,
): Feed {
  const loader = PairLoader.open(dataset.folder, config.view, {
    seed: config.seed,
    schedule: (number) => itinerary.batch(number),
    firstStep: itinerary.firstBatch(firstStep),
    pairs: config.batch.pairs,
    workers: config.loader.workers,
    ahead: config.loader.ahead,
  });
  return {
    async next() {
      const { clips, images } = await loader.next();
      return {
        clipIds: clips.map((index) => dataset.clips[index]!.id),
        labels: Int32Array.from(clips, (index) => split.labels[index]!),
        images,
      };
    },
    [Symbol.asyncDispose]: () => loader.close(),
  };
}
