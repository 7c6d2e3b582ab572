/** Pictures with masks beside them: pairs by name, structures by value, outlines filled; and told without a recipe. */
import { copyFileSync, existsSync, mkdirSync, readdirSync, realpathSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { crc32, deflateSync } from 'node:zlib';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { mergeDatasets } from '../../../src/curation/merge.ts';
import { openDataset } from '../../../src/dataset/reader.ts';
import { ingest } from '../../../src/ingest/ingest.ts';
import { readMaskCodes } from '../../../src/ingest/masks/codes.ts';
import { pairMasks } from '../../../src/ingest/masks/names.ts';
import { fillOutline, isOutline } from '../../../src/ingest/masks/masks.ts';
import { planRecipe } from '../../../src/ingest/recipes/recipes.ts';
import { scratchFolder } from '../../dataset/helpers.ts';
import { failureOf, makePicture } from '../media.ts';
import { layOut, reasons } from './layout.ts';

const scratch = scratchFolder();
let count = 0;
const newFolder = (): string => join(scratch, `masks-${++count}`);
const [WIDTH, HEIGHT] = [40, 32];

type Rule = (x: number, y: number) => number;
const inEllipse = (x: number, y: number, grow = 0): boolean =>
  ((x - 20) / (12 + grow)) ** 2 + ((y - 16) / (9 + grow)) ** 2 <= 1;
const pixels = (rule: Rule): Uint8Array =>
  Uint8Array.from({ length: WIDTH * HEIGHT }, (_, i) => rule(i % WIDTH, Math.floor(i / WIDTH)));

async function writeGrey(path: string, rule: Rule): Promise<void> {
  mkdirSync(dirname(path), { recursive: true });
  const raw = { width: WIDTH, height: HEIGHT, channels: 1 as const };
  await sharp(pixels(rule), { raw }).toColourspace('b-w').png().toFile(path);
}

/** A palette PNG, made by hand: index 0 black, 1 dark red, 2 dark green, in the order of `order`. */
function writePalette(path: string, rule: Rule, order: readonly number[] = [0, 1, 2]): Promise<void> {
  const colours = ['000000', '800000', '008000'];
  const chunk = (type: string, data: Buffer): Buffer => {
    const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
    const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(data.length);
    check.writeUInt32BE(crc32(body));
    return Buffer.concat([length, body, check]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(WIDTH, 0);
  header.writeUInt32BE(HEIGHT, 4);
  header.set([8, 3, 0, 0, 0], 8);
  const lines = Buffer.alloc(HEIGHT * (WIDTH + 1));
  pixels(rule).forEach((value, i) => {
    lines[Math.floor(i / WIDTH) * (WIDTH + 1) + 1 + (i % WIDTH)] = order.indexOf(value);
  });
  mkdirSync(dirname(path), { recursive: true });
  const parts = [
    Buffer.from('89504e470d0a1a0a', 'hex'),
    chunk('IHDR', header),
    chunk('PLTE', Buffer.from(order.map((index) => colours[index]!).join(''), 'hex')),
    chunk('IDAT', deflateSync(lines)),
    chunk('IEND', Buffer.alloc(0)),
  ];
  writeFileSync(path, Buffer.concat(parts));
  return Promise.resolve();
}

describe('pairs by name', () => {
  test.each<[string, string[], Record<string, string[]>]>([
    ['a suffix', ['a.png', 'a_mask.png', 'a_mask_1.png'], { 'a.png': ['a_mask.png', 'a_mask_1.png'] }],
    ['HC18', ['1_HC.png', '1_HC_Annotation.png'], { '1_HC.png': ['1_HC_Annotation.png'] }],
    ['a folder below', ['p/x.jpg', 'p/masks/x.png'], { 'p/x.jpg': ['p/masks/x.png'] }],
    ['a folder beside', ['p/images/x.jpg', 'p/masks/x.png'], { 'p/images/x.jpg': ['p/masks/x.png'] }],
    ['folders of parts', ['images/t/x.png', 'masks/t/x.png'], { 'images/t/x.png': ['masks/t/x.png'] }],
    ['both', ['images/x.png', 'train_masks/x_mask.gif.png'], {}],
    [
      'a suffix in a folder',
      ['images/x.png', 'train_masks/x_mask.png'],
      { 'images/x.png': ['train_masks/x_mask.png'] },
    ],
  ])('%s', (_name, paths, pairs) => {
    expect(Object.fromEntries(pairMasks(paths).masksOf)).toEqual(pairs);
  });

  test('masks without a picture, or of two, are told; plain pictures are none', () => {
    const { masksOf, orphans } = pairMasks([
      'masks/x.png',
      'b_mask.png',
      'one/y.png',
      'two/y.png',
      'masks/y.png',
    ]);
    expect(masksOf.size).toBe(1);
    expect(Object.keys(Object.fromEntries(orphans))).toEqual(['masks/x.png', 'b_mask.png']);
    const twice = pairMasks(['images/y.png', 'images/y.jpg', 'masks/y.png']);
    expect([...twice.orphans.values()]).toEqual([
      'it is the mask of images/y.png or of images/y.jpg: names do not tell',
    ]);
    expect(pairMasks(['mask.png', 'liver 1.png', 'unmasked.png', 'labels.png']).orphans.size).toBe(0);
  });
});

describe('outlines', () => {
  const size = { width: WIDTH, height: HEIGHT };
  const disc = pixels((x, y) => Number(inEllipse(x, y)));
  const line = pixels((x, y) => Number(inEllipse(x, y) && !inEllipse(x, y, -1.2)));

  test('a line round an ellipse becomes the ellipse', () => {
    expect(isOutline(line, size)).toBe(true);
    expect(fillOutline(line, size)).toEqual(disc);
    expect(isOutline(disc, size)).toBe(false);
  });

  test('a line that the border cuts off is closed by the border; one with a gap is open', () => {
    const shifted = (of: Uint8Array): Uint8Array =>
      pixels((x, y) => (x + 14 < WIDTH ? of[y * WIDTH + x + 14]! : 0));
    expect(fillOutline(shifted(line), size)).toEqual(shifted(disc));
    expect(
      fillOutline(
        pixels((x, y) => (y < 16 ? line[y * WIDTH + x]! : 0)),
        size,
      ),
    ).toBeNull();
  });

  test('a thick ring is a structure of its own', () => {
    const ring = pixels((x, y) => Number(inEllipse(x, y) && !inEllipse(x, y, -4)));
    expect(isOutline(ring, size)).toBe(false);
  });
});

test('the values of a mask are read as they are stored: palette, 8 and 16 bits, colours', async () => {
  const folder = newFolder();
  const rule: Rule = (x) => (x < 10 ? 0 : x < 30 ? 2 : 1);
  await writePalette(join(folder, 'palette.png'), rule);
  await writeGrey(join(folder, 'grey.png'), rule);
  const raw = { width: WIDTH, height: HEIGHT, channels: 1 as const };
  const deep = Uint16Array.from(pixels(rule), (value) => value * 300);
  await sharp(deep, { raw: { ...raw, depth: 'ushort' } as typeof raw })
    .toColourspace('grey16')
    .png()
    .toFile(join(folder, 'deep.png'));
  const grey = await readMaskCodes(join(folder, 'grey.png'));
  expect([grey.kind, [...grey.codes.slice(0, WIDTH)]]).toEqual(['grey', [...pixels(rule).slice(0, WIDTH)]]);
  const palette = await readMaskCodes(join(folder, 'palette.png'));
  expect([palette.kind, palette.palette]).toEqual(['palette', '000000800000008000']);
  expect([...palette.codes]).toEqual([...pixels(rule)]);
  const wide = await readMaskCodes(join(folder, 'deep.png'));
  expect([...wide.codes.slice(0, WIDTH)]).toEqual([...deep.slice(0, WIDTH)]);
});

/** As it is published, but for a picture that is not there and one without a row. */
const TABLE = [
  'filename,pixel size(mm),head circumference (mm)',
  '001_HC.png,0.069136,44.3',
  '010_HC.png,0.0896,56.81',
  '010_2HC.png,0.06,68.75',
  '805_HC.png,0.157,199.4',
]
  .map((line) => `${line}\r\n`)
  .join('');

describe('masks', () => {
  async function hc18(): Promise<string> {
    const root = newFolder();
    for (const name of ['001_HC', '010_HC', '010_2HC']) {
      await makePicture(join(root, `${name}.png`), count++);
      await writeGrey(join(root, `${name}_Annotation.png`), (x, y) =>
        inEllipse(x, y) && !inEllipse(x, y, -1.2) ? 255 : 0,
      );
    }
    await makePicture(join(root, '002_HC.png'), 9);
    layOut(root, { 'training_set_pixel_size_and_HC.csv': TABLE });
    return root;
  }

  test('HC18: outlines are filled, groups are numbers, licence and origin are known', async () => {
    const out = join(scratch, 'hc18-out');
    const root = await hc18();
    const summary = await ingest({ source: root, out, recipe: 'masks', crop: 'none' });
    expect(summary).toMatchObject({ clips: 4, groups: 3, rejected: [], ignored: 1 });
    expect(summary.notes).toEqual([
      'Masks are outlines (3 of 3); they were filled.',
      '1 pictures have no mask.',
      'Groups are the numbers in the names.',
      'training_set_pixel_size_and_HC.csv names 3 of 4 pictures in its column "filename"; not taken: "pixel size(mm)", ' +
        '"head circumference (mm)". A dataset has no place for measures; labels and groups are read from the table given ' +
        'with --labels.',
    ]);
    using dataset = openDataset(out);
    expect(dataset.manifest).toMatchObject({ name: 'hc18', licence: 'CC BY 4.0' });
    expect(dataset.manifest.structures).toBeUndefined();
    const disc = pixels((x, y) => Number(inEllipse(x, y)));
    for (const clip of dataset.clips) {
      const mask = dataset.readMask(clip, 0);
      if (clip.id === '002_HC.png') expect(mask).toBeNull();
      else expect(mask).toEqual(disc);
    }
  });

  test('tables beside the pictures or above them are told of, whatever separates their cells, but not the labels', async () => {
    const root = newFolder();
    for (const name of ['a', 'b']) {
      await makePicture(join(root, `set/images/${name}.png`), name.charCodeAt(0));
      await writeGrey(join(root, `set/masks/${name}.png`), (x) => Number(x < 7));
    }
    layOut(root, {
      'labels.csv': 'clip,label\na,benign\n',
      'measures.csv': 'image;depth (mm);probe\nimages/a.png;40;l\nset/images/b.png;50;c\n',
      'set/images/names.tsv': 'name\tage\na\t3\n',
      'set/images/.hidden.csv': 'name,age\na,3\n',
      'set/ragged.csv': 'a,b\n1\n',
      'set/empty.csv': 'image\n',
    });
    const labels = join(root, 'labels.csv');
    const { notes } = await planRecipe('masks', root, { labels });
    const end =
      '. A dataset has no place for measures; labels and groups are read from the table given with --labels.';
    expect(notes).toEqual([
      `measures.csv names 1 of 2 pictures in its column "image"; not taken: "depth (mm)", "probe"${end}`,
      'set/empty.csv lies beside the pictures and names none of them; nothing of it was taken.',
      `set/images/names.tsv names 1 of 2 pictures in its column "name"; not taken: "age"${end}`,
      'set/ragged.csv lies beside the pictures and was not read: The row has 1 cells; the header has 2.',
    ]);
  });

  test('of many tables the first are looked at and the others counted', async () => {
    const root = newFolder();
    await makePicture(join(root, 'a.png'));
    await writeGrey(join(root, 'a_mask.png'), (x) => Number(x < 7));
    for (let i = 0; i < 11; i++) layOut(root, { [`t${i}.csv`]: 'picture,age\na,3\n' });
    const tables = (await planRecipe('masks', root)).notes.filter((note) => note.includes('table'));
    expect(tables).toHaveLength(9);
    expect(tables.at(-1)).toBe('3 more tables lie beside the pictures and were not looked at.');
  });

  test('an outline that is open costs its picture, with the reason', async () => {
    const root = await hc18();
    await writeGrey(join(root, '010_HC_Annotation.png'), (x, y) =>
      y < 16 && inEllipse(x, y) && !inEllipse(x, y, -1.2) ? 255 : 0,
    );
    const summary = await ingest({ source: root, out: newFolder(), recipe: 'masks', crop: 'none' });
    expect(summary.clips).toBe(3);
    expect(summary.rejected).toEqual([
      { source: '010_HC.png', reason: 'the outline in its mask 010_HC_Annotation.png is not closed' },
    ]);
  });

  const structures: Rule = (x, y) => (inEllipse(x, y) ? (x < 20 ? 1 : 2) : 0);

  test.each([
    ['grey levels 1 and 2, which look black', writeGrey],
    ['a palette', writePalette],
  ])('several structures in %s are stored as their numbers', async (_name, write) => {
    const root = newFolder();
    for (const [i, name] of ['0000', '0001'].entries()) {
      await makePicture(join(root, `images/${name}.png`), i);
      await write(join(root, `masks/${name}.png`), structures);
    }
    const out = newFolder();
    const summary = await ingest({ source: root, out, recipe: 'masks', crop: 'none' });
    expect(summary.clips).toBe(2);
    using dataset = openDataset(out);
    expect(dataset.manifest.structures).toEqual(['structure-1', 'structure-2']);
    expect(dataset.readMask(dataset.clips[0]!, 0)).toEqual(pixels(structures));
    const merged = newFolder();
    await mergeDatasets({ datasets: [out, join(scratch, 'hc18-out')], out: merged, prefixes: ['a', 'b'] });
    using both = openDataset(merged);
    expect(both.manifest.structures).toEqual(['a/structure-1', 'a/structure-2', 'b/inside']);
    const head = both.clips.find(({ id }) => id === 'b/001_HC.png')!;
    expect(new Set(both.readMask(head, 0))).toEqual(new Set([0, 3]));
  });

  test('black is outside wherever a palette has it; palettes that differ are refused', async () => {
    const root = newFolder();
    await makePicture(join(root, 'a.png'));
    await writePalette(join(root, 'a_mask.png'), structures, [2, 0, 1]);
    expect((await planRecipe('masks', root)).clips[0]!.maskReading!.codes).toEqual([0, 2]);
    await makePicture(join(root, 'b.png'), 1);
    await writePalette(join(root, 'b_mask.png'), structures);
    const error = await failureOf(planRecipe('masks', root));
    expect(error.message).toMatch(/the palettes of a_mask\.png and b_mask\.png differ/);
  });

  test('one structure of grey level 1, in a table’s groups; a mask of another size costs its picture', async () => {
    const root = newFolder();
    for (const name of ['a', 'b']) {
      await makePicture(join(root, `${name}.png`), name.charCodeAt(0));
      await writeGrey(join(root, `${name}_mask.png`), (x) => Number(x < 7));
    }
    await makePicture(join(root, 'c.png'), 3, 60, 50);
    await writeGrey(join(root, 'c_mask.png'), (x) => Number(x < 7));
    layOut(root, { 'labels.csv': 'clip,label,group\na,benign,p1\nb,,p1\nc,,p2\n' });
    const out = newFolder();
    const summary = await ingest({
      source: root,
      out,
      recipe: 'masks',
      labels: join(root, 'labels.csv'),
      crop: 'none',
    });
    expect(summary).toMatchObject({ clips: 2, groups: 1, classes: { benign: 1 } });
    expect(summary.rejected[0]!.reason).toBe('its mask c_mask.png has 40×32 pixels, the picture 60×50');
    using dataset = openDataset(out);
    expect(dataset.readMask(dataset.clips[0]!, 0)!.reduce((sum, value) => sum + value, 0)).toBe(7 * HEIGHT);
  });

  test('what cannot be meant is an error with what was expected', async () => {
    const root = newFolder();
    await makePicture(join(root, 'a.png'));
    const none = await failureOf(planRecipe('masks', root));
    expect(none.message).toMatch(
      /X_mask, X_Annotation or X in a folder masks\/.*none of 1 pictures.*it holds a\.png/,
    );
    await writeGrey(join(root, 'a_mask.png'), () => 0);
    expect((await failureOf(planRecipe('masks', root))).message).toMatch(/black throughout/);
    await makePicture(join(root, 'b.png'));
    await writePalette(join(root, 'b_mask.png'), structures);
    expect((await failureOf(planRecipe('masks', root))).message).toMatch(
      /a_mask\.png is grey, b_mask\.png is palette/,
    );
    layOut(root, { 'masks/z.png': '' });
    await writeGrey(join(root, 'b_mask.png'), structures);
    expect(reasons(await planRecipe('masks', root))).toEqual({
      'masks/z.png': 'it is the mask of a picture that is not there',
    });
  });
});

describe('without a recipe', () => {
  test('masks are told by names and values, whatever their folder is called', async () => {
    const root = newFolder();
    for (const name of ['a', 'b', 'c']) {
      await makePicture(join(root, `scans/${name}.png`), name.charCodeAt(0));
      await writeGrey(join(root, `drawn/${name}.png`), (x, y) => (inEllipse(x, y) ? 255 : 0));
    }
    const summary = await ingest({ source: root, out: newFolder(), pictures: 'stills' });
    expect(summary.looksLike).toBe('masks');
    expect(summary.warnings).toContainEqual({
      code: 'probably-masks',
      message: expect.stringMatching(
        /^3 pictures are probably masks of others, such as drawn\/a\.png of scans\/a\.png.*--recipe masks/,
      ) as string,
      about: ['drawn/a.png', 'drawn/b.png', 'drawn/c.png'],
    });
  });

  test('pictures of equal names in class folders are none', async () => {
    const root = newFolder();
    for (const name of ['a', 'b']) {
      await makePicture(join(root, `sick/${name}.png`), 1);
      await makePicture(join(root, `well/${name}_mask.png`), 2);
      await makePicture(join(root, `well/${name}.png`), 3);
    }
    const summary = await ingest({ source: root, out: newFolder(), pictures: 'stills' });
    expect(summary.looksLike).toBeNull();
    expect(summary.warnings.filter(({ code }) => code === 'probably-masks')).toEqual([]);
  });
});

const asked = resolve(process.env['USCL_TEST_DATA'] ?? '../shared/data');
const data = existsSync(asked) ? realpathSync(asked) : asked;
const sets = ['fetal_head', 'nerve_vessel'].map((name) => join(data, name));

describe.skipIf(!sets.every((set) => existsSync(set)))(
  `real masks (skipped where ${asked} is absent)`,
  () => {
    /** Some of a set's pictures, with their masks. */
    function part(set: string): string {
      const root = newFolder();
      const names = readdirSync(join(set, 'masks')).slice(0, 24);
      for (const kind of ['images', 'masks']) {
        mkdirSync(join(root, kind), { recursive: true });
        for (const name of names) copyFileSync(join(set, kind, name), join(root, kind, name));
      }
      return root;
    }

    test('fetal_head: pictures with filled masks in groups of their numbers', async () => {
      const plan = await planRecipe('masks', part(sets[0]!));
      expect(plan.rejected).toEqual([]);
      expect(plan.clips.filter(({ masks }) => masks?.length === 1)).toHaveLength(24);
      expect(
        plan.clips.every(({ item, group }) => group === `fetus-${/\/(\d+)_/.exec(item.path)![1]!}`),
      ).toBe(true);
      expect(plan.clips[0]!.maskReading).toEqual({ codes: [255], isOutline: false });
    });

    test('nerve_vessel: 1 is the nerve, 2 the vessel', async () => {
      const plan = await planRecipe('masks', part(sets[1]!));
      expect(plan.structures).toEqual(['structure-1', 'structure-2']);
      expect(plan.clips[0]!.maskReading).toEqual({ codes: [1, 2], isOutline: false });
    });
  },
);
