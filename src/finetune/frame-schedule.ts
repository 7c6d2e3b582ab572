/**
 * The batch schedule of a fold run: the frames in each batch of each epoch. It is a function of seed, epoch and clip
 * names, and has no state. All batches of a fold run have one size: further frames of some clips fill the last
 * batch.
 */
import { randomAt } from '../base/random.ts';
import type { ClipRecord } from '../dataset/types.ts';
import { uniformFrames } from '../evaluation/features/uniform-frames.ts';
import type { FrameRow } from '../views/frames.ts';
import type { TrainingLength } from '../trainer/loop.ts';
import type { FinetuneConfig } from './config.ts';

/** The draw of images in an epoch: the address of its frames and of their augmentation. */
export interface Draw {
  readonly seed: number;
  readonly number: number;
}

/**
 * The draw of an epoch: its own, or one of `view.variants` draws in turn, which are the same for every fold and seed so
 * that what is computed of them serves all. Without augmentation the images of a frame are one.
 */
export function drawOf(config: Pick<FinetuneConfig, 'seed' | 'view'>, seed: number, epoch: number): Draw {
  const { variants } = config.view;
  return variants === null ? { seed, number: epoch } : { seed: config.seed, number: epoch % variants };
}

export class FrameSchedule implements TrainingLength {
  /** Images in every batch. */
  readonly size: number;
  readonly stepsPerEpoch: number;
  readonly epochs: number;
  readonly steps: number;
  readonly #clips: readonly ClipRecord[];
  readonly #training: readonly number[];
  readonly #config: Pick<FinetuneConfig, 'framesPerClip' | 'seed' | 'view'>;
  readonly #seed: number;
  #remembered: { readonly epoch: number; readonly batches: readonly (readonly FrameRow[])[] } | null = null;

  constructor(
    clips: readonly ClipRecord[],
    training: readonly number[],
    config: Pick<FinetuneConfig, 'batch' | 'training' | 'framesPerClip' | 'seed' | 'view'>,
    seed: number,
  ) {
    this.#clips = clips;
    this.#training = training;
    this.#config = config;
    this.#seed = seed;
    const rows = training.reduce((sum, clip) => sum + this.#taken(clips[clip]!), 0);
    this.stepsPerEpoch = Math.ceil(rows / config.batch.size);
    this.steps = config.training.steps ?? config.training.epochs * this.stepsPerEpoch;
    this.epochs = Math.ceil(this.steps / this.stepsPerEpoch);
    this.size = Math.ceil(rows / this.stepsPerEpoch);
  }

  /** The batches of an epoch. */
  epoch(epoch: number): readonly (readonly FrameRow[])[] {
    if (this.#remembered?.epoch !== epoch) this.#remembered = { epoch, batches: this.#makeEpoch(epoch) };
    return this.#remembered.batches;
  }

  #makeEpoch(epoch: number): readonly (readonly FrameRow[])[] {
    const draw = drawOf(this.#config, this.#seed, epoch);
    const drawn = this.#training.flatMap((clip) => this.#drawFrames(clip, draw));
    const rows = randomAt(this.#seed, 'finetune-order', epoch).shuffled(drawn);
    const more = randomAt(this.#seed, 'finetune-more', epoch);
    for (let i = 0; rows.length < this.size * this.stepsPerEpoch; i++) {
      const { clip, frame } = rows[i]!;
      // A draw that is used again has no images but its own.
      const other = this.#config.view.variants === null ? more.integer(this.#clips[clip]!.frames) : frame;
      rows.push({ clip, frame: other });
    }
    return Array.from({ length: this.stepsPerEpoch }, (_, step) =>
      rows.slice(step * this.size, (step + 1) * this.size),
    );
  }

  #drawFrames(clip: number, { seed, number }: Draw): FrameRow[] {
    const record = this.#clips[clip]!;
    const all = Array.from({ length: record.frames }, (_, frame) => ({ clip, frame }));
    const count = this.#taken(record);
    if (count === record.frames) return all;
    return randomAt(seed, 'finetune-frames', number, record.id).shuffled(all).slice(0, count);
  }

  #taken({ frames }: ClipRecord): number {
    return Math.min(frames, this.#config.framesPerClip.train ?? frames);
  }
}

/** Frames of clips that are predicted: `count` of each, even in time; null: all. */
export function scoredRows(
  clips: readonly ClipRecord[],
  chosen: readonly number[],
  count: number | null,
): readonly FrameRow[] {
  return chosen.flatMap((clip) => {
    const { frames } = clips[clip]!;
    return uniformFrames(frames, count ?? frames).map((frame) => ({ clip, frame }));
  });
}
