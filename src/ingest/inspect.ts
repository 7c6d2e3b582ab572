/**
 * Looks a dataset over before anybody trains on it: how many clips, frames, classes and groups there are, and what
 * in it would spoil training or make an evaluation look better than it is.
 */
import { groupBy } from '../base/collect.ts';
import { countsOf, identifying } from '../dataset/identifying.ts';
import type { Dataset } from '../dataset/reader.ts';
import type { ClipRecord, Field } from '../dataset/types.ts';
import { isBlack } from './clean.ts';
import { classWarnings } from './doubtful-classes.ts';
import { LOOK_AT } from './contact-sheet.ts';
import { UNLIKE_FRAMES } from './frame-continuity.ts';
import { compareNatural } from './common/paths.ts';
import { meanDifference } from './frame-streams.ts';

/** What a problem means for the person: `error` spoils results, `warning` may, `note` is good to know. */
export interface Problem {
  readonly level: 'error' | 'warning' | 'note';
  readonly code: string;
  readonly message: string;
  /** The clips, groups, classes or sources it is about. */
  readonly about: readonly string[];
}

/** What there is to know of a dataset at a glance: counts, sizes, problems. */
export type Inspection = ReturnType<typeof inspectDataset>;

/** Mean absolute difference in grey levels between first, middle and last frame below which a clip hardly moves. */
const HARDLY_MOVES = 1;

/** Inspects an open dataset; reads up to three frames a clip. Errors: those of `readFrame`. */
export function inspectDataset(dataset: Dataset) {
  const { manifest, clips, folder } = dataset;
  const { name, licence, channels, size, frames, rejected } = manifest;
  const rates = clips.flatMap(({ fps }) => (fps === null ? [] : [fps]));
  const classes = countClasses(manifest.classes, clips);
  const groups = countGroups(clips);
  const sumOf = (valueOf: (clip: ClipRecord) => number): number =>
    clips.reduce((sum, clip) => sum + valueOf(clip), 0);
  return {
    ...{ folder, name, licence, channels, size, clips: clips.length, frames },
    stills: clips.filter((clip) => clip.flags.includes('still')).length,
    bytes: sumOf((clip) => clip.frames * clip.width * clip.height * channels),
    /** In the manifest's order; unlabelled last, where there are such clips. */
    classes,
    /** In natural order of their names. */
    groups,
    framesPerClip: rangeOf(clips.map((clip) => clip.frames)),
    /** Stored sizes and how many clips have each, most frequent first. */
    sizes: countSizes(clips),
    /** Stored frames a second over clips that have one. */
    fps: rates.length === 0 ? null : rangeOf(rates),
    dropped: {
      black: sumOf(({ dropped }) => dropped.black),
      blank: sumOf(({ dropped }) => dropped.blank),
      duplicate: sumOf(({ dropped }) => dropped.duplicate),
    },
    rejected,
    /** Clips by how their ultrasound field is known, and the confidence of the found ones. */
    fields: countFields(clips),
    problems: findProblems(dataset, classes, groups),
  };
}

function findProblems(
  dataset: Dataset,
  classes: ReturnType<typeof countClasses>,
  groups: ReturnType<typeof countGroups>,
): readonly Problem[] {
  const { clips, manifest } = dataset;
  const idsOf = (test: (clip: ClipRecord) => boolean): string[] => clips.filter(test).map((clip) => clip.id);
  const flagged = (flag: string): string[] => idsOf(({ flags }) => flags.includes(flag));
  const twins = [...groupBy(clips, ({ sourceSha256 }) => sourceSha256)].flatMap(([hash, twin]) =>
    hash !== null && twin.length > 1 ? [twin] : [],
  );
  const across = twins.filter((twin) => new Set(twin.map((clip) => clip.group)).size > 1);
  const within = twins.filter((twin) => !across.includes(twin));
  const idsIn = (some: typeof twins): string[] => some.flat().map((clip) => clip.id);
  const used = classes.filter(({ label, clips: count }) => label !== null && count > 0);
  const namesOf = (list: typeof classes): string[] => list.map(({ label }) => label ?? '');
  const named = identifying([...clips.flatMap(({ id, group }) => [id, group]), ...manifest.classes]);
  const pure = groups.filter((group) => Object.keys(group.labels).length === 1);
  const labelledGroups = groups.filter((group) => Object.keys(group.labels).length > 0);
  const { constant, dark } = lookAtFrames(dataset);
  const problems: Record<
    Problem['level'],
    (readonly [code: string, about: readonly string[], message: string])[]
  > = {
    error: [
      [
        'same-source-in-two-groups',
        idsIn(across),
        'The same file is in more than one group: folds would leak from training into testing.',
      ],
      [
        'class-in-one-group',
        used.length > 1 ? namesOf(used.filter((one) => one.groups === 1)) : [],
        'Classes that occur in one group only: grouped folds cannot both train and test on them.',
      ],
    ],
    warning: [
      ['same-source-twice', idsIn(within), 'The same file is here more than once.'],
      ['empty-class', namesOf(classes.filter(({ clips: count }) => count === 0)), 'Classes without a clip.'],
      [
        'one-class',
        used.length === 1 ? namesOf(used) : [],
        'All labelled clips have the same class: there is nothing to tell apart.',
      ],
      [
        'ids-may-identify',
        [...new Set(named.flatMap(({ examples }) => examples))],
        `Names of clips, groups or classes may identify patients: ${countsOf(named)}. Ingest with --key-file to have pseudonyms.`,
      ],
      ...classWarnings(manifest.classes).map(({ code, about, message }) => [code, about, message] as const),
      [
        'few-clips',
        clips.length < 8 ? [manifest.name] : [],
        `Only ${clips.length} clips: contrastive training needs other clips to contrast with.`,
      ],
      ['damaged-clips', flagged('damaged'), 'Clips whose source could be decoded in part only.'],
      ['constant-clips', constant, 'Clips in which hardly anything moves.'],
      ['dark-clips', dark, 'Clips whose middle frame is black.'],
      [
        'unsure-fields',
        idsOf(({ field }) => field?.from === 'found' && field.confidence < LOOK_AT),
        `Clips whose ultrasound field was found with a confidence below ${LOOK_AT}: look at them and correct them with a field file.`,
      ],
      [
        'unlike-frames',
        flagged(UNLIKE_FRAMES),
        'Clips from picture folders whose neighbouring frames do not look alike: they may be separate pictures, and pairs of them would mix patients. If so, ingest with --pictures stills.',
      ],
      [
        'callipers',
        flagged('callipers'),
        'Frozen pictures with callipers: marks of a person that a model can learn instead of the tissue.',
      ],
      [
        'rejected-sources',
        manifest.rejected.map(({ source }) => source),
        'Sources that did not become clips; the manifest has the reasons.',
      ],
    ],
    note: [
      [
        'one-class-groups',
        used.length > 1 ? pure.map(({ group }) => group) : [],
        `${pure.length} of ${labelledGroups.length} labelled groups have one class only: whatever marks a group (device, depth, overlay) also marks its class, so keep groups whole in folds.`,
      ],
      [
        'unlabelled',
        used.length > 0 ? idsOf((clip) => clip.label === null) : [],
        'Clips without a label: used in pretraining, left out of probes.',
      ],
      [
        'few-frames',
        idsOf((clip) => clip.frames < 3),
        'Clips of one or two frames: sample pairs cannot be interpolated from three frames.',
      ],
      [
        'small-clips',
        flagged('small'),
        `Clips whose original is smaller than ${manifest.size} pixels; they are stored at their own size.`,
      ],
      [
        'no-field',
        flagged('no-field'),
        'Clips in which no ultrasound field was found: nothing of them is blanked or cut off.',
      ],
      ['frozen-clips', flagged('frozen'), 'Clips that mostly repeat one picture.'],
    ],
  };
  return (['error', 'warning', 'note'] as const).flatMap((level) =>
    problems[level].flatMap(([code, about, message]) =>
      about.length > 0 ? [{ level, code, message, about }] : [],
    ),
  );
}

function lookAtFrames(dataset: Dataset) {
  const constant: string[] = [];
  const dark: string[] = [];
  for (const clip of dataset.clips) {
    const middle = dataset.readFrame(clip, Math.floor(clip.frames / 2));
    if (isBlack(middle)) dark.push(clip.id);
    if (clip.frames < 2) continue;
    const others = [dataset.readFrame(clip, 0), dataset.readFrame(clip, clip.frames - 1)];
    if (Math.max(...others.map((frame) => meanDifference(frame, middle))) < HARDLY_MOVES)
      constant.push(clip.id);
  }
  return { constant, dark };
}

function countClasses(names: readonly string[], clips: readonly ClipRecord[]) {
  const labels: (string | null)[] = [...names, ...(clips.some((clip) => clip.label === null) ? [null] : [])];
  return labels.map((label) => {
    const members = clips.filter((clip) => clip.label === label);
    return {
      /** Null: unlabelled. */
      label,
      clips: members.length,
      frames: framesOf(members),
      /** Groups with at least one clip of the class. */
      groups: new Set(members.map((clip) => clip.group)).size,
    };
  });
}

function countGroups(clips: readonly ClipRecord[]) {
  const groups = [...groupBy(clips, ({ group }) => group)].sort(([a], [b]) => compareNatural(a, b));
  return groups.map(([group, members]) => {
    const labelled = groupBy(
      members.flatMap(({ label }) => (label === null ? [] : [label])),
      (label) => label,
    );
    return {
      ...{ group, clips: members.length, frames: framesOf(members) },
      /** Clips per label; unlabelled ones are not listed. */
      labels: Object.fromEntries([...labelled].map(([label, own]) => [label, own.length])),
    };
  });
}

function framesOf(clips: readonly ClipRecord[]): number {
  return clips.reduce((sum, clip) => sum + clip.frames, 0);
}

function countFields(clips: readonly ClipRecord[]) {
  const count = (from: Field['from'] | undefined): number =>
    clips.filter(({ field }) => field?.from === from).length;
  const sure = clips.flatMap(({ field }) => (field?.from === 'found' ? [field.confidence] : []));
  return {
    ...{ declared: count('declared'), found: count('found'), given: count('given'), none: count(undefined) },
    confidence: sure.length === 0 ? null : rangeOf(sure),
  };
}

function countSizes(clips: readonly ClipRecord[]) {
  return [...groupBy(clips, ({ width, height }) => `${width}×${height}`).values()]
    .map((members) => ({ width: members[0]!.width, height: members[0]!.height, clips: members.length }))
    .sort((a, b) => b.clips - a.clips || a.width - b.width || a.height - b.height);
}

function rangeOf(values: readonly number[]) {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (index: number): number => sorted[index] ?? 0;
  const half = sorted.length >> 1;
  return {
    min: at(0),
    median: sorted.length % 2 === 1 ? at(half) : (at(half - 1) + at(half)) / 2,
    max: at(sorted.length - 1),
  };
}
