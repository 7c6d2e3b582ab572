/** Small crops: the mean over pairs of views, networks that see several sizes, and runs with them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { randomAt } from '../../src/base/random.ts';
import type { Backend } from '../../src/engine/core/backend.ts';
import type { OpenMethod } from '../../src/methods/method.ts';
import { methodNamed } from '../../src/methods/registry.ts';
import { overPairs } from '../../src/methods/small-crops.ts';
import { OUTPUTS } from '../../src/models/heads.ts';
import { backboneOf } from '../../src/models/backbone.ts';
import { ntXent } from '../../src/objectives/nt-xent.ts';
import { checkGradients } from '../../src/pretrain/gradient-check.ts';
import { resolveConfig } from '../../src/runs/config.ts';
import { readLog } from '../../src/runs/log.ts';
import { MethodNetwork } from '../../src/trainer/methods/method-network.ts';
import type { StepBatch } from '../../src/trainer/methods/step-batch.ts';
import { openTested } from '../backend.ts';
import { errorOf, scratchFolder, TINY, tinyDataset, tinyRun } from '../pretrain/support.ts';
import { batchOf, GIVEN, rowsOf } from './support.ts';

const scratch = scratchFolder();
const PLAIN = { ...GIVEN.view, spg: { ...GIVEN.view.spg, enabled: false } };

test('the loss is the mean over pairs with a large view, and so is its gradient', () => {
  const [rows, dim] = [3, 4];
  const random = randomAt(1, 'embeddings');
  const all = Float32Array.from({ length: 4 * rows * dim }, () => random.normal());
  const gradient = new Float32Array(all.length).fill(99);
  const view = rowsOf(0, 1, 2);
  const seen: string[] = [];
  const found = overPairs(
    { views: [view, view, view, view], output: () => all, gradient: () => gradient },
    'projection',
    (z, dz, { views }) => {
      seen.push(views.length.toString());
      return { loss: ntXent(z, rows, dim, 0.5, dz).loss };
    },
  );
  // Views 0 and 1 are large, 2 and 3 small: five pairs, the two small ones not with each other.
  const part = (number: number): number[] => [
    ...all.subarray(number * rows * dim, (number + 1) * rows * dim),
  ];
  const pairs = [
    [0, 1],
    [0, 2],
    [1, 2],
    [0, 3],
    [1, 3],
  ] as const;
  const expected = new Float64Array(all.length);
  let loss = 0;
  for (const [a, b] of pairs) {
    const dz = new Float32Array(2 * rows * dim);
    loss += ntXent(Float32Array.from([...part(a), ...part(b)]), rows, dim, 0.5, dz).loss / 5;
    for (const [i, view] of [a, b].entries())
      for (let k = 0; k < rows * dim; k++) expected[view * rows * dim + k]! += dz[i * rows * dim + k]! / 5;
  }
  expect(found.loss).toBeCloseTo(loss, 12);
  expect(seen).toHaveLength(5);
  for (const [i, value] of gradient.entries()) expect(value).toBeCloseTo(expected[i]!, 6);
});

describe.each(['simclr', 'vicreg'])('%s', (name) => {
  const method = methodNamed(name);
  const options = { smallCrops: { count: 3, size: 16 } };
  const open = (given: unknown): OpenMethod => method.open(given, { ...GIVEN, view: PLAIN });

  test('has the gradients of its loss with small crops', () => {
    const spare = methodNamed(name);
    const checked = checkGradients(
      {
        ...spare,
        open: (given, opened) => spare.open(given, { ...opened, view: { ...opened.view, spg: PLAIN.spg } }),
      },
      options,
    );
    expect(checked.filter(({ verdict }) => verdict === 'right')).toHaveLength(1);
    expect(checked.filter(({ verdict }) => verdict === 'wrong' || verdict === 'stopped')).toEqual([]);
  });

  test('shows small crops of both frames in turn, three sevenths as large, and none by default', () => {
    expect(open({}).streams[0]!.views).toBe('pair');
    const [stream] = open({ smallCrops: { count: 3, scale: [0.1, 0.2] } }).streams;
    const views = stream!.views === 'pair' ? [] : stream!.views;
    expect(views.map(({ frame, size }) => [frame, size])).toEqual([
      [0, undefined],
      [1, undefined],
      [0, 96],
      [1, 96],
      [0, 96],
    ]);
    expect(PLAIN.size).toBe(224);
    expect(views.map(({ augment }) => augment.cropScale)).toEqual([
      ...[PLAIN.augment.cropScale, PLAIN.augment.cropScale],
      ...Array.from({ length: 3 }, () => [0.1, 0.2]),
    ]);
  });

  test('measures of a batch without small crops what it did', () => {
    const pair = open({});
    const made = batchOf(pair, [rowsOf(1, 2, 3, 4), rowsOf(1, 2, 3, 4)], 3);
    expect(pair.losses(made.batch).loss).toBeGreaterThan(0);
  });

  test('refuses small crops of mixed frames', async () => {
    const error = await errorOf(() =>
      method.open(options, { ...GIVEN, view: { ...PLAIN, spg: { ...PLAIN.spg, enabled: true } } }),
    );
    expect(error).toMatchObject({ code: 'CONFIG_INVALID', where: 'key method.smallCrops.count' });
  });
});

/** A network in training that sees two large views and two small ones. */
function sized(backend: Backend, set: readonly string[] = []) {
  const config = resolveConfig({
    method: 'simclr',
    set: [...TINY, 'view.size=32', `batch.size=${CLIPS}`, 'method.smallCrops={count: 2, size: 16}', ...set],
  });
  const { view } = config;
  const given = { trunk: backboneOf(config), classes: 0, sources: [], view, batchSize: CLIPS, seed: 0 };
  const method = methodNamed('simclr');
  const opened = { method, open: method.open(config.method, given) };
  return { opened, network: new MethodNetwork({ backend, config, opened }) };
}

/** Enough for batch norm on maps of one pixel. */
const CLIPS = 10;

/** Four views of these clips, two of 32 pixels and two of 16. */
function batch(): StepBatch {
  const random = randomAt(2, 'images');
  const images = Float32Array.from({ length: CLIPS * (2 * 32 * 32 + 2 * 16 * 16) }, () => random.normal());
  const clips = Array.from({ length: CLIPS }, (_, i) => i);
  const views = Array.from({ length: 4 }, () => rowsOf(...clips));
  return { clipIds: clips.map(String), pairs: CLIPS, number: 0, progress: 0, views, images };
}

describe('a network that sees images of two sizes', () => {
  test('answers each view as a network of its size does, in the order of the views', () => {
    using backend = openTested();
    const { network } = sized(backend);
    using _network = network;
    const { views, images } = batch();
    const outputs = network.heldOut(views, images).output(OUTPUTS.projection).slice();
    const dim = outputs.length / (4 * CLIPS);
    let from = 0;
    for (const [view, size] of [32, 32, 16, 16].entries()) {
      const { online } = network.open;
      const one = { ...online.network, input: [1, size, size] as const };
      using plan = backend.compile(one, network.parameters, {
        batch: CLIPS,
        mode: 'infer',
        precision: 'f32',
      });
      plan.input.set(images.subarray(from, from + CLIPS * size * size));
      from += CLIPS * size * size;
      plan.forward();
      const found = outputs.subarray(CLIPS * view * dim, CLIPS * (view + 1) * dim);
      for (const [i, value] of plan.output(OUTPUTS.projection).entries())
        expect(found[i]).toBeCloseTo(value, 5);
    }
  });

  test.each([true, false])(
    'learns by the gradient of its loss (norms a view at a time: %s)',
    async (each) => {
      using backend = openTested();
      const sgd = 'optimizer={kind: sgd, momentum: 0, weightDecay: 0}';
      const { network } = sized(backend, [sgd, `model.normPerView=${each}`]);
      using _network = network;
      const made = batch();
      const step = (rate: number) => network.step(() => Promise.resolve(made), 1, rate, null);
      const { values, statistics, gradients, specs } = network.parameters;
      const [start, running] = [values.read(), statistics.read()];
      const lossAt = async (place: number, by: number): Promise<number> => {
        values.write(start);
        statistics.write(running);
        values.write(Float32Array.of(start[place]! + by), place);
        return (await step(0)).losses[0]!.loss;
      };
      await step(0);
      const gradient = gradients.read();
      for (const name of [
        'conv1.weight',
        'layer2.0.conv1.weight',
        'layer4.1.bn2.weight',
        'projection.0.weight',
      ]) {
        const { offset, length } = specs.find((spec) => spec.name === name)!;
        const range = Array.from({ length }, (_, i) => offset + i);
        const place = range.reduce((a, b) => (Math.abs(gradient[a]!) > Math.abs(gradient[b]!) ? a : b));
        const slope = ((await lossAt(place, 2 ** -14)) - (await lossAt(place, -(2 ** -14)))) / 2 ** -13;
        expect(Math.abs(slope)).toBeGreaterThan(1e-3);
        expect(Math.abs(slope - gradient[place]!)).toBeLessThan(0.03 * Math.abs(slope));
      }
    },
  );
});

test('a run with small crops goes on to the same bits, and says what it learnt from', async () => {
  const dataset = await tinyDataset(join(scratch, 'dataset'), { size: 40 });
  const set = ['view.size=32', 'method.name=simclr', 'method.smallCrops={count: 2, size: 16}'];
  const last = (run: string): Buffer => readFileSync(join(scratch, run, 'checkpoints', 'last.safetensors'));
  await tinyRun(dataset, join(scratch, 'whole'), set);
  const controller = new AbortController();
  await tinyRun(dataset, join(scratch, 'cut'), set, {
    signal: controller.signal,
    onEvent: ({ kind }) => {
      if (kind === 'step') controller.abort();
    },
  });
  expect(last('cut').equals(last('whole'))).toBe(false);
  await tinyRun(dataset, join(scratch, 'cut'), set, { resume: true });
  expect(last('cut').equals(last('whole'))).toBe(true);
  const steps = readLog(join(scratch, 'whole')).filter((entry) => entry.kind === 'step');
  expect(steps).toHaveLength(6);
  expect(steps.every(({ loss }) => loss > 0)).toBe(true);
});
