import { describe, expect, it } from 'vitest';
import { frozenErrors, inferenceErrors } from '../golden/frozen-golden.ts';
import { FAST, openKind } from './kinds.ts';

describe.each(FAST)('%s: ResNet-18 with frozen batch norms against PyTorch in float64', (kind) => {
  it.each([false, true])('infers within 1e-5 in f32 (folded: %s)', (fold) => {
    using backend = openKind(kind, 1);
    const errors = inferenceErrors(backend, 'f32', fold);
    expect(errors).toHaveLength(3);
    for (const { name, error } of errors) expect(error, name).toBeLessThan(1e-5);
  });

  it.each([false, true])('infers as closely as PyTorch’s own bf16 comes (folded: %s)', (fold) => {
    using backend = openKind(kind, 1);
    for (const { name, error, pytorch } of inferenceErrors(backend, 'bf16', fold))
      expect(error, name).toBeLessThan(1.5 * pytorch);
  });

  it('has every gradient within 1e-5 in f32: parameters, maps, the image', () => {
    using backend = openKind(kind, 1);
    const errors = frozenErrors(backend, 'f32');
    // 62 parameters of the trunk and its heads, 4 maps and their gradients, the image.
    expect(errors).toHaveLength(66 + 4 + 5);
    for (const { name, error } of errors) expect(error, name).toBeLessThan(1e-5);
  });

  it('has every gradient as close as PyTorch’s own bf16 comes', () => {
    using backend = openKind(kind, 1);
    for (const { name, error, pytorch } of frozenErrors(backend, 'bf16'))
      expect(error, name).toBeLessThan(Math.max(3e-2, 1.5 * pytorch));
  });
});
