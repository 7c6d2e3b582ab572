/**
 * Scores of predicted class indices against true ones, by scikit-learn's definitions, so that a figure printed
 * here can be put beside one from a Python paper. All are computed from a confusion matrix; a class that occurs
 * nowhere changes nothing.
 */
import { UsclError } from '../base/errors.ts';

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

/**
 * Counts [classes, classes], row = true class, column = predicted class.
 * @throws UsclError `METRIC_INPUT` when lengths differ, there is no row, or an index is not a class.
 */
export function confusionMatrix(
  truth: ArrayLike<number>,
  predicted: ArrayLike<number>,
  classes: number,
): Float64Array {
  if (truth.length !== predicted.length) {
    throw metricError(`${truth.length} true labels but ${predicted.length} predictions.`);
  }
  const confusion = new Float64Array(classes * classes);
  for (let row = 0; row < truth.length; row++) {
    const t = classIndex(truth[row]!, classes, row);
    const p = classIndex(predicted[row]!, classes, row);
    confusion[t * classes + p]! += 1;
  }
  return confusion;
}

/**
 * All scores of a confusion matrix [classes, classes] (row = truth).
 * @throws UsclError `METRIC_INPUT` when the matrix is empty.
 */
export function scoresOfConfusion(confusion: ArrayLike<number>, classes: number): Scores {
  let total = 0;
  let right = 0;
  let recalls = 0;
  let trueClasses = 0;
  let f1s = 0;
  let seenClasses = 0;
  for (let c = 0; c < classes; c++) {
    const hits = confusion[c * classes + c]!;
    let inTruth = 0;
    let inPrediction = 0;
    for (let other = 0; other < classes; other++) {
      inTruth += confusion[c * classes + other]!;
      inPrediction += confusion[other * classes + c]!;
    }
    total += inTruth;
    right += hits;
    if (inTruth > 0) {
      recalls += hits / inTruth;
      trueClasses++;
    }
    if (inTruth + inPrediction > 0) {
      f1s += (2 * hits) / (inTruth + inPrediction);
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
  /** Rows that truly have the class. */
  readonly support: number;
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
  let total = 0;
  for (let i = 0; i < classes * classes; i++) total += confusion[i]!;
  return Array.from({ length: classes }, (_, c) => {
    const hits = confusion[c * classes + c]!;
    let support = 0;
    let called = 0;
    for (let other = 0; other < classes; other++) {
      support += confusion[c * classes + other]!;
      called += confusion[other * classes + c]!;
    }
    return {
      support,
      precision: ratio(hits, called),
      recall: ratio(hits, support),
      specificity: ratio(total - support - called + hits, total - support),
      f1: ratio(2 * hits, support + called),
    };
  });
}

/**
 * Cohen's kappa, unweighted: (agreement − agreement by chance) / (1 − agreement by chance), 1960 (`cohen_kappa_score`);
 * null when truth and predictions are all one class.
 */
export function kappaOfConfusion(confusion: ArrayLike<number>, classes: number): number | null {
  let total = 0;
  let hits = 0;
  let chance = 0;
  for (let c = 0; c < classes; c++) {
    let inTruth = 0;
    let inPrediction = 0;
    for (let other = 0; other < classes; other++) {
      inTruth += confusion[c * classes + other]!;
      inPrediction += confusion[other * classes + c]!;
    }
    total += inTruth;
    hits += confusion[c * classes + c]!;
    chance += inTruth * inPrediction;
  }
  // Times total², so that "all one class" is exactly 0 / 0.
  return ratio(hits * total - chance, total * total - chance);
}

/** Share of equal entries. @throws UsclError `METRIC_INPUT` as `confusionMatrix` does. */
export function accuracy(truth: ArrayLike<number>, predicted: ArrayLike<number>, classes: number): number {
  return scoresOfConfusion(confusionMatrix(truth, predicted, classes), classes).accuracy;
}

/** Mean recall over true classes. @throws UsclError `METRIC_INPUT` as `confusionMatrix` does. */
export function balancedAccuracy(
  truth: ArrayLike<number>,
  predicted: ArrayLike<number>,
  classes: number,
): number {
  return scoresOfConfusion(confusionMatrix(truth, predicted, classes), classes).balancedAccuracy;
}

/** Unweighted mean F1 over seen classes. @throws UsclError `METRIC_INPUT` as `confusionMatrix` does. */
export function macroF1(truth: ArrayLike<number>, predicted: ArrayLike<number>, classes: number): number {
  return scoresOfConfusion(confusionMatrix(truth, predicted, classes), classes).macroF1;
}

function classIndex(value: number, classes: number, row: number): number {
  if (Number.isInteger(value) && value >= 0 && value < classes) return value;
  throw metricError(`Row ${row} has class ${value}, which is not one of 0…${classes - 1}.`);
}

function ratio(part: number, whole: number): number | null {
  return whole === 0 ? null : part / whole;
}

/** `METRIC_INPUT`: what is to be scored does not fit together. */
export function metricError(
  message: string,
  remedy = 'Score only labelled rows, with one class index per row on both sides.',
): UsclError {
  return new UsclError({ kind: 'data', code: 'METRIC_INPUT', message, remedy });
}
