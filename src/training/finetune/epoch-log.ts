/**
 * What a fine-tuning run says while it goes: an entry an epoch of every fold in `log.jsonl`, and the same numbers as
 * TensorBoard events. A run that is resumed says every epoch once.
 */
import { join } from 'node:path';
import { z } from 'zod';
import { EntryLog, readEntries } from '../log.ts';
import { RUN_FILES } from '../run-folder.ts';
import { type CellKey, cellName } from './cells.ts';

const entrySchema = z.object({
  kind: z.literal('epoch'),
  labelRate: z.number(),
  seed: z.int(),
  /** Null: the final model. */
  fold: z.int().nullable(),
  /** From 0. */
  epoch: z.int().min(0),
  /** Epochs of all folds so far: the step of the TensorBoard events. */
  step: z.int().min(1),
  /** Seconds since 1970. */
  time: z.number(),
  /** Of the images as trained on: augmented, weighted, mixed. */
  trainLoss: z.number(),
  trainAccuracy: z.number(),
  /** Of the clips that choose the epoch; null where there are none. */
  innerLoss: z.number().nullable(),
  innerAccuracy: z.number().nullable(),
  innerBalancedAccuracy: z.number().nullable(),
  /** Which clips those are: held out of training, or (legacy) the test clips themselves. */
  chosenOn: z.enum(['inner', 'test', 'nothing']),
  /** The best epoch so far. */
  best: z.boolean(),
  learningRate: z.number(),
  /** Mean over steps, before clipping. */
  gradientNorm: z.number(),
  steps: z.int(),
  images: z.int(),
  /** Of training and of scoring. */
  trainSeconds: z.number(),
  scoreSeconds: z.number(),
  imagesPerSecond: z.number(),
  /** Resident memory in bytes. */
  memory: z.number(),
});
/** One epoch of one fold. */
export type EpochEntry = Readonly<z.infer<typeof entrySchema>>;

/** Every whole entry of a fine-tuning run's log, in order. */
export function readEpochLog(run: string): readonly EpochEntry[] {
  return readEntries(join(run, RUN_FILES.log), entrySchema);
}

/** Whether an entry is of this fold. */
export function isOf(entry: CellKey, key: CellKey): boolean {
  return entry.labelRate === key.labelRate && entry.seed === key.seed && entry.fold === key.fold;
}

const EVENTS = ['trainLoss', 'trainAccuracy', 'innerLoss', 'innerBalancedAccuracy', 'learningRate'] as const;

export class EpochLog extends EntryLog<EpochEntry> {
  #step: number;

  /** Goes on after the entries of earlier calls that `keep` says are still true. */
  constructor(run: string, keep: (entry: EpochEntry) => boolean) {
    const kept = readEpochLog(run)
      .filter(keep)
      .map((entry, i) => ({ ...entry, step: i + 1 }));
    super(run, kept.length, kept, (entry) =>
      EVENTS.flatMap((name) => {
        const value = entry[name];
        return value === null ? [] : [[`${name}/${cellName(entry)}`, value] as const];
      }),
    );
    this.#step = kept.length;
  }

  /** Appends an entry with these values, and returns it. */
  add(values: Omit<EpochEntry, 'step' | 'kind' | 'time'>): EpochEntry {
    this.#step += 1;
    const entry: EpochEntry = { kind: 'epoch', step: this.#step, time: Date.now() / 1000, ...values };
    this.append(entry);
    return entry;
  }
}
