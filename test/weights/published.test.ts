/**
 * Folders for timm: their files are what timm and the hub ask for (`bench/peers/weights.py` holds them beside timm itself), the card
 * says what is known and no more, and such folders are read as weights, from whoever they are.
 */
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { mergeDatasets } from '../../src/curation/merge.ts';
import { finetune } from '../../src/finetune/finetune.ts';
import { readSafetensors } from '../../src/formats/safetensors.ts';
import { writeTorch } from '../../src/formats/torch/write.ts';
import { keepProbe, probeRun } from '../../src/probe/probe-run.ts';
import { readCheckpoint } from '../../src/runs/checkpoint.ts';
import type { Provenance } from '../../src/runs/provenance.ts';
import { publishedView, publishedWeights } from '../../src/runs/published-folder.ts';
import { checkRun, isRun } from '../../src/runs/run-folder.ts';
import { readBackbone } from '../../src/trainer/backbone.ts';
import { exportWeights } from '../../src/weights/export-weights.ts';
import { hubLicence, setsOf } from '../../src/weights/hub/terms.ts';
import { importWeights } from '../../src/weights/import-weights.ts';
import { codeOf, failureOf } from '../failures.ts';
import { writeModel } from '../finetune/finetuned.ts';
import { scratchFolder, tinyDataset, tinyRun } from '../pretrain/support.ts';

const scratch = scratchFolder();
const at = (...parts: string[]): string => join(scratch, ...parts);
const json = (path: string): unknown => JSON.parse(readFileSync(path, 'utf8'));

/** The head of a card and its text. */
function cardOf(folder: string): { readonly head: unknown; readonly text: string } {
  const [, head, text] = /^---\n(.*?)\n---\n(.*)$/s.exec(readFileSync(join(folder, 'README.md'), 'utf8'))!;
  return { head: parse(head!), text: text! };
}

describe.each([
  ['grey', 1, 33, 2],
  ['colour', 3, 16, 1],
] as const)('a classifier of %s images', (_, channels, size, pool) => {
  const out = at(`hf-${channels}`);
  let model = '';
  beforeAll(async () => {
    mkdirSync(at(`model-${channels}`));
    model = writeModel(at(`model-${channels}`), {
      width: 64,
      view: { channels, size },
      classes: ['a', 'b|c'],
    });
    expect(await exportWeights(model, out, { format: 'hf' })).toMatchObject({
      format: 'hf',
      part: null,
      out,
    });
  }, 60_000);

  test('has the three files, with the configuration that timm reads', () => {
    expect(readdirSync(out).sort()).toEqual(['README.md', 'config.json', 'model.safetensors']);
    expect(json(join(out, 'config.json'))).toEqual({
      ...{ architecture: 'resnet18', num_classes: 2, num_features: 512, global_pool: 'avg' },
      label_names: ['a', 'b|c'],
      ...(channels === 1 ? { model_args: { in_chans: 1 } } : {}),
      pretrained_cfg: {
        ...{ tag: 'uscl', custom_load: false, fixed_input_size: false },
        ...{
          input_size: [channels, size, size],
          interpolation: 'bilinear',
          crop_pct: 1,
          crop_mode: 'squash',
        },
        mean: Array<number>(channels).fill(0.5),
        std: Array<number>(channels).fill(0.25),
        ...{ num_classes: 2, pool_size: [pool, pool], first_conv: 'conv1', classifier: 'fc' },
      },
    });
  });

  test('has every tensor by the name that torchvision and timm have for it, bit by bit', () => {
    const { tensors, metadata } = readSafetensors(join(out, 'model.safetensors'));
    expect(metadata['format']).toBe('pt');
    const own = readCheckpoint(model).tensors;
    const norms = [...own.keys()].filter((name) => name.endsWith('.running_mean'));
    expect([...tensors.keys()].sort()).toEqual(
      [
        ...[...own.keys()].map((name) => name.replace('classifier.', 'fc.')),
        ...norms.map((name) => name.replace('running_mean', 'num_batches_tracked')),
      ].sort(),
    );
    for (const [name, { data, shape }] of own) {
      const found = tensors.get(name.replace('classifier.', 'fc.'))!;
      expect(found.shape, name).toEqual(shape);
      expect(Buffer.compare(Buffer.from(found.data.buffer), Buffer.from(data.buffer)), name).toBe(0);
    }
  });

  test('is read as weights: probed, fine-tuned and imported from the folder', async () => {
    const read = await readBackbone(out);
    expect(read.path).toBe(join(out, 'model.safetensors'));
    expect(read.config.view).toMatchObject({ channels, size, normalise: { mean: 0.5, std: 0.25 } });
    const [found, own] = [read.weights, readCheckpoint(model).tensors].map(
      (all) => all.get('layer4.1.conv2.weight')!.data,
    );
    expect(Buffer.compare(Buffer.from(found!.buffer), Buffer.from(own!.buffer))).toBe(0);
    const imported = await importWeights(out, at(`imported-${channels}.safetensors`));
    expect(imported).toMatchObject({
      backbone: 'resnet18',
      width: 64,
      channels,
      ignored: ['fc.weight', 'fc.bias'],
    });
    expect((await readBackbone(at(`imported-${channels}.safetensors`))).config.view.size).toBe(size);
  });

  test('has a card that the hub reads, and says what is not known', () => {
    const { head, text } = cardOf(out);
    expect(head).toEqual({
      ...{ license: 'other', license_name: 'terms-of-its-data', library_name: 'timm' },
      pipeline_tag: 'image-classification',
      tags: ['image-classification', 'timm', 'ultrasound', 'medical', 'uscl'],
    });
    expect(text).toContain('Research use only; not a medical device.');
    expect(text).toContain(String.raw`2 classes, in this order: a, b\|c.`);
    expect(text).toContain('It is not known what these weights have learnt from.');
    expect(text).toContain('None are known of these weights.');
    expect(text).toContain('It answers any picture, ultrasound or not, with some class.');
    expect(text).toContain('probabilities = model(images).softmax(-1)');
    expect(text).toContain(`.convert("${channels === 1 ? 'L' : 'RGB'}")`);
    expect(text).toContain(`stretched to ${size} × ${size} pixels`);
  });
});

describe('a run of a merged pool', () => {
  beforeAll(async () => {
    await tinyDataset(at('one'), { name: 'one', licence: 'for research; CLUST: ask', citation: 'One, 2020' });
    await tinyDataset(at('two'), { name: 'two', licence: null, seed: 3 });
    await mergeDatasets({ datasets: [at('one'), at('two')], out: at('pool'), name: 'pool <b>|x' });
    await tinyDataset(at('three'), { name: 'three', licence: 'CC BY-NC 4.0', seed: 7 });
    await tinyRun(at('pool'), at('run'), [
      'backend=onednn',
      'threads=1',
      'view.size=32',
      'model.width=64',
      'training.epochs=1',
    ]);
    const options = { folds: 2, seeds: 1, k: 2, framesPerClip: 1, randomInits: 1, allowLeaks: true };
    keepProbe(at('run'), await probeRun(at('run'), at('three'), options));
    await exportWeights(at('run'), at('hf-run'), { format: 'hf' });
  }, 120_000);

  test('has a card that names every set, its terms, and the scores of these weights', () => {
    const { head, text } = cardOf(at('hf-run'));
    expect(head).toMatchObject({
      ...{ license: 'other', pipeline_tag: 'image-feature-extraction', datasets: ['one', 'two'] },
    });
    const rows = text.split('\n').filter((line) => line.startsWith('| '));
    expect(
      rows.slice(2).map((row) => row.split(' | ').map((cell) => cell.replaceAll(/^\| | \|$/g, ''))),
    ).toEqual([
      ['one', expect.stringMatching(/^USCL: /), expect.stringMatching(/^\d+$/), 'for research; CLUST: ask'],
      [
        'two',
        expect.stringMatching(/^USCL: /),
        expect.stringMatching(/^\d+$/),
        'not stated: ask its publisher',
      ],
    ]);
    // Every training clip is counted for one of them.
    const { clips } = json(at('run', 'dataset.json')) as Provenance;
    const counted = rows.slice(2).map((row) => Number(row.split(' | ')[2]));
    expect(counted[0]! + counted[1]!).toBe(clips.filter(({ role }) => role === 'training').length);
    expect(text).toMatch(
      /Linear probe of frozen features on three \(10 clips of 5 groups\): balanced accuracy of clips \d\.\d{3} \(95 % interval \d\.\d{3} to \d\.\d{3}\); random weights \d\.\d{3}\./,
    );
    expect(text).toContain('- One, 2020');
    expect(text).toContain('MICCAI 2021');
    expect(text).toContain('512 features, and no classes');
    expect(text).not.toContain('with some class');
    expect(text).toContain('features = model(images)');
    expect(text).toMatch(/Step \d+ of its run, epoch 0\./);
    expect(json(at('hf-run', 'config.json'))).toMatchObject({
      num_classes: 0,
      pretrained_cfg: { num_classes: 0 },
    });
  });

  test('has no scores of other weights than these', async () => {
    const folder = at('run', 'probes');
    const [name] = readdirSync(folder);
    const probe = json(join(folder, name!)) as { weights: { step: number } };
    const kept = readFileSync(join(folder, name!));
    writeFileSync(
      join(folder, name!),
      JSON.stringify({ ...probe, weights: { ...probe.weights, step: probe.weights.step + 1 } }),
    );
    await exportWeights(at('run'), at('hf-run'), { format: 'hf', overwrite: true });
    expect(cardOf(at('hf-run')).text).toContain('None are known of these weights.');
    writeFileSync(join(folder, name!), kept);
  });

  test('fine-tuned from its folder: scores of the folds, leaks, and terms of both trainings', async () => {
    const config = {
      set: ['training.steps=1', 'folds=2', 'seeds=1', 'loader.workers=0', 'threads=1', 'view.size=32'],
    };
    await finetune({ source: at('run'), dataset: at('three'), out: at('tuned'), config, allowLeaks: true });
    await exportWeights(at('tuned'), at('hf-tuned'), { format: 'hf' });
    const { head, text } = cardOf(at('hf-tuned'));
    expect(head).toMatchObject({ license: 'other', datasets: ['three', 'one', 'two'] });
    expect(text).toContain('| three | fine-tuning, with labels | 10 | CC BY-NC 4.0 |');
    expect(text).toMatch(
      /Balanced accuracy of clips \d\.\d{3} .*: 10 clips of 5 groups \(patients\), by 2 models/,
    );
    expect(text).toContain('was itself tested on none');
    expect(text).toContain('Leak: pretraining was given the labels of 1 of the tested clips (clip8).');
    const tuned = await finetune({
      source: at('hf-run'),
      dataset: at('three'),
      out: at('tuned-again'),
      config,
    });
    expect(tuned.complete).toBe(true);
    // The folder says what its weights had learnt from and under which terms, though of no clip and no method.
    const terms = { licence: 'one: for research; CLUST: ask; two: not stated', citation: 'one: One, 2020' };
    expect(json(at('tuned-again', 'source.json'))).toMatchObject({
      given: at('hf-run'),
      trainedOn: [{ name: 'pool <b>|x', by: 'unknown', clips: [], terms }],
    });
    await exportWeights(at('tuned-again'), at('hf-again'), { format: 'hf' });
    const again = cardOf(at('hf-again')).text;
    expect(again).toContain('| three | fine-tuning, with labels | 10 | CC BY-NC 4.0 |');
    expect(again).toMatch(
      /\| pool .* \| not known \| not known \| one: for research; CLUST: ask; two: not stated \|/,
    );
  }, 120_000);
});

describe('a place to write to', () => {
  test('is refused where it holds anything else, and replaced only when asked', async () => {
    const model = at('model-1', 'model.safetensors');
    mkdirSync(at('taken'));
    writeFileSync(at('taken', 'thesis.md'), 'mine');
    expect(
      await failureOf(exportWeights(model, at('taken'), { format: 'hf', overwrite: true })),
    ).toMatchObject({
      code: 'OUTPUT_NOT_OURS',
    });
    expect(readdirSync(at('taken'))).toEqual(['thesis.md']);
    const before = readFileSync(at('hf-1', 'README.md'));
    expect(await failureOf(exportWeights(model, at('hf-1'), { format: 'hf' }))).toMatchObject({
      code: 'OUTPUT_EXISTS',
    });
    expect(readFileSync(at('hf-1', 'README.md'))).toEqual(before);
    // A clone of a repository of the hub.
    writeFileSync(at('hf-1', '.gitattributes'), '*.safetensors filter=lfs');
    writeFileSync(at('hf-1', 'README.md'), 'old');
    await exportWeights(model, at('hf-1'), { format: 'hf', overwrite: true });
    expect(readFileSync(at('hf-1', 'README.md'))).toEqual(before);
    expect(existsSync(at('hf-1', '.gitattributes'))).toBe(true);
  });

  test('stays as it is where timm has no such network', async () => {
    mkdirSync(at('narrow'));
    const model = writeModel(at('narrow'), { width: 8 });
    const error = await failureOf(exportWeights(model, at('hf-narrow'), { format: 'hf' }));
    expect(error).toMatchObject({
      code: 'EXPORT_WIDTH',
      message: expect.stringContaining('width 8') as string,
    });
    expect(existsSync(at('hf-narrow'))).toBe(false);
  });

  test('is no run: nothing starts, goes on or is replaced there', () => {
    expect(isRun(at('hf-1'))).toBe(false);
    expect(codeOf(() => checkRun(at('hf-1'), { overwrite: true }))).toBe('OUTPUT_NOT_OURS');
    expect(codeOf(() => checkRun(at('hf-1'), { resume: true }))).toBe('OUTPUT_NOT_OURS');
  });
});

describe('a folder of another publisher', () => {
  const folder = (name: string, config: unknown, file = 'model.safetensors'): string => {
    mkdirSync(at(name));
    if (config !== undefined)
      writeFileSync(at(name, 'config.json'), typeof config === 'string' ? config : JSON.stringify(config));
    if (file === 'model.safetensors') copyFileSync(at('imported-3.safetensors'), at(name, file));
    else {
      const { tensors } = readSafetensors(at('imported-3.safetensors'));
      writeTorch(
        at(name, file),
        [...tensors].map(([key, value]) => ({ name: key, ...value })),
      );
    }
    return at(name);
  };
  const IMAGENET = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

  test('says how its images are made, in the form of today and in that before', async () => {
    const config = { architecture: 'resnet18', pretrained_cfg: { ...IMAGENET, input_size: [3, 160, 160] } };
    const today = folder('today', config, 'pytorch_model.bin');
    const { config: read, path } = await readBackbone(today);
    expect(path).toBe(join(today, 'pytorch_model.bin'));
    expect(read.view).toMatchObject({ size: 160, normalise: IMAGENET, channels: 3 });
    expect((await importWeights(today, at('today.safetensors'))).normalise).toEqual(IMAGENET);
    // The file alone says the same as its folder.
    expect((await readBackbone(path)).config.view).toEqual(read.view);
    const before = folder('before', { architecture: 'resnet18', ...IMAGENET, input_size: [3, 64, 32] });
    expect(publishedView(join(before, 'model.safetensors'))).toEqual({ normalise: IMAGENET });
    expect(publishedView(join(before, 'other.safetensors'))).toEqual({});
  });

  test('gives one number where all channels have the same', () => {
    const same = { mean: [0.5, 0.5, 0.5], std: [0.25] };
    const path = join(
      folder('same', { architecture: 'resnet18', pretrained_cfg: same }),
      'model.safetensors',
    );
    expect(publishedView(path)).toEqual({ normalise: { mean: 0.5, std: 0.25 } });
  });

  test.each<[string, object, string]>([
    ['values of two channels', { mean: [0.1, 0.2], std: [1, 1] }, 'two channels'],
    ['words for numbers', { mean: ['a'], std: [1] }, 'expected number'],
    ['an image of no size', { input_size: [3, 0, 0] }, 'input_size'],
  ])('with %s is refused', async (name, pretrained, complaint) => {
    const bad = folder(name, { architecture: 'resnet18', pretrained_cfg: pretrained });
    const error = await failureOf(readBackbone(bad));
    expect(error).toMatchObject({ code: 'PUBLISHED_CONFIG', where: join(bad, 'config.json') });
    expect(error.message).toContain(complaint);
  });

  test.each<[string, unknown]>([
    ['no configuration', undefined],
    ['one of no architecture', { architectures: ['ResNetForImageClassification'] }],
    ['one that is no JSON', '{"architecture"'],
  ])('with %s is no published folder', (name, config) => {
    expect(publishedWeights(folder(name, config))).toBeNull();
  });

  test('is nothing where there is no folder, or no weights in it', () => {
    expect(publishedWeights(at('nowhere'))).toBeNull();
    mkdirSync(at('bare'));
    writeFileSync(at('bare', 'config.json'), '{"architecture":"resnet18"}');
    expect(publishedWeights(at('bare'))).toBeNull();
  });

  test('with a configuration too long is refused unread', () => {
    const long = folder('long', `{"architecture":"resnet18","x":"${'y'.repeat(2 ** 24)}"}`);
    expect(publishedWeights(long)).toBeNull();
  });
});

describe('terms', () => {
  const clip = (id: string, role: 'training' | 'unused' = 'training') => ({
    ...{ id, role, sourceSha256: null, hashes: [], labelled: false },
  });
  const said = (
    licence: string | null,
    ids: readonly string[],
    citation: string | null = null,
  ): Provenance => ({
    ...{ name: 'all', hash: '', by: 'uscl', terms: { licence, citation } },
    clips: ids.map((id) => clip(id)),
  });

  test('of a pool of pools are told apart, whatever their texts hold', () => {
    const sets = setsOf(
      said(
        'p: a: MIT; b: not stated; c: no; q: CC BY 4.0',
        ['p/a/1', 'p/a/2', 'p/b/1', 'q/1', 'q/x/y'],
        'p: b: Bee, 1999',
      ),
    );
    expect(sets.map(({ name, licence, clips, citation }) => [name, licence, clips, citation])).toEqual([
      ['a', 'MIT', 2, null],
      ['b', 'not stated; c: no', 1, 'Bee, 1999'],
      ['q', 'CC BY 4.0', 2, null],
    ]);
  });

  test.each([
    ['whose clips only lie in folders', 'a: MIT', ['a/1', 'b/1']],
    ['that only looks like a pool', 'ask a: MIT', ['a/1']],
    ['without a licence', null, ['a/1', 'b/1']],
  ])('of one set %s stay whole', (_, licence, ids) => {
    expect(setsOf(said(licence, ids))).toEqual([
      { name: 'all', by: 'uscl', clips: ids.length, licence, citation: null },
    ]);
  });

  test('count the clips that were trained on, and none where no clip is known', () => {
    expect(setsOf({ ...said('MIT', []), clips: [clip('1'), clip('2', 'unused')] })[0]!.clips).toBe(1);
    expect(setsOf({ ...said(null, []), by: null })[0]).toMatchObject({ clips: null, by: 'unknown' });
  });

  test.each([
    [['CC BY-NC-ND 4.0', 'CC BY-NC-ND 4.0'], 'cc-by-nc-nd-4.0'],
    [['CC BY 4.0'], 'cc-by-4.0'],
    [['CC0'], 'cc0-1.0'],
    [['MIT'], 'mit'],
    [['Apache-2.0'], 'apache-2.0'],
    [['CC BY 4.0', 'MIT'], null],
    [['MIT', null], null],
    [['MIT (the repository)'], null],
    [[], null],
  ])('%j are the hub’s %s', (licences, name) => {
    const sets = licences.map((licence) => ({ name: 's', by: 'uscl', clips: 1, licence, citation: null }));
    expect(hubLicence(sets)).toBe(name);
  });
});
