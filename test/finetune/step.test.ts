/**
 * The numbers of fine-tuning, each from its formula: what one step does to the weights with clipping and without, and
 * everything an epoch logs.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { randomAt } from '../../src/base/random.ts';
import { openDataset } from '../../src/dataset/reader.ts';
import type { Plan } from '../../src/engine/core/backend.ts';
import { readScalars } from '../events.ts';
import { OUTPUTS } from '../../src/models/heads.ts';
import { softTargets } from '../../src/objectives/targets.ts';
import { type EpochEntry, readEpochLog } from '../../src/finetune/epoch-log.ts';
import { foldRunClips, planFolds } from '../../src/finetune/fold-plan.ts';
import { openModel } from '../../src/trainer/classifier.ts';
import { resolveFinetune } from '../../src/finetune/config.ts';
import { FrameSchedule } from '../../src/finetune/frame-schedule.ts';
import { randomSource } from '../../src/finetune/source.ts';
import { TunedNetwork } from '../../src/finetune/tuned-network.ts';
import { fillWholeView } from '../../src/views/whole.ts';
import { openTested } from '../backend.ts';
import { scratchFolder, tinyDataset } from '../pretrain/support.ts';
import { TUNE, tune } from './support.ts';

const scratch = scratchFolder();

describe('a step', () => {
  const PLAIN = ['optimizer={kind: sgd, momentum: 0, weightDecay: 0}', 'layerRates={"classifier.*": 1}'];

  /** Weights before and after a step at rate 0.1, and the gradient of what trains. */
  async function stepped(set: readonly string[]) {
    using backend = openTested();
    const config = resolveFinetune({ set: [...TUNE, ...PLAIN, ...set] });
    using tunedNetwork = new TunedNetwork(backend, config, randomSource(1), 2);
    tunedNetwork.start(3);
    const { input } = tunedNetwork.training(4);
    const random = randomAt(5, 'images');
    for (let i = 0; i < input.length; i++) input[i] = random.normal();
    const before = tunedNetwork.parameters.values.read();
    const targets = softTargets(Int32Array.of(0, 1, 1, 0), 2);
    const batch = { clipIds: ['a', 'b', 'c', 'd'], targets, weights: null };
    const { gradientNorm } = await tunedNetwork.step(
      () => Promise.resolve(batch),
      1,
      0.1,
      config.training.clipNorm,
    );
    const { specs, values, gradients } = tunedNetwork.parameters;
    const gradient = new Float64Array(values.length);
    for (const { name, offset, length } of specs)
      if (tunedNetwork.layers.trainable(name))
        gradient.set(gradients.read(new Float32Array(length), offset), offset);
    return { before, after: values.read(), gradient, gradientNorm };
  }

  test.each(['layers=all', 'layers=last-block', 'layers=head'])(
    'goes against the gradient, as far as the rate says and clipNorm lets it (%s)',
    async (layers) => {
      const free = await stepped([layers]);
      const norm = Math.hypot(...free.gradient);
      expect(free.gradientNorm).toBeCloseTo(norm, 5);
      for (const [clipNorm, scale] of [
        [null, 1],
        [2 * norm, 1],
        [norm / 4, 1 / 4],
      ] as const) {
        const { before, after, gradientNorm } = await stepped([layers, `training.clipNorm=${clipNorm}`]);
        expect(gradientNorm).toBeCloseTo(norm, 5);
        let [moved, missed] = [0, 0];
        after.forEach((value, i) => {
          // Of the step that was not clipped: a backend may leave what it has scaled.
          const step = 0.1 * scale * free.gradient[i]!;
          moved = Math.max(moved, Math.abs(step));
          missed = Math.max(missed, Math.abs(before[i]! - value - step));
        });
        expect(moved).toBeGreaterThan(1e-3);
        expect(missed).toBeLessThan(1e-3 * moved);
      }
    },
  );
});

describe('the log of an epoch', async () => {
  // A rate that moves nothing: every epoch looks at the network that the fold ends with.
  const SET = [
    'layers=head',
    'optimizer={kind: sgd, momentum: 0, weightDecay: 0, learningRate: 1e-30}',
    'schedule={kind: cosine, unit: step, warmup: none}',
    'layerRates={"classifier.*": 1}',
    'view.augment=null',
    'framesPerClip={train: 3, test: 2}',
    'batch.size=7',
    'training.epochs=2',
    'earlyStopping=null',
    'labelSmoothing=0.1',
    'training.clipNorm=0.001',
    'keepModels=true',
    'finalModel=false',
  ];
  const run = join(scratch, 'run');
  const folder = join(scratch, 'clips');
  await tinyDataset(folder, { clips: 27, groupSize: 3, labelOf: (clip) => (clip % 3 === 0 ? 'a' : 'b') });
  await tune('random', folder, run, SET);
  const log = readEpochLog(run);

  const dataset = openDataset(folder);
  const backend = openTested();
  afterAll(() => {
    dataset[Symbol.dispose]();
    backend[Symbol.dispose]();
  });
  const config = resolveFinetune({ set: [...TUNE, ...SET] });
  const plan = planFolds(dataset, config);

  interface Looked {
    readonly clip: number;
    readonly label: number;
    readonly features: readonly number[];
    readonly probabilities: readonly number[];
  }

  /** Features and probabilities of whole frames under the weights of a fold. */
  function looker(fold: number): (clip: number, frame: number) => Looked {
    const file = readdirSync(join(run, 'cells')).find((name) => name.endsWith(`f${fold}.safetensors`))!;
    const model = openModel(join(run, 'cells', file), backend, { batch: 1, precision: 'f32' });
    const network: Plan = backend.compile(model.network, model.parameters, {
      batch: 1,
      mode: 'infer',
      precision: 'f32',
    });
    return (clip, frame) => {
      const record = dataset.clips[clip]!;
      fillWholeView(dataset.readFrame(record, frame), record, model.view, network.input, 0);
      network.forward();
      const scores = [...network.output(OUTPUTS.logits)].map(Math.exp);
      const sum = scores.reduce((total, score) => total + score, 0);
      return {
        clip,
        label: record.label === 'a' ? 0 : 1,
        features: [...network.output(OUTPUTS.features)],
        probabilities: scores.map((score) => score / sum),
      };
    };
  }

  const mean = (values: readonly number[]): number => values.reduce((sum, x) => sum + x, 0) / values.length;
  const right = ({ probabilities, label }: Looked): boolean => probabilities[label]! > 0.5;

  /** Loss, gradient norm and hits of one batch: cross-entropy with smoothed targets, clips weighed by class. */
  function batchNumbers(rows: readonly Looked[], counts: readonly number[]) {
    const total = counts[0]! + counts[1]!;
    const weights = rows.map(({ label }) => total / (2 * counts[label]!));
    const mass = weights.reduce((sum, weight) => sum + weight, 0);
    const target = (row: Looked, c: number): number => (row.label === c ? 0.95 : 0.05);
    let loss = 0;
    const gradient = [0, 1].map(() => new Float64Array(rows[0]!.features.length + 1));
    rows.forEach((row, i) => {
      for (const c of [0, 1]) {
        loss -= (weights[i]! / mass) * target(row, c) * Math.log(row.probabilities[c]!);
        const slope = (weights[i]! / mass) * (row.probabilities[c]! - target(row, c));
        [...row.features, 1].forEach((value, j) => (gradient[c]![j]! += slope * value));
      }
    });
    return { loss, norm: Math.hypot(...gradient[0]!, ...gradient[1]!), correct: rows.filter(right).length };
  }

  test.each(log.map((entry) => [entry.fold!, entry.epoch, entry] as const))(
    'has the loss, accuracy and gradient norm of what was trained on (fold %i, epoch %i)',
    (fold, epoch, entry: EpochEntry) => {
      const look = looker(fold);
      const { training } = foldRunClips(plan, dataset, config, entry);
      const counts = [0, 1].map((c) => training.filter((clip) => plan.labels[clip] === c).length);
      const batches = new FrameSchedule(dataset.clips, training, config, entry.seed)
        .epoch(epoch)
        .map((rows) =>
          batchNumbers(
            rows.map(({ clip, frame }) => look(clip, frame)),
            counts,
          ),
        );
      expect(batches.length).toBeGreaterThan(2);
      expect(entry.steps).toBe(batches.length);
      expect(entry.trainLoss).toBeCloseTo(mean(batches.map(({ loss }) => loss)), 5);
      expect(entry.gradientNorm).toBeCloseTo(mean(batches.map(({ norm }) => norm)), 5);
      expect(entry.images).toBe(
        3 * training.length + ((batches.length - ((3 * training.length) % batches.length)) % batches.length),
      );
      expect(entry.trainAccuracy).toBeCloseTo(
        batches.reduce((sum, { correct }) => sum + correct, 0) / entry.images,
        10,
      );
    },
  );

  test.each(log.map((entry) => [entry.fold!, entry.epoch, entry] as const))(
    'has the scores of the clips held out of training (fold %i, epoch %i)',
    (fold, _, entry: EpochEntry) => {
      const look = looker(fold);
      const { inner } = foldRunClips(plan, dataset, config, entry);
      // Two frames of four: the middles of the two halves, the later one of a tie.
      const frames = inner.flatMap((clip) => [look(clip, 1), look(clip, 3)]);
      expect(entry.chosenOn).toBe('inner');
      expect(entry.innerLoss).toBeCloseTo(
        mean(frames.map(({ probabilities, label }) => -Math.log(probabilities[label]!))),
        5,
      );
      expect(entry.innerAccuracy).toBeCloseTo(mean(frames.map((frame) => (right(frame) ? 1 : 0))), 10);
      const recall = [0, 1].map((c) => {
        const mine = inner.filter((clip) => plan.labels[clip] === c);
        const share = (clip: number): number =>
          mean(frames.filter((frame) => frame.clip === clip).map(({ probabilities }) => probabilities[c]!));
        return mean(mine.map((clip) => (share(clip) > 0.5 ? 1 : 0)));
      });
      expect(entry.innerBalancedAccuracy).toBeCloseTo(mean(recall), 10);
    },
  );

  test('has the learning rate of its last step, and says which epochs were the best so far', () => {
    for (const { fold, epoch, steps, learningRate, best } of log) {
      const last = steps * (epoch + 1) - 1;
      expect(learningRate / (1e-30 * 0.5 * (1 + Math.cos((Math.PI * last) / (2 * steps))))).toBeCloseTo(1, 9);
      expect(best, `fold ${fold!}`).toBe(epoch === 0);
    }
  });

  test('is the same as events, one series a fold', () => {
    const scalars = readScalars(run);
    for (const name of [
      'trainLoss',
      'trainAccuracy',
      'innerLoss',
      'innerBalancedAccuracy',
      'learningRate',
    ] as const)
      for (const fold of [0, 1]) {
        const mine = log.filter((entry) => entry.fold === fold);
        const series = scalars.get(`${name}/1-s0-f${fold}`)!;
        expect(series.map(({ step }) => step)).toEqual(mine.map(({ step }) => step));
        expect(series.map(({ value }) => value)).toEqual(mine.map((entry) => Math.fround(entry[name]!)));
      }
  });
});
