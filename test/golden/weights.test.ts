/**
 * Checkpoints that PyTorch wrote as several tools do (`weights_golden.py`): the features of a network that is read from them are
 * PyTorch's, fine-tuning starts from them, and what is exported has the names, shapes and numbers that
 * `load_state_dict(strict=True)` asks for.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { finetune } from '../../src/finetune/finetune.ts';
import { readTorch } from '../../src/formats/torch/read.ts';
import { embedderOf, loadBackbone, readBackbone } from '../../src/trainer/backbone.ts';
import { exportWeights } from '../../src/weights/export-weights.ts';
import { tinyDataset } from '../pretrain/support.ts';
import { relativeError, values } from './hashed.ts';
import { KINDS, openKind } from '../engine/kinds.ts';

const golden = z
  .object({
    salt: z.string(),
    size: z.int(),
    batch: z.int(),
    features: z.record(z.string(), z.array(z.array(z.number()))),
    states: z.record(z.string(), z.array(z.tuple([z.string(), z.array(z.int())]))),
    checkpoints: z.array(z.object({ name: z.string(), depth: z.int(), base64: z.base64() })),
  })
  .parse(JSON.parse(readFileSync(join(import.meta.dirname, 'data', 'weights.json'), 'utf8')));

const scratch = mkdtempSync(join(tmpdir(), 'uscl-golden-weights-'));
const at = (name: string): string => join(scratch, name);
beforeAll(() => {
  for (const { name, base64 } of golden.checkpoints) writeFileSync(at(name), Buffer.from(base64, 'base64'));
});
afterAll(() => {
  rmSync(scratch, { recursive: true });
});

const { size, batch, salt } = golden;
const images = values(`${salt}/images`, batch * 3 * size * size, 0, 1);

describe.each(golden.checkpoints)('$name', ({ name, depth }) => {
  test.each(KINDS)('has PyTorch’s features on %s', async (kind) => {
    const source = await readBackbone(at(name));
    expect(source.config.model).toMatchObject({ backbone: `resnet${depth}`, width: 2 });
    using backend = openKind(kind);
    const config = { ...source.config, view: { ...source.config.view, size } };
    using network = loadBackbone(backend, { ...source, config });
    const embedder = embedderOf(network.plan);
    const input = new Float32Array(embedder.batch * 3 * size * size);
    input.set(images);
    const found = embedder.embed(input, batch);
    const expected = Float64Array.from(golden.features[depth]!.flat());
    expect(found).toHaveLength(expected.length);
    // Sums of f32 in another order.
    expect(relativeError(expected, found)).toBeLessThan(1e-5);
  });

  test('goes out with torchvision’s names and shapes, bit by bit', async () => {
    const out = at(`out-of-${name}.pth`);
    await exportWeights(at(name), out, { format: 'torch' });
    const { tensors } = await readTorch(out);
    const wanted = golden.states[depth]!.filter(([key]) => !key.startsWith('fc.'));
    const shapes = new Map([...tensors].map(([key, { shape }]) => [key, shape]));
    expect(shapes).toEqual(new Map(wanted));
    for (const [key, { data }] of (await readBackbone(at(name))).weights)
      expect(tensors.get(key)!.data, key).toEqual(data);
  });
});

test('fine-tuning starts from what the published code of USCL saved', async () => {
  await tinyDataset(at('clips'));
  const set = ['training.steps=1', 'folds=2', 'seeds=1', 'view.size=16', 'optimizer.learningRate=1e-9'];
  const tuned = await finetune({
    ...{ source: at('uscl-reference.pth'), dataset: at('clips'), out: at('tuned') },
    config: { set: [...set, 'backend=reference', 'loader.workers=0'] },
  });
  expect(tuned.complete).toBe(true);
  // Next to nothing is learnt at this rate: the model that came out has the weights that went in.
  const [theirs, ours] = [await readBackbone(at('torchvision.pth')), await readBackbone(at('tuned'))];
  for (const spec of ['conv1.weight', 'layer2.0.downsample.0.weight', 'layer4.1.bn2.weight'])
    expect(relativeError(theirs.weights.get(spec)!.data, ours.weights.get(spec)!.data), spec).toBeLessThan(
      1e-6,
    );
});
