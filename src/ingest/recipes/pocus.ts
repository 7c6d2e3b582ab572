/**
 * POCUS (Born et al. 2021). Classes of its three-class benchmark: covid, pneumonia (bacterial), regular. The benchmark
 * leaves viral pneumonia out, as too rare, so those clips come in unlabelled (flag `viral-pneumonia`): fit for
 * pretraining, invisible to a probe. Reads a clone of the repository (`pocus-repository.ts`), or a table of one's own
 * that says what belongs together. Stills are left out unless asked for: they are scans from articles, and few.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readCsv } from '../../formats/csv.ts';
import { fileComplaint, spellingOf } from '../common/paths.ts';
import type { PlannedClip, Rejection } from '../common/ingest-plan.ts';
import { baseOf, classOf, flagsOf, planOf, planRepository, REPOSITORY_TABLE } from './pocus-repository.ts';
import type { Recipe, RecipeContext, RecipePlan } from './recipe.ts';
import { cell, contentsOf, folderError, requirePaths, rowError } from './recipe.ts';

const OWN_TABLE = 'manifest.csv';

export const pocus = {
  name: 'pocus',
  about: 'about 200 lung clips and 60 stills from many public sources',
  layout:
    `the clone as it is: ${REPOSITORY_TABLE}, data/pocus_videos/{convex,linear} and, for --stills, data/pocus_images; or ` +
    `a table of your own, ${OWN_TABLE}, with the columns path, kind (video or image), label, license and suggested_group`,
  from: 'Clone the repository. Clips without a free licence are not in it; its scripts fetch some of them.',
  licence: 'differs from file to file; the dataset counts them',
  citation:
    'Born J, Wiedemann N, Cossio M, et al. Accelerating Detection of Lung Pathologies with Explainable Ultrasound ' +
    'Image Analysis. Applied Sciences 2021, 11(2), 672. doi:10.3390/app11020672',
  homepage: 'https://github.com/jannisborn/covid19_ultrasound',
  classes: 'covid, pneumonia (bacterial), regular; viral pneumonia comes in unlabelled',
  groups:
    'patient ids, but sessions for the Northumbria clips, which have an id each, and sources where there is no id; ' +
    `suggested_group of ${OWN_TABLE}`,
  caution:
    'Holds clips of the Butterfly gallery, on which US-4 drew too: run uscl audit before testing here what was ' +
    'pretrained there.',
  options: { stills: true },
  commands: [
    'git clone --depth 1 https://github.com/jannisborn/covid19_ultrasound',
    'uscl ingest covid19_ultrasound --recipe pocus --out pocus',
  ],
  recognises: (root) => baseOf(root) !== undefined || hasOwnTable(root),
  plan,
} as const satisfies Recipe;

function hasOwnTable(root: string): boolean {
  return existsSync(join(root, OWN_TABLE)) && existsSync(join(root, 'pocus_videos'));
}

function plan({ root, options }: RecipeContext): RecipePlan {
  const stills = options.stills === true;
  // Who writes a table knows more than the published one says.
  if (existsSync(join(root, OWN_TABLE))) return planOwnTable(root, stills);
  const base = baseOf(root);
  if (base !== undefined) return planRepository(root, base, stills);
  const expected = `${REPOSITORY_TABLE} and data/pocus_videos (a clone of the repository), or ${OWN_TABLE} and pocus_videos (a table of your own)`;
  throw folderError('pocus', root, expected, `${root} has neither table${contentsOf(root)}`);
}

function planOwnTable(root: string, stills: boolean): RecipePlan {
  const table = join(root, OWN_TABLE);
  requirePaths('pocus', root, [OWN_TABLE, 'pocus_videos']);
  const clips: PlannedClip[] = [];
  const rejected: Rejection[] = [];
  const licences: string[] = [];
  const others: string[] = [];
  const seen = new Set<string>();
  let leftOut = 0;
  for (const row of readCsv(table, ['path', 'kind', 'label', 'license', 'suggested_group'])) {
    const kind = cell(row, 'kind');
    const label = cell(row, 'label');
    if (kind === 'image' && !stills) {
      leftOut++;
      continue;
    }
    if (kind !== 'image' && kind !== 'video')
      throw rowError(table, row, `The kind is "${kind}"; known are video and image.`);
    const group = cell(row, 'suggested_group');
    if (group === '') throw rowError(table, row, 'The row has no suggested_group.');
    const path = spellingOf(root, cell(row, 'path'));
    if (seen.has(path)) throw rowError(table, row, `The file ${path} already has a row.`);
    seen.add(path);
    const complaint = fileComplaint(root, path);
    if (complaint !== undefined) {
      rejected.push({ source: path, reason: complaint });
      continue;
    }
    const known = classOf(label);
    if (known === null) others.push(label);
    licences.push(cell(row, 'license') || 'no licence stated');
    clips.push({
      item: { kind: kind === 'image' ? 'still' : 'video', path },
      label: known,
      group,
      flags: flagsOf(path, label),
    });
  }
  return { ...planOf(clips, licences, others, leftOut), rejected };
}
