/**
 * Many processes at one training: each is a rank, and all of them call the same functions of `Ranks` in the same order. A call
 * returns when every rank has made it. One process alone is a world of one rank, in which nothing is sent.
 */
import type { Vector } from '../core/backend.ts';

/** The processes of one job, as one of them sees it. */
export interface Ranks {
  /** From 0. Rank 0 writes. */
  readonly rank: number;
  readonly size: number;
  /** What carries the numbers, for people. */
  readonly library: string;
  /** Each number becomes its sum over all ranks, on all of them. The vectors are of one length. */
  sum(vector: Vector): void;
  /** The parts of all ranks, one after the other in the order of ranks. The parts are of one length. */
  gather(part: Float32Array): Float32Array;
  /**
   * What this rank does at its end: `together` waits for the others, which end too; otherwise they are ended with it. The second
   * at first, and until `ends` says something else.
   */
  readonly ending: Ending;
  ends(how: Ending): void;
}

export type Ending = 'together' | 'alone';

/** A world of one process. */
export const ALONE: Ranks = {
  rank: 0,
  size: 1,
  library: 'one process',
  sum: () => undefined,
  gather: (part) => part.slice(),
  ending: 'together',
  ends: () => undefined,
};
