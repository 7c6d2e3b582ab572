import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { DUPLICATE_DISTANCE, hashDistance } from '../../src/curation/duplicates.ts';
import {
  FLAT_HASH,
  HASHES_PER_CLIP,
  hashPositions,
  perceptualHash,
} from '../../src/dataset/perceptual-hash.ts';
import { openDataset } from '../../src/dataset/reader.ts';
import { makePhantom } from '../../src/phantom/phantom.ts';
import { scratchFolder } from './helpers.ts';
import { COPIES, copyOf, type Picture, pictureOf } from '../curation/near-copies.ts';

const folder = join(scratchFolder(), 'phantom');
const scans: { readonly group: string; readonly picture: Picture }[] = [];

beforeAll(async () => {
  await makePhantom({ out: folder, clips: 12, size: 128, seed: 5 });
  using dataset = openDataset(folder);
  for (const [i, { group }] of dataset.clips.entries())
    scans.push({ group, picture: pictureOf(dataset, i, 0) });
});

const hashOf = ({ data, width, height }: Picture): string => perceptualHash(data, width, height, 1);

describe('the hash of a frame', () => {
  test.each(Object.keys(COPIES))('stays near in a copy: %s', async (name) => {
    const distances = await Promise.all(
      scans.map(async ({ picture }) =>
        hashDistance(hashOf(picture), hashOf(await copyOf(picture, COPIES[name]!))),
      ),
    );
    // One frame in ten may miss; a clip has sixteen.
    const near = distances.filter((distance) => distance <= DUPLICATE_DISTANCE).length;
    expect(near).toBeGreaterThanOrEqual(0.9 * scans.length);
    expect(Math.max(...distances)).toBeLessThanOrEqual(DUPLICATE_DISTANCE + 4);
  });

  test('is far from those of other simulated patients, whose fan has the same shape', () => {
    const distances = scans.flatMap(({ group, picture }, i) =>
      scans
        .slice(i + 1)
        .filter((other) => other.group !== group)
        .map((other) => hashDistance(hashOf(picture), hashOf(other.picture))),
    );
    expect(Math.min(...distances)).toBeGreaterThan(DUPLICATE_DISTANCE + 2);
  });

  test('is the same for a grey frame stored in colour', () => {
    const { data, width, height } = scans[0]!.picture;
    const colour = Uint8Array.from({ length: 3 * data.length }, (_, i) => data[Math.floor(i / 3)]!);
    const bits = hashDistance(
      perceptualHash(data, width, height, 1),
      perceptualHash(colour, width, height, 3),
    );
    expect(bits).toBeLessThanOrEqual(1);
  });

  test('of a frame with nothing in it is the flat one; any size is taken, a wrong length is not', () => {
    expect(perceptualHash(new Uint8Array(80), 10, 8, 1)).toBe(FLAT_HASH);
    expect(perceptualHash(new Uint8Array(80).fill(200), 10, 8, 1)).toBe(FLAT_HASH);
    for (const [width, height] of [
      [1, 1],
      [3, 500],
      [97, 5],
    ] as const) {
      const frame = Uint8Array.from({ length: width * height }, (_, i) => (i * 89) % 251);
      expect(perceptualHash(frame, width, height, 1)).toMatch(/^[0-9a-f]{16}$/);
    }
    expect(() => perceptualHash(new Uint8Array(79), 10, 8, 1)).toThrow(RangeError);
  });
});

describe('the hashed frames of a clip', () => {
  test.each([1, 2, 15, 16, 17, 31, 32, 33, 100, 257])('of %i are at most 16, evenly spread', (count) => {
    const positions = hashPositions(count);
    expect(positions.length).toBe(Math.min(count, HASHES_PER_CLIP));
    const gaps = positions.slice(1).map((position, i) => position - positions[i]!);
    if (gaps.length > 0) expect(Math.max(...gaps)).toBeLessThanOrEqual(2 * Math.min(...gaps));
    expect(positions.at(-1)).toBeLessThan(count);
  });

  test('of none are none', () => {
    expect(hashPositions(0)).toEqual([]);
  });
});
