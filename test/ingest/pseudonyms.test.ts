/** With a key file, names of files, folders and groups stay where they are; without one, a person is warned. */
import { createHmac, randomBytes } from 'node:crypto';
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openDataset } from '../../src/dataset/reader.ts';
import type { IngestOptions } from '../../src/ingest/options.ts';
import { ingest } from '../../src/ingest/ingest.ts';
import { inspectDataset } from '../../src/ingest/inspect.ts';
import { readSources } from '../../src/ingest/reading.ts';
import { scratchFolder } from '../dataset/helpers.ts';
import { makePicture, makeVideo } from './media.ts';

const scratch = scratchFolder();
let count = 0;

const key = randomBytes(32);
const keyFile = join(scratch, 'site.key');
writeFileSync(keyFile, key);
const other = join(scratch, 'other.key');
writeFileSync(other, randomBytes(32));

/** A pseudonym by its definition (docs/deidentification.md). */
const pseudonym = (purpose: string, value: string): string =>
  createHmac('sha256', key).update(`uscl dicom ${purpose}\0${value}`).digest('hex').slice(0, 16);

const source = join(scratch, 'ZZMARK_clinic');
const labels = join(scratch, 'ZZMARK.csv');
const made = (async () => {
  for (let i = 1; i <= 3; i++) await makePicture(join(source, 'ZZMARK_HANS_19540312', `f${i}.png`), i);
  for (const patient of [1, 2])
    for (let i = 1; i <= 2; i++)
      await makePicture(join(source, 'wardZZMARK', `p${patient}_ZZMARK_frame${i}.png`), i);
  await makePicture(join(source, 'ZZMARK^ANNA.png'), 7);
  makeVideo(join(source, 'ZZMARK_4711815.mp4'));
  writeFileSync(join(source, 'ZZMARK_broken.png'), 'no picture');
  mkdirSync(join(source, 'ZZMARK_empty'));
  writeFileSync(join(source, 'ZZMARK_empty', 'ZZMARK.avi'), '');
  writeFileSync(labels, 'clip,label,group\nZZMARK_HANS_19540312,ill,ZZMARK Hans\nZZMARK^ANNA.png,well,\n');
})();

async function run(from: string, options: Partial<IngestOptions> = {}) {
  await made;
  const out = join(scratch, `out${++count}`);
  const summary = await ingest({ source: from, out, crop: 'none', keyFile, ...options });
  using dataset = openDataset(out);
  return { ...summary, out, records: dataset.clips, inspection: inspectDataset(dataset) };
}

/** All bytes of a folder, file names too. */
function textOf(folder: string): string {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .map(
      (entry) =>
        `${entry.name}\n${entry.isFile() ? readFileSync(join(entry.parentPath, entry.name), 'latin1') : ''}`,
    )
    .join('\n');
}

test('nothing written holds a name; ids are HMACs of the paths, in an order that says nothing', async () => {
  const { out, records, rejected, manifest } = await run(source, { labels });
  expect(textOf(out)).not.toMatch(/ZZMARK|Hans|HANS|ANNA|ward/);
  const byId = new Map(records.map((record) => [record.id, record]));
  const frames = `frames-${pseudonym('path', 'ZZMARK_HANS_19540312')}`;
  const still = `still-${pseudonym('path', 'ZZMARK^ANNA.png')}`;
  expect(byId.get(frames)).toMatchObject({
    group: pseudonym('group', 'ZZMARK Hans'),
    label: 'ill',
    source: frames,
    frames: 3,
  });
  expect(byId.get(still)).toMatchObject({ group: still, label: 'well' });
  expect(byId.has(`frames-${pseudonym('path', 'wardZZMARK/p2_ZZMARK')}`)).toBe(true);
  expect(byId.has(`video-${pseudonym('path', 'ZZMARK_4711815.mp4')}`)).toBe(true);
  expect(records.map(({ id }) => id)).toEqual([...byId.keys()].sort());
  expect(records).toHaveLength(5);
  expect(manifest).toMatchObject({
    name: 'clips',
    classes: ['ill', 'well'],
    made: { source: null, labels: null, keyed: true },
  });
  // The screen has the names, the dataset has codes.
  expect(rejected.map(({ source: path }) => path).sort()).toEqual([
    'ZZMARK_broken.png',
    'ZZMARK_empty/ZZMARK.avi',
  ]);
  expect(manifest.rejected.map(({ reason }) => reason).sort()).toEqual([
    'it was not taken',
    'it was not taken (STILL_UNREADABLE)',
  ]);
});

test('names hold across ingests under one key and do not connect under two; digests are keyed', async () => {
  const copy = join(scratch, 'copy');
  await made;
  cpSync(source, copy, { recursive: true });
  const [first, again, under] = [await run(source), await run(copy), await run(source, { keyFile: other })];
  const facts = ({ records }: typeof first) =>
    records.flatMap(({ id, group, sourceSha256 }) => [id, group, sourceSha256]);
  expect(facts(again)).toEqual(facts(first));
  expect(facts(under).filter((value) => facts(first).includes(value))).toEqual([]);
  const plain = await run(join(source, 'ZZMARK^ANNA.png'), { keyFile: undefined });
  const still = first.records.find(({ id }) => id.startsWith('still-'))!;
  const digest = createHmac('sha256', key)
    .update('uscl dicom content\0')
    .update(plain.records[0]!.sourceSha256!);
  expect(still.sourceSha256).toBe(digest.digest('hex'));
});

test('what has not changed is taken over, by content', async () => {
  const first = await run(source);
  const options = { source, out: first.out, crop: 'none', keyFile, overwrite: true } as const;
  expect((await ingest(options)).reused).toBe(first.clips);
});

test('folders give no labels under a key, and a note says why', async () => {
  const folder = join(scratch, 'classes');
  for (const name of ['covid', 'normal'])
    for (let i = 1; i <= 2; i++) await makePicture(join(folder, name, 'v1', `f${i}.png`), i);
  const keyed = await run(folder);
  expect([keyed.classes, keyed.labelsFrom, keyed.unlabelled]).toEqual([{}, null, 2]);
  expect(keyed.notes).toContainEqual(expect.stringMatching(/key file no folder gives a label/));
  const recipe = await run(folder, { recipe: 'frames' });
  expect(recipe.classes).toEqual({ covid: 1, normal: 1 });
  expect(recipe.records.map(({ id }) => id).sort()).toEqual(
    ['covid/v1', 'normal/v1'].map((path) => `frames-${pseudonym('path', path)}`).sort(),
  );
});

test('clips that are read without a dataset have these names too', async () => {
  await made;
  const ids: string[] = [];
  await readSources(
    [source],
    { keyFile, crop: 'none' },
    {
      clip: async ({ isPrivate }, decoding) => {
        expect(isPrivate).toBe(true);
        for await (const frame of decoding.frames) expect(frame.length).toBeGreaterThan(0);
        ids.push(decoding.draft().id);
      },
      refused: ({ written }) => {
        expect(JSON.stringify(written)).not.toContain('ZZMARK');
      },
    },
  );
  expect(ids).toContain(`still-${pseudonym('path', 'ZZMARK^ANNA.png')}`);
});

test('without a key, names, dates and numbers are warned of, at ingest and on inspection; under a key none is left', async () => {
  const plain = await run(source, { keyFile: undefined });
  const warning = plain.warnings.find(({ code }) => code === 'ids-may-identify');
  expect(warning?.message).toMatch(
    /2 look like names, 1 like dates, 1 like numbers.*ZZMARK\^ANNA\.png.*--key-file/,
  );
  expect(plain.inspection.problems.find(({ code }) => code === 'ids-may-identify')?.about).toContain(
    'ZZMARK^ANNA.png',
  );
  const keyed = await run(source);
  expect(keyed.warnings.filter(({ code }) => code === 'ids-may-identify')).toEqual([]);
  expect(keyed.inspection.problems.filter(({ code }) => code === 'ids-may-identify')).toEqual([]);
});
