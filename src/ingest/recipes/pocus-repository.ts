/**
 * POCUS as its repository publishes it: a table, `data/dataset_metadata.csv`, and files in `data/pocus_videos` and
 * `data/pocus_images`. The table gives names without extension, spells the folders with other capitals, and also has
 * rows of files that may not be passed on, that its authors do not use, or that its scripts fetch. Rows without a file
 * are counted by reason, files without a row are named. What the folder `label_uncertain` holds comes in unlabelled.
 *
 * Patient ids part what belongs together: the Northumbria clips have an id each, but `northumbria_<date>[_setN]` in
 * their names is one session. Clips are joined by both. Those without an id are joined by their source.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { told } from '../../base/collect.ts';
import { type CsvRow, readCsv } from '../../formats/csv.ts';
import { extensionOf, fileComplaint, fileNameOf, joinRelative } from '../common/paths.ts';
import type { PlannedClip, Rejection } from '../common/ingest-plan.ts';
import type { RecipePlan } from './recipe.ts';
import { cell, contentsOf, countsAsText, filesBelow, folderError, joined, sorted } from './recipe.ts';

const TABLE = 'dataset_metadata.csv';
export const REPOSITORY_TABLE = `data/${TABLE}`;

const COLUMNS = ['current location', 'filename', 'label', 'license', 'inthisrepo', 'type', 'probe'] as const;
const SOURCE = 'source id';
const PATIENT = 'patient id / name';

const EXTENSIONS: Readonly<Record<Kind, readonly string[]>> = {
  video: ['mp4', 'mov', 'avi', 'mpeg', 'mpg', 'gif', 'm4v', 'webm', 'mkv', 'wmv'],
  image: ['jpg', 'jpeg', 'png', 'tif', 'tiff', 'webp'],
};
const FOLDERS: Readonly<Record<Kind, string>> = { video: 'pocus_videos', image: 'pocus_images' };

/** Reasons for which a row has no file. */
const REASONS = {
  unused: 'not used by its authors',
  setAside: 'set aside by its authors for marks in the picture',
  butterfly: 'of the Butterfly gallery, which the repository may not pass on',
  unlicensed: 'without a free licence, so not in the repository',
  absent: 'not in the repository, as the table says',
  format: 'in a format that is not known',
  missing: 'missing, although the table says that it is in the repository',
} as const;

type Kind = 'video' | 'image';

interface MediaFile {
  readonly path: string;
  readonly kind: Kind | null;
  /** `convex`, `linear`: the folder below `pocus_videos`, in small letters. */
  readonly probe: string;
  /** Names that a row may call it by: without its extension, with it, and without two of them. */
  readonly names: readonly string[];
}

/** Where the table lies: in `data/` of a clone, or in the folder itself; undefined for another folder. */
export function baseOf(root: string): string | undefined {
  return ['data', ''].find((base) => existsSync(join(root, base, TABLE)));
}

/** The plan of a clone whose table lies in `base`. */
export function planRepository(root: string, base: string, stills: boolean): RecipePlan {
  const table = join(root, base, TABLE);
  const rejected: Rejection[] = [];
  const files = (['video', 'image'] as const).flatMap((kind) => mediaIn(root, base, kind, rejected));
  if (files.length === 0) {
    const place = joinRelative(base, FOLDERS.video);
    const found = `there are no videos in ${place}${contentsOf(join(root, base))}`;
    throw folderError('pocus', root, `${joinRelative(base, TABLE)} and the clips in ${place}`, found);
  }
  const licences: string[] = [];
  const others: string[] = [];
  const absent = new Map<string, string[]>();
  const taken = new Set<MediaFile>();
  const found: { readonly clip: PlannedClip; readonly keys: readonly string[] }[] = [];
  let leftOut = 0;
  for (const row of readCsv(table, [...COLUMNS, SOURCE, PATIENT])) {
    const file = fileOf(row, files, taken);
    if (typeof file === 'string') {
      absent.set(file, [...(absent.get(file) ?? []), nameOf(row)]);
      continue;
    }
    taken.add(file);
    const { path, kind } = file;
    if (kind === 'image' && !stills) {
      leftOut++;
      continue;
    }
    const complaint = fileComplaint(root, path);
    if (complaint !== undefined) {
      rejected.push({ source: path, reason: complaint });
      continue;
    }
    const stated = cell(row, 'label');
    const flags = flagsOf(path, stated);
    const meant = classOf(stated);
    const label = flags.includes('label-uncertain') ? null : meant;
    if (label === null) others.push(meant === null ? stated : `${stated}, label uncertain`);
    const licence = cell(row, 'license');
    licences.push(isStated(licence) ? licence : 'no licence stated');
    const item = { kind: kind === 'image' ? 'still' : 'video', path } as const;
    found.push({ clip: { item, label, group: path, flags }, keys: keysOf(row, path) });
  }
  const keys = found.map((one) => one.keys);
  const groups = joined(keys);
  const clips = found.map(({ clip }, index) => ({ ...clip, group: groups[index]! }));
  const unused = new Set(absent.get(REASONS.unused)?.map(comparable));
  const rest = files.filter((file) => !taken.has(file) && (stills || file.kind !== 'image'));
  for (const { path, kind, names } of rest) {
    const why = names.some((name) => unused.has(name))
      ? 'its authors do not use it'
      : kind === null
        ? `it is ${REASONS.format}`
        : `it has no row in ${joinRelative(base, TABLE)}`;
    rejected.push({ source: path, reason: why });
  }
  const plan = planOf(clips, licences, others, leftOut);
  const notes = [...plan.notes, ...notesOf(clips, keys)];
  return { ...plan, rejected, absent: Object.fromEntries(absent), notes };
}

function mediaIn(root: string, base: string, kind: Kind, rejected: Rejection[]): MediaFile[] {
  const wanted = FOLDERS[kind];
  const folder = readdirSync(join(root, base)).find((name) => name.toLowerCase() === wanted);
  if (folder === undefined) return [];
  const top = joinRelative(base, folder);
  return filesBelow(root, top, rejected).map((path) => ({
    path,
    kind: EXTENSIONS[kind].includes(extensionOf(path)) ? kind : null,
    probe: path
      .slice(top.length + 1)
      .split('/')[0]!
      .toLowerCase(),
    names: namesOf(fileNameOf(path)),
  }));
}

/** `clip..mp4` and `clip.mov.mp4` are called `clip`, and so is `clip .mpeg`. */
function namesOf(file: string): string[] {
  const stem = file.replace(/\.[^.]+$/, '');
  const known = [...EXTENSIONS.video, ...EXTENSIONS.image];
  const bare = known.includes(extensionOf(stem)) ? stem.replace(/\.[^.]+$/, '') : stem;
  return [...new Set([file, stem, bare].map(comparable))];
}

function comparable(name: string): string {
  return name
    .normalize('NFC')
    .replace(/[\s.]+$/, '')
    .trim();
}

/** The file of a row, or why it has none. A name in the very letters wins over one in others, the row's folder over others. */
function fileOf(row: CsvRow, files: readonly MediaFile[], taken: ReadonlySet<MediaFile>): MediaFile | string {
  const location = cell(row, 'current location').toLowerCase();
  if (/^not[ _](used|to[ _]use)/.test(location)) return REASONS.unused;
  if (location.endsWith('data_with_artifacts')) return REASONS.setAside;
  const name = comparable(nameOf(row));
  const parts = location.split('/');
  const place = parts.findIndex((part) => part === FOLDERS.video || part === FOLDERS.image);
  const kind = cell(row, 'type').toLowerCase();
  const probe = (place === -1 ? undefined : parts[place + 1]) ?? cell(row, 'probe').toLowerCase();
  const folder = place === -1 ? '' : `/${parts.slice(place).join('/')}/`;
  const near = files.filter((file) => file.probe === probe && !taken.has(file));
  const isHere = ({ path }: MediaFile): boolean =>
    `/${path.toLowerCase().slice(0, path.lastIndexOf('/') + 1)}`.endsWith(folder);
  const exact = near.filter(({ names }) => names.includes(name));
  const loose = near.filter(({ names }) => names.some((other) => other.toLowerCase() === name.toLowerCase()));
  const tiers = [exact.filter(isHere), exact, loose.filter(isHere), loose];
  const media = tiers
    .map((tier) => tier.filter((file) => file.kind === kind))
    .find(({ length }) => length > 0);
  if (media !== undefined) return media[0]!;
  if (exact.some((file) => file.kind === null)) return REASONS.format;
  if (location.startsWith('butterfly')) return REASONS.butterfly;
  if (/^yes$/i.test(cell(row, 'inthisrepo'))) return REASONS.missing;
  return isStated(cell(row, 'license')) ? REASONS.absent : REASONS.unlicensed;
}

/** What ties a clip to others. */
function keysOf(row: CsvRow, path: string): readonly string[] {
  const session = /northumbria_\d+(?:_set\d+)?/i.exec(fileNameOf(path))?.[0].toLowerCase();
  const patient = cell(row, PATIENT);
  const source = cell(row, SOURCE);
  const keys = told([session !== undefined && session, isStated(patient) && `pid${patient}`]);
  if (keys.length > 0) return keys;
  return [isStated(source) ? `source-${source}` : path];
}

function notesOf(clips: readonly PlannedClip[], keys: readonly (readonly string[])[]): string[] {
  const bySession = keys.filter(([first]) => first!.startsWith('northumbria_'));
  const bySource = keys.filter(([first]) => first!.startsWith('source-'));
  const labelled = clips.flatMap(({ label, group }, index) =>
    label === null ? [] : [{ group, own: keys[index]!.at(-1) }],
  );
  const [groups, ids] = [labelled.map(({ group }) => group), labelled.map(({ own }) => own)];
  return told([
    bySession.length > 0 &&
      `${bySession.length} Northumbria clips were grouped by session, although the table gives them an id each: the ` +
        `${labelled.length} labelled clips have ${new Set(ids).size} ids and come in ${new Set(groups).size} groups.`,
    bySource.length > 0 && `${bySource.length} clips have no patient id and were grouped by their source.`,
  ]);
}

function nameOf(row: CsvRow): string {
  return cell(row, 'filename');
}

function isStated(value: string): boolean {
  return !/^(|none|nan|nd|n\/a|n\.a\.|unknown|image not found)$/i.test(value);
}

/** What the labels mean, whichever table they stand in. */
const CLASSES: Readonly<Record<string, string>> = {
  'covid-19': 'covid',
  'bacterial pneumonia': 'pneumonia',
  regular: 'regular',
};

/** The benchmark's class of a label, whatever its capitals; null for a label outside of the benchmark. */
export function classOf(label: string): string | null {
  return CLASSES[label.toLowerCase()] ?? null;
}

export function flagsOf(path: string, label: string): string[] {
  return told([
    label.toLowerCase() === 'viral pneumonia' && 'viral-pneumonia',
    /\/linear\//i.test(path) && 'linear-probe',
    path.includes('/label_uncertain/') && 'label-uncertain',
  ]);
}

/** What both tables come to. */
export function planOf(
  clips: readonly PlannedClip[],
  licences: readonly string[],
  others: readonly string[],
  leftOut: number,
): RecipePlan {
  return {
    licence: `per file: ${countsAsText(licences)}`,
    classes: ['covid', 'pneumonia', 'regular'],
    clips: sorted(clips),
    notes: told([
      leftOut > 0 && `${leftOut} stills were left out.`,
      others.length > 0 && `Outside the three benchmark classes, so unlabelled: ${countsAsText(others)}.`,
    ]),
  };
}
