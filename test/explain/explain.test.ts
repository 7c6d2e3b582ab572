/** Explanations of a whole dataset: numbers that agree with each other, pictures only where asked, nothing overwritten. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { openDataset } from '../../src/dataset/reader.ts';
import { parseCsv } from '../../src/formats/csv.ts';
import { readExplanation } from '../../src/evaluation/explanations/explanation.ts';
import { explain } from '../../src/explain/explain.ts';
import type { ExplainOptions } from '../../src/explain/options.ts';
import { writeModel } from '../finetune/finetuned.ts';
import { probeVideo } from '../../src/video/probe.ts';
import { errorOf, scratchFolder, tinyDataset, tinyRun } from '../pretrain/support.ts';
import { fieldedDataset, HEIGHT, WIDTH } from './support.ts';

const scratch = scratchFolder();
const stripes = join(scratch, 'stripes');
const fielded = join(scratch, 'fielded');
let model = '';
let clipsOf: string[] = [];

beforeAll(async () => {
  await tinyDataset(stripes, { clips: 12, frames: 5 });
  clipsOf = Array.from({ length: 12 }, (_, i) => `clip${i}`);
  await fieldedDataset(fielded, [
    // The field is the left half of what was kept.
    {
      id: 'half',
      changes: {
        crop: { x: 20, y: 10, width: 60, height: 40 },
        field: {
          shape: 'rectangle',
          outlines: [
            [
              [20, 10],
              [50, 10],
              [50, 50],
              [20, 50],
            ],
          ],
          confidence: 1,
          from: 'given',
        },
      },
    },
    {
      id: 'all',
      changes: {
        field: {
          shape: 'rectangle',
          outlines: [
            [
              [0, 0],
              [100, 0],
              [100, 80],
              [0, 80],
            ],
          ],
          confidence: 1,
          from: 'declared',
        },
      },
    },
    // Nothing that could be told from a background.
    { id: 'none', frames: [flat(80), flat(90)] },
    { id: 'other', frames: [flat(100), flat(110)] },
  ]);
  const folder = join(scratch, 'model');
  mkdirSync(folder);
  model = writeModel(folder, { classes: ['a', 'b'], seed: 5 });
});

const flat = (level: number): Uint8Array => new Uint8Array(WIDTH * HEIGHT).fill(level);

function explained(out: string, options: Partial<ExplainOptions>) {
  return explain({
    ...{ source: model, data: [stripes], out: join(scratch, out), backend: 'reference', framesPerClip: 2 },
    ...options,
  });
}

const everything: Partial<ExplainOptions> = {
  cam: { pictures: 4 },
  map: {},
  neighbours: { clips: ['clip3'], count: 4 },
};

describe('an explanation of a dataset', () => {
  it('holds every clip in numbers, and pictures of those that were asked for', async () => {
    const result = await explained('whole', everything);
    const folder = join(scratch, 'whole');
    const read = readExplanation(folder)!;
    const { folder: _folder, ...written } = result;
    expect(read).toEqual(written);
    const { entries } = read.cam!;
    expect(entries.map(({ clip, frame }) => `${clip} ${frame}`)).toEqual(
      clipsOf.flatMap((clip) => [`${clip} 1`, `${clip} 3`]),
    );
    // Frames of a clip are explained for one class, that of the higher mean probability.
    for (const clip of clipsOf) {
      const [one, two] = entries.filter((entry) => entry.clip === clip);
      expect(one!.class).toBe(two!.class);
      expect(one!.probability + two!.probability).toBeGreaterThanOrEqual(1 - 1e-6);
    }
    const drawn = entries.flatMap(({ png }) => (png === null ? [] : [png]));
    expect(drawn).toHaveLength(4);
    expect(readdirSync(join(folder, 'cam')).sort()).toEqual(drawn.map((name) => name.slice(4)).sort());
    expect(await sharp(join(folder, drawn[0]!)).metadata()).toMatchObject({ format: 'png', channels: 3 });
    // Both classes are shown.
    const labels = new Set(entries.filter(({ png }) => png !== null).map(({ label }) => label));
    expect([...labels].sort()).toEqual(['a', 'b']);

    const table = parseCsv(readFileSync(join(folder, 'map.csv')), 'map.csv', ['clip', 'x', 'y']);
    expect(read.map!.points.map(({ clip }) => clip)).toEqual(clipsOf);
    expect(table.map(({ cells }) => cells.get('clip'))).toEqual(clipsOf);
    expect(table.map(({ cells }) => Number(cells.get('x')))).toEqual(read.map!.points.map(({ x }) => x));
    for (const file of Object.values(read.map!.svg))
      expect(readFileSync(join(folder, file), 'utf8').match(/<title>/g)).toHaveLength(12);
    const [asked] = read.neighbours;
    expect(asked!.query.clip).toBe('clip3');
    // clip2 is of the same group and may not be answered.
    expect(asked!.answers.map(({ clip }) => clip)).not.toContain('clip2');
    const similarities = asked!.answers.map(({ similarity }) => similarity);
    expect(similarities).toEqual([...similarities].sort((a, b) => b - a));
    expect(asked!.png).toBe('neighbours/0004-clip3.png');
    expect(existsSync(join(folder, asked!.png))).toBe(true);
    expect(read.notice).toContain('Research use only');
  });

  it('is the same every time', async () => {
    await explained('first', everything);
    await explained('second', everything);
    const files = readdirSync(join(scratch, 'first'), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(join(scratch, 'first').length));
    expect(files.length).toBeGreaterThan(9);
    for (const file of files)
      expect(
        readFileSync(join(scratch, 'second', file)).equals(readFileSync(join(scratch, 'first', file))),
      ).toBe(true);
  });

  it('tells the share of heat in the field beside that of the area, and of whom it cannot', async () => {
    const { cam } = await explained('fields', {
      data: [fielded],
      cam: { pictures: 0, layer: 'layer2' },
    });
    const shares = new Map(cam!.entries.map((entry) => [entry.clip, entry]));
    expect(shares.get('half')!.fieldShare).toBeCloseTo(0.5, 6);
    expect(shares.get('half')!.insideShare).toBeGreaterThan(0);
    expect(shares.get('half')!.insideShare).toBeLessThan(1);
    expect(shares.get('all')).toMatchObject({ fieldShare: 1, insideShare: 1 });
    expect(shares.get('none')).toMatchObject({ fieldShare: null, insideShare: null });
    const { summary } = cam!;
    expect(summary).toMatchObject({
      ...{ clips: 4, leftOut: 0, withoutHeat: 0, withoutField: 2, fieldsFoundNow: 0 },
      all: { clips: 2 },
    });
    const half = cam!.entries.filter(({ clip }) => clip === 'half').map(({ insideShare }) => insideShare!);
    const mean = half.reduce((sum, value) => sum + value, 0) / half.length;
    expect(summary.partial).toEqual({ clips: 1, insideShare: mean, fieldShare: 0.5 });
    expect(summary.all.insideShare).toBeCloseTo((mean + 1) / 2, 12);
    expect(existsSync(join(scratch, 'fields', 'cam'))).toBe(false);
  });

  it('explains the class that it is told to, and says whom it left out', async () => {
    const one = await explained('class-b', { cam: { target: 'b', pictures: 0 } });
    expect(new Set(one.cam!.entries.map((entry) => entry.class))).toEqual(new Set(['b']));
    const own = await explained('own', { cam: { target: 'label', pictures: 0 } });
    for (const entry of own.cam!.entries) expect(entry.class).toBe(entry.label);
    const half = join(scratch, 'half-known');
    mkdirSync(half);
    const notes: string[] = [];
    const { cam } = await explained('left-out', {
      source: writeModel(half, { classes: ['a', 'z'] }),
      cam: { target: 'label', pictures: 0 },
      onNote: (text) => notes.push(text),
    });
    expect(cam!.summary).toMatchObject({ clips: 6, leftOut: 6 });
    expect(notes.join()).toContain('6 clips');
  });

  it('draws the clips that are named and no others, by a part of the id where that is enough', async () => {
    const { cam } = await explained('named', { cam: { clips: ['p7', 'clip10'] } });
    const drawn = cam!.entries.filter(({ png }) => png !== null).map(({ clip }) => clip);
    expect(drawn).toEqual(['clip7', 'clip10']);
  });

  it('draws 24 clips and tells of the nine most like one where nobody said how many', async () => {
    const many = join(scratch, 'many');
    await tinyDataset(many, { clips: 27, frames: 1, labelOf: () => 'a' });
    const { cam, neighbours } = await explained('defaults', {
      ...{ data: [many], cam: {}, neighbours: { clips: ['clip3'] } },
    });
    expect(cam!.entries.filter(({ png }) => png !== null)).toHaveLength(24);
    expect(neighbours.map(({ answers }) => answers.length)).toEqual([9]);
  });

  it('frames the clip that was asked about, at a pixel from its picture on all sides', async () => {
    const { folder, neighbours } = await explained('framed', { neighbours: { clips: ['clip3'], count: 1 } });
    const sheet = sharp(join(folder, neighbours[0]!.png));
    const { data, info } = await sheet.raw().toBuffer({ resolveWithObject: true });
    const colour = (x: number, y: number): string =>
      data.subarray(info.channels * (y * info.width + x)).toString('hex', 0, 3);
    // Two tiles of 176 pixels, the first with its corner at (10, 28).
    expect(info.width).toBe(10 + 2 * 186);
    const [line, ground] = ['ffb46b', '1b1d21'];
    const across = [6, 7, 8, 9].map((x) => colour(x, 28 + 88));
    expect(across).toEqual([ground, line, line, ground]);
    expect([186, 187, 188, 189].map((x) => colour(x, 28 + 88))).toEqual([ground, line, line, ground]);
    expect([24, 25, 26, 27].map((y) => colour(10 + 88, y))).toEqual([ground, line, line, ground]);
    // The answer beside it has no frame.
    expect([192, 193, 194, 195].map((x) => colour(x, 28 + 88))).toEqual(new Array(4).fill(ground));
  });

  it('draws the middle frame of each answer in rows of five, its label green where it is that of the first', async () => {
    const { folder, neighbours } = await explained('sheet', { neighbours: { clips: ['clip3'], count: 6 } });
    const { data, info } = await sharp(join(folder, neighbours[0]!.png))
      .raw()
      .toBuffer({ resolveWithObject: true });
    // Tiles of 176 with 10 between them, 50 for words below each, 28 above all.
    expect([info.width, info.height]).toEqual([10 + 5 * 186, 28 + 2 * 236]);
    const pixel = (x: number, y: number): readonly number[] => [
      ...data.subarray(3 * (y * info.width + x)).subarray(0, 3),
    ];
    using stored = openDataset(stripes);
    const shown = [neighbours[0]!.query, ...neighbours[0]!.answers];
    expect(shown).toHaveLength(7);
    for (const [i, { clip, label }] of shown.entries()) {
      const [left, top] = [10 + 186 * (i % 5), 28 + 236 * Math.floor(i / 5)];
      const record = stored.clips.find(({ id }) => id === clip)!;
      const frame = stored.readFrame(record, 2);
      // 16 pixels become 176: the middle of each eleven is about what was stored.
      const off = frame.map((value, at) =>
        Math.abs(pixel(left + 11 * (at % 16) + 5, top + 11 * Math.floor(at / 16) + 5)[0]! - value),
      );
      expect(off.reduce((sum, value) => sum + value, 0) / off.length).toBeLessThan(4);
      const words = Array.from({ length: 176 * 15 }, (_, n) =>
        pixel(left + (n % 176), top + 194 + Math.floor(n / 176)),
      );
      expect(words.some(([red, green]) => green! - red! > 60)).toBe(label === neighbours[0]!.query.label);
    }
    expect(new Set(shown.map(({ label }) => label)).size).toBe(2);
  });

  it('writes cosines to six digits, and of each clip the picture of the frame that is surest', async () => {
    const { cam, neighbours } = await explained('surest', {
      ...{ cam: { clips: clipsOf }, neighbours: { clips: ['clip3'], count: 11, sameGroup: true } },
    });
    for (const clip of clipsOf) {
      const frames = cam!.entries.filter((entry) => entry.clip === clip);
      const surest = Math.max(...frames.map(({ probability }) => probability));
      const first = frames.findIndex(({ probability }) => probability === surest);
      expect(frames.map(({ png }) => png !== null)).toEqual(frames.map((_, i) => i === first));
    }
    const { answers, sameGroup } = neighbours[0]!;
    expect([answers.length, sameGroup]).toEqual([11, true]);
    for (const { similarity } of answers) {
      expect(String(Math.abs(similarity)).length).toBeLessThanOrEqual('0.123456'.length);
      expect(Math.abs(similarity)).toBeLessThanOrEqual(1);
    }
  });

  it('looks at four frames of a clip where nobody said how many, and at 64 at most', async () => {
    const read = explain({
      ...{ source: model, data: [stripes], out: join(scratch, 'four'), backend: 'reference' },
      cam: { pictures: 0 },
    });
    expect((await read).cam!.entries.filter(({ clip }) => clip === 'clip0')).toHaveLength(4);
    const most = await explained('most', { data: [fielded], cam: { pictures: 0 }, framesPerClip: 64 });
    expect(most.framesPerClip).toBe(64);
    expect((await errorOf(() => explained('more', { cam: {}, framesPerClip: 65 }))).code).toBe(
      'EXPLAIN_OPTION',
    );
  });

  it('makes a video of a clip of unknown rate, five frames a second and two pictures wide', async () => {
    const still = join(scratch, 'unknown-rate');
    await fieldedDataset(still, [{ id: 'one', changes: { fps: null } }]);
    const { cam, folder } = await explained('video', { data: [still], cam: { video: 'mp4' } });
    expect(cam!.videos).toMatchObject([{ clip: 'one', frames: 3, fps: 5 }]);
    // 30 × 20 becomes 320 × 213: twice, with three gaps of 8, a bar of 14 and its words; four lines of 15 below.
    expect(await probeVideo(join(folder, cam!.videos[0]!.file))).toMatchObject({
      ...{ frames: 3, fps: 5 },
      ...{ width: 3 * 8 + 2 * 320 + 14 + 52, height: 3 * 8 + 213 + 4 * 15 + 1 },
    });
  });

  it('tells datasets apart by their names, and folders within one', async () => {
    const both = await explained('both', { data: [stripes, fielded], map: {} });
    expect(new Set(both.map!.points.map(({ source }) => source))).toEqual(new Set(['stripes', 'fielded']));
    const one = await explained('one', { data: [fielded], map: {} });
    expect(new Set(one.map!.points.map(({ source }) => source))).toEqual(new Set(['ward']));
  });
});

describe('a pretrained backbone', () => {
  it('has a map and neighbours, in its own folder, and no classes to explain', async () => {
    const out = join(scratch, 'run');
    await tinyRun(stripes, out);
    const result = await explain({
      ...{ source: out, data: [stripes], map: {}, neighbours: { clips: ['clip1'] }, backend: 'reference' },
    });
    expect(result.folder).toBe(join(out, 'explain'));
    expect(readExplanation(join(out, 'explain'))!.map!.points).toHaveLength(12);
    const error = await errorOf(() =>
      explain({ source: out, data: [stripes], cam: {}, backend: 'reference' }),
    );
    expect(error.code).toBe('MODEL_WITHOUT_CLASSES');
  });
});

describe('what is there already', () => {
  it('is kept beside what is made later of the same weights and clips', async () => {
    await explained('parts', { map: {} });
    const later = await explained('parts', { cam: { pictures: 1 } });
    expect(later.map).not.toBeNull();
    expect(later.cam).not.toBeNull();
    expect(existsSync(join(scratch, 'parts', 'map.csv'))).toBe(true);
  });

  it('is not replaced unless told so, and then as a whole where it is of other clips', async () => {
    await explained('kept', { map: {}, cam: { pictures: 1 } });
    expect((await errorOf(() => explained('kept', { map: {} }))).code).toBe('EXPLANATION_EXISTS');
    const other = { data: [fielded], neighbours: { clips: ['half'] } };
    expect((await errorOf(() => explained('kept', other))).code).toBe('EXPLANATION_EXISTS');
    expect((await explained('kept', { map: {}, overwrite: true })).cam).not.toBeNull();
    const replaced = await explained('kept', { ...other, overwrite: true });
    expect([replaced.cam, replaced.map]).toEqual([null, null]);
    expect(readdirSync(join(scratch, 'kept')).sort()).toEqual(['explain.json', 'neighbours']);
  });

  it('is never somebody else’s, and a damaged list is said to be so', async () => {
    const foreign = join(scratch, 'foreign');
    mkdirSync(foreign);
    writeFileSync(join(foreign, 'thesis.doc'), 'x');
    for (const overwrite of [false, true])
      expect((await errorOf(() => explained('foreign', { map: {}, overwrite }))).code).toBe(
        'OUTPUT_NOT_OURS',
      );
    expect(readdirSync(foreign)).toEqual(['thesis.doc']);
    await explained('damaged', { map: {} });
    writeFileSync(join(scratch, 'damaged', 'explain.json'), '{"format": "uscl-explanation"}');
    expect((await errorOf(() => explained('damaged', { cam: {} }))).code).toBe('EXPLANATION_DAMAGED');
    expect((await explained('damaged', { map: {}, overwrite: true })).map).not.toBeNull();
  });

  it('leaves no list of other clips behind when its successor is stopped', async () => {
    await explained('replaced', { map: {} });
    const controller = new AbortController();
    const reason = new Error('enough');
    const stopped = explained('replaced', {
      ...{ data: [fielded], map: {}, overwrite: true, signal: controller.signal },
      onProgress: () => {
        controller.abort(reason);
      },
    });
    await expect(stopped).rejects.toBe(reason);
    expect(readdirSync(join(scratch, 'replaced'))).toEqual([]);
  });

  it('stays when it is stopped half-way, without a list that names what is not there', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const stopped = explained('stopped', {
      cam: { pictures: 12 },
      signal: controller.signal,
      onProgress: (done) => {
        if (done === 8) controller.abort(reason);
      },
    });
    await expect(stopped).rejects.toBe(reason);
    expect(existsSync(join(scratch, 'stopped', 'explain.json'))).toBe(false);
    expect((await explained('stopped', { cam: { pictures: 1 } })).cam).not.toBeNull();
    expect(readdirSync(join(scratch, 'stopped', 'cam'))).toHaveLength(2);
  });
});

describe('bad input', () => {
  const cases: readonly (readonly [string, Partial<ExplainOptions>, string])[] = [
    ['no data', { data: [], map: {} }, 'DATA_NONE'],
    ['no such data', { data: [join(scratch, 'nowhere')], map: {} }, 'FILES_UNREADABLE'],
    ['files beside a dataset', { data: [stripes, scratch], map: {} }, 'DATA_MIXED'],
    ['a clip that is not there', { cam: { clips: ['clap'] } }, 'CLIP_UNKNOWN'],
    ['a part of many ids', { neighbours: { clips: ['clip'] } }, 'CLIP_AMBIGUOUS'],
    ['a class that is not known', { cam: { target: 'c' } }, 'CAM_TARGET'],
    ['a layer that is not there', { cam: { layer: 'layer9' } }, 'CAM_LAYER'],
    ['no frames', { map: {}, framesPerClip: 0 }, 'EXPLAIN_OPTION'],
    ['too few clips for a map', { data: [join(scratch, 'three')], map: {} }, 'MAP_TOO_FEW'],
    ['a map with one neighbour', { map: { neighbours: 1 } }, 'MAP_OPTION'],
    ['weights that are not there', { source: join(scratch, 'no-run'), map: {} }, 'RUN_MISSING'],
  ];

  beforeAll(async () => {
    await tinyDataset(join(scratch, 'three'), { clips: 3 });
  });

  it.each(cases)('%s', async (name, options, code) => {
    const out = `bad ${name}`;
    const error = await errorOf(() => explained(out, options));
    expect(error.code).toBe(code);
    expect(error.remedy).not.toBe('');
    expect(existsSync(join(scratch, out, 'explain.json'))).toBe(false);
  });

  it('weights without classes and clips that cannot be compared: nothing to explain', async () => {
    const lone = join(scratch, 'lone');
    await tinyDataset(lone, { clips: 2 });
    const notes: string[] = [];
    const asked = { data: [lone], onNote: (text: string) => notes.push(text) };
    const { cam, map, neighbours } = await explained('lone-model', asked);
    expect([cam?.summary.clips, map, neighbours]).toEqual([2, null, []]);
    expect(notes).toEqual([
      'No map: it needs at least 4 clips, and there are 2.',
      'No nearest clips: all clips are of one group.',
    ]);
    const run = join(scratch, 'lone-run');
    await tinyRun(stripes, run, ['training.epochs=1']);
    const error = await errorOf(() => explained('lone-backbone', { ...asked, source: run }));
    expect(error.code).toBe('EXPLAIN_NOTHING');
    expect(existsSync(join(scratch, 'lone-backbone'))).toBe(false);
  });

  it('labels that nobody gave', async () => {
    const unlabelled = join(scratch, 'unlabelled');
    await tinyDataset(unlabelled, { clips: 2, labelled: false });
    const error = await errorOf(() =>
      explained('no-labels', { data: [unlabelled], cam: { target: 'label' } }),
    );
    expect(error.code).toBe('CAM_TARGET');
  });

  it('no place to write to', async () => {
    const error = await errorOf(() =>
      explain({ source: model, data: [stripes], map: {}, backend: 'reference' }),
    );
    expect(error.code).toBe('EXPLAIN_OPTION');
  });
});
