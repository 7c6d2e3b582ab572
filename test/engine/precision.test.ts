import { expect, it } from 'vitest';
import { openBackend } from '../../src/engine/open.ts';
import { inOrder } from '../../src/engine/core/precision-trial.ts';

it.each([
  [0.5, 'bf16'],
  [0.89, 'bf16'],
  // Eight bits of a number are not given for a tenth of the time.
  [0.95, 'f32'],
  [2, 'f32'],
])('where bf16 takes %f times as long as f32, auto takes %s', (ratio, first) => {
  expect(inOrder(ratio)[0]).toBe(first);
  expect([...inOrder(ratio)].sort()).toEqual(['bf16', 'f32']);
});

it('is told the same every time, and bf16 only where the processor has it', () => {
  using backend = openBackend({ kind: 'onednn' });
  const { precisions, instructionSet } = backend.describe();
  expect([...precisions].sort()).toEqual(
    /bf16|fp16|amx|avx10/.test(instructionSet) ? ['bf16', 'f32'] : ['f32'],
  );
  expect(backend.describe().precisions).toEqual(precisions);
});
