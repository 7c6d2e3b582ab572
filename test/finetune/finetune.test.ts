import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { openDataset } from '../../src/dataset/reader.ts';
import { readSafetensors } from '../../src/formats/safetensors.ts';
import { evaluatePredictions } from '../../src/evaluation/scores/evaluate-predictions.ts';
import { evaluationSchema } from '../../src/evaluation/scores/evaluation-result.ts';
import { readPredictions } from '../../src/evaluation/scores/predictions.ts';
import { readScalars } from '../events.ts';
import { readEpochLog } from '../../src/finetune/epoch-log.ts';
import { finetuneTable } from '../../src/finetune/table.ts';
import { foldsRecordSchema } from '../../src/finetune/fold-plan.ts';
import { openModel } from '../../src/trainer/classifier.ts';
import { fillWholeView } from '../../src/views/whole.ts';
import { openTested } from '../backend.ts';
import { errorOf, scratchFolder, tinyDataset } from '../pretrain/support.ts';
import { timeless, tune, TUNE_VENDOR, type TunedRun } from './support.ts';

const scratch = scratchFolder();
const dataset = join(scratch, 'dataset');
let count = 0;
const fresh = (): string => join(scratch, `run${++count}`);

beforeAll(async () => {
  await tinyDataset(dataset);
});

describe('a run', () => {
  let run: string;
  let tuned: TunedRun;
  beforeAll(async () => {
    run = fresh();
    tuned = await tune('random', dataset, run, ['seeds=2', 'labelRates=[0.5, 1]', 'layers=all']);
  });

  test('leaves what later readers need, and nothing unfinished', () => {
    expect(
      readdirSync(run)
        .filter((name) => !name.startsWith('events.'))
        .sort(),
    ).toEqual([
      'cells',
      'checkpoints',
      'config.json',
      'curves.svg',
      'dataset.json',
      'environment.json',
      'folds.json',
      'log.jsonl',
      'metrics.json',
      'predictions.json',
      'source.json',
    ]);
    expect(readdirSync(join(run, 'cells')).sort()).toEqual(
      ['0.5-s0-f0', '0.5-s0-f1', '0.5-s1-f0', '0.5-s1-f1', '1-s0-f0', '1-s0-f1', '1-s0-final', '1-s1-f0']
        .concat('1-s1-f1')
        .map((name) => `${name}.json`),
    );
    expect(tuned.summary).toMatchObject({ complete: true, foldRuns: 9, foldRunsDone: 9, leaks: [] });
  });

  test('tests every labelled clip exactly once for each label rate and seed, on folds that part no group', () => {
    const { cells, clips } = readPredictions(run);
    for (const labelRate of [0.5, 1])
      for (const seed of [0, 1]) {
        const tested = cells
          .filter((cell) => cell.labelRate === labelRate && cell.seed === seed)
          .flatMap(({ rows }) => rows.map(({ clip }) => clip));
        expect(tested.sort((a, b) => a - b)).toEqual(clips.map((_, i) => i));
      }
    const folds = foldsRecordSchema.parse(JSON.parse(readFileSync(join(run, 'folds.json'), 'utf8')));
    for (const seed of [0, 1]) {
      const foldOf = new Map<string, number>();
      for (const { unit, fold } of folds.clips) {
        expect(foldOf.get(unit) ?? fold[seed]).toBe(fold[seed]);
        foldOf.set(unit, fold[seed]!);
      }
      for (const { fold, rows } of cells.filter((cell) => cell.seed === seed))
        for (const { clip } of rows) expect(folds.clips[clip]!.fold[seed]).toBe(fold);
    }
  });

  test('looks at as many frames of a clip as it is told, even in time', () => {
    const { cells } = readPredictions(run);
    for (const { rows } of cells)
      for (const { frames, probabilities } of rows) {
        expect(frames).toEqual([0, 2, 3]);
        expect(probabilities).toHaveLength(3);
      }
  });

  test('writes the evaluation of its predictions, and says it', () => {
    const written = evaluationSchema.parse(JSON.parse(readFileSync(join(run, 'metrics.json'), 'utf8')));
    expect(written).toEqual(evaluatePredictions(readPredictions(run)));
    expect(written).toEqual(tuned.summary.evaluation);
    expect(written.labelRates.map(({ labelRate }) => labelRate)).toEqual([0.5, 1]);
    const table = finetuneTable(written);
    const { mean } = written.labelRates[1]!.clipMean.scores.balancedAccuracy;
    expect(table).toContain(mean!.toFixed(3));
    expect(table).toContain('not a medical device');
    expect(table).not.toMatch(/optimistic/i);
  });

  test('logs every epoch of every fold once, in JSON and as events', () => {
    const log = readEpochLog(run);
    expect(log.map(({ step }) => step)).toEqual(log.map((_, i) => i + 1));
    const names = new Set(
      log.map(({ labelRate, seed, fold, epoch }) => [labelRate, seed, fold, epoch].join()),
    );
    expect(names.size).toBe(log.length);
    for (const entry of log) {
      expect(entry.images).toBe(entry.steps * (entry.images / entry.steps));
      expect(entry.trainLoss).toBeGreaterThan(0);
    }
    const first = log.find(({ labelRate, seed, fold }) => labelRate === 1 && seed === 1 && fold === 1)!;
    expect(readScalars(run).get('trainLoss/1-s1-f1')?.[0]?.value).toBeCloseTo(first.trainLoss, 5);
  });

  test('chooses the epoch with the best inner balanced accuracy, of equal ones the lowest loss', () => {
    const log = readEpochLog(run);
    for (const { labelRate, seed, fold, epoch } of readPredictions(run).cells) {
      const mine = log.filter((one) => one.labelRate === labelRate && one.seed === seed && one.fold === fold);
      if (mine[0]!.chosenOn === 'nothing') {
        expect(epoch).toBe(mine.at(-1)!.epoch);
        continue;
      }
      const ranked = [...mine].sort(
        (a, b) =>
          b.innerBalancedAccuracy! - a.innerBalancedAccuracy! ||
          a.innerLoss! - b.innerLoss! ||
          a.epoch - b.epoch,
      );
      expect(epoch).toBe(ranked[0]!.epoch);
    }
  });

  test('leaves a model that predicts on its own', () => {
    using backend = openTested();
    using model = openModel(run, backend, { batch: 3, precision: 'f32' });
    using opened = openDataset(dataset);
    expect(model.classes).toEqual(['a', 'b']);
    expect(model.checkpoint.classifier?.view.size).toBe(16);
    const clip = opened.clips[0]!;
    fillWholeView(opened.readFrame(clip, 1), clip, model.view, model.input, 0);
    const [a, b] = model.predict(1);
    expect(a! + b!).toBeCloseTo(1, 6);
    const copy = model.input.slice();
    expect([...model.predict(1, copy)]).toEqual([a, b]);
    expect(() => model.predict(4)).toThrow(RangeError);
  });
});

test('the same command gives the same bits, whatever the loader and the memory for what is kept', async () => {
  const [one, two] = [fresh(), fresh()];
  const set = ['layers=last-block', 'keepModels=true'];
  await tune('random', dataset, one, set);
  await tune('random', dataset, two, [...set, 'loader.workers=2', 'loader.ahead=2', 'cacheMegabytes=0']);
  expect(timeless(two)).toEqual(timeless(one));
  expect(readdirSync(join(one, 'cells'))).toContain('1-s0-f1.safetensors');
});

test('seeds, folds and the setting of the seed change what is trained', async () => {
  const [one, two] = [fresh(), fresh()];
  await tune('random', dataset, one, ['finalModel=false']);
  const { summary } = await tune('random', dataset, two, ['finalModel=false', 'seed=1']);
  expect(readPredictions(two)).not.toEqual(readPredictions(one));
  expect(summary.model).toBeNull();
  expect(readdirSync(two)).not.toContain('checkpoints');
});

test('learns: clips whose classes differ plainly are told apart on groups never trained on', async () => {
  const easy = join(scratch, 'easy');
  await tinyDataset(easy, { clips: 20, frames: 4, size: 32 });
  const { summary } = await tune('random', easy, fresh(), [
    ...TUNE_VENDOR,
    ...[
      'layers=all',
      'norms=frozen',
      'training.epochs=10',
      'finalModel=false',
      'optimizer.learningRate=0.001',
    ],
    'view.augment={cropScale: [0.9, 1], flip: 0}',
  ]);
  expect(summary.evaluation!.labelRates[0]!.clipMean.scores.accuracy.mean).toBeGreaterThan(0.7);
});

test('a class without weight is never learnt', async () => {
  const run = fresh();
  await tune('random', dataset, run, [
    'layers=all',
    'classWeights=[1, 0]',
    'optimizer.learningRate=0.01',
    'training.epochs=6',
    'earlyStopping=null',
    'finalModel=false',
  ]);
  const rows = readPredictions(run).cells.flatMap((cell) => cell.rows);
  expect(rows).toHaveLength(10);
  for (const { probabilities } of rows) for (const [a] of probabilities) expect(a).toBeGreaterThan(0.5);
});

test('says of an honest run nothing of another protocol', async () => {
  const { notes } = await tune('random', dataset, fresh(), ['training.epochs=1', 'finalModel=false']);
  expect(notes.join(' ')).not.toMatch(/legacy|optimistic|share pictures/);
});

test('groups that show the same pictures are told of and kept together, in intervals too', async () => {
  const alike = join(scratch, 'alike');
  await tinyDataset(alike, { clips: 12, copies: [[1, 7]] });
  const run = fresh();
  const { notes } = await tune('random', alike, run, ['training.epochs=1', 'finalModel=false']);
  expect(notes.find((note) => note.includes('share pictures'))).toContain('group0 + group3');
  const unitOf = readPredictions(run).clips.map(({ group }) => group);
  expect(new Set(unitOf).size).toBe(5);
  for (const clip of [1, 6, 7]) expect(unitOf[clip]).toBe(unitOf[0]);
});

test('a fold that leaves the range of numbers is told by label rate, seed, fold, epoch and clips', async () => {
  const wild = 'optimizer={kind: sgd, momentum: 0.9, weightDecay: 10, learningRate: 100}';
  const error = await errorOf(() =>
    tune('random', dataset, fresh(), ['layers=all', 'seed=5', 'training.epochs=9', wild]),
  );
  expect(error).toMatchObject({ code: 'NON_FINITE', kind: 'numeric' });
  expect(error.where).toMatch(/^label rate 1, seed 5, fold 1, epoch [1-9], clips clip\d/);
});

test('early stopping ends a fold that gets no better, and the chosen epoch stays', async () => {
  const run = fresh();
  await tune('random', dataset, run, [
    'layers=head',
    'training.epochs=40',
    'earlyStopping.patience=2',
    'finalModel=false',
  ]);
  const log = readEpochLog(run);
  for (const { fold, epoch } of readPredictions(run).cells) {
    const epochs = log.filter((entry) => entry.fold === fold).length;
    expect(epochs).toBe(Math.min(40, epoch! + 3));
  }
  expect(log.length).toBeLessThan(80);
});

test('mixup and label smoothing keep a network from being sure', async () => {
  const [plain, soft] = [fresh(), fresh()];
  const set = [
    ...TUNE_VENDOR,
    ...[
      'layers=all',
      'norms=frozen',
      'optimizer.learningRate=0.001',
      'training.epochs=10',
      'earlyStopping=null',
    ],
    ...['finalModel=false', 'view.augment=null'],
  ];
  await tune('random', dataset, plain, set);
  await tune('random', dataset, soft, [...set, 'mixup=0.4', 'labelSmoothing=0.2']);
  const lastLoss = (run: string): number =>
    readEpochLog(run)
      .filter(({ epoch }) => epoch === 9)
      .reduce((sum, { trainLoss }) => sum + trainLoss, 0);
  expect(lastLoss(soft)).toBeGreaterThan(lastLoss(plain) + 0.2);
});

test('no step is longer than the learning rate times clipNorm', async () => {
  const weightsAfter = async (clipNorm: string): Promise<Float32Array[]> => {
    const run = fresh();
    await tune('random', dataset, run, [
      ...[
        'layers=all',
        'training.epochs=1',
        'schedule.kind=constant',
        'folds=2',
        `training.clipNorm=${clipNorm}`,
      ],
      ...['optimizer={kind: sgd, momentum: 0, weightDecay: 0, learningRate: 0.1}'],
    ]);
    const { tensors } = readSafetensors(join(run, 'checkpoints', 'best.safetensors'));
    return [...tensors]
      .filter(([name]) => /weight|bias/.test(name) && !name.startsWith('optimizer.'))
      .map(([, { data }]) => data as Float32Array);
  };
  const distance = (a: readonly Float32Array[], b: readonly Float32Array[]): number =>
    Math.hypot(...a.flatMap((values, t) => Array.from(values, (value, i) => value - b[t]![i]!)));
  // So little that the weights are those of the start.
  const start = await weightsAfter('1e-12');
  // All ten clips, two frames each, four at a time: five steps, all of them clipped.
  const moved = distance(await weightsAfter('0.01'), start);
  expect(moved).toBeLessThanOrEqual(5 * 0.1 * 0.01 * 1.001);
  expect(moved).toBeGreaterThan(0.1 * 0.01);
  expect(distance(await weightsAfter('null'), start)).toBeGreaterThan(10 * moved);
});

test('training.steps ends every training after so many steps, within an epoch too, and its schedule with it', async () => {
  const run = fresh();
  const set = ['training.steps=5', 'earlyStopping=null', 'optimizer.learningRate=0.01', 'finalModel=false'];
  await tune('random', dataset, run, set);
  const log = readEpochLog(run);
  for (const fold of [0, 1]) {
    const own = log.filter((entry) => entry.fold === fold);
    // Two steps an epoch.
    expect(own.map(({ steps }) => steps)).toEqual([2, 2, 1]);
    // A cosine by step over five: that of the last step of each epoch.
    const rates = [1, 3, 4].map((step) => (0.01 * (1 + Math.cos((Math.PI * step) / 5))) / 2);
    own.forEach(({ learningRate }, i) => {
      expect(learningRate).toBeCloseTo(rates[i]!, 12);
    });
  }
});
