/**
 * US-4 (Chen et al. 2021) and the part of it that was released, in the layout of USCL's reference code: a folder of
 * frames a video, at any depth; the first letters of the folder's name are its class. `us4` merges the sixteen codes of
 * the four parts into twelve classes as that code does, in its order; `butterfly` takes the two codes of its part.
 */
import { readdirSync } from 'node:fs';
import { basename } from 'node:path';
import { told } from '../../base/collect.ts';
import { discover } from '../folders/discover.ts';
import { fileNameOf } from '../common/paths.ts';
import type { PlannedClip, Rejection } from '../common/ingest-plan.ts';
import { folderError, type Recipe, type RecipeContext, type RecipePlan } from './recipe.ts';

interface Code {
  /** What the name of a video's folder begins with. */
  readonly prefix: string;
  readonly label: string;
  /** The part of US-4 it comes from; becomes a flag. */
  readonly part: string;
}

const code = (prefix: string, label: string, part: string): Code => ({ prefix, label, part });

/** Codes in the order of the reference code's class numbers 0 to 11. */
const US4_CODES: readonly Code[] = [
  ...[1, 2, 3, 4, 5].map((organ) => code(`Rb${organ}`, `rb${organ}`, 'clust')),
  ...[0, 1, 2, 3, 4].map((grade) => code(`F${grade}_`, `fibrosis-${grade}`, 'liver-fibrosis')),
  code('Reg', 'lung-normal', 'butterfly'),
  code('Ali', 'lung-normal', 'lusms'),
  code('Cov', 'lung-abnormal', 'butterfly'),
  ...['Bli', 'Ple', 'Oth'].map((prefix) => code(prefix, 'lung-abnormal', 'lusms')),
];

const BUTTERFLY_CODES = [code('Reg', 'regular', 'butterfly'), code('Cov', 'covid', 'butterfly')];

const CITATION =
  'Chen Y, Zhang C, Liu L, et al. USCL: Pretraining Deep Ultrasound Image Diagnosis Model Through Video Contrastive ' +
  'Representation Learning. MICCAI 2021, LNCS 12908. doi:10.1007/978-3-030-87237-3_60';
const HOMEPAGE = 'https://github.com/983632847/USCL';

export const us4 = {
  name: 'us4',
  about: '1,051 liver and lung videos of four parts, as frames, for pretraining',
  layout:
    'a folder of jpg or png frames a video, whose name begins with the code of its class, such as F2_ or Bli',
  from:
    'Not to be had as a whole: only Butterfly was released (recipe butterfly). CLUST is given to participants of its ' +
    'challenge, Liver Fibrosis and COVID19-LUSMS were not published.',
  licence: 'not stated for US-4; CLUST may be used for its challenge only and not be passed on',
  citation: CITATION,
  homepage: HOMEPAGE,
  classes:
    'rb1 to rb5 (Rb1 … Rb5), fibrosis-0 to fibrosis-4 (F0_ … F4_), lung-normal (Reg, Ali), lung-abnormal (Cov, Bli, Ple, Oth)',
  groups: 'videos; which of them are of one patient is not known',
  caution:
    'POCUS draws on the same Butterfly gallery: run uscl audit before testing there what was pretrained here.',
  options: {},
  commands: ['uscl ingest US-4 --recipe us4 --out us4'],
  recognises: (root) => namedBy(US4_CODES, root) && !namedBy(BUTTERFLY_CODES, root),
  plan: (context) => planCodes('us4', US4_CODES, context),
} as const satisfies Recipe;

export const butterfly = {
  name: 'butterfly',
  about: '22 lung videos (1,533 frames), the released part of US-4',
  layout: 'a folder of jpg or png frames a video, whose name begins with Cov or Reg',
  from: 'Links to the archive are in the README of the repository, under "Train Your Own Model".',
  licence: 'not stated; by its name, clips of Butterfly Network',
  citation: CITATION,
  homepage: HOMEPAGE,
  classes: 'regular (Reg), covid (Cov)',
  groups: 'videos; which of them are of one patient is not known',
  caution: 'POCUS draws on the same gallery: run uscl audit before testing there what was pretrained here.',
  options: {},
  commands: ['uscl ingest Butterfly --recipe butterfly --out butterfly'],
  recognises: (root) => namedBy(BUTTERFLY_CODES, root),
  plan: (context) => planCodes('butterfly', BUTTERFLY_CODES, context),
} as const satisfies Recipe;

/** Whether the names of all folders in `root`, two at least, are a code and something that is no word's next letter. */
function namedBy(codes: readonly Code[], root: string): boolean {
  const folders = readdirSync(root, { withFileTypes: true }).filter(
    (entry) => entry.isDirectory() && !entry.name.startsWith('.'),
  );
  const isCoded = (name: string): boolean =>
    codes.some(
      ({ prefix }) =>
        name.startsWith(prefix) && (prefix.endsWith('_') || /^[-_\d]/.test(name.slice(prefix.length))),
    );
  return folders.length > 1 && folders.every(({ name }) => isCoded(name));
}

async function planCodes(
  name: string,
  codes: readonly Code[],
  { root, skip, signal }: RecipeContext,
): Promise<RecipePlan> {
  const prefixes = codes.map(({ prefix }) => prefix).join(', ');
  const expected = `folders of frames whose names begin with ${prefixes}`;
  const found = await discover(root, { layout: 'frames', skip, signal });
  const clips: PlannedClip[] = [];
  const rejected: Rejection[] = [...found.rejected];
  for (const item of found.items) {
    const folder = item.path === '.' ? basename(root) : fileNameOf(item.path);
    const code = codes.find(({ prefix }) => folder.startsWith(prefix));
    if (item.kind !== 'frames') rejected.push({ source: item.path, reason: 'it is not a folder of frames' });
    else if (code === undefined)
      rejected.push({ source: item.path, reason: `its name begins with none of ${prefixes}` });
    else clips.push({ item, label: code.label, group: item.path, flags: [code.part] });
  }
  if (clips.length === 0) throw folderError(name, root, expected, `there are none in ${root}`);
  const parts = new Set(clips.flatMap(({ flags }) => flags));
  return {
    classes: [...new Set(codes.map(({ label }) => label))],
    clips,
    rejected,
    ignored: found.ignored,
    notes: told([
      'Patients are not known in this set: a group is a video, so folds by group may share patients.',
      parts.has('butterfly') &&
        'POCUS draws on the same Butterfly gallery: run uscl audit before testing there.',
    ]),
  };
}
