/** The evaluation of a fine-tuning as a few lines of text. */
import { told } from '../base/collect.ts';
import { RESEARCH_USE } from '../base/research-use.ts';
import { textTable } from '../base/text-table.ts';
import type {
  Evaluation,
  Level,
  OverallScore,
  RateEvaluation,
  Score,
} from '../evaluation/scores/evaluation-result.ts';
import { balancedAccuracyByChance } from '../evaluation/scores/metrics.ts';

const COLUMNS: readonly (readonly [name: OverallScore, title: string])[] = [
  ['accuracy', 'accuracy'],
  ['balancedAccuracy', 'balanced accuracy'],
  ['macroF1', 'macro-F1'],
  ['auroc', 'AUROC'],
];

const ROWS: readonly (readonly [level: Level, title: string])[] = [
  ['clipMean', 'clip, mean probability'],
  ['clipVote', 'clip, majority vote'],
  ['frame', 'frame'],
];

/** Scores with intervals at clip and frame level, for each label rate, and what one must know beside them. */
export function finetuneTable(evaluation: Evaluation): string {
  const { data, settings, optimistic } = evaluation;
  const chance = balancedAccuracyByChance(data.perClass.map(({ clips }) => clips));
  const several = evaluation.labelRates.length > 1;
  const percent = Math.round(100 * settings.confidence);
  return told([
    optimistic &&
      'OPTIMISTIC: the epoch was chosen on the test clips themselves; do not compare with honest figures.',
    `${data.clips} labelled clips of ${data.groups} groups: ${data.perClass.map(({ name, clips }) => `${name} ${clips}`).join(', ')}`,
    `mean over seeds, ${percent} % interval over groups; always the commonest class: accuracy ${data.majorityAccuracy.toFixed(3)}, balanced ${chance.toFixed(3)}`,
    ...evaluation.labelRates.flatMap((rate) =>
      told([several && `label rate ${rate.labelRate}:`, ...rateTable(rate, optimistic)]),
    ),
    ...recallLines(evaluation),
    ...evaluation.notes.map((note) => `note: ${note}`),
    RESEARCH_USE,
  ]).join('\n');
}

function rateTable(rate: RateEvaluation, optimistic: boolean): string[] {
  const header = [optimistic ? '(optimistic)' : '', ...COLUMNS.map(([, title]) => title)];
  const rows = ROWS.map(([level, title]) => [
    title,
    ...COLUMNS.map(([name]) => show(rate[level].scores[name])),
  ]);
  return textTable([header, ...rows]);
}

/** The recall of each class at the highest label rate, for clips by mean probability. */
function recallLines({ labelRates }: Evaluation): string[] {
  const rate = labelRates.at(-1);
  if (rate === undefined) return [];
  const recalls = rate.clipMean.perClass.map(({ name, recall }) => `${name} ${show(recall)}`);
  return [`recall of clips: ${recalls.join(', ')}`];
}

function show({ mean, interval }: Score): string {
  if (mean === null) return '–';
  const range = interval === null ? '' : ` (${interval[0].toFixed(3)}–${interval[1].toFixed(3)})`;
  return `${mean.toFixed(3)}${range}`;
}
