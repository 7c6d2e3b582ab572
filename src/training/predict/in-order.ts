/** Results that become ready in any order, handed on in the order in which they were promised. */
export class InOrder<Result> {
  readonly #waiting: (() => Result | null)[] = [];
  readonly #take: (result: Result) => void | Promise<void>;

  constructor(take: (result: Result) => void | Promise<void>) {
    this.#take = take;
  }

  /** Promises a result; `ready` gives it, or null as long as it is not there. */
  promise(ready: () => Result | null): void {
    this.#waiting.push(ready);
  }

  /** Hands on what is ready and behind nothing that is not. */
  async drain(): Promise<void> {
    for (;;) {
      const result = this.#waiting[0]?.() ?? null;
      if (result === null) return;
      this.#waiting.shift();
      await this.#take(result);
    }
  }
}
