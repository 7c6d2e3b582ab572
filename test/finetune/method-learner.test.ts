/**
 * Fine-tuning that learns from clips without a label too: which clips a method is shown, that tested ones change nothing,
 * what a step does, and that a run goes on to the same bits.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createDataset } from '../../src/curation/create-dataset.ts';
import { randomAt } from '../../src/base/random.ts';
import { openDataset } from '../../src/dataset/reader.ts';
import type { ClipRecord } from '../../src/dataset/types.ts';
import { readEpochLog } from '../../src/finetune/epoch-log.ts';
import { resolveFinetune, viewOf } from '../../src/finetune/config.ts';
import { foldRunClips, planFolds } from '../../src/finetune/fold-plan.ts';
import { finishedFoldRuns } from '../../src/finetune/fold-runs.ts';
import { MethodLearner } from '../../src/finetune/method-learner.ts';
import { randomSource } from '../../src/finetune/source.ts';
import { OUTPUTS } from '../../src/models/heads.ts';
import type { Stream } from '../../src/methods/method.ts';
import { readCheckpoint } from '../../src/runs/checkpoint.ts';
import { namedTensors, tensorsIn } from '../../src/runs/named-tensors.ts';
import { resolveConfig } from '../../src/runs/config.ts';
import { classifierNetwork, openModel } from '../../src/trainer/classifier.ts';
import { BatchSchedule } from '../../src/trainer/methods/batch-schedule.ts';
import { fillWholeView } from '../../src/views/whole.ts';
import { openTested } from '../backend.ts';
import { errorOf, scratchFolder } from '../pretrain/support.ts';
import { TUNE, tune } from './support.ts';

const scratch = scratchFolder();
let count = 0;
const fresh = (): string => join(scratch, `run${++count}`);

/** Clips of one frame, two of a group, of which every third has no label; `other` clips show something else. */
async function dataset(clips: number, other: (clip: number) => boolean = () => false): Promise<string> {
  const folder = join(scratch, `dataset${++count}`);
  const size = 16;
  const original = { width: size, height: size, fps: null, frames: 1 };
  using writer = createDataset(folder, {
    ...{ name: 'noise', licence: null, citation: null, homepage: null },
    ...{ classes: ['a', 'b'], channels: 1, size, made: { command: 'test' } },
  });
  for (let clip = 0; clip < clips; clip++) {
    const random = randomAt(other(clip) ? 2 : 1, 'pixels', clip);
    const stripes = (i: number): number => Math.sin((clip % 2 === 0 ? i % size : Math.floor(i / size)) / 2);
    await writer.addClip(
      {
        id: `clip${String(clip).padStart(2, '0')}`,
        group: `group${Math.floor(clip / 2)}`,
        label: clip % 3 === 2 ? null : clip % 2 === 0 ? 'a' : 'b',
        ...{ source: `clip${clip}.png`, sourceSha256: null, width: size, height: size, fps: null },
        ...{ original, crop: null, dropped: { black: 0, blank: 0, duplicate: 0 }, flags: [] },
      },
      [
        Uint8Array.from({ length: size * size }, (_, i) =>
          Math.round(60 + 40 * stripes(i) + 150 * random.uniform()),
        ),
      ],
    );
  }
  writer.finish();
  return folder;
}

const FIXMATCH = ['unlabelled.name=fixmatch', 'unlabelled.unlabelledRatio=2', 'layers=all'];
const MIXMATCH = ['unlabelled.name=mixmatch', 'layers=all'];
const models = (run: string): Map<string, Buffer> =>
  new Map(
    readdirSync(join(run, 'cells'))
      .filter((name) => name.endsWith('.safetensors'))
      .map((name) => [name, readFileSync(join(run, 'cells', name))]),
  );
/** Weights of a model file, without what its metadata says of datasets. */
const weightsOf = (run: string, name: string): unknown =>
  [...readCheckpoint(join(run, 'cells', name)).tensors].map(([tensor, { data }]) => [tensor, [...data]]);

describe.each([
  ['fixmatch', FIXMATCH],
  ['mixmatch', MIXMATCH],
])('a run by %s', (_, method) => {
  const set = [...method, 'keepModels=true', 'training.epochs=2', 'batch.size=6'];

  test('is changed by what unlabelled clips show, and not at all by what tested ones do', async () => {
    const straight = await dataset(24);
    using opened = openDataset(straight);
    const config = resolveFinetune({ set: [...TUNE, ...set] });
    const plan = planFolds(opened, config);
    const key = { labelRate: 1, seed: 0, fold: 0 };
    const { test: tested, unlabelled } = foldRunClips(plan, opened, config, key);
    const groups = new Set(tested.map((clip) => opened.clips[clip]!.group));
    const ofTested = await dataset(24, (clip) => groups.has(opened.clips[clip]!.group));
    const ofUnlabelled = await dataset(24, (clip) => clip === unlabelled[0]);
    const [run, other, changed] = [fresh(), fresh(), fresh()];
    const { notes } = await tune('random', straight, run, set);
    await tune('random', ofTested, other, set);
    await tune('random', ofUnlabelled, changed, set);
    expect(notes.join()).toMatch(/also see \d+( to \d+)? clips without a label/);
    const first = '1-s0-f0.safetensors';
    expect(weightsOf(other, first)).toEqual(weightsOf(run, first));
    expect(weightsOf(changed, first)).not.toEqual(weightsOf(run, first));
    const rows = (of: string) => finishedFoldRuns(of).find(({ fold }) => fold === 0)!;
    expect(rows(other).rows).not.toEqual(rows(run).rows);
    expect(rows(run).unlabelledClips).toBe(unlabelled.length);
  });

  test('goes on to the same bits wherever it was stopped, and leaves a model that predicts', async () => {
    const folder = await dataset(24);
    const whole = fresh();
    const { summary, events } = await tune('random', folder, whole, set);
    const steps = events.filter(({ kind }) => kind === 'step').length;
    for (const stop of [1, 5, steps - 1]) {
      const run = fresh();
      const controller = new AbortController();
      let made = 0;
      const { summary: cut } = await tune('random', folder, run, [...set, 'saveSeconds=0'], {
        signal: controller.signal,
        onEvent: ({ kind }) => {
          if (kind === 'step' && ++made === stop) controller.abort();
        },
      });
      expect(cut.complete).toBe(false);
      await tune('random', folder, run, set, { resume: true });
      expect(models(run)).toEqual(models(whole));
      const timeless = (of: string) =>
        readEpochLog(of).map((entry) =>
          Object.entries(entry).filter(([key]) => !/^time$|seconds$|PerSecond$|^memory$/i.test(key)),
        );
      expect(timeless(run)).toEqual(timeless(whole));
    }
    using backend = openTested();
    using model = openModel(summary.model!, backend);
    expect(model.classes).toEqual(['a', 'b']);
    const log = readEpochLog(whole);
    expect(log.every(({ trainAccuracy }) => trainAccuracy === null)).toBe(true);
    expect(log.every(({ measured = {} }) => measured['labelled']! > 0)).toBe(true);
  });
});

/** Images as they are stored, scaled: nothing is drawn. */
const PLAIN = [
  'view.augment={cropScale: [1, 1], flip: 0, brightness: 0, contrast: 0, rotation: {probability: 0}, blur: {probability: 0}, cutout: {probability: 0}}',
  'optimizer={kind: sgd, momentum: 0, weightDecay: 0}',
  'layerRates={"classifier.*": 1}',
];

test('a step goes against the mean gradient of classes where no answer is sure', async () => {
  using opened = openDataset(await dataset(24));
  // Four labelled clips of class a train and three of b, so that 24 places have each of a class equally often.
  const range = (from: number, to: number): string[] =>
    Array.from({ length: to - from }, (_, i) => `clip${String(from + i).padStart(2, '0')}`);
  const parts = [
    { name: 'train', clips: [...range(0, 8), ...range(10, 12)] },
    { name: 'val', clips: [...range(8, 10), ...range(12, 16)] },
    { name: 'test', clips: range(16, 24) },
  ];
  const split = join(scratch, 'split.json');
  const head = {
    format: 'uscl-split',
    version: 1,
    name: 'own',
    kind: 'parts',
    seed: 0,
    distance: 0,
    joined: [],
  };
  writeFileSync(split, JSON.stringify({ ...head, parts }));
  const found = resolveFinetune({
    set: [
      ...[...TUNE, ...FIXMATCH, ...PLAIN, 'layers=head', `split=${split}`, 'batch.size=24'],
      ...['unlabelled.threshold=1', 'unlabelled.unlabelledRatio=1'],
    ],
  });
  const config = { ...found, precision: 'f32' as const };
  const plan = planFolds(opened, config);
  const key = { labelRate: 1, seed: 0, fold: 0 };
  const clips = foldRunClips(plan, opened, config, key);
  expect(clips).toMatchObject({ training: [0, 1, 3, 4, 6, 7, 10], unlabelled: [2, 5, 11] });
  using backend = openTested();
  using learner = new MethodLearner(
    ...([backend, opened, config, randomSource(1), plan, config.unlabelled!] as const),
  );
  learner.start({ key, clips });
  const { specs, values } = learner.weights;
  const before = values.read();
  const part = (of: Float32Array, name: string): Float32Array => {
    const { offset, length } = specs.find((spec) => spec.name === name)!;
    return of.subarray(offset, offset + length);
  };
  // What the untouched network makes of the pictures.
  const network = { ...classifierNetwork(config.model, viewOf(config), 2), outputs: [OUTPUTS.features] };
  using inference = backend.compile(network, learner.weights, { batch: 1, mode: 'infer', precision: 'f32' });
  const gradient = {
    weight: new Float64Array(part(before, 'classifier.weight').length),
    bias: new Float64Array(2),
  };
  for (const clip of clips.training) {
    const record = opened.clips[clip]!;
    fillWholeView(opened.readFrame(record, 0), record, config.view, inference.input, 0);
    inference.forward();
    const features = inference.output(OUTPUTS.features);
    const [weight, bias] = [part(before, 'classifier.weight'), part(before, 'classifier.bias')];
    const logits = [0, 1].map((c) =>
      features.reduce((sum, value, i) => sum + value * weight[c * features.length + i]!, bias[c]!),
    );
    const total = Math.exp(logits[0]!) + Math.exp(logits[1]!);
    for (const c of [0, 1]) {
      // Half of the places are of each class.
      const share = plan.labels[clip] === 0 ? 0.5 / 4 : 0.5 / 3;
      const slope = share * (Math.exp(logits[c]!) / total - (plan.labels[clip] === c ? 1 : 0));
      gradient.bias[c]! += slope;
      for (const [i, value] of features.entries()) gradient.weight[c * features.length + i]! += slope * value;
    }
  }

  await using lessons = learner.lessons(0);
  const { loss, measured, images } = await lessons.step(0.1);
  expect(measured['unsupervised']).toBe(0);
  expect(measured['labelled']).toBe(24);
  expect(loss).toBe(measured['supervised']);
  expect(images).toBe(2 * (clips.training.length + clips.unlabelled.length) + 24);
  for (const name of ['weight', 'bias'] as const) {
    const [was, is] = [part(before, `classifier.${name}`), part(values.read(), `classifier.${name}`)];
    expect(Math.max(...gradient[name].map(Math.abs))).toBeGreaterThan(1e-3);
    for (const [i, slope] of gradient[name].entries()) expect(was[i]! - is[i]!).toBeCloseTo(0.1 * slope, 6);
  }
  // What does not train stays, to the bit.
  const after = values.read();
  for (const { name } of specs)
    if (!name.startsWith('classifier.')) expect(part(after, name)).toEqual(part(before, name));
});

test('weights that predict are a moving average of those that train where that is asked for', async () => {
  using opened = openDataset(await dataset(24));
  const found = resolveFinetune({ set: [...TUNE, ...FIXMATCH, 'unlabelled.movingAverage=0.75'] });
  const config = { ...found, precision: 'f32' as const };
  const plan = planFolds(opened, config);
  using backend = openTested();
  using learner = new MethodLearner(
    ...([backend, opened, config, randomSource(1), plan, config.unlabelled!] as const),
  );
  const key = { labelRate: 1, seed: 0, fold: 0 };
  learner.start({ key, clips: foldRunClips(plan, opened, config, key) });
  const tensors = () => new Map(namedTensors(learner.weights).map(({ name, data }) => [name, data]));
  const expected = new Map([...tensors()].map(([name, data]) => [name, Float64Array.from(data)]));
  await using lessons = learner.lessons(0);
  for (let step = 0; step < 3; step++) {
    await lessons.step(0.05);
    const online = new Map(tensorsIn(learner.training.others).map(({ name, data }) => [name, data]));
    for (const [name, average] of expected) {
      const now = online.get(`online.${name}`)!;
      const isStatistic = name.includes('running');
      for (const [i, value] of now.entries())
        average[i] = isStatistic ? value : 0.75 * average[i]! + 0.25 * value;
    }
    for (const [name, data] of tensors())
      for (const [i, value] of data.entries()) expect(value).toBeCloseTo(expected.get(name)![i]!, 5);
    expect(tensors().get('conv1.weight')).not.toEqual(online.get('online.conv1.weight'));
  }
});

test('classes come in turn: each equally often, and of a class every clip before any comes again', () => {
  const labels = Int32Array.of(0, 1, 1, 1, 0, -1, 1, 1);
  const split = {
    training: [...labels.keys()],
    kept: [...labels.keys()],
    validation: [],
    duplicates: 0,
    labels,
  };
  const clips = [...labels.keys()].map((i) => ({ id: `c${i}`, group: `g${i}` }) as unknown as ClipRecord);
  const streams: Stream[] = [
    { clips: 'training', count: 4, views: [] },
    { clips: 'labelled', count: 5, views: [] },
  ];
  const config = resolveConfig({ set: ['batch.size=4', 'training.epochs=10'] });
  const schedule = (evenClasses: boolean) =>
    new BatchSchedule({
      ...{ dataset: { clips }, config, evenClasses },
      opened: { split, open: { streams }, facts: { sources: new Int32Array(8) } },
    });
  const drawn = (evenClasses: boolean) =>
    Array.from({ length: 8 }, (_, i) => schedule(evenClasses).batch(i)!.parts[1]!.clips).flat();
  const even = drawn(true);
  expect(even).toHaveLength(40);
  for (let round = 0; round < 20; round++)
    expect(new Set(even.slice(2 * round, 2 * round + 2).map((clip) => labels[clip]))).toEqual(
      new Set([0, 1]),
    );
  const ofOne = even.filter((clip) => labels[clip] === 1);
  for (let pass = 0; pass < 4; pass++)
    expect(ofOne.slice(5 * pass, 5 * pass + 5).sort()).toEqual([1, 2, 3, 6, 7]);
  // Rounds and passes are in more than one order.
  expect(new Set(Array.from({ length: 20 }, (_, round) => labels[even[2 * round]!])).size).toBe(2);
  expect(
    new Set([0, 1, 2, 3].map((pass) => ofOne.slice(5 * pass, 5 * pass + 5).join())).size,
  ).toBeGreaterThan(1);
  // Without it a clip is as likely as any other.
  const plain = drawn(false);
  for (let pass = 0; pass < 5; pass++)
    expect(plain.slice(7 * pass, 7 * pass + 7).sort()).toEqual([0, 1, 2, 3, 4, 6, 7]);
});

describe('is refused', () => {
  const refused = (set: readonly string[]) =>
    errorOf(() => resolveFinetune({ set: [...TUNE, ...FIXMATCH, ...set] }));

  test.each([
    [['mixup=0.2'], 'mixup'],
    [['labelSmoothing=0.1'], 'labelSmoothing'],
    [['view.variants=4'], 'view.variants'],
    [['view.augment=null'], 'view.augment'],
    [['classWeights=[1, 2]'], 'classWeights'],
    [['protocol=legacy'], 'protocol'],
  ])('beside what is for labels alone: %j', async (set, key) => {
    const error = await refused(set);
    expect(error.code).toBe('CONFIG_INVALID');
    expect(`${error.where ?? ''} ${error.message}`).toContain(key);
    expect(error.message).toContain('unlabelled');
  });

  test('with an option that the method does not have, a method that is none, and options without a name', async () => {
    expect((await refused(['unlabelled.threshhold=0.9'])).code).toBe('CONFIG_UNKNOWN_KEY');
    expect((await refused(['unlabelled.threshold=2'])).code).toBe('CONFIG_INVALID');
    const missing = await errorOf(() => resolveFinetune({ set: ['unlabelled.name=fixmash'] }));
    expect(missing.code).toBe('METHOD_MISSING');
    const nameless = await errorOf(() => resolveFinetune({ set: ['unlabelled.threshold=0.9'] }));
    expect(nameless.code).toBe('CONFIG_UNKNOWN_KEY');
  });

  test.each(['simclr', 'uscl', 'supervised', 'byol'])(
    'by a method that is no single classifier, before anything is written: %s',
    async (name) => {
      const out = fresh();
      const error = await errorOf(async () =>
        tune('random', await dataset(24), out, [`unlabelled.name=${name}`]),
      );
      expect(error.code).toBe('METHOD_NOT_CLASSIFIER');
      expect(error.message).toContain(name);
      expect(existsSync(out)).toBe(false);
    },
  );

  test('on going on with another method or other options', async () => {
    const [folder, run] = [await dataset(24), fresh()];
    await tune('random', folder, run, [...FIXMATCH, 'training.epochs=1', 'finalModel=false']);
    for (const set of [MIXMATCH, [...FIXMATCH, 'unlabelled.threshold=0.9'], ['layers=all']]) {
      const error = await errorOf(() => tune('random', folder, run, set, { resume: true }));
      expect([error.code, set.length]).toEqual(['RESUME_CHANGED', set.length]);
    }
  });
});
