import { describe, expect, it } from 'vitest';
import { inferShapes, INPUT, inputsOf } from '../../src/engine/core/network.ts';
import * as kernels from '../../src/engine/reference/kernels.ts';
import { resnet } from '../../src/models/resnet.ts';
import { fillNormal, fillParameters, relativeError } from './helpers.ts';
import { FAST, openKind } from './kinds.ts';

/*
 * Gradients of a whole network in bf16 cannot be near the truth: activations of 8 bits turn over ReLUs, and PyTorch's
 * own are 10 to 40 % off. But each layer can be held to its task: given the very activations and the very incoming
 * gradient that the pass had in bf16, its parameters' gradients and the gradient that it passes on are those of exact
 * arithmetic, up to one rounding.
 */
const BATCH = 6;
const GROUPS = 2;
/** Rounding to bf16 alone is off by about 1.7e-3 of the norm. */
const LIMIT = 5e-3;

/**
 * The last maps have one pixel, where a norm has three values a channel. PyTorch's kernel takes a way there that rounds what it subtracts
 * to bf16 (its tensors of one pixel differ in their strides; `golden/torch.test.ts` holds the backend to those bits), so it gets larger maps.
 */
const NETWORKS = {
  onednn: [
    ['ResNet-18', resnet(18, { channels: 1, size: 32, width: 16 })],
    ['ResNet-50', resnet(50, { channels: 3, size: 32, width: 16 })],
  ],
  torch: [
    ['ResNet-18', resnet(18, { channels: 1, size: 64, width: 8 })],
    ['ResNet-50', resnet(50, { channels: 3, size: 64, width: 8 })],
  ],
} as const;

describe.each(FAST.flatMap((kind) => NETWORKS[kind].map((one) => [kind, ...one] as const)))(
  '%s: every layer of a %s in bf16',
  (kind, _, network) => {
    it.each([
      ['norms of the batch', false],
      ['frozen norms', true],
    ])('has the gradients of exact arithmetic on what it was given (%s)', (_name, frozen) => {
      const taps = [INPUT, ...network.nodes.map(({ name }) => name)];
      using backend = openKind(kind, 1);
      using parameters = backend.createParameters(network);
      fillParameters(parameters, 4);
      using plan = backend.compile(network, parameters, {
        batch: BATCH,
        mode: 'train',
        precision: 'bf16',
        normGroups: GROUPS,
        frozenNorms: () => frozen,
        taps,
      });
      const statistics = parameters.statistics.read();
      fillNormal(plan.input, 7, 'images');
      plan.forward();
      fillNormal(plan.outputGradient('features'), 7, 'gradient');
      plan.backward();
      const shapes = inferShapes(network) as ReadonlyMap<string, readonly [number, number, number]>;
      const spec = (name: string): { readonly offset: number; readonly length: number } =>
        [...parameters.specs, ...parameters.statisticSpecs].find((one) => one.name === name)!;
      const slice = (data: Float32Array, name: string): Float32Array => {
        const { offset, length } = spec(name);
        return data.subarray(offset, offset + length);
      };
      let checked = 0;
      const check = (name: string, exact: Float32Array): void => {
        expect(relativeError(exact, slice(parameters.gradients.read(), name)), name).toBeLessThan(LIMIT);
        checked++;
      };
      const readers = new Map<string, number>();
      for (const name of network.nodes.flatMap(inputsOf)) readers.set(name, (readers.get(name) ?? 0) + 1);
      /** What a node passes on, where its input has no other reader that adds to it. */
      const checkPassed = (input: string, exact: Float32Array): void => {
        if (readers.get(input) === 1)
          expect(relativeError(exact, plan.valueGradient(input)), `gradient of ${input}`).toBeLessThan(LIMIT);
      };
      for (const node of network.nodes) {
        if (node.kind !== 'conv' && node.kind !== 'batchNorm') continue;
        const maps = (name: string, data: Float32Array): kernels.Maps => {
          const [channels, height, width] = shapes.get(name)!;
          return { data, batch: BATCH, channels, height, width };
        };
        const source = maps(node.input, plan.value(node.input));
        const gradient = maps(node.name, plan.valueGradient(node.name));
        const passed = maps(node.input, new Float32Array(source.data.length));
        if (node.kind === 'conv') {
          const exact = new Float32Array(spec(`${node.name}.weight`).length);
          kernels.convBackwardWeight(node, source, gradient, exact);
          check(`${node.name}.weight`, exact);
          const weight = slice(parameters.values.read(), `${node.name}.weight`);
          kernels.convBackwardData(node, gradient, weight, passed);
          checkPassed(node.input, passed.data);
          continue;
        }
        const groups = frozen ? 1 : GROUPS;
        const moments = frozen
          ? {
              mean: slice(statistics, `${node.name}.running_mean`),
              variance: slice(statistics, `${node.name}.running_var`),
            }
          : kernels.normMoments(source, groups);
        const { epsilon, relu } = node;
        const norm = {
          groups,
          moments,
          scale: slice(parameters.values.read(), `${node.name}.weight`),
          epsilon,
          relu,
        };
        const [scale, shift] = [new Float32Array(source.channels), new Float32Array(source.channels)];
        const value = maps(node.name, plan.value(node.name));
        const sums = kernels.normSums(norm, source, value, gradient);
        kernels.normParameterGradients(sums, { source: passed.data, weight: scale, bias: shift });
        kernels.normBackward(norm, frozen ? null : sums, source, value, gradient, passed.data);
        check(`${node.name}.weight`, scale);
        check(`${node.name}.bias`, shift);
        checkPassed(node.input, passed.data);
      }
      expect(checked).toBe(parameters.specs.length);
    });
  },
);
