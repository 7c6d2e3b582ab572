/** What the comparison of two runs says: plain JSON with a schema. Differences are a − b. */
import { z } from 'zod';
import { recordOf } from '../../base/collect.ts';
import {
  CLASS_SCORES,
  evaluationSettingsSchema,
  LEVELS,
  OVERALL_SCORES,
} from '../scores/evaluation-result.ts';
import { PROTOCOLS } from '../scores/predictions.ts';

const number = z.number().nullable();

const differenceSchema = z.strictObject({
  /** Means over seeds of the two. */
  a: number,
  b: number,
  /** a − b of each seed; null where the two have different seeds. */
  perSeed: z.array(number).nullable(),
  mean: number,
  /** Sample standard deviation over seeds; null with one seed or with different seeds. */
  sd: number,
  /** Paired bootstrap interval of the mean difference, groups drawn with replacement. */
  interval: z.tuple([z.number(), z.number()]).nullable(),
  /** Share of draws in which a was above b, ties counted half. */
  aboveZero: number,
  /** Two-sided, from the share of draws on the other side of zero. */
  p: number,
  note: z.string().nullable(),
});
export type Difference = Readonly<z.infer<typeof differenceSchema>>;

const levelSchema = z.strictObject({
  scores: z.strictObject(recordOf(OVERALL_SCORES, () => differenceSchema)),
  perClass: z.array(z.strictObject({ name: z.string(), ...recordOf(CLASS_SCORES, () => differenceSchema) })),
});
export type LevelComparison = Readonly<z.infer<typeof levelSchema>>;

const mcnemarSchema = z.strictObject({
  /** Clips both, only the first, only the second, and neither got right. */
  both: z.int(),
  onlyA: z.int(),
  onlyB: z.int(),
  neither: z.int(),
  /** p of the exact binomial test. */
  exact: z.number(),
  /** Chi-square with continuity correction, one degree of freedom. */
  corrected: z.strictObject({ statistic: z.number(), p: z.number() }),
  /** p of the exact sign-flip test over groups. */
  byGroup: z.strictObject({ groups: z.int(), p: z.number() }),
});
export type McNemar = Readonly<z.infer<typeof mcnemarSchema>>;

const clipTestSchema = z.strictObject({
  /** Of each seed both have; empty where they have different seeds. */
  perSeed: z.array(mcnemarSchema.extend({ seed: z.int() })),
  /** Of the class most seeds call a clip; a tie goes to the larger mean probability. */
  majority: mcnemarSchema,
});
export type ClipTest = Readonly<z.infer<typeof clipTestSchema>>;

const rateSchema = z.strictObject({
  labelRate: z.number(),
  seeds: z.strictObject({ a: z.array(z.int()), b: z.array(z.int()) }),
  clips: z.int(),
  groups: z.int(),
  /** Clips only one of the two has tested, left out. */
  leftOut: z.strictObject({ a: z.int(), b: z.int() }),
  ...recordOf(LEVELS, () => levelSchema),
  mcnemar: z.strictObject({ clipMean: clipTestSchema, clipVote: clipTestSchema }),
});
export type RateComparison = Readonly<z.infer<typeof rateSchema>>;

const sideSchema = z.strictObject({
  name: z.string(),
  protocol: z.enum(PROTOCOLS),
  /** The epoch was chosen on the test clips. */
  optimistic: z.boolean(),
});

/** The form of a comparison. */
export const comparisonSchema = z.strictObject({
  format: z.literal('uscl-comparison'),
  version: z.literal(1),
  a: sideSchema,
  b: sideSchema,
  classes: z.array(z.string()),
  settings: evaluationSettingsSchema,
  /** Label rates both have, rising. */
  labelRates: z.array(rateSchema).min(1),
  /** What a reader must know before quoting a figure, in sentences. */
  notes: z.array(z.string()),
});

/**
 * Two runs on the same clips: paired differences with intervals, and McNemar’s tests.
 * @interface
 */
export type Comparison = Readonly<z.infer<typeof comparisonSchema>>;
