import { describe, expect, test } from 'vitest';
import { editDistance, nearestKey, valueAt } from '../../src/runs/config-errors.ts';
import { configSchema, methodOf, resolveConfig } from '../../src/runs/config.ts';
import { readConfigFile } from '../../src/runs/config-layers.ts';
import { errorOf } from '../pretrain/support.ts';

const yaml = (text: string) => ({ path: 'run.yaml', text });

describe('layers', () => {
  test('later layers win and lists are replaced as a whole', () => {
    const config = resolveConfig({
      channels: 3,
      preset: 'reference',
      file: yaml('optimizer: {learningRate: 0.01, noDecay: ["*.bias", "*bn*"]}\nmodel: {normMomentum: 0.5}'),
      set: ['optimizer.noDecay=["*.bias"]', 'training.epochs=7'],
    });
    expect(config.view.channels).toBe(3);
    expect(config.method['classifierInput']).toBe('projection');
    expect(config.model.normMomentum).toBe(0.5);
    expect(config.optimizer).toMatchObject({ learningRate: 0.01, noDecay: ['*.bias'], weightDecay: 1e-4 });
    expect(config.training.epochs).toBe(7);
  });

  test('a preset named in the file is the starting point', () => {
    expect(resolveConfig({ file: yaml('preset: reference') })).toEqual(
      resolveConfig({ preset: 'reference' }),
    );
  });

  test('an empty file changes nothing', () => {
    expect(resolveConfig({ file: yaml('# nothing\n') })).toEqual(resolveConfig());
  });

  test('a resolved configuration survives JSON and is a fixed point', () => {
    const config = resolveConfig({ preset: 'reference' });
    expect(configSchema(methodOf(config)).parse(JSON.parse(JSON.stringify(config)))).toEqual(config);
    expect(resolveConfig({ base: config })).toEqual(config);
  });

  test('a preset asked for when going on wins over what the run was started with, and leaves alone what it does not name', () => {
    const base = resolveConfig({ set: ['model.normMomentum=0.5', 'seed=7'] });
    const config = resolveConfig({ base, preset: 'reference' });
    expect(config).toMatchObject({ seed: 7, model: { normMomentum: 0.19 }, data: { rateMode: 'replace' } });
  });

  test('settings are YAML values', () => {
    const config = resolveConfig({
      set: [
        'training.clipNorm=1.5',
        'batch.distinctGroups=true',
        'evaluation.dataset=a=b',
        'view.spg.beta=[2, 5]',
      ],
    });
    expect(config.training.clipNorm).toBe(1.5);
    expect(config.batch.distinctGroups).toBe(true);
    expect(config.evaluation.dataset).toBe('a=b');
    expect(config.view.spg.beta).toEqual([2, 5]);
  });
});

describe('presets differ exactly where the paper and its code do', () => {
  const flat = (tree: object, prefix = ''): [string, unknown][] =>
    Object.entries(tree).flatMap(([key, value]): [string, unknown][] =>
      typeof value === 'object' && value !== null && !Array.isArray(value)
        ? flat(value as object, `${prefix}${key}.`)
        : [[`${prefix}${key}`, value]],
    );

  test('paper and reference differ in these keys and no others', () => {
    const paper = new Map(flat(resolveConfig({ preset: 'paper' })));
    const reference = flat(resolveConfig({ preset: 'reference' }));
    const differences = reference.filter(
      ([key, value]) => JSON.stringify(paper.get(key)) !== JSON.stringify(value),
    );
    expect(Object.fromEntries(differences)).toEqual({
      'data.rateMode': 'replace',
      'data.validation.augment': true,
      'view.spg.order': 'augment-then-mix',
      'view.spg.coefficients': 'shared',
      'view.spg.anchor': 'random',
      'method.classifierInput': 'projection',
      'model.normMomentum': 0.19,
      'method.supervisedReduction': 'sum-of-views',
      'schedule.warmup': 'hold',
      'schedule.horizon': 300,
    });
  });

  test('0.19 is the momentum of two updates with 0.1', () => {
    expect(1 - (1 - 0.1) ** 2).toBeCloseTo(resolveConfig({ preset: 'reference' }).model.normMomentum, 12);
  });
});

describe('what does not hold is refused with key, value and way out', () => {
  test.each([
    ['training.epoch=3', 'training.epoch', 'training.epochs'],
    ['temperature=0.1', 'temperature', 'method.temperature'],
    ['optimiser.learningRate=1', 'optimiser.learningRate', 'optimizer.learningRate'],
    ['view.spg.bata=[1,1]', 'view.spg.bata', 'view.spg.beta'],
    ['view.sizee=3', 'view.sizee', 'view.size'],
  ])('unknown key in --set %s', async (setting, key, nearest) => {
    const error = await errorOf(() => resolveConfig({ set: [setting] }));
    expect(error).toMatchObject({ code: 'CONFIG_UNKNOWN_KEY', kind: 'usage', where: `--set ${setting}` });
    expect(error.message).toContain(`"${key}"`);
    expect(error.remedy).toContain(`"${nearest}"`);
  });

  test('the error of an unknown key in a file names the file', async () => {
    const error = await errorOf(() => resolveConfig({ file: yaml('optimizer:\n  learningrate: 1') }));
    expect(error).toMatchObject({ code: 'CONFIG_UNKNOWN_KEY', where: 'run.yaml' });
    expect(error.message).toContain('"optimizer.learningrate"');
    expect(error.remedy).toContain('"optimizer.learningRate"');
  });

  test('a key that is near nothing gets no guess', async () => {
    const error = await errorOf(() => resolveConfig({ set: ['xyzzyplugh=1'] }));
    expect(error.remedy).not.toContain('Did you mean');
  });

  test.each(['__proto__: {polluted: 1}', 'constructor: {prototype: {polluted: 1}}'])(
    'hostile key %s is only unknown',
    async (text) => {
      const error = await errorOf(() => resolveConfig({ file: yaml(text) }));
      expect(error.code).toBe('CONFIG_UNKNOWN_KEY');
      expect({}).not.toHaveProperty('polluted');
    },
  );

  test.each([
    ['model.backbone=resnet19', 'model.backbone', '"resnet19"', '"resnet18", "resnet34", "resnet50"'],
    ['training.epochs=0', 'training.epochs', '0', 'at least 1'],
    ['training.epochs=2.5', 'training.epochs', '2.5', 'whole number'],
    ['method.temperature=0', 'method.temperature', '0', 'more than 0'],
    ['data.validation.fraction=1', 'data.validation.fraction', '1', 'less than 1'],
    ['optimizer.learningRate=fast', 'optimizer.learningRate', '"fast"', 'a number'],
    ['optimizer={kind: lion}', 'optimizer.kind', '"lion"', '"adam"'],
    ['view.channels=2', 'view.channels', '2', '1, or allowed are 3'],
    ['training=4', 'training', '4', 'a group of keys'],
    ['view.augment.cropScale=[0.9, 0.1]', 'view.augment.cropScale', '[0.9,0.1]', 'first number'],
    ['loader.workers=null', 'loader.workers', 'null', 'number'],
  ])('impossible value %s', async (setting, key, value, allowed) => {
    const error = await errorOf(() => resolveConfig({ set: [setting] }));
    expect(error).toMatchObject({ code: 'CONFIG_INVALID', kind: 'usage' });
    expect(error.message).toContain(`"${key}" cannot be ${value}`);
    expect(error.message).toContain(allowed);
    expect(error.where).toContain(key);
  });

  test('a group in the place of a list is shown as it was given', async () => {
    const file = yaml('view: {augment: {cropScale: [0.5, 1]}}');
    const overrides = { view: { augment: { cropScale: { least: 0.5 } } } };
    const error = await errorOf(() => resolveConfig({ file, overrides }));
    expect(error.message).toContain('"view.augment.cropScale" cannot be {"least":0.5}');
  });

  test.each([
    ['5', '"5"'],
    ['{name: uscl}', '"{"name":"uscl"}"'],
  ])('a method that is no name is shown as it was given: %s', async (value, shown) => {
    const error = await errorOf(() => resolveConfig({ set: [`method.name=${value}`] }));
    expect(error).toMatchObject({ code: 'METHOD_MISSING' });
    expect(error.message).toContain(`method ${shown} is not installed`);
  });

  test('distinct groups contradict clips that are put in twice', async () => {
    const error = await errorOf(() =>
      resolveConfig({ set: ['batch.distinctGroups=true', 'data.rateMode=replace'] }),
    );
    expect(error.message).toContain('data.rateMode=replace');
  });

  test.each(['training', '=3', ''])('a setting without key and value is refused: "%s"', async (setting) => {
    const error = await errorOf(() => resolveConfig({ set: [setting] }));
    expect(error.message).toContain('key=value');
  });

  test.each([
    ['a: [1', 'CONFIG_FILE'],
    ['- 1\n- 2', 'CONFIG_INVALID'],
    ['just words', 'CONFIG_INVALID'],
  ])('a file that is no group of keys: %s', async (text, code) => {
    const error = await errorOf(() => resolveConfig({ file: yaml(text) }));
    expect(error).toMatchObject({ code, kind: 'usage', where: 'run.yaml' });
  });

  test('a file that is not there and a preset that does not exist are refused', async () => {
    expect(await errorOf(() => readConfigFile('/no/such/file.yaml'))).toMatchObject({ code: 'CONFIG_FILE' });
    const error = await errorOf(() => resolveConfig({ preset: 'papier' }));
    expect(error.message).toContain('default, paper, reference');
  });
});

describe('the nearest key', () => {
  test('edit distance counts insertions, deletions, replacements and swaps', () => {
    expect(editDistance('', 'abc')).toBe(3);
    expect(editDistance('abc', 'abc')).toBe(0);
    expect(editDistance('kitten', 'sitting')).toBe(3);
    expect(editDistance('sede', 'seed')).toBe(1);
    expect(editDistance('ab', 'ba')).toBe(1);
  });

  test('a right name under the wrong parent beats a wrong name under the right one', () => {
    expect(nearestKey('model.size', ['model.side', 'view.size'])).toBe('view.size');
  });
});

test('a value is found by its path, and nothing below a value or beside a key', () => {
  const tree = { a: { b: [1, { c: 2 }] }, n: null };
  expect(valueAt(tree, ['a', 'b', 1, 'c'])).toBe(2);
  expect(valueAt(tree, [])).toBe(tree);
  for (const path of [
    ['z', 'y'],
    ['a', 'z', 'y'],
    ['n', 'x'],
    ['a', 'b', 0, 'x'],
    ['a', 'b', 7, 'x'],
  ])
    expect(valueAt(tree, path)).toBeUndefined();
});
