import { describe, expect, test } from 'vitest';
import { finetuneSchema, resolveFinetune, viewOf } from '../../src/finetune/config.ts';
import { FrameSchedule, drawOf, scoredRows } from '../../src/finetune/frame-schedule.ts';
import { resultConfig } from '../../src/finetune/resume.ts';
import { hashOf } from '../../src/runs/run-folder.ts';
import type { ClipRecord } from '../../src/dataset/types.ts';
import { frameViewSchema } from '../../src/views/config.ts';
import { errorOf } from '../pretrain/support.ts';

/** A number of each augmentation that came after the first form of saved configurations. */
const LATER: Readonly<Record<string, readonly [key: string, value: string]>> = {
  insideField: ['share', '0.8'],
  probe: ['degrees', '[0, 10]'],
  depthGain: ['decibels', '3'],
  speckle: ['strength', '[0, 1]'],
  gain: ['factor', '[1, 1]'],
  gamma: ['exponent', '[1, 1]'],
  clahe: ['tiles', '3'],
  fieldEdge: ['margin', '[0, 0.2]'],
};

describe('a fine-tuning configuration', () => {
  test('is honest, with three seeds and five folds, unless it is told otherwise', () => {
    expect(resolveFinetune()).toMatchObject({ task: 'finetune', protocol: 'honest', seeds: 3, folds: 5 });
    expect(resolveFinetune({ set: ['protocol=legacy'] })).toMatchObject({ seeds: 1 });
    expect(resolveFinetune({ set: ['protocol=legacy', 'seeds=2'] })).toMatchObject({ seeds: 2 });
  });

  test('is complete: read again it is the same', () => {
    for (const preset of ['default', 'reference'] as const) {
      const config = resolveFinetune({ preset });
      expect(finetuneSchema.parse(JSON.parse(JSON.stringify(config)))).toEqual(config);
      expect(frameViewSchema.parse(viewOf(config))).toEqual(viewOf(config));
    }
  });

  test('has the published protocol as a preset', () => {
    expect(resolveFinetune({ preset: 'reference' })).toMatchObject({
      layers: 'last-block',
      norms: 'moving',
      training: { epochs: 100 },
      batch: { size: 32 },
      optimizer: { kind: 'adam', learningRate: 0.01, weightDecay: 1e-4 },
      schedule: { kind: 'cosine', unit: 'epoch', warmup: 'none' },
      view: { augment: { cropScale: [0.8, 1], flip: 0.5, brightness: 0 } },
    });
    expect(() => resolveFinetune({ preset: 'paper' })).toThrow(/default, reference/);
  });

  test('takes network and view from the weights, below every other layer', () => {
    const under = { model: { width: 8 }, view: { size: 96, channels: 3, normalise: { mean: 0.4 } } };
    expect(resolveFinetune({ set: ['view.size=64'], under })).toMatchObject({
      model: { width: 8 },
      view: { size: 64, channels: 3, normalise: { mean: 0.4, std: 0.25 } },
    });
  });

  test('sorts label rates and leaves doubles out', () => {
    expect(resolveFinetune({ set: ['labelRates=[1, 0.1, 1]'] }).labelRates).toEqual([0.1, 1]);
  });

  test.each([
    ['epoch=3', 'CONFIG_UNKNOWN_KEY', 'epochs'],
    ['folds=1', 'CONFIG_INVALID', 'at least 2'],
    ['labelRates=[0]', 'CONFIG_INVALID', 'more than 0'],
    ['labelRates=[]', 'CONFIG_INVALID', 'at least 1'],
    ['layers=last', 'CONFIG_INVALID', 'last-block'],
    ['mixup=-1', 'CONFIG_INVALID', 'at least 0'],
    ['innerFraction=1', 'CONFIG_INVALID', 'less than 1'],
    ['view.normalise.mean=[0.1, 0.2, 0.3]', 'CONFIG_INVALID', 'three values'],
    ['view.spg={}', 'CONFIG_UNKNOWN_KEY', ''],
  ])('refuses %s', async (setting, code, hint) => {
    const error = await errorOf(() => resolveFinetune({ set: [setting] }));
    expect(error).toMatchObject({ code, kind: 'usage' });
    expect(error.describe()).toContain(hint);
    expect(error.remedy).toContain('docs/finetuning.md');
  });

  test('refuses legacy on a split of the dataset', async () => {
    const error = await errorOf(() => resolveFinetune({ set: ['split=main', 'protocol=legacy'] }));
    expect(error).toMatchObject({ code: 'CONFIG_INVALID' });
    expect(error.message).toContain('legacy');
  });
});

describe('the hash that a fold is kept under', () => {
  // As the version before augmentations for ultrasound made them: its folds are not trained again.
  test.each([
    [{}, '075fd8678df403eb1cf52341d07de096e030b09045aca66f8187211b274865fb'],
    [{ preset: 'reference' }, 'e41e96c562f15597cd6e54b3907e8f9639239818df697355deb58d6b40f09613'],
    [{ set: ['view.augment=null'] }, '2ae7e134729f313cf7726d5d4424b8c6bd2c59d5f9d8c1cb5c01132f55a7010c'],
    [
      { set: ['view.augment.blur.probability=0.5', 'view.size=96'] },
      'dbcd62cfe9a06c5c6d59b228e8251aad654fa8313f58f0e9484dbfced59e0b4c',
    ],
  ])('is that of earlier versions where nothing new is on: %j', (sources, hash) => {
    expect(hashOf(resultConfig(resolveFinetune(sources)))).toBe(hash);
  });

  test.each(Object.keys(LATER))('is another with %s, and then with other numbers of it', (name) => {
    const hash = (...set: string[]): string => hashOf(resultConfig(resolveFinetune({ set })));
    const [key, value] = LATER[name]!;
    const other = `view.augment.${name}.${key}=${value}`;
    const on = `view.augment.${name}.probability=0.5`;
    expect(new Set([hash(), hash(on), hash(on, other)]).size).toBe(3);
    // Numbers of what is off mean nothing.
    expect(hash(other)).toBe(hash());
  });
});

describe('the frames of an epoch', () => {
  const clips = Array.from({ length: 7 }, (_, i) => ({ id: `clip${i}`, frames: i + 1 }) as ClipRecord);
  const training = [0, 1, 2, 3, 5, 6];
  const config = resolveFinetune({ set: ['batch.size=5', 'framesPerClip.train=3'] });

  test('are as many of each clip as it is told, in even batches, and never of other clips', () => {
    const rows = new FrameSchedule(clips, training, config, 4);
    // 1 + 2 + 3 + 3 + 3 + 3 = 15 frames in three batches of five.
    expect([rows.size, rows.stepsPerEpoch]).toEqual([5, 3]);
    // How long the schedule of a learning rate is, by epoch and by step.
    expect([rows.epochs, rows.steps]).toEqual([30, 90]);
    const seen = new Set<string>();
    for (let epoch = 0; epoch < 20; epoch++) {
      const all = rows.epoch(epoch).flat();
      for (const clip of training)
        expect(all.filter((row) => row.clip === clip)).toHaveLength(Math.min(3, clip + 1));
      expect(new Set(all.map(({ clip, frame }) => `${clip} ${frame}`)).size).toBe(15);
      for (const { clip, frame } of all) {
        expect(frame).toBeLessThan(clips[clip]!.frames);
        seen.add(`${clip} ${frame}`);
      }
    }
    // Every frame has its turn.
    expect(seen.size).toBe(1 + 2 + 3 + 4 + 6 + 7);
  });

  test('are as many epochs as make the steps that were asked for, the last one cut short', () => {
    const asked = resolveFinetune({ set: ['batch.size=5', 'framesPerClip.train=3', 'training.steps=100'] });
    const rows = new FrameSchedule(clips, training, asked, 4);
    expect([rows.stepsPerEpoch, rows.epochs, rows.steps]).toEqual([3, 34, 100]);
    // The same frames as without: only the end is another.
    expect(rows.epoch(7)).toEqual(new FrameSchedule(clips, training, config, 4).epoch(7));
  });

  test('fill the last batch with further frames, so that none is left out and all batches are alike', () => {
    const rows = new FrameSchedule(clips, training, { ...config, batch: { size: 4 } }, 4);
    expect([rows.size, rows.stepsPerEpoch]).toEqual([4, 4]);
    const all = rows.epoch(0).flat();
    expect(all).toHaveLength(16);
    for (const clip of training)
      expect(all.filter((row) => row.clip === clip).length).toBeGreaterThanOrEqual(Math.min(3, clip + 1));
  });

  test('fill it with any frame of the first clips, or with frames of the draw where draws come again', () => {
    /** Frames of the row that fills up, over many epochs, and whether each is one of the epoch's own. */
    const fillers = (variants: string): { readonly own: number; readonly all: number } => {
      const set = ['batch.size=4', 'framesPerClip.train=1', `view.variants=${variants}`];
      const rows = new FrameSchedule(clips, [3, 5, 6], resolveFinetune({ set: [...set, 'batch.size=2'] }), 4);
      let own = 0;
      for (let epoch = 0; epoch < 40; epoch++) {
        const all = rows.epoch(epoch).flat();
        expect(all).toHaveLength(4);
        const [first, filler] = [all[0]!, all[3]!];
        expect(filler.clip).toBe(first.clip);
        if (filler.frame === first.frame) own += 1;
      }
      return { own, all: 40 };
    };
    expect(fillers('3')).toEqual({ own: 40, all: 40 });
    expect(fillers('null').own).toBeLessThan(25);
  });

  test('come again with numbered draws, alike for every seed, in another order', () => {
    const numbered = resolveFinetune({ set: ['batch.size=5', 'framesPerClip.train=3', 'view.variants=2'] });
    const [one, other] = [3, 8].map((seed) => new FrameSchedule(clips, training, numbered, seed));
    const names = (rows: FrameSchedule, epoch: number): string[] =>
      rows
        .epoch(epoch)
        .flat()
        .map(({ clip, frame }) => `${clip} ${frame}`);
    expect(names(one!, 0).sort()).toEqual(names(other!, 2).sort());
    expect(names(one!, 0)).not.toEqual(names(one!, 2));
    expect(names(one!, 0).sort()).not.toEqual(names(one!, 1).sort());
    expect(drawOf(numbered, 8, 5)).toEqual({ seed: 0, number: 1 });
    expect(drawOf(config, 8, 5)).toEqual({ seed: 8, number: 5 });
  });

  test('that are predicted are even in time, or all', () => {
    expect(scoredRows(clips, [6], 2).map(({ frame }) => frame)).toEqual([1, 5]);
    expect(scoredRows(clips, [2, 1], null)).toHaveLength(5);
  });
});
