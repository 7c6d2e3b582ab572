import { describe, expect, it } from 'vitest';
import { compareWithGolden, RESNET_CASES, worst } from '../golden/resnet-golden.ts';
import { FAST, openKind } from './kinds.ts';

describe.each(FAST)('%s: a training step against PyTorch in float64', (kind) => {
  it.each(RESNET_CASES)('%s in f32: outputs, every gradient, running statistics within 1e-4', (name) => {
    using backend = openKind(kind, 2);
    const { outputs, gradients, statistics } = compareWithGolden(name, backend, 'f32');
    for (const errors of [outputs, gradients, statistics])
      for (const { error, entries, norm } of errors) {
        expect(error, worst(errors)).toBeLessThan(1e-4);
        expect(entries, worst(errors)).toBeLessThan(1e-4);
        expect(norm, worst(errors)).toBeLessThan(1e-4);
      }
  });

  it.each(RESNET_CASES)('%s in bf16: as close as PyTorch’s own bf16 comes', (name) => {
    using backend = openKind(kind, 2);
    const { outputs, gradients, statistics } = compareWithGolden(name, backend, 'bf16');
    for (const errors of [outputs, gradients, statistics])
      for (const { name: tensor, error, pytorch } of errors)
        expect(error, tensor).toBeLessThan(Math.max(3e-2, 1.5 * pytorch));
  });
});
