/**
 * What ranks agree on before they write a run: their shares of the processors, and that all make the same run. All ranks call
 * the same functions in the same order.
 */
import { readFileSync } from 'node:fs';
import { availableParallelism, hostname } from 'node:os';
import { resolve } from 'node:path';
import { usageError } from '../../base/errors.ts';
import { firstOther, sharersOf, textsOf } from '../../engine/ranks/agreement.ts';
import type { Ranks } from '../../engine/ranks/communicator.ts';
import type { Config } from '../config.ts';
import { packageVersion, revision } from '../environment.ts';
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

/** How people are told of what is not the same. */
export interface Told {
  /** What this rank holds, in words; without it only the rank is named. */
  readonly shown?: string;
  readonly remedy?: string;
}

/** Throws `RANKS_DIFFER` where a rank holds something else than rank 0. All ranks ask together, and all throw. */
export function requireSame(
  ranks: Ranks,
  what: string,
  content: string | Uint8Array,
  { shown, remedy }: Told = {},
): void {
  const other = firstOther(ranks, content);
  if (other === null) return;
  throw differs(ranks, other, what, shown === undefined ? [] : textsOf(ranks, shown), remedy);
}

/**
 * All ranks run the same program and do the same kind of work; of which version Node.js is does not matter. It comes before anything
 * else, and its meetings keep their form for ever: what other versions and other kinds of work ask of each other later may differ.
 * Error: `RANKS_DIFFER`, which names both.
 */
export function requireSameProgram(ranks: Ranks, program: Program, work: string): void {
  if (ranks.size === 1) return;
  const { version, commit } = program;
  requireSame(ranks, 'version of the program', version, {
    shown: version,
    remedy: 'Install one version of the program for all processes.',
  });
  // Without git a checkout does not know its commit.
  const commits = textsOf(ranks, commit ?? '');
  const other = commits.findIndex((one) => one !== '' && commits[0] !== '' && one !== commits[0]);
  if (other !== -1)
    throw differs(
      ...([ranks, other, 'commit of the program', commits] as const),
      'Check out one commit for all processes; a + stands for files that differ from it.',
    );
  requireSame(ranks, 'kind of work', work, { shown: work });
}

/** The program of a process: its version, and the commit where it runs from a checkout. */
export interface Program {
  readonly version: string;
  readonly commit: string | null;
}

export function ownProgram(): Program {
  return { version: packageVersion(), commit: revision() };
}

/** All ranks write to the same folder, or would if they were rank 0. Error: `RANKS_DIFFER`. */
export function requireSameFolder(ranks: Ranks, what: string, folder: string): void {
  if (ranks.size === 1) return;
  const path = resolve(folder);
  requireSame(ranks, what, path, {
    shown: path,
    remedy: 'Give every process the same folder; where they start in different ones, by its absolute path.',
  });
}

/** All ranks make the same run. Error: `RANKS_DIFFER`, naming the first thing that is not the same and a rank that has another. */
export function requireSameStart(
  ranks: Ranks,
  { folder, start }: { readonly folder: string; readonly start: RunStart },
  config: object,
  dataset: string,
): void {
  if (ranks.size === 1) return;
  requireSameFolder(ranks, 'output folder', folder);
  requireSame(ranks, 'run in the output folder (is the folder shared by all machines?)', start);
  const leaves = leavesOf(config);
  requireSame(ranks, 'keys of the configuration', JSON.stringify(leaves.map(([key]) => key)));
  if (firstOther(ranks, JSON.stringify(leaves)) !== null)
    for (const [key, value] of leaves) {
      const text = JSON.stringify(value);
      requireSame(ranks, `value of ${key}`, text, { shown: text });
    }
  requireSame(ranks, 'dataset', dataset);
}

/** `shown`: what each rank holds, where that can be said. */
function differs(
  { size }: Ranks,
  rank: number,
  what: string,
  shown: readonly string[],
  remedy = 'Start every process with the same program, options, dataset and output folder, on machines that share them.',
): Error {
  const both = shown.length === 0 ? '' : `: ${shown[rank]!} in place of ${shown[0]!}`;
  return usageError(
    'RANKS_DIFFER',
    `Rank ${rank} of ${size} has another ${what} than rank 0${both}.`,
    remedy,
    {
      where: `rank ${rank}`,
    },
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
