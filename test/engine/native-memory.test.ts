import { describe, expect, it } from 'vitest';
import { allocateBlock, allocateZeros, byteView, floatView } from '../../src/engine/native/memory.ts';

const HUGE_PAGE = 2 * 1024 * 1024;

describe('native memory', () => {
  it.each([
    ['small', 1000, 64],
    ['large', 5_000_000, HUGE_PAGE],
  ])('is aligned, holds what was asked for and keeps what is written (%s)', (_, bytes, alignment) => {
    using block = allocateBlock(bytes);
    expect(block.address % alignment).toBe(0);
    expect(block.bytes).toBeGreaterThanOrEqual(bytes);
    const view = byteView(block.address, block.bytes);
    view.fill(7);
    expect([view[0], view.at(-1)]).toEqual([7, 7]);
    expect(floatView(block.address, 2)).toHaveLength(2);
  });

  it.each([1000, 5_000_000])(
    'is all zeros where that is asked for, also after others left theirs (%i bytes)',
    (bytes) => {
      for (let round = 0; round < 3; round++) {
        using block = allocateZeros(bytes);
        const view = byteView(block.address, block.bytes);
        expect(view.every((byte) => byte === 0)).toBe(true);
        view.fill(255);
      }
    },
  );

  it('that the system has not is an error with the way out', () => {
    for (const allocate of [allocateBlock, allocateZeros])
      expect(() => allocate(2 ** 47)).toThrow(
        expect.objectContaining({
          code: 'OUT_OF_MEMORY',
          message: 'The system refused 134217728 MiB of memory.',
        }),
      );
  });

  it('is given back once', () => {
    const block = allocateBlock(5_000_000);
    block[Symbol.dispose]();
    expect(() => {
      block[Symbol.dispose]();
    }).not.toThrow();
  });
});
