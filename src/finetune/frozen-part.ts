/**
 * A cache of the frozen part's output. It holds whole frames for scoring, and the numbered variants of a frame for
 * training, as far as memory is allowed. Where nothing is frozen it holds images. Cached and recomputed values have
 * the same bits.
 */
import type { Dataset } from '../dataset/reader.ts';
import type { Plan } from '../engine/core/backend.ts';
import { imageLength } from '../views/config.ts';
import { frameRenderer, type FrameRow } from '../views/frames.ts';
import { type FinetuneConfig, viewOf } from './config.ts';

/** An image of a frame: the whole frame, or a numbered augmented variant. */
export type Variant = 'whole' | number;

/** A network in two parts. */
export interface CutNetwork {
  /** The value between its parts; `input` where nothing below is frozen. */
  readonly cut: string;
  /** Numbers of one image at the cut. */
  readonly cutLength: number;
  /** The part below for so many images; null where there is none. Its output is called `cut`. */
  below(images: number): Plan | null;
}

export class FrozenPart {
  readonly #network: CutNetwork;
  readonly #config: FinetuneConfig;
  readonly #imageLength: number;
  readonly #whole: ReturnType<typeof frameRenderer>;
  readonly #augmented: ReturnType<typeof frameRenderer>;
  readonly #kept = new Map<string, Float32Array>();
  readonly #images: Float32Array;
  #bytes = 0;

  constructor(dataset: Dataset, network: CutNetwork, config: FinetuneConfig) {
    const view = viewOf(config);
    this.#network = network;
    this.#config = config;
    this.#imageLength = imageLength(view);
    this.#whole = frameRenderer(dataset, { ...view, augment: null });
    this.#augmented = frameRenderer(dataset, view);
    this.#images = new Float32Array(this.#config.batch.size * this.#imageLength);
  }

  /** The value up to which nothing trains. */
  get cut(): string {
    return this.#network.cut;
  }

  /** Numbers of one image at the cut. */
  get length(): number {
    return this.#network.cutLength;
  }

  /** Forgets everything: the frozen part has changed. */
  clear(): void {
    this.#kept.clear();
    this.#bytes = 0;
  }

  /** Writes the values at the cut of `rows` to `target` [rows, cutLength]. */
  fill(rows: readonly FrameRow[], variant: Variant, target: Float32Array): void {
    const length = this.#network.cutLength;
    const missing: number[] = [];
    for (const [i, row] of rows.entries()) {
      const known = this.#kept.get(keyOf(row, variant));
      if (known === undefined) missing.push(i);
      else target.set(known, i * length);
    }
    for (let from = 0; from < missing.length; from += this.#config.batch.size) {
      const part = missing.slice(from, from + this.#config.batch.size);
      const values = this.#compute(
        part.map((i) => rows[i]!),
        variant,
      );
      for (const [j, i] of part.entries()) {
        const value = values.subarray(j * length, (j + 1) * length);
        target.set(value, i * length);
        this.#keep(keyOf(rows[i]!, variant), value);
      }
    }
  }

  /** Values at the cut of images that lie in `images` [count, channels, size, size]; valid until the next call. */
  pass(images: Float32Array, count: number): Float32Array {
    const plan = this.#network.below(this.#config.batch.size);
    if (plan === null) return images.subarray(0, count * this.#imageLength);
    plan.input.set(images.subarray(0, count * this.#imageLength));
    plan.forward();
    return plan.output(this.#network.cut).subarray(0, count * this.#network.cutLength);
  }

  #compute(rows: readonly FrameRow[], variant: Variant): Float32Array {
    const images = this.#images.subarray(0, rows.length * this.#imageLength);
    if (variant === 'whole') this.#whole(rows, 0, 0, images);
    else this.#augmented(rows, this.#config.seed, variant, images);
    return this.pass(images, rows.length);
  }

  #keep(key: string, value: Float32Array): void {
    if (this.#bytes + value.byteLength > this.#config.cacheMegabytes * 2 ** 20 || this.#kept.has(key)) return;
    this.#kept.set(key, value.slice());
    this.#bytes += value.byteLength;
  }
}

function keyOf({ clip, frame }: FrameRow, variant: Variant): string {
  return `${clip} ${frame} ${variant}`;
}
