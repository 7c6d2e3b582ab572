/**
 * The clips that train, the clips that validate, and the clips whose label is read. Everything is a function of the
 * seed and of clip or group names, never of the order of clips. A subset at one rate contains every subset at a
 * lower rate.
 */
import { dataError, usageError } from '../base/errors.ts';
import { groupBy } from '../base/collect.ts';
import { randomAt } from '../base/random.ts';
import { leakFreeUnits } from '../curation/duplicates.ts';
import { type NamedSplit, partOfClips } from '../curation/splits.ts';
import type { ClipRecord } from '../dataset/types.ts';
import type { Config } from './config.ts';

/** Label index of a clip whose label is not read. */
const UNLABELLED = -1;

/** Which clips train, which validate, whose label is read. */
export interface Split {
  /** Indices into the dataset's clips that an epoch goes through, ascending. */
  readonly training: readonly number[];
  /** Held-out clips, whole groups, ascending. */
  readonly validation: readonly number[];
  /** Training clips that `data.duplicates` leaves out, because they show what another one shows. */
  readonly duplicates: number;
  /** Clips within `data.rate`, ascending: where `replace` draws from. */
  readonly kept: readonly number[];
  /** Class index of each clip of the dataset, −1 where no label may be used. */
  readonly labels: Int32Array;
}

/**
 * Splits a dataset's clips, without those that `named` (the split `data.split` names) keeps out. Errors:
 * `SPLIT_IMPOSSIBLE`, `SPLIT_PART` when `data.keepOut` is no part of it.
 */
export function splitClips(
  clips: readonly ClipRecord[],
  classes: readonly string[],
  data: Config['data'],
  seed: number,
  named: NamedSplit | null = null,
): Split {
  const { usable, validation } = candidates(clips, data, seed, named);
  const kept = nestedSubset(usable, data.rate, (index) => draw(seed, 'data-rate', clips[index]!.id), 1);
  const within = new Set(kept);
  const held = new Set(validation);
  const chosen = usable.filter(
    (index) => !held.has(index) && (data.rateMode === 'replace' || within.has(index)),
  );
  const training = data.duplicates === 'drop' ? oneOfEach(chosen, clips) : chosen;
  if (training.length === 0)
    throw dataError(
      'SPLIT_IMPOSSIBLE',
      `No clip is left to train on: ${clips.length} clips, rate ${data.rate}, validation ${data.validation.fraction}.`,
      'Use a larger rate, a smaller validation fraction, or more clips.',
      { where: 'data.rate, data.validation.fraction' },
    );
  const labels = labelsOf(training, clips, classes, data, seed);
  return { training, validation, duplicates: chosen.length - training.length, kept, labels };
}

/** Of clips that show the same one with a label where there is one, else the first by name; in their given order. */
function oneOfEach(some: readonly number[], clips: readonly ClipRecord[]): readonly number[] {
  // Every clip a group of its own: what is joined shows the same.
  const { unitOf } = leakFreeUnits(some.map((index) => ({ ...clips[index]!, group: clips[index]!.id })));
  const shown = some.map((index, place) => ({ index, unit: unitOf[place]! }));
  const stays = new Set(
    [...groupBy(shown, ({ unit }) => unit).values()].map((members) => {
      const alike = members.map(({ index }) => index);
      const labelled = alike.filter((index) => clips[index]!.label !== null);
      const among = labelled.length > 0 ? labelled : alike;
      return among.reduce((first, next) => (clips[next]!.id < clips[first]!.id ? next : first));
    }),
  );
  return some.filter((index) => stays.has(index));
}

/**
 * Labels of some clips that may be read: of those with one a share of `data.labelRate`. [clips], −1 where there is none or
 * it may not be read.
 */
export function labelsOf(
  some: readonly number[],
  clips: readonly ClipRecord[],
  classes: readonly string[],
  data: Pick<Config['data'], 'labelRate'>,
  seed: number,
): Int32Array {
  const classOf = new Map(classes.map((name, index) => [name, index]));
  const labelOf = (index: number): number => classOf.get(clips[index]!.label ?? '') ?? UNLABELLED;
  const labelled = some.filter((index) => labelOf(index) !== UNLABELLED);
  const labels = new Int32Array(clips.length).fill(UNLABELLED);
  for (const index of nestedSubset(
    labelled,
    data.labelRate,
    (i) => draw(seed, 'label-rate', clips[i]!.id),
    0,
  ))
    labels[index] = labelOf(index);
  return labels;
}

/** Clips that may be used at all, and those of them that are held out. */
function candidates(
  clips: readonly ClipRecord[],
  data: Config['data'],
  seed: number,
  named: NamedSplit | null,
): { readonly usable: readonly number[]; readonly validation: readonly number[] } {
  const all = clips.map((_, index) => index);
  if (named === null) return { usable: all, validation: heldOut(clips, all, data.validation.fraction, seed) };
  const names = named.parts.map(({ name }) => name);
  const keepOut = names.indexOf(data.keepOut);
  if (keepOut === -1)
    throw usageError(
      'SPLIT_PART',
      `The split ${named.name} has no part named ${data.keepOut}; it has ${names.join(', ')}.`,
      `Set data.keepOut to the part that will be tested on, for example data.keepOut=${names.at(-1) ?? ''}.`,
      { where: 'data.keepOut' },
    );
  const partOf = partOfClips(named, clips);
  const usable = all.filter((index) => partOf[index] !== keepOut);
  const val = names.indexOf('val');
  const validation =
    val === -1 || val === keepOut
      ? heldOut(clips, usable, data.validation.fraction, seed)
      : all.filter((index) => partOf[index] === val);
  return { usable, validation };
}

/** The split for a method that reads no label: none may be used. */
export function withoutLabels(split: Split): Split {
  return { ...split, labels: new Int32Array(split.labels.length).fill(UNLABELLED) };
}

/**
 * All clips that enter training in some epoch. Where `replace` gives places away, those are the kept clips, held-out ones
 * among them, and a training clip outside the rate is never seen.
 */
export function clipsInTraining({ training, kept }: Split): ReadonlySet<number> {
  const within = new Set(kept);
  return training.every((index) => within.has(index)) ? new Set(training) : within;
}

/**
 * The clips an epoch goes through. With `replace` a training clip outside the rate gives its place to a random kept
 * clip (validation clips included, as the published code has it), anew each epoch.
 */
export function epochClips(
  split: Split,
  clips: readonly ClipRecord[],
  data: Pick<Config['data'], 'rateMode'>,
  seed: number,
  epoch: number,
): readonly number[] {
  if (data.rateMode === 'exclude') return split.training;
  const within = new Set(split.kept);
  return split.training.map((index) =>
    within.has(index)
      ? index
      : split.kept[randomAt(seed, 'replace', epoch, clips[index]!.id).integer(split.kept.length)]!,
  );
}

/** round(rate · n) items, at least `least`, with the smallest draws; in their given order. */
export function nestedSubset(
  items: readonly number[],
  rate: number,
  drawOf: (item: number) => number,
  least: number,
): readonly number[] {
  const size = Math.max(Math.min(least, items.length), Math.round(rate * items.length));
  if (size === items.length) return items;
  const ranked = items.map((item) => ({ item, draw: drawOf(item) }));
  ranked.sort((a, b) => a.draw - b.draw || a.item - b.item);
  const chosen = new Set(ranked.slice(0, size).map(({ item }) => item));
  return items.filter((item) => chosen.has(item));
}

/** Clips of groups in random order, each taken if it still fits; at least one when a fraction is asked for. */
function heldOut(
  clips: readonly ClipRecord[],
  usable: readonly number[],
  fraction: number,
  seed: number,
): readonly number[] {
  const groupOf = (index: number): string => clips[index]!.group;
  const sizes = new Map<string, number>();
  for (const index of usable) sizes.set(groupOf(index), (sizes.get(groupOf(index)) ?? 0) + 1);
  if (fraction === 0) return [];
  if (sizes.size < 2)
    throw dataError(
      'SPLIT_IMPOSSIBLE',
      'The dataset has one group only, so no clips can be held out for validation.',
      'Set data.validation.fraction=0, or ingest with groups (patients) in the labels file.',
      { where: 'data.validation.fraction' },
    );
  const order = [...sizes.keys()]
    .map((group) => ({ group, draw: draw(seed, 'validation', group) }))
    .sort((a, b) => a.draw - b.draw || (a.group < b.group ? -1 : 1));
  const target = fraction * usable.length;
  const held = new Set<string>();
  let count = 0;
  for (const { group } of order) {
    const size = sizes.get(group)!;
    if (count + size > target) continue;
    held.add(group);
    count += size;
  }
  if (held.size === 0) held.add(smallest(order, sizes));
  return usable.filter((index) => held.has(groupOf(index)));
}

function smallest(order: readonly { readonly group: string }[], sizes: ReadonlyMap<string, number>): string {
  return order.reduce((best, next) => (sizes.get(next.group)! < sizes.get(best.group)! ? next : best)).group;
}

function draw(seed: number, purpose: string, name: string): number {
  return randomAt(seed, purpose, name).uniform();
}
