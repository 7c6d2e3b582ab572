/**
 * The probe of a frozen backbone: k nearest neighbours and logistic regression on its features, cross-validated
 * with folds that never split a group, over several fold seeds, scored by frame and by clip. Predictions of all
 * folds of a seed are pooled before scoring, because a fold of a small set can miss a class.
 *
 * The standardisation, the regression and the neighbours see training folds only. Folds depend on clips, labels
 * and seed alone, so two backbones probed on one dataset are compared on the same folds (`compareProbes`).
 */
import { UsclError } from '../base/errors.ts';
import { pairedBootstrap, eachScore, type GroupedCounts } from './bootstrap.ts';
import { labelIndices, type LabelledClip } from './clips.ts';
import { requireEmbeddings, rowsOfClips, type ClipEmbeddings } from './embeddings.ts';
import { groupedFolds } from '../dataset/folds.ts';
import { predictFolds, type FoldJob, type FoldWork } from './fold-pool.ts';
import { LEFT_OUT } from './fold-predictions.ts';
import { largestAt, requireKnnOptions } from './knn.ts';
import type { ProbeComparison, ProbeResult, ProbeSettings, ReaderResult } from './probe-result.ts';
import { clipCounts, frameCounts, meanAndDeviation, scoresPerSeed, summariseLevel } from './summary.ts';

export interface ProbeInput {
  readonly embeddings: ClipEmbeddings;
  /** The clips that `embeddings.clip` numbers. Those without a label are left out and counted. */
  readonly clips: readonly LabelledClip[];
  /** Class names in the order of the result's indices; those without a labelled clip are dropped. */
  readonly classes: readonly string[];
  /** Default 5. */
  readonly folds?: number;
  /**
   * A folding made beforehand, instead of `folds` and `seeds`: the fold in which a clip is tested, learnt from all other
   * clips; `TRAIN_ONLY` for a clip that is never tested, `LEFT_OUT` for one that does neither.
   */
  readonly fold?: Int32Array;
  /** How many fold seeds: `seed`, `seed` + 1, … Default 5. */
  readonly seeds?: number;
  /** Default 0. */
  readonly seed?: number;
  /** Neighbours. Default 10. */
  readonly k?: number;
  /** Inverse penalty of the regression. Default 1. */
  readonly C?: number;
  /** Default `none`, the reference protocol. */
  readonly classWeight?: 'none' | 'balanced';
  /** What the k neighbours are: the nearest clips (each at its nearest frame), or frames. Default `clips`. */
  readonly neighbours?: 'clips' | 'frames';
  /** Temperature of the neighbours' votes; null for equal votes. Default null. */
  readonly temperature?: number | null;
  /** Default true. */
  readonly standardise?: boolean;
  /** How frames make a clip's prediction: largest mean probability, or majority of frame predictions. Default `mean`. */
  readonly aggregate?: 'mean' | 'vote';
  /** Bootstrap resamples. Default 2000. */
  readonly resamples?: number;
  /** Of the intervals. Default 0.95. */
  readonly confidence?: number;
  /** Threads that folds are given to where there is enough to do; the result is the same with any number. Default 1. */
  readonly threads?: number;
  /** Called after each fold with folds done and in all, over all seeds. */
  readonly onProgress?: (done: number, total: number, note?: string) => void;
  readonly signal?: AbortSignal;
}

export const TRAIN_ONLY = -1;
export { LEFT_OUT } from './fold-predictions.ts';

/**
 * Probes one backbone.
 * @throws UsclError of `groupedFolds`, `knnProbabilities`, `fitLogisticRegression` and `requireEmbeddings`;
 *   `PROBE_OPTION` for impossible settings; `EMBEDDINGS_INVALID` when a labelled clip has no row; the signal's reason
 *   when aborted.
 */
export async function probe(input: ProbeInput): Promise<ProbeResult> {
  const settings = resolveSettings(input);
  const { embeddings } = input;
  requireEmbeddings(embeddings, input.clips);
  const data = labelledData(input);
  const given = givenFold(input, data);
  const tested = given === null ? null : data.labelled.map((_, i) => given[i]! >= 0);
  const scored = tested === null ? data : testedData(data, tested);
  const classes = data.classes.length;
  const bootstrap = { resamples: settings.resamples, confidence: settings.confidence, seed: settings.seed };

  const foldings = Array.from(
    { length: settings.seeds },
    (_, s) => given ?? groupedFolds(data.labelled, settings.folds, settings.seed + s),
  );
  const jobs: FoldJob[] = foldings.flatMap((fold) =>
    Array.from({ length: settings.folds }, (_, number) => ({ fold, number })),
  );
  const { dim, features } = embeddings;
  const { rows, labels } = data;
  const work: FoldWork = { dim, features, rows, labels, classes, settings };
  const folds: number[][] = [];
  const linear = emptyPredictions();
  const knn = emptyPredictions();
  const predictions = await predictFolds(work, jobs, {
    threads: input.threads ?? 1,
    signal: input.signal,
    onProgress: (done) => {
      const s = Math.floor((done - 1) / settings.folds);
      const note = `seed ${settings.seed + s}, fold ${done - s * settings.folds}`;
      input.onProgress?.(done, jobs.length, note);
    },
  });
  foldings.forEach((fold, s) => {
    const linearRows = new Float64Array(embeddings.clip.length * classes);
    const knnRows = new Float64Array(embeddings.clip.length * classes);
    for (const one of predictions.slice(s * settings.folds, (s + 1) * settings.folds)) {
      scatter(one.linear, one.rows, classes, linearRows);
      scatter(one.knn, one.rows, classes, knnRows);
    }
    folds.push([...fold].filter((_, i) => tested?.[i] ?? true));
    collect(linear, linearRows, scored, settings.aggregate);
    collect(knn, knnRows, scored, settings.aggregate);
  });
  const clips = scored.labelled.map((clip, i) => ({
    id: clip.id,
    group: clip.group,
    label: scored.labels[i]!,
  }));
  const finish = (predictions: Predictions): ReaderResult => ({
    frame: summariseLevel(frameCounts(clips, predictions.frameCounts, classes), bootstrap),
    clip: summariseLevel(clipCounts(clips, predictions.clipPredictions, classes), bootstrap),
    ...predictions,
  });
  return {
    format: 'uscl-probe',
    version: 1,
    settings,
    classes: [...data.classes],
    data: describe(input, scored),
    clips,
    folds,
    linear: finish(linear),
    knn: finish(knn),
  };
}

/**
 * Paired comparison a − b of two backbones probed on the same clips, folds and settings.
 * @throws UsclError `PROBES_DIFFER` when they were not.
 */
export function compareProbes(a: ProbeResult, b: ProbeResult): ProbeComparison {
  const same = (left: unknown, right: unknown): boolean => JSON.stringify(left) === JSON.stringify(right);
  for (const part of ['classes', 'clips', 'settings', 'folds'] as const) {
    if (same(a[part], b[part])) continue;
    throw new UsclError({
      kind: 'data',
      code: 'PROBES_DIFFER',
      message: `The two probes differ in their ${part}, so they cannot be paired.`,
      where: part,
      remedy: 'Probe both backbones on the same dataset with the same settings and seed.',
    });
  }
  const { resamples, confidence, seed } = a.settings;
  const classes = a.classes.length;
  const compare = (x: GroupedCounts, y: GroupedCounts): ProbeComparison['linear']['clip'] => {
    const differences = pairedBootstrap(x, y, { resamples, confidence, seed });
    const scoresX = scoresPerSeed(x);
    const scoresY = scoresPerSeed(y);
    return eachScore((name) => {
      const perSeed = scoresX.map((scores, s) => scores[name] - scoresY[s]![name]);
      const { interval, aboveZero } = differences[name];
      return { perSeed, ...meanAndDeviation(perSeed), interval: [interval[0], interval[1]], aboveZero };
    });
  };
  const reader = (x: ReaderResult, y: ReaderResult): ProbeComparison['linear'] => ({
    frame: compare(
      frameCounts(a.clips, x.frameCounts, classes),
      frameCounts(b.clips, y.frameCounts, classes),
    ),
    clip: compare(
      clipCounts(a.clips, x.clipPredictions, classes),
      clipCounts(b.clips, y.clipPredictions, classes),
    ),
  });
  return {
    format: 'uscl-probe-comparison',
    version: 1,
    resamples,
    confidence,
    linear: reader(a.linear, b.linear),
    knn: reader(a.knn, b.knn),
  };
}

interface LabelledData {
  /** Labelled clips, in the order given. */
  readonly labelled: readonly LabelledClip[];
  readonly classes: readonly string[];
  /** Class index of each labelled clip. */
  readonly labels: readonly number[];
  /** Rows of each labelled clip. */
  readonly rows: readonly (readonly number[])[];
}

function labelledData(input: ProbeInput): LabelledData {
  const all = labelIndices(input.clips, input.classes);
  const used = [...new Set(all)].filter((c) => c >= 0).sort((x, y) => x - y);
  const kept = [...all.keys()].filter((i) => all[i]! >= 0);
  const rows = rowsOfClips(input.embeddings, input.clips.length);
  for (const i of kept) {
    if (rows[i]!.length > 0) continue;
    throw new UsclError({
      kind: 'data',
      code: 'EMBEDDINGS_INVALID',
      message: 'A labelled clip has no features.',
      where: `clip ${input.clips[i]!.id}`,
      remedy: 'Embed the same dataset again and pass its clips unchanged.',
    });
  }
  return {
    labelled: kept.map((i) => input.clips[i]!),
    classes: used.map((c) => input.classes[c]!),
    labels: kept.map((i) => used.indexOf(all[i]!)),
    rows: kept.map((i) => rows[i]!),
  };
}

/** The folding that was asked for, of the labelled clips. Errors: `PROBE_OPTION`, `SPLIT_UNEVEN`. */
function givenFold(input: ProbeInput, data: LabelledData): Int32Array | null {
  const { fold: asked, clips } = input;
  if (asked === undefined) return null;
  if (asked.length !== clips.length)
    throw optionError('fold', `The folding is of ${asked.length} clips and not of ${clips.length}.`);
  const at = new Map(clips.map(({ id }, i) => [id, i]));
  const fold = Int32Array.from(data.labelled, ({ id }) => asked[at.get(id)!]!);
  for (const f of new Set(fold)) {
    if (f < 0) continue;
    const learnt = new Set(data.labels.filter((_, i) => fold[i] !== f && fold[i] !== LEFT_OUT));
    if (learnt.size > 1 && data.labels.every((label, i) => fold[i] !== f || learnt.has(label))) continue;
    throw new UsclError({
      kind: 'data',
      code: 'SPLIT_UNEVEN',
      message: 'A class is tested that no clip of the training side has, or that side has one class only.',
      remedy: 'Make a split with fewer folds or other shares.',
    });
  }
  if (fold.some((f) => f >= 0)) return fold;
  throw new UsclError({
    kind: 'data',
    code: 'SPLIT_UNEVEN',
    message: 'The split has no labelled clip to test.',
    remedy: 'Label clips of the test, or make another split.',
  });
}

/** The labelled clips that are tested. */
function testedData(data: LabelledData, tested: readonly boolean[]): LabelledData {
  const keep = <T>(values: readonly T[]): readonly T[] => values.filter((_, i) => tested[i] === true);
  return { ...data, labelled: keep(data.labelled), labels: keep(data.labels), rows: keep(data.rows) };
}

function scatter(from: Float64Array, rows: readonly number[], classes: number, into: Float64Array): void {
  rows.forEach((row, i) => {
    for (let c = 0; c < classes; c++) into[row * classes + c] = from[i * classes + c]!;
  });
}

type Predictions = Pick<ReaderResult, 'clipPredictions' | 'clipProbabilities' | 'frameCounts'>;

function emptyPredictions(): Predictions {
  return { clipPredictions: [], clipProbabilities: [], frameCounts: [] };
}

/** Adds one seed: row probabilities to frame counts, clip probabilities and clip predictions. */
function collect(
  into: Predictions,
  rowProbabilities: Float64Array,
  data: LabelledData,
  aggregate: ProbeSettings['aggregate'],
): void {
  const classes = data.classes.length;
  const counts: number[][] = [];
  const means: number[][] = [];
  const predictions: number[] = [];
  for (const rows of data.rows) {
    const count = new Array<number>(classes).fill(0);
    const mean = new Array<number>(classes).fill(0);
    for (const row of rows) {
      count[largestAt(rowProbabilities, row * classes, classes)]! += 1;
      for (let c = 0; c < classes; c++) mean[c]! += rowProbabilities[row * classes + c]! / rows.length;
    }
    counts.push(count);
    means.push(mean.map((p) => Math.round(p * 1e6) / 1e6));
    predictions.push(largestAt(aggregate === 'mean' ? mean : count, 0, classes));
  }
  into.frameCounts.push(counts);
  into.clipProbabilities.push(means);
  into.clipPredictions.push(predictions);
}

function describe(input: ProbeInput, data: LabelledData): ProbeResult['data'] {
  const frames = data.rows.map((rows) => rows.length);
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
  const perClass = data.classes.map((name, c) => {
    const mine = [...data.labels.keys()].filter((i) => data.labels[i] === c);
    return {
      name,
      clips: mine.length,
      groups: new Set(mine.map((i) => data.labelled[i]!.group)).size,
      frames: sum(mine.map((i) => frames[i]!)),
    };
  });
  return {
    clips: data.labelled.length,
    unlabelledClips: input.clips.length - data.labelled.length,
    groups: new Set(data.labelled.map((clip) => clip.group)).size,
    frames: sum(frames),
    dim: input.embeddings.dim,
    framesPerClip: { min: Math.min(...frames), max: Math.max(...frames) },
    perClass,
    majorityAccuracy: Math.max(...perClass.map((c) => c.clips)) / data.labelled.length,
  };
}

function resolveSettings(input: ProbeInput): ProbeSettings {
  const settings: ProbeSettings = {
    folds: input.fold === undefined ? (input.folds ?? 5) : 1 + Math.max(0, ...input.fold),
    seeds: input.fold === undefined ? (input.seeds ?? 5) : 1,
    seed: input.seed ?? 0,
    k: input.k ?? 10,
    C: input.C ?? 1,
    classWeight: input.classWeight ?? 'none',
    neighbours: input.neighbours ?? 'clips',
    temperature: input.temperature ?? null,
    standardise: input.standardise ?? true,
    aggregate: input.aggregate ?? 'mean',
    resamples: input.resamples ?? 2000,
    confidence: input.confidence ?? 0.95,
  };
  requireKnnOptions(settings.k, settings.temperature);
  if (!Number.isInteger(settings.seeds) || settings.seeds < 1) {
    throw optionError(
      'seeds',
      `The number of fold seeds must be a whole number of at least 1, not ${settings.seeds}.`,
    );
  }
  return settings;
}

function optionError(where: string, message: string): UsclError {
  return new UsclError({ kind: 'usage', code: 'PROBE_OPTION', message, where, remedy: 'Use the default.' });
}
