/**
 * From a source folder and options to the plan of an ingest: by a recipe, or by looking what is there. Where there is
 * DICOM among it, or a key is given, names of files and folders may be names of patients: then the plan gives every
 * clip another name, and says of every refusal what may be written.
 */
import { compareText, told } from '../base/collect.ts';
import { realpathSync, statSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { dataError, messageOf, systemCode } from '../base/errors.ts';
import { pseudonym, type PseudonymKey } from './dicom/identity.ts';
import { planDicom } from './dicom/dicom-plan.ts';
import { discover, type Discovery } from './folders/discover.ts';
import type { IngestPlan, PlannedClip, Rejection, Warning } from './common/ingest-plan.ts';
import { hasClassFolders, labelsOf } from './folders/labels.ts';
import type { IngestOptions } from './options.ts';
import { type ProbableMask, probableMasks } from './masks/names.ts';
import { planRecipe, recipeLike } from './recipes/recipes.ts';

export interface Planned {
  readonly plan: IngestPlan;
  /** Real path that the plan's paths are relative to. */
  readonly root: string;
  /** Whether paths may name patients, so that none may be written. */
  readonly isPrivate: boolean;
}

/** What a plan depends on. Without `out`, nothing in the source is passed over as the place of the dataset. */
export type PlanningOptions = Pick<
  IngestOptions,
  'source' | 'labels' | 'recipe' | 'recipeOptions' | 'pictures' | 'signal'
> &
  Partial<Pick<IngestOptions, 'out'>>;

/** Errors: `SOURCE_MISSING`, `SOURCE_UNREADABLE`, those of label tables and recipes. */
export async function planIngest(options: PlanningOptions, key: PseudonymKey | null): Promise<Planned> {
  const { labels, recipe, pictures: layout = 'auto', signal } = options;
  const real = realSource(options.source);
  const skip = options.out === undefined ? undefined : resolve(options.out);
  if (recipe !== undefined) {
    const plan = await planRecipe(recipe, real, { ...options.recipeOptions, labels }, { skip, signal });
    return { root: real, isPrivate: key !== null, plan: key === null ? plan : pseudonymous(plan, key) };
  }
  const found = await discover(real, { layout, skip, signal });
  const { items, rejected, ignored, indices } = found;
  // Paths are relative to the source folder, also where the source is one file in it.
  const root = statSync(real).isFile() ? dirname(real) : real;
  const hasDicom = items.some(({ kind }) => kind === 'dicom');
  const isPrivate = hasDicom || key !== null;
  // Folders of DICOM files are named after patients and studies, not after classes; with a key any may be.
  const labelled = labelsOf(items, labels, !isPrivate);
  const like = recipeLike(real);
  const maskPairs = isPrivate ? [] : await probableMasks(root, items);
  const notes = told([
    ...folderNotes(found),
    key !== null &&
      labels === undefined &&
      hasClassFolders(items) &&
      'With a key file no folder gives a label, since its name may be a patient’s: give labels with --labels.',
    labelled.fromFolders && `Labels are the names of the class folders: ${labelled.classes.join(', ')}.`,
    ...indices.map((path) => `${path} was passed over: what it lists is found without it.`),
  ]);
  const plan = {
    ...{ name: basename(real), licence: null, citation: null, homepage: null },
    ...labelled,
    ...{ rejected, ignored, notes },
    warnings: [...lookalikeWarnings(like), ...maskWarnings(maskPairs, like?.name), ...folderWarnings(found)],
    looksLike: like?.name ?? (maskPairs.length > 0 ? 'masks' : undefined),
  };
  if (hasDicom) return { root, isPrivate, plan: await withoutNames(plan, root, key, signal) };
  return { root, isPrivate, plan: key === null ? plan : { ...pseudonymous(plan, key), name: 'clips' } };
}

/**
 * Names clips by their paths under the key, and groups that are given by what they are called, as those of DICOM clips
 * are. Clips come in the order of these names: by path, their places would tell where names stand in the alphabet.
 */
function pseudonymous(plan: IngestPlan, key: PseudonymKey): IngestPlan {
  const clips = plan.clips.map((clip): PlannedClip & { readonly name: string } => {
    const { item, group } = clip;
    const name = `${item.kind}-${pseudonym(key, 'path', item.path.normalize('NFC'))}`;
    return { ...clip, name, group: group === item.path ? name : pseudonym(key, 'group', group) };
  });
  return {
    ...plan,
    clips: clips.sort((a, b) => compareText(a.name, b.name)),
    rejected: plan.rejected.map(nameless),
  };
}

/** Tells of a public set, whose labels and groups are not to be guessed from names. */
function lookalikeWarnings(like: ReturnType<typeof recipeLike>): Warning[] {
  if (like === undefined) return [];
  const message = `This looks like ${like.about}: --recipe ${like.name} reads its labels and groups (uscl recipes ${like.name}).`;
  return [{ code: 'looks-like-recipe', message, about: [like.name] }];
}

/** Masks that would be clips like any other, all alike. */
function maskWarnings(pairs: readonly ProbableMask[], recipe: string | undefined): Warning[] {
  const [first] = pairs;
  if (first === undefined) return [];
  const message =
    `${pairs.length} pictures are probably masks of others, such as ${first.mask} of ${first.picture}; here they become ` +
    `clips or frames. --recipe ${recipe ?? 'masks'} takes them as masks.`;
  return [{ code: 'probably-masks', message, about: pairs.map(({ mask }) => mask) }];
}

/** How folders of pictures were read. */
function folderNotes({ items, shared, separate }: Discovery): string[] {
  const taken = shared.filter((one) => one.taken);
  const parted = taken.reduce((sum, { clips }) => sum + clips.length, 0);
  const whole = items.filter(({ kind }) => kind === 'frames').length - parted;
  return told([
    whole === 1 && '1 folder of pictures was read as the frames of one clip.',
    whole > 1 && `${whole} folders of pictures were read as the frames of one clip each.`,
    parted > 0 &&
      `${foldersOf(taken)} ${taken.length === 1 ? 'holds' : 'hold'} frames of several clips, told apart by their names: ${parted} clips, such as ${taken[0]?.clips.slice(0, 3).join(', ')}. If a folder is one clip, say --pictures frames; if their pictures are separate, --pictures stills.`,
    ...separate.map(
      ({ folder, reason }) =>
        `The pictures in ${folder} were taken as separate stills: ${reason}. If they are frames of one clip, say --pictures frames.`,
    ),
  ]);
}

function foldersOf({ length }: readonly unknown[]): string {
  return length === 1 ? '1 folder' : `${length} folders`;
}

/** Folders whose names tell of several clips and that were not read as such. */
function folderWarnings({ shared, items }: Discovery): Warning[] {
  const others = shared.filter(({ taken }) => !taken);
  const [first] = others;
  if (first === undefined) return [];
  const example = `${first.folder === '' ? 'the source folder' : first.folder}: ${first.clips.slice(0, 3).join(', ')}`;
  const what = items.some(({ kind }) => kind === 'frames')
    ? 'and --pictures frames made one clip of each folder: pairs of frames would mix patients. Say --pictures auto for a clip each.'
    : 'but they differ in size within a clip, so every picture became a clip and a group of its own: give groups with --labels, or say --pictures frames where a folder is one clip.';
  const message = `By their names the pictures of ${foldersOf(others)} are frames of several clips (${example}), ${what}`;
  return [{ code: 'several-clips-in-folder', message, about: others.map(({ folder }) => folder) }];
}

/** Gives DICOM clips their names and groups, and others in the same source names that say nothing. */
async function withoutNames(
  plan: IngestPlan,
  root: string,
  key: PseudonymKey | null,
  signal: AbortSignal | undefined,
): Promise<IngestPlan> {
  const ofPath = new Map(plan.clips.map((clip) => [clip.item.path, clip]));
  const paths = plan.clips.filter(({ item }) => item.kind === 'dicom').map(({ item }) => item.path);
  const groupOf = (path: string): string | null => {
    const group = ofPath.get(path)?.group;
    return group === undefined || group === path ? null : group;
  };
  const dicom = await planDicom(root, paths, { key, groupOf, signal });
  const clips = dicom.clips.map(({ path, id, group, flags }): PlannedClip => {
    const label = ofPath.get(path)?.label ?? null;
    return { item: { kind: 'dicom', path }, name: id, group, label, flags };
  });
  const others = plan.clips
    .filter(({ item }) => item.kind !== 'dicom')
    .map((clip): PlannedClip => {
      const isOwn = clip.group === clip.item.path;
      return { ...clip, name: { by: 'content' }, group: isOwn ? clip.group : dicom.nameGroup(clip.group) };
    });
  return {
    ...plan,
    name: 'dicom',
    clips: [...clips, ...others],
    rejected: [...plan.rejected.map(nameless), ...dicom.rejected],
    notes: [...plan.notes, ...dicom.notes],
  };
}

/** A refusal whose path and reason stay on the screen. */
export function nameless(rejection: Rejection): Rejection {
  return { writtenSource: 'file', writtenReason: 'it was not taken', ...rejection };
}

function realSource(source: string): string {
  try {
    const real = realpathSync(source);
    const stat = statSync(real);
    if (stat.isDirectory() || stat.isFile()) return real;
    throw new Error('it is neither a folder nor a file');
  } catch (thrown) {
    const missing = systemCode(thrown) === 'ENOENT' || systemCode(thrown) === 'ENOTDIR';
    throw dataError(
      missing ? 'SOURCE_MISSING' : 'SOURCE_UNREADABLE',
      missing ? `There is nothing at ${source}.` : `Cannot read ${source}: ${messageOf(thrown)}.`,
      'Give a folder of videos, pictures, DICOM files or frame folders that you may read.',
      { where: source, cause: thrown },
    );
  }
}
