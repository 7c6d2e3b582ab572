/**
 * From frames to what is scored. One model's predictions are scored at three levels: every frame for itself; a clip by
 * the mean of its frames' probabilities; a clip by the class most of its frames were called, the shares of the calls
 * being its probabilities. A tie of votes goes to the class of larger mean probability, then to the first.
 */
import { largestAt } from './knn.ts';
import type { Level } from './evaluation-result.ts';

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
