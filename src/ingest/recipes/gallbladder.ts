/**
 * Gallbladders of infants with and without biliary atresia (Zhou et al. 2021): hand-made crops of 60 × 60 pixels in
 * `training_data` and `test_data` (another hospital's), each with a `label.csv` without header. The patient is the
 * number before `_`, within a part only: patient 12 of one is not patient 12 of the other.
 *
 * The authors numbered the patients class by class: in the training part the sick have the low numbers. So nothing
 * that follows the number may get into the dataset, neither names nor order: every clip and patient is called by a
 * digest of its file name, and the clips lie in the order of those. Which file a clip came from, its SHA-256 tells.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readCsvWithoutHeader } from '../../formats/csv.ts';
import { compareText, told } from '../../base/collect.ts';
import { extensionOf, fileComplaint, fileNameOf, joinRelative, opaque } from '../common/paths.ts';
import type { PlannedClip, Rejection } from '../common/ingest-plan.ts';
import type { Recipe, RecipeContext, RecipePlan } from './recipe.ts';
import { cell, contentsOf, filesBelow, folderError, joined, rowError } from './recipe.ts';

export const GALLBLADDER_PARTS = ['training', 'test'] as const;
type Part = (typeof GALLBLADDER_PARTS)[number];

const TABLE = 'label.csv';
const CLASSES: Readonly<Record<string, string>> = { '0': 'atresia', '1': 'no-atresia' };

export const gallbladder = {
  name: 'gallbladder',
  about:
    '4,546 gallbladder stills of infants, biliary atresia or not, 60 px (3,705 for training, 841 of other hospitals)',
  layout: `the clone as it is: data/training_data and data/test_data with NUMBER_k.jpg (or .JPG) and ${TABLE} in each`,
  from: 'Clone the repository.',
  licence: 'MIT (the repository)',
  citation:
    'Zhou W, Yang Y, Yu C, et al. Ensembled deep learning model outperforms human experts in diagnosing biliary atresia ' +
    'from sonographic gallbladder images. Nature Communications 2021, 12, 1259. doi:10.1038/s41467-021-21466-z',
  homepage: 'https://github.com/youngyzzZ/Sonographic-Gallbladder-Images-for-BA-Diagnosis',
  classes: 'atresia (0), no-atresia (1)',
  groups: 'patients, the number before _ within a part; patients who share a picture byte for byte are one',
  caution:
    'Pictures are hand-made crops: keep them whole (--crop none). Test on the part of other hospitals only what was not ' +
    'trained on it (--part test).',
  options: { part: GALLBLADDER_PARTS },
  commands: [
    'git clone --depth 1 https://github.com/youngyzzZ/Sonographic-Gallbladder-Images-for-BA-Diagnosis gallbladder',
    'uscl ingest gallbladder --recipe gallbladder --part training --crop none --out ba',
    'uscl ingest gallbladder --recipe gallbladder --part test --crop none --out ba-test',
  ],
  recognises: (root) => GALLBLADDER_PARTS.some((part) => folderOf(root, part) !== undefined),
  plan,
} as const satisfies Recipe;

/** The folder of a part that has a table, in `data/` of a clone or in the folder itself. */
function folderOf(root: string, part: Part): string | undefined {
  return ['data', '']
    .map((base) => joinRelative(base, `${part}_data`))
    .find((folder) => existsSync(join(root, folder, TABLE)));
}

interface Picture {
  readonly path: string;
  readonly label: string;
  readonly part: Part;
  /** The patient, and the picture's bytes. */
  readonly keys: readonly [string, string];
}

function plan({ root, options }: RecipeContext): RecipePlan {
  const tablesOf = (parts: readonly Part[]) => parts.map((part) => `data/${part}_data/${TABLE}`);
  const wanted = GALLBLADDER_PARTS.filter((part) => options.part === undefined || options.part === part);
  const folders = wanted.flatMap((part) => {
    const folder = folderOf(root, part);
    return folder === undefined ? [] : [{ part, folder }];
  });
  if (folders.length === 0) {
    const found = `${root} has no ${tablesOf(wanted).join(' or ')}${contentsOf(root)}`;
    throw folderError('gallbladder', root, tablesOf(GALLBLADDER_PARTS).join(' and '), found);
  }
  const rejected: Rejection[] = [];
  const unmatchedLabels: string[] = [];
  const pictures = folders.flatMap(({ part, folder }) =>
    picturesIn(root, part, folder, rejected, unmatchedLabels),
  );
  const patients = joined(pictures.map(({ keys }) => keys));
  const clips = pictures
    .map(({ path, part, label }, index) => ({
      as: `still-${opaque(`gallbladder/${part}/${fileNameOf(path)}`)}`,
      group: `patient-${opaque(`gallbladder/${patients[index]!}`)}`,
      ...{ path, part, label },
    }))
    .sort((a, b) => compareText(a.as, b.as))
    .map(({ as, group, path, part, label }): PlannedClip => {
      return { item: { kind: 'still', path }, name: { as }, label, group, flags: [`${part}-part`] };
    });
  const numbers = new Set(pictures.map(({ keys: [patient] }) => patient)).size;
  const groups = new Set(patients).size;
  const absent = wanted.filter((part) => folders.every((folder) => folder.part !== part));
  return {
    classes: Object.values(CLASSES),
    clips,
    rejected,
    unmatchedLabels,
    notes: told([
      'Clips and patients are called by digests and lie in their order: the published numbers run by class.',
      groups < numbers &&
        `${numbers} patient numbers came to ${groups} groups: some share pictures byte for byte.`,
      ...absent.map((part) => `There is no ${part} part in this folder.`),
    ]),
  };
}

function picturesIn(
  root: string,
  part: Part,
  folder: string,
  rejected: Rejection[],
  unmatched: string[],
): Picture[] {
  const table = join(root, folder, TABLE);
  const files = filesBelow(root, folder, rejected).filter((path) => /^jpe?g$/.test(extensionOf(path)));
  const byName = new Map(files.map((path) => [path.slice(folder.length + 1), path]));
  const pictures: Picture[] = [];
  const seen = new Map<string, number>();
  for (const row of readCsvWithoutHeader(table, ['file', 'label'])) {
    const name = cell(row, 'file');
    const label = CLASSES[cell(row, 'label')];
    if (label === undefined)
      throw rowError(
        table,
        row,
        `The label of ${name} is "${cell(row, 'label')}"; known are 0 (atresia) and 1 (not).`,
      );
    const earlier = seen.get(name);
    if (earlier !== undefined)
      throw rowError(table, row, `The file ${name} already has a row in line ${earlier}.`);
    seen.set(name, row.line);
    const path = byName.get(name);
    if (path === undefined) {
      unmatched.push(`${folder}/${name}`);
      continue;
    }
    byName.delete(name);
    const number = /^(\d+)_/.exec(name)?.[1];
    const complaint =
      fileComplaint(root, path) ?? (number === undefined ? 'its name does not tell the patient' : undefined);
    if (complaint !== undefined) rejected.push({ source: path, reason: complaint });
    else
      pictures.push({
        path,
        label,
        part,
        keys: [`${part}/${number}`, `sha256:${digestOf(join(root, path))}`],
      });
  }
  for (const path of byName.values())
    rejected.push({ source: path, reason: `it has no row in ${folder}/${TABLE}` });
  return pictures;
}

function digestOf(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}
