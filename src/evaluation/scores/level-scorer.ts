/**
 * From frames to scores. One model's predictions are scored at three levels: every frame for itself; a clip by the mean of
 * its frames' probabilities; a clip by the class most of its frames were called, the shares of the calls being its
 * probabilities. A tie of votes goes to the class of larger mean probability, then to the first.
 *
 * All scores of one level of one seed are a vector, under any weighting of groups. Everything that does not depend on
 * the weights (who was called what, how well calibrated each group is, how rows are ranked) is worked out once, so a
 * draw of the bootstrap costs one pass over groups and ranked rows.
 */
import { binOf, squaredError } from './calibration.ts';
import { CLASS_SCORES, OVERALL_SCORES } from './evaluation-result.ts';
import type { ClassScore, Level, OverallScore } from './evaluation-result.ts';
import { largestAt } from '../features/matrix.ts';
import {
  balancedAccuracyByChance,
  classScoresOfConfusion,
  kappaOfConfusion,
  marginsOf,
  scoresOfConfusion,
} from './metrics.ts';
import { rankRows, scoresOfRanking, type Ranking } from './ranking.ts';

/** A clip with its true class, the number of its group, and the probabilities of its frames [frame][class]. */
export interface ScoredClip {
  readonly label: number;
  readonly group: number;
  readonly frames: readonly (readonly number[])[];
}

/** Rows to score. */
export interface LevelRows {
  readonly classes: number;
  readonly truth: Int32Array;
  readonly predicted: Int32Array;
  /** Number of the group of each row. */
  readonly group: Int32Array;
  /** [rows, classes]. */
  readonly probabilities: Float64Array;
}

/** The rows of a level, clips in the order given, frames in order within them. */
export function levelRows(clips: readonly ScoredClip[], classes: number, level: Level): LevelRows {
  const frames = level === 'frame';
  const count = frames ? clips.reduce((sum, clip) => sum + clip.frames.length, 0) : clips.length;
  const rows: LevelRows = {
    classes,
    truth: new Int32Array(count),
    predicted: new Int32Array(count),
    group: new Int32Array(count),
    probabilities: new Float64Array(count * classes),
  };
  let row = 0;
  for (const clip of clips) {
    const mean = meanOf(clip.frames, classes);
    const ofClip = frames ? clip.frames : [level === 'clipMean' ? mean : voteShares(clip.frames, classes)];
    for (const probabilities of ofClip) {
      rows.truth[row] = clip.label;
      rows.group[row] = clip.group;
      rows.predicted[row] =
        level === 'clipVote' ? largestWithTies(probabilities, mean) : largestAt(probabilities, 0, classes);
      rows.probabilities.set(probabilities, row * classes);
      row++;
    }
  }
  return rows;
}

/** Mean of each class over frames. */
export function meanOf(frames: readonly (readonly number[])[], classes: number): number[] {
  return Array.from({ length: classes }, (_, c) => {
    let sum = 0;
    for (const frame of frames) sum += frame[c]!;
    return sum / frames.length;
  });
}

/** Share of the frames called each class. */
function voteShares(frames: readonly (readonly number[])[], classes: number): number[] {
  const votes = new Array<number>(classes).fill(0);
  for (const frame of frames) votes[largestAt(frame, 0, classes)]! += 1;
  return votes.map((count) => count / frames.length);
}

/** The class with most votes; of several the one with the largest `mean`, then the first. */
export function largestWithTies(votes: readonly number[], mean: readonly number[]): number {
  let best = 0;
  votes.forEach((count, c) => {
    const lead = count - votes[best]!;
    if (lead > 0 || (lead === 0 && mean[c]! > mean[best]!)) best = c;
  });
  return best;
}

/** Length of a vector of scores. */
export function scoreCount(classes: number): number {
  return overChanceAt(classes) + 1;
}

/** Place of an overall score in a vector. */
export function overallAt(name: OverallScore): number {
  return OVERALL_SCORES.indexOf(name);
}

/** Place of a class's score in a vector. */
export function classAt(c: number, name: ClassScore): number {
  return OVERALL_SCORES.length + c * CLASS_SCORES.length + CLASS_SCORES.indexOf(name);
}

/**
 * Place of balanced accuracy minus that of a constant answer, both under the same weighting: a draw that misses a class
 * makes a constant answer better too.
 */
export function overChanceAt(classes: number): number {
  return classAt(classes, CLASS_SCORES[0]);
}

/** What scoring needs of a level's rows, by group. */
export interface LevelScorer {
  readonly classes: number;
  readonly groups: number;
  readonly bins: number;
  /** Of each group: confusion [classes, classes], signed calibration gap of each bin, squared error. */
  readonly sums: Float64Array;
  /** Of each class. */
  readonly rankings: readonly Ranking[];
}

export function levelScorer(rows: LevelRows, groups: number, bins: number): LevelScorer {
  const { classes, truth, predicted, group, probabilities } = rows;
  const width = classes * classes + bins + 1;
  const sums = new Float64Array(groups * width);
  for (let row = 0; row < truth.length; row++) {
    const at = group[row]! * width;
    const [t, p] = [truth[row]!, predicted[row]!];
    const confidence = probabilities[row * classes + p]!;
    sums[at + t * classes + p]! += 1;
    sums[at + classes * classes + binOf(confidence, bins)]! += confidence - (t === p ? 1 : 0);
    sums[at + width - 1]! += squaredError(t, probabilities, row, classes);
  }
  const rankings = Array.from({ length: classes }, (_, c) =>
    rankRows(
      column(probabilities, classes, c),
      (row) => truth[row] === c,
      (row) => group[row]!,
    ),
  );
  return { classes, groups, bins, sums, rankings };
}

/**
 * Scores with every group counted as often as `times` says, NaN where one is not defined. The layout is that of
 * `overallAt`, `classAt` and `overChanceAt`.
 */
export function scoresUnder(scorer: LevelScorer, times: Float64Array): Float64Array {
  const { classes, rankings } = scorer;
  const total = weightedSums(scorer, times);
  const confusion = total.subarray(0, classes * classes);
  const scores = new Float64Array(scoreCount(classes));
  const set = (name: OverallScore, value: number | null): void => {
    scores[overallAt(name)] = value ?? NaN;
  };
  const { total: rows, inTruth } = marginsOf(confusion, classes);
  const { accuracy, balancedAccuracy, macroF1 } = scoresOfConfusion(confusion, classes);
  set('accuracy', accuracy);
  set('balancedAccuracy', balancedAccuracy);
  set('macroF1', macroF1);
  scores[overChanceAt(classes)] = balancedAccuracy - balancedAccuracyByChance([...inTruth]);
  set('kappa', kappaOfConfusion(confusion, classes));
  let gaps = 0;
  for (let bin = 0; bin < scorer.bins; bin++) gaps += Math.abs(total[classes * classes + bin]!);
  set('ece', gaps / rows);
  set('brier', total[total.length - 1]! / rows);

  const ofClass = classScoresOfConfusion(confusion, classes);
  rankings.forEach((ranking, c) => {
    const values = { ...ofClass[c]!, ...scoresOfRanking(ranking, times) };
    for (const name of CLASS_SCORES) scores[classAt(c, name)] = values[name] ?? NaN;
  });
  for (const name of ['auroc', 'averagePrecision'] as const) set(name, macro(scores, classes, name));
  return scores;
}

function weightedSums({ groups, classes, bins, sums }: LevelScorer, times: Float64Array): Float64Array {
  const width = classes * classes + bins + 1;
  const total = new Float64Array(width);
  for (let group = 0; group < groups; group++) {
    const factor = times[group]!;
    if (factor === 0) continue;
    const at = group * width;
    for (let i = 0; i < width; i++) total[i]! += factor * sums[at + i]!;
  }
  return total;
}

/** Mean over the classes where the score is defined; NaN where it is for none. */
function macro(scores: Float64Array, classes: number, name: 'auroc' | 'averagePrecision'): number {
  let sum = 0;
  let count = 0;
  for (let c = 0; c < classes; c++) {
    const value = scores[classAt(c, name)]!;
    if (Number.isNaN(value)) continue;
    sum += value;
    count++;
  }
  return sum / count;
}

function column(values: Float64Array, width: number, at: number): Float64Array {
  return Float64Array.from({ length: values.length / width }, (_, row) => values[row * width + at]!);
}
