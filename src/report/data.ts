/** On what clips, and by what rules: the dataset, its classes, and who was tested by whom. */
import { basename } from 'node:path';
import type { Manifest } from '../dataset/types.ts';
import { facts, notice, table } from './elements.ts';
import { mean } from '../base/collect.ts';
import { type Html, html, joined, name, type Part } from '../charts/markup.ts';
import { checkpointChoice, epochChoice, labelsRead, seedsDiffer } from './facts.ts';
import { count, counted, listed, percent, roundPercent } from './numbers.ts';
import type { FinetuneSubject, PretrainSubject, ScoredSubject, Subject } from './subject.ts';
import { methodOf } from '../runs/config.ts';
import { UNKNOWN } from '../runs/provenance.ts';
import { leading } from './scores.ts';
import { leakNotice } from './summary.ts';

/** The section's content. `manifest`: of the dataset, where it was given. */
export function dataSection(subject: Subject, manifest: Manifest | null): Part {
  return subject.kind === 'pretraining' ? pretrainData(subject, manifest) : scoredData(subject, manifest);
}

function scoredData(subject: ScoredSubject, manifest: Manifest | null): Part {
  const { evaluation, data } = subject;
  const rate = leading(evaluation);
  const { perClass, unlabelledClips, untestedClips, clips, groups } = evaluation.data;
  const frames = rate.frame.rows;
  return html`<h3>Clips</h3>
    ${facts([
      ['Dataset', html`${data === null ? 'not recorded' : name(data.name)}`],
      [
        'Scored',
        `${counted(clips, 'clip')} of ${counted(groups, 'group')} (patients, or clips where none is known)`,
      ],
      ['Frames looked at', `${count(Math.round(mean(frames)))} a seed`],
      [
        'Not scored',
        `${counted(unlabelledClips, 'clip')} without a label, ${count(untestedClips)} never tested`,
      ],
      ...provenance(subject, manifest),
    ])}
    ${table({
      label: 'Clips of each class',
      head: ['Class', 'Clips', 'Share', 'Groups'],
      rows: perClass.map((one) => [
        name(one.name),
        count(one.clips),
        percent(one.clips / clips),
        count(one.groups),
      ]),
    })}
    <h3>Leak audit</h3>
    ${leakNotice(subject)} ${joinedGroups(subject)}
    <h3>Protocol</h3>
    ${subject.kind === 'finetuning' ? protocol(subject) : html`<p>A finished model judged these clips; nothing was trained or chosen on them here.</p>`}
    ${
      evaluation.notes.length > 0 &&
      html`<h3>To know before quoting a number</h3>
        <ul>
          ${evaluation.notes.map((note) => html`<li>${note}</li>`)}
        </ul>`
    }`;
}

/** Sets of groups told at most. */
const MOST_SETS = 5;

function joinedGroups({ audit }: ScoredSubject): Part {
  if (audit === null || audit.joined.length === 0) return null;
  const sets = audit.joined.slice(0, MOST_SETS).map((groups) => groups.join(' + '));
  const more = audit.joined.length - sets.length;
  return html`<p>
    Groups that share pictures, perhaps one patient, were kept on one side:
    ${listed(more > 0 ? [...sets, counted(more, 'more such set')] : sets)}.
  </p>`;
}

function protocol(subject: FinetuneSubject): Html {
  const { config, evaluation } = subject;
  const rate = leading(evaluation);
  const legacy = evaluation.optimistic;
  return html`${facts([
    ['Protocol', legacy ? html`<strong>legacy</strong>, optimistic` : 'honest'],
    [
      'Folds',
      config.split === null
        ? `${count(config.folds)}, ${legacy ? 'of clips' : 'of whole groups'}`
        : `as in the split “${config.split}”`,
    ],
    [
      'Seeds',
      `${listed(rate.seeds.map(String))}${rate.seeds.length > 1 ? ` (they differ in ${seedsDiffer(subject)})` : ''}`,
    ],
    ['Models trained for these scores', count(rate.models)],
    ['Epoch chosen on', epochChoice(subject)],
    ['Label rates', listed(config.labelRates.map(roundPercent))],
    ['Start', startOf(subject)],
    ['What trained', layersOf(config.layers)],
    [
      'Learnt from',
      config.unlabelled === null
        ? 'labels alone'
        : `labels, and clips without one by ${methodOf({ method: config.unlabelled }).title}`,
    ],
  ])}`;
}

/** Where the weights came from, in words. */
export function startOf({ source }: Pick<FinetuneSubject, 'source'>): string {
  if (source === null) return 'not recorded';
  if (source.kind === 'random') return 'random weights';
  const file = basename(source.given);
  return source.trainedOn === null
    ? `weights brought from outside (${file}); what they were trained on is not known`
    : `weights of ${file}, trained on ${listed(source.trainedOn.map(({ name: set, by }) => (by === UNKNOWN ? `what is not known (${set}, from outside)` : set)))}`;
}

/** What trained beside the classifier, in words. */
export function layersOf(layers: FinetuneSubject['config']['layers']): string {
  if (layers === 'head') return 'the new classifier alone';
  if (layers === 'last-block') return 'the last residual block and the new classifier';
  if (layers === 'all') return 'all layers';
  return `the new classifier and parameters named ${listed([...layers])}`;
}

function provenance({ data }: Subject, manifest: Manifest | null): (readonly [Part, Part])[] {
  const terms = manifest ?? data?.terms ?? null;
  const homepage = manifest?.homepage ?? null;
  return [
    ...(data === null ? [] : [['Fingerprint', html`<code>${data.hash.slice(0, 16)}</code>`] as const]),
    ...(terms === null
      ? []
      : [
          ['Licence', terms.licence ?? 'not stated'] as const,
          ['To be cited as', terms.citation ?? 'not stated'] as const,
        ]),
    ...(homepage === null ? [] : [['Source', homepage] as const]),
  ];
}

function pretrainData(subject: PretrainSubject, manifest: Manifest | null): Part {
  const { data, config } = subject;
  if (data === null) return notice('warn', 'The run has not recorded which clips it went through.');
  const roles = ['training', 'validation', 'unused'] as const;
  const of = (role: string): typeof data.clips => data.clips.filter((clip) => clip.role === role);
  return html`${facts([
      ['Dataset', name(data.name)],
      ['Clips', count(data.clips.length)],
      ['Held out, and what chose the checkpoint', checkpointChoice(subject)],
      [
        'Split kept out',
        config.data.split === null ? 'none' : `part “${config.data.keepOut}” of “${config.data.split}”`,
      ],
      ...provenance(subject, manifest),
    ])}
    ${table({
      label: 'Clips by role',
      head: ['Role', 'Clips', 'of them with the label read'],
      rows: roles.map((role) => [
        role,
        count(of(role).length),
        count(of(role).filter(({ labelled }) => labelled).length),
      ]),
    })}
    <p class="note">
      ${joined([labelsRead(subject) ? 'Labels entered the loss where they count as read' : 'No label entered the loss', 'an audit of later tests goes by this table.'], '; ')}
    </p>`;
}
