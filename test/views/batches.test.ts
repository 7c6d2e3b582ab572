import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { batchSchema } from '../../src/views/config.ts';
import { epochBatches } from '../../src/views/batches.ts';

type Input = Parameters<typeof batchSchema.parse>[0];

/** Clips of groups of the given sizes. */
function clipsOf(sizes: readonly number[]): { readonly group: string }[] {
  return sizes.flatMap((size, group) => Array.from({ length: size }, () => ({ group: `g${group}` })));
}

function batchesOf(
  sizes: readonly number[],
  config: Input,
  epoch = 0,
  seed = 1,
): readonly (readonly number[])[] {
  return epochBatches(clipsOf(sizes), batchSchema.parse(config), seed, epoch);
}

const singles = (count: number): number[] => new Array<number>(count).fill(1);
const lengths = (batches: readonly (readonly number[])[]): number[] => batches.map((batch) => batch.length);

describe('batches of an epoch', () => {
  it('are a permutation of the clips, another one each epoch and seed', () => {
    const batches = batchesOf(singles(70), { size: 32 });
    expect(lengths(batches)).toEqual([32, 32, 6]);
    expect(batches.flat().sort((a, b) => a - b)).toEqual(Array.from({ length: 70 }, (_, i) => i));
    expect(batchesOf(singles(70), { size: 32 })).toEqual(batches);
    expect(batchesOf(singles(70), { size: 32 }, 1)).not.toEqual(batches);
    expect(batchesOf(singles(70), { size: 32 }, 0, 2)).not.toEqual(batches);
  });

  it('drop what does not fill a batch when asked', () => {
    expect(lengths(batchesOf(singles(70), { size: 32, lastBatch: 'drop' }))).toEqual([32, 32]);
  });

  it('never hold one pair alone, which would have no negatives', () => {
    expect(lengths(batchesOf(singles(33), { size: 32 }))).toEqual([32]);
    // Which clip is left out changes, so none is left out for good.
    const left = new Set(
      Array.from({ length: 60 }, (_, epoch) => {
        const seen = new Set(batchesOf(singles(5), { size: 2 }, epoch).flat());
        return [0, 1, 2, 3, 4].find((clip) => !seen.has(clip));
      }),
    );
    expect(left).toEqual(new Set([0, 1, 2, 3, 4]));
  });

  it.each([
    [singles(1), {}],
    [[], {}],
    [singles(31), { size: 32, lastBatch: 'drop' }],
    [[40], { size: 4, distinctGroups: true }],
    [[5, 5, 5], { size: 4, distinctGroups: true, lastBatch: 'drop' }],
  ] as const)('that cannot be made are an error: groups %j, %j', (sizes, config) => {
    expect(() => batchesOf(sizes, config)).toThrow(expect.objectContaining({ code: 'BATCHES_EMPTY' }));
  });
});

describe('batches without two clips of a group', () => {
  /** Most full batches that any arrangement reaches, by trying all choices of groups. */
  function mostFull(counts: readonly number[], pairs: number, memory = new Map<string, number>()): number {
    const left = counts.filter((count) => count > 0).sort((a, b) => b - a);
    if (left.length < pairs) return 0;
    const key = left.join();
    const known = memory.get(key);
    if (known !== undefined) return known;
    let best = 0;
    const choose = (from: number, chosen: readonly number[]): void => {
      if (chosen.length === pairs) {
        const after = left.map((count, i) => count - (chosen.includes(i) ? 1 : 0));
        best = Math.max(best, 1 + mostFull(after, pairs, memory));
        return;
      }
      for (let i = from; i < left.length; i++) choose(i + 1, [...chosen, i]);
    };
    choose(0, []);
    memory.set(key, best);
    return best;
  }

  const cases = fc.record({
    sizes: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 2, maxLength: 6 }),
    pairs: fc.integer({ min: 2, max: 4 }),
    epoch: fc.integer({ min: 0, max: 1000 }),
  });

  it('keep every clip but those that would be alone, and fill as many batches as can be filled', () => {
    fc.assert(
      fc.property(cases, ({ sizes, pairs, epoch }) => {
        const clips = clipsOf(sizes);
        const batches = batchesOf(sizes, { size: pairs, distinctGroups: true }, epoch);
        for (const batch of batches) {
          expect(new Set(batch.map((index) => clips[index]!.group)).size).toBe(batch.length);
          expect(batch.length).toBeLessThanOrEqual(pairs);
        }
        const seen = batches.flat();
        expect(new Set(seen).size).toBe(seen.length);
        expect(lengths(batches).filter((length) => length === pairs)).toHaveLength(mostFull(sizes, pairs));
        // Sizes are the same in every epoch, so steps can be counted ahead.
        expect(lengths(batchesOf(sizes, { size: pairs, distinctGroups: true }, epoch + 1))).toEqual(
          lengths(batches),
        );
        // Those that are alone would make up the rest of as few batches as there can be.
        const alone = clips.length - seen.length;
        expect(batches.length + alone).toBe(Math.max(...sizes, Math.ceil(clips.length / pairs)));
      }),
      { seed: 7, numRuns: 150 },
    );
  });

  it('spread what is left over as few batches as it needs', () => {
    // 42 patients, 238 clips, as in a real set: all full but one.
    const sizes = [...new Array<number>(28).fill(6), ...new Array<number>(14).fill(5)];
    expect(lengths(batchesOf(sizes, { size: 32, distinctGroups: true }))).toEqual([
      32, 32, 32, 32, 32, 32, 32, 14,
    ]);
    // One group of four clips and three others: each batch can hold one of the four.
    expect(lengths(batchesOf([4, 1, 1, 1], { size: 4, distinctGroups: true }))).toEqual([4]);
    expect(lengths(batchesOf([4, 2, 2], { size: 8, distinctGroups: true }))).toEqual([2, 2, 2, 2]);
  });

  it('are of one source each when asked, in an order that mixes sources, as many in every epoch', () => {
    const counts = { 0: 21, 1: 9, 2: 6 };
    const clips = Object.entries(counts).flatMap(([origin, count]) =>
      Array.from({ length: count }, (_, i) => ({
        group: `${origin}-${Math.floor(i / 3)}`,
        origin: Number(origin),
      })),
    );
    const orders = new Set<string>();
    const sizes = new Set<string>();
    for (const distinctGroups of [false, true])
      for (let epoch = 0; epoch < 20; epoch++) {
        const config = batchSchema.parse({ size: 4, oneSource: true, distinctGroups });
        const batches = epochBatches(clips, config, 3, epoch);
        const origins = batches.map((batch) => new Set(batch.map((index) => clips[index]!.origin)));
        expect(origins.every(({ size }) => size === 1)).toBe(true);
        orders.add(origins.map((some) => [...some].join('')).join(' '));
        const sorted = lengths(batches).sort((x, y) => x - y);
        // 21 are five batches and one clip alone, 9 two and one alone, 6 one and a short one.
        if (!distinctGroups) expect(sorted).toEqual([2, 4, 4, 4, 4, 4, 4, 4, 4]);
        sizes.add(`${distinctGroups} ${sorted.join()}`);
        expect(new Set(batches.flat()).size).toBe(batches.flat().length);
        if (distinctGroups)
          for (const batch of batches)
            expect(new Set(batch.map((index) => clips[index]!.group)).size).toBe(batch.length);
      }
    expect(orders.size).toBeGreaterThan(30);
    // The number and the sizes of batches are the same in every epoch.
    expect(sizes.size).toBe(2);
  });

  it('mix groups of all sizes over the epoch', () => {
    // Ten groups of three clips and ten of one; 40 clips in ten batches of four.
    const sizes = [...new Array<number>(10).fill(3), ...singles(10)];
    let first = 0;
    const epochs = 200;
    for (let epoch = 0; epoch < epochs; epoch++) {
      const batches = batchesOf(sizes, { size: 4, distinctGroups: true }, epoch);
      expect(batches).toHaveLength(10);
      first += batches[0]!.filter((index) => index >= 30).length;
    }
    // A quarter of the clips are of groups of one: one a batch on average.
    expect(Math.abs(first / epochs - 1)).toBeLessThan(0.2);
  });
});
