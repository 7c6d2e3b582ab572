/**
 * What MixMatch (Berthelot et al., NeurIPS 2019) makes of clips without labels. A guess is the mean of the softmaxes of V views
 * of a clip, sharpened at a temperature T (section 3.2 and eq. 7):
 *
 *     q̄_i = 1/V Σ_v softmax(o_vi),   q_ic = q̄_ic^(1/T) / Σ_k q̄_ik^(1/T)
 *
 * What the network says of a row is then held against a distribution that does not move, by the squared difference (eq. 4):
 *
 *     L = 1/(N K) Σ_i Σ_c (p_ic − q_ic)²,   p_i = softmax(a_i),
 *     ∂L/∂a_ic = 2/(N K) · p_ic [(p_ic − q_ic) − Σ_k p_ik (p_ik − q_ik)]
 *
 * Accumulated in float64. A non-finite score makes a guess and a loss NaN, which is never hidden.
 */
import {
  objectiveError,
  requireClasses,
  requireCount,
  requireLength,
  requireTemperature,
} from './arguments.ts';
import { backThroughSoftmax, softmax } from './consistency.ts';

/**
 * Guesses [clips, classes], each row of sum 1.
 * @param logits [views·clips, classes]: all clips of view 0, then all of view 1, ….
 * @param temperature T > 0; the authors: 0.5; 1: the mean itself.
 * @throws UsclError `OBJECTIVE_INVALID` for sizes that do not fit or a temperature that is not positive.
 */
export function guessLabels(
  logits: Float32Array,
  views: number,
  classes: number,
  temperature: number,
): Float32Array {
  requireClasses(classes);
  requireCount('views', views, 'Give at least one view.');
  requireTemperature(temperature, 'the authors use 0.5');
  const clips = logits.length / (views * classes);
  if (!Number.isInteger(clips) || clips < 1)
    throw objectiveError(
      'logits',
      `have ${logits.length} numbers, no rows of ${views} views × ${classes} classes`,
      'Pass one row a view of each clip: [views·clips, classes].',
    );
  const guesses = new Float32Array(clips * classes);
  for (let clip = 0; clip < clips; clip++) {
    const mean = new Float64Array(classes);
    for (let view = 0; view < views; view++)
      softmax(logits, (view * clips + clip) * classes, classes).forEach(
        (share, c) => (mean[c]! += share / views),
      );
    // Relative to the largest, so that no power underflows them all.
    const largest = mean.reduce((most, share) => Math.max(most, share), 0);
    const powers = mean.map((share) => (share / largest) ** (1 / temperature));
    const total = powers.reduce((sum, power) => sum + power, 0);
    guesses.set(
      powers.map((power) => power / total),
      clip * classes,
    );
  }
  return guesses;
}

/**
 * The mean squared difference of softmaxes and distributions.
 * @param scores a, [N, classes], before the softmax.
 * @param targets q, [N, classes].
 * @param gradient [N, classes], overwritten with ∂L/∂scores.
 * @throws UsclError `OBJECTIVE_INVALID` for sizes that do not fit.
 */
export function squaredDifference(
  scores: Float32Array,
  targets: Float32Array,
  classes: number,
  gradient: Float32Array,
): number {
  requireClasses(classes);
  const rows = scores.length / classes;
  if (!Number.isInteger(rows) || rows < 1)
    throw objectiveError(
      'scores',
      `have ${scores.length} numbers, no rows of ${classes} classes`,
      'Pass one row an image: [N, classes].',
    );
  const needed = `the scores have ${scores.length}`;
  requireLength({ targets, gradient }, scores.length, needed, 'Make it as long as the scores.');
  let loss = 0;
  for (let start = 0; start < scores.length; start += classes) {
    const p = softmax(scores, start, classes);
    const q = targets.subarray(start, start + classes);
    for (let c = 0; c < classes; c++) loss += (p[c]! - q[c]!) ** 2 / scores.length;
    backThroughSoftmax(p, q, 2 / scores.length, gradient, start);
  }
  return loss;
}
