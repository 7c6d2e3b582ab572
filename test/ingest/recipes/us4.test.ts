/** US-4 and its Butterfly part, on folders of the layout that USCL's reference code reads. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openDataset } from '../../../src/dataset/reader.ts';
import { ingest } from '../../../src/ingest/ingest.ts';
import { planRecipe } from '../../../src/ingest/recipes/recipes.ts';
import { scratchFolder } from '../../dataset/helpers.ts';
import { failureOf, makePicture } from '../media.ts';
import { labelled, layOut, reasons } from './layout.ts';

const scratch = scratchFolder();
let count = 0;
const folder = (files: Readonly<Record<string, string>>): string =>
  layOut(join(scratch, `us4-${++count}`), files);
const video = (name: string, frames = 3): Record<string, string> =>
  Object.fromEntries(Array.from({ length: frames }, (_, i) => [`${name}/${name}_frame${i}.jpg`, '']));

/** Class numbers of the reference code's map for the whole of US-4. */
const REFERENCE: Readonly<Record<string, number>> = {
  ...{ Rb1: 0, Rb2: 1, Rb3: 2, Rb4: 3, Rb5: 4 },
  ...{ F0_: 5, F1_: 6, F2_: 7, F3_: 8, F4_: 9 },
  ...{ Reg: 10, Cov: 11, Ali: 10, Bli: 11, Ple: 11, Oth: 11 },
};

describe('us4', () => {
  test('sixteen codes become the twelve classes of the reference code, in its order', async () => {
    const names = Object.keys(REFERENCE).map((code) => `${code}case-1_mp4`);
    const plan = await planRecipe(
      'us4',
      folder(Object.fromEntries(names.flatMap((name) => Object.entries(video(name))))),
    );
    expect(plan.classes).toHaveLength(12);
    expect(plan.clips).toHaveLength(16);
    for (const { item, label } of plan.clips) {
      expect(plan.classes.indexOf(label!)).toBe(REFERENCE[item.path.slice(0, 3)]);
    }
    expect(plan.rejected).toEqual([]);
  });

  test('parts may lie in folders of their own; a clip knows its part; its group is itself', async () => {
    const files = {
      ...video('Rb3-ETH-01'),
      ...video('F2_0017'),
      ...video('Cov-Day+1 (b)'),
      ...video('Oth9'),
    };
    const parts = ['CLUST', 'Liver', 'Butterfly', 'COVID'];
    const nested = Object.fromEntries(
      Object.entries(files).map(([path, text], i) => [`${parts[Math.floor(i / 3)]!}/${path}`, text]),
    );
    const plan = await planRecipe('us4', folder(nested));
    expect(plan.clips.map(({ item, label, flags, group }) => [item.path, label, flags, group])).toEqual([
      ['Butterfly/Cov-Day+1 (b)', 'lung-abnormal', ['butterfly'], 'Butterfly/Cov-Day+1 (b)'],
      ['CLUST/Rb3-ETH-01', 'rb3', ['clust'], 'CLUST/Rb3-ETH-01'],
      ['COVID/Oth9', 'lung-abnormal', ['lusms'], 'COVID/Oth9'],
      ['Liver/F2_0017', 'fibrosis-2', ['liver-fibrosis'], 'Liver/F2_0017'],
    ]);
    expect(plan.notes.join(' ')).toMatch(/Patients are not known.*POCUS/);
  });

  test('a folder without a code, one of another spelling, and loose files are named', async () => {
    const plan = await planRecipe(
      'us4',
      folder({ ...video('Rb1-a'), ...video('cov-b'), ...video('F5_c'), 'film.mp4': 'x', 'labels.csv': '' }),
    );
    expect(labelled(plan)).toEqual([['Rb1-a', 'rb1', 'Rb1-a']]);
    expect(reasons(plan)).toEqual({
      F5_c: expect.stringMatching(/none of Rb1, Rb2/) as string,
      'cov-b': expect.stringMatching(/none of/) as string,
      'film.mp4': 'it is not a folder of frames',
    });
    expect(plan.ignored).toBe(1);
  });

  test('a folder without one video of the set is refused, as is a file', async () => {
    for (const root of [folder(video('something')), join(folder({ 'a.mp4': 'x' }), 'a.mp4')]) {
      expect(await failureOf(planRecipe('us4', root))).toMatchObject({ code: 'RECIPE_FOLDER', exitCode: 3 });
    }
  });

  test('the source may be one video itself', async () => {
    const root = folder(video('Rb2-x'));
    expect(labelled(await planRecipe('us4', join(root, 'Rb2-x')))).toEqual([['Rb2-x', 'rb2', 'Rb2-x']]);
  });
});

describe('butterfly', () => {
  test('has two classes, and the codes of other parts are foreign to it', async () => {
    const plan = await planRecipe(
      'butterfly',
      folder({ ...video('Cov-Cardiomyopathy_mp4'), ...video('Reg-Youtube_mp4'), ...video('Rb1-a') }),
    );
    expect(plan.classes).toEqual(['regular', 'covid']);
    expect(labelled(plan).map((row) => (row as string[]).slice(0, 2))).toEqual([
      ['Cov-Cardiomyopathy_mp4', 'covid'],
      ['Reg-Youtube_mp4', 'regular'],
    ]);
    expect(Object.keys(reasons(plan))).toEqual(['Rb1-a']);
  });

  test('a whole ingest: frames in the order of their numbers; licence, citation and homepage in the dataset', async () => {
    const root = join(scratch, 'butterfly');
    for (let i = 0; i < 12; i++) await makePicture(join(root, 'Cov-a_mp4', `Cov-a_mp4_frame${i}.jpg`), i);
    for (let i = 0; i < 3; i++) await makePicture(join(root, 'Reg-b_mp4', `Reg-b_mp4_frame${i}.jpg`), i + 20);
    const out = join(scratch, 'butterfly-out');
    await ingest({ source: root, out, recipe: 'butterfly', channels: 3 });
    using dataset = openDataset(out);
    expect(
      dataset.clips.map(({ id, label, frames, flags }) => [id, label, frames, flags.includes('butterfly')]),
    ).toEqual([
      ['Cov-a_mp4', 'covid', 12, true],
      ['Reg-b_mp4', 'regular', 3, true],
    ]);
    expect(dataset.manifest).toMatchObject({
      name: 'butterfly',
      classes: ['regular', 'covid'],
      licence: expect.stringMatching(/Butterfly Network/) as string,
      citation: expect.stringMatching(/MICCAI 2021.*doi:10\.1007/) as string,
      homepage: 'https://github.com/983632847/USCL',
    });
  });
});
