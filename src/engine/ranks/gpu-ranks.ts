/** Ranks whose GPUs sum vectors by NCCL; what ranks gather goes the way of the ranks below. */
import type { CudaNumbers, Vector } from '../core/backend.ts';
import type { Ending, Ranks } from './communicator.ts';
import type { Communicator } from './nccl/communicator.ts';

export class GpuRanks implements Ranks, Disposable {
  readonly rank: number;
  readonly size: number;
  readonly library: string;
  readonly #below: Ranks;
  readonly #communicator: Communicator;
  readonly #onCuda: (vector: Vector) => CudaNumbers;

  /** Takes the communicator over. `onCuda`: where a vector of the backend lies on this process's GPU. */
  constructor(
    below: Ranks,
    communicator: Communicator,
    version: string,
    onCuda: (vector: Vector) => CudaNumbers,
  ) {
    const { rank, size, library } = below;
    this.rank = rank;
    this.size = size;
    this.library = `${library}, NCCL ${version}`;
    this.#below = below;
    this.#communicator = communicator;
    this.#onCuda = onCuda;
  }

  sum(vector: Vector): void {
    this.#communicator.sum(this.#onCuda(vector));
  }

  gather(part: Float32Array): Float32Array {
    return this.#below.gather(part);
  }

  get ending(): Ending {
    return this.#below.ending;
  }

  ends(how: Ending): void {
    this.#below.ends(how);
  }

  [Symbol.dispose](): void {
    this.#communicator[Symbol.dispose]();
  }
}
