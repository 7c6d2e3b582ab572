/**
 * Frames of any number of clips through a model, a full batch at a time: stills of many files share a batch as frames of
 * one clip do, and no more than a batch of images is ever held.
 */
import type { Size } from '../../ingest/common/geometry.ts';
import { imageLength } from '../../views/config.ts';
import { fillWholeView } from '../../views/whole.ts';
import type { Model } from '../finetune/model.ts';

type Receive = (probabilities: number[]) => void;

export class FrameBatcher {
  readonly #model: Pick<Model, 'batch' | 'classes' | 'input' | 'predict' | 'view'>;
  readonly #waiting: Receive[] = [];

  constructor(model: Pick<Model, 'batch' | 'classes' | 'input' | 'predict' | 'view'>) {
    this.#model = model;
  }

  /**
   * Takes a stored frame [height, width, channels]; `receive` gets its class probabilities when its batch is full.
   * Returns whether a batch ran. Error: `NON_FINITE`.
   */
  add(frame: Uint8Array, size: Size, receive: Receive): boolean {
    const { input, view, batch } = this.#model;
    fillWholeView(frame, size, view, input, this.#waiting.length * imageLength(view));
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
