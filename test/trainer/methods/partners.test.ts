/** Partners of clips: how often, which, by what address; that streams ask for them, show them and are refused. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openDataset } from '../../../src/dataset/reader.ts';
import type { Method, Stream } from '../../../src/methods/method.ts';
import { methodNamed } from '../../../src/methods/registry.ts';
import { BatchSchedule, openFeed } from '../../../src/trainer/methods/batch-schedule.ts';
import { openMethod } from '../../../src/trainer/methods/open-method.ts';
import { drawPartners, streamClips } from '../../../src/trainer/methods/partners.ts';
import { pretrain } from '../../../src/pretrain/pretrain.ts';
import { resolveConfig } from '../../../src/runs/config.ts';
import { measured, readLog } from '../../../src/runs/log.ts';
import { type Split, splitClips } from '../../../src/runs/training-clips.ts';
import { fillPairImages, pairRenderer } from '../../../src/views/pairs.ts';
import { failureOf } from '../../failures.ts';
import { scratchFolder, TINY, tinyDataset } from '../../pretrain/support.ts';

const scratch = scratchFolder();

/** Clips 0 to 3 of one group, 4 and 5 of another, 6 alone, 7 of the first but held out. */
const GROUPS = ['p', 'p', 'p', 'p', 'q', 'q', 'r', 'p'];
const CLIPS = GROUPS.map((group, i) => ({ id: `clip${i}`, group }));
const SPLIT: Split = {
  training: [0, 1, 2, 3, 4, 5, 6],
  validation: [7],
  duplicates: 0,
  kept: [0, 1, 2, 3, 4, 5, 6, 7],
  labels: Int32Array.of(0, 1, -1, 0, -1, -1, 1, -1),
};
const stream = (partners: number, clips: Stream['clips'] = 'training'): Stream => {
  return { clips, count: 4, views: 'pair', partners };
};
const EPOCHS = 4000;

describe('partners', () => {
  const draw = drawPartners(stream(0.4), SPLIT, CLIPS, 3)!;
  const drawn = Array.from({ length: EPOCHS }, (_, epoch) => draw(SPLIT.training, epoch));

  test('come as often as is asked for, and are each of the other clips of the group as often', () => {
    for (const [at, clip] of SPLIT.training.entries()) {
      const counts = new Map<number, number>();
      for (const partners of drawn) counts.set(partners[at]!, (counts.get(partners[at]!) ?? 0) + 1);
      const others = SPLIT.training.filter((one) => one !== clip && GROUPS[one] === GROUPS[clip]);
      expect([...counts.keys()].sort()).toEqual([clip, ...others].sort());
      // Of 4000 draws a share s has a deviation of 63·√(s (1 − s)).
      const near = (count: number | undefined, share: number): void => {
        expect(Math.abs(count! - EPOCHS * share)).toBeLessThan(4.5 * Math.sqrt(EPOCHS * share * (1 - share)));
      };
      if (others.length === 0) expect(counts.get(clip)).toBe(EPOCHS);
      else near(counts.get(clip), 0.6);
      for (const other of others) near(counts.get(other), 0.4 / others.length);
    }
  });

  test('are drawn for each clip by itself: what one gets says nothing of another', () => {
    const both = drawn.filter(([a, b]) => a !== 0 && b !== 1).length;
    expect(Math.abs(both - EPOCHS * 0.16)).toBeLessThan(4.5 * Math.sqrt(EPOCHS * 0.16 * 0.84));
  });

  test('are those of seed, epoch and clip, whatever other clips are drawn for, and in what order', () => {
    for (const epoch of [0, 1, 7]) {
      const all = draw(SPLIT.training, epoch);
      expect(draw([5, 2, 0], epoch)).toEqual([all[5], all[2], all[0]]);
    }
    const other = drawPartners(stream(0.4), SPLIT, CLIPS, 4)!;
    expect(drawn.slice(0, 50)).not.toEqual(
      Array.from({ length: 50 }, (_, epoch) => other(SPLIT.training, epoch)),
    );
    expect(new Set(drawn.slice(0, 50).map((partners) => partners.join())).size).toBeGreaterThan(25);
  });

  test('are always others with probability 1, and not drawn at all with 0', () => {
    const always = drawPartners(stream(1), SPLIT, CLIPS, 0)!;
    for (let epoch = 0; epoch < 100; epoch++)
      for (const [at, partner] of always([0, 4, 6], epoch).entries())
        expect(partner === [0, 4, 6][at]).toBe(at === 2);
    expect(drawPartners(stream(0), SPLIT, CLIPS, 0)).toBeUndefined();
    expect(drawPartners({ clips: 'training', count: 4, views: 'pair' }, SPLIT, CLIPS, 0)).toBeUndefined();
  });

  test('of a stream of labelled clips have labels', () => {
    const labelled = drawPartners(stream(1, 'labelled'), SPLIT, CLIPS, 0)!;
    const seen = new Set(Array.from({ length: 100 }, (_, epoch) => labelled([0], epoch)[0]));
    expect(seen).toEqual(new Set([1, 3]));
  });

  test('are never clips outside of the rate that gave their place away', () => {
    // Clips 2 and 5 are replaced by kept ones, among which is the held-out clip, as the published code has it.
    const replacing = { ...SPLIT, kept: [0, 1, 3, 4, 6, 7] };
    expect(streamClips({ clips: 'training' }, replacing)).toEqual([0, 1, 3, 4, 6, 7]);
    const replaced = drawPartners(stream(1), replacing, CLIPS, 0)!;
    const seen = new Set(Array.from({ length: 200 }, (_, epoch) => replaced([0, 4], epoch)).flat());
    expect(seen).toEqual(new Set([1, 3, 7, 4]));
  });
});

describe('in a run', () => {
  test('second views show the partners, by rows and by pictures, with what is drawn for the clip', async () => {
    const folder = await tinyDataset(join(scratch, 'clips'), { clips: 24, groupSize: 4 });
    using dataset = openDataset(folder);
    const config = resolveConfig({
      ...{ method: 'patient-positives', set: [...TINY, 'data.validation.fraction=0', 'loader.workers=1'] },
    });
    const split = splitClips(dataset.clips, dataset.manifest.classes, config.data, config.seed);
    const opened = openMethod({ config, dataset }, split);
    const batchSchedule = new BatchSchedule({ dataset, opened, config });
    await using feed = openFeed({ dataset, opened, config, batchSchedule, from: { step: 0 } });
    const draw = drawPartners(opened.open.streams[0]!, split, dataset.clips, config.seed)!;
    const render = pairRenderer(dataset, config.view);
    let others = 0;
    for (let number = 0; batchSchedule.batch(number) !== null; number++) {
      const { epoch, parts } = batchSchedule.batch(number)!;
      const { clips } = parts[0]!;
      const partners = draw(clips, epoch);
      const { views, images, clipIds, pairs } = await feed.next();
      expect(views.map((rows) => rows.clips)).toEqual([clips, partners]);
      expect([...views[0]!.groups]).toEqual([...views[1]!.groups]);
      expect(pairs).toBe(clips.length);
      const expected = new Float32Array(images.length);
      render(clips, config.seed, epoch, expected, partners);
      expect(images).toEqual(expected);
      const plain = new Float32Array(images.length);
      fillPairImages(dataset, clips, config.view, config.seed, epoch, plain);
      expect(images.subarray(0, images.length / 2)).toEqual(plain.subarray(0, images.length / 2));
      const changed = clips.filter((clip, i) => partners[i] !== clip);
      if (changed.length > 0) expect(images).not.toEqual(plain);
      others += changed.length;
      const wanted = [...clips, ...partners.filter((partner, i) => partner !== clips[i])];
      expect(clipIds).toEqual(wanted.map((clip) => dataset.clips[clip]!.id));
    }
    expect(others).toBeGreaterThan(10);
  });

  test('they are counted, and held-out clips have none', async () => {
    const folder = await tinyDataset(join(scratch, 'counted'), { clips: 24, groupSize: 6 });
    const out = join(scratch, 'run');
    const set = TINY.map((one) => (one.startsWith('training.epochs') ? 'training.epochs=10' : one));
    await pretrain({ dataset: folder, out, method: 'patient-positives', config: { set } });
    const steps = readLog(out).filter(({ kind }) => kind === 'step');
    const shares = steps.map((entry) => measured(entry, 'partnered')!);
    const mean = shares.reduce((sum, share) => sum + share / shares.length, 0);
    expect(Math.abs(mean - 0.5)).toBeLessThan(0.15);
    expect(readLog(out).some(({ kind }) => kind === 'validation')).toBe(true);
  });

  test('they are refused where no group has two clips to learn from, before anything is written', async () => {
    const folder = await tinyDataset(join(scratch, 'alone'), { groupSize: 1 });
    const out = join(scratch, 'refused');
    const options = { dataset: folder, out, method: 'patient-positives' };
    const error = await failureOf(pretrain({ ...options, config: { set: TINY } }));
    expect(error).toMatchObject({ code: 'METHOD_VIEWS', where: 'method patient-positives' });
    expect(error.message).toContain('each of the 8 clips that it learns from is the only one of its group');
    expect(error.remedy).toContain('labels file');
    const none = ['method.partners=0', 'training.epochs=1'];
    await expect(pretrain({ ...options, config: { set: [...TINY, ...none] } })).resolves.toMatchObject({
      complete: true,
    });
  });

  test('they need a second view, and a probability', async () => {
    const folder = await tinyDataset(join(scratch, 'views'));
    const simclr = methodNamed('simclr');
    const asks = (name: string, part: Partial<Stream>): Method => ({
      ...{ ...simclr, name },
      open: (options, given) => {
        const open = simclr.open(options, given);
        return { ...open, streams: [{ ...open.streams[0]!, ...part }] };
      },
    });
    const { augment } = resolveConfig({}).view;
    for (const [method, said] of [
      [asks('single', { partners: 0.5, views: [{ frame: 0, augment }] }), 'partners in a stream of one view'],
      [asks('double', { partners: 2 }), 'streams.0.partners'],
    ] as const) {
      const out = join(scratch, method.name);
      const error = await failureOf(pretrain({ dataset: folder, out, method, config: { set: TINY } }));
      expect(error.message).toContain(said);
    }
  });
});
