/** Tables of scores: overall at each level, class by class, and for every label rate. */
import {
  CLASS_SCORES,
  LOWER_IS_BETTER,
  OVERALL_SCORES,
  type Level,
} from '../../evaluation/evaluation-result.ts';
import { quiet, table } from '../elements.ts';
import { html, name, type Part } from '../../charts/markup.ts';
import { count, roundPercent, score } from '../numbers.ts';
import type { ScoredSubject } from '../subject.ts';
import { CLASS_NAMES, leading, LEVEL_NAMES, notesOf, SCORE_NAMES, scoreCell } from './scores.ts';

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
        html`${SCORE_NAMES[key]}${LOWER_IS_BETTER.has(key) && quiet(', less is better')}`,
        ...COLUMNS.map((level) => scoreCell(rate[level].scores[key])),
        ...(many ? [score(rate.clipMean.scores[key].sd)] : []),
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
