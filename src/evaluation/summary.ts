/**
 * From predictions to summaries: counts by group for the bootstrap, mean and deviation over fold seeds, and the
 * scores of one level (frames or clips) with their intervals.
 */
import {
  addCount,
  bootstrapIntervals,
  confusionOfSeed,
  eachScore,
  groupedCounts,
  type GroupedCounts,
} from './bootstrap.ts';
import { scoresOfConfusion, type Scores } from './metrics.ts';
import type { LevelScores, ReaderResult } from './probe-result.ts';
import type { BootstrapOptions } from './resampling.ts';

interface ScoredClip {
  readonly group: string;
  readonly label: number;
}

/** Counts of clip predictions [seed][clip], groups in order of first clip. */
export function clipCounts(
  clips: readonly ScoredClip[],
  predictions: ReaderResult['clipPredictions'],
  classes: number,
): GroupedCounts {
  const group = groupNumbers(clips);
  const counts = groupedCounts(Math.max(...group) + 1, predictions.length, classes);
  predictions.forEach((ofSeed, seed) => {
    ofSeed.forEach((predicted, clip) => {
      addCount(counts, group[clip]!, seed, clips[clip]!.label, predicted);
    });
  });
  return counts;
}

/** Counts of frame predictions [seed][clip][class]. */
export function frameCounts(
  clips: readonly ScoredClip[],
  frames: ReaderResult['frameCounts'],
  classes: number,
): GroupedCounts {
  const group = groupNumbers(clips);
  const counts = groupedCounts(Math.max(...group) + 1, frames.length, classes);
  frames.forEach((ofSeed, seed) => {
    ofSeed.forEach((ofClip, clip) => {
      ofClip.forEach((count, predicted) => {
        addCount(counts, group[clip]!, seed, clips[clip]!.label, predicted, count);
      });
    });
  });
  return counts;
}

/** Scores of each seed, all folds pooled. */
export function scoresPerSeed(counts: GroupedCounts): Scores[] {
  return Array.from({ length: counts.seeds }, (_, seed) =>
    scoresOfConfusion(confusionOfSeed(counts, seed), counts.classes),
  );
}

/** Summary of one level. */
export function summariseLevel(counts: GroupedCounts, options: BootstrapOptions): LevelScores {
  const perSeed = scoresPerSeed(counts);
  const intervals = bootstrapIntervals(counts, options);
  const summaries = eachScore((name) => {
    const values = perSeed.map((scores) => scores[name]);
    const [low, high] = intervals[name];
    const interval: [number, number] = [low, high];
    return { perSeed: values, ...meanAndDeviation(values), interval };
  });
  const confusion = Array.from({ length: counts.classes }, () => new Array<number>(counts.classes).fill(0));
  for (let seed = 0; seed < counts.seeds; seed++) {
    confusionOfSeed(counts, seed).forEach((count, cell) => {
      confusion[Math.floor(cell / counts.classes)]![cell % counts.classes]! += count / counts.seeds;
    });
  }
  return { ...summaries, confusion };
}

/** Mean, and sample standard deviation (null for one value). */
export function meanAndDeviation(values: readonly number[]): { mean: number; sd: number | null } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  if (values.length === 1) return { mean, sd: null };
  const square = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, sd: Math.sqrt(square / (values.length - 1)) };
}

function groupNumbers(clips: readonly ScoredClip[]): number[] {
  const numbers = new Map<string, number>();
  return clips.map((clip) => {
    const known = numbers.get(clip.group);
    if (known !== undefined) return known;
    const next = numbers.size;
    numbers.set(clip.group, next);
    return next;
  });
}
