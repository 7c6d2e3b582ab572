/**
 * What predictions are worth: plain JSON with a schema, so that a file written today is checked when it is read years
 * later. Every score comes with its value for each seed, their spread, and an interval over groups. A score that is
 * not defined (the AUROC of a class that no clip has) is null and says why; it is never 0 and never NaN.
 */
import { z } from 'zod';
import { recordOf } from '../../base/collect.ts';
import { PROTOCOLS } from './predictions.ts';

const score = z.strictObject({
  /** One value a seed, all folds pooled. */
  perSeed: z.array(z.number().nullable()).min(1),
  /** Mean over seeds; null when a seed has none. */
  mean: z.number().nullable(),
  /** Sample standard deviation over seeds; null with one seed. It is no measure of the error of the mean. */
  sd: z.number().nullable(),
  /** Bootstrap interval of the mean over seeds, groups drawn with replacement; null where there is none. */
  interval: z.tuple([z.number(), z.number()]).nullable(),
  /** Why something above is null, or what it was computed on if not on everything; null where all is as usual. */
  note: z.string().nullable(),
});
export type Score = Readonly<z.infer<typeof score>>;

/** One number a level. The order is that of tables. */
export const OVERALL_SCORES = [
  'accuracy',
  /** Mean recall over the classes that occur. */
  'balancedAccuracy',
  'macroF1',
  /** Cohen's, unweighted. */
  'kappa',
  /** Means over the classes that occur, each against the rest. */
  'auroc',
  'averagePrecision',
  /** Expected calibration error of the predicted class, in `settings.bins` bins of equal width. */
  'ece',
  /** Σ over classes of squared error, 0 … 2. */
  'brier',
] as const;
export type OverallScore = (typeof OVERALL_SCORES)[number];

/** One number a class, that class against all others. */
export const CLASS_SCORES = [
  'precision',
  /** Sensitivity. */
  'recall',
  'specificity',
  'f1',
  'auroc',
  'averagePrecision',
] as const;
export type ClassScore = (typeof CLASS_SCORES)[number];

/** Scores of which less is better. */
export const LOWER_IS_BETTER: ReadonlySet<OverallScore> = new Set(['ece', 'brier']);

const levelSchema = z.strictObject({
  /** Rows scored for each seed: frames, or clips. */
  rows: z.array(z.int().min(1)),
  scores: z.strictObject(recordOf(OVERALL_SCORES, () => score)),
  /**
   * Balanced accuracy beside a constant answer; files of earlier versions have none. `chance` is that of any constant
   * answer out of the classes that occur. `above` is the difference; in its interval every draw of groups is held
   * against the classes that occur in that draw.
   */
  constantAnswer: z.strictObject({ chance: z.number(), above: score }).optional(),
  /** In the order of `classes`; `support`: rows that truly have the class, mean over seeds. */
  perClass: z.array(
    z.strictObject({ name: z.string(), support: z.number(), ...recordOf(CLASS_SCORES, () => score) }),
  ),
  /** Row = true class, column = predicted class, mean count over seeds. */
  confusion: z.array(z.array(z.number())),
  /** Bins (low, high] of the predicted class's probability, all seeds together; null means of an empty bin. */
  reliability: z.array(
    z.strictObject({
      low: z.number(),
      high: z.number(),
      count: z.int().min(0),
      confidence: z.number().nullable(),
      accuracy: z.number().nullable(),
    }),
  ),
  /**
   * ROC of each class [class][seed], points [false positive rate, true positive rate] from (0, 0) to (1, 1), at most
   * 201 of each; null where the class or all others are missing.
   */
  roc: z.array(z.array(z.array(z.tuple([z.number(), z.number()])).nullable())),
});
export type LevelEvaluation = Readonly<z.infer<typeof levelSchema>>;

/** How frames are scored: each for itself, by a clip's mean probability, or by the majority of a clip's frames. */
export const LEVELS = ['frame', 'clipMean', 'clipVote'] as const;
export type Level = (typeof LEVELS)[number];

const rateSchema = z.strictObject({
  labelRate: z.number(),
  seeds: z.array(z.int()).min(1),
  /** Models behind the figures, all seeds and folds. */
  models: z.int().min(1),
  /** Clips scored, and their groups. */
  clips: z.int().min(1),
  groups: z.int().min(1),
  ...recordOf(LEVELS, () => levelSchema),
});
export type RateEvaluation = Readonly<z.infer<typeof rateSchema>>;

export const evaluationSettingsSchema = z.strictObject({
  resamples: z.int().min(1),
  confidence: z.number().gt(0).lt(1),
  seed: z.int(),
  bins: z.int().min(1),
});
export type EvaluationSettings = Readonly<z.infer<typeof evaluationSettingsSchema>>;

/** The form of an evaluation. */
export const evaluationSchema = z.strictObject({
  format: z.literal('uscl-evaluation'),
  version: z.literal(1),
  classes: z.array(z.string()).min(2),
  protocol: z.enum(PROTOCOLS),
  /** The epoch was chosen on the test clips: every score here is too good. */
  optimistic: z.boolean(),
  settings: evaluationSettingsSchema,
  data: z.strictObject({
    /** Clips with a label that some model was tested on. */
    clips: z.int().min(1),
    groups: z.int().min(1),
    /** Predicted but unlabelled, so not scored. */
    unlabelledClips: z.int().min(0),
    /** Labelled or not, no model was tested on them. */
    untestedClips: z.int().min(0),
    perClass: z.array(z.strictObject({ name: z.string(), clips: z.int(), groups: z.int() })),
    /** Clip accuracy of always answering the commonest class. */
    majorityAccuracy: z.number(),
  }),
  /** Rising label rates. */
  labelRates: z.array(rateSchema).min(1),
  /** What a reader must know before quoting a figure, in sentences. */
  notes: z.array(z.string()),
});

/**
 * Scores of frames and clips at every label rate, with intervals over groups, as `metrics.json` holds them.
 * @interface
 */
export type Evaluation = Readonly<z.infer<typeof evaluationSchema>>;
