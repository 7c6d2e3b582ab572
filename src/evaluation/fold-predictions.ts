/**
 * What the readers of a probe say of one fold: learnt from the rows of the other folds, told of its own. A function of
 * its arguments, so that it does not matter which thread works on which fold.
 */
import { knnProbabilities } from './knn.ts';
import { fitLogisticRegression, predictLogistic } from './logistic.ts';
import { takeRows } from './matrix.ts';
import type { ProbeSettings } from './probe-result.ts';

/** Fold of a clip that is neither learnt from nor tested. */
export const LEFT_OUT = -2;

/** What is the same for all folds of a probe. */
export interface FoldWork {
  readonly dim: number;
  /** [rows, dim]. */
  readonly features: Float32Array;
  /** Rows of each labelled clip. */
  readonly rows: readonly (readonly number[])[];
  /** Class index of each labelled clip. */
  readonly labels: readonly number[];
  readonly classes: number;
  readonly settings: ProbeSettings;
}

export interface FoldJob {
  /** Fold of each labelled clip. */
  readonly fold: Int32Array;
  /** The fold that is tested. */
  readonly number: number;
}

export interface FoldPrediction {
  /** Rows that were tested; none where the fold is empty. */
  readonly rows: readonly number[];
  /** Class probabilities [rows, classes] of the regression and of the neighbours. */
  readonly linear: Float64Array;
  readonly knn: Float64Array;
}

/** Errors: those of `fitLogisticRegression` and `knnProbabilities`. */
export function predictFold(work: FoldWork, { fold, number }: FoldJob): FoldPrediction {
  const { dim, features, classes, settings } = work;
  const trainClips: number[] = [];
  const trainLabels: number[] = [];
  const trainRows: number[] = [];
  const testRows: number[] = [];
  work.rows.forEach((rows, clip) => {
    if (fold[clip] === number) testRows.push(...rows);
    else if (fold[clip] !== LEFT_OUT) {
      trainRows.push(...rows);
      trainClips.push(...rows.map(() => clip));
      trainLabels.push(...rows.map(() => work.labels[clip]!));
    }
  });
  // The greedy assignment can leave a fold empty when a few groups hold most clips.
  if (testRows.length === 0) return { rows: [], linear: new Float64Array(0), knn: new Float64Array(0) };
  const train = takeRows(features, dim, trainRows);
  const test = takeRows(features, dim, testRows);
  const { C, classWeight, standardise, k, temperature, neighbours } = settings;
  const model = fitLogisticRegression(train, trainLabels, dim, classes, { C, classWeight, standardise });
  const options = { k, temperature, standardise, ...(neighbours === 'clips' ? { trainClips } : {}) };
  return {
    rows: testRows,
    linear: predictLogistic(model, test),
    knn: knnProbabilities(train, trainLabels, test, dim, classes, options),
  };
}
