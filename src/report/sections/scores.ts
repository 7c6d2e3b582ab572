/** Scores in words and in cells: their names, what is better, how a value stands with its interval. */
import type {
  ClassScore,
  Evaluation,
  Level,
  OverallScore,
  RateEvaluation,
  Score,
} from '../../evaluation/evaluation-result.ts';
import { groupBy } from '../../base/collect.ts';
import { type Html, html } from '../../charts/markup.ts';
import { balancedAccuracyByChance } from '../../evaluation/metrics.ts';
import { interval, listed, roundPercent, score as number } from '../numbers.ts';

export const SCORE_NAMES: Readonly<Record<OverallScore, string>> = {
  accuracy: 'Accuracy',
  balancedAccuracy: 'Balanced accuracy',
  macroF1: 'Macro-F1',
  kappa: 'Cohen’s κ',
  auroc: 'AUROC, mean of classes',
  averagePrecision: 'Average precision, mean of classes',
  ece: 'Calibration error (ECE)',
  brier: 'Brier score (0 to 2)',
};

/** Within a sentence. */
export const SPOKEN_NAMES: Readonly<Record<OverallScore, string>> = {
  accuracy: 'accuracy',
  balancedAccuracy: 'balanced accuracy',
  macroF1: 'macro-F1',
  kappa: 'Cohen’s κ',
  auroc: 'mean AUROC',
  averagePrecision: 'mean average precision',
  ece: 'calibration error',
  brier: 'Brier score',
};

/** For axes and narrow columns. */
export const SHORT_NAMES: Readonly<Record<OverallScore, string>> = {
  accuracy: 'accuracy',
  balancedAccuracy: 'balanced acc.',
  macroF1: 'macro-F1',
  kappa: 'kappa',
  auroc: 'AUROC',
  averagePrecision: 'avg. precision',
  ece: 'ECE',
  brier: 'Brier',
};

export const CLASS_NAMES: Readonly<Record<ClassScore, string>> = {
  precision: 'Precision',
  recall: 'Recall (sensitivity)',
  specificity: 'Specificity',
  f1: 'F1',
  auroc: 'AUROC',
  averagePrecision: 'Average precision',
};

export const LEVEL_NAMES: Readonly<Record<Level, string>> = {
  clipMean: 'Clips, by mean probability',
  clipVote: 'Clips, by majority of frames',
  frame: 'Frames',
};

/** A value with its interval below and, where there is one, what must be known about it. */
export function scoreCell({ mean, interval: ends, note }: Score): Html {
  return html`${number(mean)}${note !== null && html`<sup title="${note}">*</sup>`}<span class="range soft"
      >${interval(ends)}</span
    >`;
}

/** `0.712 (95 % interval 0.601–0.803)`. */
export function inWords(score: Score, confidence: number): string {
  const ends =
    score.interval === null
      ? 'no interval'
      : `${roundPercent(confidence)} interval ${interval(score.interval)}`;
  return `${number(score.mean)} (${ends})`;
}

/** What the asterisks in a table mean, each remark once with the scores it is about. */
export function notesOf(scores: readonly { readonly name: string; readonly score: Score }[]): Html | null {
  const noted = scores.filter(({ score }) => score.note !== null);
  if (noted.length === 0) return null;
  const remarks = [...groupBy(noted, ({ score }) => score.note ?? '')].map(([note, own]) => {
    const names = [...new Set(own.map(({ name }) => name))];
    return html`<li>${note} (${listed(names)})</li>`;
  });
  return html`<p class="note">* To know of these scores:</p>
    <ul class="note">
      ${remarks}
    </ul>`;
}

/** Balanced accuracy of any constant answer out of the classes that were tested. */
export function chanceOf({ clipMean }: RateEvaluation): number {
  return balancedAccuracyByChance(clipMean.perClass.map(({ support }) => support));
}

/** The label rate that a report leads with: the highest. */
export function leading(evaluation: Evaluation): RateEvaluation {
  return evaluation.labelRates.at(-1)!;
}
