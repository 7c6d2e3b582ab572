/**
 * POCUS (Born et al. 2021). Classes of its three-class benchmark: covid, pneumonia (bacterial), regular. The benchmark
 * leaves viral pneumonia out, as too rare, so those clips come in unlabelled (flag `viral-pneumonia`): fit for
 * pretraining, invisible to a probe. Groups are `suggested_group`, since patient ids are incomplete. Stills are left
 * out unless asked for: they are scans from articles, and few.
 */
import { join } from 'node:path';
import { readCsv } from '../csv.ts';
import { fileComplaint, spellingOf } from '../paths.ts';
import type { PlannedClip, Rejection } from '../plan.ts';
import type { Recipe, RecipeContext, RecipePlan } from './recipe.ts';
import { cell, count, countsAsText, requirePaths, rowError, sorted } from './recipe.ts';

const CLASSES: Readonly<Record<string, string>> = {
  'COVID-19': 'covid',
  'Bacterial pneumonia': 'pneumonia',
  regular: 'regular',
};

export const pocus = {
  name: 'pocus',
  about: 'lung clips and stills from many public sources',
  layout:
    'manifest.csv with the columns path, kind (video or image), label, license and suggested_group; pocus_videos/, and ' +
    'pocus_images/ for --stills',
  from: 'Clone the repository; some clips are fetched by its scripts. Write the table of what belongs together yourself.',
  licence: 'differs from file to file; the dataset counts them',
  citation:
    'Born J, Wiedemann N, Cossio M, et al. Accelerating Detection of Lung Pathologies with Explainable Ultrasound ' +
    'Image Analysis. Applied Sciences 2021, 11(2), 672. doi:10.3390/app11020672',
  homepage: 'https://github.com/jannisborn/covid19_ultrasound',
  classes: 'covid, pneumonia (bacterial), regular; viral pneumonia comes in unlabelled',
  groups: 'suggested_group of the table',
  caution:
    'Holds clips of the Butterfly gallery, on which US-4 drew too: run uscl audit before testing here what was ' +
    'pretrained there.',
  options: { stills: true },
  plan,
} as const satisfies Recipe;

function plan({ root, options }: RecipeContext): RecipePlan {
  const table = join(root, 'manifest.csv');
  requirePaths('pocus', root, ['manifest.csv', 'pocus_videos']);
  const clips: PlannedClip[] = [];
  const rejected: Rejection[] = [];
  const licences = new Map<string, number>();
  const others = new Map<string, number>();
  const seen = new Set<string>();
  let leftOut = 0;
  for (const row of readCsv(table, ['path', 'kind', 'label', 'license', 'suggested_group'])) {
    const kind = cell(row, 'kind');
    const label = cell(row, 'label');
    if (kind === 'image' && options.stills !== true) {
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
    const known = CLASSES[label];
    if (known === undefined) count(others, label);
    count(licences, cell(row, 'license') || 'no licence stated');
    clips.push({
      item: { kind: kind === 'image' ? 'still' : 'video', path },
      label: known ?? null,
      group,
      flags: [
        ...(label === 'Viral pneumonia' ? ['viral-pneumonia'] : []),
        ...(path.includes('/linear/') ? ['linear-probe'] : []),
        ...(path.includes('/label_uncertain/') ? ['label-uncertain'] : []),
      ],
    });
  }
  return {
    licence: `per file: ${countsAsText(licences)}`,
    classes: ['covid', 'pneumonia', 'regular'],
    clips: sorted(clips),
    rejected,
    unmatchedLabels: [],
    withoutRow: [],
    ignored: 0,
    notes: [
      ...(leftOut > 0 ? [`${leftOut} stills were left out.`] : []),
      ...(others.size > 0
        ? [`Outside the three benchmark classes, so unlabelled: ${countsAsText(others)}.`]
        : []),
    ],
  };
}
