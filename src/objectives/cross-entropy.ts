/**
 * Softmax cross-entropy over the labelled clips of a batch, the supervised part of USCL. With class scores o and label
 * y of row i:
 *
 *     CE_i = −log softmax(o_i)[y_i],   ∂CE_i/∂o_ic = softmax(o_i)[c] − 1[c = y_i]
 *
 * A batch without a single label is ordinary at low label rates: its loss and gradient are 0, never NaN.
 * Accumulated in float64. A non-finite score of a labelled row makes the loss NaN, which is never hidden.
 */
import { objectiveError, requireLabels, requireLength, UNLABELLED } from './arguments.ts';

/**
 * `mean`: average over all labelled rows of all views, the paper's L_sup.
 * `sum-of-views`: sum over the views of each view's average, as the reference code adds CE_i + CE_j; for two views it
 * is twice the mean, so λ counts double.
 */
export type CrossEntropyReduction = 'mean' | 'sum-of-views';

/** Loss of the labelled rows, and how many of them are named rightly. */
export interface CrossEntropyResult {
  readonly loss: number;
  /** Labelled rows whose highest score is their label's (the first of equal scores counts as highest). */
  readonly correct: number;
  /** Labelled rows, counted over all views. */
  readonly labelled: number;
}

/**
 * @param logits [views·clips, classes]: all clips of view 0, then all of view 1, …
 * @param labels [clips], class index or `UNLABELLED`; one label serves every view of its clip.
 * @param gradient [views·clips, classes], overwritten with ∂loss/∂logits.
 * @throws UsclError `OBJECTIVE_INVALID` for sizes that do not fit or a label that is no class.
 */
export function crossEntropy(
  logits: Float32Array,
  labels: Int32Array,
  classes: number,
  gradient: Float32Array,
  { reduction }: { readonly reduction: CrossEntropyReduction },
): CrossEntropyResult {
  requireLabels(labels, classes, true);
  const views = logits.length / (labels.length * classes);
  if (!Number.isInteger(views) || views < 1)
    throw objectiveError(
      'logits',
      `has ${logits.length} numbers, no multiple of ${labels.length} clips × ${classes} classes`,
      'Pass one row a view of each clip: [views·clips, classes].',
    );
  const needed = `the logits have ${logits.length}`;
  requireLength({ gradient }, logits.length, needed, 'Make it as long as the logits.');
  const labelledClips = labels.reduce((count, label) => (label === UNLABELLED ? count : count + 1), 0);
  gradient.fill(0);
  if (labelledClips === 0) return { loss: 0, correct: 0, labelled: 0 };

  // Every view has the same labelled clips, so the sum of the views' means is `views` times the mean of all.
  const weight = reduction === 'mean' ? 1 / (views * labelledClips) : 1 / labelledClips;
  let sum = 0;
  let correct = 0;
  for (let row = 0; row < views * labels.length; row++) {
    const label = labels[row % labels.length]!;
    if (label === UNLABELLED) continue;
    const start = row * classes;
    let best = 0;
    for (let c = 1; c < classes; c++) if (logits[start + c]! > logits[start + best]!) best = c;
    const largest = logits[start + best]!;
    let total = 0;
    for (let c = 0; c < classes; c++) total += Math.exp(logits[start + c]! - largest);
    for (let c = 0; c < classes; c++)
      gradient[start + c] = weight * (Math.exp(logits[start + c]! - largest) / total - (c === label ? 1 : 0));
    sum += Math.log(total) - (logits[start + label]! - largest);
    if (best === label) correct++;
  }
  return { loss: weight * sum, correct, labelled: views * labelledClips };
}
