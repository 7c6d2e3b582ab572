import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { UsclError } from '../../src/base/errors.ts';
import { makeSplit } from '../../src/curation/splits.ts';
import type { ClipRecord } from '../../src/dataset/types.ts';
import { resolveConfig } from '../../src/runs/config.ts';
import { clipsInTraining, epochClips, splitClips, withoutLabels } from '../../src/runs/training-clips.ts';
import { errorOf } from '../pretrain/support.ts';
import { failure } from '../failures.ts';

function clipsOf(
  count: number,
  groupSize: number,
  label: (i: number) => string | null = (i) => 'ab'[i % 2]!,
): ClipRecord[] {
  return Array.from({ length: count }, (_, i) => ({
    id: `clip${i}`,
    group: `group${Math.floor(i / groupSize)}`,
    label: label(i),
    source: '',
    sourceSha256: null,
    frames: 3,
    width: 16,
    height: 16,
    offset: 0,
    fps: 5,
    original: { width: 16, height: 16, fps: 5, frames: 3 },
    crop: null,
    field: null,
    hashes: [],
    mask: null,
    dropped: { black: 0, blank: 0, duplicate: 0 },
    flags: [],
  }));
}

const dataOf = (...set: string[]) => resolveConfig({ set: set.map((one) => `data.${one}`) }).data;
const split = (clips: readonly ClipRecord[], seed = 0, ...set: string[]) =>
  splitClips(clips, ['a', 'b'], dataOf(...set), seed);
const labelledOf = (labels: Int32Array): number[] => [...labels.keys()].filter((i) => labels[i]! >= 0);

describe('clips that show the same', () => {
  const hash = (bits: string): string => bits.padEnd(16, '0');
  /** Clips of one frame; equal letters show the same. */
  const shown = (...pictures: string[]): ClipRecord[] =>
    clipsOf(pictures.length, 1, (i) => (i % 2 === 0 ? null : 'a')).map((clip, i) => ({
      ...clip,
      frames: 1,
      hashes: [hash({ a: '0f0f3c5a', b: 'f0c3a596', c: '3355cc0f' }[pictures[i]!]!)],
    }));
  const trained = (clips: readonly ClipRecord[], ...set: string[]): readonly string[] =>
    split(clips, 0, 'validation.fraction=0', ...set).training.map((index) => clips[index]!.id);

  test('are all trained on, unless they are to be dropped', () => {
    const clips = shown('a', 'b', 'a', 'c');
    expect(trained(clips)).toEqual(['clip0', 'clip1', 'clip2', 'clip3']);
    expect(split(clips, 0, 'validation.fraction=0').duplicates).toBe(0);
    expect(trained(clips, 'duplicates=drop')).toEqual(['clip0', 'clip1', 'clip3']);
    expect(split(clips, 0, 'validation.fraction=0', 'duplicates=drop').duplicates).toBe(1);
  });

  test('leave the one with a label, then the first by name, whatever their order', () => {
    // Odd clips have a label.
    const clips = shown('a', 'a', 'a', 'a', 'b');
    expect(trained(clips, 'duplicates=drop')).toEqual(['clip1', 'clip4']);
    expect(trained(clips.toReversed(), 'duplicates=drop').toSorted()).toEqual(['clip1', 'clip4']);
  });

  test('are dropped among those that train alone: held-out clips stay', () => {
    const clips = shown('a', 'a', 'a', 'a', 'a', 'a');
    const { training, validation } = split(clips, 0, 'duplicates=drop', 'validation.fraction=0.5');
    expect([training.length, validation.length]).toEqual([1, 3]);
  });
});

describe('validation', () => {
  test('takes whole groups, about the fraction asked for, and nothing twice', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 6, max: 120 }),
        fc.integer({ min: 1, max: 5 }),
        fc.nat(50),
        (count, size, seed) => {
          fc.pre(count > size);
          const clips = clipsOf(count, size);
          const { training, validation } = split(clips, seed);
          expect([...training, ...validation].sort((x, y) => x - y)).toEqual(clips.map((_, i) => i));
          const held = new Set(validation.map((i) => clips[i]!.group));
          expect(training.some((i) => held.has(clips[i]!.group))).toBe(false);
          expect(validation.length).toBeGreaterThan(0);
          expect(validation.length).toBeLessThanOrEqual(Math.max(size, 0.2 * count));
        },
      ),
      { numRuns: 100 },
    );
  });

  test('is the same whatever the order of the clips, and another with another seed', () => {
    const clips = clipsOf(40, 2);
    const ids = (order: readonly ClipRecord[], seed: number): string[] =>
      split(order, seed)
        .validation.map((i) => order[i]!.id)
        .sort();
    expect(ids([...clips].reverse(), 0)).toEqual(ids(clips, 0));
    expect(ids(clips, 1)).not.toEqual(ids(clips, 0));
  });

  test('fraction 0 holds nothing out, one group alone cannot be split', async () => {
    expect(split(clipsOf(6, 6), 0, 'validation.fraction=0').validation).toEqual([]);
    expect(await errorOf(() => split(clipsOf(6, 6)))).toMatchObject({
      code: 'SPLIT_IMPOSSIBLE',
      kind: 'data',
    });
  });
});

describe('subsets are seeded and nested', () => {
  test('every label set contains that of any lower rate', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 5, max: 100 }),
        fc.nat(20),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (count, seed, a, b) => {
          const clips = clipsOf(count, 1);
          const [low, high] = [Math.min(a, b), Math.max(a, b)].map((rate) =>
            labelledOf(split(clips, seed, `labelRate=${rate}`).labels),
          );
          expect(new Set(high)).toEqual(new Set([...high!, ...low!]));
        },
      ),
      { numRuns: 60 },
    );
  });

  test('the rate is of the labelled training clips; validation labels are never read', () => {
    const clips = clipsOf(100, 1, (i) => (i < 60 ? 'ab'[i % 2]! : null));
    const { training, labels, validation } = split(clips, 3, 'labelRate=0.25');
    const possible = training.filter((i) => clips[i]!.label !== null);
    expect(labelledOf(labels)).toHaveLength(Math.round(0.25 * possible.length));
    for (const i of labelledOf(labels)) expect(possible).toContain(i);
    for (const i of validation) expect(labels[i]).toBe(-1);
    expect(labelledOf(split(clips, 3, 'labelRate=0').labels)).toEqual([]);
  });

  test('label indices are those of the classes', () => {
    const clips = clipsOf(10, 1);
    const { labels, training } = split(clips);
    for (const i of training) expect(labels[i]).toBe(clips[i]!.label === 'a' ? 0 : 1);
  });

  test('data rates are nested too and leave at least one clip', () => {
    const clips = clipsOf(50, 1);
    let before: readonly number[] = [];
    for (const rate of [0.001, 0.1, 0.3, 0.7, 1]) {
      const { kept } = split(clips, 5, `rate=${rate}`, 'validation.fraction=0');
      expect(kept).toEqual(expect.arrayContaining([...before]));
      expect(kept).toHaveLength(Math.max(1, Math.round(rate * 50)));
      before = kept;
    }
  });
});

describe('rate mode', () => {
  test('exclude leaves clips out, replace keeps their places', () => {
    const clips = clipsOf(50, 1);
    const excluded = split(clips, 0, 'rate=0.5');
    expect(excluded.training.every((i) => excluded.kept.includes(i))).toBe(true);
    expect(excluded.training.length).toBeLessThan(30);
    const replaced = split(clips, 0, 'rate=0.5', 'rateMode=replace');
    expect(replaced.training).toHaveLength(40);
  });

  test('replace draws kept clips, validation ones among them, anew each epoch', () => {
    const clips = clipsOf(50, 1);
    const data = dataOf('rate=0.5', 'rateMode=replace');
    const parts = splitClips(clips, ['a', 'b'], data, 0);
    const epochs = Array.from({ length: 20 }, (_, epoch) => epochClips(parts, clips, data, 0, epoch));
    const kept = new Set(parts.kept);
    for (const epoch of epochs) expect(epoch.every((i) => kept.has(i))).toBe(true);
    expect(epochs[0]).not.toEqual(epochs[1]);
    expect(epochs.flat().some((i) => parts.validation.includes(i))).toBe(true);
    expect(epochs.some((epoch) => new Set(epoch).size < epoch.length)).toBe(true);
    expect(epochClips(parts, clips, data, 0, 7)).toEqual(epochs[7]);
  });

  test('what enters training is what epochs go through, held-out clips under replace among them', () => {
    const clips = clipsOf(50, 1);
    for (const set of [[], ['rate=0.5'], ['rateMode=replace'], ['rate=0.5', 'rateMode=replace']]) {
      const data = dataOf(...set);
      const parts = splitClips(clips, ['a', 'b'], data, 0);
      const seen = new Set(
        Array.from({ length: 400 }, (_, epoch) => epochClips(parts, clips, data, 0, epoch)).flat(),
      );
      expect([...clipsInTraining(parts)].sort((a, b) => a - b)).toEqual([...seen].sort((a, b) => a - b));
      const heldOutSeen = parts.validation.some((clip) => seen.has(clip));
      expect(heldOutSeen, set.join()).toBe(set.length === 2);
    }
  });

  test('without labels none may be used, and nothing else changes', () => {
    const parts = split(clipsOf(20, 2));
    expect(labelledOf(parts.labels)).not.toEqual([]);
    const { labels, ...rest } = withoutLabels(parts);
    expect(labelledOf(labels)).toEqual([]);
    const { labels: _labels, ...before } = parts;
    expect(rest).toEqual(before);
  });

  test('a rate that leaves no training clip is refused', async () => {
    const clips = clipsOf(4, 2);
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, (_, seed) =>
        errorOf(() => {
          split(clips, seed, 'rate=0.2', 'validation.fraction=0.5');
          throw new UsclError({ kind: 'data', code: 'NONE', message: 'split', remedy: '' });
        }),
      ),
    );
    // One clip is kept; it trains in some seeds and is held out in the others.
    expect(new Set(outcomes.map(({ code }) => code))).toEqual(new Set(['NONE', 'SPLIT_IMPOSSIBLE']));
  });
});

describe('a named split', () => {
  const clips = clipsOf(40, 2);
  const named = makeSplit(clips, 'main', { kind: 'parts', test: 0.25, validation: 0.2 });
  const part = (name: string): string[] => [...named.parts.find((one) => one.name === name)!.clips].sort();
  const ids = (indices: readonly number[]): string[] => indices.map((index) => clips[index]!.id).sort();

  test('trains on its train part, validates on its val part and never touches its test part', () => {
    const parts = splitClips(clips, ['a', 'b'], dataOf('split=main'), 3, named);
    expect(ids(parts.training)).toEqual(part('train'));
    expect(ids(parts.validation)).toEqual(part('val'));
    expect(labelledOf(parts.labels).every((index) => parts.training.includes(index))).toBe(true);
  });

  test('does not let test clips in where clips are replaced', () => {
    const data = dataOf('split=main', 'rate=0.5', 'rateMode=replace');
    const parts = splitClips(clips, ['a', 'b'], data, 0, named);
    const test = new Set(part('test'));
    for (let epoch = 0; epoch < 20; epoch++)
      expect(epochClips(parts, clips, data, 0, epoch).some((index) => test.has(clips[index]!.id))).toBe(
        false,
      );
  });

  test('into folds: one is kept out, groups of the others are held out for validation', () => {
    const folds = makeSplit(clips, 'five', { kind: 'folds', folds: 5 });
    const parts = splitClips(clips, ['a', 'b'], dataOf('split=five', 'keepOut=fold-2'), 0, folds);
    const kept = new Set(folds.parts[1]!.clips);
    expect([...parts.training, ...parts.validation].some((index) => kept.has(clips[index]!.id))).toBe(false);
    expect(parts.training.length + parts.validation.length).toBe(clips.length - kept.size);
    expect(parts.validation.length).toBeGreaterThan(0);
  });

  test('whose kept-out part does not exist is refused with the parts there are', () => {
    const error = failure(() =>
      splitClips(clips, ['a', 'b'], dataOf('split=main', 'keepOut=hold'), 0, named),
    );
    expect(error.code).toBe('SPLIT_PART');
    expect(error.message).toContain('train, val, test');
  });
});
