/** Predictions of a network in training for whole frames, and the scores of them that choose an epoch. */
import { setImmediate } from 'node:timers/promises';
import { groupBy } from '../base/collect.ts';
import { largestAt } from '../evaluation/features/matrix.ts';
import type { Dataset } from '../dataset/reader.ts';
import { confusionMatrix, scoresOfConfusion } from '../evaluation/scores/metrics.ts';
import type { PredictedClip } from '../evaluation/scores/predictions.ts';
import { OUTPUTS } from '../models/heads.ts';
import type { FrameRow } from '../views/frames.ts';
import type { EpochScore } from './fold-runs.ts';
import type { FinetuneConfig } from './config.ts';
import type { EpochEntry } from './epoch-log.ts';
import type { FinetuneEvent } from './events.ts';
import type { FoldPlan } from './fold-plan.ts';
import { softmaxRows } from '../trainer/classifier.ts';
import { scoredRows } from './frame-schedule.ts';
import type { Learner } from './learner.ts';

/** The open parts of a run that all its fold runs share. */
export interface OpenRun {
  readonly run: string;
  readonly dataset: Dataset;
  readonly config: FinetuneConfig;
  readonly configHash: string;
  readonly plan: FoldPlan;
  readonly learner: Learner;
  readonly tell: (event: FinetuneEvent) => void;
  readonly signal: AbortSignal | undefined;
}

/** Probabilities [rows, classes] of whole frames. Error: `NON_FINITE`. */
export async function probabilitiesOf(
  rows: readonly FrameRow[],
  { config, plan: { classes }, learner }: OpenRun,
): Promise<Float32Array> {
  const { size: batch } = config.batch;
  const result = new Float32Array(rows.length * classes.length);
  const { frozen } = learner;
  const plan = learner.scoring(batch);
  for (let from = 0; from < rows.length; from += batch) {
    const part = rows.slice(from, from + batch);
    frozen.fill(part, 'whole', plan.input.subarray(0, part.length * frozen.length));
    plan.forward();
    const scores = softmaxRows(plan.output(OUTPUTS.logits), part.length, classes.length);
    result.set(scores, from * classes.length);
    // Lets a signal be heard.
    await setImmediate();
  }
  return result;
}

/** Frame probabilities of every one of these clips. */
export async function predictClips(
  clips: readonly number[],
  run: OpenRun,
): Promise<readonly PredictedClip[]> {
  const { config, dataset, plan } = run;
  const classes = plan.classes.length;
  const rows = scoredRows(dataset.clips, clips, config.framesPerClip.test);
  const all = rows.length === 0 ? null : await probabilitiesOf(rows, run);
  const places = [...rows.keys()];
  return [...groupBy(places, (i) => rows[i]!.clip)].map(([clip, own]) => ({
    clip,
    frames: own.map((i) => rows[i]!.frame),
    probabilities: own.map((i) => [...all!.subarray(i * classes, (i + 1) * classes)]),
  }));
}

/** The published code looks at frame accuracy alone; otherwise equal balanced accuracies are told apart by the loss. */
export function isBetter(score: EpochScore, than: EpochScore, chosenOn: EpochEntry['chosenOn']): boolean {
  if (chosenOn === 'test') return score.frameAccuracy > than.frameAccuracy;
  if (score.balancedAccuracy !== than.balancedAccuracy) return score.balancedAccuracy > than.balancedAccuracy;
  return score.loss < than.loss;
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
    if (largestAt(ofRow, 0, classes) === labels[clip]) right++;
  }
  const truth = [...means.keys()].map((clip) => labels[clip]!);
  const predicted = [...means.values()].map((mean) => largestAt(mean, 0, classes));
  return {
    loss: loss / rows.length,
    frameAccuracy: right / rows.length,
    balancedAccuracy: scoresOfConfusion(confusionMatrix(truth, predicted, classes), classes).balancedAccuracy,
  };
}
