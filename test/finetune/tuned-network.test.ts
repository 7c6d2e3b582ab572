/** What trains and what stands still, and that computing frozen layers apart changes nothing but the time. */
import { describe, expect, test } from 'vitest';
import { randomAt } from '../../src/base/random.ts';
import { INPUT } from '../../src/engine/core/network.ts';
import type { Backend } from '../../src/engine/core/backend.ts';
import { OUTPUTS } from '../../src/models/heads.ts';
import { softCrossEntropy } from '../../src/objectives/soft-cross-entropy.ts';
import { softTargets } from '../../src/objectives/targets.ts';
import { namedTensors } from '../../src/runs/named-tensors.ts';
import { type FinetuneConfig, resolveFinetune } from '../../src/finetune/config.ts';
import { snapshotOf } from '../../src/finetune/learner.ts';
import { trainedLayers, TunedNetwork } from '../../src/finetune/tuned-network.ts';
import { classifierNetwork } from '../../src/trainer/classifier.ts';
import { randomSource } from '../../src/finetune/source.ts';
import { openTested, PLAIN, VENDORS } from '../backend.ts';
import { errorOf } from '../pretrain/support.ts';
import { TUNE, tuneOn } from './support.ts';

const BATCH = 4;
const CLASSES = 3;
const labels = Int32Array.from([0, 2, 1, 1]);

const configOf = (set: readonly string[]): FinetuneConfig => resolveFinetune({ set: [...TUNE, ...set] });

function imagesOf(config: FinetuneConfig): Float32Array {
  const random = randomAt(5, 'images');
  const { channels, size } = config.view;
  return Float32Array.from({ length: BATCH * channels * size * size }, () => random.normal());
}

const nextBatch = () =>
  Promise.resolve({
    clipIds: ['a', 'b', 'c', 'd'],
    targets: softTargets(labels, CLASSES),
    weights: null,
  });

/** One step on the same images; what each tensor was before and after. */
async function stepped(config: FinetuneConfig, backend: Backend) {
  using tunedNetwork = new TunedNetwork(backend, config, randomSource(1), CLASSES);
  tunedNetwork.start(3);
  const copies = () =>
    new Map(namedTensors(tunedNetwork.parameters).map(({ name, data }) => [name, data.slice()]));
  const before = copies();
  const images = imagesOf(config);
  const below = tunedNetwork.below(BATCH);
  const { input } = tunedNetwork.training(BATCH);
  if (below === null) input.set(images);
  else {
    below.input.set(images);
    below.forward();
    input.set(below.output(tunedNetwork.cut));
  }
  const result = await tunedNetwork.step(nextBatch, 1, 1e-3, null);
  const scoring = tunedNetwork.scoring(BATCH);
  scoring.input.set(input);
  scoring.forward();
  return {
    ...{ cut: tunedNetwork.cut, size: tunedNetwork.size, before, after: copies(), result },
    logits: scoring.output(OUTPUTS.logits).slice(),
    gradients: tunedNetwork.parameters.gradients.read(),
  };
}

const changedIn = ({ before, after }: Awaited<ReturnType<typeof stepped>>): string[] =>
  [...after].filter(([name, data]) => data.some((x, i) => x !== before.get(name)![i])).map(([name]) => name);

describe.each([
  ['head', 'trained', 'features', /^classifier\./],
  ['last-block', 'trained', 'layer4.0', /^(classifier|layer4\.1)\./],
  ['last-block', 'frozen', 'layer4.0', /^(classifier\.|layer4\.1\.(conv|bn)[12]\.(weight|bias))/],
  ['last-block', 'moving', 'conv1', /^(classifier|layer4\.1)\.|running_/],
  ['["layer4.*"]', 'trained', 'layer3.1', /^(classifier|layer4)\./],
  ['["*bn*", "*.downsample.1.*"]', 'trained', 'conv1', /^classifier\.|bn\d\.|downsample\.1\./],
  ['all', 'trained', INPUT, /./],
  ['all', 'frozen', INPUT, /^(?!.*running_)/],
] as const)('layers %s with norms %s', (layers, norms, cut, expected) => {
  test(`train from ${cut} on, and exactly what they name`, async () => {
    using backend = openTested();
    const step = await stepped(configOf([`layers=${layers}`, `norms=${norms}`]), backend);
    expect(step.cut).toBe(cut);
    const names = [...step.after.keys()];
    expect(changedIn(step).sort()).toEqual(names.filter((name) => expected.test(name)).sort());
  });
});

test('nothing is cut where more numbers would pass through the host than it saves', () => {
  using backend = openTested();
  const config = configOf(['model.width=64', 'norms=moving']);
  using tunedNetwork = new TunedNetwork(backend, config, randomSource(1), CLASSES);
  expect(tunedNetwork.cut).toBe(INPUT);
});

test.each([[PLAIN, TUNE], ...VENDORS.map((vendor) => [vendor, tuneOn(vendor)] as const)] as const)(
  'frozen layers computed apart give the step of the whole network (%s)',
  async (kind, base) => {
    using backend = openTested(kind);
    const config = configOf([...base, 'layers=last-block']);
    const step = await stepped(config, backend);
    const network = {
      ...classifierNetwork(config.model, config.view, CLASSES),
      outputs: [OUTPUTS.logits],
    };
    using tunedNetwork = new TunedNetwork(backend, config, randomSource(1), CLASSES);
    tunedNetwork.start(3);
    const { trainable, frozenNorm } = tunedNetwork.layers;
    const mode = { batch: BATCH, mode: 'train', precision: 'f32' } as const;
    using plan = backend.compile(network, tunedNetwork.parameters, {
      ...mode,
      trainable,
      frozenNorms: frozenNorm,
    });
    plan.input.set(imagesOf(config));
    plan.forward();
    const gradient = plan.outputGradient(OUTPUTS.logits);
    const { loss } = softCrossEntropy(
      plan.output(OUTPUTS.logits),
      softTargets(labels, CLASSES),
      CLASSES,
      null,
      gradient,
    );
    plan.backward();
    expect(step.result.losses[0]!.loss).toBeCloseTo(loss, 4);
    const gradients = tunedNetwork.parameters.gradients.read();
    const largest = gradients.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
    expect(largest).toBeGreaterThan(0.01);
    const apart = gradients.map((x, i) => Math.abs(x - step.gradients[i]!));
    expect(apart.every(Number.isFinite)).toBe(true);
    expect(apart.reduce((most, x) => Math.max(most, x), 0)).toBeLessThan(2e-3 * largest);
  },
);

test('folds begin alike: a start forgets all that was trained, and new weights are known as such', async () => {
  using backend = openTested();
  const config = configOf(['layers=last-block']);
  using tunedNetwork = new TunedNetwork(backend, config, randomSource(1), CLASSES);
  expect(tunedNetwork.start(1).belowChanged).toBe(true);
  const values = tunedNetwork.parameters.values.read();
  tunedNetwork.training(BATCH).input.fill(0.5);
  await tunedNetwork.step(nextBatch, 1, 1e-2, null);
  expect(tunedNetwork.parameters.values.read()).not.toEqual(values);
  expect(tunedNetwork.start(1).belowChanged).toBe(false);
  expect(tunedNetwork.parameters.values.read()).toEqual(values);
  expect(tunedNetwork.optimizer.steps).toBe(0);
  expect(
    [...tunedNetwork.optimizer.state.values()].every((vector) => vector.read().every((x) => x === 0)),
  ).toBe(true);
  expect(tunedNetwork.start(2).belowChanged).toBe(true);
});

test('a step that is not finite changes nothing', async () => {
  using backend = openTested();
  using tunedNetwork = new TunedNetwork(backend, configOf(['layers=all']), randomSource(1), CLASSES);
  tunedNetwork.start(1);
  const before = snapshotOf(tunedNetwork.parameters);
  tunedNetwork.training(BATCH).input.fill(NaN);
  const error = await errorOf(() => tunedNetwork.step(nextBatch, 1, 1e-3, null));
  expect(error).toMatchObject({ code: 'NON_FINITE', kind: 'numeric' });
  expect(error.where).toContain('a, b, c, d');
  expect(snapshotOf(tunedNetwork.parameters)).toEqual(before);
});

describe('learning rates', () => {
  const network = classifierNetwork({ backbone: 'resnet18', width: 2 }, configOf([]).view, CLASSES);
  const layersOf = (set: readonly string[]) => trainedLayers(network, configOf(set));

  test('have the factor of the last pattern that fits, and weight decay as optimizer.noDecay says', () => {
    const { groups } = layersOf([
      'layers=all',
      'layerRates={"*": 0.5, "layer4.*": 2, "classifier.*": 10}',
      'optimizer.noDecay=["*bn*"]',
      'optimizer.weightDecay=0.1',
    ]);
    const of = (name: string): readonly number[] => {
      const group = groups.find(({ parameters }) => parameters.includes(name))!;
      return [group.learningRateFactor, group.weightDecay];
    };
    expect(of('conv1.weight')).toEqual([0.5, 0.1]);
    expect(of('layer4.1.conv1.weight')).toEqual([2, 0.1]);
    expect(of('layer4.1.bn1.weight')).toEqual([2, 0]);
    // The default preset gives the classifier ten times the rate; "*" comes after it in the merged list.
    expect(of('classifier.weight')[1]).toBe(0.1);
    const names = groups.flatMap(({ parameters }) => parameters);
    expect(new Set(names).size).toBe(names.length);
  });

  test('name only what trains', () => {
    const { groups, trainable } = layersOf(['layers=last-block']);
    expect(groups.flatMap(({ parameters }) => parameters).every(trainable)).toBe(true);
    expect(trainable('layer4.0.conv1.weight')).toBe(false);
  });

  test('and layers refuse a pattern that fits nothing', async () => {
    for (const [setting, key] of [
      ['layers=["layer5.*"]', 'layers'],
      ['layerRates={"head.*": 2}', 'layerRates'],
    ] as const) {
      const error = await errorOf(() => layersOf([setting]));
      expect(error).toMatchObject({ code: 'CONFIG_INVALID', where: `key ${key}` });
      expect(error.remedy).toContain('classifier');
    }
  });
});
