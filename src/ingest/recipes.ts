/**
 * Recipes for public sets: where labels and groups are, what they mean, and under which licence the frames stand.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { UsclError } from '../base/errors.ts';
import type { CsvRow } from './csv.ts';
import { readCsv } from './csv.ts';
import { compareText, fileComplaint, stemOf } from './paths.ts';
import type { IngestPlan, PlannedClip, Rejection } from './plan.ts';

export const RECIPES = ['pocus', 'covid-blues'] as const;
export type RecipeName = (typeof RECIPES)[number];

export const BLUES_LABELS = ['severity', 'a-lines', 'b-lines'] as const;

export interface RecipeOptions {
  /** `covid-blues`: what to label the clips with (required there). */
  readonly label?: string | undefined;
  /** `pocus`: whether stills become one-frame clips (default: left out). */
  readonly stills?: boolean | undefined;
}

/** Plans the ingest of a public set. Errors: `RECIPE_OPTION`, `RECIPE_FOLDER`, those of `readCsv`. */
export function planRecipe(recipe: RecipeName, root: string, options: RecipeOptions): IngestPlan {
  switch (recipe) {
    case 'pocus':
      if (options.label !== undefined)
        throw optionError('The recipe pocus has one set of labels and takes no label option.');
      return planPocus(root, options.stills ?? false);
    case 'covid-blues':
      if (options.stills !== undefined)
        throw optionError('The recipe covid-blues has no stills to include or leave out.');
      return planBlues(root, options.label);
  }
}

const POCUS_CLASSES: Readonly<Record<string, string>> = {
  'COVID-19': 'covid',
  'Bacterial pneumonia': 'pneumonia',
  regular: 'regular',
};

/**
 * POCUS (Born et al. 2021). Classes of its three-class benchmark: covid, pneumonia (bacterial), regular. The
 * benchmark leaves viral pneumonia out, as too rare, so those clips come in unlabelled (flag `viral-pneumonia`): fit
 * for pretraining, invisible to a probe. Groups are `suggested_group`, since patient ids are incomplete. Stills are
 * left out unless asked for: they are scans from articles, and few.
 */
function planPocus(root: string, withStills: boolean): IngestPlan {
  const table = join(root, 'manifest.csv');
  requirePaths('pocus', root, ['manifest.csv', 'pocus_videos']);
  const rows = readCsv(table, ['path', 'kind', 'label', 'license', 'suggested_group']);
  const clips: PlannedClip[] = [];
  const rejected: Rejection[] = [];
  const licences = new Map<string, number>();
  const others = new Map<string, number>();
  let leftOut = 0;
  for (const row of rows) {
    const path = cell(row, 'path');
    const kind = cell(row, 'kind');
    const label = cell(row, 'label');
    if (kind === 'image' && !withStills) {
      leftOut++;
      continue;
    }
    if (kind !== 'image' && kind !== 'video')
      throw rowError(table, row, `The kind is "${kind}"; known are video and image.`);
    const group = cell(row, 'suggested_group');
    if (group === '') throw rowError(table, row, 'The row has no suggested_group.');
    const complaint = fileComplaint(root, path);
    if (complaint !== undefined) {
      rejected.push({ source: path, reason: complaint });
      continue;
    }
    const known = POCUS_CLASSES[label];
    if (known === undefined) others.set(label, (others.get(label) ?? 0) + 1);
    const licence = cell(row, 'license') || 'no licence stated';
    licences.set(licence, (licences.get(licence) ?? 0) + 1);
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
    name: 'pocus',
    licence: `per file: ${countsAsText(licences)}`,
    citation:
      'Born J, Wiedemann N, Cossio M, et al. Accelerating Detection of Lung Pathologies with Explainable Ultrasound ' +
      'Image Analysis. Applied Sciences 2021, 11(2), 672. doi:10.3390/app11020672',
    homepage: 'https://github.com/jannisborn/covid19_ultrasound',
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

const BLUES_COLUMNS = { severity: 'severity score', 'a-lines': 'a-lines', 'b-lines': 'b-lines' } as const;
const BLUES_CLASSES = {
  severity: ['severity-0', 'severity-1', 'severity-2', 'severity-3'],
  'a-lines': ['no-a-lines', 'a-lines'],
  'b-lines': ['no-b-lines', 'b-lines'],
} as const;

/**
 * COVID-BLUES (Wiedemann et al. 2025): `lus_videos/patient_<ID>_<POINT>.mp4` and `severity.csv`. Groups are patients.
 * Labels: severity 0 to 3, or whether A-lines or B-lines are seen.
 */
function planBlues(root: string, labelOption: string | undefined): IngestPlan {
  const kind = BLUES_LABELS.find((name) => name === labelOption);
  if (kind === undefined) {
    throw optionError(
      `The recipe covid-blues needs to know which label: ${BLUES_LABELS.join(', ')}${labelOption === undefined ? '' : `; not "${labelOption}"`}.`,
    );
  }
  requirePaths('covid-blues', root, ['severity.csv', 'lus_videos']);
  const table = join(root, 'severity.csv');
  const rows = readCsv(table, ['video_file', ...Object.values(BLUES_COLUMNS)]);
  const rowOf = new Map<string, CsvRow>();
  for (const row of rows) {
    const name = cell(row, 'video_file');
    if (rowOf.has(name)) throw rowError(table, row, `The video ${name} already has a row.`);
    rowOf.set(name, row);
  }
  const clips: PlannedClip[] = [];
  const rejected: Rejection[] = [];
  const withoutRow: string[] = [];
  for (const name of readdirSync(join(root, 'lus_videos')).filter((file) => /^[^.].*\.mp4$/i.test(file))) {
    const path = `lus_videos/${name}`;
    const patient = /^patient_(\d+)_/.exec(name)?.[1];
    const complaint =
      fileComplaint(root, path) ?? (patient === undefined ? 'its name does not tell the patient' : undefined);
    if (complaint !== undefined) {
      rejected.push({ source: path, reason: complaint });
      continue;
    }
    const row = rowOf.get(stemOf(path));
    rowOf.delete(stemOf(path));
    if (row === undefined) withoutRow.push(path);
    const label = row === undefined ? null : bluesLabel(kind, cell(row, BLUES_COLUMNS[kind]), table, row);
    clips.push({ item: { kind: 'video', path }, label, group: `patient_${patient}`, flags: [] });
  }
  return {
    name: `covid-blues ${kind}`,
    licence: 'CC BY-NC-ND 4.0',
    citation:
      'Wiedemann N, de Korte-de Boer D, Richter M, et al. COVID-BLUeS - A Prospective Study on the Value of AI in Lung ' +
      'Ultrasound Analysis. IEEE Journal of Biomedical and Health Informatics 2025, 29(9), 6301-6310. ' +
      'doi:10.1109/JBHI.2025.3543686',
    homepage: 'https://github.com/NinaWie/COVID-BLUES',
    classes: BLUES_CLASSES[kind],
    clips: sorted(clips),
    rejected,
    unmatchedLabels: [...rowOf.keys()],
    withoutRow,
    ignored: 0,
    notes: [],
  };
}

function bluesLabel(
  kind: (typeof BLUES_LABELS)[number],
  value: string,
  table: string,
  row: CsvRow,
): string | null {
  if (value === '') return null;
  if (kind === 'severity') {
    const label = `severity-${Number(value)}`;
    if ((BLUES_CLASSES.severity as readonly string[]).includes(label)) return label;
    throw rowError(table, row, `The severity score is "${value}"; known are 0, 1, 2 and 3.`);
  }
  const answer = value.toLowerCase();
  if (answer === 'yes') return kind;
  if (answer === 'no') return `no-${kind}`;
  throw rowError(table, row, `The column ${BLUES_COLUMNS[kind]} says "${value}"; known are yes and no.`);
}

function cell(row: CsvRow, column: string): string {
  return row.cells.get(column) ?? '';
}

function sorted(clips: readonly PlannedClip[]): PlannedClip[] {
  return [...clips].sort((a, b) => compareText(a.item.path, b.item.path));
}

function countsAsText(counts: ReadonlyMap<string, number>): string {
  const names = [...counts.keys()].sort(compareText);
  return names.map((name) => `${name} (${counts.get(name) ?? 0})`).join(', ');
}

function requirePaths(recipe: RecipeName, root: string, names: readonly string[]): void {
  const missing = names.find((name) => !existsSync(join(root, name)));
  if (missing === undefined) return;
  throw new UsclError({
    kind: 'data',
    code: 'RECIPE_FOLDER',
    message: `The recipe ${recipe} expects a folder with ${names.join(' and ')}; ${root} has no ${missing}.`,
    where: root,
    remedy: 'Give the top folder of the set as it was published (docs/datasets.md says where to get it).',
  });
}

function optionError(message: string): UsclError {
  return new UsclError({
    kind: 'usage',
    code: 'RECIPE_OPTION',
    message,
    remedy: `covid-blues takes --label ${BLUES_LABELS.join('|')}; pocus takes --stills.`,
  });
}

function rowError(table: string, row: CsvRow, message: string): UsclError {
  return new UsclError({
    kind: 'data',
    code: 'RECIPE_ROW',
    message,
    where: `${table}, line ${row.line}`,
    remedy: 'Mend the row or remove it.',
  });
}
