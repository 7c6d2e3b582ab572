/** How fast steps go, as a moving average, and how long the rest will take. */
export class Pace {
  readonly #total: number;
  /** Weight of the newest step in the average. */
  readonly #weight: number;
  #done: number;
  #mark = performance.now();
  #mean: number | undefined;

  /** `total` steps, of which `done` were made before. */
  constructor(total: number, done = 0, weight = 0.1) {
    this.#total = total;
    this.#done = done;
    this.#weight = weight;
  }

  /** A step has ended; `done` are now made in all, by default one more. Returns the seconds since the last mark. */
  lap(done = this.#done + 1): number {
    const now = performance.now();
    const seconds = (now - this.#mark) / 1000;
    this.#mark = now;
    this.#done = done;
    this.#mean =
      this.#mean === undefined ? seconds : (1 - this.#weight) * this.#mean + this.#weight * seconds;
    return seconds;
  }

  /** What passed since the last mark was no step. */
  skip(): void {
    this.#mark = performance.now();
  }

  /** Seconds of a step; 0 before the first. */
  secondsAStep(): number {
    return this.#mean ?? 0;
  }

  secondsLeft(): number {
    return (this.#total - this.#done) * this.secondsAStep();
  }
}
