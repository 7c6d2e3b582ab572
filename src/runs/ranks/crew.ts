/**
 * Ranks that each do units of work of their own: who does which, what rank 0 hears of the others, and one end for all. It goes by
 * small files in a folder that all ranks see, because nobody waits for another while work is left. What tells that a rank has ended,
 * or that all should stop, is a file that is removed: that works on a full disk too.
 *
 *     going        removed: all stop after their step
 *     R.working    removed: rank R has ended
 *     UNIT.taken   one of them does this unit
 *     R.jsonl      what rank R tells (`mailbox.ts`)
 */
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { messageOf, systemCode, UsclError } from '../../base/errors.ts';
import { guardWrites } from '../../base/files.ts';
import type { Ranks } from '../../engine/ranks/communicator.ts';
import { leftIn, Mailbox, post } from './mailbox.ts';

/** Milliseconds between two looks at the folder. */
const LOOK = 250;

const errorSchema = z.strictObject({
  kind: z.enum(['usage', 'data', 'numeric', 'resource']),
  code: z.string(),
  message: z.string(),
  where: z.string(),
  remedy: z.string(),
});
/** How a rank failed: an error for people, or the stack of a defect. */
const failureSchema = z.union([errorSchema, z.strictObject({ stack: z.string() })]);
type Failure = z.infer<typeof failureSchema>;

function lineSchema<Message>(message: z.ZodType<Message>) {
  return z.union([z.strictObject({ message }), z.strictObject({ failure: failureSchema })]);
}
type Line<Message> = { readonly message: Message } | { readonly failure: Failure };

export interface CrewOptions<Message> {
  readonly ranks: Pick<Ranks, 'rank' | 'size'>;
  readonly folder: string;
  readonly schema: z.ZodType<Message>;
  /** What a rank tells, this one too; called on rank 0. */
  readonly hear: (message: Message, rank: number) => void;
  /** A rank other than 0 has no more work. */
  readonly ended?: (rank: number) => void;
  /** Several ranks may fail; the first is thrown, the others are told here. */
  readonly note: (text: string) => void;
  readonly signal: AbortSignal | undefined;
}

/** Prepares the folder for so many ranks, before any of them works. Called by rank 0 alone. Errors: `DISK_FULL`, `WRITE_FAILED`. */
export function prepareCrew(folder: string, { size }: Pick<Ranks, 'size'>): void {
  clearCrew(folder);
  if (size === 1) return;
  guardWrites(folder, () => {
    mkdirSync(folder, { recursive: true });
    for (let rank = 0; rank < size; rank++) writeFileSync(join(folder, working(rank)), '');
    writeFileSync(join(folder, GOING), '');
  });
}

/** Removes the folder: all ranks have ended, or are of a job that was killed. */
export function clearCrew(folder: string): void {
  guardWrites(folder, () => {
    rmSync(folder, { recursive: true, force: true });
  });
}

/** What ranks of a job that was killed have told. */
export function toldIn<Message>(folder: string, schema: z.ZodType<Message>): readonly Message[] {
  return leftIn(folder, z.strictObject({ message: schema })).map(({ message }) => message);
}

/** One rank of those that work in a prepared folder. A process alone needs no folder. */
export class Crew<Message> implements Disposable {
  readonly #options: CrewOptions<Message>;
  readonly #controller = new AbortController();
  /** Of the other ranks, at rank 0, as long as they work. */
  readonly #mail: Map<number, Mailbox<Line<Message>>>;
  readonly #failures: (readonly [rank: number, Failure])[] = [];
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #onAbort = (): void => {
    this.#stop();
  };
  /** What went wrong beside the work: in a look at the folder. */
  #broken: { readonly thrown: unknown } | undefined;

  constructor(options: CrewOptions<Message>) {
    const { ranks, folder, schema, signal } = options;
    this.#options = options;
    const others = ranks.rank > 0 ? [] : Array.from({ length: ranks.size - 1 }, (_, i) => i + 1);
    const line = lineSchema(schema);
    this.#mail = new Map(others.map((rank) => [rank, new Mailbox<Line<Message>>(folder, rank, line)]));
    signal?.addEventListener('abort', this.#onAbort);
    if (signal?.aborted === true) this.#stop();
    if (ranks.size > 1)
      this.#timer = setInterval(() => {
        this.#look();
      }, LOOK).unref();
  }

  /** Aborted where this rank or another one was told to stop, or has failed. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Whether this rank is to do the unit: of all that ask, one is. Errors: `DISK_FULL`, `WRITE_FAILED`. */
  take(unit: string): boolean {
    const { ranks, folder } = this.#options;
    if (ranks.size === 1) return true;
    const path = join(folder, `${unit}.taken`);
    return guardWrites(path, () => {
      try {
        closeSync(openSync(path, 'wx'));
        return true;
      } catch (thrown) {
        if (systemCode(thrown) === 'EEXIST') return false;
        throw thrown;
      }
    });
  }

  /** Tells rank 0. Errors: `DISK_FULL`, `WRITE_FAILED`. */
  tell(message: Message): void {
    const { ranks, folder, hear } = this.#options;
    if (ranks.rank === 0) hear(message, 0);
    else post(folder, ranks.rank, { message } satisfies Line<Message>);
  }

  /**
   * Does the work of this rank and waits for the end of all. Where one fails all stop. Rank 0 throws what failed first by
   * rank; a rank whose error was told returns, and learns it at the next meeting, which has to follow.
   */
  async work(body: () => Promise<void>): Promise<void> {
    const { ranks, folder } = this.#options;
    if (ranks.size === 1) {
      await body();
      return;
    }
    let own: { readonly thrown: unknown } | undefined;
    try {
      await body();
    } catch (thrown) {
      own = { thrown };
    }
    own ??= this.#broken;
    if (own !== undefined || this.signal.aborted) this.#stop();
    const isTold = own !== undefined && ranks.rank > 0 && this.#tellFailure(own.thrown);
    rmSync(join(folder, working(ranks.rank)), { force: true });
    await this.#othersEnd();
    clearInterval(this.#timer);
    own ??= this.#broken;
    const failures = this.#failures.sort(([a], [b]) => a - b);
    const first = own === undefined ? failures.shift() : undefined;
    for (const [rank, failure] of failures)
      this.#options.note(`Rank ${rank} failed too: ${wordsOf(failure)}`);
    if (own !== undefined && !isTold) throw own.thrown;
    if (first !== undefined) throw errorOf(...first);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
  }

  async #othersEnd(): Promise<void> {
    const { folder } = this.#options;
    const works = (): readonly string[] => readdirSync(folder).filter((name) => name.endsWith(WORKING));
    while (works().length > 0) await delay(LOOK);
    this.#look();
  }

  /** Looks at what the others do. */
  #look(): void {
    const { folder, hear, ended } = this.#options;
    try {
      if (!existsSync(join(folder, GOING))) this.#controller.abort();
      for (const [rank, box] of this.#mail) {
        // First: a rank that has ended tells nothing more.
        const works = existsSync(join(folder, working(rank)));
        for (const line of box.news())
          if ('message' in line) hear(line.message, rank);
          else this.#failures.push([rank, line.failure]);
        if (works) continue;
        this.#mail.delete(rank);
        ended?.(rank);
      }
    } catch (thrown) {
      this.#broken ??= { thrown };
      this.#stop();
    }
  }

  #stop(): void {
    this.#controller.abort();
    if (this.#options.ranks.size > 1) rmSync(join(this.#options.folder, GOING), { force: true });
  }

  /** Whether rank 0 will know; not where the disk is full, and then this rank tells it. */
  #tellFailure(thrown: unknown): boolean {
    const { ranks, folder } = this.#options;
    try {
      post(folder, ranks.rank, { failure: failureOf(thrown) } satisfies Line<Message>);
      return true;
    } catch (second) {
      if (second instanceof UsclError) return false;
      throw second;
    }
  }
}

const GOING = 'going';
const WORKING = '.working';

function working(rank: number): string {
  return `${rank}${WORKING}`;
}

function failureOf(thrown: unknown): Failure {
  if (!(thrown instanceof UsclError))
    return { stack: (thrown instanceof Error ? thrown.stack : undefined) ?? messageOf(thrown) };
  const { kind, code, message, where = '', remedy } = thrown;
  return { kind, code, message, where, remedy };
}

/** The error of another rank, with its place. */
function errorOf(rank: number, failure: Failure): Error {
  if ('stack' in failure) {
    const error = new Error(`rank ${rank} broke down`);
    error.stack = `rank ${rank}: ${failure.stack}`;
    return error;
  }
  const { where } = failure;
  return new UsclError({ ...failure, where: `rank ${rank}${where === '' ? '' : `, ${where}`}` });
}

function wordsOf(failure: Failure): string {
  return 'stack' in failure ? failure.stack : `${failure.message} ${failure.remedy}`;
}
