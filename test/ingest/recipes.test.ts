/** Recipes over copies of the sets' layout, made on the spot; decoding is tested elsewhere. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ingest } from '../../src/ingest/ingest.ts';
import type { IngestPlan } from '../../src/ingest/common/ingest-plan.ts';
import type { RecipeOptions } from '../../src/ingest/recipes/recipes.ts';
import { planRecipe } from '../../src/ingest/recipes/recipes.ts';
import { openDataset } from '../../src/dataset/reader.ts';
import { scratchFolder } from '../dataset/helpers.ts';
import { failureOf, makePicture, makeVideo } from './media.ts';

const scratch = scratchFolder();
let count = 0;

/** A folder with these files; contents do not matter where nothing is decoded. */
function folderOf(files: Readonly<Record<string, string>>): string {
  const folder = join(scratch, `set${++count}`);
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return folder;
}

const BLUES_TABLE = `video_file,Severity Score,A-lines,B-lines,comments
patient_62_R1,2.0,yes,yes,"broken pleura line, B-lines"
patient_62_R2_2,0.0,yes,no ,
patient_7_L1,3.0,no,yes ,"white, ""all over"""
patient_8_L1,,,,
`;
const blues = (table = BLUES_TABLE): string =>
  folderOf({
    'severity.csv': table,
    'README.md': '',
    ...Object.fromEntries(
      ['62_R1', '62_R2_2', '7_L1', '8_L1'].map((name) => [`lus_videos/patient_${name}.mp4`, '']),
    ),
  });

const shown = (plan: IngestPlan): unknown[] =>
  plan.clips.map(({ item, label, group }) => [item.path.replace(/^.*\//, ''), label, group]);

describe('covid-blues', () => {
  test('groups are patients; labels survive trailing blanks; an empty cell is no label', async () => {
    const root = blues();
    const plan = await planRecipe('covid-blues', root, { label: 'b-lines' });
    expect(shown(plan)).toEqual([
      ['patient_62_R1.mp4', 'b-lines', 'patient_62'],
      ['patient_62_R2_2.mp4', 'no-b-lines', 'patient_62'],
      ['patient_7_L1.mp4', 'b-lines', 'patient_7'],
      ['patient_8_L1.mp4', null, 'patient_8'],
    ]);
    expect(plan.classes).toEqual(['no-b-lines', 'b-lines']);
    expect(plan.licence).toBe('CC BY-NC-ND 4.0');
    expect(plan.citation).toMatch(/JBHI/);
    const severity = await planRecipe('covid-blues', root, { label: 'severity' });
    expect(severity.clips.map(({ label }) => label)).toEqual([
      'severity-2',
      'severity-0',
      'severity-3',
      null,
    ]);
    expect(severity.classes).toHaveLength(4);
    const alines = await planRecipe('covid-blues', root, { label: 'a-lines' });
    expect(alines.clips.map(({ label }) => label)).toEqual(['a-lines', 'a-lines', 'no-a-lines', null]);
  });

  test('videos without a row, rows without a video and names without a patient are told', async () => {
    const root = blues(`${BLUES_TABLE}patient_99_R1,1.0,no,no,\n`);
    writeFileSync(join(root, 'lus_videos/patient_5_L2.mp4'), '');
    writeFileSync(join(root, 'lus_videos/holiday.mp4'), '');
    const plan = await planRecipe('covid-blues', root, { label: 'b-lines' });
    expect(plan.withoutRow).toEqual(['lus_videos/patient_5_L2.mp4']);
    expect(plan.unmatchedLabels).toEqual(['patient_99_R1']);
    expect(plan.rejected).toEqual([
      { source: 'lus_videos/holiday.mp4', reason: 'its name does not tell the patient' },
    ]);
  });

  test.each<[string, RecipeOptions, RegExp]>([
    ['no label', {}, /severity, a-lines, b-lines/],
    ['a label it has not', { label: 'c-lines' }, /"c-lines"/],
    ['stills', { label: 'b-lines', stills: true }, /no stills/],
  ])('%s is a usage error', async (_name, options, message) => {
    const error = await failureOf(planRecipe('covid-blues', blues(), options));
    expect(error).toMatchObject({ code: 'RECIPE_OPTION', exitCode: 2 });
    expect(error.message).toMatch(message);
  });

  test.each([
    ['an unknown answer', BLUES_TABLE.replace('yes ,"white', 'maybe,"white'), /line 4/, /"maybe"/],
    ['an unknown score', BLUES_TABLE.replace('2.0', '2.5'), /line 2/, /"2\.5"/],
    ['a video twice', `${BLUES_TABLE}patient_7_L1,1.0,no,no,\n`, /line 6/, /already has a row/],
  ])('%s is an error with its line', async (_name, table, where, message) => {
    const root = blues(table);
    const label = table.includes('2.5') ? 'severity' : 'b-lines';
    const error = await failureOf(planRecipe('covid-blues', root, { label }));
    expect(error).toMatchObject({ code: 'RECIPE_ROW', exitCode: 3 });
    expect(error.where).toMatch(where);
    expect(error.message).toMatch(message);
  });
});

const POCUS_TABLE = `path,kind,probe,label,license,source_id,suggested_group
pocus_videos/convex/Cov-Day+1.gif,video,convex,COVID-19,CC BY 4.0,1,pid35
pocus_videos/convex/Pneu (2) [b].avi,video,convex,Bacterial pneumonia,CC BY-NC 4.0,2,pid9
pocus_videos/linear/Reg_1.mp4,video,linear,regular,CC BY 4.0,3,pid9
pocus_videos/linear/label_uncertain/Vir_1.mp4,video,linear,Viral pneumonia,,4,pid5
pocus_images/convex/Cov_x.jpg,image,convex,COVID-19,CC BY 4.0,5,pid35
`;
const pocus = (table = POCUS_TABLE): string =>
  folderOf({
    'manifest.csv': table,
    'pocus_videos/convex/Cov-Day+1.gif': '',
    'pocus_videos/convex/Pneu (2) [b].avi': '',
    'pocus_videos/linear/Reg_1.mp4': '',
    'pocus_videos/linear/label_uncertain/Vir_1.mp4': '',
    'pocus_images/convex/Cov_x.jpg': '',
  });

describe('pocus', () => {
  test('the three benchmark classes are labels, viral pneumonia is unlabelled, stills come when asked for', async () => {
    const plan = await planRecipe('pocus', pocus(), {});
    expect(shown(plan)).toEqual([
      ['Cov-Day+1.gif', 'covid', 'pid35'],
      ['Pneu (2) [b].avi', 'pneumonia', 'pid9'],
      ['Reg_1.mp4', 'regular', 'pid9'],
      ['Vir_1.mp4', null, 'pid5'],
    ]);
    expect(plan.clips.map(({ flags }) => flags)).toEqual([
      [],
      [],
      ['linear-probe'],
      ['viral-pneumonia', 'linear-probe', 'label-uncertain'],
    ]);
    expect(plan.classes).toEqual(['covid', 'pneumonia', 'regular']);
    expect(plan.licence).toBe('per file: CC BY 4.0 (2), CC BY-NC 4.0 (1), no licence stated (1)');
    expect(plan.notes).toEqual([
      '1 stills were left out.',
      'Outside the three benchmark classes, so unlabelled: Viral pneumonia (1).',
    ]);
    const all = await planRecipe('pocus', pocus(), { stills: true });
    expect(shown(all)[0]).toEqual(['Cov_x.jpg', 'covid', 'pid35']);
    expect(all.clips).toHaveLength(5);
  });

  test('files that the table names and the folder has not are listed; paths out of the folder are refused', async () => {
    const root = pocus(`${POCUS_TABLE}../../etc/passwd,video,convex,regular,x,6,p\n`);
    rmSync(join(root, 'pocus_videos/linear/Reg_1.mp4'));
    writeFileSync(join(root, '..', 'outside.mp4'), '');
    expect((await planRecipe('pocus', root, {})).rejected.map(({ source }) => source)).toEqual([
      'pocus_videos/linear/Reg_1.mp4',
      '../../etc/passwd',
    ]);
  });

  test.each([
    ['a row without a group', POCUS_TABLE.replace('3,pid9', '3,'), 'RECIPE_ROW'],
    ['an unknown kind', POCUS_TABLE.replace('.avi,video', '.avi,sound'), 'RECIPE_ROW'],
    ['a table without groups', POCUS_TABLE.replace('suggested_group', 'group'), 'CSV_INVALID'],
  ])('%s is an error', async (_name, table, code) => {
    expect(await failureOf(planRecipe('pocus', pocus(table), {}))).toMatchObject({ code, exitCode: 3 });
  });

  test('takes no label option', async () => {
    expect((await failureOf(planRecipe('pocus', pocus(), { label: 'severity' }))).code).toBe('RECIPE_OPTION');
  });
});

test('a recipe pointed at the wrong folder says what it expected', async () => {
  for (const [recipe, root, expected] of [
    ['pocus', blues(), /data\/dataset_metadata\.csv.*or manifest\.csv.*it holds README\.md, lus_videos/],
    ['covid-blues', pocus(), /severity\.csv and lus_videos.*no severity\.csv/],
  ] as const) {
    const label = recipe === 'pocus' ? undefined : 'severity';
    const error = await failureOf(
      ingest({ source: root, out: join(scratch, 'out'), recipe, recipeOptions: { label } }),
    );
    expect(error).toMatchObject({ code: 'RECIPE_FOLDER', exitCode: 3 });
    expect(error.message).toMatch(expected);
  }
});

test('a recipe and a label table exclude each other', async () => {
  const error = await failureOf(
    ingest({ source: pocus(), out: join(scratch, 'out'), recipe: 'pocus', labels: 'x.csv' }),
  );
  expect(error).toMatchObject({ code: 'INGEST_OPTION', exitCode: 2, where: 'labels' });
});

test('a whole recipe: clips, classes without a clip, licence and rejected files end up in the dataset', async () => {
  const root = pocus();
  makeVideo(join(root, 'pocus_videos/convex/Cov-Day+1.gif'), { options: [] });
  makeVideo(join(root, 'pocus_videos/convex/Pneu (2) [b].avi'), { options: ['-c:v', 'mpeg4'] });
  await makePicture(join(root, 'pocus_images/convex/Cov_x.jpg'));
  const out = join(scratch, 'pocus-out');
  const summary = await ingest({ source: root, out, recipe: 'pocus', recipeOptions: { stills: true } });
  expect(summary).toMatchObject({ clips: 3, classes: { covid: 2, pneumonia: 1, regular: 0 }, groups: 2 });
  expect(summary.rejected.map(({ source }) => source)).toEqual([
    'pocus_videos/linear/Reg_1.mp4',
    'pocus_videos/linear/label_uncertain/Vir_1.mp4',
  ]);
  using dataset = openDataset(out);
  expect(dataset.manifest).toMatchObject({
    name: 'pocus',
    licence: expect.stringMatching(/^per file: /) as string,
    homepage: 'https://github.com/jannisborn/covid19_ultrasound',
    made: { recipe: 'pocus', recipeOptions: { stills: true } },
    rejected: [...summary.rejected],
  });
});
