/**
 * Scores in words and in cells: their names, what is better, how a value stands with its interval; and the tables of them,
 * overall at each level, class by class, and for every label rate.
 */
import { groupBy, recordOf } from '../base/collect.ts';
import { type Html, html, name, type Part } from '../charts/markup.ts';
import { CLASS_SCORES, LOWER_IS_BETTER, OVERALL_SCORES } from '../evaluation/scores/evaluation-result.ts';
import type { ClassScore, Evaluation, Level } from '../evaluation/scores/evaluation-result.ts';
import type { OverallScore, RateEvaluation, Score } from '../evaluation/scores/evaluation-result.ts';
import { balancedAccuracyByChance } from '../evaluation/scores/metrics.ts';
import { quiet, table } from './elements.ts';
import { count, interval, listed, roundPercent, score as number } from './numbers.ts';
import type { ScoredSubject } from './subject.ts';

/** In tables, within a sentence, and for axes and narrow columns. */
const NAMES: Readonly<Record<OverallScore, readonly [long: string, spoken: string, short: string]>> = {
  accuracy: ['Accuracy', 'accuracy', 'accuracy'],
  balancedAccuracy: ['Balanced accuracy', 'balanced accuracy', 'balanced acc.'],
  macroF1: ['Macro-F1', 'macro-F1', 'macro-F1'],
  kappa: ['Cohen’s κ', 'Cohen’s κ', 'kappa'],
  auroc: ['AUROC, mean of classes', 'mean AUROC', 'AUROC'],
  averagePrecision: ['Average precision, mean of classes', 'mean average precision', 'avg. precision'],
  ece: ['Calibration error (ECE)', 'calibration error', 'ECE'],
  brier: ['Brier score (0 to 2)', 'Brier score', 'Brier'],
};
const SCORE_NAMES = recordOf(OVERALL_SCORES, (key) => NAMES[key][0]);
export const SPOKEN_NAMES = recordOf(OVERALL_SCORES, (key) => NAMES[key][1]);
export const SHORT_NAMES = recordOf(OVERALL_SCORES, (key) => NAMES[key][2]);

/** As a table names it, with what is better where that is less. */
export function nameOf(key: OverallScore): Html {
  return html`${SCORE_NAMES[key]}${LOWER_IS_BETTER.has(key) && quiet(', less is better')}`;
}

const CLASS_NAMES: Readonly<Record<ClassScore, string>> = {
  precision: 'Precision',
  recall: 'Recall (sensitivity)',
  specificity: 'Specificity',
  f1: 'F1',
  auroc: 'AUROC',
  averagePrecision: 'Average precision',
};

const LEVEL_NAMES: Readonly<Record<Level, string>> = {
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
function notesOf(scores: readonly { readonly name: string; readonly score: Score }[]): Html | null {
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

const COLUMNS: readonly Level[] = ['clipMean', 'clipVote', 'frame'];

/** The section's content. */
export function resultsSection({ evaluation }: ScoredSubject): Part {
  const rate = leading(evaluation);
  const { settings, labelRates, optimistic } = evaluation;
  const many = rate.seeds.length > 1;
  return html`<p>
      Each cell has the score${many && ` (mean of ${count(rate.seeds.length)} seeds)`} and below it the
      ${roundPercent(settings.confidence)} interval from ${count(settings.resamples)} bootstrap draws of whole
      groups. The clip is the unit to read: frames of a clip are no independent
      evidence.${optimistic && html` <strong>All of these are optimistic.</strong>`}
    </p>
    <h3>Overall${rate.labelRate < 1 && `, with ${roundPercent(rate.labelRate)} of the training labels`}</h3>
    ${table({
      label: 'Scores at each level',
      head: [
        'Score',
        ...COLUMNS.map((level) => LEVEL_NAMES[level]),
        ...(many ? ['Spread over seeds (sd)'] : []),
      ],
      rows: OVERALL_SCORES.map((key) => [
        nameOf(key),
        ...COLUMNS.map((level) => scoreCell(rate[level].scores[key])),
        ...(many ? [number(rate.clipMean.scores[key].sd)] : []),
      ]),
    })}
    ${notesOf(COLUMNS.flatMap((level) => OVERALL_SCORES.map((key) => ({ name: SCORE_NAMES[key], score: rate[level].scores[key] }))))}
    <h3>Class by class, clips by mean probability</h3>
    ${table({
      label: 'Scores of each class against all others',
      head: ['Class', 'Clips', ...CLASS_SCORES.map((key) => CLASS_NAMES[key])],
      rows: rate.clipMean.perClass.map((one) => [
        name(one.name),
        count(one.support),
        ...CLASS_SCORES.map((key) => scoreCell(one[key])),
      ]),
    })}
    ${notesOf(rate.clipMean.perClass.flatMap((one) => CLASS_SCORES.map((key) => ({ name: one.name, score: one[key] }))))}
    ${
      labelRates.length > 1 &&
      html`<h3>With fewer labels, clips by mean probability</h3>
        ${table({
          label: 'Scores by label rate',
          head: ['Training labels', ...OVERALL_SCORES.map((key) => SCORE_NAMES[key])],
          rows: labelRates.map((one) => [
            roundPercent(one.labelRate),
            ...OVERALL_SCORES.map((key) => scoreCell(one.clipMean.scores[key])),
          ]),
        })}`
    }`;
}
