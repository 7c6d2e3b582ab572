/**
 * Open resources that are closed together, the last one first, each also where another one fails to close. It is
 * `DisposableStack`, which Node.js 20 does not have.
 */
import { messageOf } from './errors.ts';

/** Owns what it is given: dispose of it, or move it to another owner. */
export class Resources implements Disposable {
  readonly #open: Disposable[] = [];

  /** Takes a resource over, and returns it. */
  use<Resource extends Disposable>(resource: Resource): Resource {
    this.#open.push(resource);
    return resource;
  }

  /** Takes over what is to be done at the end. */
  defer(close: () => void): void {
    this.#open.push({ [Symbol.dispose]: close });
  }

  /** Hands everything to a new owner: nothing is left to close here. */
  move(): Resources {
    const owner = new Resources();
    owner.#open.push(...this.#open.splice(0));
    return owner;
  }

  /** Error: that of the resource that fails to close; an `AggregateError` where several do. */
  [Symbol.dispose](): void {
    const failures: unknown[] = [];
    for (const resource of this.#open.splice(0).reverse()) {
      try {
        resource[Symbol.dispose]();
      } catch (thrown) {
        failures.push(thrown);
      }
    }
    if (failures.length === 1) throw failures[0];
    if (failures.length > 1)
      throw new AggregateError(failures, `Not closed: ${failures.map(messageOf).join('; ')}`);
  }
}
