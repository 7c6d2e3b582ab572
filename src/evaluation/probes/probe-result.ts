/**
 * What a probe of one backbone, and a comparison of two, say: plain JSON with a schema, so that a file written
 * today is checked when it is read years later. Shares are in [0, 1].
 */
import { z } from 'zod';
import { recordOf } from '../../base/collect.ts';
import { SCORE_NAMES } from '../scores/metrics.ts';

/** One score over fold seeds. */
const summarySchema = z.strictObject({
  perSeed: z.array(z.number()).min(1),
  mean: z.number(),
  /** Sample standard deviation over fold seeds; null with one seed. It is no measure of the error of the mean. */
  sd: z.number().nullable(),
  /** Bootstrap interval of the mean over seeds, groups drawn with replacement. */
  interval: z.tuple([z.number(), z.number()]),
});
export type ScoreSummary = Readonly<z.infer<typeof summarySchema>>;

const scoresSchema = z.strictObject({
  ...recordOf(SCORE_NAMES, () => summarySchema),
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
  /** Default 5; 1 for one test that is held out. */
  folds: z.int().min(1),
  /** How many fold seeds: `seed`, `seed` + 1, … Default 5. */
  seeds: z.int().min(1),
  /** Default 0. */
  seed: z.int(),
  /** Neighbours that vote. Default 10, as the reference protocol. */
  k: z.int().min(1),
  /** Inverse strength of the regression's L2 penalty. Default 1. */
  C: z.number().positive(),
  /** `balanced`: a row of class c weighs rows / (classes · rows of c). Default `none`, the reference protocol. */
  classWeight: z.enum(['none', 'balanced']),
  /** What the k neighbours are: the nearest clips (each at its nearest frame), or frames. Default `clips`. */
  neighbours: z.enum(['clips', 'frames']),
  /**
   * A vote weighs exp(similarity / temperature) (Wu et al. 2018, as used to score SimCLR); null, the default: all votes
   * weigh the same.
   */
  temperature: z.number().positive().nullable(),
  /**
   * Centre and scale features with the statistics of the training rows. Default true, as the reference protocol: features
   * after a ReLU share one large common direction that hides the differences.
   */
  standardise: z.boolean(),
  /** How frames make a clip's prediction: largest mean probability, or majority of frame predictions. Default `mean`. */
  aggregate: z.enum(['mean', 'vote']),
  /** Of the bootstrap. Default 2000. */
  resamples: z.int().min(1),
  /** Of the intervals. Default 0.95. */
  confidence: z.number().gt(0).lt(1),
});

/**
 * How frozen features are judged: folds, seeds, both readers, the bootstrap.
 * @interface
 */
export type ProbeSettings = Readonly<z.infer<typeof probeSettingsSchema>>;

/** The form of a probe's result. */
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

/**
 * What a probe found, as `probe.json` holds it: every score, and what they can be computed from again.
 * @interface
 */
export type ProbeResult = Readonly<z.infer<typeof probeResultSchema>>;

/** a − b; the interval is that of the mean difference, the same groups drawn for both. */
const differencesSchema = z.strictObject(
  recordOf(SCORE_NAMES, () =>
    summarySchema.extend({
      /** Share of draws in which a was above b, ties counted half. */
      aboveZero: z.number(),
    }),
  ),
);
const readerDifferencesSchema = z.strictObject({ frame: differencesSchema, clip: differencesSchema });

/** The form of two probes compared. */
export const probeComparisonSchema = z.strictObject({
  format: z.literal('uscl-probe-comparison'),
  version: z.literal(1),
  resamples: z.int(),
  confidence: z.number(),
  linear: readerDifferencesSchema,
  knn: readerDifferencesSchema,
});

/**
 * The paired differences of two probes on the same clips and folds.
 * @interface
 */
export type ProbeComparison = Readonly<z.infer<typeof probeComparisonSchema>>;
