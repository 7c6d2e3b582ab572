import { join } from 'node:path';
import type { Sharp } from 'sharp';
import { beforeAll, describe, expect, test } from 'vitest';
import { auditDatasets } from '../../src/curation/audit.ts';
import { CANDIDATES_PER_CLIP, findAligned } from '../../src/curation/audit-alignment.ts';
import { DUPLICATE_DISTANCE, hashDistance } from '../../src/curation/duplicates.ts';
import { mirroredHash, perceptualHash } from '../../src/dataset/perceptual-hash.ts';
import { comparePictures, isSamePicture, matchPicture } from '../../src/curation/picture-match.ts';
import { openDataset } from '../../src/dataset/reader.ts';
import { makePhantom } from '../../src/phantom/phantom.ts';
import { scratchFolder } from '../dataset/helpers.ts';
import { copyOf, type Picture, pictureOf, writeClips } from './near-copies.ts';

const scratch = scratchFolder();
const original = join(scratch, 'original');

const cut = (s: Sharp, w: number, h: number, by: number): Sharp => {
  const [x, y] = [Math.round(w * by), Math.round(h * by)];
  return s.extract({ left: x, top: y, width: w - 2 * x, height: h - 2 * y });
};
const written = (s: Sharp, w: number, h: number): Sharp =>
  s.composite([
    {
      input: Buffer.from(
        `<svg xmlns="http://www.w3.org/2000/svg" width="${w}" height="${h}" fill="#fff">` +
          `<rect x="${0.1 * w}" y="${0.16 * h}" width="${0.4 * w}" height="${0.05 * h}"/></svg>`,
      ),
    },
  ]);
const CHANGES: Readonly<Record<string, (s: Sharp, w: number, h: number) => Sharp>> = {
  'cut 5 % on each side': (s, w, h) => cut(s, w, h, 0.05).jpeg({ quality: 60 }),
  'cut 8 % on each side': (s, w, h) => cut(s, w, h, 0.08).jpeg({ quality: 60 }),
  mirrored: (s) => s.flop().jpeg({ quality: 60 }),
  'written on': (s, w, h) => written(s, w, h).jpeg({ quality: 60 }),
  'more contrast': (s) => s.linear(1.4, -30),
};
const MIRRORED = new Set(['mirrored']);

const hashOf = ({ data, width, height }: Picture): string => perceptualHash(data, width, height, 1);
const ready = ({ data, width, height }: Picture, mirrored = false) =>
  matchPicture(data, width, height, 1, mirrored);

const scans: Picture[][] = [];
beforeAll(async () => {
  const phantom = join(scratch, 'phantom');
  await makePhantom({ out: phantom, clips: 20, size: 128, seed: 11 });
  using dataset = openDataset(phantom);
  const groups = [...new Set(dataset.clips.map(({ group }) => group))];
  for (const group of groups) {
    const clip = dataset.clips.findIndex((other) => other.group === group);
    scans.push([0, 6, 12, 18].map((frame) => pictureOf(dataset, clip, frame)));
  }
  await writeClips(
    original,
    scans.map((pictures, i) => ({ id: `scan ${i}`, pictures, facts: { source: `${i}.avi` } })),
  );
});

describe('pixels laid over each other', () => {
  test.each(Object.keys(CHANGES))('agree in a copy: %s', async (name) => {
    for (const [scan] of scans) {
      const copy = await copyOf(scan!, CHANGES[name]!);
      expect(isSamePicture(comparePictures(ready(scan!), ready(copy, MIRRORED.has(name))))).toBe(true);
    }
  });

  test('do not agree between simulated patients, in a mirror neither, nor where there is nothing', () => {
    for (const [i, [a]] of scans.entries()) {
      for (const [b] of scans.slice(i + 1)) {
        expect(isSamePicture(comparePictures(ready(a!), ready(b!)))).toBe(false);
        expect(isSamePicture(comparePictures(ready(a!), ready(b!, true)))).toBe(false);
      }
    }
    const nothing = matchPicture(new Uint8Array(6400), 80, 80, 1);
    expect(isSamePicture(comparePictures(nothing, nothing))).toBe(false);
    expect(isSamePicture(comparePictures(ready(scans[0]![0]!), nothing))).toBe(false);
  });

  test('the hash of a mirrored frame follows from that of the frame', async () => {
    for (const [scan] of scans) {
      const mirrored = hashOf(await copyOf(scan!, (s) => s.flop()));
      expect(hashDistance(mirroredHash(hashOf(scan!)), mirrored)).toBeLessThanOrEqual(1);
      expect(hashDistance(hashOf(scan!), mirrored)).toBeGreaterThan(DUPLICATE_DISTANCE);
    }
  });
});

describe('the audit', () => {
  test.each(Object.keys(CHANGES))(
    'finds clips that were changed and takes no other for one: %s',
    async (name) => {
      const folder = join(scratch, name.replaceAll(/\W/g, '-'));
      await writeClips(
        folder,
        await Promise.all(
          scans.map(async (pictures, i) => ({
            id: `copy ${i}`,
            pictures: await Promise.all(pictures.map((picture) => copyOf(picture, CHANGES[name]!))),
            facts: { source: `copy-${i}.mp4` },
          })),
        ),
      );
      using a = openDataset(original);
      using b = openDataset(folder);
      const { pairs, leaks, skipped } = auditDatasets(a, b);
      const right = pairs.filter((pair) => pair.a.id.slice(5) === pair.b.id.slice(5));
      expect(pairs).toEqual(right);
      expect(leaks).toBe(right.length);
      expect(right.length).toBeGreaterThanOrEqual(0.8 * scans.length);
      expect(skipped).toBe(0);
      const second = right.filter((pair) => pair.reasons[0] === 'changed picture');
      expect(auditDatasets(a, b, { changed: false }).leaks).toBe(right.length - second.length);
      for (const { correlation, mirrored } of second) {
        expect(correlation).toBeGreaterThan(0.6);
        expect(mirrored).toBe(MIRRORED.has(name));
      }
      if (MIRRORED.has(name)) expect(second).toEqual(right);
    },
  );

  test('looks at a limited number of pairs of a clip, says how many it left out, and stops when told to', () => {
    const hash = hashOf(scans[0]![0]!);
    const near = (bits: number): string =>
      (BigInt(`0x${hash}`) ^ ((1n << BigInt(bits)) - 1n)).toString(16).padStart(16, '0');
    const clip = (own: string) => ({ sourceSha256: null, hashes: [own] });
    const many = Array.from({ length: CANDIDATES_PER_CLIP + 7 }, () => clip(near(10)));
    const search = {
      first: [clip(hash)],
      second: [...many, clip(near(8))],
      cut: [],
      known: () => false,
      picture: (_: 0 | 1, clipOf: number) => ready(scans[clipOf === 0 ? 0 : 1]![0]!),
    };
    let looked = 0;
    const result = findAligned({ ...search, onProgress: (done) => (looked = done) });
    expect(result.skipped).toBe(8);
    expect(looked).toBe(CANDIDATES_PER_CLIP);
    const signal = AbortSignal.abort(new Error('enough'));
    expect(() => findAligned({ ...search, signal })).toThrow('enough');
  });
});
