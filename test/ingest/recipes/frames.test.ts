/** One's own clips as folders of frames. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ingest } from '../../../src/ingest/ingest.ts';
import { openDataset } from '../../../src/dataset/reader.ts';
import { planRecipe } from '../../../src/ingest/recipes/recipes.ts';
import { scratchFolder } from '../../dataset/helpers.ts';
import { failureOf, makePicture } from '../media.ts';
import { labelled, layOut, reasons } from './layout.ts';

const scratch = scratchFolder();
let count = 0;
const folder = (files: Readonly<Record<string, string>>): string =>
  layOut(join(scratch, `frames-${++count}`), files);

describe('frames', () => {
  test('a folder is a clip, also with one frame or with names of many kinds; classes are the folders above', async () => {
    const plan = await planRecipe(
      'frames',
      folder({ 'sick/v 1/a.png': '', 'sick/v 1/b7.jpg': '', 'well/v[2]/only.tif': '', 'notes.txt': '' }),
    );
    expect(labelled(plan)).toEqual([
      ['sick/v 1', 'sick', 'sick/v 1'],
      ['well/v[2]', 'well', 'well/v[2]'],
    ]);
    expect(plan).toMatchObject({ classes: ['sick', 'well'], licence: null, ignored: 1, rejected: [] });
    expect(plan.notes).toEqual(['Labels are the names of the class folders.']);
  });

  test('without a level of class folders, or with levels that differ, nothing is labelled', async () => {
    for (const second of ['v2/1.png', 'sick/v2/1.png']) {
      const plan = await planRecipe('frames', folder({ 'v1/1.png': '', [second]: '' }));
      expect(plan.clips.map(({ label }) => label)).toEqual([null, null]);
      expect(plan.classes).toEqual([]);
    }
  });

  test('a table goes before class folders, and says who belongs together', async () => {
    const root = folder({ 'x/v1/1.png': '', 'x/v2/1.png': '', 'y/v3/1.png': '' });
    const labels = join(
      layOut(join(scratch, 'tables'), { 'a.csv': 'clip,label,group\nx/v1,b,p1\nv2,a,p1\n' }),
      'a.csv',
    );
    const plan = await planRecipe('frames', root, { labels });
    expect(labelled(plan)).toEqual([
      ['x/v1', 'b', 'p1'],
      ['x/v2', 'a', 'p1'],
      ['y/v3', null, 'y/v3'],
    ]);
    expect(plan.withoutRow).toEqual(['y/v3']);
  });

  test('what is no frame is named; a source without frames is refused', async () => {
    const plan = await planRecipe('frames', folder({ 'v1/1.png': '', 'v1/scan.mp4': 'x', 'empty.avi': '' }));
    expect(reasons(plan)).toEqual({
      'empty.avi': 'it is empty',
      'v1/scan.mp4': 'it is not a folder of frames',
    });
    expect(await failureOf(planRecipe('frames', folder({ 'a.mp4': 'x' })))).toMatchObject({
      code: 'RECIPE_FOLDER',
    });
  });

  test('a whole ingest with a label table', async () => {
    const root = join(scratch, 'whole');
    for (let i = 0; i < 4; i++) await makePicture(join(root, 'v1', `${i}.png`), i);
    const labels = join(layOut(scratch, { 'whole.csv': 'clip,label,group\nv1,b-lines,p7\n' }), 'whole.csv');
    const out = join(scratch, 'whole-out');
    await ingest({ source: root, out, recipe: 'frames', labels, channels: 3 });
    using dataset = openDataset(out);
    expect(dataset.clips).toMatchObject([{ id: 'v1', label: 'b-lines', group: 'p7', frames: 4 }]);
    expect(dataset.manifest).toMatchObject({
      licence: null,
      made: { recipe: 'frames', labels: 'whole.csv' },
    });
  });
});
