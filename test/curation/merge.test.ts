import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { mergeDatasets, type MergeOptions, type MergeSummary } from '../../src/curation/merge.ts';
import { openDataset } from '../../src/dataset/reader.ts';
import type { Manifest } from '../../src/dataset/types.ts';
import { createDataset } from '../../src/curation/create-dataset.ts';
import { failureOf } from '../failures.ts';
import { draft, patternFrames, scratchFolder, START, writeSmallDataset } from '../dataset/helpers.ts';

const scratch = scratchFolder();
let count = 0;
const fresh = (): string => join(scratch, `m${++count}`);

/** One clip `x` of two frames with a mask, of group `p` and class `b`. */
async function other(changes: Partial<Manifest> = {}, id = 'x'): Promise<string> {
  const folder = fresh();
  const start = { ...START, name: 'other', classes: ['b', 'c'], ...changes };
  using writer = createDataset(folder, start);
  const masks = Uint8Array.from({ length: 160 }, (_, i) => i % 2);
  await writer.addClip(
    draft(id, {
      group: 'p',
      label: 'b',
      sourceSha256: 'ab'.repeat(32),
      crop: { x: 1, y: 2, width: 3, height: 4 },
      flags: ['frozen'],
      field: {
        shape: 'sector',
        outlines: [
          [
            [0, 0],
            [5, 0],
            [5, 5],
          ],
        ],
        confidence: 0.9,
        from: 'found',
      },
    }),
    patternFrames(5, 2, 80 * start.channels),
    { masks: () => masks },
  );
  writer.reject('lost.mp4', 'it is empty');
  writer.finish();
  return folder;
}

async function small(): Promise<string> {
  const folder = fresh();
  await writeSmallDataset(folder);
  return folder;
}

const merge = (datasets: readonly string[], more: Partial<MergeOptions> = {}): Promise<MergeSummary> =>
  mergeDatasets({ datasets, out: fresh(), ...more });

describe('a merged dataset', () => {
  test('has every clip of both, byte for byte, with all that was known of it', async () => {
    const folders = [await small(), await other()];
    const { folder } = await merge(folders);
    for (const name of ['frames.bin', 'masks.bin']) {
      const parts = folders.map((part) => join(part, name)).filter((path) => existsSync(path));
      const expected = Buffer.concat(parts.map((path) => readFileSync(path)));
      expect(readFileSync(join(folder, name)).equals(expected)).toBe(true);
    }
    using first = openDataset(folders[0]!);
    using second = openDataset(folders[1]!);
    using both = openDataset(folder);
    expect(both.clips).toHaveLength(4);
    for (const [i, clip] of both.clips.entries()) {
      const source = [...first.clips, ...second.clips][i]!;
      const prefix = i < 3 ? 'test' : 'other';
      expect(clip).toEqual({
        ...source,
        id: `${prefix}/${source.id}`,
        group: `${prefix}/${source.group}`,
        source: `${prefix}/${source.source}`,
        offset: clip.offset,
      });
      const dataset = i < 3 ? first : second;
      for (let frame = 0; frame < clip.frames; frame++) {
        expect(both.readFrame(clip, frame)).toEqual(dataset.readFrame(source, frame));
        expect(both.readMask(clip, frame)).toEqual(dataset.readMask(source, frame));
      }
    }
    expect(both.manifest.rejected).toEqual([
      { source: 'test/broken.mp4', reason: 'it cannot be decoded' },
      { source: 'other/lost.mp4', reason: 'it is empty' },
    ]);
  });

  test('has the union of the classes in order, licences and citations side by side, the larger size', async () => {
    const second = await other({ licence: 'CC BY', citation: 'Doe 2020', size: 12 });
    const summary = await merge([await small(), second]);
    expect(summary.manifest).toMatchObject({
      version: 2,
      name: 'test+other',
      classes: ['a', 'b', 'c'],
      licence: 'test: not stated; other: CC BY',
      citation: 'other: Doe 2020',
      homepage: null,
      size: 12,
      clips: 4,
      frames: 10,
    });
    expect(summary.manifest.made).toMatchObject({
      command: 'merge',
      of: [{ prefix: 'test', made: { command: 'test' } }, { prefix: 'other' }],
    });
    expect(summary).toMatchObject({
      classes: { a: 1, b: 2, c: 0 },
      unlabelled: 1,
      groups: 4,
      sharedClasses: ['b'],
      sizes: [8, 12],
    });
  });

  test('has no label and no class where asked', async () => {
    const { folder } = await merge([await small(), await other()], { unlabelled: true });
    using both = openDataset(folder);
    expect(both.manifest.classes).toEqual([]);
    expect(both.clips.map(({ label }) => label)).toEqual([null, null, null, null]);
  });

  test('keeps classes of one name apart where asked', async () => {
    const summary = await merge([await small(), await other()], { separateClasses: true });
    expect(summary.manifest.classes).toEqual(['test/a', 'test/b', 'other/b', 'other/c']);
    expect(summary.classes).toEqual({ 'test/a': 1, 'test/b': 1, 'other/b': 1, 'other/c': 0 });
    expect(summary.sharedClasses).toEqual([]);
  });

  test('keeps groups where one name is one patient, and says which are in several datasets', async () => {
    const folders = [await other({ name: 'one' }), await other()];
    const apart = await merge(folders);
    expect([apart.groups, apart.sharedGroups]).toEqual([2, []]);
    // The two clips have the same source: across groups that is a leak.
    expect(apart.alike).toEqual({ count: 1, pairs: [['one/x', 'other/x']] });
    const together = await merge(folders, { keepGroups: true });
    expect([together.groups, together.sharedGroups, together.alike.count]).toEqual([1, ['p'], 0]);
  });

  test('of datasets of one name needs prefixes, and takes them', async () => {
    const folders = [await small(), await small()];
    expect(await failureOf(merge(folders))).toMatchObject({ code: 'MERGE_PREFIX', exitCode: 2 });
    const { folder, manifest } = await merge(folders, { prefixes: ['mon', 'tue'], name: 'week' });
    using both = openDataset(folder);
    expect(manifest.name).toBe('week');
    expect(both.clips.map(({ id }) => id)).toEqual([
      'mon/one',
      'mon/two',
      'mon/three',
      'tue/one',
      'tue/two',
      'tue/three',
    ]);
  });

  test('can be merged again', async () => {
    const both = await merge([await small(), await other()]);
    const { manifest } = await merge([both.folder, await other({ name: 'third' })]);
    expect(manifest).toMatchObject({ name: 'test+other+third', clips: 5 });
  });

  test('is the same bytes every time', async () => {
    const folders = [await small(), await other()];
    const [first, second] = [await merge(folders), await merge(folders)];
    for (const name of readdirSync(first.folder))
      expect(readFileSync(join(first.folder, name)).equals(readFileSync(join(second.folder, name)))).toBe(
        true,
      );
  });

  test('names the splits that it does not take over', async () => {
    const folder = await other();
    const third = await small();
    mkdirSync(join(third, 'splits'));
    writeFileSync(join(third, 'splits', 'mine.json'), '{}');
    const { parts, folder: out } = await merge([third, folder]);
    expect(parts.map(({ splits }) => splits)).toEqual([['mine'], []]);
    expect(existsSync(join(out, 'splits'))).toBe(false);
  });
});

describe('datasets of different channels', () => {
  test('are refused with a way out', async () => {
    const error = await failureOf(merge([await small(), await other({ channels: 3 })]));
    expect(error).toMatchObject({ code: 'MERGE_CHANNELS', exitCode: 2 });
    expect(error.message).toMatch(/has 1 channel and .* has 3/);
    expect(error.remedy).toContain('--channels 1');
  });

  test('become grey by luma: equal red, green and blue stay what they were', async () => {
    const { folder, parts } = await merge([await small(), await other({ channels: 3 })], { channels: 1 });
    expect(parts.map(({ converted }) => converted)).toEqual([false, true]);
    using both = openDataset(folder);
    const frame = both.readFrame(both.clips[3]!, 1);
    const [colour] = [...patternFrames(5, 2, 240)].slice(1);
    const luma = Array.from({ length: 80 }, (_, i) => {
      const [r, g, b] = [colour![3 * i]!, colour![3 * i + 1]!, colour![3 * i + 2]!];
      return Math.round(0.299 * r + 0.587 * g + 0.114 * b);
    });
    expect([...frame]).toEqual(luma);
  });

  test('become three equal channels, which are the same pictures', async () => {
    const first = await small();
    const { folder } = await merge([first, await other({ channels: 3 })], { channels: 3 });
    using grey = openDataset(first);
    using both = openDataset(folder);
    const expected = [...grey.readFrame(grey.clips[0]!, 2)].flatMap((value) => [value, value, value]);
    expect([...both.readFrame(both.clips[0]!, 2)]).toEqual(expected);
    expect(both.clips[0]!.hashes).toEqual(grey.clips[0]!.hashes);
  });
});

describe('what cannot be merged', () => {
  test.each<[string, (one: string, two: string) => Partial<MergeOptions>, string]>([
    ['one dataset', (one) => ({ datasets: [one] }), 'MERGE_FEW'],
    ['the same folder twice', (one) => ({ datasets: [one, `${one}/.`] }), 'MERGE_TWICE'],
    ['a prefix too few', (one, two) => ({ datasets: [one, two], prefixes: ['a'] }), 'MERGE_PREFIX'],
    ['an empty prefix', (one, two) => ({ datasets: [one, two], prefixes: ['a', ' '] }), 'MERGE_PREFIX'],
    ['equal prefixes', (one, two) => ({ datasets: [one, two], prefixes: ['a', 'a'] }), 'MERGE_PREFIX'],
    [
      'an input as output',
      (one, two) => ({ datasets: [one, two], out: two, overwrite: true }),
      'MERGE_INTO_ITSELF',
    ],
    [
      'a dataset that is not there',
      (one) => ({ datasets: [one, join(scratch, 'nowhere')] }),
      'DATASET_MISSING',
    ],
  ])('%s', async (_name, options, code) => {
    const folders = [await small(), await other()] as const;
    const before = readdirSync(folders[1]);
    const error = await failureOf(merge(folders, options(...folders)));
    expect(error.code).toBe(code);
    expect(error.remedy).not.toBe('');
    expect(readdirSync(folders[1])).toEqual(before);
  });

  test('the same folder under another name', async () => {
    const folder = await small();
    const link = fresh();
    symlinkSync(folder, link);
    expect((await failureOf(merge([folder, link]))).code).toBe('MERGE_TWICE');
  });

  test('an output that is there: refused, or replaced where asked', async () => {
    const folders = [await small(), await other()];
    const out = await small();
    expect((await failureOf(merge(folders, { out }))).code).toBe('DATASET_EXISTS');
    expect((await merge(folders, { out, overwrite: true })).manifest.clips).toBe(4);
    const foreign = fresh();
    mkdirSync(foreign);
    writeFileSync(join(foreign, 'thesis.txt'), 'mine');
    expect((await failureOf(merge(folders, { out: foreign, overwrite: true }))).code).toBe('OUTPUT_NOT_OURS');
  });

  test('a store that is cut off, and a stop: nothing is left behind', async () => {
    const folders = [await small(), await other()];
    const parent = fresh();
    const out = join(parent, 'set');
    const controller = new AbortController();
    const stopped = mergeDatasets({
      datasets: folders,
      out,
      signal: controller.signal,
      onProgress: (done) => {
        if (done === 2) controller.abort();
      },
    });
    await expect(stopped).rejects.toThrow(/abort/);
    expect(readdirSync(parent)).toEqual([]);
    const cut = mergeDatasets({
      datasets: folders,
      out,
      onProgress: (done) => {
        if (done === 1) truncateSync(join(folders[0]!, 'frames.bin'), 350);
      },
    });
    expect((await failureOf(cut)).code).toBe('DATASET_CORRUPT');
    expect(readdirSync(parent)).toEqual([]);
  });

  test('prefixes and ids that meet in one id', async () => {
    const folders = [await other({}, 'b/x'), await other()];
    expect(await failureOf(merge(folders, { prefixes: ['a', 'a/b'] }))).toMatchObject({
      code: 'CLIP_DUPLICATE',
    });
  });
});
