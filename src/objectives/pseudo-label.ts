/**
 * The loss on clips without labels of FixMatch (Sohn et al., NeurIPS 2020, eq. 4): where the class scores of a weakly
 * augmented view are confident, their class is the label of a strongly augmented view of the same clip. With weak scores
 * w, strong scores o, N rows:
 *
 *     ŷ_i = argmax w_i,   m_i = 1[max softmax(w_i) ≥ threshold],   L = 1/N Σ_i m_i · (−log softmax(o_i)[ŷ_i])
 *     ∂L/∂o_ic = m_i / N · (softmax(o_i)[c] − 1[c = ŷ_i])
 *
 * The mean is over all rows, so few confident ones weigh little; without one the loss and its gradient are 0. Weak scores
 * are constants. Accumulated in float64. A non-finite score of either view makes the loss and the gradient of its row NaN,
 * confident or not, which is never hidden.
 */
import { objectiveError, requireClasses, requireLength } from './arguments.ts';
import { highest } from './soft-cross-entropy.ts';

/** Loss of the rows that were taken, and how many those are. */
export interface PseudoLabelResult {
  readonly loss: number;
  /** Rows whose weak view is at or above the threshold. */
  readonly confident: number;
  /** Confident rows whose strong view has the same highest class. */
  readonly agreeing: number;
}

/**
 * @param weak [N, classes], scores before softmax; of equal scores the first counts as highest, here and in `strong`.
 * @param strong [N, classes], scores of the same clips in the same order.
 * @param threshold probability in 0…1; FixMatch: 0.95.
 * @param gradient [N, classes], overwritten with ∂L/∂strong.
 * @throws UsclError `OBJECTIVE_INVALID` for sizes that do not fit or a threshold that is no probability.
 */
export function pseudoLabelLoss(
  weak: Float32Array,
  strong: Float32Array,
  classes: number,
  threshold: number,
  gradient: Float32Array,
): PseudoLabelResult {
  requireClasses(classes);
  if (!(threshold >= 0 && threshold <= 1))
    throw objectiveError(
      'threshold',
      `is ${threshold}`,
      'Give a probability from 0 to 1; FixMatch uses 0.95.',
    );
  const rows = weak.length / classes;
  if (!Number.isInteger(rows) || rows < 1)
    throw objectiveError(
      'weak scores',
      `have ${weak.length} numbers, no rows of ${classes} classes`,
      'Pass one row a clip: [N, classes].',
    );
  const needed = `the weak scores have ${weak.length}`;
  requireLength({ strong, gradient }, weak.length, needed, 'Make it as long as the weak scores.');
  gradient.fill(0);
  let loss = 0;
  let confident = 0;
  let agreeing = 0;
  for (let row = 0; row < rows; row++) {
    const start = row * classes;
    const end = start + classes;
    if (!(allFinite(weak, start, end) && allFinite(strong, start, end))) {
      loss = NaN;
      gradient.fill(NaN, start, end);
      continue;
    }
    const label = start + highest(weak, start, classes);
    if (1 / exponentials(weak, start, end, weak[label]!) < threshold) continue;
    confident++;
    const best = start + highest(strong, start, classes);
    if (best === label) agreeing++;
    const largest = strong[best]!;
    const total = exponentials(strong, start, end, largest);
    loss += (Math.log(total) - (strong[label]! - largest)) / rows;
    for (let i = start; i < end; i++)
      gradient[i] = (Math.exp(strong[i]! - largest) / total - (i === label ? 1 : 0)) / rows;
  }
  return { loss, confident, agreeing };
}

function allFinite(scores: Float32Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (!Number.isFinite(scores[i])) return false;
  return true;
}

/** Σ exp(score − largest), the inverse of the largest probability. */
function exponentials(scores: Float32Array, start: number, end: number, largest: number): number {
  let sum = 0;
  for (let i = start; i < end; i++) sum += Math.exp(scores[i]! - largest);
  return sum;
}
