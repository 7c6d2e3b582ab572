/** Which clips the model was wrong about, and how surely: from the predictions alone. */
import type { Predictions } from '../evaluation/predictions.ts';
import { groupBy, mean } from '../base/collect.ts';

export interface Mistake {
  /** Index into the clips of the predictions. */
  readonly clip: number;
  readonly id: string;
  readonly group: string;
  /** Class indices. */
  readonly truth: number;
  readonly said: number;
  /** Mean probability over seeds and frames of what was said, and of the truth. */
  readonly confidence: number;
  readonly truthProbability: number;
  /** Seeds that were wrong about it, of those that judged it. */
  readonly wrongSeeds: number;
  readonly seeds: number;
  /** The frame that spoke most for what was said. */
  readonly frame: number;
}

/**
 * Labelled clips whose mean probability over seeds and frames is largest for a wrong class, surest first; at one label
 * rate.
 */
export function mistakesOf(predictions: Predictions, labelRate: number): readonly Mistake[] {
  const rows = predictions.cells.filter((cell) => cell.labelRate === labelRate).flatMap((cell) => cell.rows);
  return [...groupBy(rows, ({ clip }) => clip)]
    .flatMap(([clip, seen]): Mistake[] => {
      const { id, group, label } = predictions.clips[clip]!;
      if (label === null) return [];
      const bySeed = seen.map(({ probabilities }) => columnMeans(probabilities));
      const all = columnMeans(bySeed);
      const said = largest(all);
      if (said === label) return [];
      const frames = seen.flatMap((row) =>
        row.frames.map((frame, i) => ({ frame, speaks: row.probabilities[i]![said]! })),
      );
      const worst = frames.reduce((best, one) => (one.speaks > best.speaks ? one : best));
      return [
        {
          ...{ clip, id, group, truth: label, said, frame: worst.frame },
          confidence: all[said]!,
          truthProbability: all[label]!,
          wrongSeeds: bySeed.filter((one) => largest(one) !== label).length,
          seeds: bySeed.length,
        },
      ];
    })
    .sort(
      (a, b) => b.confidence - b.truthProbability - (a.confidence - a.truthProbability) || a.clip - b.clip,
    );
}

function columnMeans(rows: readonly (readonly number[])[]): number[] {
  return rows[0]!.map((_, c) => mean(rows.map((row) => row[c]!)));
}

function largest(values: readonly number[]): number {
  return values.reduce((best, value, i) => (value > values[best]! ? i : best), 0);
}
