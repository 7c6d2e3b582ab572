/**
 * Scores of a ranking: how well the probability of one class puts its rows before all others. Area under the ROC curve
 * and average precision by scikit-learn's definitions (`roc_auc_score`, `average_precision_score`), with rows of equal
 * probability taken together. Rows are sorted once; then any weighting of groups is scored in one pass, which is what a
 * bootstrap of thousands of draws needs.
 */
import { metricError } from './metrics.ts';

/** Rows in falling order of score, one code each: 4·group + 2 for a row of the class + 1 for the last of equal scores. */
export type Ranking = Int32Array;

const LAST = 1;
const POSITIVE = 2;

/** NaN where the rows do not define it. */
export interface RankingScores {
  /**
   * Probability that a row of the class scores above a row of another, ties counted half (Hanley & McNeil 1982). NaN
   * without rows of the class or of others.
   */
  readonly auroc: number;
  /** Σ (recall − recall before) · precision over falling thresholds. NaN without rows of the class. */
  readonly averagePrecision: number;
}

/**
 * Ranks rows by `scores` [rows]; `positive` says whether a row has the class, `group` numbers the unit that is drawn.
 * @throws UsclError `METRIC_INPUT` for a score that is not finite.
 */
export function rankRows(
  scores: ArrayLike<number>,
  positive: (row: number) => boolean,
  group: (row: number) => number,
): Ranking {
  const order = new Uint32Array(scores.length);
  for (let row = 0; row < order.length; row++) {
    order[row] = row;
    if (Number.isFinite(scores[row]!)) continue;
    throw metricError(`Row ${row} has the score ${scores[row]!}.`, 'Give one finite score for every row.');
  }
  order.sort((a, b) => scores[b]! - scores[a]!);
  return Int32Array.from(order, (row, rank) => {
    const last = rank + 1 === order.length || scores[order[rank + 1]!] !== scores[row];
    return 4 * group(row) + (positive(row) ? POSITIVE : 0) + (last ? LAST : 0);
  });
}

/** Scores with every row counted as often as `times` says of its group. */
export function scoresOfRanking(ranking: Ranking, times: ArrayLike<number>): RankingScores {
  let positives = 0;
  let negatives = 0;
  let concordant = 0;
  let precisions = 0;
  // Rows of equal score, not counted yet.
  let tiedPositives = 0;
  let tiedNegatives = 0;
  // No branch on the class of a row: it follows no pattern a processor could guess.
  for (const code of ranking) {
    const weight = times[code >> 2]!;
    const positive = weight * ((code >> 1) & 1);
    tiedPositives += positive;
    tiedNegatives += weight - positive;
    if ((code & LAST) === 0) continue;
    concordant += tiedNegatives * (positives + tiedPositives / 2);
    positives += tiedPositives;
    negatives += tiedNegatives;
    if (positives > 0) precisions += (tiedPositives * positives) / (positives + negatives);
    tiedPositives = 0;
    tiedNegatives = 0;
  }
  return { auroc: concordant / (positives * negatives), averagePrecision: precisions / positives };
}

/**
 * ROC curve of all rows counted once, from (0, 0) to (1, 1), without points on a straight line between their
 * neighbours, thinned to at most `most` + 1; null without rows of the class or of others.
 */
export function rocPoints(ranking: Ranking, most = 200): [number, number][] | null {
  const corners: [number, number][] = [[0, 0]];
  let positives = 0;
  let negatives = 0;
  for (const code of ranking) {
    if ((code & POSITIVE) === 0) negatives++;
    else positives++;
    if ((code & LAST) === 0) continue;
    const [a, b] = [corners.at(-2), corners.at(-1)!];
    // Counts are whole, so a straight line is exactly straight.
    const straight =
      a !== undefined && (b[0] - a[0]) * (positives - b[1]) === (b[1] - a[1]) * (negatives - b[0]);
    if (straight) corners.pop();
    corners.push([negatives, positives]);
  }
  if (positives === 0 || negatives === 0) return null;
  const steps = Math.min(most, corners.length - 1);
  return Array.from({ length: steps + 1 }, (_, i) => {
    const [fp, tp] = corners[Math.round((i * (corners.length - 1)) / steps)]!;
    return [fp / negatives, tp / positives];
  });
}
