/** Scores in words and in cells: their names, what is better, how a value stands with its interval. */
import type {
  ClassScore,
  Evaluation,
  Level,
  OverallScore,
  RateEvaluation,
  Score,
} from '../../evaluation/evaluation-result.ts';
import { type Html, html } from '../html.ts';
import { interval, roundPercent, score as number } from '../numbers.ts';

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

/** Notes of scores, each once, as the asterisks in a table refer to them. */
export function notesOf(scores: readonly { readonly name: string; readonly score: Score }[]): Html | null {
  const notes = scores.flatMap(({ name, score }) => (score.note === null ? [] : [`${name}: ${score.note}`]));
  const once = [...new Set(notes)];
  return once.length === 0 ? null : html`<p class="note">* ${once.join('; ')}.</p>`;
}

/** The label rate that a report leads with: the highest. */
export function leading(evaluation: Evaluation): RateEvaluation {
  return evaluation.labelRates.at(-1)!;
}
