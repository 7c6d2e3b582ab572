/**
 * A model card (Mitchell et al. 2019): what the model is, what it is for, and what it must not be used for; with the
 * complete configuration, and what the run was computed on.
 */
import { basename } from 'node:path';
import { groupBy } from '../base/collect.ts';
import { facts } from './elements.ts';
import { html, joined, name, type Part } from '../charts/markup.ts';
import { bytes, count, counted, listed } from './numbers.ts';
import { type FinetuneSubject, isScored, type PretrainSubject, type Subject } from './subject.ts';
import { layersOf, startOf } from './data.ts';
import { inWords, leading } from './scores.ts';
import { type Provenance, UNKNOWN } from '../runs/provenance.ts';

/** The card. */
export function modelCard(subject: Subject): Part {
  const pretrained = subject.kind === 'pretraining';
  return facts([
    ['Model', describeModel(subject)],
    [
      'Purpose',
      pretrained
        ? 'Features of ultrasound frames, to be fine-tuned or probed in research.'
        : html`Research on telling apart ${joined(classesOf(subject).map(name), ', ')} in ultrasound clips.`,
    ],
    [
      'Not for',
      'Diagnosis, triage, or any decision about a patient. It is no medical device and was cleared by nobody. It answers any picture, ultrasound or not, with some class.',
    ],
    [
      'Trained on',
      subject.data === null
        ? 'not recorded'
        : html`${name(subject.data.name)},
          ${counted(subject.data.clips.filter(({ role }) => role === 'training').length, 'clip')}`,
    ],
    ['Terms of its data', termsOf(subject)],
    ['Measured on', measured(subject)],
    ['Results at clip level', resultsOf(subject)],
    [
      'Known limits',
      html`${isScored(subject) && subject.evaluation.optimistic && 'The numbers are optimistic (legacy protocol). '}Other
      devices, depths, presets, body parts and patient groups were not
      tested.${isScored(subject) && ' The label of a clip may be wrong. Confidence is only as good as the reliability diagram shows.'}`,
    ],
    [
      'People in the data',
      'Whether patients agreed to this use is a matter of the dataset’s own terms. Ingest blanks what lies outside of a known ultrasound field; uscl inspect says of which clips none is known. Whoever passes on pictures or weights answers for them.',
    ],
    [
      'How to check it',
      isScored(subject)
        ? 'predictions.json holds every probability; every figure here can be computed from it again.'
        : 'log.jsonl holds every logged number; every curve here can be drawn from it again.',
    ],
  ]);
}

/** The licence of every dataset that the weights have learnt from, the last one first. */
function termsOf(subject: Subject): Part {
  if (subject.kind === 'evaluation') return 'Those of the run that trained it.';
  const own = subject.data === null ? [] : [subject.data];
  const terms = [...own, ...learntBefore(subject)].map(({ name: set, by, terms: stated }) => ({
    set,
    said:
      by === UNKNOWN && stated === null
        ? 'what they learnt from is not known'
        : stated === null
          ? 'not recorded'
          : (stated.licence ?? 'not stated'),
  }));
  if (terms.length === 0) return 'not recorded';
  // A set may have been learnt from more than once.
  const each = [...groupBy(terms, ({ set, said }) => `${set}: ${said}`).values()].map(([first]) => first!);
  return html`Weights inherit the terms of what they learnt from.
  ${joined(
    each.map(({ set, said }) => html`${name(set)}: ${said}.`),
    ' ',
  )}`;
}

/** What the weights that a training began with had learnt from. */
function learntBefore(
  subject: PretrainSubject | FinetuneSubject,
): readonly Pick<Provenance, 'name' | 'by' | 'terms'>[] {
  if (subject.source === null || subject.source.kind === 'random') return [];
  const { given, trainedOn } = subject.source;
  return trainedOn ?? [{ name: basename(given), by: UNKNOWN, terms: null }];
}

function describeModel(subject: Subject): Part {
  if (subject.kind === 'evaluation') return 'Described in the report of the run that trained it.';
  const { backbone, width } = subject.config.model;
  const shape = `${backbone}, width ${width}, ${subject.config.view.size} px, ${subject.config.view.channels === 1 ? 'one channel' : 'three channels'}`;
  return subject.kind === 'pretraining'
    ? html`Backbone: ${shape}${subject.source !== null && html`; start: ${startOf(subject)}`}`
    : html`${shape}; start: ${startOf(subject)}; trained: ${layersOf(subject.config.layers)}`;
}

function classesOf(subject: Subject): readonly string[] {
  return isScored(subject) ? subject.evaluation.classes : [];
}

function measured(subject: Subject): Part {
  if (!isScored(subject)) return 'nothing yet';
  const { data, protocol } = subject.evaluation;
  return `${counted(data.clips, 'clip')} of ${counted(data.groups, 'group')}, protocol ${protocol}`;
}

function resultsOf(subject: Subject): Part {
  if (!isScored(subject)) return 'none: pretraining has no task';
  const { evaluation } = subject;
  const { balancedAccuracy, auroc } = leading(evaluation).clipMean.scores;
  const { confidence } = evaluation.settings;
  return listed([
    `balanced accuracy ${inWords(balancedAccuracy, confidence)}`,
    `mean AUROC ${inWords(auroc, confidence)}`,
  ]);
}

/** Every key of the configuration as the run resolved it. */
export function configurationSection(subject: Subject): Part {
  if (subject.kind === 'evaluation')
    return html`<p>An evaluation trains nothing; the run of the model has its configuration.</p>`;
  return html`<p class="note">
      All keys as resolved, defaults included: <code>--config</code> with this text repeats the run.
    </p>
    <details>
      <summary>config.json</summary>
      <pre tabindex="0" aria-label="Configuration">${JSON.stringify(subject.config, null, 2)}</pre>
    </details>`;
}

/** Versions and machine. */
export function environmentSection({ environment }: Subject): Part {
  if (environment === null) return html`<p>The run has not recorded what it was computed on.</p>`;
  const { uscl, revision, node, system, cpu, processors, memory, backend } = environment;
  return facts([
    ['uscl', uscl],
    ['Revision', revision === null ? 'not from a checkout' : html`<code>${revision}</code>`],
    [
      'Kernels',
      `${backend.library} (${backend.name}), ${count(backend.threads)} threads, ${backend.instructionSet}`,
    ],
    ['Node.js', node],
    ['System', system],
    ['Processor', `${cpu} × ${count(processors)}`],
    ['Memory', bytes(memory)],
  ]);
}
