/**
 * What a run says about itself while it goes: one JSON object a line in `log.jsonl`, and the same numbers as
 * TensorBoard events. A run that is resumed says every step once: both forms are cut at the step it resumes from.
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { guardWrites, writeFileAtomic } from '../base/files.ts';
import { EventWriter } from '../formats/tensorboard.ts';

/** `step` counts completed steps, `epoch` from 0, `time` in seconds since 1970. */
const common = { step: z.int().min(0), epoch: z.int().min(0), time: z.number() };

const stepSchema = z.object({
  kind: z.literal('step'),
  ...common,
  loss: z.number(),
  contrastive: z.number(),
  supervised: z.number(),
  labelled: z.int(),
  correct: z.int(),
  alignment: z.number(),
  uniformity: z.number(),
  /** Share of views that found their partner. */
  pairAccuracy: z.number(),
  learningRate: z.number(),
  gradientNorm: z.number(),
  pairs: z.int(),
  seconds: z.number(),
  pairsPerSecond: z.number(),
  /** Share of the step's time spent waiting for its batch. */
  dataWaitShare: z.number(),
  /** Resident memory of the process in bytes. */
  memory: z.number(),
});

const validationSchema = z.object({
  kind: z.literal('validation'),
  ...common,
  loss: z.number(),
  alignment: z.number(),
  uniformity: z.number(),
  pairAccuracy: z.number(),
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
export type LogEntry = Readonly<z.infer<typeof entrySchema>>;
export type StepEntry = Readonly<z.infer<typeof stepSchema>>;
export type ValidationEntry = Readonly<z.infer<typeof validationSchema>>;
export type KnnEntry = Readonly<z.infer<typeof knnSchema>>;

const LOG = 'log.jsonl';

/** Every whole entry of a run's log; a last line cut off by a crash is left out. */
export function readLog(run: string): readonly LogEntry[] {
  return readEntries(join(run, LOG), entrySchema);
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

/** Appends to both forms of the log. */
export class RunLog implements Disposable {
  readonly #path: string;
  readonly #events: EventWriter;

  /** Goes on after `step` completed steps: what was logged beyond them is superseded. */
  constructor(run: string, step: number) {
    this.#path = join(run, LOG);
    const kept = readLog(run).filter((entry) => entry.step <= step);
    writeFileAtomic(this.#path, [kept.map((entry) => `${JSON.stringify(entry)}\n`).join('')]);
    this.#events = EventWriter.open(run, { fromStep: step + 1 });
  }

  append(entry: LogEntry): void {
    guardWrites(this.#path, () => {
      appendFileSync(this.#path, `${JSON.stringify(entry)}\n`);
    });
    this.#event(entry);
  }

  /** Hands everything to the system. Before each checkpoint, so that no step up to it is missing after a crash. */
  flush(): void {
    this.#events.flush();
  }

  #event(entry: LogEntry): void {
    const { kind, step, time, ...values } = entry;
    for (const [name, value] of Object.entries(values))
      if (typeof value === 'number') this.#events.scalar(`${GROUPS[kind]}/${name}`, value, step, time);
  }

  /** Ends the log. Errors: `DISK_FULL`, `WRITE_FAILED`. */
  close(): void {
    this.#events.close();
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

const GROUPS = { step: 'train', validation: 'validation', knn: 'knn' } as const;
