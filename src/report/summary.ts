/** What a reader takes away who reads nothing else: the result with its interval, against chance, and what limits it. */
import type { RateEvaluation } from '../evaluation/scores/evaluation-result.ts';
import { type Config, methodOf } from '../runs/config.ts';
import { type KnnEntry, measured, type ValidationEntry } from '../runs/log.ts';
import { notice } from './elements.ts';
import { type Html, html, type Part } from '../charts/markup.ts';
import { inWords, labelsRead } from './facts.ts';
import { count, counted, interval, listed, percent, plain, roundPercent, score } from './numbers.ts';
import { isScored, type PretrainSubject, type ScoredSubject, type Subject } from './subject.ts';
import { chanceOf, leading } from './scores.ts';

/** The paragraphs of one run. */
export function summaryOf(subject: Subject): Html {
  return isScored(subject) ? scoredSummary(subject) : pretrainSummary(subject);
}

function scoredSummary(subject: ScoredSubject): Html {
  const { evaluation } = subject;
  const { classes, data, settings, optimistic } = evaluation;
  const rate = leading(evaluation);
  const { scores } = rate.clipMean;
  const { accuracy, balancedAccuracy, auroc } = scores;
  const within = (ends: readonly [number, number] | null): string =>
    ends === null
      ? 'no interval'
      : `${roundPercent(settings.confidence)} interval ${(100 * ends[0]).toFixed(1)} to ${percent(ends[1])}`;
  const seeds = rate.seeds.length === 1 ? 'one seed' : `mean of ${counted(rate.seeds.length, 'seed')}`;
  const labels = rate.labelRate === 1 ? '' : ` with ${roundPercent(rate.labelRate)} of the training labels`;
  return html`${
      optimistic &&
      notice(
        'warn',
        html`<strong>Optimistic numbers.</strong> This run follows the legacy protocol: the epoch was chosen
          on the very clips it is scored on, and folds may part clips of one patient. Every score below is too
          good. Quote none of them as an estimate for new patients.`,
      )
    }
    <p>
      ${opening(subject)} the model named the right one of ${count(classes.length)} classes for
      <strong>${percent(accuracy.mean)}</strong> of ${counted(rate.clips, 'clip')}
      (${within(accuracy.interval)}; ${seeds}${labels}). Balanced accuracy was
      <strong>${score(balancedAccuracy.mean)}</strong>
      (${interval(balancedAccuracy.interval)})${auroc.mean !== null && html` and the mean area under the ROC curve <strong>${score(auroc.mean)}</strong> (${interval(auroc.interval)})`}.
    </p>
    <p>
      ${againstChance(rate)} Always giving the commonest class would be right for
      ${percent(data.majorityAccuracy)} of the clips; any constant answer has a balanced accuracy of
      ${score(chanceOf(rate))}.${calibration(subject)}
    </p>
    ${leakNotice(subject, true)}`;
}

function opening({ kind, evaluation, audit }: ScoredSubject): string {
  if (kind === 'evaluation') {
    const overlap = audit?.overlap ?? null;
    if (overlap === null || overlap.labelsSeen > 0) return 'Put to this dataset as a finished model,';
    return overlap.seen > 0
      ? 'On a dataset whose labels it was not trained on,'
      : 'On a dataset it was not trained on,';
  }
  if (evaluation.optimistic) return 'With the epoch chosen on the very test clips,';
  if (audit !== null && audit.leaks.length > 0) return 'On the test clips,';
  return 'On clips of groups that were held out of fine-tuning,';
}

/** What the interval of balanced accuracy says about having learnt anything at all. */
function againstChance({ clipMean }: RateEvaluation): string {
  const { constantAnswer } = clipMean;
  if (constantAnswer === undefined)
    return 'An earlier version wrote this evaluation without holding it against a constant answer; the command again, with --resume or --overwrite, does so.';
  const ends = constantAnswer.above.interval;
  if (ends === null) return 'There is no interval, so nothing can be said about how sure this is.';
  if (ends[0] > 0) return 'The interval of balanced accuracy lies above that of a constant answer.';
  if (ends[1] < 0) return 'The interval of balanced accuracy lies below that of a constant answer.';
  return 'The interval of balanced accuracy holds that of a constant answer: these data do not show that the model has learnt to tell the classes apart.';
}

function calibration({ evaluation }: ScoredSubject): string {
  const { ece } = leading(evaluation).clipMean.scores;
  if (ece.mean === null) return '';
  return ` Stated confidence and share of right answers differ by ${percent(ece.mean)} on average (calibration error).`;
}

/** What is known about tested clips that training had met before; in brief, only what was found. */
export function leakNotice(subject: ScoredSubject, brief = false): Part {
  const { audit, evaluation } = subject;
  if (audit === null) return notice('warn', html`<strong>Leaks: not known.</strong> No audit was recorded.`);
  const { leaks } = audit;
  if (leaks.length > 0)
    return notice(
      'warn',
      html`<strong>Leaks were found and allowed.</strong> ${listed(leaks)}. The scores are no test of
        generalisation.`,
    );
  const seen = brief && audit.overlap?.seen === 0 ? '' : seenBefore(subject);
  if (evaluation.optimistic)
    return notice(
      'warn',
      html`<strong>Leaks by protocol.</strong> The legacy protocol may put clips of one patient on both sides
        and chooses the epoch on the test clips. ${seen}`,
    );
  const random = subject.kind === 'finetuning' && subject.source?.kind === 'random';
  if (audit.overlap === null && !random)
    return notice(
      'warn',
      html`<strong>Leaks: known in part.</strong> ${seen} Within the dataset no leak was found.`,
    );
  return notice(
    'good',
    html`<strong>Leak audit: no leak found.</strong> By digests of files and perceptual hashes of frames, no
      tested clip’s label was given to a training before the clip was judged. ${seen}`,
  );
}

function seenBefore(subject: ScoredSubject): string {
  const overlap = subject.audit?.overlap ?? null;
  if (subject.kind === 'finetuning' && subject.source?.kind === 'random')
    return 'The weights were random before.';
  if (overlap === null)
    return 'What the weights were trained on before is not known, so nothing could be held against it.';
  if (overlap.seen === 0) return 'None of the tested clips was met in the training before.';
  const labels =
    overlap.labelsSeen === 0
      ? 'without their labels'
      : `${count(overlap.labelsSeen)} of them with their labels`;
  return `${counted(overlap.seen, 'tested clip')} of ${count(subject.evaluation.data.clips)} ${overlap.seen === 1 ? 'was' : 'were'} met in the training before, ${labels}.`;
}

function pretrainSummary(subject: PretrainSubject): Html {
  const { config, log, data, complete } = subject;
  const steps = log.filter((entry) => entry.kind === 'step');
  const held = log.filter((entry): entry is ValidationEntry => entry.kind === 'validation');
  const knn = log.filter((entry): entry is KnnEntry => entry.kind === 'knn');
  const [first, last] = [steps[0], steps.at(-1)];
  const training = data?.clips.filter(({ role }) => role === 'training').length;
  if (first === undefined || last === undefined)
    return notice(
      'warn',
      'This run has not logged a step yet: there is nothing to report but its configuration.',
    );
  const final = held.at(-1);
  const [rankFirst, rankLast] = [held[0]?.effectiveRank, final?.effectiveRank];
  return html`<p>
      A backbone (${config.model.backbone}, width ${config.model.width}) was pretrained by
      ${methodOf(config).title}
      ${training !== undefined && html`on <strong>${counted(training, 'clip')}</strong> of ${data?.name ?? 'a dataset'} `}for
      <strong>${counted(last.step, 'step')}</strong> (${counted(last.epoch + 1, 'epoch')}),
      ${labelsRead(subject) ? 'with labels in the loss' : 'without any label'}.
      ${!complete && html`<strong>It has not come to its end.</strong>`} The training loss went from
      ${score(first.loss)} to
      ${score(last.loss)}${final !== undefined && html`; on held-out clips it ended at ${score(final.loss)}${heldOutMeasures(config, final)}`}.
    </p>
    ${
      rankFirst !== undefined &&
      rankLast !== undefined &&
      html`<p>
        The effective rank of held-out features went from ${plain(rankFirst)} to
        <strong>${plain(rankLast)}</strong>.
        ${rankLast < 2 ? 'So low a rank is a collapse: the features say hardly anything.' : rankLast < rankFirst / 2 ? 'Falling rank while pairs find each other is the mark of a shortcut being learnt.' : ''}${knn.length > 0 && html` kNN balanced accuracy on the watched dataset ended at ${score(knn.at(-1)!.balancedAccuracy)}.`}
      </p>`
    }
    ${notice('plain', 'Pretraining scores nothing that a clinician would ask for. What the features are worth is told by uscl probe and uscl finetune.')}`;
}

/** What the method measured of held-out clips, in words. */
function heldOutMeasures(config: Config, entry: ValidationEntry): string {
  const measures = methodOf(config).measurements.filter(({ heldOut }) => heldOut === true);
  const said = measures.map(({ name }) => `${inWords(name)} ${score(measured(entry, name))}`);
  return said.length === 0 ? '' : ` (${listed(said)})`;
}
