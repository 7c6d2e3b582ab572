/**
 * Pretraining from given weights: the backbone begins with their bits and nothing else does, whatever kind of file they come in;
 * a run goes on without them; where they came from reaches leak checks and terms.
 */
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { writeSafetensors } from '../../src/formats/safetensors.ts';
import { OpenRun } from '../../src/pretrain/open-run.ts';
import { readInit } from '../../src/pretrain/start.ts';
import { writeReport } from '../../src/report/report.ts';
import { CHECKPOINTS, readCheckpoint } from '../../src/runs/checkpoint.ts';
import { namedTensors, tensorsIn } from '../../src/runs/named-tensors.ts';
import { overlapWith, trainedOn } from '../../src/runs/provenance.ts';
import { openDataset } from '../../src/dataset/reader.ts';
import { readRunConfig, RUN_FILES } from '../../src/runs/run-folder.ts';
import { readBackbone } from '../../src/trainer/backbone.ts';
import { exportWeights } from '../../src/weights/export-weights.ts';
import { importWeights } from '../../src/weights/import-weights.ts';
import { tune } from '../finetune/support.ts';
import { errorOf, scratchFolder, TINY, tinyDataset, tinyRun } from './support.ts';

const scratch = scratchFolder();
const at = (name: string): string => join(scratch, name);
let count = 0;
const fresh = (): string => at(`run${count++}`);
const last = (run: string): string => join(run, RUN_FILES.checkpoints, CHECKPOINTS.last);
const set = ['training.epochs=2'];
const initOf = (path: string): string => `init=${JSON.stringify(path)}`;

/** A checkpoint as torchvision's code makes it, for three channels, of two filters. */
const golden = z
  .object({ checkpoints: z.array(z.object({ name: z.string(), base64: z.base64() })) })
  .parse(JSON.parse(readFileSync(join(import.meta.dirname, '..', 'golden', 'data', 'weights.json'), 'utf8')));

beforeAll(async () => {
  await tinyDataset(at('data'));
  await tinyDataset(at('other'), { clips: 12, size: 18 });
  await tinyRun(at('other'), at('before'), ['training.epochs=1', 'seed=5']);
  await exportWeights(at('before'), at('weights.safetensors'));
  await exportWeights(at('before'), at('weights.pth'), { format: 'torch' });
  await exportWeights(at('before'), at('weights.onnx'), { format: 'onnx' });
  for (const { name, base64 } of golden.checkpoints) writeFileSync(at(name), Buffer.from(base64, 'base64'));
});

/** What a network has before its first step, tensor by tensor; `note`s of the run beside it. */
async function startOf(settings: readonly string[]): Promise<{
  readonly tensors: ReadonlyMap<string, Float32Array>;
  readonly others: ReadonlyMap<string, Float32Array>;
  readonly run: string;
  readonly config: OpenRun['config'];
}> {
  const run = fresh();
  const config = { set: [...TINY, ...settings] };
  await using open = new OpenRun(
    { dataset: at('data'), out: run, config },
    await readInit(run, config, false),
  );
  const copied = (all: ReturnType<typeof namedTensors>): Map<string, Float32Array> =>
    new Map(all.map(({ name, data }) => [name, data.slice()]));
  return {
    tensors: copied(namedTensors(open.network.left)),
    others: copied(tensorsIn(open.network.state.others)),
    run,
    config: open.config,
  };
}

const isTrunk = (name: string): boolean => /^(?:conv1|bn1|layer\d)/.test(name);

describe('a pretraining from given weights', () => {
  test.each([
    'before',
    'before/checkpoints/last.safetensors',
    'weights.safetensors',
    'weights.pth',
    'weights.onnx',
  ])('begins with the bits of %s, its heads with those of its seed', async (source) => {
    const { weights } = await readBackbone(at(source));
    const { tensors, run } = await startOf([initOf(at(source))]);
    const { tensors: random } = await startOf([]);
    const trunk = [...tensors.keys()].filter(isTrunk);
    expect(trunk.length).toBeGreaterThan(90);
    for (const name of trunk) expect(tensors.get(name), name).toEqual(weights.get(name)!.data);
    const heads = [...tensors.keys()].filter((name) => !isTrunk(name));
    expect(heads.length).toBeGreaterThan(3);
    for (const name of heads) expect(tensors.get(name), name).toEqual(random.get(name));
    const sourced = z
      .object({ given: z.string(), sha256: z.string() })
      .parse(JSON.parse(readFileSync(join(run, 'source.json'), 'utf8')));
    const file = source === 'before' ? 'before/checkpoints/best.safetensors' : source;
    expect(sourced.given).toBe(at(source));
    expect(sourced.sha256).toBe(
      createHash('sha256')
        .update(readFileSync(at(file)))
        .digest('hex'),
    );
  });

  test('begins so in the target network of a method too', async () => {
    const byol = TINY.filter((one) => !one.startsWith('method.'));
    const run = fresh();
    const config = { set: [...byol, 'method.name=byol', initOf(at('weights.pth'))] };
    const options = { dataset: at('data'), out: run, config };
    await using open = new OpenRun(options, await readInit(run, config, false));
    const { weights } = await readBackbone(at('weights.pth'));
    const target = new Map(tensorsIn(open.network.state.others).map(({ name, data }) => [name, data]));
    for (const [name, { data }] of weights) expect(target.get(`target.${name}`), name).toEqual(data);
  });

  test('follows torchvision’s weights in network and channels, and tells what it took', async () => {
    const run = fresh();
    const settings = ['view.size=32', initOf(at('torchvision.pth'))];
    const narrow = TINY.filter((one) => !one.startsWith('model.width'));
    const { events } = await tinyRun(at('data'), run, [], {
      config: { set: [...narrow, ...settings, 'training.steps=1'] },
    });
    expect(readRunConfig(run)).toMatchObject({
      init: at('torchvision.pth'),
      model: { backbone: 'resnet18', width: 2 },
      view: { channels: 3, size: 32, normalise: { mean: 0.5, std: 0.25 } },
    });
    const notes = events.flatMap((event) => (event.kind === 'note' ? [event.text] : []));
    expect(notes.join('\n')).toMatch(
      /starts from torchvision\.pth: 100 tensors of a resnet18 of width 2 for colour images\. Heads start at random\./,
    );
    expect(notes.join('\n')).toContain('no part of it: fc.weight, fc.bias.');
    expect(notes.join('\n')).toContain('does not say how images were normalised');
    expect(notes.join('\n')).toContain('not known what torchvision.pth was trained on');
  });

  test('takes the normalisation that the weights say', async () => {
    await importWeights(at('torchvision.pth'), at('imagenet.safetensors'), { normalise: 'imagenet' });
    const { config } = await startOf([initOf(at('imagenet.safetensors'))]);
    expect(config.view).toMatchObject({
      channels: 3,
      normalise: { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
    });
    const asked = await startOf([initOf(at('imagenet.safetensors')), 'view.normalise={mean: 0.4, std: 0.2}']);
    expect(asked.config.view.normalise).toEqual({ mean: 0.4, std: 0.2 });
  });

  test('has one channel where that is asked for and nothing is lost', async () => {
    await importWeights(at('torchvision.pth'), at('one-mean.safetensors'), {
      normalise: '0.45,0.45,0.45,0.2,0.3,0.25',
    });
    const three = (await readBackbone(at('one-mean.safetensors'))).weights.get('conv1.weight')!;
    const { tensors, config } = await startOf([initOf(at('one-mean.safetensors')), 'view.channels=1']);
    expect(config.view).toMatchObject({ channels: 1, normalise: { mean: 0.45, std: 0.25 } });
    const stds = [0.2, 0.3, 0.25];
    const wanted = Float32Array.from({ length: 2 * 49 }, (_, i) => {
      const [f, tap] = [Math.floor(i / 49), i % 49];
      return stds.reduce((sum, std, c) => sum + (three.data[(f * 3 + c) * 49 + tap]! * 0.25) / std, 0);
    });
    const found = tensors.get('conv1.weight')!;
    expect(found).toHaveLength(98);
    found.forEach((value, i) => {
      expect(value).toBeCloseTo(wanted[i]!, 6);
    });
    // The same of a fine-tuning; its own model knows nothing of three channels any more.
    const { summary } = await tune(at('one-mean.safetensors'), at('data'), fresh(), [
      ...['view.channels=1', 'training.epochs=1', 'optimizer.learningRate=1e-9', 'layers=head'],
    ]);
    const tuned = await readBackbone(summary.model!);
    expect(tuned.config.view.channels).toBe(1);
    expect(tuned.weights.get('conv1.weight')!.data).toEqual(found);
  });

  test.each<[string, string, readonly string[], string, RegExp]>([
    ['are not there', 'nowhere.pth', [], 'WEIGHTS_MISSING', /^There are no weights at .*nowhere\.pth\.$/],
    ['are no ResNet', 'no-resnet', [], 'WEIGHTS_UNKNOWN', /There is no ResNet/],
    ['lack a tensor', 'part', [], 'WEIGHTS_INCOMPLETE', /layer3\.0\.bn1\.bias is missing/],
    ['are of another network', 'weights.pth', ['model.width=4'], 'WEIGHTS_MISMATCH', /width=2, not 4/],
    [
      ...(['are for grey images where colour is asked for', 'weights.pth', ['view.channels=3']] as const),
      ...(['WEIGHTS_MISMATCH', /channels=1, not 3/] as const),
    ],
    [
      ...(['have three means where one channel is asked for', 'means', ['view.channels=1']] as const),
      ...(['WEIGHTS_CHANNELS', /up to \d\.\d+ standard deviations/] as const),
    ],
  ])('is refused where they %s', async (_, source, settings, code, message) => {
    writeSafetensors(at('no-resnet'), [{ name: 'w', shape: [1], data: new Float32Array(1) }], {});
    const { weights } = await readBackbone(at('weights.safetensors'));
    const some = [...weights].filter(([name]) => name !== 'layer3.0.bn1.bias');
    writeSafetensors(
      at('part'),
      some.map(([name, { shape, data }]) => ({ name, shape, data })),
      {},
    );
    await importWeights(at('torchvision.pth'), at('means'), { normalise: 'imagenet', overwrite: true });
    const run = fresh();
    const error = await errorOf(() => tinyRun(at('data'), run, [initOf(at(source)), ...settings]));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
    expect(existsSync(join(run, RUN_FILES.config))).toBe(false);
  });
});

describe('going on', () => {
  const file = at('own.safetensors');
  const settings = [...set, initOf(file)];
  let whole: string;
  beforeAll(async () => {
    copyFileSync(at('weights.safetensors'), file);
    whole = fresh();
    await tinyRun(at('data'), whole, settings);
  });

  /** A run that was stopped after a step, and has its checkpoint or has lost it. */
  async function stopped(keeps: 'checkpoint' | 'nothing'): Promise<string> {
    const run = fresh();
    const controller = new AbortController();
    controller.abort();
    copyFileSync(at('weights.safetensors'), file);
    await tinyRun(at('data'), run, settings, { signal: controller.signal });
    if (keeps === 'nothing') rmSync(dirname(last(run)), { recursive: true });
    return run;
  }

  test('needs the weights no more once a checkpoint is there, and comes to the same bits', async () => {
    const run = await stopped('checkpoint');
    rmSync(file);
    await tinyRun(at('data'), run, set, { resume: true });
    const [a, b] = [whole, run].map((one) => readCheckpoint(last(one)));
    expect(b!.step).toBe(a!.step);
    expect([...b!.tensors]).toEqual([...a!.tensors]);
    expect(readRunConfig(run).init).toBe(file);
  });

  test('from the beginning reads them again, and comes to the same bits', async () => {
    const run = await stopped('nothing');
    await tinyRun(at('data'), run, settings, { resume: true });
    expect([...readCheckpoint(last(run)).tensors]).toEqual([...readCheckpoint(last(whole)).tensors]);
  });

  test('from the beginning is refused with other weights, and without any', async () => {
    const run = await stopped('nothing');
    await tinyRun(at('other'), at('elsewhere'), ['training.epochs=1', 'seed=9'], { overwrite: true });
    await exportWeights(at('elsewhere'), file, { overwrite: true });
    expect(await errorOf(() => tinyRun(at('data'), run, settings, { resume: true }))).toMatchObject({
      ...{ code: 'RESUME_CHANGED', where: 'key init' },
    });
    rmSync(file);
    expect(await errorOf(() => tinyRun(at('data'), run, settings, { resume: true }))).toMatchObject({
      code: 'WEIGHTS_MISSING',
    });
    // The same bytes may lie elsewhere.
    await tinyRun(at('data'), run, [...set, initOf(at('weights.safetensors'))], { resume: true });
    expect([...readCheckpoint(last(run)).tensors]).toEqual([...readCheckpoint(last(whole)).tensors]);
  });

  test('with a checkpoint is refused where other weights are named, or none were or are', async () => {
    const run = await stopped('checkpoint');
    for (const other of ['init=null', initOf(at('weights.pth'))])
      expect(await errorOf(() => tinyRun(at('data'), run, [...set, other], { resume: true }))).toMatchObject({
        ...{ code: 'RESUME_CHANGED', where: 'key init' },
      });
    const random = fresh();
    await tinyRun(at('data'), random, set);
    expect(await errorOf(() => tinyRun(at('data'), random, settings, { resume: true }))).toMatchObject({
      ...{ code: 'RESUME_CHANGED', where: 'key init' },
    });
  });

  test('from the beginning folds as it did', async () => {
    await importWeights(at('torchvision.pth'), file, {
      ...{ normalise: '0.45,0.45,0.45,0.2,0.3,0.25', overwrite: true },
    });
    const grey = [...settings, 'view.channels=1', 'view.size=32'];
    const [straight, run] = [fresh(), fresh()];
    await tinyRun(at('data'), straight, grey);
    const controller = new AbortController();
    controller.abort();
    await tinyRun(at('data'), run, grey, { signal: controller.signal });
    rmSync(dirname(last(run)), { recursive: true });
    await tinyRun(at('data'), run, [], { resume: true, config: {} });
    expect([...readCheckpoint(last(run)).tensors]).toEqual([...readCheckpoint(last(straight)).tensors]);
  });
});

describe('where weights came from', () => {
  test('is known through two pretrainings: a probe of the first one’s clips would be a leak', async () => {
    const run = fresh();
    await tinyRun(at('data'), run, [...set, 'method.supervisedWeight=0', initOf(at('before'))]);
    expect(trainedOn(run)!.map(({ by, hash }) => [by, hash.length])).toEqual([
      ['uscl', 64],
      ['uscl', 64],
    ]);
    using other = openDataset(at('other'));
    // Eight of the first run’s twelve clips trained, with their labels.
    const overlap = overlapWith(run, other)!;
    expect(overlap.seen).toBeGreaterThan(5);
    expect(overlap.labelsSeen).toBe(overlap.seen);
    expect(await errorOf(() => tune(run, at('other'), fresh()))).toMatchObject({ code: 'LEAK' });
  });

  test('is not known of a file from outside, but its terms are, and go on with all that is made of it', async () => {
    const terms = { licence: 'for research', citation: 'Somebody 2015' };
    await importWeights(at('torchvision.pth'), at('stated.safetensors'), { ...terms, overwrite: true });
    const run = fresh();
    await tinyRun(at('data'), run, [...set, initOf(at('stated.safetensors'))]);
    const [own, theirs] = trainedOn(run)!;
    expect(own!.by).toBe('uscl');
    expect(theirs).toEqual({ ...{ name: 'torchvision.pth', hash: '', by: 'unknown', clips: [] }, terms });
    const { learntFrom } = await exportWeights(run, at('onward.safetensors'));
    expect(learntFrom![1]).toEqual({ name: 'torchvision.pth', ...terms });
    await writeReport([run], at('page.html'));
    const page = readFileSync(at('page.html'), 'utf8')
      .replaceAll(/<[^>]+>/g, '')
      .replaceAll(/\s+/g, ' ');
    expect(page).toContain('torchvision.pth: for research.');
    expect(page).toContain('pretrained from weights of stated.safetensors');
    expect(page).not.toContain('pretrained from random weights');
    // Through a file again: both sets’ terms are said.
    const next = fresh();
    await tinyRun(at('data'), next, [...set, initOf(at('onward.safetensors'))]);
    expect(trainedOn(next)!.map(({ name, by }) => [name, by])).toEqual([
      ['stripes', 'uscl'],
      ['stripes', 'unknown'],
      ['torchvision.pth', 'unknown'],
    ]);
    using data = openDataset(at('other'));
    expect(overlapWith(run, data)).toBeNull();
  });
});
