import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { openDataset } from '../../src/dataset/reader.ts';
import type { Parameters } from '../../src/engine/core/backend.ts';
import { createOptimizer } from '../../src/engine/core/optimizer.ts';
import { openBackend } from '../../src/engine/open.ts';
import { embedDataset } from '../../src/evaluation/features/embeddings.ts';
import { readSafetensors, writeSafetensors } from '../../src/formats/safetensors.ts';
import { initialise } from '../../src/models/initialise.ts';
import {
  embedClips,
  embedderOf,
  loadBackbone,
  loadNetwork,
  randomBackbone,
  readBackbone,
} from '../../src/trainer/backbone.ts';
import { readCheckpoint, restoreAll } from '../../src/runs/checkpoint.ts';
import { restoreWeights } from '../../src/runs/named-tensors.ts';
import { backboneOf } from '../../src/models/backbone.ts';
import { fillWholeView } from '../../src/views/whole.ts';
import { writeModel } from '../finetune/finetuned.ts';
import { errorOf, scratchFolder, tinyDataset, tinyRun } from '../pretrain/support.ts';

const scratch = scratchFolder();
const dataset = join(scratch, 'dataset');
const run = join(scratch, 'run');
const last = join(run, 'checkpoints', 'last.safetensors');
const previous = join(run, 'checkpoints', 'previous.safetensors');
let bytes: Buffer;
let count = 0;

beforeAll(async () => {
  await tinyDataset(dataset);
  await tinyRun(dataset, run);
  bytes = readFileSync(last);
});

/** A copy of the checkpoint with its bytes changed. */
function tampered(change: (copy: Buffer) => Buffer): string {
  const path = join(scratch, `copy${++count}.safetensors`);
  writeFileSync(path, change(Buffer.from(bytes)));
  return path;
}

/** The checkpoint with other metadata. */
function relabelled(change: Readonly<Record<string, string>>): string {
  const path = join(scratch, `copy${++count}.safetensors`);
  const { tensors, metadata } = readSafetensors(last);
  writeSafetensors(
    path,
    [...tensors].map(([name, tensor]) => ({ name, ...tensor })),
    { ...metadata, ...change },
  );
  return path;
}

describe('a checkpoint that is not sound is refused, never half-read', () => {
  test('cut off at any length', async () => {
    for (const share of [0, 0.0001, 0.01, 0.5, 0.999]) {
      const path = tampered((copy) => copy.subarray(0, Math.floor(copy.length * share)));
      expect(await errorOf(() => readCheckpoint(path))).toMatchObject({
        code: 'CHECKPOINT_DAMAGED',
        kind: 'data',
        where: path,
      });
    }
  });

  test('one bit flipped in the tensors', async () => {
    for (const fromEnd of [1, 1000, 30_000]) {
      const path = tampered((copy) => {
        copy[copy.length - fromEnd]! ^= 4;
        return copy;
      });
      const error = await errorOf(() => readCheckpoint(path));
      expect(error.code).toBe('CHECKPOINT_DAMAGED');
      expect(error.message).toContain('bytes have changed');
    }
  });

  test.each([
    ['another program', { format: 'pt' }],
    ['another version', { version: '2' }],
    ['a step that is no number', { step: 'many' }],
    ['a best that is no JSON', { best: '{' }],
    ['a model that does not exist', { model: '{"backbone":"vgg"}' }],
  ])('metadata of %s', async (_, change: Record<string, string>) => {
    const path = relabelled(change);
    expect(await errorOf(() => readCheckpoint(path))).toMatchObject({
      code: 'CHECKPOINT_FOREIGN',
      kind: 'data',
    });
  });

  test('no file, a folder, a text', async () => {
    expect(await errorOf(() => readCheckpoint(join(scratch, 'none')))).toMatchObject({
      code: 'CHECKPOINT_MISSING',
    });
    const text = tampered(() => Buffer.from('not tensors at all, only words'));
    expect(await errorOf(() => readCheckpoint(text))).toMatchObject({ code: 'CHECKPOINT_DAMAGED' });
  });
});

test('previous is the last before the last', () => {
  expect(readCheckpoint(previous).step).toBe(4);
  expect(readCheckpoint(last).step).toBe(6);
});

test('weights alone cannot be gone on from, and that is the reason given', async () => {
  using backend = openBackend({ kind: 'reference' });
  const best = readCheckpoint(join(run, 'checkpoints', 'best.safetensors'));
  using backbone = loadBackbone(backend, await readBackbone(run));
  using optimizer = createOptimizer(
    backend,
    backbone.parameters,
    { kind: 'sgd', momentum: 0.9, nesterov: false },
    [],
  );
  const error = await errorOf(() => {
    restoreAll(best, backbone.parameters, { optimizer, others: [] }, 'best');
  });
  expect(error).toMatchObject({ code: 'CHECKPOINT_MISMATCH', where: 'best' });
  expect(error.message).toContain('weights only');
});

test.each([
  { fps: 5, size: 64, channels: 1, crop: 'auto' },
  { fps: 'all', size: 16, channels: 3, crop: 'none' },
] as const)('how the frames were stored that a model learned from is kept with it: %j', (ingest) => {
  const { channels } = ingest;
  const model = writeModel(scratch, { ingest, view: { channels } });
  const { classifier } = readCheckpoint(model);
  expect(classifier).toMatchObject({ ingest, view: { channels } });
});

describe('a backbone', () => {
  test('is the same from the run, from its checkpoint and from bare tensors, without the heads', async () => {
    using backend = openBackend({ kind: 'reference' });
    const bare = join(scratch, 'bare.safetensors');
    const weights = [...readCheckpoint(last).tensors].filter(([name]) => !name.startsWith('optimizer.'));
    writeSafetensors(
      bare,
      weights.map(([name, tensor]) => ({ name, ...tensor })),
    );
    for (const source of [run, last, bare]) {
      const read = await readBackbone(source, 'last');
      expect(read.config.model).toMatchObject({ backbone: 'resnet18', width: 2 });
      using backbone = loadBackbone(backend, read);
      expect(backbone.parameters.specs.some(({ name }) => name.startsWith('projection'))).toBe(false);
      const spec = backbone.parameters.specs.find(({ name }) => name === 'layer3.0.conv2.weight')!;
      const values = backbone.parameters.values.read(new Float32Array(spec.length), spec.offset);
      expect([...values]).toEqual([...new Map(weights).get(spec.name)!.data]);
    }
    await Promise.resolve();
  });

  test('of the seed of the run is what the run started from', async () => {
    using backend = openBackend({ kind: 'reference' });
    const { config } = await readBackbone(run);
    using a = randomBackbone(backend, config, config.seed);
    expect(a.plan.batch).toBe(32);
    using b = randomBackbone(backend, config, config.seed);
    using c = randomBackbone(backend, config, config.seed + 1);
    expect([...a.parameters.values.read()]).toEqual([...b.parameters.values.read()]);
    expect([...a.parameters.values.read()]).not.toEqual([...c.parameters.values.read()]);
  });

  test('has the features of its network run image by image, beside another one too', async () => {
    using backend = openBackend({ kind: 'reference' });
    using data = openDataset(dataset);
    const { config } = await readBackbone(run);
    const drawn = (seed: number) => (parameters: Parameters) => {
      initialise(parameters, seed);
    };
    using a = loadNetwork(backend, backboneOf(config), drawn(1), { batch: 3 });
    using b = loadNetwork(backend, backboneOf(config), drawn(2), { batch: 3 });
    const together = await embedClips(
      data,
      [a, b].map(({ plan }) => plan),
      config.view,
      { framesPerClip: 2 },
    );
    for (const [i, { parameters }] of [a, b].entries()) {
      using plan = backend.compile(backboneOf(config), parameters, {
        batch: 1,
        mode: 'infer',
        precision: 'f32',
      });
      const alone = await embedDataset(data, embedderOf(plan), {
        framesPerClip: 2,
        fillView: (frame, clip, target, offset) => {
          fillWholeView(frame, clip, config.view, target, offset);
        },
      });
      expect(together[i]?.clip).toEqual(alone.clip);
      expect(together[i]?.frame).toEqual(alone.frame);
      const largest = Math.max(...alone.features.map(Math.abs));
      expect(largest).toBeGreaterThan(0);
      alone.features.forEach((value, at) => {
        expect(Math.abs(together[i]!.features[at]! - value)).toBeLessThan(1e-5 * largest);
      });
    }
  });

  test('of another shape names the tensor that does not fit', async () => {
    using backend = openBackend({ kind: 'reference' });
    const read = await readBackbone(run);
    const wider = { ...read.config, model: { ...read.config.model, width: 3 } };
    using other = randomBackbone(backend, wider, 0);
    const error = await errorOf(() => {
      restoreWeights(read.weights, other.parameters, read.path);
    });
    expect(error).toMatchObject({ code: 'CHECKPOINT_MISMATCH', where: read.path });
    expect(error.message).toContain('conv1.weight has the shape [2, 1, 7, 7], not [3, 1, 7, 7]');
  });

  test('of unknown tensors or from a folder without a run is refused', async () => {
    const odd = join(scratch, 'odd.safetensors');
    writeSafetensors(odd, [{ name: 'w', shape: [2], data: new Float32Array(2) }]);
    expect(await errorOf(() => readBackbone(odd))).toMatchObject({ code: 'WEIGHTS_UNKNOWN', kind: 'data' });
    expect(await errorOf(() => readBackbone(scratch))).toMatchObject({ code: 'RUN_MISSING', kind: 'data' });
  });
});
