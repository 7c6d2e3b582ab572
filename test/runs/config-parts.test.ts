/** `view.augment.preset`: a group of keys with named starting points of its own, in every layer and for every training. */
import { describe, expect, test } from 'vitest';
import { resolveFinetune } from '../../src/finetune/config.ts';
import { allMethods } from '../../src/methods/registry.ts';
import { resolveConfig } from '../../src/runs/config.ts';
import type { GivenLayers } from '../../src/runs/config-layers.ts';
import { AUGMENT_PRESETS } from '../../src/views/augment-presets.ts';
import { type AugmentConfig, frameViewSchema, viewSchema } from '../../src/views/config.ts';
import { errorOf } from '../pretrain/support.ts';

const { us, uscl, none } = AUGMENT_PRESETS;
const yaml = (text: string) => ({ path: 'run.yaml', text });
const US = 'view.augment.preset=us';

describe('the presets of augmentation', () => {
  test('are complete: schemas of pretraining and fine-tuning add nothing', () => {
    for (const augment of Object.values(AUGMENT_PRESETS)) {
      expect(viewSchema.parse({ augment }).augment).toEqual(augment);
      expect(frameViewSchema.parse({ augment }).augment).toEqual(augment);
    }
  });

  test('switch on what they say', () => {
    const switchedOn = (augment: AugmentConfig): string[] =>
      Object.entries(augment)
        .filter(([, value]) => typeof value === 'object' && 'probability' in value && value.probability > 0)
        .map(([name]) => name);
    expect(switchedOn(uscl)).toEqual([]);
    expect(uscl).toEqual(resolveConfig().view.augment);
    expect(switchedOn(us)).toEqual(['insideField', 'depthGain', 'speckle', 'gain', 'gamma', 'fieldEdge']);
    expect(switchedOn(none)).toEqual([]);
    expect(none).toMatchObject({ cropScale: [1, 1], cropRatio: [1, 1], flip: 0, brightness: 0, hue: 0 });
  });
});

type Resolve = (given: GivenLayers) => { readonly view: { readonly augment: AugmentConfig | null } };

describe.each<readonly [name: string, resolve: Resolve, start: GivenLayers]>([
  ['pretraining', resolveConfig, {}],
  ['fine-tuning', resolveFinetune, {}],
  ['pretraining that starts from a preset', resolveConfig, { preset: 'reference' }],
  ['fine-tuning that starts from a preset', resolveFinetune, { preset: 'reference' }],
])('a preset in %s', (_, resolve, start) => {
  const augmentOf = (given: GivenLayers): unknown => resolve({ ...start, ...given }).view.augment;

  test('is taken from a setting, a file and a program', () => {
    expect(augmentOf({ set: [US] })).toEqual(us);
    expect(augmentOf({ set: ['view.augment={preset: us}'] })).toEqual(us);
    expect(augmentOf({ file: yaml('view: {augment: {preset: us}}') })).toEqual(us);
    expect(augmentOf({ overrides: { view: { augment: { preset: 'us' } } } })).toEqual(us);
    expect(augmentOf({ set: ['view.augment.preset=none'] })).toEqual(none);
    expect(augmentOf({ set: ['view.augment.preset=uscl'] })).toEqual(uscl);
  });

  test('loses to every key that is given beside it, wherever either stands', () => {
    const expected = { ...us, flip: 0.1 };
    const flip = 'view.augment.flip=0.1';
    expect(augmentOf({ set: [US, flip] })).toEqual(expected);
    expect(augmentOf({ set: [flip, US] })).toEqual(expected);
    expect(augmentOf({ set: ['view.augment={flip: 0.1, preset: us}'] })).toEqual(expected);
    expect(augmentOf({ file: yaml('view: {augment: {flip: 0.1}}'), set: [US] })).toEqual(expected);
    expect(augmentOf({ file: yaml('view: {augment: {preset: us}}'), set: [flip] })).toEqual(expected);
    expect(augmentOf({ file: yaml('view: {augment: {preset: us, flip: 0.1}}') })).toEqual(expected);
    expect(augmentOf({ overrides: { view: { augment: { flip: 0.1 } } }, set: [US] })).toEqual(expected);
    expect(augmentOf({ set: [US, 'view.augment.speckle.strength=[0, 1]'] })).toEqual({
      ...us,
      speckle: { ...us.speckle, strength: [0, 1] },
    });
  });

  test('is the last that is named', () => {
    expect(augmentOf({ set: [US, 'view.augment.preset=none'] })).toEqual(none);
    expect(augmentOf({ file: yaml('view: {augment: {preset: none}}'), set: [US] })).toEqual(us);
  });

  test('changes nothing else, and the complete configuration does not name it', () => {
    const [plain, chosen] = [resolve({ ...start }), resolve({ ...start, set: [US] })];
    expect({ ...chosen, view: { ...chosen.view, augment: null } }).toEqual({
      ...plain,
      view: { ...plain.view, augment: null },
    });
    expect(chosen.view.augment).not.toHaveProperty('preset');
    expect(resolve({ base: chosen } as GivenLayers)).toEqual(chosen);
  });

  test.each<readonly [GivenLayers, string, string]>([
    [{ set: ['view.augment.preset=usc'] }, '"usc"', '--set view.augment.preset=usc, key view.augment.preset'],
    [
      { set: ['view.augment.preset=null'] },
      'null',
      '--set view.augment.preset=null, key view.augment.preset',
    ],
    [{ set: ['view.augment.preset=__proto__'] }, '"__proto__"', ''],
    [{ file: yaml('view: {augment: {preset: 3}}') }, '3', 'run.yaml, key view.augment.preset'],
    [
      { overrides: { view: { augment: { preset: 'US' } } } },
      '"US"',
      'configuration, key view.augment.preset',
    ],
  ])('that does not exist is refused with those that do: %j', async (given, shown, where) => {
    const error = await errorOf(() => resolve({ ...start, ...given }));
    expect(error).toMatchObject({ code: 'CONFIG_INVALID', kind: 'usage' });
    expect(error.message).toContain(`no preset ${shown}`);
    expect(error.message).toContain('uscl, us, none');
    expect(error.where).toContain(where);
  });

  test.each([
    ['view.augment.presett=us', 'view.augment.preset'],
    ['view.augment.specle.strength=[0, 1]', 'view.augment.speckle.strength'],
  ])('or a key beside it that is misspelt is told its name: %s', async (setting, nearest) => {
    const error = await errorOf(() => resolve({ ...start, set: [setting] }));
    expect(error).toMatchObject({ code: 'CONFIG_UNKNOWN_KEY' });
    expect(error.remedy).toContain(`"${nearest}"`);
  });
});

test('a preset is not overruled by what methods start from', () => {
  for (const { name } of allMethods())
    expect(resolveConfig({ method: name, set: [US] }).view.augment).toEqual(us);
});

test('fine-tuning without augmentation gets a preset back that is named later, and can be told null again', () => {
  const file = yaml('view: {augment: null}');
  expect(resolveFinetune({ file }).view.augment).toBeNull();
  expect(resolveFinetune({ file, set: [US] }).view.augment).toEqual(us);
  expect(resolveFinetune({ file, set: [US, 'view.augment.flip=0'] }).view.augment).toEqual({
    ...us,
    flip: 0,
  });
  expect(resolveFinetune({ set: [US, 'view.augment=null'] }).view.augment).toBeNull();
  const base = resolveFinetune({ set: ['view.augment=null'] });
  expect(resolveFinetune({ base, set: [US] }).view.augment).toEqual(us);
});

test('a preset asked for when going on is laid over what the run was started with', () => {
  const base = resolveConfig({ set: ['view.augment.flip=0.2', 'seed=7'] });
  expect(resolveConfig({ base, set: [US] })).toEqual({ ...base, view: { ...base.view, augment: us } });
});
