/**
 * The probe of a frozen backbone: k nearest neighbours and logistic regression on its features, cross-validated
 * with folds that never split a group, over several fold seeds, scored by frame and by clip. Predictions of all
 * folds of a seed are pooled before scoring, because a fold of a small set can miss a class.
 *
 * The standardisation, the regression and the neighbours see training folds only. Folds depend on clips, labels
 * and seed alone, so two backbones probed on one dataset are compared on the same folds (`compareProbes`).
 */
import { dataError, usageError, type UsclError } from '../../base/errors.ts';
import { recordOf } from '../../base/collect.ts';
import { countsOf, pairedBootstrap, scoresPerSeed, summariseLevel, type GroupedCounts } from './bootstrap.ts';
import type { LabelledClip } from '../../dataset/types.ts';
import { labelledClips } from '../features/clips.ts';
import type { ClipEmbeddings } from '../features/embeddings.ts';
import { groupedFolds } from '../../curation/folds.ts';
import { LEFT_OUT, predictFolds, type FoldJob, type FoldWork } from './fold-pool.ts';
import { largestAt } from '../features/matrix.ts';
import type { Products } from '../features/products.ts';
import { requireKnnOptions } from './knn.ts';
import { SCORE_NAMES } from '../scores/metrics.ts';
import type { ProbeComparison, ProbeResult, ProbeSettings, ReaderResult } from './probe-result.ts';
import { meanAndDeviation } from '../scores/resampling.ts';

/** What to probe; settings that are not given have the default that `ProbeSettings` states. */
export interface ProbeInput extends Partial<ProbeSettings> {
  readonly embeddings: ClipEmbeddings;
  /** The clips that `embeddings.clip` numbers. Those without a label are left out and counted. */
  readonly clips: readonly LabelledClip[];
  /** Class names in the order of the result's indices; those without a labelled clip are dropped. */
  readonly classes: readonly string[];
  /**
   * A folding made beforehand, instead of `folds` and `seeds`: the fold in which a clip is tested, learnt from all other
   * clips; `TRAIN_ONLY` for a clip that is never tested, `LEFT_OUT` for one that does neither.
   */
  readonly fold?: Int32Array;
  /** Threads that folds are given to where there is enough to do; the result is the same with any number. Default 1. */
  readonly threads?: number;
  /** Kernels for the neighbours; the result is the same without them. */
  readonly products?: Products;
  /** Called after each fold with folds done and in all, over all seeds. */
  readonly onProgress?: (done: number, total: number, note?: string) => void;
  readonly signal?: AbortSignal;
}

export { LEFT_OUT, TRAIN_ONLY } from './fold-pool.ts';

const READERS = ['linear', 'knn'] as const;

/**
 * Probes one backbone.
 * @throws UsclError of `groupedFolds`, `knnProbabilities`, `fitLogisticRegression` and `requireEmbeddings`;
 *   `PROBE_OPTION` for impossible settings; `EMBEDDINGS_INVALID` when a labelled clip has no row; the signal's reason
 *   when aborted.
 */
export async function probe(input: ProbeInput): Promise<ProbeResult> {
  const settings = resolveSettings(input);
  const { embeddings } = input;
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
  const said = recordOf(READERS, emptyPredictions);
  const predictions = await predictFolds(work, jobs, {
    threads: input.threads ?? 1,
    products: input.products,
    signal: input.signal,
    onProgress: (done) => {
      const s = Math.floor((done - 1) / settings.folds);
      const note = `seed ${settings.seed + s}, fold ${done - s * settings.folds}`;
      input.onProgress?.(done, jobs.length, note);
    },
  });
  foldings.forEach((fold, s) => {
    folds.push([...fold].filter((_, i) => tested?.[i] ?? true));
    for (const reader of READERS) {
      const all = new Float64Array(embeddings.clip.length * classes);
      for (const one of predictions.slice(s * settings.folds, (s + 1) * settings.folds))
        scatter(one[reader], one.rows, classes, all);
      collect(said[reader], all, scored, settings.aggregate);
    }
  });
  const clips = scored.labelled.map(({ id, group }, i) => ({ id, group, label: scored.labels[i]! }));
  const finish = (predictions: Predictions): ReaderResult => ({
    frame: summariseLevel(countsOf(clips, predictions.frameCounts, classes), bootstrap),
    clip: summariseLevel(countsOf(clips, predictions.clipPredictions, classes), bootstrap),
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
    ...recordOf(READERS, (reader) => finish(said[reader])),
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
    throw dataError(
      'PROBES_DIFFER',
      `The two probes differ in their ${part}, so they cannot be paired.`,
      'Probe both backbones on the same dataset with the same settings and seed.',
      { where: part },
    );
  }
  const { resamples, confidence, seed } = a.settings;
  const classes = a.classes.length;
  const compare = (x: GroupedCounts, y: GroupedCounts): ProbeComparison['linear']['clip'] => {
    const differences = pairedBootstrap(x, y, { resamples, confidence, seed });
    const scoresX = scoresPerSeed(x);
    const scoresY = scoresPerSeed(y);
    return recordOf(SCORE_NAMES, (name) => {
      const perSeed = scoresX.map((scores, s) => scores[name] - scoresY[s]![name]);
      return { perSeed, ...meanAndDeviation(perSeed), ...differences[name] };
    });
  };
  const reader = (x: ReaderResult, y: ReaderResult): ProbeComparison['linear'] => ({
    frame: compare(countsOf(a.clips, x.frameCounts, classes), countsOf(b.clips, y.frameCounts, classes)),
    clip: compare(
      countsOf(a.clips, x.clipPredictions, classes),
      countsOf(b.clips, y.clipPredictions, classes),
    ),
  });
  return {
    format: 'uscl-probe-comparison',
    version: 1,
    resamples,
    confidence,
    ...recordOf(READERS, (name) => reader(a[name], b[name])),
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

function labelledData({ embeddings, clips, classes }: ProbeInput): LabelledData {
  const { kept, labels, rows } = labelledClips(embeddings, clips, classes);
  const used = [...new Set(labels)].sort((x, y) => x - y);
  return {
    labelled: kept.map((i) => clips[i]!),
    classes: used.map((c) => classes[c]!),
    labels: labels.map((label) => used.indexOf(label)),
    rows,
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
    const message =
      'A class is tested that no clip of the training side has, or that side has one class only.';
    throw splitError(message, 'Make a split with fewer folds or other shares.');
  }
  if (fold.some((f) => f >= 0)) return fold;
  const message = 'The split has no labelled clip to test.';
  throw splitError(message, 'Label clips of the test, or make another split.');
}

function splitError(message: string, remedy: string): UsclError {
  return dataError('SPLIT_UNEVEN', message, remedy);
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
  const { fold, folds = 5, seeds = 5, seed = 0, k = 10, C = 1, classWeight = 'none' } = input;
  const { neighbours = 'clips', temperature = null, standardise = true, aggregate = 'mean' } = input;
  const { resamples = 2000, confidence = 0.95 } = input;
  const settings: ProbeSettings = {
    folds: fold === undefined ? folds : 1 + Math.max(0, ...fold),
    seeds: fold === undefined ? seeds : 1,
    ...{ seed, k, C, classWeight, neighbours, temperature, standardise, aggregate, resamples, confidence },
  };
  requireKnnOptions(settings.k, settings.temperature);
  if (!Number.isInteger(settings.seeds) || settings.seeds < 1) {
    const message = `The number of fold seeds must be a whole number of at least 1, not ${settings.seeds}.`;
    throw optionError('seeds', message);
  }
  return settings;
}

function optionError(where: string, message: string): UsclError {
  return usageError('PROBE_OPTION', message, 'Use the default.', { where });
}
