import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { randomAt } from '../../../src/base/random.ts';
import { openDataset } from '../../../src/dataset/reader.ts';
import { BatchSchedule, openFeed } from '../../../src/trainer/methods/batch-schedule.ts';
import { openMethod } from '../../../src/trainer/methods/open-method.ts';
import { resolveConfig } from '../../../src/runs/config.ts';
import { splitClips } from '../../../src/runs/training-clips.ts';
import { fillPairImages } from '../../../src/views/pairs.ts';
import { scratchFolder, TINY, tinyDataset } from '../../pretrain/support.ts';

const folder = await tinyDataset(join(scratchFolder(), 'clips'), { clips: 20 });

/** Every batch of a run from a step on. */
async function batchesOf(set: readonly string[], firstStep = 0) {
  using dataset = openDataset(folder);
  const config = resolveConfig({ set: [...TINY, 'training.accumulate=2', ...set] });
  const split = splitClips(dataset.clips, dataset.manifest.classes, config.data, config.seed);
  const opened = openMethod({ config, dataset }, split);
  const batchSchedule = new BatchSchedule({ dataset, opened, config });
  await using feed = openFeed({ dataset, opened, config, batchSchedule, from: { step: firstStep } });
  const batches = [];
  for (let number = batchSchedule.firstBatch(firstStep); batchSchedule.batch(number) !== null; number++) {
    const { epoch, parts } = batchSchedule.batch(number)!;
    const { clips } = parts[0]!;
    const { clipIds, views, images } = await feed.next();
    expect(views).toHaveLength(2);
    const { labels } = views[1]!;
    const expected = new Float32Array(images.length);
    fillPairImages(dataset, clips, config.view, config.seed, epoch, expected);
    expect(images).toEqual(expected);
    expect(clipIds).toEqual(clips.map((clip) => dataset.clips[clip]!.id));
    batches.push(...clips.map((clip, i) => ({ clip, label: labels[i]! })));
  }
  return { batches, split };
}

describe('what training is fed', () => {
  test.each([
    [['data.labelRate=0.5'], 8],
    [['data.labelRate=0.25', 'loader.workers=1'], 4],
    [['data.labelRate=0'], 0],
    [['data.labelRate=1', 'data.validation.fraction=0.4'], 12],
    // Clips outside the rate give their places to others, held-out ones among them, whose labels stay unread.
    [['data.rate=0.5', 'data.rateMode=replace', 'seed=3'], 16],
  ])('has no label but those that may be read (%j)', async (set, readable) => {
    const { batches, split } = await batchesOf(set);
    expect(split.labels.filter((label) => label >= 0)).toHaveLength(readable);
    const seen = new Set<number>();
    for (const { clip, label } of batches) {
      // The classes are a and b in turn.
      expect(label).toBe(split.labels[clip] === -1 ? -1 : clip % 2);
      if (label >= 0) seen.add(clip);
    }
    expect([...split.validation].some((clip) => seen.has(clip))).toBe(false);
    if (!set.includes('data.rateMode=replace')) expect(seen.size).toBe(readable);
  });

  test('goes on at any step as if it had begun at the first', async () => {
    const whole = await batchesOf([]);
    const later = await batchesOf([], 3);
    expect(later.batches.length).toBeLessThan(whole.batches.length);
    expect(later.batches).toEqual(whole.batches.slice(-later.batches.length));
  });

  test('takes further streams in whole passes over their clips, each in the order of its address', () => {
    using dataset = openDataset(folder);
    const config = resolveConfig({ set: [...TINY, 'data.labelRate=0.3', 'seed=4', 'training.epochs=6'] });
    const split = splitClips(dataset.clips, dataset.manifest.classes, config.data, config.seed);
    const labelled = split.training.filter((clip) => split.labels[clip]! >= 0);
    const streams = [
      { clips: 'training', count: 4, views: 'pair' },
      { clips: 'labelled', count: 3, views: 'pair' },
      { clips: 'training', count: 5, views: 'pair' },
    ] as const;
    const facts = { sources: new Int32Array(dataset.clips.length) };
    const schedule = new BatchSchedule({ dataset, opened: { split, open: { streams }, facts }, config });
    const seen: number[][] = [[], []];
    for (let number = 0; schedule.batch(number) !== null; number++) {
      const { parts } = schedule.batch(number)!;
      expect(parts.map(({ clips }) => clips.length)).toEqual([4, 3, 5]);
      for (const i of [0, 1]) seen[i]!.push(...parts[i + 1]!.clips);
    }
    for (const [i, pool] of [labelled, split.training].entries()) {
      expect(seen[i]!.length).toBeGreaterThan(3 * pool.length);
      const passes = Array.from({ length: seen[i]!.length }, (_, pass) =>
        randomAt(config.seed, 'stream', i + 1, pass).shuffled([...pool]),
      );
      expect(seen[i]).toEqual(passes.flat().slice(0, seen[i]!.length));
    }
  });

  test('has batches of one source each where the configuration wants that', () => {
    using dataset = openDataset(folder);
    const config = resolveConfig({
      set: [...TINY, 'batch.size=3', 'batch.oneSource=true', 'training.epochs=3'],
    });
    const split = splitClips(dataset.clips, dataset.manifest.classes, config.data, config.seed);
    const sources = Int32Array.from(dataset.clips, (_, clip) => (clip % 3 === 0 ? 1 : 0));
    const open = { streams: [{ clips: 'training', count: 3, views: 'pair' }] } as const;
    const schedule = new BatchSchedule({ dataset, opened: { split, open, facts: { sources } }, config });
    const seen = new Set<number>();
    for (let number = 0; schedule.batch(number) !== null; number++) {
      const own = new Set(schedule.batch(number)!.parts[0]!.clips.map((clip) => sources[clip]!));
      expect(own.size).toBe(1);
      for (const source of own) seen.add(source);
    }
    expect(seen).toEqual(new Set([0, 1]));
  });
});
