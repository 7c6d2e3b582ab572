/**
 * From predictions to scores: every label rate by frame, by a clip's mean probability and by a clip's vote, with
 * intervals over groups. Folds of a seed are pooled before scoring, because a fold of a small set can miss a class;
 * what this costs the AUROC is told in docs/metrics.md.
 */
import { recordOf } from '../../base/collect.ts';
import { reliabilityBins } from './calibration.ts';
import type { Evaluation, EvaluationSettings, LevelEvaluation, RateEvaluation } from './evaluation-result.ts';
import { LEVELS, type Score } from './evaluation-result.ts';
import { overChanceAt } from './level-scorer.ts';
import { balancedAccuracyByChance, metricError } from './metrics.ts';
import { requirePredictions, type Predictions } from './predictions.ts';
import { rocPoints } from './ranking.ts';
import { requireOptions, type BootstrapOptions } from './resampling.ts';
import { eachOfClass, eachOverall, reasonOf, summarise, vectorsOf } from './score-summary.ts';
import type { LevelVectors } from './score-summary.ts';
import { labelRatesOf, scoreRate, testedClips, type ScoredLevel } from './scored-rate.ts';

/** How scores and their intervals are made. */
export interface EvaluateOptions extends BootstrapOptions {
  /** Bins of the calibration error and the reliability table. Default 15. */
  readonly bins?: number;
}

/** Bins of the calibration error where nothing else is said. */
const DEFAULT_BINS = 15;

/** Groups below which an interval by percentiles is known to be too narrow. */
const FEW_GROUPS = 20;

/**
 * Scores predictions.
 * @throws UsclError `PREDICTIONS_INVALID`, `PREDICTIONS_INCOMPLETE`, `PREDICTIONS_UNLABELLED`; `BOOTSTRAP_INPUT` and
 *   `METRIC_INPUT` for impossible options.
 */
export function evaluatePredictions(predictions: Predictions, options: EvaluateOptions = {}): Evaluation {
  requirePredictions(predictions);
  const settings = evaluationSettings(options);
  const rates = labelRatesOf(predictions);
  const labelRates = rates.map((labelRate) => evaluateRate(predictions, labelRate, settings));
  const data = describe(predictions, rates);
  return {
    format: 'uscl-evaluation',
    version: 1,
    classes: [...predictions.classes],
    protocol: predictions.protocol,
    optimistic: predictions.protocol === 'legacy',
    settings,
    data,
    labelRates,
    notes: notesOf(predictions, data, labelRates),
  };
}

/** Options with their defaults. @throws UsclError `BOOTSTRAP_INPUT`, `METRIC_INPUT`. */
export function evaluationSettings(options: EvaluateOptions): EvaluationSettings {
  const { resamples = 2000, confidence = 0.95, seed = 0, bins = DEFAULT_BINS } = options;
  requireOptions({ resamples, confidence });
  if (!Number.isInteger(bins) || bins < 1) {
    throw metricError(
      `The number of bins must be a whole number of at least 1, not ${bins}.`,
      `Use ${DEFAULT_BINS}.`,
    );
  }
  return { resamples, confidence, seed, bins };
}

function evaluateRate(
  predictions: Predictions,
  labelRate: number,
  settings: EvaluationSettings,
): RateEvaluation {
  const clips = testedClips(predictions, labelRate);
  const rate = scoreRate(predictions, labelRate, clips, settings.bins);
  const vectors = vectorsOf(rate, settings);
  return {
    labelRate,
    seeds: [...rate.seeds],
    models: rate.models,
    clips: clips.length,
    groups: rate.groups,
    ...recordOf(LEVELS, (level) =>
      evaluateLevel(predictions.classes, rate.levels[level], vectors[level], settings),
    ),
  };
}

function evaluateLevel(
  classes: readonly string[],
  seeds: readonly ScoredLevel[],
  vectors: LevelVectors,
  { confidence, bins }: EvaluationSettings,
): LevelEvaluation {
  const make = (index: number, reason: string): Score => summarise(vectors, index, confidence, reason);
  const confusion = meanConfusion(classes.length, seeds);
  const support = confusion.map((row) => row.reduce((sum, count) => sum + count, 0));
  const scores = eachOverall(make);
  const missing = classes.filter((_, c) => support[c] === 0);
  if (missing.length > 0) {
    const note = `over the ${classes.length - missing.length} of ${classes.length} classes that occur`;
    for (const name of ['balancedAccuracy', 'auroc', 'averagePrecision'] as const) {
      const score = scores[name];
      if (score.mean === null) continue;
      scores[name] = { ...score, note: score.note === null ? note : `${note}; ${score.note}` };
    }
  }
  return {
    rows: seeds.map(({ rows }) => rows.truth.length),
    scores,
    constantAnswer: {
      chance: balancedAccuracyByChance(support),
      above: make(overChanceAt(classes.length), reasonOf('balancedAccuracy')),
    },
    perClass: classes.map((name, c) => ({ name, support: support[c]!, ...eachOfClass(c, make) })),
    confusion,
    reliability: pooledReliability(seeds, bins),
    roc: classes.map((_, c) => seeds.map(({ scorer }) => rocPoints(scorer.rankings[c]!))),
  };
}

function meanConfusion(classes: number, seeds: readonly ScoredLevel[]): number[][] {
  const confusion = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  for (const { rows } of seeds) {
    rows.truth.forEach((truth, row) => {
      confusion[truth]![rows.predicted[row]!]! += 1;
    });
  }
  return confusion.map((row) => row.map((count) => count / seeds.length));
}

function pooledReliability(seeds: readonly ScoredLevel[], bins: number): LevelEvaluation['reliability'] {
  const confidences: number[] = [];
  const right: boolean[] = [];
  for (const { rows } of seeds) {
    rows.predicted.forEach((predicted, row) => {
      // A mean of probabilities can pass 1 by rounding.
      confidences.push(Math.min(1, rows.probabilities[row * rows.classes + predicted]!));
      right.push(predicted === rows.truth[row]);
    });
  }
  return reliabilityBins(confidences, right, bins);
}

function describe(predictions: Predictions, rates: readonly number[]): Evaluation['data'] {
  const { clips, classes, cells } = predictions;
  const tested = [...new Set(rates.flatMap((rate) => testedClips(predictions, rate)))];
  const predicted = new Set(cells.flatMap(({ rows }) => rows.map(({ clip }) => clip)));
  const perClass = classes.map((name, c) => {
    const mine = tested.filter((clip) => clips[clip]!.label === c);
    return { name, clips: mine.length, groups: new Set(mine.map((clip) => clips[clip]!.group)).size };
  });
  return {
    clips: tested.length,
    groups: new Set(tested.map((clip) => clips[clip]!.group)).size,
    unlabelledClips: predicted.size - tested.length,
    untestedClips: clips.length - predicted.size,
    perClass,
    majorityAccuracy: Math.max(...perClass.map((one) => one.clips)) / tested.length,
  };
}

function notesOf(
  { protocol, classes }: Predictions,
  data: Evaluation['data'],
  rates: readonly RateEvaluation[],
): string[] {
  const notes: string[] = [];
  if (protocol === 'legacy') {
    notes.push('Optimistic: the epoch of every fold was chosen on the clips it is scored on.');
  }
  const missing = data.perClass.filter((one) => one.clips === 0).map(({ name }) => name);
  if (missing.length > 0) {
    notes.push(
      `No tested clip has the class ${missing.join(' or ')}: balanced accuracy, AUROC and average precision are means over the other ${classes.length - missing.length}.`,
    );
  }
  const lone = data.perClass.filter((one) => one.groups === 1 && data.groups > 1).map(({ name }) => name);
  if (lone.length > 0) {
    notes.push(
      `One group alone has the class ${lone.join(' or ')}: its scores have no intervals, and those of means over classes are too narrow.`,
    );
  }
  if (data.groups === 1) notes.push('All clips are of one group, so there are no intervals.');
  else if (data.groups < FEW_GROUPS) {
    notes.push(`There are ${data.groups} groups only: intervals from so few are too narrow.`);
  }
  if (data.unlabelledClips > 0) notes.push(`${data.unlabelledClips} unlabelled clips were left out.`);
  if (rates.some((rate) => rate.clips !== data.clips)) {
    notes.push('The label rates were tested on different clips; each is scored on its own.');
  }
  return notes;
}
