/**
 * Bootstrap intervals that respect groups: whole groups (patients) are drawn with replacement, because clips of one
 * patient are no independent evidence. Predictions stay as they are, so an interval tells how much the score
 * depends on who happened to be tested, not on who was trained on or on the seed of pretraining.
 * Percentile method (Efron & Tibshirani 1993, ch. 13); two sets of predictions on the same clips are compared on
 * the same draws (paired), which removes what both share: the difficulty of the patients drawn.
 */
import { recordOf } from '../../base/collect.ts';
import { timesTransposed } from '../features/matrix.ts';
import { SCORE_NAMES, scoresOfConfusion, type ScoreName, type Scores } from '../scores/metrics.ts';
import type { LevelScores, ReaderResult } from './probe-result.ts';
import {
  drawGroups,
  meanAndDeviation,
  percentileInterval,
  requireOptions,
  shareAboveZero,
} from '../scores/resampling.ts';
import type { BootstrapOptions, Interval } from '../scores/resampling.ts';

/** Confusion counts [groups, seeds, classes, classes] (truth, then predicted) of one set of predictions. */
export interface GroupedCounts {
  readonly groups: number;
  readonly seeds: number;
  readonly classes: number;
  readonly counts: Float64Array;
}

interface ScoredClip {
  readonly group: string;
  readonly label: number;
}

/**
 * Counts of predictions by group, groups in order of first clip: of clips [seed][clip], or how often frames of a clip
 * were called each class [seed][clip][class].
 */
export function countsOf(
  clips: readonly ScoredClip[],
  predictions: ReaderResult['clipPredictions'] | ReaderResult['frameCounts'],
  classes: number,
): GroupedCounts {
  const group = groupNumbers(clips);
  const [groups, seeds] = [Math.max(...group) + 1, predictions.length];
  const counts = new Float64Array(groups * seeds * classes * classes);
  predictions.forEach((ofSeed, seed) => {
    ofSeed.forEach((ofClip, clip) => {
      const at = ((group[clip]! * seeds + seed) * classes + clips[clip]!.label) * classes;
      if (typeof ofClip === 'number') counts[at + ofClip]! += 1;
      else ofClip.forEach((count, predicted) => (counts[at + predicted]! += count));
    });
  });
  return { groups, seeds, classes, counts };
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

/** Confusion [seeds][classes, classes] with every group counted once. */
function confusionsOf({ groups, seeds, classes, counts }: GroupedCounts): Float64Array[] {
  const stride = seeds * classes * classes;
  const all = new Float64Array(stride);
  for (let group = 0; group < groups; group++)
    for (let i = 0; i < stride; i++) all[i]! += counts[group * stride + i]!;
  return bySeed(all, seeds);
}

function bySeed(counts: Float64Array, seeds: number): Float64Array[] {
  const cells = counts.length / seeds;
  return Array.from({ length: seeds }, (_, seed) => counts.subarray(seed * cells, (seed + 1) * cells));
}

/** Scores of each seed, all folds pooled. */
export function scoresPerSeed(counts: GroupedCounts): Scores[] {
  return confusionsOf(counts).map((confusion) => scoresOfConfusion(confusion, counts.classes));
}

/** Summary of one level. @throws UsclError `BOOTSTRAP_INPUT` as `bootstrapIntervals`. */
export function summariseLevel(counts: GroupedCounts, options: BootstrapOptions): LevelScores {
  const perSeed = scoresPerSeed(counts);
  const intervals = bootstrapIntervals(counts, options);
  const summaries = recordOf(SCORE_NAMES, (name) => {
    const values = perSeed.map((scores) => scores[name]);
    return { perSeed: values, ...meanAndDeviation(values), interval: intervals[name] };
  });
  const confusion = Array.from({ length: counts.classes }, () => new Array<number>(counts.classes).fill(0));
  for (const ofSeed of confusionsOf(counts)) {
    ofSeed.forEach((count, cell) => {
      confusion[Math.floor(cell / counts.classes)]![cell % counts.classes]! += count / counts.seeds;
    });
  }
  return { ...summaries, confusion };
}

/**
 * Interval of each score, averaged over seeds within a draw.
 * @throws UsclError `BOOTSTRAP_INPUT` with fewer than two groups or impossible options.
 */
export function bootstrapIntervals(
  counts: GroupedCounts,
  options: BootstrapOptions = {},
): Record<ScoreName, Interval> {
  const [draws] = drawScores([counts], options);
  return recordOf(SCORE_NAMES, (name) => percentileInterval(draws![name], options.confidence));
}

/** Paired difference a − b of each score on the same draws. Both must count the same groups in the same order. */
export function pairedBootstrap(
  a: GroupedCounts,
  b: GroupedCounts,
  options: BootstrapOptions = {},
): Record<ScoreName, { readonly interval: Interval; readonly aboveZero: number }> {
  const [drawsA, drawsB] = drawScores([a, b], options);
  return recordOf(SCORE_NAMES, (name) => {
    const other = drawsB![name];
    const difference = drawsA![name].map((value, i) => value - other[i]!);
    return {
      interval: percentileInterval(difference, options.confidence),
      aboveZero: shareAboveZero(difference),
    };
  });
}

/** Resamples whose confusions are counted at once. */
const BLOCK = 64;

/** Scores of every resample, averaged over seeds; the same groups are drawn for all sets. */
function drawScores(
  sets: readonly GroupedCounts[],
  options: BootstrapOptions,
): Record<ScoreName, Float64Array>[] {
  const { groups } = sets[0]!;
  const results = sets.map(() => recordOf(SCORE_NAMES, () => new Float64Array(options.resamples ?? 2000)));
  const columns = sets.map((set) => transposed(set.counts, groups));
  let first = 0;
  for (const times of blocksOfDraws(groups, options)) {
    const held = times.length / groups;
    sets.forEach(({ seeds, classes, counts }, s) => {
      const stride = counts.length / groups;
      const drawn = new Float64Array(held * stride);
      timesTransposed(times, columns[s]!, groups, 0, held, drawn);
      for (let i = 0; i < held; i++)
        for (const confusion of bySeed(drawn.subarray(i * stride, (i + 1) * stride), seeds)) {
          const scores = scoresOfConfusion(confusion, classes);
          for (const name of SCORE_NAMES) results[s]![name][first + i]! += scores[name] / seeds;
        }
    });
    first += held;
  }
  return results;
}

/** Numbers of a set of draws that is kept: a probe asks for the same one tens of times. */
const KEPT = 4_000_000;
let kept: { readonly key: string; readonly blocks: readonly Float32Array[] } | undefined;

/**
 * How often every group is drawn [resamples of a block, groups]. These are whole numbers, and so are the counts they are
 * multiplied with: f32 holds them, and their sums are exact in any order.
 */
function* blocksOfDraws(groups: number, options: BootstrapOptions): Generator<Float32Array, void> {
  requireOptions(options);
  const key = JSON.stringify([groups, options.resamples, options.seed]);
  if (kept?.key === key) {
    yield* kept.blocks;
    return;
  }
  const blocks: Float32Array[] = [];
  const block = new Float32Array(BLOCK * groups);
  let [held, numbers] = [0, 0];
  const taken = (): Float32Array => {
    const times = block.slice(0, held * groups);
    numbers += times.length;
    if (numbers <= KEPT) blocks.push(times);
    held = 0;
    return times;
  };
  for (const drawn of drawGroups(groups, options)) {
    block.set(drawn, groups * held++);
    if (held === BLOCK) yield taken();
  }
  if (held > 0) yield taken();
  if (numbers <= KEPT) kept = { key, blocks };
}

/** [rows, columns] as [columns, rows]. */
function transposed(values: Float64Array, rows: number): Float32Array {
  const columns = values.length / rows;
  return Float32Array.from(values, (_, i) => values[(i % rows) * columns + Math.floor(i / rows)]!);
}
