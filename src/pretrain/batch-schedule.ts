/**
 * Which clips meet in which batch and which batches make a step: from numbers to clips with no state, so that training
 * can begin at any step. An epoch is one pass over the training clips; a step takes `accumulate` batches, the last
 * step of an epoch what is left. And the batches themselves, from the worker pool.
 */
import type { Dataset } from '../dataset/reader.ts';
import type { ClipRecord } from '../dataset/types.ts';
import { epochBatches } from '../views/batches.ts';
import { type BatchRequest, PairLoader } from '../views/loaders.ts';
import type { Config } from '../runs/config.ts';
import type { StepBatch } from './pair-network.ts';
import type { Course } from '../trainer/loop.ts';
import { epochClips, type Split } from '../runs/training-clips.ts';

export class BatchSchedule implements Course {
  /** Optimizer steps in the whole run. */
  readonly steps: number;
  /** Epochs that the run begins; `training.steps` may cut the last one short. */
  readonly epochs: number;
  readonly stepsPerEpoch: number;
  readonly #batchesPerEpoch: number;
  readonly #accumulate: number;
  readonly #makeEpoch: (epoch: number) => readonly (readonly number[])[];
  #remembered: { readonly epoch: number; readonly batches: readonly (readonly number[])[] };

  /** Errors: `BATCHES_EMPTY` where no batch can be made. */
  constructor(clips: readonly ClipRecord[], split: Split, config: Config) {
    const { seed, data, batch, training } = config;
    this.#makeEpoch = (epoch) => {
      const indices = epochClips(split, clips, data, seed, epoch);
      const chosen = indices.map((index) => clips[index]!);
      return epochBatches(chosen, batch, seed, epoch).map((rows) => rows.map((row) => indices[row]!));
    };
    this.#remembered = { epoch: 0, batches: this.#makeEpoch(0) };
    // The number and sizes of batches are the same in every epoch.
    this.#batchesPerEpoch = this.#remembered.batches.length;
    this.#accumulate = training.accumulate;
    this.stepsPerEpoch = Math.ceil(this.#batchesPerEpoch / training.accumulate);
    this.steps = training.steps ?? training.epochs * this.stepsPerEpoch;
    this.epochs = Math.ceil(this.steps / this.stepsPerEpoch);
  }

  epochOf(step: number): number {
    return Math.floor(step / this.stepsPerEpoch);
  }

  /** Number of batches before this step. */
  firstBatch(step: number): number {
    const epoch = this.epochOf(step);
    return epoch * this.#batchesPerEpoch + (step - epoch * this.stepsPerEpoch) * this.#accumulate;
  }

  /** Batches that make this step, at least one. */
  batchesIn(step: number): number {
    return this.firstBatch(step + 1) - this.firstBatch(step);
  }

  /** The batch of this number, or null past the end of the run. */
  batch(number: number): BatchRequest | null {
    if (number >= this.firstBatch(this.steps)) return null;
    const epoch = Math.floor(number / this.#batchesPerEpoch);
    const index = number - epoch * this.#batchesPerEpoch;
    if (this.#remembered.epoch !== epoch) this.#remembered = { epoch, batches: this.#makeEpoch(epoch) };
    return { epoch, index, clips: this.#remembered.batches[index]! };
  }
}

export interface Feed extends AsyncDisposable {
  /** The next batch; its images are valid until the next call. */
  next(): Promise<StepBatch>;
}

/**
 * The batches of a run from a given step on, painted by worker threads while the step before is computed. Labels are
 * those of the split and no others; `splits.ts` decides which may be seen.
 */
export function openFeed(
  dataset: Dataset,
  split: Split,
  config: Config,
  batchSchedule: BatchSchedule,
  firstStep: number,
): Feed {
  const loader = PairLoader.open(dataset.folder, config.view, {
    seed: config.seed,
    schedule: (number) => batchSchedule.batch(number),
    firstStep: batchSchedule.firstBatch(firstStep),
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
