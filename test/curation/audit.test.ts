import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import sharp from 'sharp';
import { beforeAll, describe, expect, test } from 'vitest';
import { auditDatasets } from '../../src/curation/audit.ts';
import { auditSheet } from '../../src/curation/audit-sheet.ts';
import { openDataset } from '../../src/dataset/reader.ts';
import { makePhantom } from '../../src/phantom/phantom.ts';
import { scratchFolder } from '../dataset/helpers.ts';
import { COPIES, copyOf, type Picture, pictureOf, writeClips } from './near-copies.ts';

const scratch = scratchFolder();
const original = join(scratch, 'original');
const planted = join(scratch, 'planted');
const HEX = 'ab'.repeat(32);

async function copies(pictures: readonly Picture[], name: keyof typeof COPIES): Promise<Picture[]> {
  return Promise.all(pictures.map((picture) => copyOf(picture, COPIES[name]!)));
}

beforeAll(async () => {
  const phantom = join(scratch, 'phantom');
  await makePhantom({ out: phantom, clips: 30, size: 96, seed: 3 });
  using dataset = openDataset(phantom);
  const groups = [...new Set(dataset.clips.map(({ group }) => group))];
  // One clip a patient, so that nothing is alike but what is planted.
  const chosen = groups.map((group) => dataset.clips.findIndex((clip) => clip.group === group));
  const scan = (i: number, from = 0, to = 24): Picture[] =>
    Array.from({ length: to - from }, (_, k) => pictureOf(dataset, chosen[i]!, from + k));
  await writeClips(original, [
    { id: 'bytes', pictures: scan(0), facts: { sourceSha256: HEX } },
    { id: 'encoded', pictures: scan(1) },
    { id: 'long', pictures: scan(2) },
    { id: 'named', pictures: scan(3).slice(0, 2), facts: { source: 'folder/Scan 7.mp4' } },
  ]);
  await writeClips(planted, [
    {
      id: 'copy of bytes',
      pictures: scan(4, 0, 1).map(({ data, ...size }) => ({
        ...size,
        data: data.map((v) => 255 - v),
      })),
      facts: { sourceSha256: HEX },
    },
    { id: 'copy of encoded', pictures: await copies(scan(1), 'JPEG, quality 40') },
    { id: 'piece of long', pictures: await copies(scan(2, 9, 12), 'half the size') },
    {
      id: 'other',
      pictures: scan(0, 0, 1).map(({ data, width, height }) => ({
        width,
        height,
        data: Uint8Array.from(data, (_, i) => (i * i * 7919) % 251),
      })),
      facts: { source: 'elsewhere/scan 7.AVI' },
    },
  ]);
});

describe('the audit of two datasets', () => {
  test('finds equal bytes, clips encoded again, pieces of clips and names, and nothing else', () => {
    using a = openDataset(original);
    using b = openDataset(planted);
    const result = auditDatasets(a, b);
    expect(result.pairs.map((pair) => [pair.a.id, pair.b.id, pair.reasons])).toEqual([
      ['bytes', 'copy of bytes', ['same content']],
      ['encoded', 'copy of encoded', ['same picture']],
      ['long', 'piece of long', ['same picture']],
      ['named', 'other', ['same name']],
    ]);
    expect(result).toMatchObject({
      leaks: 3,
      suspected: 4,
      counts: { 'same content': 1, 'same picture': 2, 'same name': 1 },
    });
    // The frame shown is the one of the long clip that the piece was cut from, or its neighbour.
    expect(Math.abs(result.pairs[2]!.a.frame - (9 + result.pairs[2]!.b.frame))).toBeLessThanOrEqual(4);
  });

  test('of every frame finds the very frames; it stops when told to', () => {
    using a = openDataset(original);
    using b = openDataset(planted);
    const result = auditDatasets(a, b, { everyFrame: true });
    const piece = result.pairs.find((pair) => pair.b.id === 'piece of long')!;
    expect(piece.matches).toBeGreaterThanOrEqual(3);
    expect(piece.a.frame - piece.b.frame).toBeGreaterThanOrEqual(8);
    const stop = { everyFrame: true, signal: AbortSignal.abort(new Error('enough')) };
    expect(() => auditDatasets(a, b, stop)).toThrow('enough');
  });

  test('counts all and keeps the first, leaks before names', () => {
    using a = openDataset(original);
    using b = openDataset(planted);
    const result = auditDatasets(a, b, { limit: 2 });
    expect(result.suspected).toBe(4);
    expect(result.pairs.map((pair) => pair.reasons[0])).toEqual(['same content', 'same picture']);
  });

  test('shows the pairs side by side, and draws names that are markup', async () => {
    using a = openDataset(original);
    using b = openDataset(planted);
    const path = join(scratch, 'audit.png');
    const result = auditDatasets(a, b);
    const odd = result.pairs.map((pair) => ({ ...pair, a: { ...pair.a, id: '<&"\u0001 ]]>' } }));
    await auditSheet({ ...result, pairs: odd }, a, b, path);
    const { width, height } = await sharp(readFileSync(path)).metadata();
    expect([width, height]).toEqual([10 + 4 * (2 * 160 + 12), 30 + 160 + 48 + 10]);
  });
});

describe('the audit within a dataset', () => {
  test('tells duplicates across groups from those within one', async () => {
    using a = openDataset(original);
    const [one, two] = [pictureOf(a, 1, 0), pictureOf(a, 2, 0)];
    const folder = join(scratch, 'within');
    await writeClips(folder, [
      { id: 'x', pictures: [one], facts: { group: 'p', source: 'a/1.png' } },
      { id: 'y', pictures: await copies([one], 'brighter'), facts: { group: 'p', source: 'b/1.png' } },
      { id: 'z', pictures: await copies([one], 'less gain'), facts: { group: 'q', source: 'c/1.png' } },
      { id: 'w', pictures: [two], facts: { group: 'r', source: 'd/1.png' } },
    ]);
    using dataset = openDataset(folder);
    const result = auditDatasets(dataset, null);
    expect(result.pairs.map((pair) => [pair.a.id, pair.b.id, pair.sameGroup])).toEqual([
      ['x', 'z', false],
      ['y', 'z', false],
      ['x', 'y', true],
    ]);
    expect(result).toMatchObject({ leaks: 2, suspected: 3, second: null });
  });
});

const busi = join(resolve(process.env['USCL_TEST_DATA'] ?? '../shared/data'), 'busi');
describe.skipIf(!existsSync(busi))(`BUSI (skipped where ${busi} is absent)`, () => {
  test('near-duplicates known by hand are found, and few others', async () => {
    const rows = readFileSync(join(busi, 'manifest.csv'), 'utf8').trim().split('\n').slice(1);
    const known = rows.map((row) => row.split(',')).map(([image = '', , , group = '']) => ({ image, group }));
    const members = new Map<string, number>();
    for (const { group } of known) members.set(group, (members.get(group) ?? 0) + 1);
    const several = known.filter(({ group }) => members.get(group)! > 1).slice(0, 60);
    const alone = known.filter(({ group }) => members.get(group) === 1).slice(0, 60);
    const folder = join(scratch, 'busi');
    const clips = await Promise.all(
      [...several, ...alone].map(async ({ image, group }) => {
        const { data, info } = await sharp(join(busi, image))
          .greyscale()
          .raw()
          .toBuffer({ resolveWithObject: true });
        const picture = { data: new Uint8Array(data), width: info.width, height: info.height };
        return { id: image, pictures: [picture], facts: { group } };
      }),
    );
    await writeClips(folder, clips);
    using dataset = openDataset(folder);
    const result = auditDatasets(dataset, null);
    const expected = several.flatMap((a, i) => several.slice(i + 1).filter((b) => a.group === b.group));
    expect(expected.length).toBeGreaterThan(10);
    expect(result.pairs.filter((pair) => pair.sameGroup).length / expected.length).toBeGreaterThan(0.8);
    expect(result.leaks).toBeLessThanOrEqual(3);
  });
});
