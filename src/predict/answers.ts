/**
 * The predictions of files as plain data. Each frame and each clip has its probabilities, its likeliest class, and
 * an answer, or none where the model is not sure enough. The schema is the single source of these shapes.
 */
import { RESEARCH_USE } from '../base/research-use.ts';
import { z } from 'zod';
import type { Field } from '../dataset/types.ts';
import { largestAt } from '../evaluation/features/matrix.ts';
import { largestWithTies, meanOf } from '../evaluation/scores/level-scorer.ts';

const said = {
  /** In the order of the model's classes. */
  probabilities: z.array(z.number()),
  likeliest: z.string(),
  /** Probability of the likeliest class. */
  confidence: z.number(),
  /** The likeliest class, or null: its probability is below the threshold. */
  answer: z.string().nullable(),
};

const frameSchema = z.strictObject({
  /** Number among the frames that an ingest would store, from 0. */
  frame: z.int().min(0),
  /** From the start of the clip, at its declared rate; null for stills and where no rate is declared. */
  seconds: z.number().nullable(),
  ...said,
});

const clipSchema = z.strictObject({
  /** Which of the files that were given, from 1. */
  input: z.int().min(1),
  /** The path as given, or a name made of the content where paths may name a patient. */
  name: z.string(),
  frames: z.array(frameSchema).min(1),
  /** By the mean of the frames' probabilities: the answer for the clip. */
  mean: z.strictObject(said),
  /** By the class that most frames are likeliest of; ties go to the larger mean probability. */
  vote: z.strictObject({ shares: z.array(z.number()), likeliest: z.string() }),
  /** How it was known where the ultrasound is; null where the whole picture was taken. */
  field: z
    .strictObject({ shape: z.string(), from: z.string(), confidence: z.number().min(0).max(1) })
    .nullable(),
  /** Frames left out because they are black, of one shade, or equal to the one before. */
  dropped: z.int().min(0),
  /** Remarks of reading, as an ingest makes them (`damaged`, `no-field`, …). */
  flags: z.array(z.string()),
});

const failedSchema = z.strictObject({
  input: z.int().min(1),
  name: z.string(),
  /** Stable code of the error. */
  code: z.string(),
  reason: z.string(),
  remedy: z.string(),
});

/** The form of what a model says of files. */
export const filePredictionsSchema = z.strictObject({
  format: z.literal('uscl-file-predictions'),
  version: z.literal(1),
  notice: z.literal(RESEARCH_USE),
  model: z.strictObject({
    path: z.string(),
    /** Of the weights' file, hex. */
    sha256: z.string(),
    classes: z.array(z.string()).min(2),
    precision: z.enum(['f32', 'bf16']),
  }),
  /** How the files were read. */
  reading: z.strictObject({
    fps: z.union([z.number(), z.literal('all')]),
    size: z.int(),
    channels: z.union([z.literal(1), z.literal(3)]),
    crop: z.enum(['auto', 'none']),
    frames: z.union([z.int(), z.literal('all')]),
  }),
  /** Answers of a lower confidence are withheld. */
  abstainBelow: z.number().min(0).max(1),
  clips: z.array(clipSchema),
  /** Files that could not be read. */
  failed: z.array(failedSchema),
});

/**
 * What a model says of files, as `--json` prints it.
 * @interface
 */
export type FilePredictions = Readonly<z.infer<typeof filePredictionsSchema>>;

/** Everything but the results. */
export type PredictionsHead = Omit<FilePredictions, 'clips' | 'failed'>;

/**
 * What a model says of one clip of a file, frame by frame and as a whole.
 * @interface
 */
export type FilePrediction = Readonly<z.infer<typeof clipSchema>>;

/**
 * A file that could not be read, and why.
 * @interface
 */
export type FailedFile = Readonly<z.infer<typeof failedSchema>>;

/** A clip's frames and their probabilities [frame][class], before anything is concluded. */
export interface RawPrediction {
  readonly input: number;
  readonly name: string;
  readonly frames: readonly number[];
  readonly seconds: readonly (number | null)[];
  readonly probabilities: readonly (readonly number[])[];
  readonly field: Field | null;
  readonly dropped: number;
  readonly flags: readonly string[];
}

/** Concludes from a clip's probabilities. */
export function concluded(
  raw: RawPrediction,
  classes: readonly string[],
  abstainBelow: number,
): FilePrediction {
  const { input, name, frames, seconds, probabilities, field, dropped, flags } = raw;
  const count = classes.length;
  const mean = meanOf(probabilities, count);
  const votes = new Array<number>(count).fill(0);
  for (const row of probabilities) votes[largestAt(row, 0, count)]! += 1;
  return {
    ...{ input, name, dropped, flags: [...flags] },
    frames: probabilities.map((row, i) => ({
      frame: frames[i]!,
      seconds: seconds[i]!,
      ...sayOf(row, classes, abstainBelow),
    })),
    mean: sayOf(mean, classes, abstainBelow),
    vote: {
      shares: votes.map((votesOf) => votesOf / probabilities.length),
      likeliest: classes[largestWithTies(votes, mean)]!,
    },
    field: field === null ? null : { shape: field.shape, from: field.from, confidence: field.confidence },
  };
}

function sayOf(
  probabilities: readonly number[],
  classes: readonly string[],
  abstainBelow: number,
): FilePrediction['mean'] {
  const best = largestAt(probabilities, 0, classes.length);
  const confidence = probabilities[best]!;
  const likeliest = classes[best]!;
  return {
    probabilities: [...probabilities],
    likeliest,
    confidence,
    answer: confidence < abstainBelow ? null : likeliest,
  };
}
