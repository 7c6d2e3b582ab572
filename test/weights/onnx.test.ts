/**
 * Exported ONNX models in the runtime that other programs use: what they answer is what this program answers, for frames of any size.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { beforeAll, describe, expect, test } from 'vitest';
import { UsclError } from '../../src/base/errors.ts';
import { randomAt } from '../../src/base/random.ts';
import { openBackend } from '../../src/engine/open.ts';
import type { Initializer } from '../../src/formats/onnx/model.ts';
import { readOnnx } from '../../src/formats/onnx/read.ts';
import { encodeOnnx } from '../../src/formats/onnx/write.ts';
import { readCheckpoint } from '../../src/runs/checkpoint.ts';
import { embedderOf, loadBackbone, readBackbone } from '../../src/trainer/backbone.ts';
import { openModel } from '../../src/trainer/classifier.ts';
import type { ViewConfig } from '../../src/views/config.ts';
import { fillWholeView } from '../../src/views/whole.ts';
import { exportWeights } from '../../src/weights/export-weights.ts';
import { importWeights } from '../../src/weights/import-weights.ts';
import { preprocessingPart } from '../../src/weights/onnx/preprocessing.ts';
import { failure, failureOf } from '../failures.ts';
import { writeModel } from '../finetune/finetuned.ts';
import { scratchFolder, tinyDataset, tinyRun } from '../pretrain/support.ts';

const scratch = scratchFolder();
const at = (name: string): string => join(scratch, name);

/** Sizes of frames: smaller and larger than a view, as large as one, of videos and of screens. */
const SIZES = [
  [48, 48],
  [32, 32],
  [224, 224],
  [201, 50],
  [640, 480],
  [1920, 1080],
] as const;

interface Frame {
  readonly width: number;
  readonly height: number;
  readonly pixels: Uint8Array;
}

/** Waves and noise, another one for each seed. */
function frameOf(width: number, height: number, channels: number, seed: number): Frame {
  const random = randomAt(seed, 'frame');
  const pixels = Uint8Array.from({ length: width * height * channels }, (_, i) => {
    const pixel = Math.floor(i / channels);
    const [x, y] = [(pixel % width) / width, Math.floor(pixel / width) / height];
    return (
      128 + 70 * Math.sin(20 * x * (1 + (seed % 3)) + 12 * y * (seed % 2) + seed) + random.between(-50, 50)
    );
  });
  return { width, height, pixels };
}

async function answers(path: string, frames: readonly Frame[], channels: number): Promise<Float32Array> {
  const session = await InferenceSession.create(path);
  const [{ width, height }] = frames as readonly [Frame];
  const bytes = new Uint8Array(frames.flatMap(({ pixels }) => [...pixels]));
  const input = new OrtTensor('uint8', bytes, [frames.length, height, width, channels]);
  const found = await session.run({ frames: input });
  return found[session.outputNames[0]!]!.data as Float32Array;
}

/** What the model says here, in f32. */
function predicted(model: string, frames: readonly Frame[]): Float32Array {
  using backend = openBackend({ kind: 'onednn' });
  using opened = openModel(model, backend, { precision: 'f32' });
  const length = opened.input.length / opened.batch;
  for (const [i, { width, height, pixels }] of frames.entries())
    fillWholeView(pixels, { width, height }, opened.view, opened.input, i * length);
  return opened.predict(frames.length);
}

const farthest = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  expect(a.length).toBe(b.length);
  return Array.from(a, (value, i) => Math.abs(value - b[i]!)).reduce((most, one) => Math.max(most, one), 0);
};

describe.each([
  ['grey', { channels: 1 }, 'resnet18'],
  ['in colour', { channels: 3 }, 'resnet50'],
] as const)('a classifier of frames %s', (_, { channels }, backbone) => {
  let model = '';
  beforeAll(() => {
    model = writeModel(scratch, { view: { channels }, backbone, sharpness: 2 });
  });

  test.each([
    ['as it is', false],
    ['folded', true],
  ])('%s has the probabilities of predict, whatever the size', async (_form, fold) => {
    const out = at(`classifier-${channels}-${fold}.onnx`);
    const summary = await exportWeights(model, out, { format: 'onnx', fold });
    expect(summary).toMatchObject({ format: 'onnx', part: 'classifier', classes: ['a', 'b', 'c'] });
    const all: number[] = [];
    for (const [width, height] of SIZES) {
      const frames = [1, 2].map((seed) => frameOf(width, height, channels, seed));
      const found = await answers(out, frames, channels);
      expect(farthest(found, predicted(model, frames)), `${width}×${height}`).toBeLessThan(1e-4);
      all.push(...found);
    }
    // The answers are not all the same ones.
    expect(Math.max(...all) - Math.min(...all)).toBeGreaterThan(0.2);
  });
});

test('a network of colour takes grey frames too, repeated', async () => {
  const model = writeModel(scratch, { view: { channels: 3 }, sharpness: 2 });
  await exportWeights(model, at('repeated.onnx'), { format: 'onnx' });
  const frames = [frameOf(70, 90, 1, 4)];
  expect(farthest(await answers(at('repeated.onnx'), frames, 1), predicted(model, frames))).toBeLessThan(
    1e-4,
  );
});

test('pixels are those of a whole view, bit by bit', async () => {
  const view = { size: 48, channels: 1, normalise: { mean: 0.485, std: 0.229 } } as const;
  const part = preprocessingPart(view, 'frames', 'images');
  const graph = {
    ...{ name: 'view', ...part },
    inputs: [{ name: 'frames', type: 'uint8', shape: ['n', 'h', 'w', 'c'] }],
    outputs: [{ name: 'images', type: 'float', shape: ['n', 1, 48, 48] }],
  } as const;
  const model = { opset: 13, producer: { name: 'uscl', version: '0' }, about: '', metadata: {}, graph };
  writeFileSync(at('view.onnx'), Buffer.concat(encodeOnnx(model)));
  for (const [width, height] of SIZES) {
    const frame = frameOf(width, height, 1, 5);
    const wanted = new Float32Array(48 * 48);
    fillWholeView(frame.pixels, frame, view, wanted, 0);
    const found = await answers(at('view.onnx'), [frame], 1);
    expect(found, `${width}×${height}`).toEqual(wanted);
  }
});

describe('of a pretraining run', () => {
  beforeAll(async () => {
    await tinyDataset(at('clips'));
    await tinyRun(at('clips'), at('run'), ['training.epochs=1']);
  });

  test('the backbone answers with features', async () => {
    const out = at('features.onnx');
    const summary = await exportWeights(at('run'), out, { format: 'onnx' });
    expect(summary).toMatchObject({ part: 'backbone', classes: null });
    const source = await readBackbone(at('run'));
    using backend = openBackend({ kind: 'onednn' });
    using network = loadBackbone(backend, source);
    const embedder = embedderOf(network.plan);
    const frame = frameOf(60, 40, 1, 6);
    fillWholeView(frame.pixels, frame, source.config.view, embedder.input, 0);
    const wanted = embedder.embed(embedder.input, 1);
    const found = await answers(out, [frame], 1);
    expect(farthest(found, wanted)).toBeLessThan(1e-4 * Math.max(...wanted));
  });

  test.each([
    ['uscl', []],
    ['simsiam', ['method.name=simsiam']],
  ])('of %s embeds as the network that was trained', async (name, set) => {
    if (set.length > 0) await tinyRun(at('clips'), at(name), ['training.epochs=1', ...set]);
    const run = at(set.length > 0 ? name : 'run');
    await exportWeights(run, at(`${name}.onnx`), { format: 'onnx', part: 'embedding' });
    const frame = frameOf(60, 40, 1, 7);
    const found = await answers(at(`${name}.onnx`), [frame], 1);
    const { weights, config } = await readBackbone(run);
    // The head computed from its tensors by its definition, on the backbone's features.
    const features = await answersOfBackbone(run, frame, config.view);
    let value = features;
    for (
      let place = 0;
      weights.has(`projection.${place}.weight`) || weights.has(`projection.${place + 1}.weight`);
      place++
    ) {
      const weight = weights.get(`projection.${place}.weight`);
      const part = (kind: string): Float32Array => weights.get(`projection.${place}.${kind}`)!.data;
      if (weight === undefined) value = value.map((one) => Math.max(0, one));
      else if (weight.shape.length === 2)
        value = Array.from(part('bias'), (bias, row) =>
          value.reduce((sum, one, i) => sum + one * part('weight')[row * value.length + i]!, bias),
        );
      else
        value = value.map(
          (one, i) =>
            ((one - part('running_mean')[i]!) / Math.sqrt(part('running_var')[i]! + 1e-5)) *
              part('weight')[i]! +
            part('bias')[i]!,
        );
    }
    expect(found).toHaveLength(value.length);
    const scale = Math.max(...value.map(Math.abs));
    expect(farthest(found, value)).toBeLessThan(1e-4 * scale);
  });

  async function answersOfBackbone(run: string, frame: Frame, view: ViewConfig): Promise<number[]> {
    const source = await readBackbone(run);
    using backend = openBackend({ kind: 'reference' });
    using network = loadBackbone(backend, source);
    const embedder = embedderOf(network.plan);
    fillWholeView(frame.pixels, frame, view, embedder.input, 0);
    return [...embedder.embed(embedder.input, 1)];
  }

  test('comes back bit by bit, with its view; folded it cannot', async () => {
    await exportWeights(at('run'), at('back.onnx'), { format: 'onnx' });
    const [own, back] = [await readBackbone(at('run')), await readBackbone(at('back.onnx'))];
    expect(back.config.view).toMatchObject({ size: 16, channels: 1, normalise: own.config.view.normalise });
    expect(back.weights.size).toBeGreaterThan(90);
    for (const [name, { shape, data }] of back.weights) {
      expect(shape, name).toEqual(own.weights.get(name)!.shape);
      expect(data, name).toEqual(own.weights.get(name)!.data);
    }
    await importWeights(at('back.onnx'), at('back.safetensors'));
    await exportWeights(at('run'), at('folded.onnx'), { format: 'onnx', fold: true });
    expect(await failureOf(importWeights(at('folded.onnx'), at('none')))).toMatchObject({
      code: 'WEIGHTS_INCOMPLETE',
    });
  });

  test('has no part that is not there', async () => {
    const classifier = exportWeights(at('run'), at('none.onnx'), { format: 'onnx', part: 'classifier' });
    expect(await failureOf(classifier)).toMatchObject({ code: 'MODEL_WITHOUT_CLASSES' });
    const model = writeModel(scratch);
    const embedding = exportWeights(model, at('none.onnx'), { format: 'onnx', part: 'embedding' });
    expect(await failureOf(embedding)).toMatchObject({ code: 'EXPORT_PART' });
  });
});

test('a model says what it is, and what it learnt from', async () => {
  const model = writeModel(scratch);
  await exportWeights(model, at('told.onnx'), { format: 'onnx' });
  const { metadata } = readOnnx(at('told.onnx'));
  expect(JSON.parse(metadata['classes']!)).toEqual(['a', 'b', 'c']);
  expect(metadata['use']).toBe('Research use only; not a medical device.');
  expect(Object.keys(metadata)).toContain('learntFrom');
  const { tensors: own } = readCheckpoint(model);
  const { tensors, unread } = readOnnx(at('told.onnx'));
  expect(tensors.get('classifier.weight')!.data).toEqual(own.get('classifier.weight')!.data);
  expect(unread).toContain('view.repeat');
});

test('a model that contradicts itself is refused, and tensors of other types are named', () => {
  const tensor = { name: 'w', type: 'float', shape: [2], data: Float32Array.of(1, 2) } as const;
  const write = (initializers: readonly Initializer[]): void => {
    const graph = { name: 'g', nodes: [], initializers, inputs: [], outputs: [] };
    const model = { opset: 13, producer: { name: 'x', version: '0' }, about: '', metadata: {}, graph };
    writeFileSync(at('odd.onnx'), Buffer.concat(encodeOnnx(model)));
  };
  write([tensor, { name: 'n', type: 'int64', shape: [1], data: BigInt64Array.of(3n) }]);
  const { tensors, unread } = readOnnx(at('odd.onnx'));
  expect([...tensors]).toEqual([['w', { dtype: 'F32', shape: [2], data: tensor.data }]]);
  expect(unread).toEqual(['n']);
  for (const [initializers, complaint] of [
    [[tensor, tensor], 'two tensors are called "w"'],
    [[{ ...tensor, shape: [3] }], 'the tensor "w" has 8 bytes for the shape [3]'],
  ] as const) {
    write(initializers);
    expect(failure(() => readOnnx(at('odd.onnx')))).toMatchObject({
      code: 'ONNX_INVALID',
      message: `${at('odd.onnx')} is no whole ONNX model: ${complaint}.`,
    });
  }
});

test('mutated models end in an error of this program, or in tensors', async () => {
  const model = writeModel(scratch, { width: 1 });
  await exportWeights(model, at('sound.onnx'), { format: 'onnx' });
  const sound = readFileSync(at('sound.onnx'));
  const random = randomAt(8, 'mutants');
  let refused = 0;
  for (let i = 0; i < 1500; i++) {
    const bytes = Uint8Array.from(sound);
    for (let k = 0; k < 1 + (i % 3); k++)
      bytes[Math.floor(random.uniform() * bytes.length)] = Math.floor(random.uniform() * 256);
    writeFileSync(
      at('mutant.onnx'),
      i % 5 === 0 ? bytes.subarray(0, random.uniform() * bytes.length) : bytes,
    );
    try {
      readOnnx(at('mutant.onnx'));
    } catch (thrown) {
      if (!(thrown instanceof UsclError)) throw thrown;
      expect(thrown.code).toBe('ONNX_INVALID');
      refused++;
    }
  }
  expect(refused).toBeGreaterThan(300);
});
