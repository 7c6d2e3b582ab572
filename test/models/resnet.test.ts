import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { inferShapes, parameterSpecs, statisticSpecs, type Network } from '../../src/engine/core/network.ts';
import { OUTPUTS, withHeads } from '../../src/models/heads.ts';
import { resnet, RESNET_DEPTHS } from '../../src/models/resnet.ts';
import { codeOf } from '../failures.ts';

const torchvisionNames = z
  .record(z.string(), z.array(z.tuple([z.string(), z.array(z.number())])))
  .parse(JSON.parse(readFileSync(new URL('../golden/data/state-dict-names.json', import.meta.url), 'utf8')));

const parameterCount = (network: Network): number =>
  parameterSpecs(network).reduce((sum, spec) => sum + spec.length, 0);

/** The heads that USCL trains with. */
const projection = { hidden: 512, dim: 256 };

describe('resnet', () => {
  it.each([
    [18, 11_176_512],
    [34, 21_284_672],
    [50, 23_508_032],
  ] as const)('ResNet-%i has the published number of parameters (%i)', (depth, count) => {
    expect(parameterCount(resnet(depth, { channels: 3, size: 224 }))).toBe(count);
  });

  it.each(RESNET_DEPTHS)('ResNet-%i has exactly the names, shapes and order of torchvision', (depth) => {
    const network = resnet(depth, { channels: 3, size: 224 });
    const expected = torchvisionNames[String(depth)]!;
    const isStatistic = (name: string): boolean => /\.running_(mean|var)$/.test(name);
    expect(parameterSpecs(network).map(({ name, shape }) => [name, shape])).toEqual(
      expected.filter(([name]) => !isStatistic(name)),
    );
    expect(statisticSpecs(network).map(({ name, length }) => [name, [length]])).toEqual(
      expected.filter(([name]) => isStatistic(name)),
    );
  });

  it('grey input changes the first convolution and nothing else', () => {
    const grey = parameterSpecs(resnet(18, { channels: 1, size: 224 }));
    const colour = parameterSpecs(resnet(18, { channels: 3, size: 224 }));
    expect(grey[0]!.shape).toEqual([64, 1, 7, 7]);
    expect(grey.slice(1).map(({ name, shape }) => [name, shape])).toEqual(
      colour.slice(1).map(({ name, shape }) => [name, shape]),
    );
  });

  it.each([
    [18, 512],
    [34, 512],
    [50, 2048],
  ] as const)('ResNet-%i pools 7×7 maps of a 224-pixel image into %i features', (depth, features) => {
    const network = resnet(depth, { channels: 1, size: 224 });
    const shapes = inferShapes(network);
    expect(shapes.get('maxpool')).toEqual([64, 56, 56]);
    expect(shapes.get('layer4.1')).toEqual([features, 7, 7]);
    expect(shapes.get(OUTPUTS.features)).toEqual([features]);
    expect(network.outputs).toEqual([OUTPUTS.features]);
  });

  it('puts the stride of a bottleneck on its 3×3 convolution (v1.5)', () => {
    const { nodes } = resnet(50, { channels: 3, size: 224 });
    const strides = ['conv1', 'conv2', 'conv3', 'downsample.0'].map((part) => {
      const node = nodes.find(({ name }) => name === `layer2.0.${part}`)!;
      return node.kind === 'conv' ? [node.kernel, node.stride] : undefined;
    });
    expect(strides).toEqual([
      [1, 1],
      [3, 2],
      [1, 1],
      [1, 2],
    ]);
  });

  it('a narrower trunk keeps the names', () => {
    const narrow = parameterSpecs(resnet(18, { channels: 1, size: 32, width: 8 }));
    const full = parameterSpecs(resnet(18, { channels: 1, size: 32 }));
    expect(narrow.map(({ name }) => name)).toEqual(full.map(({ name }) => name));
    expect(narrow.at(-1)!.shape).toEqual([64]);
  });

  it('refuses what does not exist, naming the option', () => {
    const channels = 2 as number as 1;
    expect(codeOf(() => resnet(101 as number as 50, { channels: 3, size: 224 }))).toBe('MODEL_INVALID');
    expect(codeOf(() => resnet(18, { channels, size: 224 }))).toBe('MODEL_INVALID');
    expect(codeOf(() => resnet(18, { channels: 3, size: 4 }))).toBe('MODEL_INVALID');
    expect(codeOf(() => resnet(18, { channels: 3, size: 63.5 }))).toBe('MODEL_INVALID');
    expect(codeOf(() => resnet(18, { channels: 3, size: 64, width: 0 }))).toBe('MODEL_INVALID');
  });
});

describe('withHeads', () => {
  const trunk = resnet(18, { channels: 3, size: 64 });

  it('adds the projection head of USCL and exposes its embedding', () => {
    const network = withHeads(trunk, { projection, classifier: null });
    const shapes = inferShapes(network);
    expect(network.outputs).toEqual([OUTPUTS.features, OUTPUTS.projection]);
    expect(shapes.get(OUTPUTS.projection)).toEqual([256]);
    expect(parameterCount(network) - parameterCount(trunk)).toBe(512 * 512 + 512 + 512 * 256 + 256);
  });

  it.each([
    ['representation', 512],
    ['projection', 256],
  ] as const)('branches the classifier from the %s', (input, inputs) => {
    const network = withHeads(trunk, { projection, classifier: { classes: 4, input } });
    const weight = parameterSpecs(network).find(({ name }) => name === 'classifier.weight')!;
    expect(weight.shape).toEqual([4, inputs]);
    expect(network.outputs).toEqual([OUTPUTS.features, OUTPUTS.projection, OUTPUTS.logits]);
  });

  it('leaves the trunk as it was', () => {
    const before = JSON.stringify(trunk);
    withHeads(trunk, { projection, classifier: { classes: 2, input: 'representation' } });
    expect(JSON.stringify(trunk)).toBe(before);
  });

  it('refuses a classifier on a projection that is not there, empty heads and a second pair of heads', () => {
    const withClassifier = (classes: number, input: 'representation' | 'projection'): Network =>
      withHeads(trunk, { projection: null, classifier: { classes, input } });
    expect(codeOf(() => withClassifier(3, 'projection'))).toBe('MODEL_INVALID');
    expect(codeOf(() => withClassifier(0, 'representation'))).toBe('MODEL_INVALID');
    expect(codeOf(() => withHeads(trunk, { projection: { hidden: 512, dim: 0 }, classifier: null }))).toBe(
      'MODEL_INVALID',
    );
    expect(
      codeOf(() => withHeads(withClassifier(3, 'representation'), { projection: null, classifier: null })),
    ).toBe('no error');
    expect(
      codeOf(() =>
        withHeads(withClassifier(3, 'representation'), {
          projection: null,
          classifier: { classes: 3, input: 'representation' },
        }),
      ),
    ).toBe('NETWORK_INVALID');
    expect(
      codeOf(() =>
        withHeads({ input: [1, 8, 8], nodes: [], outputs: [] }, { projection: null, classifier: null }),
      ),
    ).toBe('MODEL_INVALID');
  });
});
