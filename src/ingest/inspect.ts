/**
 * Looks a dataset over before anybody trains on it: how many clips, frames, classes and groups there are, and what
 * in it would spoil training or make an evaluation look better than it is.
 */
import { countsOf, identifying } from '../dataset/identifying.ts';
import type { Dataset } from '../dataset/reader.ts';
import type { ClipRecord, Field } from '../dataset/types.ts';
import { isBlack } from './clean.ts';
import type { WarningCode } from './doubtful-classes.ts';
import { classWarnings } from './doubtful-classes.ts';
import { LOOK_AT } from './contact-sheet.ts';
import { UNLIKE_FRAMES } from './likeness.ts';
import { compareNatural } from './paths.ts';

export interface ClassCount {
  /** Null: unlabelled. */
  readonly label: string | null;
  readonly clips: number;
  readonly frames: number;
  /** Groups with at least one clip of the class. */
  readonly groups: number;
}

export interface GroupCount {
  readonly group: string;
  readonly clips: number;
  readonly frames: number;
  /** Clips per label; unlabelled ones are not listed. */
  readonly labels: Readonly<Record<string, number>>;
}

/** What a problem means for the person: `error` spoils results, `warning` may, `note` is good to know. */
export interface Problem {
  readonly level: 'error' | 'warning' | 'note';
  readonly code: ProblemCode;
  readonly message: string;
  /** The clips, groups, classes or sources it is about. */
  readonly about: readonly string[];
}

export type ProblemCode =
  | 'same-source-in-two-groups'
  | 'same-source-twice'
  | 'few-clips'
  | 'one-class'
  | 'class-in-one-group'
  | 'empty-class'
  | 'one-class-groups'
  | 'few-frames'
  | 'constant-clips'
  | 'dark-clips'
  | 'damaged-clips'
  | 'small-clips'
  | 'rejected-sources'
  | 'unsure-fields'
  | 'no-field'
  | 'callipers'
  | 'frozen-clips'
  | 'unlabelled'
  | WarningCode;

export interface Inspection {
  readonly folder: string;
  readonly name: string;
  readonly licence: string | null;
  readonly channels: number;
  readonly size: number;
  readonly clips: number;
  readonly frames: number;
  readonly stills: number;
  readonly bytes: number;
  /** In the manifest's order; unlabelled last, where there are such clips. */
  readonly classes: readonly ClassCount[];
  /** In natural order of their names. */
  readonly groups: readonly GroupCount[];
  readonly framesPerClip: Range;
  /** Stored sizes and how many clips have each, most frequent first. */
  readonly sizes: readonly { readonly width: number; readonly height: number; readonly clips: number }[];
  /** Stored frames a second over clips that have one. */
  readonly fps: Range | null;
  readonly dropped: { readonly black: number; readonly blank: number; readonly duplicate: number };
  readonly rejected: readonly { readonly source: string; readonly reason: string }[];
  /** Clips by how their ultrasound field is known, and the confidence of the found ones. */
  readonly fields: {
    readonly declared: number;
    readonly found: number;
    readonly given: number;
    readonly none: number;
    readonly confidence: Range | null;
  };
  readonly problems: readonly Problem[];
}

export interface Range {
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

/** Mean absolute difference in grey levels between first, middle and last frame below which a clip hardly moves. */
const HARDLY_MOVES = 1;

/** Inspects an open dataset; reads up to three frames a clip. Errors: those of `readFrame`. */
export function inspectDataset(dataset: Dataset): Inspection {
  const { manifest, clips, folder } = dataset;
  const frameCounts = clips.map((clip) => clip.frames);
  const rates = clips.flatMap(({ fps }) => (fps === null ? [] : [fps]));
  const classes = countClasses(manifest.classes, clips);
  const groups = countGroups(clips);
  return {
    folder,
    name: manifest.name,
    licence: manifest.licence,
    channels: manifest.channels,
    size: manifest.size,
    clips: clips.length,
    frames: manifest.frames,
    stills: clips.filter((clip) => clip.flags.includes('still')).length,
    bytes: clips.reduce((sum, clip) => sum + clip.frames * clip.width * clip.height * manifest.channels, 0),
    classes,
    groups,
    framesPerClip: rangeOf(frameCounts),
    sizes: countSizes(clips),
    fps: rates.length === 0 ? null : rangeOf(rates),
    dropped: {
      black: clips.reduce((sum, clip) => sum + clip.dropped.black, 0),
      blank: clips.reduce((sum, clip) => sum + clip.dropped.blank, 0),
      duplicate: clips.reduce((sum, clip) => sum + clip.dropped.duplicate, 0),
    },
    rejected: manifest.rejected,
    fields: countFields(clips),
    problems: findProblems(dataset, classes, groups),
  };
}

function findProblems(
  dataset: Dataset,
  classes: readonly ClassCount[],
  groups: readonly GroupCount[],
): readonly Problem[] {
  const { clips, manifest } = dataset;
  const problems: Problem[] = [];
  const report = (
    level: Problem['level'],
    code: Problem['code'],
    about: readonly string[],
    message: string,
  ): void => {
    if (about.length > 0) problems.push({ level, code, message, about });
  };
  const idsOf = (test: (clip: ClipRecord) => boolean): string[] => clips.filter(test).map((clip) => clip.id);

  const twins = sameSources(clips);
  const across = twins.filter((twin) => new Set(twin.map((clip) => clip.group)).size > 1);
  const within = twins.filter((twin) => !across.includes(twin));
  report(
    'error',
    'same-source-in-two-groups',
    idsIn(across),
    'The same file is in more than one group: folds would leak from training into testing.',
  );
  report('warning', 'same-source-twice', idsIn(within), 'The same file is here more than once.');

  const used = classes.filter(({ label, clips: count }) => label !== null && count > 0);
  const namesOf = (list: readonly ClassCount[]): string[] => list.map(({ label }) => label ?? '');
  report(
    'warning',
    'empty-class',
    namesOf(classes.filter(({ clips: count }) => count === 0)),
    'Classes without a clip.',
  );
  report(
    'warning',
    'one-class',
    used.length === 1 ? namesOf(used) : [],
    'All labelled clips have the same class: there is nothing to tell apart.',
  );
  report(
    'error',
    'class-in-one-group',
    used.length > 1 ? namesOf(used.filter((one) => one.groups === 1)) : [],
    'Classes that occur in one group only: grouped folds cannot both train and test on them.',
  );
  const named = identifying([...clips.flatMap(({ id, group }) => [id, group]), ...manifest.classes]);
  report(
    'warning',
    'ids-may-identify',
    [...new Set(named.flatMap(({ examples }) => examples))],
    `Names of clips, groups or classes may identify patients: ${countsOf(named)}. Ingest with --key-file to have pseudonyms.`,
  );
  for (const { code, about, message } of classWarnings(manifest.classes))
    report('warning', code, about, message);
  const pure = groups.filter((group) => Object.keys(group.labels).length === 1);
  const labelledGroups = groups.filter((group) => Object.keys(group.labels).length > 0);
  report(
    'note',
    'one-class-groups',
    used.length > 1 && pure.length > 0 ? pure.map(({ group }) => group) : [],
    `${pure.length} of ${labelledGroups.length} labelled groups have one class only: whatever marks a group (device, depth, overlay) also marks its class, so keep groups whole in folds.`,
  );
  report(
    'note',
    'unlabelled',
    used.length > 0 ? idsOf((clip) => clip.label === null) : [],
    'Clips without a label: used in pretraining, left out of probes.',
  );

  report(
    'warning',
    'few-clips',
    clips.length < 8 ? [manifest.name] : [],
    `Only ${clips.length} clips: contrastive training needs other clips to contrast with.`,
  );
  report(
    'note',
    'few-frames',
    idsOf((clip) => clip.frames < 3),
    'Clips of one or two frames: sample pairs cannot be interpolated from three frames.',
  );
  report(
    'warning',
    'damaged-clips',
    idsOf((clip) => clip.flags.includes('damaged')),
    'Clips whose source could be decoded in part only.',
  );
  report(
    'note',
    'small-clips',
    idsOf((clip) => clip.flags.includes('small')),
    `Clips whose original is smaller than ${manifest.size} pixels; they are stored at their own size.`,
  );
  const { constant, dark } = lookAtFrames(dataset);
  report('warning', 'constant-clips', constant, 'Clips in which hardly anything moves.');
  report('warning', 'dark-clips', dark, 'Clips whose middle frame is black.');
  report(
    'warning',
    'unsure-fields',
    idsOf(({ field }) => field?.from === 'found' && field.confidence < LOOK_AT),
    `Clips whose ultrasound field was found with a confidence below ${LOOK_AT}: look at them and correct them with a field file.`,
  );
  report(
    'note',
    'no-field',
    idsOf((clip) => clip.flags.includes('no-field')),
    'Clips in which no ultrasound field was found: nothing of them is blanked or cut off.',
  );
  report(
    'warning',
    'unlike-frames',
    idsOf((clip) => clip.flags.includes(UNLIKE_FRAMES)),
    'Clips from picture folders whose neighbouring frames do not look alike: they may be separate pictures, and pairs of them would mix patients. If so, ingest with --pictures stills.',
  );
  report(
    'warning',
    'callipers',
    idsOf((clip) => clip.flags.includes('callipers')),
    'Frozen pictures with callipers: marks of a person that a model can learn instead of the tissue.',
  );
  report(
    'note',
    'frozen-clips',
    idsOf((clip) => clip.flags.includes('frozen')),
    'Clips that mostly repeat one picture.',
  );
  report(
    'warning',
    'rejected-sources',
    manifest.rejected.map(({ source }) => source),
    'Sources that did not become clips; the manifest has the reasons.',
  );
  const order = { error: 0, warning: 1, note: 2 };
  return problems.sort((a, b) => order[a.level] - order[b.level]);
}

function idsIn(twins: readonly (readonly ClipRecord[])[]): string[] {
  return twins.flat().map((clip) => clip.id);
}

/** Clips that share the bytes of their source, in sets of two and more. */
function sameSources(clips: readonly ClipRecord[]): readonly (readonly ClipRecord[])[] {
  const byHash = new Map<string, ClipRecord[]>();
  for (const clip of clips) {
    if (clip.sourceSha256 === null) continue;
    const twin = byHash.get(clip.sourceSha256);
    if (twin === undefined) byHash.set(clip.sourceSha256, [clip]);
    else twin.push(clip);
  }
  return [...byHash.values()].filter((twin) => twin.length > 1);
}

function lookAtFrames(dataset: Dataset): {
  readonly constant: readonly string[];
  readonly dark: readonly string[];
} {
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

function meanDifference(a: Uint8Array, b: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += Math.abs(a[i]! - b[i]!);
  return sum / a.length;
}

function countClasses(names: readonly string[], clips: readonly ClipRecord[]): ClassCount[] {
  const labels: (string | null)[] = [...names, ...(clips.some((clip) => clip.label === null) ? [null] : [])];
  return labels.map((label) => {
    const members = clips.filter((clip) => clip.label === label);
    return {
      label,
      clips: members.length,
      frames: members.reduce((sum, clip) => sum + clip.frames, 0),
      groups: new Set(members.map((clip) => clip.group)).size,
    };
  });
}

function countGroups(clips: readonly ClipRecord[]): GroupCount[] {
  const groups = new Map<string, { clips: number; frames: number; labels: Map<string, number> }>();
  for (const { group, frames, label } of clips) {
    const count = groups.get(group) ?? { clips: 0, frames: 0, labels: new Map<string, number>() };
    groups.set(group, count);
    count.clips++;
    count.frames += frames;
    if (label !== null) count.labels.set(label, (count.labels.get(label) ?? 0) + 1);
  }
  return [...groups.keys()].sort(compareNatural).map((group) => {
    const { labels, ...counts } = groups.get(group)!;
    return { group, ...counts, labels: Object.fromEntries(labels) };
  });
}

function countFields(clips: readonly ClipRecord[]): Inspection['fields'] {
  const from = (kind: Field['from']): ClipRecord[] => clips.filter(({ field }) => field?.from === kind);
  const found = from('found').flatMap(({ field }) => (field === null ? [] : [field.confidence]));
  return {
    declared: from('declared').length,
    found: found.length,
    given: from('given').length,
    none: clips.filter(({ field }) => field === null).length,
    confidence: found.length === 0 ? null : rangeOf(found),
  };
}

function countSizes(clips: readonly ClipRecord[]): Inspection['sizes'] {
  const sizes = new Map<string, { width: number; height: number; clips: number }>();
  for (const { width, height } of clips) {
    const key = `${width}×${height}`;
    const count = sizes.get(key) ?? { width, height, clips: 0 };
    sizes.set(key, count);
    count.clips++;
  }
  return [...sizes.values()].sort((a, b) => b.clips - a.clips || a.width - b.width || a.height - b.height);
}

function rangeOf(values: readonly number[]): Range {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (index: number): number => sorted[index] ?? 0;
  const half = sorted.length >> 1;
  return {
    min: at(0),
    median: sorted.length % 2 === 1 ? at(half) : (at(half - 1) + at(half)) / 2,
    max: at(sorted.length - 1),
  };
}
