/**
 * From a source folder and options to the plan of an ingest: by a recipe, or by looking what is there. Where there is
 * DICOM among it, names of files and folders may be names of patients: then the plan gives every clip another name,
 * and says of every refusal what may be written.
 */
import { realpathSync, statSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { messageOf, systemCode, UsclError } from '../base/errors.ts';
import type { PseudonymKey } from './dicom/identity.ts';
import { planDicom } from './dicom/plan.ts';
import { discover } from './discover.ts';
import { hasClassFolders, labelsFromFolders, labelsFromTable, unlabelled } from './labels.ts';
import type { IngestOptions } from './options.ts';
import type { IngestPlan, PlannedClip, Rejection } from './plan.ts';
import { planRecipe } from './recipes.ts';

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
  const { labels, recipe, signal } = options;
  const real = realSource(options.source);
  const skip = options.out === undefined ? undefined : resolve(options.out);
  if (recipe !== undefined) {
    const plan = await planRecipe(recipe, real, { ...options.recipeOptions, labels }, { skip, signal });
    return { root: real, isPrivate: false, plan };
  }
  const layout = options.pictures ?? 'auto';
  const { items, rejected, ignored, indices } = await discover(real, { layout, skip, signal });
  // Paths are relative to the source folder, also where the source is one file in it.
  const root = statSync(real).isFile() ? dirname(real) : real;
  const isPrivate = items.some(({ kind }) => kind === 'dicom');
  // Folders of DICOM files are named after patients and studies, not after classes.
  const fromFolders = labels === undefined && !isPrivate && hasClassFolders(items);
  const labelled =
    labels !== undefined
      ? labelsFromTable(items, labels)
      : fromFolders
        ? labelsFromFolders(items)
        : unlabelled(items);
  const folders = items.filter(({ kind }) => kind === 'frames').length;
  const notes = [
    ...(folders > 0 ? [`${folders} folders of pictures were read as the frames of one clip each.`] : []),
    ...(fromFolders ? ['Labels are the names of the class folders.'] : []),
    ...indices.map((path) => `${path} was passed over: what it lists is found without it.`),
  ];
  const about = { name: basename(real), licence: null, citation: null, homepage: null };
  const plan = { ...about, ...labelled, rejected, ignored, notes };
  return { root, isPrivate, plan: isPrivate ? await withoutNames(plan, root, key, signal) : plan };
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
      return {
        ...clip,
        name: { by: 'content' },
        group: isOwn ? clip.group : dicom.nameGroup(clip.group),
      };
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
    throw new UsclError({
      kind: 'data',
      code: missing ? 'SOURCE_MISSING' : 'SOURCE_UNREADABLE',
      message: missing ? `There is nothing at ${source}.` : `Cannot read ${source}: ${messageOf(thrown)}.`,
      where: source,
      remedy: 'Give a folder of videos, pictures, DICOM files or frame folders that you may read.',
      cause: thrown,
    });
  }
}
