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

function metricError(message: string): UsclError {
  return new UsclError({
    kind: 'data',
    code: 'METRIC_INPUT',
    message,
    remedy: 'Score only labelled rows, with one class index per row on both sides.',
  });
}
