/** Names of other tools: each is matched with torchvision's, whatever stands before it. */
import { describe, expect, test } from 'vitest';
import { backboneOf } from '../../src/models/backbone.ts';
import { parameterSpecs, statisticSpecs } from '../../src/engine/core/network.ts';
import { networksIn } from '../../src/models/weight-names.ts';

/** All of torchvision's names of a ResNet. */
function namesOf(backbone: 'resnet18' | 'resnet34' | 'resnet50'): readonly string[] {
  const network = backboneOf({
    model: { backbone, width: 4, normMomentum: 0.1 },
    view: { channels: 3, size: 32 },
  });
  return [...parameterSpecs(network), ...statisticSpecs(network)].map(({ name }) => name);
}

/** As in a list of torchvision's layers: conv1, bn1, relu, maxpool, layer1 to layer4. */
function numbered(name: string): string {
  return name
    .replace(/^conv1/, '0')
    .replace(/^bn1/, '1')
    .replace(/^layer(\d)/, (_, stage: string) => String(3 + Number(stage)));
}

describe.each(['resnet18', 'resnet34', 'resnet50'] as const)('%s', (backbone) => {
  const own = namesOf(backbone);

  test.each([
    ['torchvision and timm', (name: string) => name],
    ['DataParallel', (name: string) => `module.${name}`],
    ['solo-learn', (name: string) => `state_dict.backbone.${name}`],
    ['MoCo', (name: string) => `state_dict.module.encoder_q.${name}`],
    ['the published code of USCL', (name: string) => `features.${numbered(name)}`],
    ['Lightly', (name: string) => `state_dict.backbone.${numbered(name)}`],
  ])('has its names in weights of %s', (_, theirs) => {
    const [found, ...others] = networksIn([...own.map(theirs), 'fc.weight', 'fc.bias', 'l1.weight', 'epoch']);
    expect(others).toEqual([]);
    expect(found?.prefix).toBe(theirs('conv1.weight').replace(/(conv1|0)\.weight$/, ''));
    expect(new Map([...found!.names].map(([a, b]) => [b, a]))).toEqual(
      new Map(own.map((name) => [name, theirs(name)])),
    );
  });
});

test('of two networks the one that learns comes first, and the other is known', () => {
  const own = namesOf('resnet18');
  for (const [learns, follows] of [
    ['encoder_q.', 'encoder_k.'],
    ['online_network.', 'target_network.'],
    ['backbone.', 'momentum_backbone.'],
    ['student.', 'teacher.'],
  ]) {
    const both = own.flatMap((name) => [`${follows}${name}`, `${learns}${name}`]);
    expect(networksIn(both).map(({ prefix }) => prefix)).toEqual([learns, follows]);
  }
  const more = [...own.map((name) => `teacher.${name}`), ...own.slice(1).map((name) => `a.${name}`)];
  expect(networksIn(more).map(({ prefix }) => prefix)).toEqual(['teacher.', 'a.']);
});

test('other networks are none', () => {
  expect(networksIn(['classifier.0.weight', 'classifier.1.bias', 'encoder.layers.0.weight'])).toEqual([]);
  expect(networksIn(['patch_embed.proj.weight', 'blocks.0.attn.qkv.weight'])).toEqual([]);
});
