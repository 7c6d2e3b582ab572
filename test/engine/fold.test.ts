import { describe, expect, it } from 'vitest';
import type { BackendKind, Precision } from '../../src/engine/core/backend.ts';
import { foldNetwork } from '../../src/engine/core/fold.ts';
import { INPUT, type Network, type Node } from '../../src/engine/core/network.ts';
import { openBackend } from '../../src/engine/open.ts';
import { resnet } from '../../src/models/resnet.ts';
import {
  drawnParameters,
  everyNode,
  fillNormal,
  fillParameters,
  networkOf,
  relativeError,
  vectorNorms,
} from './helpers.ts';
import { FAST, KINDS, openKind } from './kinds.ts';

const conv = (name: string, input: string, filters: number): Node => ({
  kind: 'conv',
  name,
  input,
  filters,
  kernel: 3,
  stride: 1,
  padding: 1,
});
const norm = (name: string, input: string, relu = false): Node => ({
  kind: 'batchNorm',
  name,
  input,
  relu,
  epsilon: 1e-5,
  momentum: 0.1,
});
const sum = (name: string, a: string, b: string): Node => ({ kind: 'addRelu', name, inputs: [a, b] });

const NETWORKS: readonly (readonly [string, Network])[] = [
  ['every kind of node', everyNode(3, 32)],
  ['one channel', everyNode(1, 32)],
  ['a ResNet-18', resnet(18, { channels: 1, size: 32, width: 8 })],
  ['a ResNet-50', resnet(50, { channels: 3, size: 32, width: 4 })],
  [
    'a sum whose other side is read again later',
    networkOf(
      [16, 9, 9],
      [
        conv('a', INPUT, 16),
        norm('aNorm', 'a', true),
        conv('b', 'aNorm', 16),
        norm('bNorm', 'b'),
        sum('s', 'bNorm', 'aNorm'),
        conv('c', 's', 16),
        norm('cNorm', 'c'),
        sum('t', 'aNorm', 'cNorm'),
      ],
    ),
  ],
  [
    'a sum whose other side is what its convolution reads',
    networkOf(
      [16, 9, 9],
      [
        conv('a', INPUT, 16),
        norm('aNorm', 'a'),
        conv('b', 'aNorm', 16),
        norm('bNorm', 'b'),
        sum('s', 'aNorm', 'bNorm'),
      ],
    ),
  ],
  [
    'a sum with the image',
    networkOf([16, 9, 9], [conv('a', INPUT, 16), norm('aNorm', 'a'), sum('s', 'aNorm', INPUT)]),
  ],
  [
    'a convolution that two norms read',
    networkOf([16, 9, 9], [conv('a', INPUT, 16), norm('n', 'a', true), norm('m', 'a'), sum('s', 'n', 'm')]),
  ],
  [
    'a norm on the image',
    networkOf([16, 9, 9], [norm('first', INPUT), conv('a', 'first', 16), norm('n', 'a', true)]),
  ],
  ['norms of vectors', vectorNorms(16)],
  ['norms of 21 features', vectorNorms(21)],
];

/**
 * How far bf16 may be from the reference’s, which rounds what a folded convolution makes once. PyTorch rounds its bias, its
 * product and the sum with the other side of a block, each for itself: over the sixteen blocks of a ResNet-50 that adds up to 1.9 %.
 */
const ROUNDING: Readonly<Record<BackendKind, number>> = { reference: 0, onednn: 6e-3, torch: 2.5e-2 };

interface Options {
  readonly fold: boolean;
  readonly winograd?: boolean;
  readonly precision?: Precision;
  readonly taps?: readonly string[];
}

function infer(
  kind: BackendKind,
  network: Network,
  options: Options,
): { readonly outputs: Map<string, Float32Array>; readonly taps: Map<string, Float32Array> } {
  const { taps = [], precision = 'f32' } = options;
  using backend = openKind(kind);
  using parameters = drawnParameters(backend, network);
  using plan = backend.compile(network, parameters, { batch: 3, mode: 'infer', ...options, precision });
  fillNormal(plan.input, 9, 'images');
  // The second pass would show what the first has left behind.
  for (let pass = 0; pass < 2; pass++) plan.forward();
  return {
    outputs: new Map(network.outputs.map((name) => [name, plan.output(name).slice()])),
    taps: new Map(taps.map((name) => [name, plan.value(name).slice()])),
  };
}

describe.each(NETWORKS)('folded inference of %s', (_, network) => {
  it('equals batch norms with running statistics', () => {
    const truth = infer('reference', network, { fold: false });
    for (const kind of KINDS) {
      const found = infer(kind, network, { fold: true });
      for (const [name, value] of truth.outputs)
        expect(relativeError(value, found.outputs.get(name)!), `${kind} ${name}`).toBeLessThan(1e-5);
    }
  });

  it('goes by Winograd’s filtering to the same values', () => {
    const truth = infer('reference', network, { fold: false });
    const found = infer('onednn', network, { fold: true, winograd: true });
    for (const [name, value] of truth.outputs)
      expect(relativeError(value, found.outputs.get(name)!), name).toBeLessThan(1e-5);
  });

  it.each(FAST)(
    'in bf16 equals the reference’s rounding on %s, and is no further from the truth than unfolded',
    (kind) => {
      const exact = infer('reference', network, { fold: false });
      const rounded = infer('reference', network, { fold: true, precision: 'bf16' });
      const found = infer(kind, network, { fold: true, precision: 'bf16' });
      const unfolded = infer(kind, network, { fold: false, precision: 'bf16' });
      for (const [name, value] of exact.outputs) {
        const error = relativeError(value, found.outputs.get(name)!);
        expect(relativeError(rounded.outputs.get(name)!, found.outputs.get(name)!), name).toBeLessThan(
          ROUNDING[kind],
        );
        expect(error, name).toBeLessThan(
          Math.max(5e-3, 1.5 * relativeError(value, unfolded.outputs.get(name)!)),
        );
      }
    },
  );
});

describe('folding', () => {
  const residual = everyNode(3, 32);

  it('leaves no norm and no sum of a ResNet alone', () => {
    for (const depth of [18, 50] as const) {
      const kinds = foldNetwork(resnet(depth, { channels: 1, size: 32, width: 4 }), []).map(
        ({ kind }) => kind,
      );
      expect(new Set(kinds)).toEqual(new Set(['foldedConv', 'maxPool', 'globalAveragePool']));
      expect(kinds.filter((kind) => kind === 'foldedConv')).toHaveLength(depth === 18 ? 20 : 53);
    }
  });

  it('leaves norms of vectors as they are', () => {
    expect(foldNetwork(vectorNorms(8), []).map(({ kind, name }) => `${kind} ${name}`)).toEqual([
      'foldedConv stemNorm',
      'globalAveragePool pooled',
      'batchNorm first',
      'linear a',
      'relu open',
      'batchNorm b',
      'addRelu sum',
      'batchNorm c',
      'linear head',
      'batchNorm last',
    ]);
  });

  it.each(KINDS)('keeps every value that someone looks at (%s)', (kind) => {
    const taps = ['stem', 'aNorm', 'bNorm', 'shortNorm', 'sum', 'c', 'sum2', INPUT];
    const truth = infer('reference', residual, { fold: false, taps });
    const found = infer(kind, residual, { fold: true, taps });
    for (const [name, value] of truth.taps)
      expect(relativeError(value, found.taps.get(name)!), name).toBeLessThan(1e-5);
    for (const [name, value] of truth.outputs)
      expect(relativeError(value, found.outputs.get(name)!), name).toBeLessThan(1e-5);
  });

  it.each(KINDS)('prepares weights once: later changes do not reach it (%s)', (kind) => {
    const network = NETWORKS[4]![1];
    using backend = openKind(kind);
    using parameters = backend.createParameters(network);
    fillParameters(parameters, 1);
    using plan = backend.compile(network, parameters, {
      batch: 2,
      mode: 'infer',
      precision: 'f32',
      fold: true,
    });
    fillNormal(plan.input, 9, 'images');
    plan.forward();
    const before = plan.output('head').slice();
    for (const { role, offset, length } of parameters.specs)
      if (!role.startsWith('linear')) parameters.values.write(new Float32Array(length), offset);
    plan.forward();
    expect(plan.output('head')).toEqual(before);
  });

  it.each(FAST)('answers for each image whatever the others in the batch are (%s)', (kind) => {
    using backend = openKind(kind);
    using parameters = backend.createParameters(residual);
    fillParameters(parameters, 1);
    const options = { mode: 'infer', precision: 'bf16', fold: true } as const;
    using eight = backend.compile(residual, parameters, { ...options, batch: 8 });
    using one = backend.compile(residual, parameters, { ...options, batch: 1 });
    fillNormal(eight.input, 9, 'images');
    eight.forward();
    one.input.set(eight.input.subarray(3 * one.input.length, 4 * one.input.length));
    one.forward();
    expect(relativeError(eight.output('head').subarray(15, 20), one.output('head'))).toBeLessThan(1e-2);
  });

  it('is refused in training', () => {
    for (const kind of KINDS) {
      using backend = openKind(kind);
      using parameters = backend.createParameters(residual);
      expect(() =>
        backend.compile(residual, parameters, { batch: 2, mode: 'train', precision: 'f32', fold: true }),
      ).toThrow(expect.objectContaining({ code: 'PLAN_OPTIONS', where: 'fold' }));
    }
  });
});

describe('Winograd’s filtering', () => {
  /** The nodes of a ResNet-18 whose kernels go by it. */
  function nodesByIt(
    size: number,
    width: number,
    precision: Precision,
    winograd: boolean,
  ): readonly string[] {
    using backend = openBackend({ kind: 'onednn', threads: 1, profile: true });
    const network = resnet(18, { channels: 1, size, width });
    using parameters = drawnParameters(backend, network);
    const options = { batch: 2, mode: 'infer', precision, fold: true, winograd } as const;
    using plan = backend.compile(network, parameters, options);
    plan.forward();
    return plan
      .profile()
      .filter(({ kernel }) => kernel.includes('wino'))
      .map(({ node }) => node);
  }
  using backend = openBackend({ kind: 'onednn', threads: 1 });
  const { library, precisions } = backend.describe();
  // The library has its kernels for AVX-512 alone, as those of bf16; from 3.1 on it has none.
  const isQuick = precisions.includes('bf16') && library.startsWith('oneDNN 2.');

  it.runIf(isQuick)('is taken where tiles of 4 × 4 are mostly filled, and where it is asked for', () => {
    // Maps of 28, 14, 7 and 4 a side: all convolutions of stride 1.
    expect(nodesByIt(112, 16, 'f32', true)).toHaveLength(13);
    // Maps of 16, 8, 4 and 2: a quarter of a tile is not worth it.
    expect(nodesByIt(64, 16, 'f32', true)).toHaveLength(10);
    expect(nodesByIt(64, 16, 'f32', true).filter((node) => node.startsWith('layer4'))).toEqual([]);
    expect(nodesByIt(112, 16, 'f32', false)).toEqual([]);
    expect(nodesByIt(112, 16, 'bf16', true)).toEqual([]);
    // Channels that would be padded.
    expect(nodesByIt(112, 8, 'f32', true).filter((node) => node.startsWith('layer1'))).toEqual([]);
  });

  it.runIf(isQuick)('is off by rounding alone: a few 1e-6 of the features of a whole ResNet-18', () => {
    const network = resnet(18, { channels: 1, size: 64, width: 32 });
    const truth = infer('reference', network, { fold: false }).outputs.get('features')!;
    const found = infer('onednn', network, { fold: true, winograd: true }).outputs.get('features')!;
    expect(relativeError(truth, found)).toBeLessThan(4e-6);
  });

  it('is refused in plans that are not folded', () => {
    for (const kind of KINDS) {
      using backend = openKind(kind);
      const network = everyNode(1, 32);
      using parameters = backend.createParameters(network);
      const options = { batch: 2, mode: 'infer', precision: 'f32', winograd: true } as const;
      expect(() => backend.compile(network, parameters, options)).toThrow(
        expect.objectContaining({ code: 'PLAN_OPTIONS', where: 'winograd' }),
      );
    }
  });
});
