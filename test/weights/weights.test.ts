/** Weights that come from other tools and go to them: the same numbers, what was taken and what was not, and what is refused. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { randomAt } from '../../src/base/random.ts';
import { openBackend } from '../../src/engine/open.ts';
import { openSubject } from '../../src/explain/opened-data.ts';
import { finetune } from '../../src/finetune/finetune.ts';
import { parameterSpecs, statisticSpecs } from '../../src/engine/core/network.ts';
import { type NamedTensor, readSafetensors } from '../../src/formats/safetensors.ts';
import { readTorch } from '../../src/formats/torch/read.ts';
import { writeTorch } from '../../src/formats/torch/write.ts';
import { backboneOf } from '../../src/models/backbone.ts';
import { probeRun } from '../../src/probe/probe-run.ts';
import { resolveConfig } from '../../src/runs/config.ts';
import { readCheckpoint } from '../../src/runs/checkpoint.ts';
import { readBackbone } from '../../src/trainer/backbone.ts';
import { exportWeights } from '../../src/weights/export-weights.ts';
import { importWeights } from '../../src/weights/import-weights.ts';
import { failureOf } from '../failures.ts';
import { writeModel } from '../finetune/finetuned.ts';
import { scratchFolder, tinyDataset, tinyRun } from '../pretrain/support.ts';

const scratch = scratchFolder();
const at = (name: string): string => join(scratch, name);

/** A ResNet of two filters, its names told by `theirs`. */
function network(
  channels: 1 | 3,
  seed: number,
  theirs: (name: string) => string = (name) => name,
): NamedTensor[] {
  const config = resolveConfig({ overrides: { model: { width: 2 }, view: { channels, size: 16 } } });
  const specs = [...parameterSpecs(backboneOf(config)), ...statisticSpecs(backboneOf(config))];
  return specs.map((spec) => {
    const shape = 'shape' in spec ? spec.shape : [spec.length];
    const random = randomAt(seed, spec.name);
    const data = Float32Array.from({ length: spec.length }, () => random.normal());
    return { name: theirs(spec.name), shape, data };
  });
}

describe('import', () => {
  test('takes every tensor by torchvision’s name, and says what it passed over', async () => {
    const own = network(3, 1);
    const theirs = network(3, 1, (name) => `module.${name}`);
    const extra = [
      { name: 'module.fc.weight', shape: [5, 16], data: new Float32Array(80) },
      { name: 'module.bn1.num_batches_tracked', shape: [], data: BigInt64Array.of(7n) },
    ];
    writeTorch(at('theirs.pth'), [...theirs, ...extra]);
    const summary = await importWeights(at('theirs.pth'), at('ours.safetensors'), { normalise: 'imagenet' });
    expect(summary).toEqual({
      ...{ out: at('ours.safetensors'), backbone: 'resnet18', width: 2, channels: 3 },
      normalise: { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
      ...{ prefix: 'module.', otherPrefixes: [], used: own.length, ignored: ['module.fc.weight'] },
    });
    const { tensors, metadata } = readSafetensors(at('ours.safetensors'));
    expect([...tensors].map(([name, { shape, data }]) => ({ name, shape, data }))).toEqual(own);
    expect(JSON.parse(metadata['uscl']!)).toMatchObject({ from: { file: 'theirs.pth', prefix: 'module.' } });
    const { config, weights, checkpoint } = await readBackbone(at('ours.safetensors'));
    expect(checkpoint).toBeNull();
    expect(config.view).toMatchObject({ channels: 3, normalise: summary.normalise });
    expect(config.model).toMatchObject({ backbone: 'resnet18', width: 2 });
    expect(weights.get('layer4.1.bn2.running_var')!.data).toEqual(
      own.find(({ name }) => name === 'layer4.1.bn2.running_var')!.data,
    );
  });

  test('is not needed where weights are read: a checkpoint is a source as it is', async () => {
    const own = network(1, 2);
    writeTorch(at('plain.pth'), own);
    const { config, weights } = await readBackbone(at('plain.pth'));
    expect(config.view.channels).toBe(1);
    expect(
      [...weights].map(([name, { shape, data }]) => ({ name, shape, data: Float32Array.from(data) })),
    ).toEqual(own);
  });

  test('takes the network that is asked for, of several', async () => {
    const [query, key] = [network(1, 3, (name) => `q.${name}`), network(1, 4, (name) => `encoder_k.${name}`)];
    writeTorch(at('two.pth'), [...key, ...query]);
    const first = await importWeights(at('two.pth'), at('two.safetensors'));
    expect(first).toMatchObject({ prefix: 'q.', otherPrefixes: ['encoder_k.'] });
    expect(first.ignored).toHaveLength(key.length);
    await importWeights(at('two.pth'), at('two.safetensors'), { prefix: 'encoder_k.', overwrite: true });
    expect(readSafetensors(at('two.safetensors')).tensors.get('conv1.weight')!.data).toEqual(key[0]!.data);
    expect(await failureOf(importWeights(at('two.pth'), at('none'), { prefix: 'module.' }))).toMatchObject({
      code: 'WEIGHTS_UNKNOWN',
      remedy: expect.stringContaining('"encoder_k."') as string,
    });
  });

  test.each<[string, (all: NamedTensor[]) => NamedTensor[], object, string, string]>([
    [
      'lacks a tensor',
      (all) => all.filter(({ name }) => name !== 'bn1.bias'),
      {},
      'WEIGHTS_INCOMPLETE',
      'bn1.bias is missing',
    ],
    [
      'has one of another shape',
      (all) =>
        all.map((one) => (one.name === 'layer1.0.conv1.weight' ? { ...one, shape: [2, 2, 9, 1] } : one)),
      {},
      'WEIGHTS_INCOMPLETE',
      'layer1.0.conv1.weight has the shape [2, 2, 9, 1], not [2, 2, 3, 3]',
    ],
    [
      'holds no such network',
      () => [{ name: 'w', shape: [1], data: new Float32Array(1) }],
      {},
      'WEIGHTS_UNKNOWN',
      'called w',
    ],
    ['holds nothing', () => [], {}, 'WEIGHTS_UNKNOWN', 'no tensor'],
    [
      'is for grey images, normalised as colour ones',
      (all) => all,
      { normalise: 'imagenet' },
      'CONFIG_INVALID',
      'three channels',
    ],
  ])('refuses a file that %s', async (name, change, options, code, complaint) => {
    const path = at(`${name}.pth`);
    writeTorch(path, change(network(1, 5)));
    const error = await failureOf(importWeights(path, at('refused'), options));
    expect(error.code).toBe(code);
    expect(error.message).toContain(complaint);
    expect(existsSync(at('refused'))).toBe(false);
  });

  test('never replaces a file unasked', async () => {
    writeTorch(at('keep.pth'), network(1, 6));
    const before = readFileSync(at('keep.pth'));
    expect(await failureOf(importWeights(at('keep.pth'), at('keep.pth')))).toMatchObject({
      code: 'OUTPUT_EXISTS',
    });
    expect(readFileSync(at('keep.pth'))).toEqual(before);
  });
});

describe('export', () => {
  beforeAll(async () => {
    await tinyDataset(at('clips'));
    await tinyRun(at('clips'), at('run'), ['training.epochs=1']);
  });

  test.each(['torch', 'safetensors'] as const)(
    'of a run as %s is read again to the last bit',
    async (format) => {
      const out = at(`exported.${format}`);
      const summary = await exportWeights(at('run'), out, { format });
      const { weights, config } = await readBackbone(out);
      const own = await readBackbone(at('run'));
      expect(weights.size).toBeGreaterThan(90);
      for (const [name, { shape, data }] of weights) {
        expect(shape, name).toEqual(own.weights.get(name)!.shape);
        expect(
          Buffer.from(Float32Array.from(data).buffer).equals(
            Buffer.from(Float32Array.from(own.weights.get(name)!.data).buffer),
          ),
          name,
        ).toBe(true);
      }
      expect(config.model.width).toBe(own.config.model.width);
      expect(summary).toMatchObject({
        classes: null,
        channels: 1,
        size: 16,
        normalise: { mean: 0.5, std: 0.25 },
      });
      expect(summary.learntFrom).toEqual([expect.objectContaining({ name: expect.any(String) as string })]);
      if (format === 'safetensors') expect(config.view.normalise).toEqual(own.config.view.normalise);
    },
  );

  test('is probed, fine-tuned and explained like the run itself', async () => {
    await exportWeights(at('run'), at('source.safetensors'));
    await exportWeights(at('run'), at('source.pth'), { format: 'torch' });
    const options = {
      ...({ backend: 'reference', folds: 2, seeds: 1, k: 2 } as const),
      ...{ framesPerClip: 1, randomInits: 0, allowLeaks: true },
    };
    const own = await probeRun(at('run'), at('clips'), options);
    const theirs = await probeRun(at('source.safetensors'), at('clips'), options);
    expect(theirs.pretrained.linear.clipPredictions).toEqual(own.pretrained.linear.clipPredictions);
    expect(theirs.overlap).toBeNull();
    // PyTorch's file says nothing of images: their size is told.
    const set = ['training.steps=1', 'folds=2', 'seeds=1', 'view.size=16', 'finalModel=false'];
    const config = { set: [...set, 'backend=reference', 'loader.workers=0'] };
    const tuned = await finetune({
      source: at('source.pth'),
      dataset: at('clips'),
      out: at('tuned'),
      config,
    });
    expect(tuned.complete).toBe(true);
    using backend = openBackend({ kind: 'reference' });
    using subject = await openSubject(at('source.pth'), backend);
    using same = await openSubject(at('run'), backend);
    expect(subject.classes).toBeNull();
    expect(subject.parameters.values.read()).toEqual(same.parameters.values.read());
  });

  test('has all that PyTorch asks for, a classifier as fc, and no more', async () => {
    const model = writeModel(scratch, { view: { channels: 3 }, classes: ['a', 'b'] });
    const summary = await exportWeights(model, at('tuned.pth'), { format: 'torch' });
    expect(summary).toMatchObject({ classes: ['a', 'b'], channels: 3 });
    const { tensors } = await readTorch(at('tuned.pth'));
    const { tensors: own } = readCheckpoint(model);
    const norms = [...own.keys()].filter((name) => name.endsWith('running_var')).length;
    expect(tensors.size).toBe(own.size + norms);
    expect(tensors.get('fc.weight')!.data).toEqual(own.get('classifier.weight')!.data);
    expect(tensors.get('fc.bias')!.shape).toEqual([2]);
    expect(tensors.get('layer3.0.downsample.1.num_batches_tracked')).toMatchObject({
      shape: [],
      dtype: 'I64',
    });
  });

  test('is refused where weights lack, or a file would be replaced', async () => {
    writeTorch(at('half.pth'), network(1, 8).slice(0, -1));
    expect(await failureOf(exportWeights(at('half.pth'), at('nothing')))).toMatchObject({
      code: 'WEIGHTS_INCOMPLETE',
    });
    expect(await failureOf(exportWeights(at('run'), at('half.pth')))).toMatchObject({
      code: 'OUTPUT_EXISTS',
    });
  });
});
