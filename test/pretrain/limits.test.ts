/** Defaults and limits of every number in the configurations: those that the guide names, and not one step beyond. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { UsclError } from '../../src/base/errors.ts';
import { keyPaths } from '../../src/runs/config-errors.ts';
import { resolveFinetune } from '../../src/finetune/config.ts';
import { allMethods } from '../../src/methods/registry.ts';
import { resolveConfig } from '../../src/runs/config.ts';
import { AUGMENT_PRESETS } from '../../src/views/augment-presets.ts';

const text = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

describe('docs/configuration.md', () => {
  test('names every key with its default, and no key that does not exist', () => {
    const config = resolveConfig();
    const leaves = keyPaths({ ...config }).filter((path) => {
      const value = path
        .split('.')
        .reduce<unknown>((tree, key) => (tree as Record<string, unknown>)[key], config);
      return typeof value !== 'object' || value === null || Array.isArray(value);
    });
    const rows = new Map(
      [...text('docs/configuration.md').matchAll(/^\| `([\w.]+)` *\| `(.+?)` *\| .+ \|$/gm)].map((match) => [
        match[1]!,
        match[2]!,
      ]),
    );
    expect([...rows.keys()].sort()).toEqual([...leaves].sort());
    for (const path of leaves) {
      const value = path
        .split('.')
        .reduce<unknown>((tree, key) => (tree as Record<string, unknown>)[key], config);
      expect(rows.get(path), path).toBe(JSON.stringify(value).replaceAll(',', ', ').replaceAll('"', ''));
    }
  });

  test('names every preset', () => {
    const ofMethods = allMethods().flatMap(({ presets }) => Object.keys(presets));
    for (const name of [...ofMethods, ...Object.keys(AUGMENT_PRESETS)])
      expect(text('docs/configuration.md')).toContain(`\`${name}\``);
  });
});

/** Least and largest value that are taken, and the nearest that are not; null: no limit on that side. */
type Limits = readonly [
  key: string,
  below: number | null,
  least: number,
  largest: number,
  above: number | null,
];

const SHARED: readonly Limits[] = [
  ['threads', 0, 1, 64, null],
  ['loader.workers', -1, 0, 64, 65],
  ['loader.ahead', 0, 1, 64, 65],
  ['model.width', 0, 1, 512, 513],
  ['model.normMomentum', 0, 1e-9, 1, 1.01],
  ['optimizer.learningRate', 0, 1e-9, 100, 101],
  ['optimizer.weightDecay', -1e-9, 0, 10, 10.1],
  ['optimizer.beta1', -1e-9, 0, 0.999, 1],
  ['optimizer.beta2', -1e-9, 0, 0.999, 1],
  ['optimizer.epsilon', 0, 1e-12, 1, null],
  ['optimizer.momentum', -1e-9, 0, 0.999, 1],
  ['schedule.warmupLength', -1, 0, 1000, null],
  ['schedule.horizon', 0, 1, 1000, null],
  ['view.size', 15, 16, 1024, 1025],
  ['view.augment.flip', -1e-9, 0, 1, 1.01],
  ['view.augment.brightness', -1e-9, 0, 10, 10.1],
  ['view.augment.contrast', -1e-9, 0, 10, 10.1],
  ['view.augment.saturation', -1e-9, 0, 10, 10.1],
  ['view.augment.hue', -1e-9, 0, 0.5, 0.51],
  ['view.augment.blur.probability', -1e-9, 0, 1, 1.01],
  ['view.augment.blur.kernel', 0, 1e-9, 0.5, 0.51],
  ['view.augment.rotation.degrees', -1e-9, 0, 180, 181],
  ['view.augment.affine.degrees', -1e-9, 0, 180, 181],
  ['view.augment.affine.shear', -1e-9, 0, 80, 81],
  ['view.augment.cutout.holes', 0, 1, 100, 101],
  ['view.augment.cutout.side', 0, 1e-9, 1, 1.01],
  ['view.augment.outPainting.windows', 0, 1, 100, 101],
  ['view.augment.sharpen.degree', -2, -1, 5, 6],
  ['view.augment.insideField.probability', -1e-9, 0, 1, 1.01],
  ['view.augment.insideField.share', 0.49, 0.5, 1, 1.01],
  ['view.augment.depthGain.decibels', -1e-9, 0, 60, 61],
  ['view.augment.depthGain.points', 1, 2, 16, 17],
  ['view.augment.clahe.tiles', 0, 1, 16, 17],
  ['view.normalise.std', 0, 1e-9, 100, null],
];

const PRETRAINING: readonly Limits[] = [
  ...SHARED,
  ['seed', -1, 0, 0xffff_ffff, 2 ** 32],
  ['data.rate', 0, 1e-9, 1, 1.01],
  ['data.labelRate', -1e-9, 0, 1, 1.01],
  ['data.validation.fraction', -1e-9, 0, 0.999, 1],
  ['batch.size', 1, 2, 4096, 4097],
  ['method.projection.hidden', 0, 1, 4096, null],
  ['method.projection.dim', 0, 1, 4096, null],
  ['method.temperature', 0, 1e-9, 10, 10.1],
  ['method.supervisedWeight', -1e-9, 0, 100, 101],
  ['training.epochs', 0, 1, 1e6, null],
  ['training.steps', 0, 1, 1e6, null],
  ['training.accumulate', 0, 1, 1024, 1025],
  ['training.clipNorm', 0, 1e-9, 1e9, null],
  ['evaluation.every', 0, 1, 1000, null],
  ['evaluation.neighbours', 0, 1, 1000, null],
  ['evaluation.framesPerClip', 0, 1, 1000, null],
  ['checkpoint.every', 0, 1, 1000, null],
  ['checkpoint.keep', -1, 0, 1000, null],
  ['view.spg.windowSeconds', 0, 1e-9, 1000, null],
];

const FINETUNING: readonly Limits[] = [
  ...SHARED,
  ['seed', -1, 0, 0x7fff_ffff, 2 ** 31],
  ['seeds', 0, 1, 1000, 1001],
  ['folds', 1, 2, 1000, 1001],
  ['innerFraction', 0, 0.001, 0.999, 1],
  ['training.epochs', 0, 1, 100_000, 100_001],
  ['batch.size', 1, 2, 4096, 4097],
  ['labelSmoothing', -1e-9, 0, 0.999, 1],
  ['mixup', -1e-9, 0, 100, 101],
  ['earlyStopping.patience', 0, 1, 1000, null],
  ['training.clipNorm', 0, 1e-9, 1e9, null],
  ['cacheMegabytes', -1, 0, 1e6, null],
  ['saveSeconds', -1e-9, 0, 1e6, null],
];

const PAIRS: readonly (readonly [string, string, string])[] = [
  ['view.spg.beta', '[0.001, 1000]', '[0, 1]'],
  ['view.spg.beta', '[1000, 0.001]', '[1, 1001]'],
  ['view.augment.cropScale', '[0.001, 1]', '[0.0009, 1]'],
  ['view.augment.cropScale', '[0.5, 0.5]', '[0.5, 0.4]'],
  ['view.augment.cropRatio', '[0.01, 100]', '[0.009, 1]'],
  ['view.augment.cropRatio', '[1, 1]', '[1, 101]'],
  ['view.augment.blur.sigma', '[0.01, 50]', '[0.009, 1]'],
  ['view.augment.blur.sigma', '[50, 50]', '[1, 51]'],
  ['view.augment.affine.translate', '[0, 1]', '[0, 1.1]'],
  ['view.augment.affine.translate', '[1, 0]', '[-0.1, 0]'],
  ['view.augment.affine.scale', '[0.1, 10]', '[0.09, 1]'],
  ['view.augment.affine.scale', '[1, 1]', '[1, 10.1]'],
];

describe.each([
  ['pretraining', PRETRAINING, (set: string[]) => resolveConfig({ set })],
  ['fine-tuning', FINETUNING, (set: string[]) => resolveFinetune({ set })],
] as const)('%s', (_, limits, resolve) => {
  test.each(limits)(
    '%s is taken up to its limits and refused beyond',
    (key, below, least, largest, above) => {
      for (const value of [least, largest]) expect(() => resolve([`${key}=${value}`])).not.toThrow();
      for (const value of [below, above])
        if (value !== null) expect(() => resolve([`${key}=${value}`]), String(value)).toThrow(UsclError);
    },
  );

  test.each(PAIRS)('%s: %s is taken and %s refused', (key, good, bad) => {
    if (key.startsWith('view.spg') && limits === FINETUNING) return;
    expect(() => resolve([`${key}=${good}`])).not.toThrow();
    expect(() => resolve([`${key}=${bad}`])).toThrow(UsclError);
  });
});

test('fine-tuning has the defaults that its guide names', () => {
  expect(resolveFinetune({ set: [] })).toMatchObject({
    ...{
      protocol: 'honest',
      split: null,
      folds: 5,
      seeds: 3,
      seed: 0,
      classMap: {},
      classes: null,
      innerFraction: 0.2,
      labelRates: [1],
    },
    ...{
      training: { epochs: 30, clipNorm: null },
      batch: { size: 32 },
      framesPerClip: { train: 4, test: 8 },
      layers: 'last-block',
      norms: 'trained',
    },
    ...{ classWeights: 'balanced', labelSmoothing: 0, mixup: 0, earlyStopping: { patience: 10 } },
    optimizer: { kind: 'adamw', learningRate: 3e-4, weightDecay: 0.01 },
    schedule: { kind: 'cosine', unit: 'step', warmup: 'linear', warmupLength: 10 },
    model: { backbone: 'resnet18', width: 64 },
    view: { augment: { cropScale: [0.6, 1], flip: 0.5, brightness: 0.3, contrast: 0.3 }, variants: null },
    ...{ precision: 'auto', backend: 'auto', threads: null, loader: { workers: 1, ahead: 3 } },
    ...{ cacheMegabytes: 2048, saveSeconds: 60, keepModels: false, finalModel: true },
  });
});
