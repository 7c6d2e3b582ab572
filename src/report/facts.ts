/**
 * What happened in a run, in words, from what the run itself left: its log, its provenance, its configuration, in this
 * order of belief. A configuration says what was meant; a log says what was done.
 */
import { FINETUNING, type Provenance, UNKNOWN } from '../runs/provenance.ts';
import type { Reference } from '../methods/method.ts';
import { findMethod } from '../methods/registry.ts';
import { type Config, methodOf, readsLabels } from '../runs/config.ts';
import { count, counted, listed, plain, roundPercent } from './numbers.ts';
import type { FinetuneSubject, PretrainSubject } from './subject.ts';

/** Whether labels entered the loss of a pretraining. */
export function labelsRead({ config, data }: PretrainSubject): boolean {
  if (data !== null) return data.clips.some(({ labelled }) => labelled);
  return readsLabels(config);
}

/** Held out of training, and what the checkpoint `best` was chosen by. */
export function checkpointChoice({ config, data, log }: PretrainSubject): string {
  const { chooses } = methodOf(config);
  const watched = log.some(({ kind }) => kind === 'knn');
  const scored = log.some(({ kind }) => kind === 'validation');
  const choice =
    config.evaluation.dataset !== null
      ? watched
        ? 'The best checkpoint is that of the highest kNN balanced accuracy on a labelled dataset that was watched, which is therefore no test.'
        : 'No epoch was scored on the labelled dataset that was to choose the checkpoint.'
      : scored && chooses !== null
        ? `The best checkpoint is that of the ${chooses.better === 'lower' ? 'lowest' : 'highest'} held-out ${inWords(chooses.by)}.`
        : 'No score chose a checkpoint: the weights are those of the last step.';
  return `${heldOut(config, data, scored)} ${choice}`;
}

function heldOut({ data: asked }: Config, data: Provenance | null, scored: boolean): string {
  // What replace brings into training is no longer recorded as held out.
  if (asked.rateMode === 'replace' && asked.rate < 1)
    return 'Held-out clips could take the place of clips outside the data rate and enter training, as in the published code.';
  if (data === null) return 'Which clips were held out was not recorded.';
  const held = data.clips.filter(({ role }) => role === 'validation').length;
  if (held === 0) return 'No clip was held out.';
  const groups = asked.split === null ? ', in whole groups,' : '';
  return `${counted(held, 'clip')} of ${count(data.clips.length)}${groups} ${held === 1 ? 'was' : 'were'} held out${scored ? ' and scored after each epoch' : ''}.`;
}

/** Of a fine-tuning: what the epoch of each training of the leading label rate was chosen on. */
export function epochChoice({ config, log, evaluation }: FinetuneSubject): string {
  if (evaluation.optimistic) return 'the test fold itself';
  const rate = Math.max(...config.labelRates);
  const trainings = new Map(
    log
      .filter((entry) => entry.labelRate === rate && entry.fold !== null)
      .map((entry) => [`${entry.seed} ${entry.fold ?? ''}`, entry.chosenOn] as const),
  );
  const blind = [...trainings.values()].filter((on) => on === 'nothing').length;
  if (trainings.size > 0 && blind === trainings.size)
    return 'nothing: no training could hold clips out, and each took its last epoch';
  const inner =
    config.split === null
      ? `an inner split, ${roundPercent(config.innerFraction)} of the training clips in whole groups`
      : 'clips held out of the training part';
  return blind === 0
    ? inner
    : `${inner}; ${count(blind)} of ${counted(trainings.size, 'training')} had too few labelled groups to hold any out and took the last epoch`;
}

/** How seeds differ. */
export function seedsDiffer({ config }: FinetuneSubject): string {
  return config.split === null
    ? 'folds, initial classifier and all random draws'
    : 'initial classifier and all random draws, on the same split';
}

/** Trainings that weights went through before, latest first, in words. */
export function trainedBefore(sets: readonly Provenance[], cite: (reference: Reference) => string): string {
  return listed(sets.map((set) => `${how(set, cite)}${set.by === UNKNOWN ? '' : ` on ${clipsOf(set)}`}`));
}

function how({ by, name }: Provenance, cite: (reference: Reference) => string): string {
  if (by === FINETUNING) return 'fine-tuned as a classifier';
  if (by === UNKNOWN)
    return `before that brought from outside (${name}), trained on what is not known to this program`;
  if (by === null) return 'trained before';
  const method = findMethod(by);
  return `pretrained by ${method === undefined ? by : `${method.title} ${cite(method.reference)}`}`;
}

function clipsOf({ name, clips }: Provenance): string {
  const used = clips.filter(({ role }) => role === 'training');
  const labelled = used.filter((clip) => clip.labelled).length;
  return `${counted(used.length, 'clip')} of ${name} (${labelled === 0 ? 'no label was read' : `labels of ${count(labelled)} were read`})`;
}

/** `pair accuracy` of `pairAccuracy`. */
export function inWords(measurement: string): string {
  return measurement.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

/** `SGD with momentum 0.9`. */
export function optimizerOf({ kind, momentum, nesterov }: Config['optimizer']): string {
  if (kind === 'adam') return 'Adam';
  if (kind === 'adamw') return 'AdamW';
  if (momentum === 0) return 'SGD without momentum';
  return `SGD with ${nesterov ? 'Nesterov ' : ''}momentum of ${plain(momentum)}`;
}
