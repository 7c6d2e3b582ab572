import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { randomAt } from '../../src/base/random.ts';
import type { LabelledClip } from '../../src/dataset/types.ts';
import { assignGroups, groupedFolds } from '../../src/curation/folds.ts';
import { codeOf, golden } from '../evaluation/support.ts';

const clip = (id: number, group: number | string, label: string | null): LabelledClip => ({
  id: `clip-${id}`,
  group: String(group),
  label,
});

/** Clips where every class occurs in at least `folds` groups. */
const clipSets = fc
  .record({
    folds: fc.integer({ min: 2, max: 6 }),
    classes: fc.integer({ min: 2, max: 4 }),
    seed: fc.nat(1000),
  })
  .chain(({ folds, classes, seed }) =>
    fc
      .array(fc.tuple(fc.nat(30), fc.integer({ min: -1, max: classes - 1 })), { maxLength: 80 })
      .map((more) => {
        const sure = Array.from({ length: folds * classes }, (_, i): [number, number] => [
          100 + i,
          i % classes,
        ]);
        const clips = [...sure, ...more].map(([group, label], i) =>
          clip(i, group, label < 0 ? null : `label-${label}`),
        );
        return { clips, folds, seed };
      }),
  );

describe('groupedFolds', () => {
  it('puts every labelled clip in one fold, never splits a group, leaves out the unlabelled', () => {
    fc.assert(
      fc.property(clipSets, ({ clips, folds, seed }) => {
        const result = groupedFolds(clips, folds, seed);
        expect(result).toHaveLength(clips.length);
        const foldOf = new Map<string, number>();
        clips.forEach((one, i) => {
          if (one.label === null) {
            expect(result[i]).toBe(-1);
            return;
          }
          expect(result[i]).toBeGreaterThanOrEqual(0);
          expect(result[i]).toBeLessThan(folds);
          expect(result[i]).toBe(foldOf.get(one.group) ?? result[i]);
          foldOf.set(one.group, result[i]!);
        });
        expect(new Set(foldOf.values()).size).toBe(folds);
      }),
      { seed: 2 },
    );
  });

  it('does not depend on the order of the clips', () => {
    fc.assert(
      fc.property(clipSets, fc.nat(1000), ({ clips, folds, seed }, order) => {
        const there = groupedFolds(clips, folds, seed);
        const shuffled = randomAt(order, 'order').shuffled([...clips.keys()]);
        const back = groupedFolds(
          shuffled.map((i) => clips[i]!),
          folds,
          seed,
        );
        expect([...back]).toEqual(shuffled.map((i) => there[i]!));
      }),
      { seed: 3, numRuns: 40 },
    );
  });

  it('differs from seed to seed and repeats with the seed', () => {
    const clips = Array.from({ length: 60 }, (_, i) => clip(i, i % 30, i % 30 < 12 ? 'a' : 'b'));
    const texts = [0, 1, 2, 3, 4].map((seed) => groupedFolds(clips, 5, seed).join());
    expect(new Set(texts).size).toBe(5);
    expect(groupedFolds(clips, 5, 3).join()).toBe(texts[3]);
  });

  it('keeps class shares even: with one-clip groups no fold differs by more than one clip a class', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 5 }), fc.nat(40), fc.nat(40), fc.nat(99), (folds, a, b, seed) => {
        const clips = [
          ...Array.from({ length: folds + a }, (_, i) => clip(i, `a${i}`, 'a')),
          ...Array.from({ length: folds + b }, (_, i) => clip(1000 + i, `b${i}`, 'b')),
        ];
        const fold = groupedFolds(clips, folds, seed);
        for (const label of ['a', 'b']) {
          const counts = new Array<number>(folds).fill(0);
          clips.forEach((one, i) => {
            if (one.label === label) counts[fold[i]!]! += 1;
          });
          expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
        }
      }),
      { seed: 4 },
    );
  });

  const cases = golden(
    'folds',
    z.object({ folds: z.int(), counts: z.array(z.array(z.int())), foldOfGroup: z.array(z.int()) }),
  );
  it.each(cases)('assigns as StratifiedGroupKFold: $folds folds of $counts.length groups', (one) => {
    const assigned = assignGroups(
      one.counts.map((counts) => Float64Array.from(counts)),
      one.folds,
    );
    expect([...assigned]).toEqual(one.foldOfGroup);
  });

  it('says what to do when a class has too few groups', () => {
    const clips = [0, 1, 2, 3, 4].flatMap((i) => [clip(i, i, 'many'), clip(10 + i, 20 + (i % 3), 'few')]);
    expect(() => groupedFolds(clips, 5, 0)).toThrow(
      expect.objectContaining({
        code: 'FOLDS_TOO_FEW_GROUPS',
        message: "The class 'few' occurs in 3 groups, fewer than the 5 folds asked for.",
        remedy:
          'Use 3 folds (--folds 3; of finetune --set folds=3), or label clips of more groups of that class.',
      }) as Error,
    );
    expect(new Set(groupedFolds(clips, 3, 0)).size).toBe(3);
  });

  it('refuses one group, a class with one group, one class, no label, and impossible numbers of folds', () => {
    const one = [clip(0, 'p', 'a'), clip(1, 'p', 'b')];
    expect(codeOf(() => groupedFolds(one, 2, 0))).toBe('FOLDS_TOO_FEW_GROUPS');
    const lone = [clip(0, 1, 'a'), clip(1, 2, 'a'), clip(2, 3, 'b')];
    expect(codeOf(() => groupedFolds(lone, 2, 0))).toBe('FOLDS_TOO_FEW_GROUPS');
    expect(codeOf(() => groupedFolds([clip(0, 1, 'a'), clip(1, 2, 'a')], 2, 0))).toBe('FOLDS_ONE_CLASS');
    expect(codeOf(() => groupedFolds([clip(0, 1, null)], 2, 0))).toBe('FOLDS_ONE_CLASS');
    for (const folds of [1, 0, 2.5, NaN]) {
      expect(
        codeOf(() => groupedFolds(lone, folds, 0)),
        String(folds),
      ).toBe('FOLDS_COUNT');
    }
  });
});
