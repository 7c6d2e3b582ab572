/**
 * Opening something together: either every rank has done its part or all end in good order, with one message. Whoever fails says
 * so at the next meeting, so nobody waits for a rank that has given up.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { UsclError } from '../../base/errors.ts';
import { flagsOf } from './agreement.ts';
import type { Ranks } from './communicator.ts';

const ELSEWHERE = 'RANKS_FAILED';
/** Exit codes to kinds: what another rank ended with. */
const KINDS = { 2: 'usage', 3: 'data', 4: 'numeric', 5: 'resource' } as const;

/** Returns when all ranks have come here well. Error: `RANKS_FAILED` where another one has failed before. */
export function meet(ranks: Ranks): void {
  if (ranks.size > 1) throwFailure(ranks, flagsOf(ranks, 0));
}

/**
 * What `body` makes, which holds meetings of its own. Error: its own, where this rank is the first that failed; else
 * `RANKS_FAILED`. The ranks end together then.
 */
export async function openTogether<Result>(
  ranks: Ranks,
  body: () => Result | Promise<Result>,
): Promise<Result> {
  try {
    return await body();
  } catch (thrown) {
    if (ranks.size === 1 || isElsewhere(thrown)) throw thrown;
    const code = thrown instanceof UsclError ? thrown.exitCode : 1;
    const flags = flagsOf(ranks, code);
    ranks.ends('together');
    if (flags.findIndex((flag) => flag !== 0) !== ranks.rank) throwFailure(ranks, flags);
    throw thrown;
  }
}

/** Whether an error says only that another rank has failed, which tells of it. */
export function isElsewhere(thrown: unknown): boolean {
  return thrown instanceof UsclError && thrown.code === ELSEWHERE;
}

/** Seconds that a rank leaves rank 0 to tell of the same failure and to end all, before it does so itself. */
const SECONDS = { alike: 60, own: 2 } as const;

/**
 * Returns when a failure of this rank outside of a meeting is its own to tell. What all ranks compute alike fails on all alike,
 * and rank 0 tells it, perhaps after a save.
 */
export async function awaitTurn(ranks: Pick<Ranks, 'rank' | 'ending'>, thrown: unknown): Promise<void> {
  if (ranks.rank === 0 || ranks.ending === 'together') return;
  const isAlike =
    thrown instanceof UsclError && (thrown.kind === 'numeric' || thrown.code.startsWith('METHOD_'));
  await delay(1000 * SECONDS[isAlike ? 'alike' : 'own']);
}

function throwFailure(ranks: Ranks, flags: readonly number[]): void {
  const failed = flags.findIndex((flag) => flag !== 0);
  if (failed === -1) return;
  ranks.ends('together');
  const code = flags[failed]!;
  throw new UsclError({
    kind: code in KINDS ? KINDS[code as keyof typeof KINDS] : 'resource',
    code: ELSEWHERE,
    message: `Rank ${failed} of ${ranks.size} has failed, so all end.`,
    where: `rank ${failed}`,
    remedy: 'That rank says why.',
  });
}
