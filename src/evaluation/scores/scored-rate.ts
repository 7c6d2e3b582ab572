/**
 * The labelled, tested clips of one label rate, ready to be scored: every seed on the same clips, clips in order of id
 * and groups in order of name. So scores do not depend on the order of a file, and two runs on the same clips are drawn
 * alike.
 */
import { compareText, recordOf } from '../../base/collect.ts';
import { dataError, type UsclError } from '../../base/errors.ts';
import { LEVELS, type Level } from './evaluation-result.ts';
import { levelRows, levelScorer } from './level-scorer.ts';
import type { LevelRows, LevelScorer, ScoredClip } from './level-scorer.ts';
import type { FoldRunPredictions, Predictions, PredictedClip } from './predictions.ts';

/** A level of one seed: its rows, and how they are scored under any weighting of groups. */
export interface ScoredLevel {
  readonly rows: LevelRows;
  readonly scorer: LevelScorer;
}

export interface ScoredRate {
  readonly labelRate: number;
  /** Rising. */
  readonly seeds: readonly number[];
  /** Models behind it, all seeds and folds. */
  readonly models: number;
  /** Numbers of the clips in `predictions.clips`, in order of id. */
  readonly clips: readonly number[];
  /** Number of each clip's group; groups are numbered in order of name. */
  readonly group: Int32Array;
  readonly groups: number;
  /** Groups that have clips of each class. */
  readonly groupsOfClass: readonly ReadonlySet<number>[];
  /** Fold each clip was tested in [seed][clip]. */
  readonly folds: readonly (readonly (number | null)[])[];
  /** [seed]. */
  readonly levels: Readonly<Record<Level, readonly ScoredLevel[]>>;
}

/** Label rates of the predictions, rising. @throws UsclError `PREDICTIONS_UNLABELLED` when there is none. */
export function labelRatesOf(predictions: Predictions): number[] {
  if (predictions.cells.length === 0) throw nothingToScore('The predictions are empty: no model was tested.');
  return [...new Set(predictions.cells.map(({ labelRate }) => labelRate))].sort((a, b) => a - b);
}

function nothingToScore(message: string): UsclError {
  return dataError(
    'PREDICTIONS_UNLABELLED',
    message,
    'Label clips of the dataset that is tested, or map its classes to those of the model.',
  );
}

/** Numbers of the labelled clips that a label rate tested, in order of id. */
export function testedClips(predictions: Predictions, labelRate: number): number[] {
  const tested = new Set<number>();
  for (const foldRun of predictions.cells) {
    if (foldRun.labelRate !== labelRate) continue;
    for (const { clip } of foldRun.rows) if (predictions.clips[clip]!.label !== null) tested.add(clip);
  }
  const id = (clip: number): string => predictions.clips[clip]!.id;
  return [...tested].sort((a, b) => compareText(id(a), id(b)));
}

/**
 * Prepares the clips numbered `clips` at one label rate.
 * @throws UsclError `PREDICTIONS_INCOMPLETE` when a seed has not tested one of them, `PREDICTIONS_UNLABELLED` when there
 *   are none.
 */
export function scoreRate(
  predictions: Predictions,
  labelRate: number,
  clips: readonly number[],
  bins: number,
): ScoredRate {
  if (clips.length === 0) {
    throw nothingToScore(`At label rate ${labelRate} no labelled clip was tested.`);
  }
  const foldRuns = predictions.cells.filter((foldRun) => foldRun.labelRate === labelRate);
  const seeds = [...new Set(foldRuns.map(({ seed }) => seed))].sort((a, b) => a - b);
  const names = [...new Set(clips.map((clip) => predictions.clips[clip]!.group))].sort(compareText);
  const number = new Map(names.map((name, i) => [name, i]));
  const group = Int32Array.from(clips, (clip) => number.get(predictions.clips[clip]!.group)!);
  const ofSeeds = seeds.map((seed) => rowsOfSeed(predictions, foldRuns, seed, clips));
  const classes = predictions.classes.length;
  const scored = ofSeeds.map((found) =>
    found.map(({ row }, i): ScoredClip => ({
      label: predictions.clips[row.clip]!.label!,
      group: group[i]!,
      frames: row.probabilities.map((frame) => frame.map(Math.fround)),
    })),
  );
  const level = (name: Level): ScoredLevel[] =>
    scored.map((ofSeed) => {
      const rows = levelRows(ofSeed, classes, name);
      return { rows, scorer: levelScorer(rows, names.length, bins) };
    });
  return {
    labelRate,
    seeds,
    models: new Set(ofSeeds.flatMap((found) => found.map(({ foldRun }) => foldRun))).size,
    clips,
    group,
    groups: names.length,
    groupsOfClass: predictions.classes.map(
      (_, c) => new Set(group.filter((__, i) => predictions.clips[clips[i]!]!.label === c)),
    ),
    folds: ofSeeds.map((found) => found.map(({ foldRun }) => foldRun.fold)),
    levels: recordOf(LEVELS, level),
  };
}

interface FoundRow {
  readonly foldRun: FoldRunPredictions;
  readonly row: PredictedClip;
}

/** What a seed said of each clip. */
function rowsOfSeed(
  predictions: Predictions,
  foldRuns: readonly FoldRunPredictions[],
  seed: number,
  clips: readonly number[],
): FoundRow[] {
  const found = new Map<number, FoundRow>();
  for (const foldRun of foldRuns) {
    if (foldRun.seed !== seed) continue;
    for (const row of foldRun.rows) found.set(row.clip, { foldRun, row });
  }
  return clips.map((clip) => {
    const row = found.get(clip);
    if (row !== undefined) return row;
    throw dataError(
      'PREDICTIONS_INCOMPLETE',
      `Seed ${seed} has not tested the clip ${JSON.stringify(predictions.clips[clip]!.id)}, which other seeds have.`,
      'Let the run finish (`--resume`); every seed must test the same clips.',
      { where: `label rate ${foldRuns[0]!.labelRate}` },
    );
  });
}
