/**
 * What ranks agree on before they write a run: their shares of the processors, and that all make the same run. All ranks call
 * the same functions in the same order.
 */
import { readFileSync } from 'node:fs';
import { availableParallelism, hostname } from 'node:os';
import { usageError } from '../../base/errors.ts';
import { firstOther, sharersOf } from '../../engine/ranks/agreement.ts';
import type { Ranks } from '../../engine/ranks/communicator.ts';
import type { Config } from '../config.ts';
import { packageVersion } from '../environment.ts';
import type { RunStart } from '../run-folder.ts';

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

/** Throws `RANKS_DIFFER` where a rank holds something else than rank 0. All ranks ask together, and all throw. */
export function requireSame(ranks: Ranks, what: string, content: string | Uint8Array): void {
  const other = firstOther(ranks, content);
  if (other !== null) throw differs(ranks, other, what);
}

/** All ranks make the same run. Error: `RANKS_DIFFER`, naming the first thing that is not the same and a rank that has another. */
export function requireSameStart(ranks: Ranks, start: RunStart, config: object, dataset: string): void {
  if (ranks.size === 1) return;
  requireSame(ranks, 'version of the program', packageVersion());
  requireSame(ranks, 'run in the output folder (is the folder shared by all machines?)', start);
  const leaves = leavesOf(config);
  requireSame(ranks, 'keys of the configuration', JSON.stringify(leaves.map(([key]) => key)));
  if (firstOther(ranks, JSON.stringify(leaves)) !== null)
    for (const [key, value] of leaves) requireSame(ranks, `value of ${key}`, JSON.stringify(value));
  requireSame(ranks, 'dataset', dataset);
}

/** Bytes of a text that `toldByFirst` carries. */
const TOLD_BYTES = 512;

/** A text of rank 0, on all of them. All ranks ask together. Error: `RangeError` for a text beyond 512 bytes. */
export function toldByFirst(ranks: Ranks, text: string): string {
  const bytes = new TextEncoder().encode(text);
  if (bytes.length > TOLD_BYTES) throw new RangeError(`${bytes.length} bytes are more than are told.`);
  const padded = new Float32Array(TOLD_BYTES);
  padded.set(bytes);
  const first = ranks.gather(padded).subarray(0, TOLD_BYTES);
  return new TextDecoder().decode(Uint8Array.from(first).filter((byte) => byte !== 0));
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
