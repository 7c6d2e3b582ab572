/** The evaluation on another dataset as text: the clips scored, the scores with their intervals, the confusions. */
import { told } from '../base/collect.ts';
import { textTable } from '../base/text-table.ts';
import type { Level, OverallScore, Score } from '../evaluation/scores/evaluation-result.ts';
import { balancedAccuracyByChance } from '../evaluation/scores/metrics.ts';
import { RESEARCH_USE } from '../base/research-use.ts';
import type { ExternalEvaluation } from './evaluate.ts';

const LEVEL_TEXT: readonly (readonly [Level, string])[] = [
  ['clipMean', 'clips, mean'],
  ['clipVote', 'clips, vote'],
  ['frame', 'frames'],
];

const SHOWN: readonly (readonly [OverallScore, string])[] = [
  ['accuracy', 'accuracy'],
  ['balancedAccuracy', 'balanced accuracy'],
  ['macroF1', 'macro-F1'],
  ['auroc', 'AUROC'],
  ['kappa', 'kappa'],
  ['ece', 'ECE'],
  ['brier', 'Brier'],
];

/** The text for a terminal. */
export function evaluationText(result: ExternalEvaluation): string {
  const { clips, evaluation, dataset, mapping, model } = result;
  const [rate] = evaluation.labelRates;
  if (rate === undefined) throw new Error('An evaluation has at least one label rate.');
  const left = told([
    clips.unlabelled > 0 && `${clips.unlabelled} unlabelled`,
    clips.leftOut > 0 && `${clips.leftOut} left out by the file of classes`,
  ]);
  const header = ['', ...LEVEL_TEXT.map(([, text]) => text)];
  const scores = SHOWN.map(([name, text]) => [
    text,
    ...LEVEL_TEXT.map(([level]) => scoreText(rate[level].scores[name])),
  ]);
  const classes = rate.clipMean.perClass.map(({ name, support, precision, recall, f1, auroc }) => [
    ...[name, String(support)],
    ...[precision, recall, f1, auroc].map(scoreText),
  ]);
  return [
    `${model.path} on ${dataset.name}: ${clips.scored} clips of ${rate.groups} groups${left.length > 0 ? `; not scored: ${left.join(', ')}` : ''}`,
    ...mappingLines(mapping),
    `scores with ${Math.round(100 * evaluation.settings.confidence)} % intervals over groups; balanced accuracy by chance is ${balancedAccuracyByChance(rate.clipMean.perClass.map(({ support }) => support)).toFixed(3)}, accuracy of always the commonest class ${evaluation.data.majorityAccuracy.toFixed(3)}`,
    ...textTable([header, ...scores]),
    'by class (clips, mean)',
    ...textTable([['', 'clips', 'precision', 'recall', 'F1', 'AUROC'], ...classes]),
    'confusion (clips, mean): rows are true, columns predicted',
    ...textTable([
      ['', ...evaluation.classes],
      ...rate.clipMean.confusion.map((row, c) => [evaluation.classes[c]!, ...row.map(String)]),
    ]),
    ...overlapLines(result),
    ...evaluation.notes.map((note) => `note: ${note}`),
    RESEARCH_USE,
  ].join('\n');
}

function mappingLines({ labels, model, unused }: ExternalEvaluation['mapping']): string[] {
  const renamed = Object.entries(labels).filter(([theirs, ours]) => theirs !== ours);
  const merged = Object.entries(model).filter(([ours, as]) => ours !== as);
  return told([
    renamed.length > 0 &&
      `labels: ${renamed.map(([theirs, ours]) => `${theirs} → ${ours ?? 'left out'}`).join(', ')}`,
    merged.length > 0 &&
      `classes brought together: ${merged.map(([ours, as]) => `${ours} → ${as}`).join(', ')}`,
    unused.length > 0 && `note: the file of classes names classes that no clip has: ${unused.join(', ')}`,
  ]);
}

function overlapLines({ overlap, leaks }: ExternalEvaluation): string[] {
  if (overlap === null)
    return ['note: what the weights were trained on is not known, so leaks cannot be looked for.'];
  return [
    ...leaks.map((leak) => `warning: leak allowed: ${leak}`),
    overlap.seen === 0
      ? 'leaks: none of these clips was found among those of training and pretraining'
      : `note: ${overlap.seen} of these clips were seen in training or pretraining, ${overlap.labelsSeen} with their label`,
  ];
}

function scoreText({ mean, interval }: Score): string {
  if (mean === null) return '–';
  return interval === null
    ? mean.toFixed(3)
    : `${mean.toFixed(3)} (${interval[0].toFixed(3)} to ${interval[1].toFixed(3)})`;
}
