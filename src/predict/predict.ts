/**
 * Predicts files with a fine-tuned model: videos, pictures, DICOM objects, folders of these. Pixels are processed as
 * by an ingest (field, blanking, cropping, scaling, dropping, and the rules of what may name a patient), then as by
 * every evaluation (the whole frame, no randomness). Frames stream: memory grows with the probabilities of a clip,
 * not with its pixels. Research use only; not a medical device.
 */
import { setImmediate } from 'node:timers/promises';
import { usageError } from '../base/errors.ts';
import { uniformFrames } from '../evaluation/features/uniform-frames.ts';
import type { ClipDecoding } from '../ingest/clip.ts';
import { DEFAULT_FPS, DEFAULT_SIZE, type ReadOptions } from '../ingest/options.ts';
import { type FoundClip, readSources, type ReadVisitor } from '../ingest/reading.ts';
import { RESEARCH_USE } from '../base/research-use.ts';
import {
  concluded,
  type FailedFile,
  type FilePrediction,
  type FilePredictions,
  type PredictionsHead,
} from './answers.ts';
import {
  ABSTAIN_BELOW,
  FrameBatcher,
  type ModelUse,
  OpenedModel,
  optionError,
  requireFrames,
} from '../trainer/opened-model.ts';

/** Images at a time. */
const BATCH = 16;

/** How files are read is, by default, how the clips that the model learned from were. */
export interface PredictOptions extends Omit<ReadOptions, 'signal'> {
  /** Frames looked at of each clip, even in time over those that an ingest would store. Default: all of them. */
  readonly frames?: number | 'all';
  /** 0 to 1: with a smaller probability of the likeliest class there is no answer. Default `ABSTAIN_BELOW`. */
  readonly abstainBelow?: number;
  /** In hundredths of the whole. */
  readonly onProgress?: (done: number, total: number, note?: string) => void;
  readonly signal?: AbortSignal;
}

/** Who hears of each clip and each file that could not be read, in order. */
export interface PredictVisitor {
  /** `path` is for the screen alone where `clip.name` is another. */
  clip(clip: FilePrediction, path: string): void | Promise<void>;
  failed(file: FailedFile, path: string, reason: string): void | Promise<void>;
}

type Outcome =
  | { readonly clip: FilePrediction; readonly path: string }
  | { readonly failed: FailedFile; readonly path: string; readonly reason: string };

/** A model in memory that reads files. Dispose of it. */
export class Predictor implements Disposable {
  readonly classes: readonly string[];
  readonly #opened: OpenedModel;

  /** Opens the model of a fine-tuning run. Errors: those of `openBackend` and `openModel`. */
  constructor(source: string, options: ModelUse = {}) {
    this.#opened = new OpenedModel(source, BATCH, options);
    this.classes = this.#opened.model.classes;
  }

  /** What `each` with these options goes by. Errors: `PREDICT_OPTION`. */
  head(options: PredictOptions = {}): PredictionsHead {
    const { abstainBelow = ABSTAIN_BELOW, frames = 'all' } = options;
    if (!(abstainBelow >= 0 && abstainBelow <= 1))
      throw optionError('PREDICT_OPTION', 'abstainBelow', abstainBelow, 'a number from 0 to 1');
    requireFrames('PREDICT_OPTION', frames);
    const { view, checkpoint } = this.#opened.model;
    const learned = checkpoint.classifier?.ingest;
    const { fps = learned?.fps ?? DEFAULT_FPS, size = learned?.size ?? DEFAULT_SIZE } = options;
    const { channels = learned?.channels ?? view.channels, crop = learned?.crop ?? 'auto' } = options;
    return {
      ...{ format: 'uscl-file-predictions', version: 1, notice: RESEARCH_USE },
      model: this.#opened.identity(),
      reading: { fps, size, channels, crop, frames },
      abstainBelow,
    };
  }

  /**
   * Hands every clip of `files` to `visitor`, and every file that cannot be read, in order. Errors: `PREDICT_OPTION`,
   * `PREDICT_EMPTY` (no files), `NON_FINITE`, those of `readSources`.
   */
  async each(files: readonly string[], options: PredictOptions, visitor: PredictVisitor): Promise<void> {
    const { abstainBelow, reading } = this.head(options);
    if (files.length === 0)
      throw usageError(
        'PREDICT_EMPTY',
        'There is no file to predict.',
        'Give videos, pictures, DICOM files, or folders of these.',
      );
    const { onProgress, signal } = options;
    const batcher = new FrameBatcher(this.#opened.model);
    const outcomes = new InOrder<Outcome>((outcome) =>
      'clip' in outcome
        ? visitor.clip(outcome.clip, outcome.path)
        : visitor.failed(outcome.failed, outcome.path, outcome.reason),
    );
    let clipsDone = 0;
    let clips = files.length;
    const tell = (share: number, path: string): void => {
      onProgress?.(Math.floor((100 * (clipsDone + share)) / clips), 100, path);
    };
    const { frames, ...settings } = reading;
    const readVisitor: ReadVisitor = {
      clip: async (found, decoding, again) => {
        const chosen = frames === 'all' ? null : await chosenFrames(decoding, frames);
        const clip = new ClipRows(found, chosen === null ? decoding : again());
        await clip.read(chosen, batcher, {
          signal,
          progress: (share) => {
            tell(share, found.path);
          },
        });
        outcomes.promise(() => clip.outcome(this.classes, abstainBelow));
        await outcomes.drain();
      },
      refused: async ({ input, path, code, reason, remedy, written }) => {
        const failed = { input: input + 1, name: written.source, code, reason: written.reason, remedy };
        outcomes.promise(() => ({ failed, path, reason }));
        await outcomes.drain();
      },
      progress: (done, total, path) => {
        [clipsDone, clips] = [done, total];
        tell(0, path);
      },
    };
    await readSources(files, { ...options, ...settings, signal }, readVisitor);
    batcher.flush();
    await outcomes.drain();
  }

  /** All that `each` hands on, in one object; `visitor` hears of everything too. Errors: those of `each`. */
  async files(
    files: readonly string[],
    options: PredictOptions = {},
    visitor?: PredictVisitor,
  ): Promise<FilePredictions> {
    const result: FilePredictions = { ...this.head(options), clips: [], failed: [] };
    await this.each(files, options, {
      async clip(clip, path) {
        result.clips.push(clip);
        await visitor?.clip(clip, path);
      },
      async failed(file, path, reason) {
        result.failed.push(file);
        await visitor?.failed(file, path, reason);
      },
    });
    return result;
  }

  [Symbol.dispose](): void {
    this.#opened[Symbol.dispose]();
  }
}

/**
 * What the model of a fine-tuning run (or its safetensors file) says of `files`. Files that cannot be read are in
 * `failed`. Errors: those of `Predictor`.
 */
export async function predictFiles(
  source: string,
  files: readonly string[],
  options: PredictOptions & ModelUse = {},
): Promise<FilePredictions> {
  using predictor = new Predictor(source, options);
  return await predictor.files(files, options);
}

/** The frames of a clip on their way through the model. */
class ClipRows {
  readonly #found: FoundClip;
  readonly #decoding: ClipDecoding;
  readonly #numbers: number[] = [];
  readonly #probabilities: number[][] = [];
  #missing = 0;

  constructor(found: FoundClip, decoding: ClipDecoding) {
    this.#found = found;
    this.#decoding = decoding;
  }

  /** Reads to the end. `chosen` null: every frame. */
  async read(
    chosen: ReadonlySet<number> | null,
    batcher: FrameBatcher,
    { signal, progress }: { signal: AbortSignal | undefined; progress: (share: number) => void },
  ): Promise<void> {
    const decoding = this.#decoding;
    let number = -1;
    for await (const frame of decoding.frames) {
      number++;
      if (chosen?.has(number) === false) continue;
      const row = this.#numbers.push(number) - 1;
      this.#missing++;
      const hasRun = batcher.add(frame, decoding.stored, (probabilities) => {
        this.#probabilities[row] = probabilities;
        this.#missing--;
      });
      if (!hasRun) continue;
      progress(Math.min(1, ((decoding.positions[number] ?? 0) + 1) / (decoding.expected ?? Infinity)));
      // Lets signals and the decoder's output in between batches.
      await setImmediate();
      signal?.throwIfAborted();
    }
  }

  /** What came out, or null as long as frames are waiting for their batch. */
  outcome(classes: readonly string[], abstainBelow: number): Outcome | null {
    if (this.#missing > 0) return null;
    const { input, path, isPrivate } = this.#found;
    const { id, fps, field = null, dropped, flags } = this.#decoding.draft();
    const { positions } = this.#decoding;
    const raw = {
      ...{ input: input + 1, name: isPrivate ? id : path, field, flags },
      ...{ frames: this.#numbers, probabilities: this.#probabilities },
      seconds: this.#numbers.map((number) => (fps === null ? null : positions[number]! / fps)),
      dropped: dropped.black + dropped.blank + dropped.duplicate,
    };
    return { clip: concluded(raw, classes, abstainBelow), path };
  }
}

/** Numbers of `count` frames even in time, which takes knowing how many there are. */
async function chosenFrames(decoding: ClipDecoding, count: number): Promise<ReadonlySet<number>> {
  let frames = 0;
  for await (const frame of decoding.frames) if (frame.length > 0) frames++;
  return new Set(uniformFrames(frames, count));
}

/** Results that become ready in any order, handed on in the order in which they were promised. */
export class InOrder<Result> {
  readonly #waiting: (() => Result | null)[] = [];
  readonly #take: (result: Result) => void | Promise<void>;

  constructor(take: (result: Result) => void | Promise<void>) {
    this.#take = take;
  }

  /** Promises a result; `ready` gives it, or null as long as it is not there. */
  promise(ready: () => Result | null): void {
    this.#waiting.push(ready);
  }

  /** Hands on what is ready and behind nothing that is not. */
  async drain(): Promise<void> {
    for (;;) {
      const result = this.#waiting[0]?.() ?? null;
      if (result === null) return;
      this.#waiting.shift();
      await this.#take(result);
    }
  }
}
