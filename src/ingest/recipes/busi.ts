/**
 * BUSI (Al-Dhabyani et al. 2020): breast stills with lesion masks, one-frame clips here. As published it has no patients
 * and many near-duplicates, some of them in two classes. Groups are those of a table (`manifest.csv`, column
 * `near_dup_group`) where there is one, and otherwise found by their looks, so that a split by group keeps
 * near-duplicates together.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { groupBy, told } from '../../base/collect.ts';
import { readCsv } from '../../formats/csv.ts';
import {
  accessComplaint,
  compareNatural,
  fileComplaint,
  folderOf,
  joinRelative,
  spellingOf,
} from '../common/paths.ts';
import type { PlannedClip, Rejection } from '../common/ingest-plan.ts';
import { lookAlikes } from './look-alikes.ts';
import type { Recipe, RecipeContext, RecipePlan } from './recipe.ts';
import { cell, folderError, rowError, sorted } from './recipe.ts';

const CLASSES = ['benign', 'malignant', 'normal'] as const;

/** Name of the folder in the published archive. */
const PUBLISHED = 'Dataset_BUSI_with_GT';

export const busi = {
  name: 'busi',
  about: '780 breast stills with lesion masks (437 benign, 210 malignant, 133 normal)',
  layout:
    'benign/, malignant/ and normal/ with NAME (n).png and NAME (n)_mask.png, _mask_1.png, … as published (in ' +
    `${PUBLISHED}/ or not); a manifest.csv with the columns image, label, masks and near_dup_group is used where present`,
  from: 'Download the archive from the page of its authors.',
  licence: 'not stated by the publisher; for research',
  citation:
    'Al-Dhabyani W, Gomaa M, Khaled H, Fahmy A. Dataset of breast ultrasound images. Data in Brief 2020, 28, 104863. ' +
    'doi:10.1016/j.dib.2019.104863',
  homepage: 'https://scholar.cu.edu.eg/?q=afahmy/pages/dataset',
  classes: CLASSES.join(', '),
  groups: 'near_dup_group of manifest.csv; without it, pictures that look alike (patients are not known)',
  caution:
    'Near-duplicates, some in two classes, text and callipers in the pixels (Pawłowska et al., Data in Brief 2023, 48, ' +
    '109247): split by group.',
  options: {},
  commands: ['uscl ingest Dataset_BUSI_with_GT --recipe busi --out busi'],
  recognises: (root) =>
    ['', PUBLISHED].some((base) => CLASSES.slice(0, 2).every((name) => existsSync(join(root, base, name)))),
  plan,
} as const satisfies Recipe;

interface Image {
  readonly path: string;
  readonly label: string;
  readonly masks: readonly string[];
}

async function plan({ root, signal }: RecipeContext): Promise<RecipePlan> {
  const base = existsSync(join(root, PUBLISHED)) ? PUBLISHED : '';
  const withTable = existsSync(join(root, base, 'manifest.csv'));
  const { clips, ...rest } = withTable ? fromTable(root, base) : await fromNames(root, base, signal);
  const without = clips.filter(({ masks }) => masks === undefined).length;
  const mixed = [...groupBy(clips, ({ group }) => group).values()].filter(
    (own) => new Set(own.map(({ label }) => label)).size > 1,
  ).length;
  const notes = told([
    ...rest.notes,
    without > 0 && `${without} pictures have no mask.`,
    mixed > 0 && `${mixed} groups hold pictures of several classes: look at them, a label may be wrong.`,
  ]);
  return { ...rest, classes: CLASSES, clips: sorted(clips), notes };
}

type Found = Omit<RecipePlan, 'classes'>;

/** Labels, masks and groups as a table says. Pictures that it does not name are left out. */
function fromTable(root: string, base: string): Found {
  const path = joinRelative(base, 'manifest.csv');
  const table = join(root, path);
  const clips: PlannedClip[] = [];
  const rejected: Rejection[] = [];
  const seen = new Set<string>();
  for (const row of readCsv(table, ['image', 'label', 'masks', 'near_dup_group'])) {
    const name = spellingOf(root, joinRelative(base, cell(row, 'image')));
    const label = CLASSES.find((known) => known === cell(row, 'label'));
    const group = cell(row, 'near_dup_group');
    if (label === undefined)
      throw rowError(table, row, `The label is "${cell(row, 'label')}"; known are ${CLASSES.join(', ')}.`);
    if (group === '') throw rowError(table, row, 'The row has no near_dup_group.');
    if (seen.has(name)) throw rowError(table, row, `The picture ${name} already has a row.`);
    seen.add(name);
    // Masks lie beside their picture.
    const folder = folderOf(name);
    const masks = cell(row, 'masks')
      .split(';')
      .map((mask) => mask.trim())
      .filter((mask) => mask !== '')
      .map((mask) => spellingOf(root, joinRelative(folder, mask)));
    take({ path: name, label, masks }, `near-dup-${group}`, root, clips, rejected);
  }
  const unnamed = imagesIn(root, base).images.filter((image) => !seen.has(image.path)).length;
  const notes = told([unnamed > 0 && `${unnamed} pictures have no row in ${path} and were left out.`]);
  return { clips, rejected, notes };
}

/** Labels from folders, masks by their names, groups by looks. */
async function fromNames(root: string, base: string, signal: AbortSignal | undefined): Promise<Found> {
  const { images, rejected, ignored } = imagesIn(root, base);
  if (images.length === 0) {
    const inBase = base === '' ? root : join(root, base);
    const found = `there are no pictures in such folders in ${inBase}`;
    throw folderError('busi', root, `${CLASSES.join(', ')} below it`, found);
  }
  const clips: PlannedClip[] = [];
  const groups = await lookAlikes(
    root,
    images.map(({ path }) => path),
    signal,
  );
  for (const [index, image] of images.entries()) take(image, groups[index]!, root, clips, rejected);
  const joined = [...groupBy(clips, ({ group }) => group).values()].filter(({ length }) => length > 1);
  const missing = CLASSES.filter((name) => !existsSync(join(root, base, name)));
  const notes = told([
    `Groups were found by looks: ${joined.flat().length} pictures are in ${joined.length} groups of near-duplicates. Patients are not known.`,
    missing.length > 0 && `There is no folder ${missing.join(' and no folder ')}.`,
  ]);
  return { clips, rejected, ignored, notes };
}

/** A picture becomes a clip if it and all its masks are there: half of a lesion's outline would be a wrong one. */
function take(image: Image, group: string, root: string, clips: PlannedClip[], rejected: Rejection[]): void {
  const { path, label, masks } = image;
  const complaint = fileComplaint(root, path);
  const bad = masks.find((mask) => fileComplaint(root, mask) !== undefined);
  if (complaint !== undefined) rejected.push({ source: path, reason: complaint });
  else if (bad !== undefined)
    rejected.push({ source: path, reason: `its mask ${bad}: ${fileComplaint(root, bad) ?? ''}` });
  else
    clips.push({
      item: { kind: 'still', path },
      label,
      group,
      flags: masks.length > 1 ? ['several-lesions'] : [],
      ...(masks.length > 0 ? { masks } : {}),
    });
}

/** Pictures of the three folders with their masks, in natural order; masks without a picture are rejected. */
function imagesIn(root: string, base: string): { images: Image[]; rejected: Rejection[]; ignored: number } {
  const images: Image[] = [];
  const rejected: Rejection[] = [];
  let ignored = 0;
  for (const label of CLASSES) {
    const folder = joinRelative(base, label);
    if (!existsSync(join(root, folder))) continue;
    let names: string[] = [];
    try {
      names = readdirSync(join(root, folder)).sort(compareNatural);
    } catch (thrown) {
      rejected.push({ source: folder, reason: accessComplaint(thrown, folder) });
    }
    const pictures = names.filter((name) => /^[^.].*\.png$/is.test(name));
    ignored += names.length - pictures.length;
    const masksOf = groupBy(pictures, pictureOfMask);
    for (const name of masksOf.get(undefined) ?? []) {
      const stem = name.slice(0, -'.png'.length);
      const masks = masksOf.get(stem) ?? [];
      images.push({ path: `${folder}/${name}`, label, masks: masks.map((mask) => `${folder}/${mask}`) });
      masksOf.delete(stem);
    }
    masksOf.delete(undefined);
    for (const mask of [...masksOf.values()].flat())
      rejected.push({
        source: `${folder}/${mask}`,
        reason: 'it is the mask of a picture that is not there',
      });
  }
  return { images, rejected, ignored };
}

/** `benign (4)` for `benign (4)_mask_1.png`; undefined for a picture. */
function pictureOfMask(name: string): string | undefined {
  return /^(.+)_mask(?:_\d+)?\.png$/is.exec(name)?.[1];
}
