import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { roundToBfloat16, toBfloat16 } from '../../src/engine/core/bfloat16.ts';

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
    expect(toBfloat16(value)).toBe(expected);
  });

  it('keeps NaN', () => {
    expect(toBfloat16(NaN)).toBeNaN();
  });

  it('is within half a unit of the last place, and the same in place', () => {
    fc.assert(
      fc.property(fc.float({ min: Math.fround(-1e30), max: Math.fround(1e30), noNaN: true }), (value) => {
        const rounded = toBfloat16(value);
        if (Math.abs(value) > 1e-30)
          expect(Math.abs(rounded - value)).toBeLessThanOrEqual(Math.abs(value) * 2 ** -8);
        const array = Float32Array.of(value);
        roundToBfloat16(array);
        expect(array[0]).toBe(rounded);
      }),
      { seed: 2 },
    );
  });
});
