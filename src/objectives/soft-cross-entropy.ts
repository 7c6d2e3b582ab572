/**
 * Softmax cross-entropy against targets that are distributions: what label smoothing, mixup and class weights need.
 * With class scores o, target t and weight w of row i:
 *
 *     CE_i = −Σ_c t_ic log softmax(o_i)_c,   L = Σ_i w_i CE_i / Σ_i w_i
 *     ∂L/∂o_ic = w_i / Σ w · (softmax(o_i)_c · Σ_k t_ik − t_ic)
 *
 * Accumulated in float64. A non-finite score makes the loss NaN, which is never hidden.
 */
import { objectiveError, requireClasses, requireLength } from './arguments.ts';

/** Weighted loss, and how many rows are named rightly. */
export interface SoftCrossEntropyResult {
  /** Weighted mean over rows; 0, with a zero gradient, where all weights are 0. */
  readonly loss: number;
  /** Rows whose highest score is at their highest target (the first of equals counts as highest). */
  readonly correct: number;
}

/** How far a row of targets may be from sum 1: f32 rounding of many classes. */
const SUM_TOLERANCE = 1e-3;

/**
 * @param logits [N, classes].
 * @param targets [N, classes], each row not negative with sum 1, as `softTargets` makes them.
 * @param rowWeights [N], finite and not negative; null: all alike. With hard targets and each row weighted by its class
 *   this is PyTorch's `cross_entropy(…, weight)`.
 * @param gradient [N, classes], overwritten with ∂L/∂logits.
 * @throws UsclError `OBJECTIVE_INVALID` for sizes that do not fit, targets that are no distribution, impossible weights.
 */
export function softCrossEntropy(
  logits: Float32Array,
  targets: Float32Array,
  classes: number,
  rowWeights: ArrayLike<number> | null,
  gradient: Float32Array,
): SoftCrossEntropyResult {
  requireClasses(classes);
  const rows = logits.length / classes;
  if (!Number.isInteger(rows) || rows < 1)
    throw objectiveError(
      'logits',
      `has ${logits.length} numbers, no rows of ${classes} classes`,
      'Pass one row an image: [N, classes].',
    );
  const needed = `the logits have ${logits.length}`;
  requireLength({ targets, gradient }, logits.length, needed, 'Make it as long as the logits.');
  if (rowWeights !== null) requireLength({ rowWeights }, rows, `there are ${rows} rows`, 'Give one a row.');
  for (let row = 0; row < rows; row++) {
    const weight = rowWeights?.[row] ?? 1;
    if (!(weight >= 0 && weight < Infinity))
      throw objectiveError(`rowWeights[${row}]`, `is ${weight}`, 'Weights are finite and not negative.');
    let sum = 0;
    let least = 0;
    for (let c = row * classes; c < (row + 1) * classes; c++) {
      sum += targets[c]!;
      least = Math.min(least, targets[c]!);
    }
    if (!(least >= 0 && Math.abs(sum - 1) <= SUM_TOLERANCE))
      throw objectiveError(
        `targets of row ${row}`,
        `are no distribution (sum ${sum}, least ${least})`,
        'Make them with softTargets.',
      );
  }
  let weights = 0;
  for (let row = 0; row < rows; row++) weights += rowWeights?.[row] ?? 1;
  gradient.fill(0);
  let sum = 0;
  let correct = 0;
  for (let row = 0; row < rows; row++) {
    const start = row * classes;
    const best = highest(logits, start, classes);
    if (best === highest(targets, start, classes)) correct++;
    const weight = weights === 0 ? 0 : (rowWeights?.[row] ?? 1) / weights;
    if (weight === 0) continue;
    const largest = logits[start + best]!;
    let total = 0;
    let mass = 0;
    for (let c = start; c < start + classes; c++) {
      total += Math.exp(logits[c]! - largest);
      mass += targets[c]!;
    }
    let loss = mass * Math.log(total);
    for (let c = start; c < start + classes; c++) {
      const score = logits[c]! - largest;
      // A class without target does not count, however low its score.
      if (targets[c] !== 0) loss -= targets[c]! * score;
      gradient[c] = weight * ((mass * Math.exp(score)) / total - targets[c]!);
    }
    sum += weight * loss;
  }
  return { loss: sum, correct };
}

/** Class of the highest score of a row; the first of equals counts as highest. */
export function highest(values: Float32Array, start: number, classes: number): number {
  let best = 0;
  for (let c = 1; c < classes; c++) if (values[start + c]! > values[start + best]!) best = c;
  return best;
}
