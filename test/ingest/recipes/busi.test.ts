/** BUSI with a table of near-duplicates, and as it was published. */
import { existsSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { randomAt } from '../../../src/base/random.ts';
import { planRecipe } from '../../../src/ingest/recipes/recipes.ts';
import { scratchFolder } from '../../dataset/helpers.ts';
import { failureOf } from '../media.ts';
import { labelled, layOut, reasons } from './layout.ts';

const scratch = scratchFolder();
let count = 0;
const folder = (files: Readonly<Record<string, string>>): string =>
  layOut(join(scratch, `busi-${++count}`), files);

const TABLE = `image,label,masks,near_dup_group,original_width,original_height
benign/benign (2).png,benign,benign (2)_mask.png,9,500,400
benign/benign (10).png,benign,benign (10)_mask.png;benign (10)_mask_1.png,7,500,400
malignant/malignant (1).png,malignant,malignant (1)_mask.png,7,500,400
normal/normal (1).png,normal,,3,500,400
`;
const FILES = {
  'benign/benign (2).png': '',
  'benign/benign (2)_mask.png': '',
  'benign/benign (10).png': '',
  'benign/benign (10)_mask.png': '',
  'benign/benign (10)_mask_1.png': '',
  'malignant/malignant (1).png': '',
  'malignant/malignant (1)_mask.png': '',
  'normal/normal (1).png': '',
};
const withTable = (table = TABLE): string => folder({ ...FILES, 'manifest.csv': table });

describe('busi with a table', () => {
  test('labels, masks and groups are those of the table', async () => {
    const plan = await planRecipe('busi', withTable());
    expect(labelled(plan)).toEqual([
      ['benign/benign (10).png', 'benign', 'near-dup-7'],
      ['benign/benign (2).png', 'benign', 'near-dup-9'],
      ['malignant/malignant (1).png', 'malignant', 'near-dup-7'],
      ['normal/normal (1).png', 'normal', 'near-dup-3'],
    ]);
    expect(plan.clips.map(({ masks, flags, item }) => [item.kind, masks, flags])).toEqual([
      ['still', ['benign/benign (10)_mask.png', 'benign/benign (10)_mask_1.png'], ['several-lesions']],
      ['still', ['benign/benign (2)_mask.png'], []],
      ['still', ['malignant/malignant (1)_mask.png'], []],
      ['still', undefined, []],
    ]);
    expect(plan.classes).toEqual(['benign', 'malignant', 'normal']);
    expect(plan.notes).toEqual([
      '1 pictures have no mask.',
      '1 groups hold pictures of several classes: look at them, a label may be wrong.',
    ]);
  });

  test('a picture or a mask that is missing costs that picture, and says so; pictures without a row are left out', async () => {
    const root = withTable();
    rmSync(join(root, 'benign/benign (2).png'));
    rmSync(join(root, 'benign/benign (10)_mask_1.png'));
    writeFileSync(join(root, 'normal/normal (5).png'), '');
    const plan = await planRecipe('busi', root);
    expect(plan.clips).toHaveLength(2);
    expect(reasons(plan)).toEqual({
      'benign/benign (10).png': 'its mask benign/benign (10)_mask_1.png: there is no such file',
      'benign/benign (2).png': 'there is no such file',
    });
    expect(plan.notes).toContain('1 pictures have no row in manifest.csv and were left out.');
  });

  test('masks and pictures out of the folder are refused', async () => {
    const root = withTable(
      `${TABLE}../busi-1/a.png,benign,,4,1,1\n`.replace('(2)_mask', '(2)_mask.png;../../up'),
    );
    writeFileSync(join(scratch, 'up.png'), '');
    expect(Object.keys(reasons(await planRecipe('busi', root)))).toEqual([
      'benign/benign (2).png',
      '../busi-1/a.png',
    ]);
  });

  test.each([
    ['a class it has not', TABLE.replace('png,normal', 'png,odd'), 'RECIPE_ROW', /"odd"/],
    ['no group', TABLE.replace(',3,500', ',,500'), 'RECIPE_ROW', /near_dup_group/],
    ['a picture twice', `${TABLE}normal/normal (1).png,normal,,3,1,1\n`, 'RECIPE_ROW', /already has a row/],
    ['no masks', TABLE.replace('masks', 'mask'), 'CSV_INVALID', /"masks"/],
  ])('%s is an error', async (_name, table, code, message) => {
    const error = await failureOf(planRecipe('busi', withTable(table)));
    expect(error).toMatchObject({ code, exitCode: 3 });
    expect(error.message).toMatch(message);
  });
});

/** A picture of blobs that is all its own; `change` encodes it again, smaller and a little brighter. */
async function scan(path: string, seed: number, change = false): Promise<void> {
  const [width, height] = [160, 120];
  const random = randomAt(seed, 'scan');
  const blobs = Array.from(
    { length: 40 },
    () =>
      [
        random.integer(width),
        random.integer(height),
        4 + random.integer(12),
        random.integer(200) - 60,
      ] as const,
  );
  const pixels = Uint8Array.from({ length: width * height }, (_, i) => {
    let level = 90;
    for (const [x, y, r, step] of blobs)
      if (Math.hypot((i % width) - x, Math.floor(i / width) - y) < r) level += step;
    return Math.min(255, Math.max(20, level));
  });
  const picture = sharp(pixels, { raw: { width, height, channels: 1 } });
  if (change) picture.resize(128, 96).linear(1.1, 4).jpeg({ quality: 80 });
  writeFileSync(
    path,
    await sharp(await picture.toFormat(change ? 'jpeg' : 'png').toBuffer())
      .png()
      .toBuffer(),
  );
}

describe('busi as published', () => {
  test('masks are found by name, groups by looks, in the archive’s folder or above it', async () => {
    const top = folder(
      Object.fromEntries(Object.entries(FILES).map(([path, text]) => [`Dataset_BUSI_with_GT/${path}`, text])),
    );
    const root = join(top, 'Dataset_BUSI_with_GT');
    await scan(join(root, 'benign/benign (2).png'), 1);
    await scan(join(root, 'benign/benign (10).png'), 2);
    await scan(join(root, 'malignant/malignant (1).png'), 1, true);
    await scan(join(root, 'normal/normal (1).png'), 3);
    writeFileSync(join(root, 'normal/normal (9)_mask.png'), '');
    writeFileSync(join(root, 'normal/broken.png'), 'no picture');
    const plan = await planRecipe('busi', root);
    expect(labelled(plan)).toEqual([
      ['benign/benign (10).png', 'benign', 'benign/benign (10).png'],
      ['benign/benign (2).png', 'benign', 'benign/benign (2).png'],
      ['malignant/malignant (1).png', 'malignant', 'benign/benign (2).png'],
      ['normal/broken.png', 'normal', 'normal/broken.png'],
      ['normal/normal (1).png', 'normal', 'normal/normal (1).png'],
    ]);
    expect(plan.clips[0]!.masks).toEqual(['benign/benign (10)_mask.png', 'benign/benign (10)_mask_1.png']);
    expect(reasons(plan)).toEqual({
      'normal/normal (9)_mask.png': 'it is the mask of a picture that is not there',
    });
    expect(plan.notes[0]).toMatch(/^Groups were found by looks: 2 pictures are in 1 groups/);
    const above = await planRecipe('busi', top);
    expect(above.clips.map(({ group, masks }) => [group, masks])).toEqual(
      plan.clips.map(({ group, masks }) => [
        `Dataset_BUSI_with_GT/${group}`,
        masks?.map((mask) => `Dataset_BUSI_with_GT/${mask}`),
      ]),
    );
  });

  test('a class folder that is missing is told; without any the folder is refused', async () => {
    const root = folder({ 'benign/benign (1).png': 'x', 'malignant/malignant (1).png': 'y' });
    expect((await planRecipe('busi', root)).notes).toContain('There is no folder normal.');
    const error = await failureOf(planRecipe('busi', folder({ 'photos/a.png': '' })));
    expect(error).toMatchObject({ code: 'RECIPE_FOLDER', exitCode: 3 });
    expect(error.message).toMatch(/benign, malignant, normal/);
  });
});

const asked = resolve(process.env['USCL_TEST_DATA'] ?? '../shared/data', 'busi');
const real = existsSync(asked) ? realpathSync(asked) : asked;

describe.skipIf(!existsSync(real))(`BUSI (skipped where ${asked} is absent)`, () => {
  test('pictures, masks and groups are those of the table', async () => {
    const plan = await planRecipe('busi', real);
    expect(plan.rejected).toEqual([]);
    const counts = (label: string): number => plan.clips.filter((clip) => clip.label === label).length;
    expect(['benign', 'malignant', 'normal'].map(counts)).toEqual([355, 167, 102]);
    expect(new Set(plan.clips.map(({ group }) => group)).size).toBe(495);
    expect(plan.clips.filter(({ masks }) => masks === undefined)).toHaveLength(16);
    expect(plan.notes).toContain('16 pictures have no mask.');
  });
});
