import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { roundToBfloat16 } from '../../src/engine/core/bfloat16.ts';

function rounded(value: number): number {
  const values = Float32Array.of(value);
  roundToBfloat16(values);
  return values[0]!;
}

describe('bfloat16 rounding', () => {
  it.each([
    [1, 1],
    [1 + 2 ** -8, 1], // tie to even, down
    [1 + 3 * 2 ** -8, 1 + 2 ** -6], // tie to even, up
    [1 + 2 ** -8 + 2 ** -20, 1 + 2 ** -7],
    [-0, -0],
    [Infinity, Infinity],
    [3.4e38, Infinity],
  ])('rounds %f to %f', (value, expected) => {
    expect(rounded(value)).toBe(expected);
  });

  it('keeps NaN', () => {
    expect(rounded(NaN)).toBeNaN();
  });

  it('is within half a unit of the last place', () => {
    fc.assert(
      fc.property(fc.float({ min: Math.fround(-1e30), max: Math.fround(1e30), noNaN: true }), (value) => {
        const result = rounded(value);
        if (Math.abs(value) > 1e-30)
          expect(Math.abs(result - value)).toBeLessThanOrEqual(Math.abs(value) * 2 ** -8);
      }),
      { seed: 2 },
    );
  });
});
