/**
 * Whether probabilities mean what they say. Expected calibration error of the predicted class (Guo et al., ICML 2017,
 * eq. 3) in bins of equal width, the reliability table behind it (the bins of scikit-learn's `calibration_curve` on
 * "was the prediction right"), and the Brier score over all classes in its first form (Brier 1950): 0 … 2, for two
 * classes twice scikit-learn's `brier_score_loss`.
 */
import type { LevelEvaluation } from './evaluation-result.ts';

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
  bins: number,
): LevelEvaluation['reliability'] {
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
