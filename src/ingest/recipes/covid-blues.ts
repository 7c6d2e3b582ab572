/**
 * COVID-BLUES (Wiedemann et al. 2025): `lus_videos/patient_<ID>_<POINT>.mp4` and `severity.csv`. Groups are patients.
 * Labels: severity 0 to 3, or whether A-lines or B-lines are seen.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type CsvRow, readCsv } from '../../formats/csv.ts';
import { accessComplaint, fileComplaint, stemOf } from '../common/paths.ts';
import type { PlannedClip, Rejection } from '../common/ingest-plan.ts';
import type { Recipe, RecipeContext, RecipePlan } from './recipe.ts';
import { cell, folderError, requirePaths, rowError, sorted } from './recipe.ts';

export const BLUES_LABELS = ['severity', 'a-lines', 'b-lines'] as const;
type BluesLabel = (typeof BLUES_LABELS)[number];

const COLUMNS = { severity: 'severity score', 'a-lines': 'a-lines', 'b-lines': 'b-lines' } as const;
const CLASSES: Readonly<Record<BluesLabel, readonly string[]>> = {
  severity: ['severity-0', 'severity-1', 'severity-2', 'severity-3'],
  'a-lines': ['no-a-lines', 'a-lines'],
  'b-lines': ['no-b-lines', 'b-lines'],
};

export const covidBlues = {
  name: 'covid-blues',
  about: '362 lung clips of 63 patients, one convex probe, six points a patient',
  layout: 'severity.csv and lus_videos/patient_<ID>_<POINT>.mp4',
  from: 'Clone or download the repository.',
  licence: 'CC BY-NC-ND 4.0',
  citation:
    'Wiedemann N, de Korte-de Boer D, Richter M, et al. COVID-BLUeS - A Prospective Study on the Value of AI in Lung ' +
    'Ultrasound Analysis. IEEE Journal of Biomedical and Health Informatics 2025, 29(9), 6301-6310. ' +
    'doi:10.1109/JBHI.2025.3543686',
  homepage: 'https://github.com/NinaWie/COVID-BLUES',
  classes: 'severity-0 to severity-3; or no-a-lines, a-lines; or no-b-lines, b-lines',
  groups: 'patients',
  caution: 'Use it as it is; publish nothing made of its frames.',
  options: { label: BLUES_LABELS },
  commands: [
    'git clone --depth 1 https://github.com/NinaWie/COVID-BLUES covid_blues',
    'uscl ingest covid_blues --recipe covid-blues --label b-lines --out blues',
  ],
  recognises: (root) => ['severity.csv', 'lus_videos'].every((name) => existsSync(join(root, name))),
  plan,
} as const satisfies Recipe;

function plan({ root, options }: RecipeContext): RecipePlan {
  const kind = BLUES_LABELS.find((name) => name === options.label)!;
  requirePaths('covid-blues', root, ['severity.csv', 'lus_videos']);
  const table = join(root, 'severity.csv');
  const rowOf = new Map<string, CsvRow>();
  for (const row of readCsv(table, ['video_file', ...Object.values(COLUMNS)])) {
    const name = cell(row, 'video_file');
    if (rowOf.has(name)) throw rowError(table, row, `The video ${name} already has a row.`);
    rowOf.set(name, row);
  }
  const clips: PlannedClip[] = [];
  const rejected: Rejection[] = [];
  const withoutRow: string[] = [];
  for (const name of videosIn(root)) {
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
    const label = row === undefined ? null : labelOf(kind, cell(row, COLUMNS[kind]), table, row);
    clips.push({ item: { kind: 'video', path }, label, group: `patient_${patient}`, flags: [] });
  }
  return {
    name: `covid-blues ${kind}`,
    classes: CLASSES[kind],
    clips: sorted(clips),
    rejected,
    unmatchedLabels: [...rowOf.keys()],
    withoutRow,
    notes: [],
  };
}

function videosIn(root: string): readonly string[] {
  try {
    return readdirSync(join(root, 'lus_videos')).filter((name) => /^[^.].*\.mp4$/is.test(name));
  } catch (thrown) {
    const why = accessComplaint(thrown, 'lus_videos');
    throw folderError('covid-blues', root, 'a folder lus_videos of mp4 files', `lus_videos: ${why}`);
  }
}

function labelOf(kind: BluesLabel, value: string, table: string, row: CsvRow): string | null {
  if (value === '') return null;
  if (kind === 'severity') {
    const label = `severity-${Number(value)}`;
    if (CLASSES.severity.includes(label)) return label;
    throw rowError(table, row, `The severity score is "${value}"; known are 0, 1, 2 and 3.`);
  }
  const answer = value.toLowerCase();
  if (answer === 'yes') return kind;
  if (answer === 'no') return `no-${kind}`;
  throw rowError(table, row, `The column ${COLUMNS[kind]} says "${value}"; known are yes and no.`);
}
