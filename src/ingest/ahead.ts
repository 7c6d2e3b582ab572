/**
 * Work ahead without losing order: several sources are decoded at once, each into a queue of bounded bytes, and
 * taken strictly one after the other. So all cores are busy, memory stays bounded, and the outcome does not depend
 * on which decoder was faster.
 */

/** Bytes a source may be ahead of its reader before it has to wait. */
const MAX_QUEUED_BYTES = 32 * 2 ** 20;

/**
 * Bytes of all sources ahead of their readers, and of what those that have not ended hold, from which on no further
 * source is started.
 */
const MAX_WAITING_BYTES = 192 * 2 ** 20;

/** Items under way or done and waiting, for each that may be worked on at once. */
const AHEAD = 16;

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
  #rest: () => void = () => undefined;
  readonly #pump: Promise<void>;

  /** Settles when the source has ended or has to wait for the first time: it uses no core then. */
  readonly resting = new Promise<void>((resolve) => (this.#rest = resolve));

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
          this.#rest();
          await new Promise<void>((resolve) => (this.#wakeSource = resolve));
        }
        if (this.#isStopped()) break;
      }
    } catch (thrown) {
      // Kept for the reader: it may come much later, or never.
      this.#failure = { thrown };
    }
    this.#ended = true;
    this.#rest();
    this.#wakeReader?.();
  }

  /** Whether the source has given everything, so that it holds nothing any more. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Bytes that wait for the reader. */
  get waiting(): number {
    return this.#bytes;
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
    this.#bytes = 0;
  }

  /** A method, because the compiler does not see that `stop` may run while `#draw` waits. */
  #isStopped(): boolean {
    return this.#stopped;
  }
}

/** What is under way for one item of `inOrder`; without frames, there is nothing to wait for. */
export interface UnderWay {
  readonly frames: AheadQueue | null;
}

/**
 * Starts items in order and hands each to `take` in the same order. `width` of them are worked on at a time: where one
 * takes long, those behind it are done meanwhile and wait. An item that holds much while it is worked on (`weigh`, in
 * bytes) waits until there is room, or until it is alone. `runOf` (an index) tells how many items from there on are
 * started together and worked on as one. When `take` throws, everything under way is stopped before the
 * error goes up.
 */
export async function inOrder<Item, Work extends UnderWay>(
  items: readonly Item[],
  width: number,
  start: (item: Item) => Work,
  take: (work: Work, index: number) => Promise<void>,
  weigh: (item: Item) => number = () => 0,
  runOf: (index: number) => number = () => 1,
): Promise<void> {
  const underWay: { readonly work: Work; readonly weight: number }[] = [];
  let next = 0;
  let working = 0;
  let isOver = false;
  const bytesOf = ({ work: { frames }, weight }: (typeof underWay)[number]): number =>
    frames === null ? 0 : frames.waiting + (frames.ended ? 0 : weight);
  const isRoom = (weight: number): boolean =>
    working < width &&
    underWay.length < AHEAD * width &&
    (underWay.length === 0 || underWay.reduce((sum, one) => sum + bytesOf(one), weight) < MAX_WAITING_BYTES);
  const begin = (item: Item): Promise<void> | undefined => {
    const work = start(item);
    underWay.push({ work, weight: weigh(item) });
    return work.frames?.resting;
  };
  const fill = (): void => {
    while (!isOver && next < items.length) {
      const run = items.slice(next, next + runOf(next));
      if (!isRoom(run.reduce((sum, item) => sum + weigh(item), 0))) return;
      next += run.length;
      const resting = run.map(begin).filter((one) => one !== undefined);
      if (resting.length === 0) continue;
      working++;
      void Promise.all(resting).then(() => {
        working--;
        fill();
      });
    }
  };
  try {
    for (let index = 0; index < items.length; index++) {
      fill();
      if (underWay[0] === undefined) throw new Error('Nothing was started.');
      const { work } = underWay[0];
      await take(work, index);
      underWay.shift();
      await work.frames?.stop();
    }
  } finally {
    isOver = true;
    await Promise.all(underWay.map(({ work }) => work.frames?.stop() ?? Promise.resolve()));
  }
}
