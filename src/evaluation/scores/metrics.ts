/**
 * Scores of predicted class indices against true ones, by scikit-learn's definitions, so that a figure printed
 * here can be put beside one from a Python paper. All are computed from a confusion matrix; a class that occurs
 * nowhere changes nothing.
 */
import { dataError, type UsclError } from '../../base/errors.ts';

/** Shares in [0, 1]. */
export interface Scores {
  /** Share of rows predicted right (`accuracy_score`). */
  readonly accuracy: number;
  /** Mean recall over the classes that occur in the truth (`balanced_accuracy_score`). */
  readonly balancedAccuracy: number;
  /**
   * Mean of 2·TP / (2·TP + FP + FN) over the classes that occur in the truth or among the predictions
   * (`f1_score(average='macro', zero_division=0)`).
   */
  readonly macroF1: number;
}

export const SCORE_NAMES = ['accuracy', 'balancedAccuracy', 'macroF1'] as const;
export type ScoreName = (typeof SCORE_NAMES)[number];

/** Counts [classes, classes], row = true class, column = predicted class. Both hold indices of classes. */
export function confusionMatrix(
  truth: ArrayLike<number>,
  predicted: ArrayLike<number>,
  classes: number,
): Float64Array {
  const confusion = new Float64Array(classes * classes);
  for (let row = 0; row < truth.length; row++) confusion[truth[row]! * classes + predicted[row]!]! += 1;
  return confusion;
}

/** Of a confusion matrix: rows in all, and of each class the right ones, those that have it, those called it. */
interface Margins {
  readonly total: number;
  readonly hits: Float64Array;
  readonly inTruth: Float64Array;
  readonly inPrediction: Float64Array;
}

export function marginsOf(confusion: ArrayLike<number>, classes: number): Margins {
  const hits = new Float64Array(classes);
  const inTruth = new Float64Array(classes);
  const inPrediction = new Float64Array(classes);
  let total = 0;
  for (let t = 0; t < classes; t++) {
    hits[t] = confusion[t * classes + t]!;
    for (let p = 0; p < classes; p++) {
      const count = confusion[t * classes + p]!;
      inTruth[t]! += count;
      inPrediction[p]! += count;
      total += count;
    }
  }
  return { total, hits, inTruth, inPrediction };
}

/**
 * All scores of a confusion matrix [classes, classes] (row = truth).
 * @throws UsclError `METRIC_INPUT` when the matrix is empty.
 */
export function scoresOfConfusion(confusion: ArrayLike<number>, classes: number): Scores {
  const { total, hits, inTruth, inPrediction } = marginsOf(confusion, classes);
  let right = 0;
  let recalls = 0;
  let trueClasses = 0;
  let f1s = 0;
  let seenClasses = 0;
  for (let c = 0; c < classes; c++) {
    right += hits[c]!;
    if (inTruth[c]! > 0) {
      recalls += hits[c]! / inTruth[c]!;
      trueClasses++;
    }
    const seen = inTruth[c]! + inPrediction[c]!;
    if (seen > 0) {
      f1s += (2 * hits[c]!) / seen;
      seenClasses++;
    }
  }
  if (total === 0) throw metricError('There is nothing to score: no row has a label.');
  return { accuracy: right / total, balancedAccuracy: recalls / trueClasses, macroF1: f1s / seenClasses };
}

/**
 * Balanced accuracy of any constant answer out of the classes that occur: 1 / their number, where scikit-learn's
 * `balanced_accuracy_score(adjusted=True)` is 0. A class that nothing has does not count: it has no recall.
 * @param counts of rows (or clips) of each class.
 * @throws UsclError `METRIC_INPUT` when there is no row.
 */
export function balancedAccuracyByChance(counts: readonly number[]): number {
  const occurring = counts.filter((count) => count > 0).length;
  if (occurring === 0) throw metricError('There is nothing to score: no row has a label.');
  return 1 / occurring;
}

/** One class against all others; null where it would be 0 / 0. */
export interface ClassScores {
  /** Share of the rows called this class that have it; null when none is called so. */
  readonly precision: number | null;
  /** Share of the rows of this class that are called so (sensitivity); null without such rows. */
  readonly recall: number | null;
  /** Share of the rows of other classes that are not called this one; null without such rows. */
  readonly specificity: number | null;
  /** 2·TP / (2·TP + FP + FN); null when the class neither occurs nor is called. */
  readonly f1: number | null;
}

/**
 * Scores of each class (`precision_recall_fscore_support`; where scikit-learn warns and writes 0 for 0 / 0, this says
 * null).
 */
export function classScoresOfConfusion(confusion: ArrayLike<number>, classes: number): ClassScores[] {
  const { total, hits, inTruth, inPrediction } = marginsOf(confusion, classes);
  return Array.from(hits, (right, c) => {
    const [support, called] = [inTruth[c]!, inPrediction[c]!];
    return {
      precision: ratio(right, called),
      recall: ratio(right, support),
      specificity: ratio(total - support - called + right, total - support),
      f1: ratio(2 * right, support + called),
    };
  });
}

/**
 * Cohen's kappa, unweighted: (agreement − agreement by chance) / (1 − agreement by chance), 1960 (`cohen_kappa_score`);
 * null when truth and predictions are all one class.
 */
export function kappaOfConfusion(confusion: ArrayLike<number>, classes: number): number | null {
  const { total, hits, inTruth, inPrediction } = marginsOf(confusion, classes);
  const right = hits.reduce((sum, count) => sum + count, 0);
  const chance = inTruth.reduce((sum, count, c) => sum + count * inPrediction[c]!, 0);
  // Times total², so that "all one class" is exactly 0 / 0.
  return ratio(right * total - chance, total * total - chance);
}

function ratio(part: number, whole: number): number | null {
  return whole === 0 ? null : part / whole;
}

/** `METRIC_INPUT`: what is to be scored does not fit together. */
export function metricError(
  message: string,
  remedy = 'Score clips of which at least one has a label.',
): UsclError {
  return dataError('METRIC_INPUT', message, remedy);
}
