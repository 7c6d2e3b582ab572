/**
 * McNemar's test between two runs at clip level: for each seed both have, and for the majority of seeds, where a clip
 * counts as called what most models of different seeds called it.
 */
import type { ClipTest } from './comparison-result.ts';
import type { Level } from './evaluation-result.ts';
import { largestWithTies, meanOf, type LevelRows } from './levels.ts';
import { mcnemar, type McNemar } from './mcnemar.ts';
import type { ScoredRate } from './scored-rate.ts';

/** Tests a against b; both hold the same clips in the same order. `paired` says that both have the same seeds. */
export function clipTest(
  a: ScoredRate,
  b: ScoredRate,
  level: Exclude<Level, 'frame'>,
  paired: boolean,
): ClipTest {
  const [rowsA, rowsB] = [a, b].map((rate) => rate.levels[level].map(({ rows }) => rows));
  const test = (calledA: Int32Array, calledB: Int32Array): McNemar => {
    const { truth } = rowsA![0]!;
    const right = (called: Int32Array): boolean[] => Array.from(called, (c, clip) => c === truth[clip]);
    return mcnemar(right(calledA), right(calledB), a.group);
  };
  return {
    perSeed: paired
      ? a.seeds.map((seed, s) => ({ seed, ...test(rowsA![s]!.predicted, rowsB![s]!.predicted) }))
      : [],
    majority: test(majorityOf(rowsA!), majorityOf(rowsB!)),
  };
}

/** The class most seeds call each clip; of several the one with the larger mean probability over seeds. */
export function majorityOf(seeds: readonly LevelRows[]): Int32Array {
  const { classes } = seeds[0]!;
  return seeds[0]!.predicted.map((_, clip) => {
    const votes = new Array<number>(classes).fill(0);
    for (const { predicted } of seeds) votes[predicted[clip]!]! += 1;
    const mean = meanOf(
      seeds.map(({ probabilities }) => [...probabilities.subarray(clip * classes, (clip + 1) * classes)]),
      classes,
    );
    return largestWithTies(votes, mean);
  });
}
