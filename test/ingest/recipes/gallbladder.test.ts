/** Gallbladders of infants: labels, patients, and that neither names nor order tell the class. */
import { copyFileSync, existsSync, mkdirSync, realpathSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openDataset } from '../../../src/dataset/reader.ts';
import { namesOf } from '../../../src/ingest/clip.ts';
import { readCsv } from '../../../src/formats/csv.ts';
import { ingest } from '../../../src/ingest/ingest.ts';
import type { IngestPlan } from '../../../src/ingest/common/ingest-plan.ts';
import { planRecipe, recipeLike } from '../../../src/ingest/recipes/recipes.ts';
import { scratchFolder } from '../../dataset/helpers.ts';
import { failureOf, makePicture } from '../media.ts';
import { layOut, reasons } from './layout.ts';

const scratch = scratchFolder();
let count = 0;
const folder = (files: Readonly<Record<string, string>>): string =>
  layOut(join(scratch, `gallbladder-${++count}`), files);

const TRAINING = '3_0.jpg,0\n3_1.JPG,0\n12_0.jpg,0\n40_0.jpg,1\n41_0.jpg,1\n';
const FILES = {
  'data/training_data/label.csv': TRAINING,
  'data/training_data/3_0.jpg': 'a',
  'data/training_data/3_1.JPG': 'b',
  'data/training_data/12_0.jpg': 'c',
  'data/training_data/40_0.jpg': 'd',
  'data/training_data/41_0.jpg': 'd',
  'data/test_data/label.csv': '12_0.jpg,1\r\n',
  'data/test_data/12_0.jpg': 'e',
};

/** What a clip is going to be called. */
const aliasOf = (clip: IngestPlan['clips'][number]): string => namesOf(clip, '').id;

/** Which files are in one group, by their names. */
function partition(plan: IngestPlan): string[][] {
  const groups = new Map<string, string[]>();
  for (const { item, group } of plan.clips) groups.set(group, [...(groups.get(group) ?? []), item.path]);
  return [...groups.values()].map((paths) => paths.sort()).sort();
}

describe('gallbladder', () => {
  test('0 is atresia; patients are numbers within a part, and one where pictures are the same', async () => {
    const plan = await planRecipe('gallbladder', folder(FILES));
    const t = 'data/training_data';
    expect(Object.fromEntries(plan.clips.map(({ item, label }) => [item.path, label]))).toEqual({
      [`${t}/3_0.jpg`]: 'atresia',
      [`${t}/3_1.JPG`]: 'atresia',
      [`${t}/12_0.jpg`]: 'atresia',
      [`${t}/40_0.jpg`]: 'no-atresia',
      [`${t}/41_0.jpg`]: 'no-atresia',
      'data/test_data/12_0.jpg': 'no-atresia',
    });
    expect(partition(plan)).toEqual([
      ['data/test_data/12_0.jpg'],
      [`${t}/12_0.jpg`],
      [`${t}/3_0.jpg`, `${t}/3_1.JPG`],
      [`${t}/40_0.jpg`, `${t}/41_0.jpg`],
    ]);
    expect(plan.classes).toEqual(['atresia', 'no-atresia']);
    expect(plan.notes).toContain('5 patient numbers came to 4 groups: some share pictures byte for byte.');
    expect(plan.licence).toMatch(/MIT/);
  });

  test('each part can be had alone, and says so in its flags', async () => {
    const root = folder(FILES);
    const parts = await Promise.all(
      ['training', 'test'].map((part) => planRecipe('gallbladder', root, { part })),
    );
    expect(parts.map(({ clips }) => clips.length)).toEqual([5, 1]);
    expect(parts[1]!.clips[0]!.flags).toEqual(['test-part']);
    const wrong = await failureOf(planRecipe('gallbladder', root, { part: 'validation' }));
    expect(wrong).toMatchObject({ code: 'RECIPE_OPTION', exitCode: 2 });
    expect(wrong.message).toMatch(/training, test; not "validation"/);
  });

  test('rows without a file and files without a row are named', async () => {
    const root = folder({
      ...FILES,
      'data/training_data/label.csv': `${TRAINING}99_0.jpg,1\n`,
      'data/training_data/100_0.jpg': 'x',
    });
    const plan = await planRecipe('gallbladder', root);
    expect(plan.unmatchedLabels).toEqual(['data/training_data/99_0.jpg']);
    expect(reasons(plan)).toEqual({
      'data/training_data/100_0.jpg': 'it has no row in data/training_data/label.csv',
    });
  });

  test.each([
    ['another label', '3_0.jpg,2\n', /line 1/, /"2".*0 \(atresia\)/],
    ['a file twice', '3_0.jpg,0\n3_0.jpg,1\n', /line 2/, /already has a row in line 1/],
  ])('%s is an error with its line', async (_name, table, where, message) => {
    const root = folder({ ...FILES, 'data/training_data/label.csv': table });
    const error = await failureOf(planRecipe('gallbladder', root));
    expect(error).toMatchObject({ code: 'RECIPE_ROW', exitCode: 3 });
    expect(error.where).toMatch(where);
    expect(error.message).toMatch(message);
  });

  test('the folder is recognised, and another one is told what was expected', async () => {
    expect(recipeLike(folder(FILES))?.name).toBe('gallbladder');
    const error = await failureOf(planRecipe('gallbladder', folder({ 'images/3_0.jpg': '' })));
    expect(error.code).toBe('RECIPE_FOLDER');
    expect(error.message).toMatch(/data\/training_data\/label\.csv.*it holds images\./);
  });

  test('neither names nor order tell the class of patients who are numbered by class', async () => {
    const names = Array.from({ length: 400 }, (_, i) => `${i + 1}_0.jpg`);
    const root = folder({
      'training_data/label.csv': names.map((name, i) => `${name},${i < 200 ? 0 : 1}\n`).join(''),
      ...Object.fromEntries(names.map((name) => [`training_data/${name}`, name])),
    });
    const plan = await planRecipe('gallbladder', root);
    for (const clip of plan.clips) {
      const number = /(\d+)_/.exec(clip.item.path)![1]!;
      expect(`${aliasOf(clip)} ${clip.group}`).toMatch(/^still-[0-9a-f]{16} patient-[0-9a-f]{16}$/);
      expect(clip.flags).toEqual(['training-part']);
      // Not even by chance at the start of the name.
      expect(aliasOf(clip).startsWith(`still-${number}_`)).toBe(false);
    }
    // Order by clip and by group: the sick are spread evenly. 200 of 400 drawn at random have between 75 and 125
    // among the first 200 in all but one case of a million.
    const byGroup = [...plan.clips].sort((a, b) => (a.group < b.group ? -1 : 1));
    for (const order of [plan.clips, byGroup]) {
      const sick = order.slice(0, 200).filter(({ label }) => label === 'atresia').length;
      expect(sick).toBeGreaterThan(75);
      expect(sick).toBeLessThan(125);
    }
    expect(plan.clips.map(aliasOf)).toEqual(plan.clips.map(aliasOf).sort());
  });

  test('in the dataset no file name is left; a picture that was changed is read again', async () => {
    const root = folder({ 'training_data/label.csv': '3_0.jpg,0\n40_0.jpg,1\n' });
    const paths = ['3_0', '40_0'].map((name) => join(root, `training_data/${name}.jpg`));
    for (const path of paths) await makePicture(path);
    const out = join(scratch, 'gallbladder-out');
    const options = { source: root, out, recipe: 'gallbladder', crop: 'none' } as const;
    await ingest(options);
    {
      using dataset = openDataset(out);
      for (const { id, group, source } of dataset.clips)
        expect([id, group, source].join(' ')).not.toMatch(/3_0|40|training/);
    }
    await makePicture(paths[1]!, 7, 90);
    expect((await ingest({ ...options, overwrite: true })).reused).toBe(1);
  });
});

const asked = resolve(process.env['USCL_TEST_DATA'] ?? '../shared/data', 'gallbladder');
const real = existsSync(asked) ? realpathSync(asked) : asked;

describe.skipIf(!existsSync(real))(`gallbladder set (skipped where ${asked} is absent)`, () => {
  test('3,705 stills in 1,140 groups, the same as in the table that was checked by hand', async () => {
    const root = join(scratch, 'gallbladder-real');
    const target = join(root, 'data/training_data');
    mkdirSync(target, { recursive: true });
    const rows = readCsv(join(real, 'labels.csv'), ['clip', 'label', 'group']);
    const known = rows.map(({ cells }) => ({
      name: cells.get('clip')!.slice('images/'.length),
      label: cells.get('label')!,
      group: cells.get('group')!,
    }));
    for (const { name } of known) copyFileSync(join(real, 'images', name), join(target, name));
    const table = known.map(({ name, label }) => `${name},${label === 'atresia' ? 0 : 1}\n`);
    writeFileSync(join(target, 'label.csv'), table.join(''));
    const plan = await planRecipe('gallbladder', root);
    expect(plan.rejected).toEqual([]);
    expect(plan.clips).toHaveLength(3705);
    const of = (label: string): number => plan.clips.filter((clip) => clip.label === label).length;
    expect([of('atresia'), of('no-atresia')]).toEqual([925, 2780]);
    expect(new Set(plan.clips.map(aliasOf)).size).toBe(3705);
    const groups = new Map<string, string[]>();
    for (const { name, group } of known)
      groups.set(group, [...(groups.get(group) ?? []), `data/training_data/${name}`]);
    expect(groups.size).toBe(1140);
    expect(partition(plan)).toEqual([...groups.values()].map((paths) => paths.sort()).sort());
  });
});
