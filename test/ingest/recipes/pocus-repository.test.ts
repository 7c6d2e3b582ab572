/** POCUS as a clone of its repository has it: names, capitals, reasons, groups. */
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readCsv } from '../../../src/formats/csv.ts';
import { planRecipe, recipeLike } from '../../../src/ingest/recipes/recipes.ts';
import { scratchFolder } from '../../dataset/helpers.ts';
import { failureOf } from '../media.ts';
import { labelled, layOut, reasons } from './layout.ts';

const scratch = scratchFolder();
let count = 0;
const folder = (files: Readonly<Record<string, string>>): string =>
  layOut(join(scratch, `pocus-${++count}`), files);

const HEADER =
  'Date added,Current location,Filename,URL,Label,License,InThisRepo,Type,Probe,Source ID,Patient ID / Name,,Other';
const row = (
  location: string,
  name: string,
  label: string,
  { licence = 'CC BY 4.0', here = 'Yes', type = 'video', probe = 'convex', source = '1', patient = '' },
): string =>
  `20.04.20,${location},${name},,${label},${licence},${here},${type},${probe},${source},${patient},,"a, ""b""\n c"`;

const ROWS = [
  row('data/pocus_videos/Convex', 'Cov-Atlas+(44)', 'COVID-19', { patient: '36' }),
  row('pocus_videos/convex', 'Reg_Avi_lung', 'Regular', { patient: '40', licence: 'None' }),
  row('data/pocus_videos/Convex', 'Pneu_double', 'Bacterial pneumonia', { patient: '36' }),
  row('pocus_videos/convex', 'Pneu_northumbria_0409_set2_vid1', 'Bacterial pneumonia', { patient: '186' }),
  row('pocus_videos/convex', 'Reg_northumbria_0409_set2_vid2', 'regular', { patient: '187' }),
  row('pocus_videos/convex', 'Reg_northumbria_1009_vid5', 'regular', { patient: '214' }),
  // A patient of a session who has a clip elsewhere ties the two together.
  row('pocus_videos/convex', 'Reg_elsewhere', 'regular', { patient: '214' }),
  row('data/pocus_videos/Linear', 'Reg-nephro', 'regular', { probe: 'linear', patient: '77' }),
  row('data/pocus_videos/Convex', 'Reg-nephro', 'regular', { here: 'No', licence: 'None', patient: '78' }),
  row('pocus_videos/linear/label_uncertain', 'Cov_Linee B', 'COVID-19', { probe: 'linear', source: '41' }),
  row('pocus_videos/linear/label_uncertain', 'Cov_linee B', 'COVID-19', { probe: 'linear', source: '41' }),
  row('pocus_videos/Convex', 'Vir_h1n1', 'Viral pneumonia', { patient: '99' }),
  row('pocus_images/Convex', 'Cov_paper2', 'COVID-19', { type: 'Image', patient: '84' }),
  row('butterfly', 'Cov-Butterfly-Skip Lesion', 'COVID-19', { licence: 'None', here: 'No', patient: '15' }),
  row('not used - same as another.gif', 'Pneu-same', 'Bacterial pneumonia', { patient: '39' }),
  row('not_to_use (local)', 'Vir_neck', 'Viral pneumonia', {}),
  row('data/data_with_artifacts', 'Reg_marks', 'regular', { here: 'No' }),
  row('pocus_videos/Convex', 'Cov-clarius', 'COVID-19', { licence: 'None', here: 'No' }),
  row('pocus_videos/Convex', 'Cov-nd', 'COVID-19', { licence: 'CC-BY-NC-ND', here: 'No' }),
  row('pocus_videos/Convex', 'Cov-lost', 'COVID-19', {}),
  row('pocus_videos/Convex', 'Cov-odd', 'COVID-19', {}),
];
const FILES = [
  'pocus_videos/convex/Cov-Atlas+(44).gif',
  'pocus_videos/convex/Reg_Avi_lung.MP4',
  'pocus_videos/convex/Pneu_double.mov.mp4',
  'pocus_videos/convex/Pneu_northumbria_0409_set2_vid1.avi',
  'pocus_videos/convex/Reg_northumbria_0409_set2_vid2.avi',
  'pocus_videos/convex/Reg_northumbria_1009_vid5.avi',
  'pocus_videos/convex/Reg_elsewhere..mp4',
  'pocus_videos/linear/Reg-nephro.mp4',
  'pocus_videos/linear/label_uncertain/Cov_Linee B .mpeg',
  'pocus_videos/linear/Cov_linee B.mpeg',
  'pocus_videos/convex/vir_H1N1.mp4',
  'pocus_videos/convex/Pneu-same.gif',
  'pocus_videos/convex/Cov-odd.xyz',
  'pocus_videos/convex/nobody.mp4',
  'pocus_images/convex/Cov_paper2.png',
];
const clone = (rows = ROWS, base = 'data/'): string =>
  folder({
    'README.md': '',
    [`${base}dataset_metadata.csv`]: [HEADER, ...rows, ''].join('\n'),
    ...Object.fromEntries(FILES.map((path) => [`${base}${path}`, ''])),
  });

describe('pocus as published', () => {
  test('files are found whatever the capitals, extensions and blanks; groups join patients, sessions and sources', async () => {
    const plan = await planRecipe('pocus', clone());
    const v = 'data/pocus_videos';
    expect(labelled(plan)).toEqual([
      [`${v}/convex/Cov-Atlas+(44).gif`, 'covid', 'pid36'],
      [`${v}/convex/Pneu_double.mov.mp4`, 'pneumonia', 'pid36'],
      [`${v}/convex/Pneu_northumbria_0409_set2_vid1.avi`, 'pneumonia', 'northumbria_0409_set2'],
      [`${v}/convex/Reg_Avi_lung.MP4`, 'regular', 'pid40'],
      [`${v}/convex/Reg_elsewhere..mp4`, 'regular', 'northumbria_1009'],
      [`${v}/convex/Reg_northumbria_0409_set2_vid2.avi`, 'regular', 'northumbria_0409_set2'],
      [`${v}/convex/Reg_northumbria_1009_vid5.avi`, 'regular', 'northumbria_1009'],
      [`${v}/convex/vir_H1N1.mp4`, null, 'pid99'],
      [`${v}/linear/Cov_linee B.mpeg`, 'covid', 'source-41'],
      [`${v}/linear/Reg-nephro.mp4`, 'regular', 'pid77'],
      [`${v}/linear/label_uncertain/Cov_Linee B .mpeg`, null, 'source-41'],
    ]);
    expect(plan.licence).toBe('per file: CC BY 4.0 (10), no licence stated (1)');
    expect(plan.notes).toEqual([
      '1 stills were left out.',
      'Outside the three benchmark classes, so unlabelled: COVID-19, label uncertain (1), Viral pneumonia (1).',
      '3 Northumbria clips were grouped by session, although the table gives them an id each: the 9 labelled clips have 7 ids and come in 6 groups.',
      '2 clips have no patient id and were grouped by their source.',
    ]);
  });

  test('rows without a file are counted by reason, files without a row are named', async () => {
    const plan = await planRecipe('pocus', clone());
    expect(plan.absent).toEqual({
      'without a free licence, so not in the repository': ['Reg-nephro', 'Cov-clarius'],
      'of the Butterfly gallery, which the repository may not pass on': ['Cov-Butterfly-Skip Lesion'],
      'not used by its authors': ['Pneu-same', 'Vir_neck'],
      'set aside by its authors for marks in the picture': ['Reg_marks'],
      'not in the repository, as the table says': ['Cov-nd'],
      'missing, although the table says that it is in the repository': ['Cov-lost'],
      'in a format that is not known': ['Cov-odd'],
    });
    expect(reasons(plan)).toEqual({
      'data/pocus_videos/convex/Cov-odd.xyz': 'it is in a format that is not known',
      'data/pocus_videos/convex/Pneu-same.gif': 'its authors do not use it',
      'data/pocus_videos/convex/nobody.mp4': 'it has no row in data/dataset_metadata.csv',
    });
    // Every row is accounted for.
    const absent = Object.values(plan.absent ?? {}).flat();
    expect(plan.clips.length + absent.length + 1).toBe(ROWS.length);
  });

  test('stills come when asked for; the folder below the clone is read too', async () => {
    const plan = await planRecipe('pocus', clone(ROWS, ''), { stills: true });
    expect(plan.clips[0]).toMatchObject({
      item: { kind: 'still', path: 'pocus_images/convex/Cov_paper2.png' },
      label: 'covid',
      group: 'pid84',
    });
    expect(plan.clips).toHaveLength(12);
  });

  test('the folder is recognised, and another one is told what was expected', async () => {
    expect(recipeLike(clone())?.name).toBe('pocus');
    const elsewhere = folder({ 'videos/a.mp4': '', 'b.txt': '' });
    expect(recipeLike(elsewhere)).toBeUndefined();
    const error = await failureOf(planRecipe('pocus', elsewhere));
    expect(error).toMatchObject({ code: 'RECIPE_FOLDER', exitCode: 3 });
    expect(error.message).toMatch(/data\/dataset_metadata\.csv.*neither table; it holds b\.txt, videos\./);
    const empty = await failureOf(planRecipe('pocus', folder({ 'data/dataset_metadata.csv': HEADER })));
    expect(empty.message).toMatch(
      /there are no videos in data\/pocus_videos; it holds dataset_metadata\.csv/,
    );
  });

  test('a table that has lost a column is an error that names it', async () => {
    const files = { 'data/pocus_videos/convex/a.mp4': '' };
    const root = folder({ ...files, 'data/dataset_metadata.csv': HEADER.replace('InThisRepo', 'Here') });
    expect((await failureOf(planRecipe('pocus', root))).message).toMatch(/no column "inthisrepo"/);
  });
});

const asked = resolve(process.env['USCL_TEST_DATA'] ?? '../shared/data', 'pocus');
const real = existsSync(asked) ? realpathSync(asked) : asked;

describe.skipIf(!existsSync(real))(`POCUS (skipped where ${asked} is absent)`, () => {
  const names = (): string[] =>
    readdirSync(real, { recursive: true, encoding: 'utf8' }).filter((name) =>
      /^pocus_.*\.[a-z0-9]+$/i.test(name),
    );
  const published = (): string =>
    folder({
      'data/dataset_metadata.csv': readFileSync(join(real, 'dataset_metadata.csv'), 'utf8'),
      ...Object.fromEntries(names().map((name) => [`data/${name}`, ''])),
    });

  test('the 91 labelled clips come in the 35 groups that a person found, from 53 patient ids', async () => {
    const plan = await planRecipe('pocus', published());
    expect(plan.rejected).toEqual([]);
    const clips = plan.clips.filter(({ label }) => label !== null);
    expect(clips).toHaveLength(91);
    const found = new Map(clips.map(({ item, group }) => [item.path.slice('data/'.length), group]));
    const known = readCsv(join(real, 'manifest.csv'), ['path', 'suggested_group', 'patient_id', 'label']);
    const suggested = new Map(known.map(({ cells }) => [cells.get('path')!, cells.get('suggested_group')!]));
    const ids = new Set(
      known.filter(({ cells }) => found.has(cells.get('path')!)).map(({ cells }) => cells.get('patient_id')),
    );
    expect(ids.size).toBe(53);
    expect(new Set(found.values()).size).toBe(35);
    expect(Object.fromEntries(found)).toEqual(
      Object.fromEntries([...found.keys()].map((path) => [path, suggested.get(path)])),
    );
    expect(plan.notes.join(' ')).toContain('the 91 labelled clips have 53 ids and come in 35 groups');
  });

  test('clips, labels, flags and stills are those of the table of one’s own', async () => {
    for (const stills of [false, true]) {
      const ours = await planRecipe('pocus', real, { stills });
      const theirs = await planRecipe('pocus', published(), { stills });
      const facts = (plan: typeof ours): unknown[] =>
        plan.clips.map(({ item, label, group, flags }) => [
          item.path.replace(/^data\//, ''),
          label,
          group,
          flags,
        ]);
      expect(facts(theirs)).toEqual(facts(ours));
    }
  });
});
