/**
 * Which frames meet in which batch of an epoch: a function of seed, epoch and clip names, with no state. Batches of a
 * fold are all of one size: where its frames do not fill the last one, further frames of some clips do.
 */
import { randomAt } from '../../base/random.ts';
import type { ClipRecord } from '../../dataset/types.ts';
import { uniformFrames } from '../../evaluation/embeddings.ts';
import type { FrameRow } from '../../views/frames.ts';
import type { FinetuneConfig } from './config.ts';

export class CellRows {
  /** Images in every batch. */
  readonly size: number;
  readonly stepsPerEpoch: number;
  readonly #clips: readonly ClipRecord[];
  readonly #training: readonly number[];
  readonly #frames: number | null;
  readonly #seed: number;
  #remembered: { readonly epoch: number; readonly batches: readonly (readonly FrameRow[])[] } | null = null;

  constructor(
    clips: readonly ClipRecord[],
    training: readonly number[],
    config: Pick<FinetuneConfig, 'batch' | 'framesPerClip'>,
    seed: number,
  ) {
    this.#clips = clips;
    this.#training = training;
    this.#frames = config.framesPerClip.train;
    this.#seed = seed;
    const rows = training.reduce((sum, clip) => sum + this.#taken(clips[clip]!), 0);
    this.stepsPerEpoch = Math.ceil(rows / config.batch);
    this.size = Math.ceil(rows / this.stepsPerEpoch);
  }

  /** The batches of an epoch. */
  epoch(epoch: number): readonly (readonly FrameRow[])[] {
    if (this.#remembered?.epoch !== epoch) this.#remembered = { epoch, batches: this.#makeEpoch(epoch) };
    return this.#remembered.batches;
  }

  #makeEpoch(epoch: number): readonly (readonly FrameRow[])[] {
    const drawn = this.#training.flatMap((clip) => this.#drawFrames(clip, epoch));
    const rows = randomAt(this.#seed, 'finetune-order', epoch).shuffled(drawn);
    const more = randomAt(this.#seed, 'finetune-more', epoch);
    for (let i = 0; rows.length < this.size * this.stepsPerEpoch; i++) {
      const { clip } = rows[i]!;
      rows.push({ clip, frame: more.integer(this.#clips[clip]!.frames) });
    }
    return Array.from({ length: this.stepsPerEpoch }, (_, step) =>
      rows.slice(step * this.size, (step + 1) * this.size),
    );
  }

  #drawFrames(clip: number, epoch: number): FrameRow[] {
    const record = this.#clips[clip]!;
    const all = Array.from({ length: record.frames }, (_, frame) => ({ clip, frame }));
    const count = this.#taken(record);
    if (count === record.frames) return all;
    return randomAt(this.#seed, 'finetune-frames', epoch, record.id).shuffled(all).slice(0, count);
  }

  #taken({ frames }: ClipRecord): number {
    return Math.min(frames, this.#frames ?? frames);
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
