/** Bytes through tables into planes: every value, wherever the bytes begin in their buffer and however many there are. */
import { expect, it } from 'vitest';
import { toPlanes, writeTable } from '../../src/views/planes.ts';

const bytes = Uint8Array.from({ length: 64 }, (_, i) => (37 * i) % 256);
const table = Float64Array.from({ length: 256 }, (_, value) => Math.sqrt(value));

it.each([0, 1, 2, 3, 4, 5, 8, 10, 15, 20])('a table is written of bytes that begin at %i', (from) => {
  for (const length of [0, 1, 3, 4, 7, 16, 21]) {
    const target = new Float32Array(30).fill(-1);
    writeTable(bytes.subarray(from, from + length), table, target, 5);
    const wanted = Array.from({ length: 30 }, (_, i) =>
      i < 5 || i >= 5 + length ? -1 : Math.fround(Math.sqrt((37 * (from + i - 5)) % 256)),
    );
    expect([...target]).toEqual(wanted);
  }
});

it.each([0, 1, 2, 3, 4, 5, 8, 10, 15, 20])('colours of pixels that begin at %i are parted', (from) => {
  for (const pixels of [0, 1, 3, 4, 7, 13]) {
    const target = new Uint8Array(3 * pixels);
    toPlanes(bytes.subarray(from, from + 3 * pixels), pixels, 3, 3, target);
    const wanted = [0, 1, 2].flatMap((colour) =>
      Array.from({ length: pixels }, (_, i) => (37 * (from + 3 * i + colour)) % 256),
    );
    expect([...target]).toEqual(wanted);
  }
});
