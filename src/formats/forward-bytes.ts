/** Goes through a file of unknown bytes from front to end, a block at a time. */
import type { ReadAt } from './video-header.ts';
import { must } from './video-header.ts';

/** What is asked of it that is not in the file gives the file up (`must`). */
export class ForwardBytes {
  readonly #size: number;
  readonly #readAt: ReadAt;
  readonly #blockLength: number;
  #block: Uint8Array = new Uint8Array();
  /** Where in the file the block begins, and where in the block the next byte is. */
  #start = 0;
  #next = 0;

  /** Of a file of `size` bytes; nothing longer than `blockLength` may be asked for. */
  constructor(size: number, readAt: ReadAt, blockLength: number) {
    this.#size = size;
    this.#readAt = readAt;
    this.#blockLength = blockLength;
  }

  get at(): number {
    return this.#start + this.#next;
  }

  get left(): number {
    return this.#size - this.at;
  }

  /** How many of the next bytes are at hand. */
  get ready(): number {
    return this.#block.length - this.#next;
  }

  /** Makes sure of the next bytes. */
  async need(length: number): Promise<void> {
    if (length <= this.ready) return;
    must(length <= this.left);
    const start = this.at;
    const expected = Math.min(this.#blockLength, this.left);
    const block = await this.#readAt(start, expected);
    must(block.length === expected && length <= expected);
    this.#block = block;
    this.#start = start;
    this.#next = 0;
  }

  async take(length: number): Promise<DataView> {
    await this.need(length);
    const from = this.#block.byteOffset + this.#next;
    this.#next += length;
    return new DataView(this.#block.buffer, from, length);
  }

  async skip(length: number): Promise<void> {
    await this.need(length);
    this.pass(length);
  }

  /** Skips bytes that are at hand. */
  pass(length: number): void {
    must(length <= this.ready);
    this.#next += length;
  }

  /** A byte that is at hand. */
  u8(): number {
    const value = this.#block[this.#next++];
    must(value !== undefined);
    return value;
  }

  /** The same of two bytes, the lower one first. */
  u16(): number {
    const low = this.u8();
    return low + 256 * this.u8();
  }
}
