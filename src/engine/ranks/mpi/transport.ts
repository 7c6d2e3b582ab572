/** The seam between ranks and a library that carries their numbers. */
import type { Address } from '../../native/memory.ts';

/** What moves numbers between the processes of a job. Errors of it end the job. */
export interface Transport {
  readonly rank: number;
  readonly size: number;
  readonly library: string;
  /** Sums `count` f32 at this address over all ranks, in place. */
  sum(address: Address, count: number): void;
  /** Writes `count` f32 of every rank to `to`, in the order of ranks. */
  gather(from: Address, to: Address, count: number): void;
  /** What the process does when it ends. */
  ends(how: 'together' | 'alone'): void;
}
