/**
 * Work ahead without losing order: several sources are decoded at once, each into a queue of bounded bytes, and
 * taken strictly one after the other. So all cores are busy, memory stays bounded, and the outcome does not depend
 * on which decoder was faster.
 */

/** Bytes a source may be ahead of its reader before it has to wait. */
const MAX_QUEUED_BYTES = 64 * 2 ** 20;

/** Starts to draw from `source` at once. The result can be iterated once. */
export class AheadQueue implements AsyncIterable<Uint8Array> {
  readonly #source: AsyncGenerator<Uint8Array, unknown, undefined>;
  readonly #queue: Uint8Array[] = [];
  readonly #maxBytes: number;
  #bytes = 0;
  #ended = false;
  #failure: { readonly thrown: unknown } | undefined;
  #stopped = false;
  #wakeReader: (() => void) | undefined;
  #wakeSource: (() => void) | undefined;
  readonly #pump: Promise<void>;

  constructor(source: AsyncGenerator<Uint8Array, unknown, undefined>, maxBytes = MAX_QUEUED_BYTES) {
    this.#source = source;
    this.#maxBytes = maxBytes;
    this.#pump = this.#draw();
  }

  async #draw(): Promise<void> {
    try {
      for await (const chunk of this.#source) {
        this.#queue.push(chunk);
        this.#bytes += chunk.length;
        this.#wakeReader?.();
        while (this.#bytes >= this.#maxBytes && !this.#isStopped()) {
          await new Promise<void>((resolve) => (this.#wakeSource = resolve));
        }
        if (this.#isStopped()) break;
      }
    } catch (thrown) {
      // Kept for the reader: it may come much later, or never.
      this.#failure = { thrown };
    }
    this.#ended = true;
    this.#wakeReader?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for (;;) {
        const chunk = this.#queue.shift();
        if (chunk !== undefined) {
          this.#bytes -= chunk.length;
          this.#wakeSource?.();
          yield chunk;
        } else if (this.#ended) {
          if (this.#failure !== undefined) throw this.#failure.thrown;
          return;
        } else await new Promise<void>((resolve) => (this.#wakeReader = resolve));
      }
    } finally {
      await this.stop();
    }
  }

  /** Ends the source (its `finally` runs) and forgets what is queued. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#wakeSource?.();
    await this.#pump;
    this.#queue.length = 0;
  }

  /** A method, because the compiler does not see that `stop` may run while `#draw` waits. */
  #isStopped(): boolean {
    return this.#stopped;
  }
}

/** What is under way for one item of `inOrder`. */
export interface UnderWay {
  readonly frames: AheadQueue;
}

/**
 * Starts items in order, `width` of them at a time, and hands each to `take` in the same order. When `take` throws,
 * everything under way is stopped before the error goes up.
 */
export async function inOrder<Item, Work extends UnderWay>(
  items: readonly Item[],
  width: number,
  start: (item: Item) => Work,
  take: (work: Work, index: number) => Promise<void>,
): Promise<void> {
  const underWay: Work[] = [];
  let next = 0;
  try {
    for (let index = 0; index < items.length; index++) {
      while (underWay.length < width && next < items.length) underWay.push(start(items[next++]!));
      await take(underWay[0]!, index);
      await underWay.shift()?.frames.stop();
    }
  } finally {
    await Promise.all(underWay.map((work) => work.frames.stop()));
  }
}
