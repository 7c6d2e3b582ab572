/**
 * Whether probabilities mean what they say. Expected calibration error of the predicted class (Guo et al., ICML 2017,
 * eq. 3) in bins of equal width, the reliability table behind it (the bins of scikit-learn's `calibration_curve` on
 * "was the prediction right"), and the Brier score over all classes in its first form (Brier 1950): 0 … 2, for two
 * classes twice scikit-learn's `brier_score_loss`.
 */
import type { UsclError } from '../base/errors.ts';
import { metricError } from './metrics.ts';

export const DEFAULT_BINS = 15;

/** One bin (low, high] of confidence. */
export interface ReliabilityBin {
  readonly low: number;
  readonly high: number;
  readonly count: number;
  /** Mean confidence of its rows; null when empty. */
  readonly confidence: number | null;
  /** Share of its rows predicted right; null when empty. */
  readonly accuracy: number | null;
}

/** The bin of a confidence among `bins` bins (low, high] of equal width; 0 is in the first. */
export function binOf(confidence: number, bins: number): number {
  // The edges are those of numpy's linspace, so that both sides put a value at an edge into the same bin.
  const width = 1 / bins;
  let bin = Math.min(bins - 1, Math.max(0, Math.ceil(confidence * bins) - 1));
  while (bin > 0 && confidence <= bin * width) bin--;
  while (bin < bins - 1 && confidence > (bin + 1) * width) bin++;
  return bin;
}

/** Reliability table of confidences and whether each prediction was right. */
export function reliabilityBins(
  confidences: ArrayLike<number>,
  right: ArrayLike<number | boolean>,
  bins = DEFAULT_BINS,
): ReliabilityBin[] {
  requireInput(confidences, right, bins);
  const count = new Float64Array(bins);
  const sum = new Float64Array(bins);
  const hits = new Float64Array(bins);
  for (let row = 0; row < confidences.length; row++) {
    const bin = binOf(confidences[row]!, bins);
    count[bin]! += 1;
    sum[bin]! += confidences[row]!;
    hits[bin]! += Number(right[row]!);
  }
  return Array.from(count, (rows, bin) => ({
    low: bin / bins,
    high: (bin + 1) / bins,
    count: rows,
    confidence: rows === 0 ? null : sum[bin]! / rows,
    accuracy: rows === 0 ? null : hits[bin]! / rows,
  }));
}

/**
 * Expected calibration error: Σ over bins of (rows in bin / rows) · |accuracy − mean confidence|.
 * @throws UsclError `METRIC_INPUT` for no rows, different lengths, a confidence outside 0…1, or no bins.
 */
export function expectedCalibrationError(
  confidences: ArrayLike<number>,
  right: ArrayLike<number | boolean>,
  bins = DEFAULT_BINS,
): number {
  let error = 0;
  for (const { count, confidence, accuracy } of reliabilityBins(confidences, right, bins))
    if (confidence !== null && accuracy !== null) error += count * Math.abs(accuracy - confidence);
  return error / confidences.length;
}

/**
 * Mean over rows of Σ over classes of (probability − 1 for the true class, 0 for the others)².
 * @throws UsclError `METRIC_INPUT` for no rows or lengths that do not fit.
 */
export function brierScore(
  truth: ArrayLike<number>,
  probabilities: ArrayLike<number>,
  classes: number,
): number {
  if (truth.length === 0 || probabilities.length !== truth.length * classes) {
    throw inputError(
      `${truth.length} true labels and ${probabilities.length} probabilities do not make rows of ${classes} classes.`,
    );
  }
  let sum = 0;
  for (let row = 0; row < truth.length; row++) sum += squaredError(truth[row]!, probabilities, row, classes);
  return sum / truth.length;
}

/** Σ over classes of squared error of one row of probabilities [rows, classes]. */
export function squaredError(
  truth: number,
  probabilities: ArrayLike<number>,
  row: number,
  classes: number,
): number {
  let sum = 0;
  for (let c = 0; c < classes; c++) {
    sum += (probabilities[row * classes + c]! - (c === truth ? 1 : 0)) ** 2;
  }
  return sum;
}

function requireInput(
  confidences: ArrayLike<number>,
  right: ArrayLike<number | boolean>,
  bins: number,
): void {
  if (!Number.isInteger(bins) || bins < 1) {
    throw inputError(`The number of bins must be a whole number of at least 1, not ${bins}.`);
  }
  if (confidences.length === 0 || confidences.length !== right.length) {
    throw inputError(`${confidences.length} confidences but ${right.length} outcomes.`);
  }
  for (let row = 0; row < confidences.length; row++) {
    const value = confidences[row]!;
    if (!(value >= 0 && value <= 1)) throw inputError(`Row ${row} has the confidence ${value}.`);
  }
}

function inputError(message: string): UsclError {
  return metricError(message, 'Give one probability between 0 and 1 for every class and row.');
}
