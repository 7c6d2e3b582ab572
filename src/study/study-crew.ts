/** A study by several processes of one job: what they tell the first, which tells of all. Who does which job is said by claims. */
import { readdirSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { isOthers, STARTED } from '../base/processes.ts';
import { textsOf } from '../engine/ranks/agreement.ts';
import type { Ranks } from '../engine/ranks/communicator.ts';
import { clearCrew, Crew } from '../runs/ranks/crew.ts';
import { HOST } from './claims.ts';

const named = { job: z.string() };

/** What a process tells the first. */
const messageSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('share'), ...named, share: z.number(), note: z.string() }),
  z.strictObject({ kind: z.literal('done'), ...named, seconds: z.number() }),
  z.strictObject({ kind: z.literal('failed'), ...named, code: z.string(), message: z.string() }),
]);
export type StudyMessage = z.infer<typeof messageSchema>;

/** Milliseconds between two shares that are told. */
const SHARES_TOLD = 500;

export interface StudyCrewOptions {
  readonly ranks: Ranks;
  readonly folder: string;
  readonly signal: AbortSignal | undefined;
  readonly hear: (message: StudyMessage, rank: number) => void;
  /** A process other than the first has no more to do. */
  readonly ended: (rank: number) => void;
  readonly note: (text: string) => void;
}

/** One of the processes of a job that works on a study. */
export class StudyCrew extends Crew<StudyMessage> {
  readonly #isFirst: boolean;
  #told = 0;

  constructor(options: StudyCrewOptions) {
    super({ ...options, schema: messageSchema });
    this.#isFirst = options.ranks.rank === 0;
  }

  /** Tells how far a job is; of a process other than the first not more often than somebody looks. */
  tellShare(job: string, share: number, note: string): void {
    if (!this.#isFirst && performance.now() - this.#told < SHARES_TOLD) return;
    this.#told = performance.now();
    this.tell({ kind: 'share', job, share, note });
  }
}

/**
 * The folder in which the processes of this job meet, below the work folder of the study: other jobs may work on it too. All ask
 * together; the first clears what dead jobs of its machine left.
 */
export function crewFolder(ranks: Ranks, work: string): string {
  const all = join(work, 'ranks');
  const own = textsOf(ranks, `${HOST}~${process.pid}~${STARTED}`)[0]!;
  if (ranks.rank === 0 && existsSync(all))
    for (const name of readdirSync(all)) {
      const [host, pid, started] = name.split('~');
      if (host === HOST && !isOthers(Number(pid), started)) clearCrew(join(all, name));
    }
  return join(all, own);
}
