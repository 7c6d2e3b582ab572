import { describe, expect, it } from 'vitest';
import { gradientNeeds } from '../../src/engine/core/gradients.ts';
import {
  inferShapes,
  INPUT,
  parameterSpecs,
  statisticSpecs,
  type Network,
} from '../../src/engine/core/network.ts';
import { everyNode, vectorNorms } from './helpers.ts';

describe('a network', () => {
  it('has the shapes of the usual convolution arithmetic', () => {
    const shapes = inferShapes(everyNode(3, 65));
    expect(shapes.get('stem')).toEqual([16, 33, 33]);
    expect(shapes.get('pool')).toEqual([16, 17, 17]);
    expect(shapes.get('sum')).toEqual([32, 9, 9]);
    expect(shapes.get('head')).toEqual([5]);
  });

  it('lays parameters back to back, a norm’s scale right before its shift', () => {
    const specs = parameterSpecs(everyNode(1, 64));
    let next = 0;
    for (const { offset, length } of specs) {
      expect(offset).toBe(next);
      next += length;
    }
    const scale = specs.findIndex(({ name }) => name === 'aNorm.weight');
    expect(specs[scale + 1]?.name).toBe('aNorm.bias');
    expect(statisticSpecs(everyNode(1, 64)).map(({ name }) => name)).toContain('shortNorm.running_var');
  });

  it('normalises vectors as it does maps, feature by feature', () => {
    const network = vectorNorms(6);
    expect(inferShapes(network).get('first')).toEqual([6]);
    expect(inferShapes(network).get('last')).toEqual([6]);
    const shape = (name: string) => parameterSpecs(network).find((spec) => spec.name === name)?.shape;
    expect(shape('last.weight')).toEqual([6]);
    expect(shape('last.bias')).toEqual([6]);
    const statistics = statisticSpecs(network).filter(({ name }) => name.startsWith('last.'));
    expect(statistics.map(({ name, length, initial }) => [name, length, initial])).toEqual([
      ['last.running_mean', 6, 0],
      ['last.running_var', 6, 1],
    ]);
  });

  const broken: readonly (readonly [string, Network, RegExp])[] = [
    [
      'an input that nobody makes',
      { input: [1, 8, 8], nodes: [{ kind: 'relu', name: 'r', input: 'ghost' }], outputs: [] },
      /"ghost" is not made/,
    ],
    [
      'a window larger than the image',
      {
        input: [1, 4, 4],
        nodes: [{ kind: 'conv', name: 'c', input: INPUT, filters: 2, kernel: 9, stride: 1, padding: 0 }],
        outputs: [],
      },
      /window of 9 does not fit a side of 4/,
    ],
    [
      'a sum of different shapes',
      {
        input: [1, 8, 8],
        nodes: [
          { kind: 'conv', name: 'c', input: INPUT, filters: 2, kernel: 1, stride: 1, padding: 0 },
          { kind: 'addRelu', name: 's', inputs: ['c', INPUT] },
        ],
        outputs: [],
      },
      /adds \[2,8,8\] and \[1,8,8\]/,
    ],
    [
      'two nodes of one name',
      {
        input: [1, 8, 8],
        nodes: [
          { kind: 'relu', name: 'r', input: INPUT },
          { kind: 'relu', name: 'r', input: INPUT },
        ],
        outputs: [],
      },
      /two nodes/,
    ],
    ['an output that nobody makes', { input: [1, 8, 8], nodes: [], outputs: ['o'] }, /not the value of any/],
    [
      'a linear layer on a map',
      { input: [1, 8, 8], nodes: [{ kind: 'linear', name: 'l', input: INPUT, features: 3 }], outputs: [] },
      /takes a vector/,
    ],
    [
      'a mean over the sides of a vector',
      { input: [8], nodes: [{ kind: 'globalAveragePool', name: 'p', input: INPUT }], outputs: [] },
      /needs a feature map/,
    ],
  ];
  it.each(broken)('refuses %s, naming the node', (_, network, message) => {
    expect(() => inferShapes(network)).toThrow(message);
  });
});

describe('the needs of a backward pass', () => {
  it('stop below the lowest trainable parameter', () => {
    const needs = gradientNeeds(everyNode(1, 64), (name) => name.startsWith('c') || name.startsWith('h'));
    expect(needs.values.has('c')).toBe(true);
    expect(needs.values.has('sum')).toBe(false);
    expect(needs.values.has('pool')).toBe(false);
    expect(needs.parameters).toEqual(
      new Set([
        'c.weight',
        'cNorm.weight',
        'cNorm.bias',
        'hidden.weight',
        'hidden.bias',
        'head.weight',
        'head.bias',
      ]),
    );
  });

  it('never include the image', () => {
    expect(gradientNeeds(everyNode(1, 64), () => true).values.has(INPUT)).toBe(false);
  });
});
