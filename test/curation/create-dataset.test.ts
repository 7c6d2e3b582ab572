/** Splits of a dataset that is ingested again: kept where they still fit, dropped and named where they could leak. */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { carryNotes } from '../../src/curation/create-dataset.ts';
import { openDataset } from '../../src/dataset/reader.ts';
import { makeSplit, readSplit, splitNames, writeSplit } from '../../src/curation/splits.ts';
import type { DatasetWriter } from '../../src/dataset/writer.ts';
import { createDataset } from '../../src/curation/create-dataset.ts';
import { randomAt } from '../../src/base/random.ts';
import { draft, scratchFolder, START } from '../dataset/helpers.ts';

const scratch = scratchFolder();
const folder = join(scratch, 'set');
const IDS = ['a', 'b', 'c', 'd', 'e', 'f'];

/** Writes a dataset of clips by id, each in the group that `groupOf` tells. */
async function write(
  ids: readonly string[],
  groupOf = (id: string) => `group ${id}`,
): Promise<DatasetWriter['splits']> {
  using writer = createDataset(folder, START, { overwrite: true });
  for (const id of ids) {
    const random = randomAt(id.charCodeAt(0), 'frame');
    const frame = Uint8Array.from({ length: 80 }, () => random.integer(256));
    await writer.addClip(draft(id, { group: groupOf(id) }), [frame]);
  }
  expect(writer.splits).toEqual({ carried: [], dropped: [] });
  writer.finish();
  return writer.splits;
}

beforeEach(async () => {
  rmSync(folder, { recursive: true, force: true });
  await write(IDS);
  using dataset = openDataset(folder);
  writeSplit(folder, makeSplit(dataset.clips, 'five', { kind: 'folds', folds: 2 }));
  writeSplit(folder, makeSplit(dataset.clips, 'thirds', { kind: 'parts', test: 0.3, validation: 0 }));
});

test('equal clips in equal groups keep them byte for byte, in whatever order they come', async () => {
  const path = join(folder, 'splits', 'five.json');
  const before = readFileSync(path);
  expect(await write(IDS)).toEqual({ carried: ['five', 'thirds'], dropped: [] });
  expect(readFileSync(path).equals(before)).toBe(true);
  expect(await write(IDS.toReversed())).toEqual({ carried: ['five', 'thirds'], dropped: [] });
  using dataset = openDataset(folder);
  expect(readSplit(dataset, 'five').parts).toHaveLength(2);
});

test.each([
  ['a clip that came', [...IDS, 'g'], undefined],
  ['a clip that went', IDS.slice(1), undefined],
  ['a clip under another name', [...IDS.slice(1), 'g'], undefined],
  ['a clip in another group', IDS, (id: string) => `group ${id === 'a' ? 'b' : id}`],
])('%s drops them', async (_, ids, groupOf) => {
  const splits = await write(ids, groupOf);
  expect(splits).toEqual({ carried: [], dropped: ['five', 'thirds'] });
  expect(existsSync(join(folder, 'splits'))).toBe(false);
  expect(carryNotes(splits)).toEqual([
    'The splits five, thirds were dropped: clips or groups have changed; make them again with uscl split.',
  ]);
  expect(await write(ids, groupOf)).toEqual({ carried: [], dropped: [] });
});

test('one that is damaged or renamed is dropped, the others are kept', async () => {
  const splits = join(folder, 'splits');
  renameSync(join(splits, 'thirds.json'), join(splits, 'halves.json'));
  writeFileSync(join(splits, 'broken.json'), '{');
  const result = await write(IDS);
  expect(result).toEqual({ carried: ['five'], dropped: ['broken', 'halves'] });
  expect(splitNames(folder)).toEqual(['five']);
  expect(carryNotes(result)).toEqual([
    'The split five was kept: clips and groups are what they were.',
    'The splits broken, halves were dropped: clips or groups have changed; make them again with uscl split.',
  ]);
});

test('of a dataset that cannot be read none is kept', async () => {
  writeFileSync(join(folder, 'frames.bin'), '');
  expect(await write(IDS)).toEqual({ carried: [], dropped: ['five', 'thirds'] });
});

test('what a killed writer left of them does not come back', async () => {
  const keys = IDS.map((_, i) => String(i).padStart(64, '0'));
  const other = join(scratch, 'other');
  {
    const writer = createDataset(other, START, { keys });
    await writer.addClip(draft('a'), [new Uint8Array(80).fill(9)], {
      note: () => ({ key: keys[0]!, found: [], damage: null, remarks: [] }),
    });
    writer.suspend();
  }
  const left = readdirSync(scratch).find((name) => name.startsWith('.other.'))!;
  mkdirSync(join(scratch, left, 'splits'));
  writeFileSync(join(scratch, left, 'splits', 'old.json'), '{}');
  using writer = createDataset(other, START, { keys });
  const previous = writer.previous(keys[0]!)!;
  expect(
    await writer.reuse(previous, { id: 'a', group: 'a', label: null, source: 'a', flags: [] }),
  ).not.toBeNull();
  writer.finish();
  expect(splitNames(other)).toEqual([]);
});
