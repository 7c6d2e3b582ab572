/** Work that one process does, or the ranks that a launcher started do together: how they begin it, and how they end. */
import type { Ranks } from '../../engine/ranks/communicator.ts';
import { takeGpu } from '../../engine/ranks/gpus.ts';
import { awaitTurn } from '../../engine/ranks/meeting.ts';
import { launchedAs, openRanks } from '../../engine/ranks/open.ts';
import { ownProgram, requireSameProgram } from './agreement.ts';

/**
 * What `body` makes, as one of the ranks of this process's job, or of those that are given: whoever gives them has begun and ends
 * them. `work`: what kind it is, for people. A rank that fails takes the others along. Errors: those of `openRanks`, and of `body`;
 * `RANKS_DIFFER` where another rank runs another program or does other work.
 */
export async function asRank<Result>(
  given: Ranks | undefined,
  work: string,
  body: (ranks: Ranks) => Promise<Result>,
): Promise<Result> {
  if (given !== undefined) return body(given);
  let ranks: Pick<Ranks, 'rank' | 'ending'> = { rank: launchedAs()?.rank ?? 0, ending: 'alone' };
  try {
    // Before MPI begins: git is a process of its own.
    const program = launchedAs() === null ? null : ownProgram();
    const joined = openRanks();
    ranks = joined;
    if (program !== null) {
      // All find the same, so all end together.
      joined.ends('together');
      requireSameProgram(joined, program, work);
    }
    // Whoever fails takes the others along, until all are done.
    joined.ends('alone');
    takeGpu(joined);
    const result = await body(joined);
    joined.ends('together');
    return result;
  } catch (thrown) {
    await awaitTurn(ranks, thrown);
    throw thrown;
  }
}
