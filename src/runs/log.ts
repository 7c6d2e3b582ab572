/**
 * The log of a run: one JSON object a line in `log.jsonl`, and the same numbers as TensorBoard events. A resumed run
 * logs every step once: both forms are cut at the step it resumes from.
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { guardWrites, writeFileAtomic } from '../base/files.ts';
import { EventWriter } from '../formats/tensorboard.ts';
import { RUN_FILES } from './run-folder.ts';

/** `step` counts completed steps, `epoch` from 0, `time` in seconds since 1970. */
const common = { step: z.int().min(0), epoch: z.int().min(0), time: z.number() };

/** Beside these: every measurement that the method of the run declares. */
const stepSchema = z.looseObject({
  kind: z.literal('step'),
  ...common,
  loss: z.number(),
  learningRate: z.number(),
  gradientNorm: z.number(),
  /** Clips of the first stream in the batches of the step. */
  pairs: z.int(),
  seconds: z.number(),
  pairsPerSecond: z.number(),
  /** Share of the step's time spent waiting for its batch. */
  dataWaitShare: z.number(),
  /** Resident memory of the process in bytes. */
  memory: z.number(),
});

/** Beside these: the measurements that the method takes of held-out clips. */
const validationSchema = z.looseObject({
  kind: z.literal('validation'),
  ...common,
  loss: z.number(),
  /** Effective rank of the held-out features: near 1 is a collapse. */
  effectiveRank: z.number(),
});

const knnSchema = z.object({
  kind: z.literal('knn'),
  ...common,
  accuracy: z.number(),
  balancedAccuracy: z.number(),
  macroF1: z.number(),
});

const entrySchema = z.discriminatedUnion('kind', [stepSchema, validationSchema, knnSchema]);
/** A line of the log of a pretraining, told apart by `kind`. */
export type LogEntry = StepEntry | ValidationEntry | KnnEntry;

/**
 * One optimizer step: loss, learning rate, gradient norm, time, and what the method measures.
 * @interface
 */
export type StepEntry = Readonly<z.infer<typeof stepSchema>>;

/**
 * The method’s loss on held-out clips after an epoch.
 * @interface
 */
export type ValidationEntry = Readonly<z.infer<typeof validationSchema>>;

/**
 * How well nearest neighbours read labels from the features of held-out clips.
 * @interface
 */
export type KnnEntry = Readonly<z.infer<typeof knnSchema>>;

/** A number that a method measured, as an entry has it; null where it has none of this name. */
export function measured(entry: LogEntry, name: string): number | null {
  const value: unknown = (entry as Readonly<Record<string, unknown>>)[name];
  return typeof value === 'number' ? value : null;
}

/** Every whole entry of a run's log; a last line cut off by a crash is left out. */
export function readLog(run: string): readonly LogEntry[] {
  return readEntries(join(run, RUN_FILES.log), entrySchema);
}

/** The lines of a file that are JSON of this form. */
export function readEntries<Entry>(path: string, schema: z.ZodType<Entry>): readonly Entry[] {
  if (!existsSync(path)) return [];
  return readFileSync(path, 'utf8')
    .split('\n')
    .flatMap((line) => {
      const entry = schema.safeParse(parseLine(line));
      return entry.success ? [entry.data] : [];
    });
}

function parseLine(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/** Appends entries to both forms of a log. */
export class EntryLog<Entry extends { readonly step: number; readonly time: number }> implements Disposable {
  readonly #path: string;
  readonly #run: string;
  #events: EventWriter;
  readonly #scalarsOf: (entry: Entry) => Iterable<readonly [tag: string, value: number]>;

  /** Goes on after `step`, with what earlier calls logged and is still true. */
  constructor(
    run: string,
    step: number,
    kept: readonly Entry[],
    scalarsOf: (entry: Entry) => Iterable<readonly [tag: string, value: number]>,
  ) {
    this.#run = run;
    this.#path = join(run, RUN_FILES.log);
    this.#scalarsOf = scalarsOf;
    writeFileAtomic(this.#path, [linesOf(kept)]);
    this.#events = EventWriter.open(run, { fromStep: step + 1 });
  }

  append(entry: Entry): void {
    guardWrites(this.#path, () => {
      appendFileSync(this.#path, `${JSON.stringify(entry)}\n`);
    });
    this.#record(entry);
  }

  /** Puts other entries, from the first step on, in the place of all. */
  protected replace(entries: readonly Entry[]): void {
    writeFileAtomic(this.#path, [linesOf(entries)]);
    this.#events.close();
    this.#events = EventWriter.open(this.#run, { fromStep: 1 });
    for (const entry of entries) this.#record(entry);
  }

  /** Hands everything to the system. Before each save, so that no entry up to it is missing after a crash. */
  flush(): void {
    this.#events.flush();
  }

  /** Ends the log. Errors: `DISK_FULL`, `WRITE_FAILED`. */
  close(): void {
    this.#events.close();
  }

  #record(entry: Entry): void {
    for (const [tag, value] of this.#scalarsOf(entry))
      this.#events.scalar(tag, value, entry.step, entry.time);
  }

  /** Runs while an error may be on its way up, so it adds none: what could not be written is logged again on resume. */
  [Symbol.dispose](): void {
    try {
      this.#events.close();
    } catch {
      return;
    }
  }
}

function linesOf(entries: readonly unknown[]): string {
  return entries.map((entry) => `${JSON.stringify(entry)}\n`).join('');
}

/** The log of a pretraining that goes on after so many completed steps: what was logged beyond them is superseded. */
export function openLog({
  folder,
  from,
}: {
  readonly folder: string;
  readonly from: { readonly step: number };
}): EntryLog<LogEntry> {
  const kept = readLog(folder).filter((entry) => entry.step <= from.step);
  return new EntryLog(folder, from.step, kept, ({ kind, step: _step, time: _time, ...values }) =>
    Object.entries(values).flatMap(([name, value]) =>
      typeof value === 'number' ? [[`${GROUPS[kind]}/${name}`, value] as const] : [],
    ),
  );
}

const GROUPS = { step: 'train', validation: 'validation', knn: 'knn' } as const;
