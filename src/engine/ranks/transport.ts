/**
 * Ranks over a transport that moves f32 between native memories. Memory that a transport cannot reach goes through a buffer. Every
 * count is checked here: a library that is given a wrong one ends the process.
 */
import { HostVector } from '../core/host-vector.ts';
import type { Vector } from '../core/backend.ts';
import {
  type Address,
  allocateBlock,
  type Block,
  floatView,
  nativeAddress,
  offsetAddress,
} from '../native/memory.ts';
import type { Ending, Ranks } from './communicator.ts';
import type { Transport } from './mpi/transport.ts';

/** Numbers in one call: counts of a library are 32-bit, and buffers stay small. */
export const MOST = 2 ** 22;

/** The ranks of a job over its transport. Keeps its buffers until the process ends. */
export class TransportRanks implements Ranks {
  readonly rank: number;
  readonly size: number;
  readonly library: string;
  readonly #transport: Transport;
  readonly #most: number;
  #buffer: Block | null = null;
  #ending: Ending = 'alone';

  /** `most`: numbers in one call. */
  constructor(transport: Transport, most = MOST) {
    const { rank, size, library } = transport;
    if (!Number.isInteger(size) || size < 1 || !Number.isInteger(rank) || rank < 0 || rank >= size)
      throw new RangeError(`There is no rank ${rank} of ${size}.`);
    this.rank = rank;
    this.size = size;
    this.library = library;
    this.#transport = transport;
    this.#most = most;
  }

  sum(vector: Vector): void {
    if (this.size === 1) return;
    const own = vector instanceof HostVector ? nativeAddress(vector.data) : null;
    using numbers = vector.unordered();
    for (let from = 0; from < vector.length; from += this.#most) {
      const count = Math.min(this.#most, vector.length - from);
      if (own !== null) this.#transport.sum(offsetAddress(own, 4 * from), count);
      else this.#sumByBuffer(numbers, from, count);
    }
  }

  #sumByBuffer(vector: Vector, from: number, count: number): void {
    const { address, view } = this.#space(count);
    vector.read(view, from);
    this.#transport.sum(address, count);
    vector.write(view, from);
  }

  gather(part: Float32Array): Float32Array {
    const all = new Float32Array(this.size * part.length);
    // What one rank sends at a time, so that the answers of all fit the buffer.
    const most = Math.max(1, Math.floor(this.#most / (this.size + 1)));
    for (let from = 0; from < part.length; from += most) {
      const count = Math.min(most, part.length - from);
      const { address, view } = this.#space((this.size + 1) * count);
      view.set(part.subarray(from, from + count));
      this.#transport.gather(address, offsetAddress(address, 4 * count), count);
      for (let rank = 0; rank < this.size; rank++)
        all.set(view.subarray((rank + 1) * count, (rank + 2) * count), rank * part.length + from);
    }
    return all;
  }

  get ending(): Ending {
    return this.#ending;
  }

  ends(how: Ending): void {
    this.#ending = how;
    this.#transport.ends(how);
  }

  /** A buffer of at least so many numbers. */
  #space(count: number): { readonly address: Address; readonly view: Float32Array } {
    if (this.#buffer === null || this.#buffer.bytes < 4 * count) {
      this.#buffer?.[Symbol.dispose]();
      this.#buffer = allocateBlock(4 * count);
    }
    const { address } = this.#buffer;
    return { address, view: floatView(address, count) };
  }
}
