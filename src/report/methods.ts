/**
 * Text for the methods section of a paper, from the resolved configuration and the evaluation: what was done, with the
 * numbers it was done with, and what it cannot show. Nothing in it is assumed; a run that does not know says so.
 */
import { basename } from 'node:path';
import { told } from '../base/collect.ts';
import type { RateEvaluation } from '../evaluation/scores/evaluation-result.ts';
import { type Config, methodOf, methodOptions } from '../runs/config.ts';
import { type FinetuneConfig, viewOf } from '../finetune/config.ts';
import { viewSchema } from '../views/config.ts';
import { html, type Part } from '../charts/markup.ts';
import { checkpointChoice, epochChoice, labelsRead, optimizerOf } from './facts.ts';
import { seedsDiffer, trainedBefore } from './facts.ts';
import { count, counted, listed, plain, roundPercent, score } from './numbers.ts';
import { isScored, type ScoredSubject, type Subject } from './subject.ts';
import type { FinetuneSubject, PretrainSubject } from './subject.ts';
import { layersOf, startOf } from './data.ts';
import type { Source } from '../runs/provenance.ts';
import { Citations } from './references.ts';
import type { Reference } from '../methods/method.ts';
import { chanceOf, inWords, leading } from './scores.ts';

/** The section's content. */
export function methodsSection(subject: Subject): Part {
  const citations = new Citations();
  const paragraphs = isScored(subject)
    ? scoredMethods(subject, citations)
    : pretrainMethods(subject, citations);
  return html`<p class="note">
      Written from the run’s own configuration and results; to be read before it is used. Please cite the
      method.
    </p>
    <div class="quote">${paragraphs.map((text) => html`<p>${text}</p> `)}</div>
    <h3>References</h3>
    ${citations.list()}`;
}

function scoredMethods(subject: ScoredSubject, citations: Citations): readonly Part[] {
  const { evaluation } = subject;
  const rate = leading(evaluation);
  return [
    clips(subject),
    ...(subject.kind === 'finetuning'
      ? [model(subject, citations), training(subject, citations), protocol(subject, rate)]
      : [external(subject)]),
    statistics(subject, rate, citations),
    results(subject, rate),
    limits(subject, rate),
    software(subject),
  ];
}

function external({ about }: Extract<ScoredSubject, { kind: 'evaluation' }>): string {
  const applied = 'A finished model was applied to these clips without any further training or selection';
  if (about === null) return `${applied}.`;
  const seen = about.frames === 'all' ? 'all frames' : counted(about.frames, 'frame');
  const mapped = Object.entries(about.mapping.labels).filter(([theirs, ours]) => theirs !== ours);
  const mapping = mapped.map(([theirs, ours]) =>
    ours === null ? `${theirs} was left out` : `${theirs} counted as ${ours}`,
  );
  return `${applied}; ${seen} of each clip were looked at.${mapping.length === 0 ? '' : ` Of the dataset’s classes ${listed(mapping)}.`}`;
}

function clips({ evaluation, data }: ScoredSubject): string {
  const { perClass, clips: scored, groups, unlabelledClips } = evaluation.data;
  const tested = perClass.filter(({ clips: own }) => own > 0);
  const classes = tested.map(({ name, clips: own }) => `${name} (${counted(own, 'clip')})`);
  const missing = perClass.filter(({ clips: own }) => own === 0).map(({ name }) => name);
  return `Scored were ${counted(scored, 'labelled clip')} of ${counted(groups, 'group')} (patients, or single clips where the patient is not known)${data === null ? '' : ` of the dataset ${data.name}`}, in ${counted(tested.length, 'class', 'classes')}: ${listed(classes)}.${missing.length > 0 ? ` No tested clip was ${listed(missing)}, which the model can answer.` : ''}${unlabelledClips > 0 ? ` ${counted(unlabelledClips, 'further clip')} had no label and ${unlabelledClips === 1 ? 'was' : 'were'} not scored.` : ''}`;
}

const NETWORKS = { resnet18: 'ResNet-18', resnet34: 'ResNet-34', resnet50: 'ResNet-50' } as const;

function network(config: { readonly model: Pick<Config['model'], 'backbone' | 'width'> }): string {
  const { backbone, width } = config.model;
  return `${NETWORKS[backbone]}${width === 64 ? '' : ` with ${width} filters in its first stage (the published width is 64)`}`;
}

function model({ config, source }: FinetuneSubject, citations: Citations): Part {
  const cited = citations.cite('resnet');
  const base = `The classifier was a ${network(config)} ${cited} with one linear layer on its pooled features`;
  if (source === null) return `${base}. Where its weights came from was not recorded.`;
  if (source.kind === 'random') return `${base}, trained from random weights.`;
  const file = basename(source.given);
  if (source.trainedOn === null)
    return `${base}. Its initial weights were brought from outside (${file}${source.sha256 === null ? '' : `, SHA-256 ${source.sha256.slice(0, 16)}…`}); what they were trained on is not known to this program, so an overlap with the tested clips cannot be excluded.`;
  return `${base}. Its initial weights came from ${file}: ${trainedBefore(source.trainedOn, (reference) => citations.cite(reference))}.`;
}

function digestOf({ sha256 }: Source): string {
  return sha256 === null ? '' : ` (SHA-256 ${sha256.slice(0, 16)}…)`;
}

function training({ config }: FinetuneSubject, citations: Citations): string {
  const { optimizer, schedule, batch, training: length, view, framesPerClip } = config;
  const sentences = [
    `Trained were ${layersOf(config.layers)}; batch norms ${NORMS[config.layers === 'head' && config.norms === 'trained' ? 'frozen' : config.norms]}.`,
    `Optimisation was by ${optimizerOf(optimizer)} with a learning rate of ${plain(optimizer.learningRate)}${rates(config)} and weight decay of ${plain(optimizer.weightDecay)}, ${SCHEDULES[schedule.kind]}${schedule.warmup === 'linear' && schedule.warmupLength > 0 ? ` after a linear warm-up of ${counted(schedule.warmupLength, schedule.unit)}` : ''}, in batches of at most ${count(batch.size)} images for ${config.earlyStopping === null ? '' : 'at most '}${length.steps === null ? counted(length.epochs, 'epoch') : counted(length.steps, 'step')}${config.earlyStopping === null ? '' : `, stopped after ${counted(config.earlyStopping.patience, 'epoch')} without a better selection score`}.`,
    ...(config.unlabelled === null
      ? [
          `The loss was softmax cross-entropy, ${weights(config)}${config.labelSmoothing > 0 ? `, with label smoothing of ${plain(config.labelSmoothing)}` : ''}${config.mixup > 0 ? `, with mixup (α = ${plain(config.mixup)}) ${citations.cite('mixup')}` : ''}.`,
          `In an epoch ${frames(framesPerClip.train, 'drawn anew')} of each training clip ${framesPerClip.train === 1 ? 'was' : 'were'} seen, resized to ${view.size} × ${view.size} pixels${augmentation(config)}.`,
        ]
      : [
          unlabelled(config, config.unlabelled, citations),
          `Images were ${view.size} × ${view.size} pixels${augmentation(config)}.`,
        ]),
  ];
  return sentences.join(' ');
}

/** What was learnt from clips without a label, and from which. */
function unlabelled(
  config: FinetuneConfig,
  method: NonNullable<FinetuneConfig['unlabelled']>,
  citations: Citations,
): string {
  const view = viewSchema.parse(viewOf(config));
  const cite = (reference: Reference): string => citations.cite(reference);
  const how = methodOf({ method }).describe(methodOptions({ method }), { labelsRead: true, view, cite });
  const classes =
    config.classWeights === 'balanced' ? 'Labelled clips of every class were drawn equally often.' : '';
  return (
    `Clips without a label were learnt from too, those beyond the label rate among them, ${how} ${classes} ` +
    'No clip of a tested group, or of one that chose the epoch, was shown.'
  );
}

const NORMS = {
  trained: 'of trained layers used and updated batch statistics, all others their stored ones',
  frozen: 'kept their stored statistics',
  moving: 'used and updated batch statistics, frozen layers included',
} as const;
const SCHEDULES = { constant: 'held constant', cosine: 'falling along a cosine' } as const;

function rates({ layerRates }: FinetuneConfig): string {
  const factors = Object.entries(layerRates).filter(([, factor]) => factor !== 1);
  return factors.length === 0
    ? ''
    : ` (times ${listed(factors.map(([pattern, factor]) => `${plain(factor)} for ${pattern}`))})`;
}

function weights({ classWeights }: FinetuneConfig): string {
  if (classWeights === 'none') return 'every clip with the same weight';
  if (classWeights === 'balanced')
    return 'clips weighted inversely to how common their class was in training';
  return `with class weights ${listed(classWeights.map((weight) => plain(weight)))}`;
}

function frames(number: number | null, how: string): string {
  return number === null ? 'all frames' : `${counted(number, 'frame')} (${how})`;
}

/** Augmentations for ultrasound in the words of a text. */
const FOR_ULTRASOUND = {
  probe: 'a change of the probe’s shape',
  depthGain: 'gain along depth',
  speckle: 'speckle',
  gain: 'gain and dynamic range',
  gamma: 'gamma',
  clahe: 'contrast-limited adaptive histogram equalisation',
  fieldEdge: 'a narrowed edge of the field',
} as const;

function augmentation({ view: { augment } }: FinetuneConfig): string {
  if (augment === null) return ', without augmentation';
  const [low, high] = augment.cropScale;
  const inside = augment.insideField.probability;
  const of = told([
    inside < 1 && 'of the area',
    inside > 0 &&
      `of the largest one in the ultrasound field${inside < 1 ? ` (probability ${plain(inside)})` : ''}`,
  ]);
  const parts = told([
    low < 1 && `random crops of ${roundPercent(low)} to ${roundPercent(high)} ${of.join(' or ')}`,
    augment.flip > 0 && `left–right flips (probability ${plain(augment.flip)})`,
    augment.brightness > 0 && `brightness ± ${plain(augment.brightness)}`,
    augment.contrast > 0 && `contrast ± ${plain(augment.contrast)}`,
    ...Object.entries(FOR_ULTRASOUND).map(([key, name]) => {
      const { probability } = augment[key as keyof typeof FOR_ULTRASOUND];
      return probability > 0 && `${name} (probability ${plain(probability)})`;
    }),
  ]);
  return parts.length === 0
    ? ', with the augmentation of the configuration'
    : `, with ${listed(parts)}; the configuration has the rest`;
}

function protocol(subject: FinetuneSubject, rate: RateEvaluation): Part {
  const { config, evaluation } = subject;
  const folds =
    config.split === null
      ? `${count(config.folds)}-fold cross-validation`
      : `tests by the stored split “${config.split}”`;
  const rates =
    evaluation.labelRates.length > 1
      ? ` This was done with ${listed(evaluation.labelRates.map(({ labelRate }) => roundPercent(labelRate)))} of the training labels; smaller shares are parts of larger ones.`
      : '';
  const repeated =
    rate.seeds.length === 1
      ? 'with one seed'
      : `repeated with ${counted(rate.seeds.length, 'seed')} that differ in ${seedsDiffer(subject)}`;
  const models = counted(rate.models, 'model');
  if (evaluation.optimistic)
    return html`Performance was measured in ${folds}, ${repeated} (${models} in all), by the protocol of the
      published code:
      <strong
        >the epoch was chosen by the score on the test fold itself, which makes every reported number
        optimistic</strong
      >, and folds were not kept to whole groups.${rates}`;
  const groups = config.split === null ? ' of whole groups' : '';
  return `Performance was measured in ${folds}${groups}, ${repeated} (${models} in all). The epoch was chosen on ${epochChoice(subject)}; the test clips took no part in any choice.${rates}`;
}

function statistics(
  { evaluation }: ScoredSubject,
  { models, seeds, groups }: RateEvaluation,
  citations: Citations,
): string {
  const { resamples, confidence, bins } = evaluation.settings;
  const pooled =
    models > seeds.length
      ? 'predictions of all folds of a seed were pooled and scored together'
      : 'all predictions were scored together';
  const over = seeds.length > 1 ? `${pooled}, and scores averaged over seeds` : pooled;
  const intervals =
    groups < 2
      ? 'There are no intervals, as all clips are of one group.'
      : `Intervals are ${roundPercent(confidence)} percentile intervals from ${count(resamples)} bootstrap draws of whole groups ${citations.cite('bootstrap')}, with predictions held fixed: they show how far a score depends on who was tested (${counted(groups, 'group')}), not on who was trained on.`;
  return `A clip was given the class with the largest mean probability over its frames; ${over}. ${intervals} AUROC and average precision are one class against all others, averaged over the classes that occur. Calibration error is the expected calibration error in ${count(bins)} bins of equal width ${citations.cite('calibration')}.`;
}

function results({ evaluation }: ScoredSubject, rate: RateEvaluation): Part {
  const { confidence } = evaluation.settings;
  const { accuracy, balancedAccuracy, macroF1, auroc } = rate.clipMean.scores;
  return `At clip level accuracy was ${inWords(accuracy, confidence)}, balanced accuracy ${inWords(balancedAccuracy, confidence)}, macro-F1 ${inWords(macroF1, confidence)} and mean AUROC ${inWords(auroc, confidence)}; always giving the commonest class has an accuracy of ${score(evaluation.data.majorityAccuracy)} and any constant answer a balanced accuracy of ${score(chanceOf(rate))}.${evaluation.optimistic ? ' All of these are optimistic.' : ''}`;
}

function limits(subject: ScoredSubject, rate: RateEvaluation): string {
  const { evaluation } = subject;
  return told([
    'Limits.',
    subject.audit !== null &&
      subject.audit.leaks.length > 0 &&
      'Known leaks between training and test were allowed, so the scores are no test of generalisation.',
    ...seenUnlabelled(subject),
    evaluation.optimistic && 'The epoch was chosen on test clips.',
    subject.kind === 'finetuning' &&
      'Training and test clips come from one dataset; nothing is shown about hospitals, devices or patients outside of it.',
    rate.groups > 1 &&
      rate.groups < 50 &&
      `${counted(rate.groups, 'group')} are few: intervals from so few are too short rather than too long.`,
    ...(subject.kind === 'evaluation'
      ? ['One model was put to the test: nothing is shown about the luck of its training.']
      : rate.seeds.length < 3
        ? ['Fewer than three seeds say little about the luck of a training.']
        : []),
    subject.kind === 'finetuning' &&
      subject.source?.kind === 'weights' &&
      'One pretraining is one draw: a claim about a way of pretraining needs several.',
    'Classes are those of the dataset’s labels, whose own errors are not known. The model is for research only and no medical device.',
  ]).join(' ');
}

function seenUnlabelled({ audit }: ScoredSubject): readonly string[] {
  const overlap = audit?.overlap ?? null;
  if (overlap === null || overlap.seen === 0) return [];
  return [
    `The training before had seen ${counted(overlap.seen, 'tested clip')}${overlap.labelsSeen === 0 ? ' without labels' : ''}: nothing is shown about clips that no training has met.`,
  ];
}

function software({ environment }: Subject): string {
  if (environment === null) return 'What the run was computed on was not recorded.';
  const { uscl, revision, backend, cpu, processors, node } = environment;
  return `Computed with uscl ${uscl}${revision === null ? '' : ` (revision ${revision.slice(0, 12)}${revision.endsWith('+') ? ', with local changes' : ''})`}, ${backend.library}, Node.js ${node.replace(/^v/, '')}, on ${counted(processors, 'processor')} (${cpu}).`;
}

function pretrainMethods(subject: PretrainSubject, citations: Citations): readonly Part[] {
  const { config, data, log, complete, source } = subject;
  const { optimizer, batch, view } = config;
  const cite = (reference: Reference): string => citations.cite(reference);
  const last = log.filter((entry) => entry.kind === 'step').at(-1);
  const training = data?.clips.filter(({ role }) => role === 'training') ?? [];
  const labelled = training.filter((clip) => clip.labelled).length;
  const read = labelsRead(subject);
  const length =
    last === undefined
      ? '; no step has been logged'
      : `, for ${counted(last.step, 'step')}${complete ? '' : ', at which the run stands: it has not come to its end'}`;
  return [
    `A ${network(config)} ${citations.cite('resnet')} was pretrained from ${source === null ? 'random weights' : `${startOf(subject)}${digestOf(source)},`} ${methodOf(config).describe(methodOptions(config), { labelsRead: read, view, cite })} Views were ${view.size} × ${view.size} pixels.`,
    `Training used ${data === null ? 'clips that were not recorded' : `${counted(training.length, 'clip')} of ${data.name}${read ? ` (labels of ${count(labelled)} were read)` : ''}`}, in batches of at most ${count(batch.size)} clips, by ${optimizerOf(optimizer)} with a peak learning rate of ${plain(optimizer.learningRate)} and weight decay of ${plain(optimizer.weightDecay)}${length}. ${checkpointChoice(subject)}`,
    'Limits. Low loss and good rank do not say that the features carry anything clinical; that is for probes and fine-tuning on labels to show, against random weights on the same folds. The model is for research only and no medical device.',
    software(subject),
  ];
}
