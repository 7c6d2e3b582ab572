/** How far a fine-tuning is, of one process or of several: steps of all trainings, those that end early counted to their end. */
import type { FinetuneEvent } from './events.ts';

/** What a process has done in this call, and how fast it is. */
export interface OwnProgress {
  /** Steps. */
  readonly done: number;
  readonly secondsAStep: number;
  readonly imagesPerSecond: number;
}

export class JobProgress {
  readonly #total: number;
  readonly #before: number;
  /** By process. */
  readonly #own = new Map<number, OwnProgress>();

  /** `total` steps, of which earlier calls made `before`. */
  constructor(total: number, before: number) {
    this.#total = total;
    this.#before = before;
  }

  /** A process has come so far. */
  at(rank: number, own: OwnProgress): Extract<FinetuneEvent, { kind: 'step' }> {
    this.#own.set(rank, own);
    const all = [...this.#own.values()];
    const sum = (value: (one: OwnProgress) => number): number =>
      all.reduce((total, one) => total + value(one), 0);
    const done = this.#before + sum((one) => one.done);
    const stepsPerSecond = sum(({ secondsAStep }) => (secondsAStep > 0 ? 1 / secondsAStep : 0));
    return {
      kind: 'step',
      done,
      total: this.#total,
      secondsLeft: stepsPerSecond === 0 ? 0 : (this.#total - done) / stepsPerSecond,
      imagesPerSecond: sum((one) => one.imagesPerSecond),
    };
  }

  /** A process has no more to do. */
  ended(rank: number): void {
    const own = this.#own.get(rank);
    if (own !== undefined) this.#own.set(rank, { ...own, secondsAStep: 0, imagesPerSecond: 0 });
  }
}
