/** Folders of pictures: whose frames they are, what their folders mean, and what a person is told. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { expect, test } from 'vitest';
import { randomAt } from '../../src/base/random.ts';
import { openDataset } from '../../src/dataset/reader.ts';
import type { IngestOptions } from '../../src/ingest/options.ts';
import { ingest } from '../../src/ingest/ingest.ts';
import { inspectDataset } from '../../src/ingest/inspect.ts';
import { hasClassFolders } from '../../src/ingest/folders/labels.ts';
import type { SourceItem } from '../../src/ingest/common/ingest-plan.ts';
import { scratchFolder } from '../dataset/helpers.ts';

const scratch = scratchFolder();
let count = 0;

/** A picture of soft waves that depend on `scene` and drift with `time`. */
async function scene(path: string, seed: number, time = 0, width = 72, height = 64): Promise<void> {
  const random = randomAt(seed, 'scene');
  const waves = Array.from({ length: 24 }, () => ({
    x: (random.uniform() - 0.5) * 1.2,
    y: (random.uniform() - 0.5) * 1.2,
    phase: 6.3 * random.uniform(),
  }));
  const pixels = Uint8Array.from({ length: width * height }, (_, i) => {
    const [x, y] = [(i % width) + 0.4 * time, Math.floor(i / width)];
    return 120 + 12 * waves.reduce((sum, wave) => sum + Math.sin(wave.x * x + wave.y * y + wave.phase), 0);
  });
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(
    path,
    await sharp(pixels, { raw: { width, height, channels: 1 } })
      .png()
      .toBuffer(),
  );
}

async function folderOf(
  make: (at: (path: string, seed: number, time?: number, width?: number) => Promise<void>) => Promise<void>,
): Promise<string> {
  const folder = join(scratch, `source${++count}`);
  await make((path, seed, time, width) => scene(join(folder, path), seed, time, width));
  return folder;
}

async function run(source: string, options: Partial<IngestOptions> = {}) {
  const out = join(scratch, `out${++count}`);
  const summary = await ingest({ source, out, crop: 'none', ...options });
  using dataset = openDataset(out);
  const clips = dataset.clips.map(({ id, group, label, frames }) => [id, group, label, frames]);
  const warned = summary.warnings.map(({ code, about }) => [code, ...about]);
  return { ...summary, records: dataset.clips, rows: clips, warned, inspection: inspectDataset(dataset) };
}

/** Three patients in each of two class folders, four frames each. */
const classFolders = folderOf(async (at) => {
  for (const [c, label] of ['covid', 'regular'].entries())
    for (const patient of [1, 2, 3])
      for (const frame of [0, 1, 2, 3])
        await at(
          `${label}/${label.slice(0, 3)}_patient${patient}_frame${frame}.png`,
          10 * c + patient,
          frame,
        );
});

test('frames of several patients in class folders: a clip and a group a patient, the folder is the class', async () => {
  const { rows, warned, notes, labelsFrom, classes } = await run(await classFolders);
  const ids = ['covid/cov', 'regular/reg'].flatMap((name) => [1, 2, 3].map((n) => `${name}_patient${n}`));
  expect(rows).toEqual(ids.map((id) => [id, id, id.split('/')[0], 4]));
  expect(warned).toEqual([]);
  expect([labelsFrom, classes]).toEqual(['folders', { covid: 3, regular: 3 }]);
  expect(notes).toEqual([
    expect.stringMatching(/^2 folders hold frames of several clips.*6 clips, such as cov_patient1/),
    'Labels are the names of the class folders: covid, regular.',
  ]);
});

test('a table finds such clips by their names; then folders give no labels', async () => {
  const labels = join(scratch, 'patients.csv');
  writeFileSync(labels, 'clip,label,group\ncov_patient1,ill,p1\nregular/reg_patient2,well,p2\n');
  const { rows, labelsFrom } = await run(await classFolders, { labels });
  expect(rows.filter(([, , label]) => label !== null)).toEqual([
    ['covid/cov_patient1', 'p1', 'ill', 4],
    ['regular/reg_patient2', 'p2', 'well', 4],
  ]);
  expect(labelsFrom).toBe('table');
});

test('a folder called one clip by the person stays one, with a warning that names the other way', async () => {
  const { rows, warned, warnings } = await run(await classFolders, { pictures: 'frames' });
  expect(rows.map(([id, , , frames]) => [id, frames])).toEqual([
    ['covid', 12],
    ['regular', 12],
  ]);
  expect(warned[0]).toEqual(['several-clips-in-folder', 'covid', 'regular']);
  expect(warnings[0]!.message).toMatch(/cov_patient1, cov_patient2, cov_patient3.*--pictures auto/);
});

test('the same in the source folder itself', async () => {
  const { rows } = await run(join(await classFolders, 'covid'));
  expect(rows.map(([id, , label, frames]) => [id, label, frames])).toEqual([
    ['cov_patient1', null, 4],
    ['cov_patient2', null, 4],
    ['cov_patient3', null, 4],
  ]);
});

test('a clip does not take the name of a folder beside it', async () => {
  const source = await folderOf(async (at) => {
    for (const video of [1, 2])
      for (const frame of [1, 2]) await at(`a/v${video}_f${frame}.png`, video, frame);
    for (const frame of [1, 2, 3]) await at(`a/v1/f${frame}.png`, 7, frame);
  });
  const { rows } = await run(source);
  expect(rows.map(([id, , , frames]) => [id, frames])).toEqual([
    ['a/v1', 3],
    ['a/v1#', 2],
    ['a/v2', 2],
  ]);
});

test('frames that differ in size within a clip are stills, with a warning that names groups', async () => {
  const source = await folderOf(async (at) => {
    for (const video of [1, 2])
      for (const frame of [1, 2]) await at(`a/v${video}_f${frame}.png`, video, frame, 60 + frame);
  });
  const { clips, warned, warnings } = await run(source);
  expect([clips, warned]).toEqual([4, [['several-clips-in-folder', 'a']]]);
  expect(warnings[0]!.message).toMatch(/differ in size.*--labels/);
});

test('a picture a patient is no clip, and why is said', async () => {
  const source = await folderOf(async (at) => {
    for (const patient of [1, 2, 3]) await at(`set/patient${patient}.png`, patient);
  });
  const { clips, notes } = await run(source);
  expect(clips).toBe(3);
  expect(notes).toEqual([
    expect.stringMatching(/in set were taken as separate stills.*patient.*--pictures frames/),
  ]);
});

test('separate pictures of one size that are numbered like frames: a warning names --pictures stills, also on inspection', async () => {
  const source = await folderOf(async (at) => {
    for (const [c, label] of ['cyst', 'nodule'].entries())
      for (let i = 0; i < 6; i++) await at(`${label}/${label}_00${i}.png`, 100 * (c + 1) + i);
  });
  const { warned, warnings, inspection } = await run(source);
  expect(warned).toEqual([['unlike-frames', 'cyst', 'nodule']]);
  expect(warnings[0]!.message).toContain('--pictures stills');
  expect(inspection.problems.find(({ code }) => code === 'unlike-frames')?.about).toEqual(['cyst', 'nodule']);
  const stills = await run(source, { pictures: 'stills' });
  expect([stills.clips, stills.warned, stills.classes]).toEqual([12, [], { cyst: 6, nodule: 6 }]);
});

test('frames that follow one another give no warning, thinned out or not', async () => {
  const source = await folderOf(async (at) => {
    for (let i = 0; i < 12; i++) {
      await at(`v1/f${i}.png`, 1, i);
      await at(`v2/f${4 * i}.png`, 2, 4 * i);
    }
  });
  const { warned, records } = await run(source);
  expect(warned).toEqual([]);
  expect(records.map(({ flags }) => flags)).toEqual([['small'], ['small']]);
});

test.each([
  ['frames', ['covid/a', 'normal/b'], true],
  ['still', ['benign/1.png', 'malignant/1.png'], true],
  ['still', ['severity-0/1.png', 'severity-1/1.png'], true],
  ['frames', ['covid/a', 'covid/b'], false],
  ['frames', ['covid/a', 'b'], false],
  ['frames', ['covid/a', 'normal/x/b'], false],
  ['frames', ['patient1/a', 'patient2/b'], false],
  ['frames', ['Patient_07/a', 'Patient_08/b'], false],
  ['still', ['train/1.png', 'test/1.png'], false],
  ['still', ['images/1.png', 'masks/1.png'], false],
  ['still', ['2019/1.png', '2020-01/1.png'], false],
  ['video', ['covid/a.mp4', 'normal/b.mp4'], false],
] as const)('%s at %j: class folders %s', (kind, paths, expected) => {
  const items = paths.map((path): SourceItem =>
    kind === 'frames' ? { kind, path, files: [] } : { kind, path },
  );
  expect(hasClassFolders(items)).toBe(expected);
});
