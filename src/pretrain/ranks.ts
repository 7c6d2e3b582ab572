/** What a pretraining by several processes needs at its start: parts of a batch, shares of processors, and the same run on all. */
import { readFileSync } from 'node:fs';
import { availableParallelism, hostname } from 'node:os';
import { usageError } from '../base/errors.ts';
import { firstOther, sharersOf } from '../engine/ranks/agreement.ts';
import type { Ranks } from '../engine/ranks/communicator.ts';
import type { OpenMethod } from '../methods/method.ts';
import type { Config } from '../runs/config.ts';
import { packageVersion } from '../runs/environment.ts';
import type { RunStart } from '../runs/run-folder.ts';
import type { BatchSchedule } from '../trainer/methods/batch-schedule.ts';

/**
 * Threads of this rank's kernels: what is asked for; else its share of the processors, which ranks of a machine have together
 * unless the launcher gave each its own. What a saved run had is no more than that share. Null: the backend decides. All ranks ask
 * together.
 */
export function fairThreads(
  ranks: Ranks,
  asked: number | null,
  saved: Pick<Config, 'threads'> | null,
): number | null {
  if (ranks.size === 1) return asked;
  const sharers = sharersOf(ranks, `${hostname()} ${allowedProcessors()}`);
  const share = Math.max(1, Math.floor(availableParallelism() / sharers));
  if (asked === null) return share;
  return asked === saved?.threads ? Math.min(asked, share) : asked;
}

/** The processors that this process may use, as Linux writes them; elsewhere nothing. */
function allowedProcessors(): string {
  try {
    return /^Cpus_allowed:\s*(.*)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '';
  } catch {
    return '';
  }
}

/** Every rank has as many rows of a batch as every other. Error: `RANKS_BATCH`. */
export function requireDivisible({
  ranks: { size },
  batchSchedule,
  opened,
}: {
  readonly ranks: Pick<Ranks, 'size'>;
  readonly batchSchedule: Pick<BatchSchedule, 'sizes'>;
  readonly opened: { readonly open: Pick<OpenMethod, 'streams'> };
}): void {
  const [full = 0, ...shorter] = batchSchedule.sizes;
  const more = opened.open.streams.slice(1).map(({ count }) => count);
  const uneven = [full, ...more, ...shorter].find((count) => count % size !== 0);
  if (uneven === undefined) return;
  const isShort = uneven === shorter.find((count) => count % size !== 0) && full % size === 0;
  throw usageError(
    'RANKS_BATCH',
    isShort
      ? `The last batches of an epoch have ${uneven} clips, which ${size} processes cannot share evenly.`
      : `A batch of ${uneven} clips cannot be shared evenly by ${size} processes.`,
    isShort
      ? 'Leave them out (batch.lastBatch=drop), choose another batch.size, or start another number of processes.'
      : `Choose a batch.size that is a multiple of ${size}, or start another number of processes.`,
    { where: isShort ? 'key batch.lastBatch' : 'key batch.size' },
  );
}

/** Throws `RANKS_DIFFER` where a rank holds something else than rank 0. All ranks ask together, and all throw. */
export function requireSame(ranks: Ranks, what: string, content: string | Uint8Array): void {
  const other = firstOther(ranks, content);
  if (other !== null) throw differs(ranks, other, what);
}

/** All ranks make the same run. Error: `RANKS_DIFFER`, naming the first thing that is not the same and a rank that has another. */
export function requireSameStart(ranks: Ranks, start: RunStart, config: Config, dataset: string): void {
  if (ranks.size === 1) return;
  requireSame(ranks, 'version of the program', packageVersion());
  requireSame(ranks, 'run in the output folder (is the folder shared by all machines?)', start);
  const leaves = leavesOf(config);
  requireSame(ranks, 'keys of the configuration', JSON.stringify(leaves.map(([key]) => key)));
  if (firstOther(ranks, JSON.stringify(leaves)) !== null)
    for (const [key, value] of leaves) requireSame(ranks, `value of ${key}`, JSON.stringify(value));
  requireSame(ranks, 'dataset', dataset);
}

function differs({ size }: Ranks, rank: number, what: string): Error {
  return usageError(
    'RANKS_DIFFER',
    `Rank ${rank} of ${size} has another ${what} than rank 0.`,
    'Start every process with the same program, options, dataset and output folder, on machines that share them.',
    { where: `rank ${rank}` },
  );
}

/** The keys of a configuration and their values. */
function leavesOf(tree: object, prefix = ''): readonly (readonly [key: string, value: unknown])[] {
  return Object.entries(tree).flatMap(([name, value]: [string, unknown]) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? leavesOf(value, `${prefix}${name}.`)
      : [[`${prefix}${name}`, value] as const],
  );
}
