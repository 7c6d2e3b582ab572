import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { randomAt } from '../../src/base/random.ts';
import {
  DUPLICATE_DISTANCE,
  type DuplicatePair,
  type ComparedClip,
  findDuplicates,
  hashDistance,
  MAX_DISTANCE,
  leakFreeUnits,
} from '../../src/curation/duplicates.ts';
import { FLAT_HASH } from '../../src/dataset/perceptual-hash.ts';

/** A hash that differs from `hash` in exactly the bits given. */
function flip(hash: string, bits: readonly number[]): string {
  const value = bits.reduce((word, bit) => word ^ (1n << BigInt(bit)), BigInt(`0x${hash}`));
  return value.toString(16).padStart(16, '0');
}

const hashes = fc
  .bigInt({ min: 1n, max: 2n ** 64n - 1n })
  .map((value) => value.toString(16).padStart(16, '0'));
const clip = (own: readonly string[], sha: string | null = null): ComparedClip => ({
  sourceSha256: sha,
  hashes: [...own],
});
const pairs = (
  first: readonly ComparedClip[],
  second: readonly ComparedClip[] | null,
  distance = DUPLICATE_DISTANCE,
): DuplicatePair[] => {
  const found: DuplicatePair[] = [];
  findDuplicates(first, second, distance, (pair) => found.push(pair));
  return found;
};

describe('the search for clips that are alike', () => {
  test('finds what comparing all with all finds, with the nearest distance', () => {
    fc.assert(
      fc.property(
        fc.array(hashes, { minLength: 1, maxLength: 6 }),
        fc.array(fc.tuple(fc.nat(5), fc.uniqueArray(fc.nat(63), { maxLength: 20 })), { maxLength: 20 }),
        fc.nat(MAX_DISTANCE),
        (bases, variants, distance) => {
          const clips = variants.map(([base, bits]) => clip([flip(bases[base % bases.length]!, bits)]));
          const expected = clips.flatMap((a, i) =>
            clips.flatMap((b, j) => {
              const bits = hashDistance(a.hashes[0]!, b.hashes[0]!);
              return i < j && bits <= distance ? [[i, j, bits]] : [];
            }),
          );
          const all = clips.every(({ hashes: [hash] }) => hash !== FLAT_HASH);
          if (all) expect(pairs(clips, null, distance).map((p) => [p.a, p.b, p.distance])).toEqual(expected);
        },
      ),
      { numRuns: 60 },
    );
  });

  test('finds a piece of a clip in a longer one and counts the frames', () => {
    const r = randomAt(1, 'test');
    const frames = Array.from({ length: 16 }, () =>
      Array.from({ length: 16 }, () => r.integer(16).toString(16)).join(''),
    );
    const piece = frames.slice(10, 14).map((hash, i) => flip(hash, [i, 20 + i]));
    expect(pairs([clip(frames)], [clip(piece)])).toEqual([
      { a: 0, b: 0, sameContent: false, distance: 2, at: [10, 0], matches: 4 },
    ]);
  });

  test('does not believe a lone pair of frames at the edge, unless a clip has no other', () => {
    const [x, y, z] = ['0123456789abcdef', 'fedcba9876543210', '00ff00ff00ff00ff'] as const;
    const edge = flip(x, [1, 9, 17, 33, 41, 50]);
    expect(pairs([clip([x, y])], [clip([edge, z])])).toEqual([]);
    expect(pairs([clip([x])], [clip([edge, z])])).toHaveLength(1);
    expect(pairs([clip([x, y])], [clip([flip(x, [1, 9]), z])])).toHaveLength(1);
  });

  test('takes equal bytes for the same, flat frames never', () => {
    const found = pairs(
      [clip([], 'aa'), clip([FLAT_HASH]), clip([], null)],
      [clip([FLAT_HASH], 'aa'), clip([], null)],
    );
    expect(found).toEqual([{ a: 0, b: 0, sameContent: true, distance: null, at: null, matches: 0 }]);
  });

  test('refuses a distance at which everything would be alike', () => {
    for (const distance of [-1, 2.5, MAX_DISTANCE + 1])
      expect(() => pairs([], null, distance)).toThrow(expect.objectContaining({ code: 'DISTANCE_INVALID' }));
  });

  test('looks at few of the pairs of 1,500 clips of 16 frames', () => {
    const clips = Array.from({ length: 1500 }, (_, c) => {
      const r = randomAt(2, 'clips', c);
      return clip(
        Array.from({ length: 16 }, () =>
          Array.from({ length: 16 }, () => r.integer(16).toString(16)).join(''),
        ),
      );
    });
    const planted = clip([...clips[7]!.hashes.slice(0, 8).map((hash) => flip(hash, [3, 30]))]);
    expect(pairs([...clips, planted], null).map(({ a, b }) => [a, b])).toEqual([[7, 1500]]);
  });
});

describe('leak-free units', () => {
  test('join groups along chains of shared pictures and leave the others alone', () => {
    const [x, y] = ['0123456789abcdef', 'fedcba9876543210'];
    const clips = [
      { ...clip([x]), group: 'c' },
      { ...clip([flip(x, [2])]), group: 'a' },
      { ...clip([y], 'same'), group: 'a' },
      { ...clip([], 'same'), group: 'b' },
      { ...clip(['00ff00ff00ff00ff']), group: 'd' },
      { ...clip(['00ff00ff00ff00ff']), group: 'd' },
    ];
    expect(leakFreeUnits(clips)).toEqual({
      unitOf: ['a', 'a', 'a', 'a', 'd', 'd'],
      joined: [['a', 'b', 'c']],
      pairs: 2,
    });
  });
});
