/**
 * The consistency of two answers to the same clips, of the Π-model (Laine & Aila, ICLR 2017, algorithm 1) and of Mean Teacher
 * (Tarvainen & Valpola, NeurIPS 2017, section 2): the mean squared difference of their softmaxes. With scores a and b, N rows,
 * K classes, p_i = softmax(a_i), q_i = softmax(b_i):
 *
 *     L = 1/(N K) Σ_i Σ_c (p_ic − q_ic)²
 *     ∂L/∂a_ic = 2/(N K) · p_ic [(p_ic − q_ic) − Σ_k p_ik (p_ik − q_ik)],   ∂L/∂b_ic likewise with p and q exchanged
 *
 * L is 0 where answers agree, 2/K where they are sure of different classes. Accumulated in float64. A non-finite score makes
 * the loss NaN, which is never hidden.
 */
import { objectiveError, requireClasses, requireLength } from './arguments.ts';
import { highest } from './soft-cross-entropy.ts';

/** Loss, and how far answers agree. */
export interface ConsistencyResult {
  readonly loss: number;
  /** Rows whose highest class is the same in both answers (the first of equal scores counts as highest). */
  readonly agreeing: number;
  /** Mean of the highest probability of `scores`: 1/K where nothing is known. */
  readonly confidence: number;
}

/**
 * @param scores a, [N, classes], before the softmax.
 * @param others b, [N, classes], of the same clips in the same order.
 * @param gradient [N, classes], overwritten with ∂L/∂scores.
 * @param othersGradient [N, classes], overwritten with ∂L/∂others; null where those are constants.
 * @throws UsclError `OBJECTIVE_INVALID` for sizes that do not fit.
 */
export function consistencyLoss(
  scores: Float32Array,
  others: Float32Array,
  classes: number,
  gradient: Float32Array,
  othersGradient: Float32Array | null,
): ConsistencyResult {
  requireClasses(classes);
  const rows = scores.length / classes;
  if (!Number.isInteger(rows) || rows < 1)
    throw objectiveError(
      'scores',
      `have ${scores.length} numbers, no rows of ${classes} classes`,
      'Pass one row a clip: [N, classes].',
    );
  const needed = `the scores have ${scores.length}`;
  const lengths = othersGradient === null ? { others, gradient } : { others, gradient, othersGradient };
  requireLength(lengths, scores.length, needed, 'Make it as long as the scores.');
  const factor = 2 / (rows * classes);
  let loss = 0;
  let agreeing = 0;
  let confidence = 0;
  for (let row = 0; row < rows; row++) {
    const start = row * classes;
    const best = highest(scores, start, classes);
    const p = softmax(scores, start, classes);
    const otherBest = highest(others, start, classes);
    const q = softmax(others, start, classes);
    if (best === otherBest) agreeing++;
    confidence += p[best]! / rows;
    for (let c = 0; c < classes; c++) loss += (p[c]! - q[c]!) ** 2 / (rows * classes);
    backThroughSoftmax(p, q, factor, gradient, start);
    if (othersGradient !== null) backThroughSoftmax(q, p, factor, othersGradient, start);
  }
  return { loss, agreeing, confidence };
}

/** Shares of the classes of a row that begins at `start`. */
export function softmax(scores: Float32Array, start: number, classes: number): Float64Array {
  const best = highest(scores, start, classes);
  const shares = new Float64Array(classes);
  let total = 0;
  for (let c = 0; c < classes; c++) {
    shares[c] = Math.exp(scores[start + c]! - scores[start + best]!);
    total += shares[c]!;
  }
  return shares.map((share) => share / total);
}

/** factor · p (d − p·d) with d = p − q, into a row of a gradient. */
export function backThroughSoftmax(
  p: Float64Array,
  q: Float64Array | Float32Array,
  factor: number,
  gradient: Float32Array,
  start: number,
): void {
  let mean = 0;
  for (let c = 0; c < p.length; c++) mean += p[c]! * (p[c]! - q[c]!);
  for (let c = 0; c < p.length; c++) gradient[start + c] = factor * p[c]! * (p[c]! - q[c]! - mean);
}
