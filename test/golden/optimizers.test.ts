import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Backend } from '../../src/engine/core/backend.ts';
import { INPUT, type Network } from '../../src/engine/core/network.ts';
import { createOptimizer, type OptimizerConfig } from '../../src/engine/core/optimizer.ts';
import { relativeError } from './hashed.ts';
import { optimizerGradient, optimizerStart } from './optimizers.ts';
import { readOptimizerGolden } from './tables.ts';
import { KINDS, openKind } from '../engine/kinds.ts';

const { length, cases } = readOptimizerGolden();
/** Copies of the golden vector side by side: long enough for the fast kernels, which leave short vectors to a loop. */
const COPIES = 1000;

/** A network whose only purpose is one weight of `COPIES` × `length` elements, and a bias that must not move. */
const network: Network = {
  input: [length, 1, 1],
  nodes: [
    { kind: 'globalAveragePool', name: 'pooled', input: INPUT },
    { kind: 'linear', name: 'layer', input: 'pooled', features: COPIES },
  ],
  outputs: ['layer'],
};

function configOf(golden: (typeof cases)[string]): OptimizerConfig {
  if (golden.kind === 'sgd') return { kind: 'sgd', momentum: golden.momentum, nesterov: golden.nesterov };
  const { kind, beta1, beta2, epsilon } = golden;
  return { kind, beta1, beta2, epsilon };
}

describe.each(KINDS)('ten optimizer steps on %s against torch.optim', (kind) => {
  let backend: Backend;
  beforeAll(() => {
    backend = openKind(kind);
  });
  afterAll(() => {
    backend[Symbol.dispose]();
  });

  it.each(Object.entries(cases))('%s', (name, golden) => {
    using parameters = backend.createParameters(network);
    const { values, gradients } = parameters;
    const weight = parameters.specs.find((spec) => spec.name === 'layer.weight')!;
    const copies = Array.from({ length: COPIES }, (_, copy) => weight.offset + copy * length);
    values.write(new Float32Array(values.length).fill(0.25));
    gradients.write(new Float32Array(gradients.length).fill(1));
    for (const offset of copies) values.write(optimizerStart(name, length), offset);
    using optimizer = createOptimizer(backend, parameters, configOf(golden), [
      { parameters: ['layer.weight'], learningRateFactor: 1, weightDecay: golden.weightDecay },
    ]);
    golden.after.forEach((expected, step) => {
      for (const offset of copies) gradients.write(optimizerGradient(name, step, length), offset);
      optimizer.update(golden.learningRates[step]!);
      for (const offset of [copies[0]!, copies[COPIES >> 1]!, copies[COPIES - 1]!])
        expect(
          relativeError(expected, values.read(new Float32Array(length), offset)),
          `step ${step}`,
        ).toBeLessThan(2e-6);
    });
    const bias = parameters.specs.find((spec) => spec.name === 'layer.bias')!;
    expect(new Set(values.read(new Float32Array(bias.length), bias.offset))).toEqual(new Set([0.25]));
  });
});
