/** What a network in training says about whole frames: probabilities, and the scores that choose an epoch. */
import { setImmediate } from 'node:timers/promises';
import { balancedAccuracy } from '../../evaluation/metrics.ts';
import { OUTPUTS } from '../../models/heads.ts';
import type { FrameRow } from '../../views/frames.ts';
import type { FrozenPart } from './frozen-part.ts';
import { softmaxRows } from './model.ts';
import type { Tuner } from './tuner.ts';

/** Probabilities [rows, classes] of whole frames, in batches of `batch`. Error: `NON_FINITE`. */
export async function probabilitiesOf(
  rows: readonly FrameRow[],
  tuner: Tuner,
  frozen: FrozenPart,
  batch: number,
  classes: number,
): Promise<Float32Array> {
  const result = new Float32Array(rows.length * classes);
  const plan = tuner.scoring(batch);
  for (let from = 0; from < rows.length; from += batch) {
    const part = rows.slice(from, from + batch);
    frozen.fill(part, 'whole', plan.input.subarray(0, part.length * tuner.cutLength));
    plan.forward();
    result.set(softmaxRows(plan.output(OUTPUTS.logits), part.length, classes), from * classes);
    // Lets a signal be heard.
    await setImmediate();
  }
  return result;
}

export interface EpochScore {
  /** Mean over frames of −ln of the probability of the label. */
  readonly loss: number;
  /** Share of frames predicted right. */
  readonly frameAccuracy: number;
  /** Balanced accuracy of clips by mean probability, over the classes that occur. */
  readonly balancedAccuracy: number;
}

/** Scores of probabilities [rows, classes] against the labels of the rows' clips. */
export function scoreRows(
  rows: readonly FrameRow[],
  probabilities: Float32Array,
  labels: Int32Array,
  classes: number,
): EpochScore {
  let loss = 0;
  let right = 0;
  const means = new Map<number, Float64Array>();
  for (const [i, { clip }] of rows.entries()) {
    const ofRow = probabilities.subarray(i * classes, (i + 1) * classes);
    const mean = means.get(clip) ?? new Float64Array(classes);
    means.set(clip, mean);
    for (let c = 0; c < classes; c++) mean[c]! += ofRow[c]!;
    loss -= Math.log(Math.max(ofRow[labels[clip]!]!, 1e-12));
    if (largest(ofRow) === labels[clip]) right++;
  }
  const truth = [...means.keys()].map((clip) => labels[clip]!);
  const predicted = [...means.values()].map(largest);
  return {
    loss: loss / rows.length,
    frameAccuracy: right / rows.length,
    balancedAccuracy: balancedAccuracy(truth, predicted, classes),
  };
}

function largest(values: ArrayLike<number>): number {
  let best = 0;
  for (let c = 1; c < values.length; c++) if (values[c]! > values[best]!) best = c;
  return best;
}
