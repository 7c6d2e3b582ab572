/**
 * What a probe of one backbone, and a comparison of two, say: plain JSON with a schema, so that a file written
 * today is checked when it is read years later. Shares are in [0, 1].
 */
import { z } from 'zod';

const interval = z.tuple([z.number(), z.number()]);

/** One score over fold seeds. */
const summarySchema = z.strictObject({
  perSeed: z.array(z.number()).min(1),
  mean: z.number(),
  /** Sample standard deviation over fold seeds; null with one seed. It is no measure of the error of the mean. */
  sd: z.number().nullable(),
  /** Bootstrap interval of the mean over seeds, groups drawn with replacement. */
  interval,
});
export type ScoreSummary = Readonly<z.infer<typeof summarySchema>>;

const scoresSchema = z.strictObject({
  accuracy: summarySchema,
  balancedAccuracy: summarySchema,
  macroF1: summarySchema,
  /** Row = true class, column = predicted class, mean count over seeds. */
  confusion: z.array(z.array(z.number())),
});
export type LevelScores = Readonly<z.infer<typeof scoresSchema>>;

const readerSchema = z.strictObject({
  frame: scoresSchema,
  clip: scoresSchema,
  /** Predicted class [seed][clip], clips as in the result's `clips`. */
  clipPredictions: z.array(z.array(z.int().min(0))),
  /** Mean probability of each class [seed][clip][class] over the clip's frames. */
  clipProbabilities: z.array(z.array(z.array(z.number()))),
  /** How many of the clip's frames were called each class [seed][clip][class]. */
  frameCounts: z.array(z.array(z.array(z.int().min(0)))),
});
export type ReaderResult = Readonly<z.infer<typeof readerSchema>>;

const probeSettingsSchema = z.strictObject({
  /** 1 for one test that is held out. */
  folds: z.int().min(1),
  seeds: z.int().min(1),
  seed: z.int(),
  k: z.int().min(1),
  C: z.number().positive(),
  classWeight: z.enum(['none', 'balanced']),
  neighbours: z.enum(['clips', 'frames']),
  temperature: z.number().positive().nullable(),
  standardise: z.boolean(),
  aggregate: z.enum(['mean', 'vote']),
  resamples: z.int().min(1),
  confidence: z.number().gt(0).lt(1),
});
export type ProbeSettings = Readonly<z.infer<typeof probeSettingsSchema>>;

export const probeResultSchema = z.strictObject({
  format: z.literal('uscl-probe'),
  version: z.literal(1),
  settings: probeSettingsSchema,
  classes: z.array(z.string()).min(2),
  data: z.strictObject({
    /** Clips scored, and left out for want of a label. */
    clips: z.int(),
    unlabelledClips: z.int(),
    groups: z.int(),
    frames: z.int(),
    dim: z.int(),
    framesPerClip: z.strictObject({ min: z.int(), max: z.int() }),
    perClass: z.array(z.strictObject({ name: z.string(), clips: z.int(), groups: z.int(), frames: z.int() })),
    /** Clip accuracy of always answering the commonest class. */
    majorityAccuracy: z.number(),
  }),
  /** The scored clips; `label` indexes `classes`. */
  clips: z.array(z.strictObject({ id: z.string(), group: z.string(), label: z.int().min(0) })),
  /** Fold [seed][clip]. */
  folds: z.array(z.array(z.int().min(0))),
  linear: readerSchema,
  knn: readerSchema,
});
export type ProbeResult = Readonly<z.infer<typeof probeResultSchema>>;

const differenceSchema = z.strictObject({
  /** a − b of each fold seed. */
  perSeed: z.array(z.number()).min(1),
  mean: z.number(),
  sd: z.number().nullable(),
  /** Paired bootstrap interval of the mean difference, groups drawn with replacement. */
  interval,
  /** Share of draws in which a was above b, ties counted half. */
  aboveZero: z.number(),
});

const levelDifferencesSchema = z.strictObject({
  accuracy: differenceSchema,
  balancedAccuracy: differenceSchema,
  macroF1: differenceSchema,
});

export const probeComparisonSchema = z.strictObject({
  format: z.literal('uscl-probe-comparison'),
  version: z.literal(1),
  resamples: z.int(),
  confidence: z.number(),
  linear: z.strictObject({ frame: levelDifferencesSchema, clip: levelDifferencesSchema }),
  knn: z.strictObject({ frame: levelDifferencesSchema, clip: levelDifferencesSchema }),
});
export type ProbeComparison = Readonly<z.infer<typeof probeComparisonSchema>>;
