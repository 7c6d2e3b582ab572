/**
 * A fine-tuning by several processes: fold runs are shared, and the first process writes the log and tells of all. The others tell
 * it what they log and how far they are.
 */
import { z } from 'zod';
import { Crew, type CrewOptions } from '../runs/ranks/crew.ts';
import { type EpochLog, type EpochSink, entryOf, entrySchema } from './epoch-log.ts';
import type { FinetuneEvent } from './events.ts';
import { type FoldRunKey, foldRunName } from './fold-runs.ts';
import type { JobProgress, OwnProgress } from './job-progress.ts';

const keySchema = z.strictObject({ labelRate: z.number(), seed: z.int(), fold: z.int().nullable() });

/** What a process tells the first. */
const messageSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('note'), text: z.string() }),
  z.strictObject({
    kind: z.literal('steps'),
    done: z.int(),
    secondsAStep: z.number(),
    imagesPerSecond: z.number(),
  }),
  z.strictObject({ kind: z.literal('epoch'), entry: entrySchema }),
  z.strictObject({
    kind: z.literal('fold-run'),
    key: keySchema,
    number: z.int(),
    foldRuns: z.int(),
    epoch: z.int(),
    epochs: z.int(),
    seconds: z.number(),
  }),
]);
type Message = z.infer<typeof messageSchema>;

/** Epochs that processes of a job that was killed have told. */
export const toldEpochs = z.strictObject({ kind: z.literal('epoch'), entry: entrySchema });

/** Milliseconds between two steps that are told. */
const STEPS_TOLD = 500;

export interface FoldCrewOptions extends Pick<CrewOptions<never>, 'ranks' | 'folder' | 'signal'> {
  readonly tell: (event: FinetuneEvent) => void;
  /** Where this process logs: the first one's. */
  readonly log: EpochLog | null;
  readonly progress: JobProgress;
}

/** One of the processes of a fine-tuning. */
export class FoldCrew implements Disposable {
  /** Where this process logs what it trains. */
  readonly log: EpochSink;
  readonly #crew: Crew<Message>;
  readonly #options: FoldCrewOptions;
  #last: OwnProgress | undefined;
  #told = 0;

  constructor(options: FoldCrewOptions) {
    const { tell, progress, log } = options;
    this.#options = options;
    this.#crew = new Crew<Message>({
      ...options,
      schema: messageSchema,
      hear: (message, rank) => {
        this.#hear(message, rank);
      },
      ended: (rank) => {
        progress.ended(rank);
      },
      note: (text) => {
        tell({ kind: 'note', text });
      },
    });
    this.log = log ?? {
      add: (values) => {
        const entry = entryOf(1, values);
        this.#crew.tell({ kind: 'epoch', entry });
        return entry;
      },
      flush: () => undefined,
    };
  }

  /** Aborted where all are to stop. */
  get signal(): AbortSignal {
    return this.#crew.signal;
  }

  take(key: FoldRunKey): boolean {
    return this.#crew.take(foldRunName(key));
  }

  /** As `Crew.work`. */
  work(body: () => Promise<void>): Promise<void> {
    return this.#crew.work(body);
  }

  /** This process has come so far. */
  at(own: OwnProgress): void {
    const { log, progress, tell } = this.#options;
    if (log !== null) {
      tell(progress.at(0, own));
      return;
    }
    this.#last = own;
    if (performance.now() - this.#told >= STEPS_TOLD) this.#tellSteps();
  }

  /** Something has happened in this process. */
  tell(event: FinetuneEvent): void {
    const { log, tell } = this.#options;
    if (log !== null) {
      tell(event);
      return;
    }
    if (event.kind === 'note') this.#crew.tell(event);
    if (event.kind !== 'fold-run') return;
    this.#tellSteps();
    this.#crew.tell(event);
  }

  [Symbol.dispose](): void {
    this.#crew[Symbol.dispose]();
  }

  #tellSteps(): void {
    this.#told = performance.now();
    if (this.#last !== undefined) this.#crew.tell({ kind: 'steps', ...this.#last });
  }

  #hear(message: Message, rank: number): void {
    const { log, progress, tell } = this.#options;
    switch (message.kind) {
      case 'note':
      case 'fold-run':
        tell(message);
        return;
      case 'steps':
        tell(progress.at(rank, message));
        return;
      case 'epoch': {
        const entry = log!.take(message.entry);
        const { labelRate, seed, fold } = entry;
        tell({ kind: 'epoch', key: { labelRate, seed, fold }, entry });
      }
    }
  }
}
