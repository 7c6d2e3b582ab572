import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { openDataset } from '../../src/dataset/reader.ts';
import { UsclError } from '../../src/base/errors.ts';
import type * as KnnScoreModule from '../../src/evaluation/probes/knn-score.ts';
import type * as NtXentModule from '../../src/objectives/nt-xent.ts';
import { readScalars } from '../events.ts';
import { readCheckpoint } from '../../src/runs/checkpoint.ts';
import { BatchSchedule } from '../../src/trainer/methods/batch-schedule.ts';
import { measured, readLog, type StepEntry } from '../../src/runs/log.ts';
import { pretrain } from '../../src/pretrain/pretrain.ts';
import { resolveConfig } from '../../src/runs/config.ts';
import { readRunConfig } from '../../src/runs/run-folder.ts';
import { splitClips } from '../../src/runs/training-clips.ts';
import { PLAIN } from '../backend.ts';
import { errorOf, scratchFolder, TINY, tinyDataset, tinyRun } from './support.ts';

/** The contrastive loss turns NaN in its n-th call, as a broken kernel or an overflow would make it. */
const broken = vi.hoisted(() => ({ callsLeft: Infinity }));
vi.mock('../../src/objectives/nt-xent.ts', async (importOriginal) => {
  const real = await importOriginal<typeof NtXentModule>();
  const ntXent: typeof real.ntXent = (...args) => {
    broken.callsLeft -= 1;
    const result = real.ntXent(...args);
    return broken.callsLeft === 0 ? { ...result, loss: NaN } : result;
  };
  return { ...real, ntXent };
});

/** The score of the watched dataset cannot be made in its n-th call, as where a file of it is broken. */
const unscorable = vi.hoisted(() => ({ callsLeft: Infinity }));
vi.mock('../../src/evaluation/probes/knn-score.ts', async (importOriginal) => {
  const real = await importOriginal<typeof KnnScoreModule>();
  const knnScore: typeof real.knnScore = (...args) => {
    unscorable.callsLeft -= 1;
    if (unscorable.callsLeft === 0)
      throw new UsclError({ kind: 'data', code: 'UNSCORABLE', message: 'no score', remedy: 'Mend it.' });
    return real.knnScore(...args);
  };
  return { ...real, knnScore };
});

const scratch = scratchFolder();
const dataset = join(scratch, 'dataset');
let count = 0;
const fresh = (): string => join(scratch, `run${++count}`);

beforeAll(async () => {
  await tinyDataset(dataset);
});

const file = (run: string, ...path: string[]): Buffer => readFileSync(join(run, ...path));
const lastOf = (run: string): Buffer => file(run, 'checkpoints', 'last.safetensors');
/** A stream of pairs, as a method of pairs asks for. */
const PAIRS = { clips: 'training', count: 4, views: 'pair' } as const;

const stepsOf = (run: string): StepEntry[] => readLog(run).filter((entry) => entry.kind === 'step');
/** What of a log must not depend on when and how fast a run went. */
const timeless = (run: string): unknown[] =>
  readLog(run).map((entry) =>
    Object.fromEntries(
      Object.entries(entry).filter(
        ([key]) => !['time', 'seconds', 'pairsPerSecond', 'dataWaitShare', 'memory'].includes(key),
      ),
    ),
  );

describe('a run', () => {
  let run: string;
  beforeAll(async () => {
    run = fresh();
    await tinyRun(dataset, run, ['checkpoint.keep=2']);
  });

  test('leaves config, environment, provenance, log, events, curves, metrics and checkpoints, and nothing else', () => {
    expect(
      readdirSync(run)
        .filter((name) => !name.startsWith('events.'))
        .sort(),
    ).toEqual([
      'checkpoints',
      'config.json',
      'curves.svg',
      'dataset.json',
      'environment.json',
      'log.jsonl',
      'metrics.json',
    ]);
    expect(readdirSync(join(run, 'checkpoints')).sort()).toEqual([
      'best.safetensors',
      'epoch-00002.safetensors',
      'last.safetensors',
      'previous.safetensors',
    ]);
  });

  test('saves a configuration with nothing left open', () => {
    expect(readRunConfig(run)).toMatchObject({
      backend: PLAIN,
      precision: 'f32',
      training: { epochs: 3 },
    });
    expect(readRunConfig(run).threads).toBeGreaterThan(0);
  });

  test('logs every step once, in JSON and as events', () => {
    const steps = stepsOf(run);
    expect(steps.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(steps.map(({ epoch }) => epoch)).toEqual([0, 0, 1, 1, 2, 2]);
    for (const entry of steps) {
      expect(entry.loss).toBeCloseTo(
        measured(entry, 'contrastive')! + 0.2 * measured(entry, 'supervised')!,
        10,
      );
      expect(entry.pairs).toBe(4);
      expect(measured(entry, 'labelled')).toBe(8);
      expect(entry.gradientNorm).toBeGreaterThan(0);
      expect(entry.memory).toBeGreaterThan(1e6);
    }
    const series = readScalars(run).get('train/loss');
    expect(series?.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6]);
    series?.forEach(({ value }, i) => {
      expect(value).toBeCloseTo(steps[i]!.loss, 5);
    });
    expect(readScalars(run).has('validation/effectiveRank')).toBe(true);
  });

  test('keeps as best the epoch with the lowest held-out loss', () => {
    const scores = readLog(run).filter((entry) => entry.kind === 'validation');
    expect(scores).toHaveLength(3);
    const lowest = scores.reduce((best, next) => (next.loss < best.loss ? next : best));
    const best = readCheckpoint(join(run, 'checkpoints', 'best.safetensors'));
    expect(best.best).toEqual({ step: lowest.step, epoch: lowest.epoch, score: lowest.loss });
    expect(best.step).toBe(lowest.step);
    expect(best.contents).toBe('weights');
  });

  test('names tensors as torchvision does, heads and optimizer state apart', () => {
    const { tensors } = readCheckpoint(join(run, 'checkpoints', 'last.safetensors'));
    const names = [...tensors.keys()];
    const model = names.filter((name) => !name.startsWith('optimizer.'));
    const golden = z
      .record(z.string(), z.array(z.unknown()))
      .or(z.unknown())
      .parse(
        JSON.parse(readFileSync(new URL('../golden/data/state-dict-names.json', import.meta.url), 'utf8')),
      );
    const text = JSON.stringify(golden);
    for (const name of model.filter((one) => !/^(projection|classifier)\./.test(one)))
      expect(text).toContain(`"${name}"`);
    expect(model).toContain('bn1.running_var');
    expect(names).toContain('optimizer.second.layer4.1.conv2.weight');
    expect(tensors.get('conv1.weight')?.shape).toEqual([2, 1, 7, 7]);
  });

  test('is refused a second time, replaced with overwrite, and is the same again', async () => {
    const before = lastOf(run);
    expect(await errorOf(() => tinyRun(dataset, run))).toMatchObject({ code: 'RUN_EXISTS', kind: 'usage' });
    expect(lastOf(run).equals(before)).toBe(true);
    const again = fresh();
    await tinyRun(dataset, again, ['checkpoint.keep=2']);
    expect(lastOf(again).equals(before)).toBe(true);
    await tinyRun(dataset, again, ['seed=1'], { overwrite: true });
    expect(lastOf(again).equals(before)).toBe(false);
    expect(existsSync(join(again, 'checkpoints', 'epoch-00002.safetensors'))).toBe(false);
  });
});

describe('resume', () => {
  let whole: string;
  const set = ['optimizer.kind=adamw', 'data.labelRate=0.5', 'data.rateMode=replace', 'data.rate=0.6'];
  beforeAll(async () => {
    whole = fresh();
    await tinyRun(dataset, whole, set);
  });

  /** Interrupts after so many steps, then resumes to the end. */
  async function interrupted(steps: readonly number[], workers: number): Promise<string> {
    const run = fresh();
    for (const stop of [...steps, Infinity]) {
      const controller = new AbortController();
      await tinyRun(dataset, run, [...set, `loader.workers=${workers}`], {
        resume: true,
        signal: controller.signal,
        onEvent: (event) => {
          if (event.kind === 'step' && event.entry.step === stop) controller.abort();
        },
      });
    }
    return run;
  }

  test.each([
    [[1], 0],
    [[2], 0],
    [[1, 2, 3, 4, 5], 0],
    [[3], 2],
  ])('interrupted after steps %j with %i workers: the same bits, the same log', async (steps, workers) => {
    const run = await interrupted(steps, workers);
    expect(
      file(run, 'checkpoints', 'best.safetensors').equals(file(whole, 'checkpoints', 'best.safetensors')),
    ).toBe(true);
    const [a, b] = [whole, run].map((one) => readCheckpoint(join(one, 'checkpoints', 'last.safetensors')));
    expect([...b!.tensors]).toEqual([...a!.tensors]);
    expect(timeless(run)).toEqual(timeless(whole));
    expect(
      readScalars(run)
        .get('train/loss')
        ?.map(({ step }) => step),
    ).toEqual([1, 2, 3, 4, 5, 6]);
  });

  test('an interrupted run says so and can be told from a whole one', async () => {
    const run = fresh();
    const controller = new AbortController();
    controller.abort();
    const { summary } = await tinyRun(dataset, run, set, { signal: controller.signal });
    expect(summary).toMatchObject({ complete: false, step: 1, steps: 6 });
    expect(existsSync(join(run, 'metrics.json'))).toBe(false);
  });

  test('a finished run has nothing left to do and is not touched', async () => {
    const before = lastOf(whole);
    const { summary } = await tinyRun(dataset, whole, set, { resume: true });
    expect(summary).toMatchObject({ complete: true, loss: null, step: 6 });
    expect(lastOf(whole).equals(before)).toBe(true);
    expect(existsSync(join(whole, 'metrics.json'))).toBe(true);
  });

  test('steps logged beyond the checkpoint and a torn last line are superseded', async () => {
    const run = fresh();
    const controller = new AbortController();
    await tinyRun(dataset, run, set, {
      signal: controller.signal,
      onEvent: (event) => {
        if (event.kind === 'step' && event.entry.step === 3) controller.abort();
      },
    });
    const extra = { ...stepsOf(run)[0]!, step: 4, loss: 99 };
    writeFileSync(join(run, 'log.jsonl'), `${JSON.stringify(extra)}\n{"kind":"step","st`, { flag: 'a' });
    await tinyRun(dataset, run, set, { resume: true });
    expect(timeless(run)).toEqual(timeless(whole));
  });

  test.each([
    ['seed=1', 'seed', '0'],
    ['optimizer.learningRate=1', 'optimizer.learningRate', '0.0003'],
    ['view.spg.beta=[1, 1]', 'view.spg.beta', '[0.5,0.5]'],
    ['training.epochs=4', 'training.epochs', '3'],
  ])('with %s is refused, naming the key and both values', async (setting, key, was) => {
    const before = lastOf(whole);
    const error = await errorOf(() =>
      pretrain({ dataset, out: whole, resume: true, config: { set: [...TINY, ...set, setting] } }),
    );
    expect(error).toMatchObject({ code: 'RESUME_CHANGED', kind: 'usage', where: `key ${key}` });
    const asked = setting.slice(setting.indexOf('=') + 1).replaceAll(' ', '');
    expect(error.message).toContain(`started with ${key}=${was}, not ${asked}.`);
    expect(lastOf(whole).equals(before)).toBe(true);
  });

  test('needs no configuration, and may be longer where the learning rates so far stay what they were', async () => {
    const [short, long] = [fresh(), fresh()];
    const constant = ['schedule.kind=constant'];
    await tinyRun(dataset, short, [...constant, 'training.epochs=2']);
    const summary = await pretrain({
      dataset,
      out: short,
      resume: true,
      config: { set: ['training.epochs=3', 'checkpoint.every=2'] },
    });
    expect(summary.steps).toBe(6);
    await tinyRun(dataset, long, constant);
    const [a, b] = [short, long].map((one) => readCheckpoint(join(one, 'checkpoints', 'last.safetensors')));
    expect([...a!.tensors]).toEqual([...b!.tensors]);
  });

  test('another dataset is refused', async () => {
    const other = await tinyDataset(join(scratch, 'other'), { frames: 5 });
    expect(await errorOf(() => tinyRun(other, whole, set, { resume: true }))).toMatchObject({
      code: 'RESUME_CHANGED',
    });
  });
});

describe('what a batch may be', () => {
  test('accumulating all batches of an epoch makes one step of it', async () => {
    const run = fresh();
    await tinyRun(dataset, run, ['training.accumulate=5']);
    const steps = stepsOf(run);
    expect(steps.map(({ epoch }) => epoch)).toEqual([0, 1, 2]);
    expect(steps.every(({ pairs }) => pairs === 8)).toBe(true);
  });

  test('a short last batch trains with a plan of its own', async () => {
    const run = fresh();
    await tinyRun(dataset, run, ['batch.size=5', 'training.epochs=1']);
    expect(stepsOf(run).map(({ pairs }) => pairs)).toEqual([5, 3]);
    const dropped = fresh();
    await tinyRun(dataset, dropped, ['batch.size=5', 'batch.lastBatch=drop', 'training.epochs=1']);
    expect(stepsOf(dropped).map(({ pairs }) => pairs)).toEqual([5]);
  });

  test('without labels the supervised loss is 0 and the run goes on', async () => {
    const unlabelled = await tinyDataset(join(scratch, 'unlabelled'), { labelled: false });
    const run = fresh();
    await tinyRun(unlabelled, run);
    for (const entry of stepsOf(run)) expect(entry).toMatchObject({ supervised: 0, labelled: 0 });
    expect(stepsOf(run).every(({ loss }) => Number.isFinite(loss))).toBe(true);
  });

  test('with weight 0 no label is read: the same run as on a dataset without labels', async () => {
    const unlabelled = join(scratch, 'unlabelled');
    const [a, b] = [fresh(), fresh()];
    await tinyRun(dataset, a, ['method.supervisedWeight=0']);
    await tinyRun(unlabelled, b, ['method.supervisedWeight=0']);
    expect(timeless(a)).toEqual(timeless(b));
    const names = [...readCheckpoint(join(a, 'checkpoints', 'last.safetensors')).tensors.keys()];
    expect(names.some((name) => name.startsWith('classifier'))).toBe(false);
  });

  test('clips of one and two frames take part', async () => {
    for (const frames of [1, 2]) {
      const short = await tinyDataset(join(scratch, `frames${frames}`), { frames });
      const { summary } = await tinyRun(short, fresh(), ['training.epochs=1']);
      expect(Number.isFinite(summary.loss)).toBe(true);
    }
  });

  test('the batches of a step do not depend on those before it', () => {
    using opened = openDataset(dataset);
    const config = resolveConfig({
      set: [...TINY, 'training.accumulate=2', 'batch.size=3', 'training.steps=7'],
    });
    const split = splitClips(opened.clips, opened.manifest.classes, config.data, config.seed);
    const forward = new BatchSchedule({
      dataset: opened,
      opened: { split, open: { streams: [PAIRS] }, facts: { sources: new Int32Array(opened.clips.length) } },
      config,
    });
    const all = [];
    for (let number = 0; forward.batch(number) !== null; number++) all.push(forward.batch(number));
    const backward = new BatchSchedule({
      dataset: opened,
      opened: { split, open: { streams: [PAIRS] }, facts: { sources: new Int32Array(opened.clips.length) } },
      config,
    });
    for (let number = all.length - 1; number >= 0; number--)
      expect(backward.batch(number)).toEqual(all[number]);
    expect(forward.steps).toBe(7);
    expect(Array.from({ length: 7 }, (_, step) => forward.batchesIn(step)).reduce((a, b) => a + b)).toBe(
      all.length,
    );
  });
});

describe('labels that may be read', () => {
  const labelledIn = (run: string): number => {
    const record = z
      .object({ clips: z.array(z.object({ role: z.string(), labelled: z.boolean() })) })
      .parse(JSON.parse(file(run, 'dataset.json').toString()));
    expect(record.clips.filter(({ role, labelled }) => labelled && role !== 'training')).toEqual([]);
    return record.clips.filter(({ labelled }) => labelled).length;
  };

  // 8 of the 10 clips train.
  test.each([
    [[], 8],
    [['method.supervisedWeight=0'], 0],
    [['data.labelRate=0'], 0],
    [['data.labelRate=0.5'], 4],
  ])('with %j are the same in what is told, logged and recorded', async (set, expected) => {
    const run = fresh();
    const { events } = await tinyRun(dataset, run, ['training.epochs=1', ...set]);
    const start = events.find((event) => event.kind === 'start');
    expect(start?.labelledClips).toBe(expected);
    expect(labelledIn(run)).toBe(expected);
    // Two views of every clip of the epoch.
    expect(stepsOf(run).reduce((sum, entry) => sum + measured(entry, 'labelled')!, 0)).toBe(2 * expected);
  });

  test('held-out clips that replace brings into training are recorded as trained on', async () => {
    const run = fresh();
    await tinyRun(dataset, run, [
      ...['training.epochs=1', 'data.rate=0.5', 'data.rateMode=replace', 'data.validation.fraction=0.5'],
    ]);
    using opened = openDataset(dataset);
    const config = readRunConfig(run);
    const split = splitClips(opened.clips, opened.manifest.classes, config.data, config.seed);
    const record = z
      .object({ clips: z.array(z.object({ role: z.string() })) })
      .parse(JSON.parse(file(run, 'dataset.json').toString()));
    const trained = record.clips.flatMap(({ role }, clip) => (role === 'training' ? [clip] : []));
    expect(trained).toEqual(split.kept);
    expect(split.validation.some((clip) => trained.includes(clip))).toBe(true);
  });
});

describe('scores', () => {
  test('a labelled dataset gives a kNN score every k epochs and at the end, and selects the best', async () => {
    const run = fresh();
    const { summary } = await tinyRun(dataset, run, [
      `evaluation.dataset=${dataset}`,
      'evaluation.every=2',
      'evaluation.neighbours=3',
      'training.epochs=5',
    ]);
    const scores = readLog(run).filter((entry) => entry.kind === 'knn');
    expect(scores.map(({ epoch }) => epoch)).toEqual([1, 3, 4]);
    expect(summary.best?.by).toBe('knn');
    expect(summary.best?.score).toBe(Math.max(...scores.map(({ balancedAccuracy }) => balancedAccuracy)));
  });

  test('nothing held out and no labelled dataset: no best, and the last is there', async () => {
    const run = fresh();
    const { summary } = await tinyRun(dataset, run, ['data.validation.fraction=0', 'training.epochs=1']);
    expect(summary.best).toBeNull();
    expect(summary.checkpoints.best).toBeNull();
    expect(existsSync(summary.checkpoints.last)).toBe(true);
  });
});

describe('trouble', () => {
  test('a loss that is not finite stops with step, clips and advice; the state before it is kept and goes on', async () => {
    const run = fresh();
    // Two steps, a score, and the second step after it.
    broken.callsLeft = 5;
    const error = await errorOf(() => tinyRun(dataset, run));
    expect(error).toMatchObject({ code: 'NON_FINITE', kind: 'numeric', exitCode: 4 });
    expect(error.where).toMatch(/^step 4, epoch 1, clips (clip\d+(, )?){4}$/);
    expect(error.remedy).toContain('learningRate');
    expect(readCheckpoint(join(run, 'checkpoints', 'last.safetensors')).step).toBe(3);
    const whole = fresh();
    await tinyRun(dataset, whole);
    await tinyRun(dataset, run, [], { resume: true });
    expect(lastOf(run).equals(lastOf(whole))).toBe(true);
  });

  test('a score that cannot be made ends the run with the steps of its epoch saved; going on makes it', async () => {
    const watched = [`evaluation.dataset=${dataset}`, 'evaluation.every=1', 'evaluation.neighbours=3'];
    const whole = fresh();
    const { summary } = await tinyRun(dataset, whole, watched);
    const run = fresh();
    // The second of three epochs, of two steps each.
    unscorable.callsLeft = 2;
    expect(await errorOf(() => tinyRun(dataset, run, watched))).toMatchObject({ code: 'UNSCORABLE' });
    expect(readCheckpoint(join(run, 'checkpoints', 'last.safetensors')).step).toBe(4);
    // It is met again on going on, and loses nothing.
    unscorable.callsLeft = 1;
    expect(await errorOf(() => tinyRun(dataset, run, [], { resume: true }))).toMatchObject({
      code: 'UNSCORABLE',
    });
    const resumed = await tinyRun(dataset, run, [], { resume: true });
    expect(resumed.summary.best).toEqual(summary.best);
    expect(lastOf(run).equals(lastOf(whole))).toBe(true);
    expect(timeless(run)).toEqual(timeless(whole));
  });

  test('weights that left the range of numbers are never saved', async () => {
    const run = fresh();
    const wild = ['optimizer.kind=sgd', 'optimizer.learningRate=1', 'optimizer.weightDecay=10'];
    for (const fraction of [0.2, 0]) {
      const error = await errorOf(() =>
        tinyRun(dataset, run, [...wild, 'training.epochs=60', `data.validation.fraction=${fraction}`], {
          overwrite: true,
        }),
      );
      expect(error).toMatchObject({ code: 'NON_FINITE', kind: 'numeric' });
      const saved = readCheckpoint(join(run, 'checkpoints', 'last.safetensors'));
      expect(saved.step).toBeGreaterThan(0);
      expect(saved.tensors.get('conv1.weight')?.data.every((value) => Number.isFinite(value))).toBe(true);
    }
  });

  test('a dataset that is not there, or has too few clips, leaves no run behind', async () => {
    const run = fresh();
    expect(await errorOf(() => tinyRun(join(scratch, 'nothing'), run))).toMatchObject({
      code: 'DATASET_MISSING',
    });
    expect(await errorOf(() => tinyRun(dataset, run, ['training.epoch=1']))).toMatchObject({
      code: 'CONFIG_UNKNOWN_KEY',
    });
    expect(existsSync(run)).toBe(false);
  });

  test.each([
    ['evaluation.dataset=/no/such/folder', 'DATASET_MISSING'],
    ['optimizer.noDecay=["no such name"]', 'CONFIG_INVALID'],
    ['data.rate=0.01', 'SPLIT_IMPOSSIBLE'],
    ['batch.distinctGroups=maybe', 'CONFIG_INVALID'],
  ])('what cannot work (%s) is refused before a run is replaced', async (setting, code) => {
    const run = fresh();
    const [seed, settings] = ['seed=3', [setting, 'data.validation.fraction=0.5']];
    expect(await errorOf(() => tinyRun(dataset, run, [seed, ...settings]))).toMatchObject({ code });
    expect(existsSync(run)).toBe(false);
    await tinyRun(dataset, run, ['training.epochs=1']);
    const before = lastOf(run);
    expect(
      await errorOf(() => tinyRun(dataset, run, [seed, ...settings], { overwrite: true })),
    ).toMatchObject({ code });
    expect(lastOf(run).equals(before)).toBe(true);
  });

  test('a folder with something else in it is refused and not touched', async () => {
    const run = fresh();
    mkdirSync(run);
    writeFileSync(join(run, 'thesis.tex'), 'precious');
    for (const overwrite of [false, true])
      expect(await errorOf(() => tinyRun(dataset, run, [], { overwrite }))).toMatchObject({
        code: 'OUTPUT_NOT_OURS',
      });
    expect(readdirSync(run)).toEqual(['thesis.tex']);
  });

  test('a run below a file cannot be written', async () => {
    const path = join(scratch, 'file');
    writeFileSync(path, '');
    expect(await errorOf(() => tinyRun(dataset, join(path, 'run')))).toMatchObject({
      code: 'WRITE_FAILED',
      kind: 'resource',
    });
  });

  test("a run that another process writes is left alone, a dead one's is taken over", async () => {
    const run = fresh();
    await tinyRun(dataset, run);
    writeFileSync(join(run, 'run.lock'), String(process.ppid));
    expect(await errorOf(() => tinyRun(dataset, run, [], { resume: true }))).toMatchObject({
      code: 'RUN_BUSY',
    });
    writeFileSync(join(run, 'run.lock'), '999999999');
    await tinyRun(dataset, run, [], { resume: true });
    expect(existsSync(join(run, 'run.lock'))).toBe(false);
  });

  test('a damaged configuration of a run names file and key', async () => {
    const run = fresh();
    await tinyRun(dataset, run, ['training.epochs=1']);
    writeFileSync(join(run, 'config.json'), '{"seed": -1}');
    const error = await errorOf(() => tinyRun(dataset, run, [], { resume: true }));
    expect(error).toMatchObject({ code: 'RUN_DAMAGED', kind: 'data', where: join(run, 'config.json') });
    expect(error.message).toContain('seed');
    rmSync(join(run, 'config.json'));
  });
});
