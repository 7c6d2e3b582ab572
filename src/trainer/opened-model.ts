/** A fine-tuned model with its backend, opened and closed together. It takes frames and returns probabilities. */
import { usageError, type UsclError } from '../base/errors.ts';
import { Resources } from '../base/resources.ts';
import type { BackendChoice, DeviceChoice, Precision } from '../engine/core/backend.ts';
import { openBackend } from '../engine/open.ts';
import type { Size } from '../video/geometry.ts';
import { imageLength } from '../views/config.ts';
import { type WholeViewer, wholeViewer } from '../views/whole.ts';
import { type Model, openModel } from './classifier.ts';
import { fileHash } from '../runs/run-folder.ts';

/** Below this probability of the likeliest class there is no answer, unless another threshold is asked for. */
export const ABSTAIN_BELOW = 0.6;

/** What a model runs on. */
export interface ModelUse {
  readonly backend?: BackendChoice;
  /** Of a backend that has several: `auto` takes a GPU where there is one. Default `auto`. */
  readonly device?: DeviceChoice;
  readonly threads?: number;
  /** Default: the fastest of the backend. */
  readonly precision?: Precision;
  readonly onNote?: (text: string) => void;
}

/** The weights that made an output. */
export interface ModelIdentity {
  readonly path: string;
  /** Of the file, hex. */
  readonly sha256: string;
  readonly classes: string[];
  readonly precision: Precision;
}

export class OpenedModel implements Disposable {
  readonly model: Model;
  readonly precision: Precision;
  readonly #open: Resources;

  /** Errors: those of `openBackend` and `openModel`. */
  constructor(source: string, batch: number, options: ModelUse) {
    const { backend: kind, device, threads, precision, onNote: onFallback } = options;
    using opening = new Resources();
    const backend = opening.use(openBackend({ kind, device, threads, onFallback }));
    this.precision = precision ?? backend.describe().precisions[0] ?? 'f32';
    this.model = opening.use(openModel(source, backend, { batch, precision: this.precision }));
    this.#open = opening.move();
  }

  identity(): ModelIdentity {
    const { path, classes } = this.model;
    return { path, sha256: fileHash(path), classes: [...classes], precision: this.precision };
  }

  [Symbol.dispose](): void {
    this.#open[Symbol.dispose]();
  }
}

/**
 * Frames of any number of clips through a model, a full batch at a time: stills of many files share a batch as frames of
 * one clip do, and no more than a batch of images is ever held.
 */
export class FrameBatcher {
  readonly #model: Model;
  readonly #fill: WholeViewer;
  readonly #waiting: ((probabilities: number[]) => void)[] = [];

  constructor(model: Model) {
    this.#model = model;
    this.#fill = wholeViewer(model.view);
  }

  /**
   * Takes a stored frame [height, width, channels]; `receive` gets its class probabilities when its batch is full.
   * Returns whether a batch ran. Error: `NON_FINITE`.
   */
  add(frame: Uint8Array, size: Size, receive: (probabilities: number[]) => void): boolean {
    const { input, view, batch } = this.#model;
    this.#fill(frame, size, input, this.#waiting.length * imageLength(view));
    this.#waiting.push(receive);
    if (this.#waiting.length < batch) return false;
    this.flush();
    return true;
  }

  /** Runs what waits. */
  flush(): void {
    const count = this.#waiting.length;
    if (count === 0) return;
    const classes = this.#model.classes.length;
    const probabilities = this.#model.predict(count);
    for (const [row, receive] of this.#waiting.splice(0).entries())
      receive(Array.from(probabilities.subarray(row * classes, (row + 1) * classes)));
  }
}

/** Refuses a number of frames that is none. Error: `code`. */
export function requireFrames(code: string, frames: number | 'all'): void {
  if (frames !== 'all' && !(Number.isInteger(frames) && frames >= 1))
    throw optionError(code, 'frames', frames, "a whole number from 1, or 'all'");
}

export function optionError(code: string, option: string, value: unknown, expected: string): UsclError {
  const message = `The option ${option} is ${String(value)}; it must be ${expected}.`;
  return usageError(code, message, 'Correct the option and run the command again.', { where: option });
}
