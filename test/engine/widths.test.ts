import { describe, expect, it } from 'vitest';
import { cutNetwork } from '../../src/engine/core/cut.ts';
import { INPUT, type Network } from '../../src/engine/core/network.ts';
import { everyNode, oddNetwork, vectorNorms } from './helpers.ts';
import { layerErrors } from './layers.ts';
import { FAST, openKind } from './kinds.ts';

/*
 * oneDNN works on 16 channels at a time (8 with AVX2) and pads what does not fill them. These tests hold every width
 * from 1 to 40, odd maps, one and three channels in, heads of any width.
 */
const WIDTHS = Array.from({ length: 40 }, (_, index) => index + 1);

describe.each(FAST)('%s: every layer at every width from 1 to 40', (kind) => {
  it.each([
    ['f32', 1e-5, 2e-4],
    ['bf16', 1e-2, 1e-2],
  ] as const)('makes of what it is given what exact arithmetic makes (%s)', (precision, value, gradient) => {
    using backend = openKind(kind, 2);
    for (const width of WIDTHS)
      for (const normGroups of width % 4 === 0 ? [1, 2] : [1]) {
        const errors = layerErrors(backend, oddNetwork(width), { batch: 2, precision, normGroups });
        const label = `width ${width}: ${errors.worst}`;
        expect(errors.values, label).toBeLessThan(value);
        expect(errors.passed, label).toBeLessThan(gradient);
        // The scale of a filter before a norm changes nothing: with a weight or two, little but rounding is left.
        expect(errors.parameters, label).toBeLessThan(width < 3 ? 10 * gradient : gradient);
      }
  });
});

describe.each(FAST)('%s: norms of vectors at every width from 1 to 40', (kind) => {
  it.each([
    ['f32', 1e-5, 2e-4],
    ['bf16', 1e-2, 1e-2],
  ] as const)(
    'make of what they are given what exact arithmetic makes (%s)',
    (precision, value, gradient) => {
      using backend = openKind(kind, 2);
      for (const width of WIDTHS)
        for (const [batch, normGroups] of [
          [7, 1],
          [16, 2],
        ] as const) {
          const errors = layerErrors(backend, vectorNorms(width), { batch, precision, normGroups });
          const label = `width ${width}, batch ${batch} in ${normGroups}: ${errors.worst}`;
          expect(errors.values, label).toBeLessThan(value);
          expect(errors.passed, label).toBeLessThan(gradient);
          expect(errors.parameters, label).toBeLessThan(gradient);
        }
    },
  );
});

describe.each(FAST)('%s: layers whose maps come in layouts of their own', (kind) => {
  const check = (network: Network, label: string): void => {
    using backend = openKind(kind, 2);
    for (const precision of ['f32', 'bf16'] as const) {
      const errors = layerErrors(backend, network, { batch: 2, precision });
      const [value, gradient] = precision === 'f32' ? [1e-5, 2e-4] : [1e-2, 1e-2];
      expect(errors.values, `${label}: ${errors.worst}`).toBeLessThan(value);
      expect(errors.passed, `${label}: ${errors.worst}`).toBeLessThan(gradient);
      expect(errors.parameters, `${label}: ${errors.worst}`).toBeLessThan(gradient);
    }
  };

  it.each([3, 8, 12, 16, 20, 24])('a network cut at a map of %i channels', (width) => {
    for (const at of ['pool', 'sum'])
      check(cutNetwork(everyNode(1, 25, width, 7, 19), at).above, `cut at ${at}`);
  });

  it.each([3, 8, 16, 24])(
    'a sum of a map as the host wrote it and one of a convolution (%i channels)',
    (width) => {
      check(
        {
          input: [width, 15, 11],
          nodes: [
            { kind: 'maxPool', name: 'pool', input: INPUT, kernel: 3, stride: 2, padding: 1 },
            { kind: 'conv', name: 'a', input: 'pool', filters: width, kernel: 3, stride: 1, padding: 1 },
            { kind: 'batchNorm', name: 'n', input: 'a', relu: false, epsilon: 1e-5, momentum: 0.1 },
            { kind: 'addRelu', name: 'sum', inputs: ['n', 'pool'] },
            { kind: 'conv', name: 'b', input: 'sum', filters: width + 1, kernel: 1, stride: 1, padding: 0 },
            { kind: 'conv', name: 'c', input: 'b', filters: 16, kernel: 3, stride: 1, padding: 1 },
            { kind: 'relu', name: 'd', input: 'c' },
            { kind: 'globalAveragePool', name: 'pooled', input: 'd' },
            { kind: 'linear', name: 'head', input: 'pooled', features: 5 },
          ],
          outputs: ['head'],
        },
        'sum',
      );
    },
  );

  it.each([1, 5, 8, 16, 24])('maps of one pixel (%i channels)', (width) => {
    check(
      {
        input: [width, 1, 1],
        nodes: [
          { kind: 'conv', name: 'a', input: INPUT, filters: width, kernel: 3, stride: 1, padding: 1 },
          { kind: 'addRelu', name: 'sum', inputs: ['a', INPUT] },
          { kind: 'conv', name: 'b', input: 'sum', filters: 2 * width, kernel: 1, stride: 2, padding: 0 },
          { kind: 'globalAveragePool', name: 'pooled', input: 'b' },
          { kind: 'linear', name: 'head', input: 'pooled', features: width },
        ],
        outputs: ['head'],
      },
      'one pixel',
    );
  });
});
