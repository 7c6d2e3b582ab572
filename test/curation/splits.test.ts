import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { openDataset } from '../../src/dataset/reader.ts';
import { leaksBetween, makeSplit, partOfClips, readSplit, writeSplit } from '../../src/curation/splits.ts';
import type { ClipRecord } from '../../src/dataset/types.ts';
import { codeOf, failure } from '../failures.ts';
import { draft, scratchFolder, writeSmallDataset } from '../dataset/helpers.ts';

const scratch = scratchFolder();

function record(id: string, group: string, label: string | null, hashes: readonly string[] = []): ClipRecord {
  return {
    ...draft(id, { group, label }),
    field: null,
    mask: null,
    offset: 0,
    frames: 1,
    hashes: [...hashes],
  };
}

/** `groups` groups of 1 to 4 clips, classes in turn. */
function clipsOf(groups: number, classes: number, extra = 0): ClipRecord[] {
  return Array.from({ length: groups }, (_, g) =>
    Array.from({ length: 1 + ((g * 7 + extra) % 4) }, (_, i) =>
      record(`${g}-${i}`, `g${g}`, i === 3 ? null : `class-${g % classes}`),
    ),
  ).flat();
}

describe('a split', () => {
  test('holds every clip once, never cuts a group, has every class in every part', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 12, max: 40 }),
        fc.nat(3),
        fc.nat(99),
        fc.boolean(),
        (groups, extra, seed, folds) => {
          const clips = clipsOf(groups, 2, extra);
          const request = folds
            ? ({ kind: 'folds', folds: 3 } as const)
            : ({ kind: 'parts', test: 0.25, validation: 0.15 } as const);
          const split = makeSplit(clips, 's', request, { seed });
          const ids = split.parts.flatMap((part) => part.clips);
          expect([...ids].sort()).toEqual(clips.map(({ id }) => id).sort());
          const partOf = partOfClips(split, clips);
          expect(leaksBetween(clips, partOf)).toEqual([]);
          for (const part of split.parts.keys())
            expect(
              new Set(clips.filter((_, i) => partOf[i] === part).flatMap(({ label }) => label ?? [])).size,
            ).toBe(2);
        },
      ),
      { numRuns: 40 },
    );
  });

  test('keeps to the shares where groups are small', () => {
    const clips = clipsOf(120, 3);
    const split = makeSplit(clips, 's', { kind: 'parts', test: 0.2, validation: 0.1 });
    const share = Object.fromEntries(
      split.parts.map((part) => [part.name, part.clips.length / clips.length]),
    );
    expect(share['test']).toBeCloseTo(0.2, 1);
    expect(share['val']).toBeCloseTo(0.1, 1);
    expect(share['train']).toBeCloseTo(0.7, 1);
  });

  test('depends on the seed and the names, not on the order of clips', () => {
    const clips = clipsOf(30, 2);
    const request = { kind: 'folds', folds: 5 } as const;
    const sorted = (list: readonly ClipRecord[], seed: number): unknown =>
      makeSplit(list, 's', request, { seed }).parts.map((part) => [...part.clips].sort());
    expect(sorted([...clips].reverse(), 3)).toEqual(sorted(clips, 3));
    expect(sorted(clips, 4)).not.toEqual(sorted(clips, 3));
  });

  test('keeps groups together that share pictures, and says which', () => {
    const clips = clipsOf(20, 2);
    const twin = (i: number): ClipRecord => ({ ...clips[i]!, hashes: ['0123456789abcdef'] });
    const [a, b] = [0, clips.length - 1];
    const list = clips.map((clip, i) => (i === a || i === b ? twin(i) : clip));
    for (let seed = 0; seed < 8; seed++) {
      const split = makeSplit(list, 's', { kind: 'folds', folds: 4 }, { seed });
      const partOf = partOfClips(split, list);
      expect(partOf[a]).toBe(partOf[b]);
      expect(split.joined).toEqual([['g0', 'g19']]);
    }
  });

  test('that cannot be is refused: too few groups, nothing to train on, a name that is a path', () => {
    const clips = clipsOf(12, 2);
    const folds = (count: number) => () => makeSplit(clips, 's', { kind: 'folds', folds: count });
    expect(codeOf(folds(1))).toBe('SPLIT_OPTION');
    expect(codeOf(folds(2.5))).toBe('SPLIT_OPTION');
    expect(codeOf(folds(7))).toBe('SPLIT_TOO_FEW_GROUPS');
    expect(codeOf(() => makeSplit(clips, 's', { kind: 'parts', test: 0.7, validation: 0.3 }))).toBe(
      'SPLIT_OPTION',
    );
    expect(codeOf(() => makeSplit(clips, 's', { kind: 'parts', test: 0, validation: 0.3 }))).toBe(
      'SPLIT_OPTION',
    );
    const rare = [...clips, record('rare', 'alone', 'rare')];
    expect(() => makeSplit(rare, 's', { kind: 'folds', folds: 2 })).toThrow(/"rare" occurs in 1 group/);
    for (const name of ['', '../x', 'a/b', '.hidden', 'x'.repeat(65)])
      expect(codeOf(() => makeSplit(clips, name, { kind: 'folds', folds: 2 }))).toBe('SPLIT_OPTION');
  });

  test('leaks are found where somebody cut a group or a copy in two', () => {
    const clips = [
      record('a', 'g', 'x'),
      record('b', 'g', 'x'),
      record('c', 'h', 'y', ['0123456789abcdef']),
      record('d', 'i', 'y', ['0123456789abcdee']),
    ];
    expect(leaksBetween(clips, Int32Array.of(0, 1, 0, 1))).toEqual([
      { a: 0, b: 1, reason: 'same group', distance: null },
      { a: 2, b: 3, reason: 'same picture', distance: 1 },
    ]);
    expect(leaksBetween(clips, Int32Array.of(0, -1, 0, 0))).toEqual([]);
  });
});

describe('a split in its dataset', () => {
  test('is written whole, read back, not replaced unasked, and survives in an overwritable dataset', async () => {
    const folder = join(scratch, 'kept');
    await writeSmallDataset(folder);
    using dataset = openDataset(folder);
    const clips = dataset.clips.map((clip) => ({ ...clip, label: null, hashes: [] }));
    const split = makeSplit(clips, 'main', { kind: 'folds', folds: 3 });
    writeSplit(folder, split);
    expect(readdirSync(join(folder, 'splits'))).toEqual(['main.json']);
    expect(readSplit(dataset, 'main')).toEqual(split);
    expect(codeOf(() => writeSplit(folder, split))).toBe('SPLIT_EXISTS');
    writeSplit(folder, { ...split, seed: 9 }, true);
    expect(readSplit(dataset, 'main').seed).toBe(9);
    expect(codeOf(() => readSplit(dataset, 'other'))).toBe('SPLIT_MISSING');
    // A dataset with splits is still one of ours.
    await writeSmallDataset(folder, true);
    expect(existsSync(join(folder, 'dataset.json'))).toBe(true);
  });

  test('lies elsewhere where the dataset may not be written, and is then read by its path', async () => {
    const folder = join(scratch, 'elsewhere');
    await writeSmallDataset(folder);
    using dataset = openDataset(folder);
    const clips = dataset.clips.map((clip) => ({ ...clip, label: null, hashes: [] }));
    const split = makeSplit(clips, 'main', { kind: 'folds', folds: 3 });
    const path = join(scratch, 'main.json');
    expect(writeSplit(folder, split, false, path)).toBe(path);
    expect(existsSync(join(folder, 'splits'))).toBe(false);
    expect(readSplit(dataset, path)).toEqual(split);
    expect(readSplit(dataset, relative('.', path))).toEqual(split);
    expect(codeOf(() => readSplit(dataset, 'main'))).toBe('SPLIT_MISSING');
    expect(codeOf(() => readSplit(dataset, 'main.json'))).toBe('SPLIT_MISSING');
    expect(codeOf(() => readSplit(dataset, join(scratch, 'none.json')))).toBe('SPLIT_MISSING');
    expect(codeOf(() => writeSplit(folder, split, false, path))).toBe('SPLIT_EXISTS');
    writeSplit(folder, { ...split, seed: 4 }, true, path);
    expect(readSplit(dataset, path).seed).toBe(4);
    writeFileSync(join(folder, 'splits'), 'in the way');
    const error = failure(() => writeSplit(folder, split));
    expect([error.code, error.exitCode]).toEqual(['WRITE_FAILED', 5]);
    expect(error.remedy).toContain('--out FILE.json');
  });

  test('is refused when damaged or made for other clips', async () => {
    const folder = join(scratch, 'stale');
    await writeSmallDataset(folder);
    using dataset = openDataset(folder);
    const clips = dataset.clips.map((clip) => ({ ...clip, label: null, hashes: [] }));
    const split = makeSplit(clips, 'main', { kind: 'folds', folds: 3 });
    const path = writeSplit(folder, split);
    const [first, ...rest] = split.parts;
    const stale = (parts: typeof split.parts): string => {
      writeSplit(folder, { ...split, parts }, true);
      return codeOf(() => readSplit(dataset, 'main'));
    };
    expect(stale([{ ...first!, clips: ['stranger'] }, ...rest])).toBe('SPLIT_STALE');
    expect(stale([{ ...first!, clips: [...first!.clips, ...rest[0]!.clips] }, ...rest])).toBe('SPLIT_STALE');
    expect(stale(rest)).toBe('SPLIT_STALE');
    for (const text of ['', '{"format":"uscl-split"}', readFileSync(path, 'utf8').slice(0, -20)]) {
      writeFileSync(path, text);
      expect(codeOf(() => readSplit(dataset, 'main'))).toBe('SPLIT_DAMAGED');
    }
  });
});
